"""The statement: a plan's story in plain words, line by line, with running balances."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Literal

import attrs

from ledger.events import (
    CancellationRequested,
    Fact,
    InstallmentSettled,
    Outcome,
    PaymentMade,
    PaymentMissed,
    PaymentReversed,
    PlanCancelled,
    PlanCompleted,
    PlanOpened,
    PlanReinstated,
    PromoApplied,
    ScheduleRevised,
)
from ledger.money import Money
from ledger.plan import Plan
from ledger.state import State, Step

_ENDED = ("cancelled", "completed")


LineKind = Literal[
    "opened",
    "payment",
    "payment_in_error",
    "chargeback",
    "cancellation_requested",
    "reinstated",
    "settled",
    "missed",
    "promotion",
    "completed",
    "cancelled",
    "schedule_revised",
    "taken_back",
]
"""Sorts of lines; an outcome that a chargeback ended is `taken_back`."""


@attrs.frozen(kw_only=True)
class StatementLine:
    """One thing that happened, and what the plan then comes to.

    `kind` is the sort of thing, for programs, and `text` says it in words. `number` is the installment that it is
    about, up to `last_number` where a payment settled several; `reference` the payment or request that it is or that
    caused it; `version` the event of the plan that records it, the first of several, None for an outcome that is due
    and not recorded yet. `money` is what came in, negative for what was taken back; `shares` and `bonus` what the
    package and the promotions credited, negative for what was taken back. The other fields are running balances.
    """

    on: date
    text: str
    kind: LineKind
    number: int | None
    last_number: int | None
    reference: str | None
    version: int | None
    money: Money | None
    shares: int
    bonus: int
    paid: Money
    unapplied: Money
    shares_credited: int
    bonus_credited: int


@attrs.frozen
class _Entry:
    """A line without its running balances."""

    kind: LineKind
    text: str
    money: int | None = None
    shares: int = 0
    bonus: int = 0
    number: int | None = None
    last_number: int | None = None
    reference: str | None = None
    version: int | None = None


class _Versions:
    """The versions of a plan's events, by what they record."""

    def __init__(self, plan: Plan) -> None:
        self.facts: dict[Fact, int] = dict(zip(plan.facts, plan.fact_versions, strict=True))
        self.outcomes = {item.outcome: item.version for item in plan.outcomes}
        self.voidings = {item.outcome: item.void.version for item in plan.outcomes if item.void is not None}


def statement_lines(plan: Plan, as_of: date) -> tuple[StatementLine, ...]:
    """Return the lines up to and including `as_of`, oldest first; a payment in error has one line and no effect."""
    lines: list[StatementLine] = []
    shares = bonus = 0
    versions = _Versions(plan)
    for step in plan.steps(as_of):
        for entry in _entries(plan, step, versions):
            shares, bonus = shares + entry.shares, bonus + entry.bonus
            lines.append(_line(entry, step.state, plan.opened.terms.price.currency, shares, bonus))
    for reversal in plan.reversals.values():
        payment = plan.payments[reversal.reference]
        if reversal.cause == "error" and payment.effective_on <= as_of:
            before = max(index for index, line in enumerate(lines) if line.on <= payment.effective_on)
            lines.insert(before + 1, _in_error(payment, versions.facts[payment], lines[before]))
    return tuple(lines)


def _in_error(payment: PaymentMade | PlanReinstated, version: int, before: StatementLine) -> StatementLine:
    """Return the line of a payment that was never made: the balances stay."""
    return attrs.evolve(
        before,
        on=payment.effective_on,
        text=f"Payment {payment.reference} of {payment.amount:,} was recorded in error; it does not count.",
        kind="payment_in_error",
        number=None,
        last_number=None,
        reference=payment.reference,
        version=version,
        money=None,
        shares=0,
        bonus=0,
    )


def _line(entry: _Entry, state: State, currency: str, shares: int, bonus: int) -> StatementLine:
    return StatementLine(
        on=state.on,
        text=entry.text,
        kind=entry.kind,
        number=entry.number,
        last_number=entry.number if entry.last_number is None else entry.last_number,
        reference=entry.reference,
        version=entry.version,
        money=None if entry.money is None else Money(entry.money, currency),
        shares=entry.shares,
        bonus=entry.bonus,
        paid=Money(state.paid, currency),
        unapplied=Money(state.unapplied, currency),
        shares_credited=shares,
        bonus_credited=bonus,
    )


