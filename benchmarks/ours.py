"""Ours: the `Ledger`, called as its users call it."""

from collections.abc import Sequence
from datetime import date

import attrs

from benchmarks.sides import Credited
from benchmarks.workload import (
    INVESTOR,
    LINES,
    OPENED_ON,
    PARTNER,
    TERMS,
    by_month,
    plan_id,
    recorded,
    recorded_at,
    reference,
    whole_histories,
)
from ledger import Ledger, LedgerError, Money, RecordedEvent
from ledger.commands import Command, Metadata, OpenPlan, RecordPayment
from ledger.plan import Plan
from ledger.projections.builtin import PERIODS
from ledger.readmodel.runner import Runner
from ledger.store import EventReader, open_store

NAME = "ours"
"""Name of the ledger, and prefix of its tables."""

_KEPT = 20_000
"""Plans that an import keeps in memory, as `import_book` does."""


class Ours:
    """The ledger at a URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._ledger = Ledger.open(url, name=NAME)

    def seed(self, payments: Sequence[int], *, late: int = 0) -> None:
        """Append copies of the events of one plan under other ids; to the ledger they are different plans."""
        for command, plans in by_month(payments):
            self._ledger._store.append(  # noqa: SLF001 - through the connections that are measured, as the other sides do
                [in_plan(event, plan) for plan in plans for event in recorded(late)[command]]
            )

    def pay(self, plan: int, number: int) -> int:
        line = LINES[number - 1]
        events = self._ledger.record_payment(
            plan_id(plan),
            reference=reference(number),
            amount=Money(line.amount, TERMS.price.currency),
            paid_at=line.due_on,
        )
        return len(events)

    def read(self) -> int:
        """Fold the ledger's events, in their order, into a `Plan` for every plan."""
        histories: dict[str, list[RecordedEvent]] = {}
        for event in self._ledger.events():
            histories.setdefault(event.plan_id, []).append(event)
        plans = [Plan(history) for history in histories.values()]
        return sum(plan.version for plan in plans)

    def reader(self) -> EventReader:
        """Return the reader of the ledger's events."""
        return self._ledger._store  # noqa: SLF001 - through the connections that are measured

    def credited(self, plans: range) -> Credited:
        """Return the shares that these plans together have credited."""
        positions = [self._ledger.position(plan_id(plan)) for plan in plans]
        package = sum(position.shares_credited for position in positions)
        return Credited(package, sum(position.bonus_credited for position in positions))

    def prepare(self, plans: range) -> None:
        """Do nothing: the commands are built while they are executed."""

    def import_plans(self, plans: range) -> int:
        """Execute all commands through one handler, as `import_book` does."""
        handler, count = self._ledger.command_handler(keep=_KEPT), 0
        for some in whole_histories(plans):
            for decided in handler.execute([_command(command, plan) for command, plan in some]):
                if isinstance(decided, LedgerError):
                    raise decided
                count += len(decided)
        return count

    def overdue(self, *, partner: str, as_of: date) -> int:
        """List the overdue plans of a partner; return their number."""
        return len(self._ledger.overdue(partner=partner, as_of=as_of))

    def catch_up(self) -> int:
        """Process all events into the read model; return the sequence reached."""
        store = open_store(self.url, NAME)
        try:
            return Runner(store, PERIODS).catch_up().reached
        finally:
            store.close()

    def close(self) -> None:
        self._ledger.close()


def in_plan(event: RecordedEvent, plan: int) -> RecordedEvent:
    """Return the event as if it were recorded in the plan with this number."""
    key = plan_id(plan) if event.version == 1 else event.key
    return attrs.evolve(event, stream_id=plan_id(plan), sequence=0, key=key)


def _command(command: int, plan: int) -> tuple[Command, Metadata]:
    """Return one command of a plan: 0 opens it, the others are its payments by number."""
    if command == 0:
        opening = OpenPlan(plan_id=plan_id(plan), investor=INVESTOR, partner=PARTNER, terms=TERMS, opened_at=OPENED_ON)
        return opening, Metadata(recorded_at=recorded_at(OPENED_ON))
    line = LINES[command - 1]
    payment = RecordPayment(
        plan_id=plan_id(plan),
        reference=reference(command),
        amount=Money(line.amount, TERMS.price.currency),
        paid_at=line.due_on,
        kind="regular",
    )
    return payment, Metadata(recorded_at=recorded_at(line.due_on))
