"""Plan: the fold of recorded events into facts and standing outcomes. Position: what a plan comes to on a date.

A fold refuses nothing: all that it can find is that the history is corrupt.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from operator import attrgetter

import attrs

from ledger.dates import civil_date
from ledger.departures import Departure, RecordedOutcome, Voiding, departures
from ledger.errors import CorruptHistory, PlanNotFound
from ledger.events import (
    CancellationRequested,
    Fact,
    Outcome,
    OutcomeVoided,
    PaymentMade,
    PaymentReversed,
    PlanOpened,
    PlanReinstated,
    RecordedEvent,
)
from ledger.events.outcomes import shares_of
from ledger.money import Money
from ledger.state import State, Status, Step, Timeline
from ledger.timeline import steps, timeline


@attrs.frozen(kw_only=True)
class NextInstallment:
    """The oldest unsettled line of a plan; `missing` is the part of its amount that is not yet paid."""

    number: int
    due_on: date
    amount: Money
    shares: int
    missing: Money


@attrs.frozen(kw_only=True)
class Position:
    """What a plan comes to on the date `as_of`.

    `shares_*` count the package: credited by installments and the completion tranche, promised by paying on, forfeited
    by a cancellation; together they are the package. `bonus_credited` and `bonus_promised` count promotions. `paid`
    and `outstanding` add up to the price; `unapplied` money is neither. `days_past_due` and `grace_ends_on` are those
    of the open installment whose grace ends first; 0 and None unless the plan is in grace. `next_installment` is None
    when every installment is settled.
    """

    plan_id: str
    investor: str
    partner: str | None
    price: Money
    as_of: date
    status: Status
    paid: Money
    outstanding: Money
    unapplied: Money
    settled: int
    next_installment: NextInstallment | None
    days_past_due: int
    grace_ends_on: date | None
    cancelled_on: date | None
    completed_on: date | None
    shares_credited: int
    shares_promised: int
    shares_forfeited: int
    bonus_credited: int
    bonus_promised: int


_version = attrgetter("version")


class Plan:
    """A plan as recorded: its opening, its facts in recorded order, and its outcomes with what was voided."""

    def __init__(self, history: Iterable[RecordedEvent]) -> None:
        """Fold a plan's events, oldest first. Raises `CorruptHistory` where they cannot have been recorded so."""
        self.version = 0
        self.recorded_at: datetime
        self.facts: list[Fact] = []
        self.outcomes: list[RecordedOutcome] = []
        self.payments: dict[str, PaymentMade | PlanReinstated] = {}
        self.reversals: dict[str, PaymentReversed] = {}
        self.requests: dict[str, CancellationRequested] = {}
        self.reversal_versions: dict[str, int] = {}
        self._by_outcome: dict[Outcome, RecordedOutcome] = {}
        self._by_version: dict[int, RecordedOutcome] = {}
        for recorded in history:
            self.apply(recorded)

    def apply(self, recorded: RecordedEvent) -> None:
        """Apply the plan's next event. Raises `CorruptHistory`."""
        self._check_next(recorded)
        event, version = recorded.event, recorded.version
        match event:
            case PlanOpened():
                self.plan_id, self.opened, self.horizon = recorded.plan_id, event, event.effective_on
            case PaymentMade() | PlanReinstated() | PaymentReversed() | CancellationRequested():
                self._fact(recorded, event)
            case OutcomeVoided():
                self._void(recorded, event)
            case _:
                item = RecordedOutcome(version, event)
                self.outcomes.append(item)
                self._by_outcome[event] = self._by_version[version] = item
        self.version, self.recorded_at = version, recorded.recorded_at
        self.horizon = max(self.horizon, event.effective_on)

    def _check_next(self, recorded: RecordedEvent) -> None:
        if recorded.version != self.version + 1:
            raise _corrupt(recorded, f"version {self.version + 1} is missing before it")
        if isinstance(recorded.event, PlanOpened) != (self.version == 0):
            raise _corrupt(recorded, "a plan begins with its opening, and is opened once")
        if self.version and recorded.recorded_at < self.recorded_at:
            raise _corrupt(recorded, "it was recorded before the event that precedes it")
        if self.version and recorded.event.effective_on < self.opened.effective_on:
            raise _corrupt(recorded, "it is effective before the opening")

    def _fact(self, recorded: RecordedEvent, fact: Fact) -> None:
        if isinstance(fact, PaymentReversed):
            payment = self.payments.get(fact.reference)
            if payment is None or fact.reference in self.reversals or fact.effective_on < payment.effective_on:
                raise _corrupt(recorded, f"it reverses {fact.reference!r}, which is no payment standing on that date")
            self.reversals[fact.reference] = fact
            self.reversal_versions[fact.reference] = recorded.version
        elif fact.reference in self.payments or fact.reference in self.requests:
            raise _corrupt(recorded, f"the reference {fact.reference!r} is taken")
        elif isinstance(fact, CancellationRequested):
            self.requests[fact.reference] = fact
        elif fact.amount.currency != self.opened.terms.price.currency:
            raise _corrupt(recorded, f"its amount is not in {self.opened.terms.price.currency}")
        else:
            self.payments[fact.reference] = fact
        self.facts.append(fact)

    def _void(self, recorded: RecordedEvent, event: OutcomeVoided) -> None:
        item = self._by_version.get(event.voids)
        if item is None:
            raise _corrupt(recorded, f"version {event.voids} is no outcome that it could void")
        takes_back = event.voids == item.version
        in_force = item.void is None if takes_back else item.void and item.void.version == event.voids
        shares = shares_of(item.outcome) if takes_back else -shares_of(item.outcome)
        if not in_force or event.shares != shares:
            raise _corrupt(recorded, f"version {event.voids} is voided already, or credits other shares")
        item.void = Voiding(recorded.version, event.effective_on) if takes_back else None
        if takes_back:
            self._by_version[recorded.version] = item

    def as_recorded(self, outcomes: Iterable[Outcome]) -> list[RecordedOutcome]:
        """Return those of the outcomes that are recorded, voided or not, by version."""
        found = [item for outcome in outcomes if (item := self._by_outcome.get(outcome)) is not None]
        return sorted(found, key=_version)

    def timeline(self, as_of: date) -> Timeline:
        """Return the timeline of the facts up to `as_of`; raises `PlanNotFound` before the opening."""
        self._check_opened(as_of)
        return timeline(self.opened, self.facts, as_of)

    def steps(self, as_of: date) -> Iterator[Step]:
        """Return the steps up to `as_of`; raises `PlanNotFound` before the opening."""
        self._check_opened(as_of)
        return steps(self.opened, self.facts, as_of)

    def _check_opened(self, as_of: date) -> None:
        if as_of < self.opened.effective_on:
            raise PlanNotFound(plan_id=self.plan_id, as_of=as_of, opened_on=self.opened.effective_on)

    def departures(self, derived: Timeline) -> Iterator[Departure]:
        """Yield where the recorded outcomes depart from the `derived` ones, at any date up to the horizon.

        `derived` is the plan's timeline as of the horizon or a later date.
        """
        for departure in departures(self.outcomes, derived.outcomes, derived.ended):
            if departure.outcome.effective_on <= self.horizon:
                yield departure

    def check(self, derived: Timeline) -> None:
        """Raise `CorruptHistory` at the first of the departures from the `derived` outcomes."""
        for departure in self.departures(derived):
            raise CorruptHistory(plan_id=self.plan_id, version=self.version, event="outcomes", reason=str(departure))

    def position(self, as_of: date) -> Position:
        """Return what the plan comes to on a date. Raises `PlanNotFound` before the opening."""
        return position(self.plan_id, self.opened, self.timeline(as_of).state, as_of)