def _entries(plan: Plan, step: Step, versions: _Versions) -> Iterator[_Entry]:
    """Yield the lines of one step: the fact, what it ended, what it brought."""
    if step.fact is not None:
        fact = _of_fact(plan, step.fact, step)
        yield attrs.evolve(fact, reference=step.fact.reference, version=versions.facts[step.fact])
    elif step.state.on == plan.opened.effective_on:
        yield _of_opening(plan.opened)
    for outcome, reversal in step.ended.items():
        number = outcome.number if isinstance(outcome, InstallmentSettled) else None
        yield attrs.evolve(
            _taken_back(outcome),
            number=number,
            reference=reversal.reference,
            version=versions.voidings.get(outcome),
        )
    settled = [outcome for outcome in step.outcomes if isinstance(outcome, InstallmentSettled)]
    if settled:
        yield attrs.evolve(_settled(settled), version=versions.outcomes.get(settled[0]))
    for outcome in step.outcomes:
        if not isinstance(outcome, InstallmentSettled):
            yield attrs.evolve(_brought(outcome, step.state), version=versions.outcomes.get(outcome))


def _of_opening(opened: PlanOpened) -> _Entry:
    terms, first = opened.terms, opened.lines[0]
    text = (
        f"Plan opened: {terms.shares:,} shares for {terms.price:,} in {terms.installments} installments, "
        f"the first due on {first.due_on}."
    )
    return _Entry("opened", text, version=1)


def _of_fact(plan: Plan, fact: Fact, step: Step) -> _Entry:
    if isinstance(fact, PaymentReversed):
        amount = plan.payments[fact.reference].amount.minor
        return _Entry("chargeback", f"Payment {fact.reference} was charged back.", money=-amount)
    if isinstance(fact, CancellationRequested):
        effect = "" if step.outcomes else " It changed nothing: the plan had ended before."
        text = f"Cancellation requested ({fact.reference}): {fact.reason}.{effect}"
        return _Entry("cancellation_requested", text)
    idle = (
        " The plan had ended: the money is held unapplied." if step.state.status in _ENDED and not step.outcomes else ""
    )
    if isinstance(fact, PlanReinstated):
        approval = f"approved by {fact.approved_by}: {fact.reason}"
        if any(isinstance(outcome, (ScheduleRevised, PlanCompleted)) for outcome in step.outcomes):
            text = f"Reinstated with payment {fact.reference}, {approval}."
            return _Entry("reinstated", text, money=fact.amount.minor)
        return _Entry("payment", f"Payment {fact.reference}.{idle}", money=fact.amount.minor)
    early = ", marked as early repayment" if fact.kind == "early_repayment" else ""
    return _Entry("payment", f"Payment {fact.reference}{early}.{idle}", money=fact.amount.minor)


def _settled(outcomes: Sequence[InstallmentSettled]) -> _Entry:
    """Say in one line what a payment settled."""
    first, last, shares = outcomes[0].number, outcomes[-1].number, sum(outcome.shares for outcome in outcomes)
    text = f"Installment {first} settled." if first == last else f"Installments {first} to {last} settled."
    return _Entry("settled", text, shares=shares, number=first, last_number=last, reference=outcomes[0].payment)


def _brought(outcome: Outcome, state: State) -> _Entry:
    """Say what another outcome credits or means."""
    match outcome:
        case PaymentMissed(number=number, due_on=due_on, grace_ends_on=last):
            text = f"Installment {number}, due {due_on}, is not paid. A payment until {last} keeps the plan."
            return _Entry("missed", text, number=number)
        case PromoApplied(code=code, shares=shares, payment=payment):
            return _Entry("promotion", f"Promotion {code} credited.", bonus=shares, reference=payment)
        case PlanCompleted(shares=shares, payment=payment):
            text = "Every installment is settled: the rest of the package is credited."
            return _Entry("completed", text, shares=shares, reference=payment)
        case PlanCancelled(number=number, request=request, shares_forfeited=lost):
            why = "as requested" if number is None else f"installment {number} was not paid within grace"
            text = f"Cancelled, {why}: {state.shares_credited:,} shares stay, {lost:,} are forfeited."
            return _Entry("cancelled", text, number=number, reference=request)
        case ScheduleRevised(lines=lines, shares=shares, shares_forfeited=lost, payment=payment):
            package = f" The package is now {shares:,} shares; {lost:,} are forfeited." if lost else ""
            text = f"Installment {lines[0].number} now falls due on {lines[0].due_on}.{package}"
            return _Entry("schedule_revised", text, number=lines[0].number, reference=payment)
    raise AssertionError(outcome)


def _taken_back(outcome: Outcome) -> _Entry:
    """Say what a chargeback takes back."""
    match outcome:
        case InstallmentSettled(number=number, shares=shares):
            return _Entry("taken_back", f"Installment {number} is open again.", shares=-shares)
        case PlanCompleted(shares=shares):
            return _Entry("taken_back", "The plan is no longer complete.", shares=-shares)
        case PromoApplied(code=code, shares=shares):
            return _Entry("taken_back", f"Promotion {code} taken back.", bonus=-shares)
        case _:
            return _Entry("taken_back", f"{type(outcome).__name__} no longer holds.")
