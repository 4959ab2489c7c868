"""Verification: the tables of a generation against a replay of the events that they have applied."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import attrs

from ledger.errors import CorruptHistory
from ledger.plan import Plan
from ledger.projections.projection import PlanTable, Row
from ledger.readmodel.tables import Tables, Totals, derived_rows
from ledger.replay import PAGE, replay
from ledger.store import EventReader, Generation, Quarantined, Store
from ledger.telemetry import Progress

_SHOWN = 100
"""Differences that are reported."""


@attrs.frozen(kw_only=True)
class Verification:
    """The result of comparing a generation, such as `periods_1`, with a replay of `plans` plans up to `reached`.

    `differences` has a sentence for each row that a replay does not have, and for each plan whose recorded outcomes do
    not follow from its facts: none in a read model that can be trusted, and no more than a hundred. `quarantined` are
    the plans that cannot be replayed.
    """

    generation: str
    reached: int
    plans: int
    differences: tuple[str, ...]
    quarantined: tuple[Quarantined, ...] = ()


class Difference(NamedTuple):
    """A row that a replay does not have, in a sentence; `plan_id` is None for a total of many plans."""

    plan_id: str | None
    text: str


class Compared(NamedTuple):
    """A generation as it was compared, and all its differences."""

    generation: Generation
    plans: int
    differences: list[Difference]
    quarantined: list[Quarantined]


def verify(store: Store, tables: Tables, progress: Progress | None = None) -> Verification:
    """Compare all rows, as of one instant, with the plans as they were at the generation's checkpoint."""
    generation, plans, differences, quarantined = compare(store, tables, progress, outcomes=True)
    return Verification(
        generation=generation.name,
        reached=generation.reached,
        plans=plans,
        differences=tuple(one.text for one in differences[:_SHOWN]),
        quarantined=tuple(quarantined),
    )


def compare(store: Store, tables: Tables, progress: Progress | None = None, *, outcomes: bool) -> Compared:
    """Compare all rows, as of one instant; with `outcomes` also recorded outcomes with those that follow from facts."""
    with tables.snapshot() as snapshot:
        generation = snapshot.generation
        comparison = _Comparison(snapshot, outcomes=outcomes)
        reader: EventReader = store.at(generation.reached)
        plans = 0 if progress is None else reader.count()
        for page in replay(reader):
            comparison.compare([one.plan for one in page if one.plan])
            comparison.leave_out([Quarantined.of(one.error) for one in page if one.error])
            if progress is not None:
                progress(comparison.plans, max(comparison.plans, plans))
        comparison.compare_whole(reader, generation.quarantined)
    return Compared(generation, comparison.plans, comparison.differences, comparison.quarantined)


class _Comparison:
    """The state of a verification: what the replay has come to, and what differs."""

    def __init__(self, tables: Tables, *, outcomes: bool) -> None:
        self.plans = 0
        self.differences: list[Difference] = []
        self.quarantined: list[Quarantined] = []
        self._tables = tables
        self._outcomes = outcomes
        self._projection = tables.projection
        self._counts = {table.name: 0 for table in self._projection.tables}
        self._totals: dict[str, Totals] = {totals.name: {} for totals in self._projection.totals}

    def compare(self, plans: Sequence[Plan]) -> None:
        """Compare the rows of plans with those that follow from their history."""
        found = self._tables.rows_of([plan.plan_id for plan in plans])
        for plan in plans:
            self.plans += 1
            self.differences += _discrepancies(plan) if self._outcomes else ()
            expected = derived_rows(self._projection, plan)
            if isinstance(expected, Quarantined):
                self.leave_out([expected])
                continue
            for table in self._projection.tables:
                rows = expected.get(table.name, ())
                self._counts[table.name] += len(rows)
                stored = found[plan.plan_id].get(table.name, [])
                self.differences += _compare(plan.plan_id, table, rows, stored)
            self._tables.add_totals(self._totals, expected)

    def leave_out(self, quarantined: Sequence[Quarantined]) -> None:
        """Record plans whose history cannot be read, or of which no rows can be derived: they must have none."""
        self.quarantined += quarantined
        for plan_id, rows in self._tables.rows_of([one.plan_id for one in quarantined]).items():
            if any(rows.values()):
                text = f"plan {plan_id}: it has rows, and its history cannot be read"
                self.differences.append(Difference(plan_id, text))

    def compare_whole(self, reader: EventReader, left_out: int) -> None:
        """Compare the numbers of rows, the plans left out, and the totals."""
        counts = self._tables.counts()
        for table, count in counts.items():
            if count != self._counts[table]:
                text = f"{table} has {count:,} rows; a replay has {self._counts[table]:,}"
                self.differences.append(Difference(None, text))
        if counts != self._counts:
            self.differences += self._without_events(reader)
        if left_out != len(self.quarantined):
            text = f"{left_out} plans are in quarantine; {len(self.quarantined)} cannot be read"
            self.differences.append(Difference(None, text))
        for plan_id in sorted(self._tables.left_out() - {one.plan_id for one in self.quarantined}):
            text = f"plan {plan_id}: it is in quarantine, and a replay has its rows"
            self.differences.append(Difference(plan_id, text))
        for name, found in self._tables.totals().items():
            expected = {key: measures for key, measures in self._totals[name].items() if any(measures)}
            for key in sorted(found.keys() | expected.keys(), key=repr):
                if found.get(key) != expected.get(key):
                    shown = ", ".join(map(str, key))
                    text = f"{name} of {shown}: {_shown(found.get(key))}, and {_shown(expected.get(key))} in a replay"
                    self.differences.append(Difference(None, text))

    def _without_events(self, reader: EventReader) -> Iterator[Difference]:
        """Yield a difference for each plan that has rows and no event."""
        after = ""
        while plan_ids := self._tables.plan_ids(after=after, limit=PAGE):
            for plan_id, stored in reader.raw_histories(plan_ids).items():
                if not stored:
                    yield Difference(plan_id, f"plan {plan_id}: it has rows, and no event is recorded of it")
            after = plan_ids[-1]


def _discrepancies(plan: Plan) -> Iterator[Difference]:
    """Yield the error of a plan whose recorded outcomes do not follow from its facts: no read model may hide that."""
    try:
        plan.check(plan.timeline(plan.horizon))
    except CorruptHistory as error:
        yield Difference(plan.plan_id, f"plan {plan.plan_id}: {error.reason}")


def _compare(plan_id: str, table: PlanTable, expected: Sequence[Row], found: Sequence[Row]) -> Iterator[Difference]:
    """Yield the differences of one plan's rows in a table, in the order of its key."""
    if list(map(tuple, expected)) == list(map(tuple, found)):
        return
    key = [list(table.columns).index(column) for column in table.key]
    by_key = {tuple(row[index] for index in key): tuple(row) for row in expected}
    stored = {tuple(row[index] for index in key): tuple(row) for row in found}
    for row_key in sorted(by_key.keys() | stored.keys(), key=repr):
        name = ", ".join(str(value) for value in (table.name, *row_key[1:]))
        if row_key not in stored:
            yield Difference(plan_id, f"plan {plan_id}, {name}: the row is missing")
        elif row_key not in by_key:
            yield Difference(plan_id, f"plan {plan_id}, {name}: a replay has no such row")
        else:
            for column, value, replayed in zip(table.columns, stored[row_key], by_key[row_key], strict=True):
                if value != replayed:
                    text = f"plan {plan_id}, {name}: {column} is {value}, and {replayed} in a replay"
                    yield Difference(plan_id, text)


def _shown(measures: Sequence[int] | None) -> str:
    return "missing" if measures is None else ", ".join(map(str, measures))
