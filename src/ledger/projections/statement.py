"""The statement: a plan's story in plain words, line by line, with running balances."""

from collections.abc import Iterator, Sequence
from datetime import date

import attrs

from ledger.events import (
    CancellationRequested,
    Fact,
    InstallmentSettled,
    Outcome,
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


@attrs.frozen(kw_only=True)
class StatementLine:
    """One thing that happened, and what the plan then comes to.

    `money` is what came in, negative for what was taken back; `shares` and `bonus` what the package and the promotions
    credited, negative for what was taken back. The other fields are running balances.
    """

    on: date
    text: str
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

    text: str
    money: int | None = None
    shares: int = 0
    bonus: int = 0


def statement_lines(plan: Plan, as_of: date) -> tuple[StatementLine, ...]:
    """Return the lines up to and including `as_of`, oldest first; a payment in error has one line and no effect."""
    lines: list[StatementLine] = []
    shares = bonus = 0
    for step in plan.steps(as_of):
        for entry in _entries(plan, step):
            shares, bonus = shares + entry.shares, bonus + entry.bonus
            lines.append(_line(entry, step.state, plan.opened.terms.price.currency, shares, bonus))
    for payment in (
        plan.payments[reversal.reference] for reversal in plan.reversals.values() if reversal.cause == "error"
    ):
        if payment.effective_on <= as_of:
            place = max(index for index, line in enumerate(lines) if line.on <= payment.effective_on)
            text = f"Payment {payment.reference} of {payment.amount:,} was recorded in error; it does not count."
            unmoved = attrs.evolve(lines[place], on=payment.effective_on, text=text, money=None, shares=0, bonus=0)
            lines.insert(place + 1, unmoved)
    return tuple(lines)


def _line(entry: _Entry, state: State, currency: str, shares: int, bonus: int) -> StatementLine:
    return StatementLine(
        on=state.on,
        text=entry.text,
        money=None if entry.money is None else Money(entry.money, currency),
        shares=entry.shares,
        bonus=entry.bonus,
        paid=Money(state.paid, currency),
        unapplied=Money(state.unapplied, currency),
        shares_credited=shares,
        bonus_credited=bonus,
    )


def _entries(plan: Plan, step: Step) -> Iterator[_Entry]:
    """Yield the lines of one step: the fact, what it ended, what it brought."""
    if step.fact is not None:
        yield _told_fact(plan, step.fact, step)
    elif step.state.on == plan.opened.effective_on:
        yield _told_opening(plan.opened)
    for outcome in step.ended:
        yield _taken_back(outcome)
    settled = [outcome for outcome in step.outcomes if isinstance(outcome, InstallmentSettled)]
    if settled:
        yield _settled(settled)
    for outcome in step.outcomes:
        if not isinstance(outcome, InstallmentSettled):
            yield _brought(outcome, step.state)


def _told_opening(opened: PlanOpened) -> _Entry:
    terms, first = opened.terms, opened.lines[0]
    text = (
        f"Plan opened: {terms.shares:,} shares for {terms.price:,} in {terms.installments} installments, "
        f"the first due on {first.due_on}."
    )
    return _Entry(text)


def _told_fact(plan: Plan, fact: Fact, step: Step) -> _Entry:
    if isinstance(fact, PaymentReversed):
        amount = plan.payments[fact.reference].amount.minor
        return _Entry(f"Payment {fact.reference} was charged back.", money=-amount)
    if isinstance(fact, CancellationRequested):
        effect = "" if step.outcomes else " It changed nothing: the plan had ended before."
        return _Entry(f"Cancellation requested ({fact.reference}): {fact.reason}.{effect}")
    idle = (
        " The plan had ended: the money is held unapplied." if step.state.status in _ENDED and not step.outcomes else ""
    )
    if isinstance(fact, PlanReinstated):
        reinstated = any(isinstance(outcome, (ScheduleRevised, PlanCompleted)) for outcome in step.outcomes)
        told = f"approved by {fact.approved_by}: {fact.reason}"
        text = (
            f"Reinstated with payment {fact.reference}, {told}." if reinstated else f"Payment {fact.reference}.{idle}"
        )
        return _Entry(text, money=fact.amount.minor)
    early = ", marked as early repayment" if fact.kind == "early_repayment" else ""
    return _Entry(f"Payment {fact.reference}{early}.{idle}", money=fact.amount.minor)


def _settled(outcomes: Sequence[InstallmentSettled]) -> _Entry:
    """Say in one line what a payment settled."""
    first, last, shares = outcomes[0].number, outcomes[-1].number, sum(outcome.shares for outcome in outcomes)
    return _Entry(
        f"Installment {first} settled." if first == last else f"Installments {first} to {last} settled.", shares=shares
    )


def _brought(outcome: Outcome, state: State) -> _Entry:
    """Say what another outcome credits or means."""
    match outcome:
        case PaymentMissed(number=number, due_on=due_on, grace_ends_on=last):
            return _Entry(f"Installment {number}, due {due_on}, is not paid. A payment until {last} keeps the plan.")
        case PromoApplied(code=code, shares=shares):
            return _Entry(f"Promotion {code} credited.", bonus=shares)
        case PlanCompleted(shares=shares):
            return _Entry("Every installment is settled: the rest of the package is credited.", shares=shares)
        case PlanCancelled(number=number, shares_forfeited=lost):
            why = "as requested" if number is None else f"installment {number} was not paid within grace"
            return _Entry(f"Cancelled, {why}: {state.shares_credited:,} shares stay, {lost:,} are forfeited.")
        case ScheduleRevised(lines=lines, shares=shares, shares_forfeited=lost):
            package = f" The package is now {shares:,} shares; {lost:,} are forfeited." if lost else ""
            return _Entry(f"Installment {lines[0].number} now falls due on {lines[0].due_on}.{package}")
    return _Entry(type(outcome).__name__)


def _taken_back(outcome: Outcome) -> _Entry:
    """Say what a chargeback takes back."""
    match outcome:
        case InstallmentSettled(number=number, shares=shares):
            return _Entry(f"Installment {number} is open again.", shares=-shares)
        case PlanCompleted(shares=shares):
            return _Entry("The plan is no longer complete.", shares=-shares)
        case PromoApplied(code=code, shares=shares):
            return _Entry(f"Promotion {code} taken back.", bonus=-shares)
        case _:
            return _Entry(f"{type(outcome).__name__} no longer holds.")
