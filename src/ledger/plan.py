"""Plan: the fold of recorded events into facts, and outcomes with their voidings.

A fold refuses nothing: all that it can find is that the history is corrupt.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from itertools import takewhile

from ledger.dates import EndOfDay, Known, day_in
from ledger.discrepancies import Discrepancy, RecordedOutcome, discrepancies
from ledger.errors import CorruptHistory, InvalidArgument, PlanNotFound
from ledger.events import (
    CancellationRequested,
    Fact,
    MoneyReceived,
    Outcome,
    OutcomeVoided,
    PaymentMade,
    PaymentReversed,
    PlanOpened,
    PlanReinstated,
    ReceiptEvent,
    RecordedEvent,
)
from ledger.events.outcomes import shares_of
from ledger.state import Step, Timeline
from ledger.state.grounds import Grounds
from ledger.state.position import Position, position
from ledger.timeline import grounds, steps, timeline

_FACTS = (PaymentMade, PaymentReversed, CancellationRequested, PlanReinstated)


class Plan:
    """A plan as recorded: its opening, its facts in recorded order, and its outcomes with their voidings."""

    def __init__(self, history: Iterable[RecordedEvent]) -> None:
        """Fold a plan's events, oldest first. Raises `CorruptHistory` where they cannot have been recorded so."""
        self.version = 0
        self.recorded_at: datetime
        self.facts: list[Fact] = []
        self.fact_versions: list[int] = []
        self.outcomes: list[RecordedOutcome] = []
        self.payments: dict[str, PaymentMade | PlanReinstated] = {}
        self.reversals: dict[str, PaymentReversed] = {}
        self.requests: dict[str, CancellationRequested] = {}
        self.reversal_versions: dict[str, int] = {}
        self._by_version: dict[int, RecordedOutcome] = {}
        self._voided: set[Outcome] = set()
        for recorded in history:
            self.apply(recorded)

    def apply(self, recorded: RecordedEvent) -> None:
        """Apply the plan's next event. Raises `CorruptHistory`."""
        event, version = recorded.event, recorded.version
        if version != self.version + 1:
            raise _corrupt(recorded, f"version {self.version + 1} is missing before it")
        if isinstance(event, PlanOpened) != (version == 1):
            raise _corrupt(recorded, "a plan begins with its opening, and is opened once")
        if isinstance(event, PlanOpened):
            self.plan_id, self.opened, self.horizon = recorded.plan_id, event, event.effective_on
        elif recorded.recorded_at < self.recorded_at:
            raise _corrupt(recorded, "it was recorded before the event that precedes it")
        elif event.effective_on < self.opened.effective_on:
            raise _corrupt(recorded, "it is effective before the opening")
        elif isinstance(event, _FACTS):
            self._fact(recorded, event)
        elif isinstance(event, OutcomeVoided):
            self._void(recorded, event)
        elif isinstance(event, ReceiptEvent):
            raise _corrupt(recorded, "it is an event of a receipt, not of a plan")
        else:
            self._by_version[version] = item = RecordedOutcome(version, event)
            self.outcomes.append(item)
        self.version, self.recorded_at = version, recorded.recorded_at
        self.horizon = max(self.horizon, event.effective_on)

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
        self.fact_versions.append(recorded.version)

    def _void(self, recorded: RecordedEvent, event: OutcomeVoided) -> None:
        item = self._by_version.get(event.voids)
        if item is None:
            raise _corrupt(recorded, f"version {event.voids} is no outcome that it could void")
        takes_back = event.voids == item.version
        in_force = item.void is None if takes_back else item.void and item.void.version == event.voids
        shares = shares_of(item.outcome) if takes_back else -shares_of(item.outcome)
        if not in_force or event.shares != shares:
            raise _corrupt(recorded, f"version {event.voids} is voided already, or credits other shares")
        if takes_back:
            item.void = recorded
            self._by_version[recorded.version] = item
            self._voided.add(item.outcome)
        else:
            item.void = None
            self._voided.discard(item.outcome)

    def changed(self, begun: Iterable[Outcome], ended: Collection[Outcome]) -> list[RecordedOutcome]:
        """Return the recorded outcomes that a step changes, by version: voided ones that hold again, those that end."""
        again: Collection[Outcome] = self._voided.intersection(begun) if self._voided else ()
        if not again and not ended:
            return []
        return [item for item in self.outcomes if item.outcome in ended or item.outcome in again]

    def timeline(self, as_of: date) -> Timeline:
        """Return the timeline of the facts up to `as_of`; raises `PlanNotFound` before the opening."""
        self._check_opened(as_of)
        with self.deriving():
            return timeline(self.opened, self.facts, as_of)

    def steps(self, as_of: date) -> Iterator[Step]:
        """Return the steps up to `as_of`; raises `PlanNotFound` before the opening."""
        self._check_opened(as_of)
        return self._steps(as_of)

    def _steps(self, as_of: date) -> Iterator[Step]:
        with self.deriving():
            yield from steps(self.opened, self.facts, as_of)

    def grounds(self, as_of: date) -> Grounds:
        """Return the grounds of the state on `as_of`; raises `PlanNotFound` before the opening."""
        self._check_opened(as_of)
        with self.deriving():
            return grounds(self.opened, self.facts, as_of)

    @contextmanager
    def deriving(self) -> Iterator[None]:
        """Within, outcomes are derived from the recorded facts. Raises `CorruptHistory` where none can follow."""
        try:
            yield
        except (InvalidArgument, OverflowError) as error:
            raise self._corrupt(f"no outcomes can follow from the facts: {str(error).removesuffix('.')}") from error

    def _check_opened(self, as_of: date) -> None:
        if as_of < self.opened.effective_on:
            raise PlanNotFound(plan_id=self.plan_id, as_of=as_of, opened_on=self.opened.effective_on)

    def discrepancies(self, derived: Timeline) -> Iterator[Discrepancy]:
        """Yield where the recorded outcomes depart from the `derived` ones, at any date up to the horizon.

        `derived` is the plan's timeline as of the horizon or a later date.
        """
        for discrepancy in discrepancies(self.outcomes, derived.outcomes, derived.ended):
            if discrepancy.outcome.effective_on <= self.horizon:
                yield discrepancy

    def check(self, derived: Timeline) -> None:
        """Raise `CorruptHistory` at the first of the discrepancies from the `derived` outcomes."""
        for discrepancy in self.discrepancies(derived):
            raise self._corrupt(str(discrepancy))

    def _corrupt(self, reason: str) -> CorruptHistory:
        return CorruptHistory(plan_id=self.plan_id, version=self.version, event="outcomes", reason=reason)

    def position(self, as_of: date) -> Position:
        """Return the plan's position on a date. Raises `PlanNotFound` before the opening."""
        return position(self.plan_id, self.opened, self.timeline(as_of).state, as_of)


def known(history: Iterable[RecordedEvent], known_at: Known | None) -> list[RecordedEvent]:
    """Return the events of a stream that were known by then, inclusive: a prefix of it; None: all.

    Source: RULES.md section 1.
    """
    if known_at is None:
        return list(history)
    if isinstance(known_at, EndOfDay):
        return list(_known_by_end_of(known_at.day, history))
    return list(takewhile(lambda recorded: recorded.recorded_at <= known_at, history))


def _known_by_end_of(day: date, history: Iterable[RecordedEvent]) -> Iterator[RecordedEvent]:
    """Yield the events recorded by the end of a day in the time zone of the opening or reception, which comes first."""
    zone = "UTC"
    for recorded in history:
        if isinstance(recorded.event, PlanOpened):
            zone = recorded.event.terms.timezone
        elif isinstance(recorded.event, MoneyReceived):
            zone = recorded.event.timezone
        if day_in(zone, recorded.recorded_at) > day:
            break
        yield recorded


def _corrupt(recorded: RecordedEvent, reason: str) -> CorruptHistory:
    return CorruptHistory(
        plan_id=recorded.plan_id, version=recorded.version, event=type(recorded.event).__name__, reason=reason
    )
