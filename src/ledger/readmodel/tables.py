"""The tables of one generation of a projection: how they are created, changed plan by plan, and read whole."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from datetime import date
from operator import add, sub
from typing import Any, Self, cast

from ledger.plan import Plan
from ledger.projections.projection import Cell, PlanTable, Projection, Row, TotalsTable, sql_type
from ledger.store import (
    LAST,
    Generation,
    Insert,
    Quarantined,
    Query,
    Statement,
    TableChange,
    Value,
    Values,
    ViewStore,
)

_AT_ONCE = 500
"""Plans that one statement asks for."""

PlanRows = Mapping[str, Sequence[Row]]
"""The rows of one plan, by the name of their table."""

Totals = dict[tuple[Cell, ...], list[int]]
"""Sums by the key of a totals table."""


def derived_rows(projection: Projection, plan: Plan) -> PlanRows | Quarantined:
    """Return the rows of a plan or, where none can be derived, the plan as it is left out."""
    try:
        return projection.rows(plan)
    except Exception as failure:  # noqa: BLE001 - a function of the user's own: it stops one plan, not all
        return without_rows(projection, plan, " ".join(f"{type(failure).__name__}: {failure}".split()))


def without_rows(projection: Projection, plan: Plan, reason: str) -> Quarantined:
    """Return a plan that has no rows of a projection, with the reason."""
    return Quarantined(plan.plan_id, plan.version, f"projection {projection.name}", reason)


class Tables:
    """The tables of a generation."""

    def __init__(
        self, views: ViewStore, projection: Projection, generation: Generation, query: Query | None = None
    ) -> None:
        """Take the projection and the generation; `query` reads, as from a snapshot."""
        self.projection = projection
        self.generation = generation
        self.query = views.query if query is None else query
        self._views = views
        self._prefix = f"{views.prefix}_{generation.name}"
        self._plan_tables = [_PlanTable(self.name(table.name), table) for table in projection.tables]
        self._totals_tables = [_TotalsTable(self.name(totals.name), totals) for totals in projection.totals]

    def at(self, generation: Generation) -> Self:
        """Return the same tables at another checkpoint, read as they are."""
        tables = copy(self)
        tables.generation, tables.query = generation, self._views.query
        return tables

    def name(self, table: str) -> str:
        """Return the name in the database of a table of the projection."""
        return f"{self._prefix}_{table}"

    @contextmanager
    def snapshot(self) -> Iterator[Self]:
        """Yield the same tables, all read as of one instant, with the checkpoint of that instant.

        Raises `StoreUnavailable` if the generation has been dropped.
        """
        with self._views.snapshot() as query:
            generation = self._views.checkpoint(self.generation, query)
            yield type(self)(self._views, self.projection, generation, query)

    def ddl(self) -> list[str]:
        """Return the statements that create the tables where they are missing."""
        return [
            _create_table(self.name(table.name), table, text=self._views.text) for table in self.projection.all_tables()
        ]

    def indexes(self) -> list[str]:
        """Return the statements that create the indexes: faster once the tables are filled."""
        return [statement for table in self._plan_tables for statement in table.indexes()]

    def lost(self) -> bool:
        """Return whether a table that has rows for every plan has none: what a partial restore leaves."""
        filled = {table.name for table in self.projection.tables if table.every_plan}
        filled |= {totals.name for totals in self.projection.totals if totals.of in filled}
        return not all(self.query(f"SELECT 1 FROM {self.name(table)} LIMIT 1", ()) for table in sorted(filled))

    # ---- writing

    def changes(self, derived: Sequence[PlanRows], replaced: Sequence[str]) -> list[TableChange]:
        """Return the changes after which the tables hold these rows of plans, and no others of the plans `replaced`.

        They are made where the tables are as they are now. Rows that stay are not written again.
        """
        stored = list(self.rows_of(replaced).values())
        sums: dict[str, Totals] = {totals.name: {} for totals in self.projection.totals}
        for of_plan in stored:
            self.add_totals(sums, of_plan, sign=-1)
        for rows_by_table in derived:
            self.add_totals(sums, rows_by_table)
        changed: list[TableChange] = []
        for table in self._plan_tables:
            before, after = table.of(stored), table.of(derived)
            changed += [table.delete(_without(before, after)), table.insert(_without(after, before))]
        changed += [table.upsert(sums[table.declared.name]) for table in self._totals_tables]
        return changed

    def add_totals(self, sums: Mapping[str, Totals], rows: PlanRows, *, sign: int = 1) -> None:
        """Add to the sums of each totals table what a plan with these rows adds to it, or take it away."""
        change = add if sign > 0 else sub
        for totals in self.projection.totals:
            if of_plan := rows.get(totals.of):
                into, nothing = sums[totals.name], [0] * len(totals.measures)
                for key, measures in totals.totals(of_plan).items():
                    into[key] = list(map(change, into.get(key, nothing), measures))

    # ---- reading whole, to verify

    def rows_of(self, plan_ids: Sequence[str]) -> dict[str, dict[str, list[Row]]]:
        """Return the rows of these plans, by plan id and the name of their table, in the order of their keys.

        A value that cannot be one of its column, which only somebody else can have written, comes as it is stored.
        """
        found: dict[str, dict[str, list[Row]]] = {plan_id: {} for plan_id in plan_ids}
        for table in self._plan_tables:
            for plan_id, rows in table.rows_of(self.query, plan_ids):
                found[plan_id][table.declared.name] = rows
        return found

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each table of plans, by its name."""
        return {table.declared.name: _count(self.query, table.name) for table in self._plan_tables}

    def plan_ids(self, *, after: str, limit: int) -> list[str]:
        """Return up to `limit` ids of plans that have rows, above `after`, in the order of the database."""
        selects = [f"SELECT plan_id FROM {table.name} WHERE plan_id > ?" for table in self._plan_tables]
        sql = f"SELECT plan_id FROM ({' UNION '.join(selects)}) AS ids ORDER BY plan_id LIMIT ?"
        return [str(plan_id) for (plan_id,) in self.query(sql, [*[after] * len(selects), limit])]

    def left_out(self) -> set[str]:
        """Return the ids of the plans that are in quarantine."""
        sql = f"SELECT plan_id FROM {self._views.prefix}_quarantine WHERE projection = ? AND generation = ?"
        rows = self.query(sql, [self.generation.projection, self.generation.number])
        return {str(plan_id) for (plan_id,) in rows}

    def totals(self) -> dict[str, Totals]:
        """Return the sums of each totals table that are not zero, by its name."""
        return {table.declared.name: table.read(self.query) for table in self._totals_tables}