def known(history: Iterable[RecordedEvent], known_at: datetime | None) -> list[RecordedEvent]:
    """Return what was known of a plan at an instant, inclusive: a prefix of its stream. None: all of it."""
    return [recorded for recorded in history if known_at is None or recorded.recorded_at <= known_at]


def position(plan_id: str, opened: PlanOpened, state: State, as_of: date) -> Position:
    """Read a position off the state of a plan that lasts on `as_of`."""
    currency = opened.terms.price.currency
    return Position(
        plan_id=plan_id,
        investor=opened.investor,
        partner=opened.partner,
        price=opened.terms.price,
        as_of=civil_date("as_of", as_of),
        status=state.status,
        paid=Money(state.paid, currency),
        outstanding=Money(opened.terms.price.minor - state.paid, currency),
        unapplied=Money(state.unapplied, currency),
        settled=state.settled,
        next_installment=_next_installment(state, currency),
        days_past_due=(as_of - state.overdue_since).days if state.overdue_since else 0,
        grace_ends_on=state.grace_ends_on,
        cancelled_on=state.cancelled_on,
        completed_on=state.completed_on,
        shares_credited=state.shares_credited,
        shares_promised=state.shares_promised,
        shares_forfeited=state.shares_forfeited,
        bonus_credited=state.bonus_credited,
        bonus_promised=state.bonus_promised,
    )


def _next_installment(state: State, currency: str) -> NextInstallment | None:
    if state.settled == len(state.lines):
        return None
    line = state.lines[state.settled]
    return NextInstallment(
        number=line.number,
        due_on=line.due_on,
        amount=Money(line.amount, currency),
        shares=line.shares,
        missing=Money(state.missing, currency),
    )


def _corrupt(recorded: RecordedEvent, reason: str) -> CorruptHistory:
    return CorruptHistory(
        plan_id=recorded.plan_id, version=recorded.version, event=type(recorded.event).__name__, reason=reason
    )
