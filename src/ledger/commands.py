"""Commands: what a caller asks of a plan, the fact that each adds, and when the rules refuse it.

Nothing here knows a clock or a store; `decide` turns a command into events.
"""

from abc import ABC, abstractmethod
from datetime import date, datetime
from typing import ClassVar, NoReturn

import attrs

from ledger import arguments
from ledger.dates import civil_date, date_or_instant, day_in
from ledger.errors import (
    CommandRefused,
    PaymentNotFound,
    PaymentRefused,
    PlanIsCancelled,
    PlanIsCompleted,
    ReinstatementRefused,
)
from ledger.events import (
    CancellationRequested,
    Fact,
    PaymentMade,
    PaymentReversed,
    PlanOpened,
    PlanReinstated,
)
from ledger.events.facts import REASON_LIMIT, PaymentKind, ReversalCause
from ledger.money import Money
from ledger.plan import Plan
from ledger.schedule import installments, redated
from ledger.state import State
from ledger.terms import Closed, PartialCover, PlanTerms
from ledger.timeline import Derivation


def _opened_at(value: object) -> date | datetime:
    return date_or_instant("opened_at", value)


def _paid_at(value: object) -> date | datetime:
    return date_or_instant("paid_at", value)


def _on(value: object) -> date:
    return civil_date("on", value)


def _through(value: object) -> date:
    return civil_date("through", value)


@attrs.frozen(kw_only=True)
class Metadata:
    """What is written beside the events of a command: when the ledger learnt of it, from whom, in what course."""

    recorded_at: datetime
    actor: str | None = None
    correlation: str | None = None

    def __attrs_post_init__(self) -> None:
        arguments.optional_text("actor", self.actor)
        arguments.optional_text("correlation", self.correlation)


@attrs.frozen(kw_only=True)
class Command:
    """What every command on one plan carries."""

    plan_id: str

    def __attrs_post_init__(self) -> None:
        arguments.text("plan_id", self.plan_id)


@attrs.frozen(kw_only=True)
class OpenPlan(Command):
    """Open a plan under these terms. Known by the plan id."""

    investor: str
    partner: str | None
    terms: PlanTerms
    opened_at: date | datetime = attrs.field(converter=_opened_at)

    def __attrs_post_init__(self) -> None:
        Command.__attrs_post_init__(self)
        arguments.instance("terms", self.terms, PlanTerms, "PlanTerms")

    def fact(self) -> PlanOpened:
        """Return the opening, with the schedule that the terms produce. Raises `TermsRefused`."""
        opened_on, opened_at = _day_and_instant(self.terms.timezone, self.opened_at)
        lines = installments(self.plan_id, self.terms, opened_on=opened_on)
        return PlanOpened(
            effective_on=opened_on,
            investor=self.investor,
            partner=self.partner,
            terms=attrs.evolve(self.terms, first_due_on=lines[0].due_on),
            lines=lines,
            opened_at=opened_at,
        )


@attrs.frozen(kw_only=True)
class ClosePlan(Command):
    """Record what has come due by the end of the day `through`. Known by that date; repeating it changes nothing."""

    through: date = attrs.field(converter=_through)


@attrs.frozen(kw_only=True)
class Change(Command, ABC):
    """A command that adds one fact to an opened plan. Known by its reference."""

    reference: str
    dated: ClassVar[str] = "on"
    """The argument that gives the fact its date."""

    def __attrs_post_init__(self) -> None:
        Command.__attrs_post_init__(self)
        arguments.text("reference", self.reference)

    @abstractmethod
    def fact(self, plan: Plan) -> Fact:
        """Return the fact that this command adds to the plan."""

    @abstractmethod
    def check(self, plan: Plan, fact: Fact, derivation: Derivation, actor: str | None) -> None:
        """Raise `CommandRefused` where the rules forbid it; the `derivation` has come to just before the fact."""

    def refuse(self, reason: str, remedy: str) -> NoReturn:
        """Raise the refusal that is this command's own."""
        raise CommandRefused(plan_id=self.plan_id, reason=reason, remedy=remedy)

    def recorded(self, plan: Plan) -> Fact | None:
        """Return the fact recorded under this command's key, of whatever kind."""
        return plan.payments.get(self.reference) or plan.requests.get(self.reference)


