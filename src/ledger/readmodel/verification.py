"""Verifying: the rows of a read model against a replay of the events that they have taken in."""

from collections.abc import Iterator, Mapping, Sequence

import attrs

from ledger.events import RecordedEvent
from ledger.plan import Plan
from ledger.projections import totals
from ledger.projections.periods import Period, plan_periods
from ledger.projections.totals import Place, Total, summed
from ledger.readmodel.tables import Rows, plan_row
from ledger.store import Row, Store
from ledger.telemetry import Progress

_TOGETHER = 500
"""Plans that are read at a time."""

_SHOWN = 100
"""Differences that are reported."""


@attrs.frozen(kw_only=True)
class Verification:
    """What a replay of `plans` plans, up to the sequence `reached`, found in a view.

    `differences` says, a sentence each, which rows are not those of the replay: none in a view that can be trusted, and
    no more than a hundred.
    """

    view: str
    reached: int
    plans: int
    differences: tuple[str, ...]


def verify(store: Store, rows: Rows, progress: Progress | None = None) -> Verification:
    """Compare all rows, as they stand at one moment, with what the events up to their checkpoint come to.

    Raises `CorruptHistory` at events that cannot be replayed.
    """
    differences: list[str] = []
    with store.tables.snapshot() as query:
        rows = rows.read_by(query)
        reached = rows.checkpoint()
        _, count = rows.counts()
        replay = _Replay()
        for histories in _pages(store, reached):
            plans = [Plan(history) for history in histories.values()]
            differences += replay.compare(plans, rows)
            if progress is not None:
                progress(replay.plans, max(replay.plans, count))
        differences += replay.compare_whole(rows)
    return Verification(view=rows.view, reached=reached, plans=replay.plans, differences=tuple(differences[:_SHOWN]))


def _pages(store: Store, through: int) -> Iterator[Mapping[str, Sequence[RecordedEvent]]]:
    after = ""
    while plan_ids := store.plan_ids(after=after, limit=_TOGETHER):
        after = plan_ids[-1]
        histories = store.histories(plan_ids, through=through)
        if page := {plan_id: history for plan_id, history in histories.items() if history}:
            yield page


class _Replay:
    """What the replay has come to so far."""

    def __init__(self) -> None:
        self.plans = 0
        self._periods = 0
        self._totals: dict[Place, Total] = {}
        self._zones = set[str]()

    def compare(self, plans: Sequence[Plan], rows: Rows) -> Iterator[str]:
        """Yield what differs in the rows of these plans."""
        found = dict(rows.periods_of([plan.plan_id for plan in plans]))
        when_due = rows.plan_rows_of([plan.plan_id for plan in plans])
        for plan in plans:
            expected, due_on = plan_periods(plan)
            self._zones.add(plan.opened.terms.timezone)
            self.plans, self._periods = self.plans + 1, self._periods + len(expected)
            for place, change in totals.changes((), expected).items():
                self._totals[place] = summed((self._totals.get(place, Total()), change))
            yield from _compare(plan.plan_id, expected, found[plan.plan_id])
            if (row := plan_row(plan, due_on)) != when_due.get(plan.plan_id):
                yield f"plan {plan.plan_id}: its row is {_told(when_due.get(plan.plan_id))}, and a replay has {row}"

    def compare_whole(self, rows: Rows) -> Iterator[str]:
        """Yield what differs in rows of no plan, and in the totals."""
        counts = rows.counts()
        if counts != (self._periods, self.plans):
            yield f"there are {counts[0]} periods of {counts[1]} plans; a replay has {self._periods} of {self.plans}"
        for zone in sorted(self._zones.symmetric_difference(rows.zones())):
            yield f"the time zone {zone} is missing" if zone in self._zones else f"no plan is in the time zone {zone}"
        found = rows.daily_totals()
        expected = {place: change for place, change in self._totals.items() if any(change)}
        for place in sorted(found.keys() | expected.keys()):
            if found.get(place) != expected.get(place):
                yield f"the totals of {place.currency} in {place.timezone} change otherwise on {place.day}"


def _compare(plan_id: str, expected: Sequence[Period], found: Sequence[Period]) -> Iterator[str]:
    if len(expected) != len(found):
        yield f"plan {plan_id}: it has {len(found)} periods, and {len(expected)} in a replay"
    for period, row in zip(expected, found, strict=False):
        for field in attrs.fields(Period) if period != row else ():
            told, replayed = getattr(row, field.name), getattr(period, field.name)
            if told != replayed:
                yield f"plan {plan_id}, {row.from_on}: {field.name} is {told}, and {replayed} in a replay"


def _told(row: Row | None) -> object:
    return "missing" if row is None else tuple(row)
