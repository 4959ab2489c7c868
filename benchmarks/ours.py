"""Ours: the `Ledger`, called as its users call it."""

from collections.abc import Sequence

import attrs

from benchmarks.sides import Credited
from benchmarks.workload import LINES, TERMS, by_month, plan_id, recorded, reference
from ledger import Ledger, Money, RecordedEvent
from ledger.plan import Plan
from ledger.store import open_store

_NAME = "ours"


class Ours:
    """The ledger at a URL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ledger = Ledger.open(url, name=_NAME)
        self._plans = 0

    def seed(self, payments: Sequence[int]) -> None:
        """Append the events of one plan again and again under other ids: the ledger cannot tell the difference."""
        store = open_store(self._url, _NAME)
        for command, plans in by_month(payments):
            store.append([_in_plan(event, plan) for plan in plans for event in recorded()[command]])
        store.close()
        self._plans = len(payments)

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

    def credited(self) -> Credited:
        """Return what all plans together have credited."""
        positions = [self._ledger.position(plan_id(plan)) for plan in range(self._plans)]
        package = sum(position.shares_credited for position in positions)
        return Credited(package, sum(position.bonus_credited for position in positions))

    def close(self) -> None:
        self._ledger.close()


def _in_plan(event: RecordedEvent, plan: int) -> RecordedEvent:
    key = plan_id(plan) if event.version == 1 else event.key
    return attrs.evolve(event, plan_id=plan_id(plan), sequence=0, key=key)