class _PlanTable:
    """A table with rows of plans, in the database."""

    def __init__(self, name: str, declared: PlanTable) -> None:
        self.name = name
        self.declared = declared
        self._columns = tuple(declared.columns)
        self._dates = _date_columns(declared.columns.values())
        self._key = [self._columns.index(column) for column in declared.key]

    def indexes(self) -> Iterator[str]:
        for number, index in enumerate(self.declared.indexes, 1):
            where = f" WHERE {index.where}" if index.where else ""
            columns = ", ".join(index.columns)
            yield f"CREATE INDEX IF NOT EXISTS {self.name}_{number} ON {self.name} ({columns}){where}"

    def of(self, plans: Iterable[PlanRows]) -> list[Row]:
        """Return the rows of these plans in this table."""
        return [tuple(row) for rows_by_table in plans for row in rows_by_table.get(self.declared.name, ())]

    def delete(self, rows: Sequence[Row]) -> Statement:
        where = " AND ".join(f"{column} = ?" for column in self.declared.key)
        keys = [[values[index] for index in self._key] for values in (_stored(row, self._dates) for row in rows)]
        return Statement(f"DELETE FROM {self.name} WHERE {where}", keys)

    def insert(self, rows: Sequence[Row]) -> Insert:
        return Insert(self.name, self._columns, [_stored(row, self._dates) for row in rows])

    def rows_of(self, query: Query, plan_ids: Sequence[str]) -> Iterator[tuple[str, list[Row]]]:
        """Yield the rows of each of these plans, in the order of their key; a plan without rows has none."""
        columns, order = ", ".join(self._columns), ", ".join(self.declared.key)
        for begin in range(0, len(plan_ids), _AT_ONCE):
            some = plan_ids[begin : begin + _AT_ONCE]
            sql = f"SELECT {columns} FROM {self.name} WHERE plan_id IN ({marks(some)}) ORDER BY {order}"
            found: dict[str, list[Row]] = {plan_id: [] for plan_id in some}
            for row in query(sql, some):
                found[str(row[0])].append(_read(row, self._dates))
            yield from found.items()


