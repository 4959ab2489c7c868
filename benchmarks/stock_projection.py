"""The stock projection: it tracks every event in the transaction that changes its rows.

The documentation of `eventsourcing` teaches it so: a `Projection` whose `process_event` passes the changes and the
tracking object to a `TrackingRecorder`, which makes both durable in one transaction. The library calls that recorder
the view. The rows are those of ours, from the same functions. Plans and their last rows stay in memory, while ours
reads them.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from eventsourcing.domain import CanMutateAggregate
from eventsourcing.persistence import InfrastructureFactory, Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection
from eventsourcing.sqlite import SQLiteTrackingRecorder
from eventsourcing.utils import Environment

from benchmarks.ours import in_plan
from benchmarks.read_model_tables import in_order
from benchmarks.stock import Stock
from benchmarks.workload import recorded
from ledger.plan import Plan
from ledger.projections.builtin import PERIODS

PREFIX = "stock_projection"
"""Prefix of the view's tables."""

Change = tuple[str, Sequence[Sequence[Any]]]
"""A statement with `?` for its parameters, and the rows of parameters."""

PlanRows = dict[str, Sequence[Sequence[Any]]]
"""The rows of one plan, by the name of their table."""


class SQLitePeriods(SQLiteTrackingRecorder):
    """The view, in an SQLite file."""

    def create(self, ddl: Sequence[str]) -> None:
        """Create its tables."""
        with self.datastore.transaction(commit=True) as cursor:
            for statement in ddl:
                cursor.execute(statement)

    def apply(self, changes: Sequence[Change], tracking: Tracking) -> None:
        """Change rows and track the event, both or neither."""
        with self.datastore.transaction(commit=True) as cursor:
            for sql, rows in changes:
                cursor.executemany(sql, rows)
            self._insert_tracking(cursor, tracking)

    def rows(self, name: str) -> list[tuple[Any, ...]]:
        """Return the rows of a table in their order."""
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(f"SELECT * FROM {PREFIX}{name}")
            return in_order(tuple(row) for row in cursor.fetchall())


class PostgresPeriods(PostgresTrackingRecorder):
    """The view, in a PostgreSQL database."""

    def create(self, ddl: Sequence[str]) -> None:
        """Create its tables."""
        with self.datastore.transaction(commit=True) as cursor:
            for statement in ddl:
                cursor.execute(statement.encode())

    def apply(self, changes: Sequence[Change], tracking: Tracking) -> None:
        """Change rows and track the event, both or neither."""
        with self.datastore.transaction(commit=True) as cursor:
            for sql, rows in changes:
                cursor.executemany(sql.replace("?", "%s").encode(), rows)
            self._insert_tracking(cursor, tracking)

    def rows(self, name: str) -> list[tuple[Any, ...]]:
        """Return the rows of a table in their order."""
        with self.datastore.transaction(commit=False) as cursor:
            found = cursor.execute(f"SELECT * FROM {PREFIX}{name}".encode()).fetchall()
            return in_order(tuple(row.values()) for row in found)


View = SQLitePeriods | PostgresPeriods

_VIEWS = {"eventsourcing.sqlite": SQLitePeriods, "eventsourcing.postgres": PostgresPeriods}


class PlanPeriods(Projection[View]):
    """Keeps the periods of every plan, the day on which it next comes due, and totals by day."""

    def __init__(self, view: View, late: int) -> None:
        super().__init__(view)
        self._plans: dict[UUID, tuple[Plan, PlanRows]] = {}
        self._template = [event for command in recorded(late) for event in command]

    def process_event(self, domain_event: CanMutateAggregate[UUID], tracking: Tracking) -> None:
        """Process one event, which ours records under the same version of the plan."""
        plan_id, version = domain_event.originator_id, domain_event.originator_version
        event = in_plan(self._template[version - 1], plan_id.int)
        if version == 1:
            plan, before = Plan([event]), PlanRows()
        else:
            plan, before = self._plans[plan_id]
            plan.apply(event)
        after = dict(PERIODS.rows(plan))
        self._plans[plan_id] = plan, after
        self.view.apply(list(_changes(plan.plan_id, before, after)), tracking)


class StockProjection:
    """The projection of a stock application.

    It pulls events itself: the library's runner needs subscriptions, which SQLite does not have.
    """

    def __init__(self, stock: Stock, ddl: Sequence[str], *, late: int) -> None:
        environment = Environment(PlanPeriods.name, dict(stock.env))
        self._stock = stock
        self._factory = InfrastructureFactory[Any].construct(environment)
        self._view: View = self._factory.tracking_recorder(_VIEWS[stock.env["PERSISTENCE_MODULE"]])
        self._view.create(ddl)
        self._projection = PlanPeriods(self._view, late)

    def process(self, limit: int) -> int:
        """Process the next events, at most so many; return their number."""
        count = 0
        for event, tracking in self._stock.tracked(after=self.reached(), limit=limit):
            self._projection.process_event(event, tracking)
            count += 1
        return count

    def reached(self) -> int:
        """Return the number of events tracked."""
        return self._view.max_tracking_id(self._stock.name) or 0

    def rows(self, name: str) -> list[tuple[Any, ...]]:
        """Return the rows of a table in their order."""
        return self._view.rows(name)

    def close(self) -> None:
        """Release connections."""
        self._factory.close()


def _changes(plan_id: str, before: PlanRows, after: PlanRows) -> Iterator[Change]:
    """Yield the statements that replace a plan's rows, and change the totals by the difference."""
    for table in PERIODS.tables:
        if before:
            yield f"DELETE FROM {PREFIX}_{table.name} WHERE plan_id = ?", [(plan_id,)]
        yield _insert(f"{PREFIX}_{table.name}", list(table.columns)), list(map(_stored, after[table.name]))
    for totals in PERIODS.totals:
        changed: dict[tuple[Any, ...], list[int]] = {}
        for sign, rows in ((-1, before.get(totals.of, ())), (1, after[totals.of])):
            for key, measures in totals.totals(rows).items() if rows else ():
                found = changed.setdefault(key, [0] * len(totals.measures))
                found[:] = [one + sign * measure for one, measure in zip(found, measures, strict=True)]
        sums = ", ".join(f"{measure} = total.{measure} + excluded.{measure}" for measure in totals.measures)
        insert = _insert(f"{PREFIX}_{totals.name} AS total", list(totals.columns))
        new = [(*_stored(key), *measures) for key, measures in changed.items() if any(measures)]
        yield f"{insert} ON CONFLICT ({', '.join(totals.key)}) DO UPDATE SET {sums}", new


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' for _ in columns)})"


def _stored(row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(value.isoformat() if isinstance(value, date) else value for value in row)
