"""Verification: the tables of a generation against a replay of the events that they have applied."""

from collections.abc import Iterator, Sequence

import attrs

from ledger.errors import CorruptHistory
from ledger.plan import Plan
from ledger.projections.projection import PlanTable, Row
from ledger.readmodel.tables import Tables, Totals
from ledger.replay import replay
from ledger.store import EventReader, Quarantined, Store
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


def verify(store: Store, tables: Tables, progress: Progress | None = None) -> Verification:
    """Compare all rows, as of one instant, with the plans as they were at the generation's checkpoint."""
    with tables.snapshot() as snapshot:
        generation = snapshot.generation
        comparison = _Comparison(snapshot)
        reader: EventReader = store.at(generation.reached)
        plans = 0 if progress is None else reader.count()
        for page in replay(reader):
            comparison.compare([one.plan for one in page if one.plan])
            comparison.leave_out([Quarantined.of(one.error) for one in page if one.error])
            if progress is not None:
                progress(comparison.plans, max(comparison.plans, plans))
        comparison.compare_whole(generation.quarantined)
    return Verification(
        generation=generation.name,
        reached=generation.reached,
        plans=comparison.plans,
        differences=tuple(comparison.differences[:_SHOWN]),
        quarantined=tuple(comparison.quarantined),
    )


class _Comparison:
    """The state of a verification: what the replay has come to, and what differs."""

    def __init__(self, tables: Tables) -> None:
        self.plans = 0
        self.differences: list[str] = []
        self.quarantined: list[Quarantined] = []
        self._tables = tables
        self._projection = tables.projection
        self._counts = {table.name: 0 for table in self._projection.tables}
        self._totals: dict[str, Totals] = {totals.name: {} for totals in self._projection.totals}

    def compare(self, plans: Sequence[Plan]) -> None:
        """Compare the rows of plans with those that follow from their history."""
        found = self._tables.rows_of([plan.plan_id for plan in plans])
        for plan in plans:
            self.plans += 1
            self.differences += _discrepancies(plan)
            expected = self._projection.rows(plan)
            for table in self._projection.tables:
                rows = expected.get(table.name, ())
                self._counts[table.name] += len(rows)
                stored = found[plan.plan_id].get(table.name, [])
                self.differences += _compare(plan.plan_id, table, rows, stored)
            self._tables.add_totals(self._totals, expected)

    def leave_out(self, quarantined: Sequence[Quarantined]) -> None:
        """Record plans whose history cannot be read: they must have no rows."""
        self.quarantined += quarantined
        for plan_id, rows in self._tables.rows_of([one.plan_id for one in quarantined]).items():
            if any(rows.values()):
                self.differences.append(f"plan {plan_id}: it has rows, and its history cannot be read")

    def compare_whole(self, left_out: int) -> None:
        """Compare the numbers of rows, the plans left out, and the totals."""
        for table, count in self._tables.counts().items():
            if count != self._counts[table]:
                self.differences.append(f"{table} has {count:,} rows; a replay has {self._counts[table]:,}")
        if left_out != len(self.quarantined):
            self.differences.append(f"{left_out} plans are in quarantine; {len(self.quarantined)} cannot be read")
        for name, found in self._tables.totals().items():
            expected = {key: measures for key, measures in self._totals[name].items() if any(measures)}
            for key in sorted(found.keys() | expected.keys(), key=repr):
                if found.get(key) != expected.get(key):
                    shown = ", ".join(map(str, key))
                    self.differences.append(
                        f"{name} of {shown}: {_shown(found.get(key))}, and {_shown(expected.get(key))} in a replay"
                    )


def _discrepancies(plan: Plan) -> Iterator[str]:
    """Yield the error of a plan whose recorded outcomes do not follow from its facts: no read model may hide that."""
    try:
        plan.check(plan.timeline(plan.horizon))
    except CorruptHistory as error:
        yield f"plan {plan.plan_id}: {error.reason}"


def _compare(plan_id: str, table: PlanTable, expected: Sequence[Row], found: Sequence[Row]) -> Iterator[str]:
    """Yield the differences of one plan's rows in a table, in the order of its key."""
    if list(map(tuple, expected)) == list(map(tuple, found)):
        return
    key = [list(table.columns).index(column) for column in table.key]
    by_key = {tuple(row[index] for index in key): tuple(row) for row in expected}
    stored = {tuple(row[index] for index in key): tuple(row) for row in found}
    for row_key in sorted(by_key.keys() | stored.keys(), key=repr):
        name = ", ".join(str(value) for value in (table.name, *row_key[1:]))
        if row_key not in stored:
            yield f"plan {plan_id}, {name}: the row is missing"
        elif row_key not in by_key:
            yield f"plan {plan_id}, {name}: a replay has no such row"
        else:
            for column, value, replayed in zip(table.columns, stored[row_key], by_key[row_key], strict=True):
                if value != replayed:
                    yield f"plan {plan_id}, {name}: {column} is {value}, and {replayed} in a replay"


def _shown(measures: Sequence[int] | None) -> str:
    return "missing" if measures is None else ", ".join(map(str, measures))