@attrs.frozen(kw_only=True)
class RecordPayment(Change):
    """Record that money was paid. Source: RULES.md section 5."""

    amount: Money
    paid_at: date | datetime = attrs.field(converter=_paid_at)
    kind: PaymentKind
    dated: ClassVar[str] = "paid_at"

    def __attrs_post_init__(self) -> None:
        Change.__attrs_post_init__(self)
        _check_amount(self.amount)
        arguments.one_of("kind", self.kind, ("regular", "early_repayment"))

    def fact(self, plan: Plan) -> PaymentMade:
        paid_on, paid_at = _day_and_instant(plan.opened.terms.timezone, self.paid_at)
        return PaymentMade(
            effective_on=paid_on, reference=self.reference, amount=self.amount, kind=self.kind, paid_at=paid_at
        )

    def check(self, plan: Plan, fact: Fact, derivation: Derivation, actor: str | None) -> None:
        _refuse_other_currency(self, plan, self.amount)
        _refuse_ended(self.plan_id, f"payment {self.reference!r}", fact.effective_on, derivation)

    def refuse(self, reason: str, remedy: str) -> NoReturn:
        raise PaymentRefused(plan_id=self.plan_id, reference=self.reference, reason=reason, remedy=remedy)


@attrs.frozen(kw_only=True)
class ReversePayment(Change):
    """Take a payment back: never made (`error`, whatever `on` says), or gone from the day `on` (`chargeback`).

    Source: RULES.md section 10.
    """

    cause: ReversalCause
    on: date | None

    def __attrs_post_init__(self) -> None:
        Change.__attrs_post_init__(self)
        arguments.one_of("cause", self.cause, ("error", "chargeback"))
        if self.cause == "chargeback" or self.on is not None:
            civil_date("on", self.on)

    def fact(self, plan: Plan) -> PaymentReversed:
        payment = plan.payments.get(self.reference)
        if payment is None:
            raise PaymentNotFound(plan_id=self.plan_id, reference=self.reference)
        stated = None if self.cause == "error" else self.on
        on = payment.effective_on if stated is None else civil_date("on", stated)
        return PaymentReversed(effective_on=on, reference=self.reference, cause=self.cause)

    def check(self, plan: Plan, fact: Fact, derivation: Derivation, actor: str | None) -> None:
        paid_on = plan.payments[self.reference].effective_on
        if fact.effective_on < paid_on:
            reason = f"payment {self.reference!r} of {paid_on} cannot be charged back on {fact.effective_on}"
            self.refuse(reason, f"date the chargeback on {paid_on} or later")

    def refuse(self, reason: str, remedy: str) -> NoReturn:
        raise PaymentRefused(plan_id=self.plan_id, reference=self.reference, reason=reason, remedy=remedy)

    def recorded(self, plan: Plan) -> Fact | None:
        return plan.reversals.get(self.reference)


@attrs.frozen(kw_only=True)
class CancelPlan(Change):
    """Cancel a plan by request, on a date that may lie in the past. Source: RULES.md section 6."""

    on: date = attrs.field(converter=_on)
    reason: str

    def __attrs_post_init__(self) -> None:
        Change.__attrs_post_init__(self)
        arguments.text("reason", self.reason, limit=REASON_LIMIT)

    def fact(self, plan: Plan) -> CancellationRequested:
        return CancellationRequested(effective_on=self.on, reference=self.reference, reason=self.reason)

    def check(self, plan: Plan, fact: Fact, derivation: Derivation, actor: str | None) -> None:
        _refuse_ended(self.plan_id, f"request {self.reference!r}", fact.effective_on, derivation)