class _TotalsTable:
    """A table of sums over plans, in the database."""

    def __init__(self, name: str, declared: TotalsTable) -> None:
        self.name = name
        self.declared = declared
        self._dates = _date_columns(declared.key.values())

    def upsert(self, sums: Totals) -> Statement:
        columns, measures = tuple(self.declared.columns), self.declared.measures
        added = ", ".join(f"{measure} = total.{measure} + excluded.{measure}" for measure in measures)
        sql = (
            f"INSERT INTO {self.name} AS total ({', '.join(columns)}) VALUES ({marks(columns)}) "
            f"ON CONFLICT ({', '.join(self.declared.key)}) DO UPDATE SET {added}"
        )
        rows = [(*_stored(key, self._dates), *measures) for key, measures in sums.items() if any(measures)]
        return Statement(sql, rows)

    def read(self, query: Query) -> Totals:
        keys = len(self.declared.key)
        rows = query(f"SELECT {', '.join(self.declared.columns)} FROM {self.name}", ())
        sums = {tuple(_read(row[:keys], self._dates)): [cast(int, one or 0) for one in row[keys:]] for row in rows}
        return {key: measures for key, measures in sums.items() if any(measures)}


def marks(values: Sequence[object]) -> str:
    """Return as many `?` as there are values."""
    return ", ".join("?" for _ in values)


def reader_of(columns: Mapping[str, object], make: Callable[[Iterable[Any]], Any]) -> Callable[[Sequence[Value]], Any]:
    """Return a function that makes a value of a stored row with these columns, dates as dates."""
    dates = _date_columns(columns.values())
    return lambda row: make(_read(row, dates))


def _create_table(name: str, table: PlanTable | TotalsTable, *, text: str) -> str:
    """Return the statement that creates a table. SQLite would round a sum beyond 64 bits: the table refuses it."""
    sums = table.measures if isinstance(table, TotalsTable) else ()
    parts = [
        *(f"{column} {sql_type(kind).replace('TEXT', text)}" for column, kind in table.columns.items()),
        f"PRIMARY KEY ({', '.join(table.key)})",
        *(f"CHECK ({column} BETWEEN -{LAST} AND {LAST})" for column in sums),
    ]
    return f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(parts)})"


def _without(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """Return the rows that are not among the others."""
    known = set(others)
    return [row for row in rows if row not in known]


def _count(query: Query, table: str) -> int:
    ((number,),) = query(f"SELECT COUNT(*) FROM {table}", ())
    return int(number or 0)


def _date_columns(kinds: Iterable[object]) -> list[int]:
    return [index for index, kind in enumerate(kinds) if kind in (date, date | None)]


def _stored(row: Row, dates: Sequence[int]) -> Values:
    values: list[Any] = list(row)
    for index in dates:
        if values[index] is not None:
            values[index] = values[index].isoformat()
    return values


def _read(row: Sequence[Value], dates: Sequence[int]) -> Row:
    values: list[Any] = list(row)
    for index in dates:
        if values[index] is not None:
            with suppress(ValueError, TypeError):  # somebody else has written it
                values[index] = date.fromisoformat(values[index])
    return values