@attrs.frozen(kw_only=True)
class ReinstatePlan(Change):
    """Reinstate a cancelled plan, with its payment, by a decision. Source: RULES.md section 9."""

    on: date = attrs.field(converter=_on)
    amount: Money
    approved_by: str
    reason: str
    revised_shares: int | None

    def __attrs_post_init__(self) -> None:
        Change.__attrs_post_init__(self)
        _check_amount(self.amount)
        arguments.text("approved_by", self.approved_by)
        arguments.text("reason", self.reason, limit=REASON_LIMIT)
        if self.revised_shares is not None:
            arguments.whole("revised_shares", self.revised_shares, minimum=1)

    def fact(self, plan: Plan) -> PlanReinstated:
        return PlanReinstated(
            effective_on=self.on,
            reference=self.reference,
            amount=self.amount,
            approved_by=self.approved_by,
            reason=self.reason,
            revised_shares=self.revised_shares,
        )

    def check(self, plan: Plan, fact: Fact, derivation: Derivation, actor: str | None) -> None:
        policy, state = plan.opened.terms.reinstatement, derivation.state()
        _refuse_other_currency(self, plan, self.amount)
        if isinstance(policy, Closed):
            self.refuse("its terms do not allow a reinstatement", "leave it cancelled")
        if self.approved_by == actor:
            self.refuse(f"{actor!r} cannot approve what {actor!r} records", "let somebody else approve it")
        if state.status != "cancelled":
            self.refuse(f"it is not cancelled on {self.on}", "record the money as an ordinary payment")
        overdue = [line for line in state.lines[state.settled :] if line.due_on < self.on]
        demanded = min(policy.minimum, len(overdue)) if isinstance(policy, PartialCover) else len(overdue)
        if self.amount.minor < (needed := _cost(state, demanded)):
            reason = f"{self.amount} do not cover {demanded} overdue installments"
            self.refuse(reason, f"pay at least {Money(needed, self.amount.currency)}")
        self._check_shares(state, covered=self.amount.minor >= _cost(state, len(overdue)))
        try:
            redated(state.lines[state.settled :], plan.opened.terms.schedule, reinstated_on=self.on)
        except OverflowError:
            self.refuse("its schedule would run beyond the year 9999", "leave it cancelled")

    def _check_shares(self, state: State, *, covered: bool) -> None:
        released = sum(line.shares for line in state.lines)
        if self.revised_shares is None:
            if not covered:
                remedy = f"state revised_shares, from {released:,} to {state.package:,}"
                self.refuse("not everything overdue is covered, so the package must be revised", remedy)
        elif not released <= self.revised_shares <= state.package:
            reason = f"a package of {state.package:,} shares cannot be revised to {self.revised_shares:,}"
            self.refuse(reason, f"state {released:,}, which its installments release, to {state.package:,}")

    def refuse(self, reason: str, remedy: str) -> NoReturn:
        raise ReinstatementRefused(plan_id=self.plan_id, reference=self.reference, reason=reason, remedy=remedy)


def _day_and_instant(zone: str, given: date | datetime) -> tuple[date, datetime | None]:
    return (day_in(zone, given), given) if isinstance(given, datetime) else (given, None)


def _check_amount(amount: object) -> None:
    arguments.instance("amount", amount, Money, "Money, such as Money.of('150.00', 'USD')")
    assert isinstance(amount, Money)
    arguments.whole("amount", amount.minor, minimum=1)


def _cost(state: State, lines: int) -> int:
    """Return what settles this many of the oldest unsettled lines, in minor units."""
    later = state.lines[state.settled + 1 : state.settled + lines]
    return state.missing + sum(line.amount for line in later) if lines else 0


def _refuse_other_currency(command: RecordPayment | ReinstatePlan, plan: Plan, amount: Money) -> None:
    if amount.currency != (expected := plan.opened.terms.price.currency):
        command.refuse(f"{command.reference!r} is in {amount.currency}, the plan in {expected}", f"pay in {expected}")


def _refuse_ended(plan_id: str, what: str, on: date, derivation: Derivation) -> None:
    """Refuse what falls on a plan that was cancelled or completed by then. Source: RULES.md sections 5 and 6."""
    if derivation.cancelled_on is not None:
        raise PlanIsCancelled(
            plan_id=plan_id,
            reason=f"{what} is dated {on} and the plan was cancelled on {derivation.cancelled_on}",
            remedy="only what is dated before that day can be recorded",
            cancelled_on=derivation.cancelled_on,
        )
    if derivation.completed_on is not None:
        raise PlanIsCompleted(
            plan_id=plan_id,
            reason=f"{what} is dated {on} and the plan was completed on {derivation.completed_on}",
            remedy="only what is dated before that day can be recorded",
            completed_on=derivation.completed_on,
        )
