"""The rows of the read model: the periods of every plan, the day on which each next comes due, and totals by day.

One set of tables is a generation: a rebuild fills the next one beside it. Overdue list, balances and portfolio are read
from it by spans of dates.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from operator import attrgetter
from typing import Any, Self

import attrs

from ledger.dates import day_in
from ledger.errors import StoreUnavailable
from ledger.plan import Plan
from ledger.projections import totals
from ledger.projections.periods import Period, plan_periods
from ledger.projections.totals import Place, Total
from ledger.store import Change, Insert, Query, Row, Statement, Tables, Value

_TOGETHER = 500
"""Plans that one statement asks for."""

_COLUMNS: Mapping[str, Any] = {field.name: field.type for field in attrs.fields(Period)}
_NAMES = ", ".join(_COLUMNS)
_DATES = [place for place, kind in enumerate(_COLUMNS.values()) if kind in (date, date | None)]
_PLAN_COLUMNS = ("plan_id", "timezone", "recorded_on", "due_on")
_TYPES = {int: "BIGINT NOT NULL", int | None: "BIGINT", str | None: "TEXT", date | None: "TEXT"}
_SUMS = ", ".join(f"SUM({column})" for column in Total._fields)


class Rows:
    """The tables of one generation."""

    def __init__(self, tables: Tables, view: str, query: Query | None = None) -> None:
        """Take the tables and the view's name; `query` reads, for instance from a snapshot."""
        self._tables = tables
        self._query = tables.query if query is None else query
        self.view = view
        prefix = f"{tables.prefix}_{view}"
        self._periods, self._plans = prefix, f"{prefix}_plans"
        self._zones, self._totals = f"{prefix}_zones", f"{prefix}_totals"

    def read_by(self, query: Query) -> Self:
        """Return the same rows, read by `query`."""
        return type(self)(self._tables, self.view, query)

    def ddl(self) -> list[str]:
        """Return the statements that create the tables where they are missing."""
        columns = ", ".join(f"{name} {_TYPES.get(kind, 'TEXT NOT NULL')}" for name, kind in _COLUMNS.items())
        sums = ", ".join(f"{name} BIGINT NOT NULL" for name in Total._fields)
        when_due = "plan_id TEXT PRIMARY KEY, timezone TEXT NOT NULL, recorded_on TEXT NOT NULL, due_on TEXT"
        by_day = f"currency TEXT, timezone TEXT, day TEXT, {sums}, PRIMARY KEY (timezone, day, currency)"
        return [
            f"CREATE TABLE IF NOT EXISTS {self._periods} ({columns}, PRIMARY KEY (plan_id, from_on))",
            f"CREATE TABLE IF NOT EXISTS {self._plans} ({when_due})",
            f"CREATE TABLE IF NOT EXISTS {self._zones} (timezone TEXT PRIMARY KEY)",
            f"CREATE TABLE IF NOT EXISTS {self._totals} ({by_day})",
        ]

    def indexes(self) -> list[str]:
        """Return the statements that create the indexes: once the tables are filled, it is done at a fraction."""
        of_periods, plans, late = self._periods, self._plans, "WHERE status = 'in_grace'"
        indexes = {
            f"{of_periods}_by_investor": f"{of_periods} (investor)",
            f"{of_periods}_by_partner": f"{of_periods} (partner)",
            f"{of_periods}_overdue": f"{of_periods} (through_on, from_on) {late}",
            f"{of_periods}_overdue_by_partner": f"{of_periods} (partner, through_on, from_on) {late}",
            f"{plans}_by_due": f"{plans} (due_on)",
            f"{plans}_by_zone": f"{plans} (timezone, recorded_on)",
        }
        return [f"CREATE INDEX IF NOT EXISTS {index} ON {columns}" for index, columns in indexes.items()]

    def drop(self) -> list[str]:
        """Return the statements that drop the tables where they are."""
        return [f"DROP TABLE IF EXISTS {table}" for table in self._all()]

    def whole(self) -> bool:
        """Tell whether every table has rows: a checkpoint without them is what a partial restore leaves."""
        return all(self._query(f"SELECT 1 FROM {table} LIMIT 1", ()) for table in self._all())

    def _all(self) -> tuple[str, ...]:
        return self._periods, self._plans, self._zones, self._totals

    # ---- writing

    def clear(self) -> list[Change]:
        """Return the changes after which there are no rows."""
        return [Statement(f"DELETE FROM {table}", [()]) for table in self._all()]

    def changes(self, plans: Sequence[Plan], known: Sequence[str]) -> list[Change]:
        """Return the changes after which the plans' rows are these; of those `known` there are rows already."""
        gone = [(plan_id,) for plan_id in known]
        before = [period for _, of_plan in self.periods_of(known) for period in of_plan]
        derived = [(plan, *plan_periods(plan)) for plan in plans]
        after = [period for _, spans, _ in derived for period in spans]
        zones = sorted({plan.opened.terms.timezone for plan in plans})
        return [
            Statement(f"DELETE FROM {self._periods} WHERE plan_id = ?", gone),
            Insert(self._periods, tuple(_COLUMNS), [_row(period) for period in after]),
            Statement(f"DELETE FROM {self._plans} WHERE plan_id = ?", gone),
            Insert(self._plans, _PLAN_COLUMNS, [plan_row(plan, due_on) for plan, _, due_on in derived]),
            Statement(f"INSERT INTO {self._zones} VALUES (?) ON CONFLICT DO NOTHING", [(zone,) for zone in zones]),
            self._changed_totals(totals.changes(before, after)),
        ]

    def _changed_totals(self, changed: Mapping[Place, Total]) -> Statement:
        marks = ", ".join("?" for _ in (*Place._fields, *Total._fields))
        sums = ", ".join(f"{column} = total.{column} + excluded.{column}" for column in Total._fields)
        columns = ", ".join((*Place._fields, *Total._fields))
        return Statement(
            f"INSERT INTO {self._totals} AS total ({columns}) VALUES ({marks}) "
            f"ON CONFLICT (timezone, day, currency) DO UPDATE SET {sums}",
            [(place.currency, place.timezone, place.day.isoformat(), *change) for place, change in changed.items()],
        )

    # ---- reading

    def zones(self) -> list[str]:
        """Return the time zones of the ledger's plans."""
        return [str(zone) for (zone,) in self._query(f"SELECT timezone FROM {self._zones} ORDER BY timezone", ())]

    def due(self, through: date) -> list[str]:
        """Return the ids of the plans for which closing through this day has something to record, in their order."""
        sql = f"SELECT plan_id FROM {self._plans} WHERE due_on <= ? ORDER BY plan_id"
        return [str(plan_id) for (plan_id,) in self._query(sql, (through.isoformat(),))]

    def recorded_before(self, day: date, zone: str) -> str | None:
        """Return the id of a plan in the time zone whose last event was recorded before this day; None if none was."""
        sql = f"SELECT plan_id FROM {self._plans} WHERE timezone = ? AND recorded_on < ? LIMIT 1"
        found = self._query(sql, (zone, day.isoformat()))
        return str(found[0][0]) if found else None

    def on(self, days: Mapping[date, Sequence[str]], **only: str | None) -> list[tuple[Period, date]]:
        """Return each plan's period on a day, with the day, by plan id; `days` says for plans of which time zones.

        `only` names columns and the values that they must have; None asks for any.
        """
        wanted = {column: value for column, value in only.items() if value is not None}
        status = wanted.pop("status", None)
        found: list[tuple[Period, date]] = []
        for day, zones in days.items():
            conditions = [
                *(f"{column} = ?" for column in wanted),
                *([f"status = '{status}'"] if status else []),  # written out: indexes are kept for one status
                "from_on <= ? AND through_on >= ?",
                f"timezone IN ({_marks(zones)})",
            ]
            sql = f"SELECT {_NAMES} FROM {self._periods} WHERE {' AND '.join(conditions)}"
            rows = self._query(sql, (*wanted.values(), day.isoformat(), day.isoformat(), *zones))
            found += [(_period(row), day) for row in rows]
        return sorted(found, key=lambda item: item[0].plan_id)

    def totals(self, days: Mapping[date, Sequence[str]]) -> list[tuple[Place, Total]]:
        """Return the totals of each currency and time zone at the end of a day; places without a plan are left out."""
        found: list[tuple[Place, Total]] = []
        for day, zones in days.items():
            sql = (
                f"SELECT currency, timezone, {_SUMS} FROM {self._totals} "
                f"WHERE timezone IN ({_marks(zones)}) AND day <= ? GROUP BY currency, timezone"
            )
            for currency, zone, *sums in self._query(sql, (*zones, day.isoformat())):
                found.append((Place(str(currency), str(zone), day), Total(*(int(one or 0) for one in sums))))
        return [(place, total) for place, total in found if total.plans]

    # ---- reading all, to verify

    def checkpoint(self) -> int:
        """Return the sequence up to which the rows have taken in the ledger.

        Raises `StoreUnavailable` if they are gone.
        """
        sql = f"SELECT sequence FROM {self._tables.prefix}_checkpoints WHERE view = ?"
        for (reached,) in self._query(sql, (self.view,)):
            return int(reached or 0)
        raise StoreUnavailable(store=f"Read model {self.view}", reason="it is there no more", remedy="ask again")

    def periods_of(self, plan_ids: Sequence[str]) -> Iterator[tuple[str, list[Period]]]:
        """Yield the periods of each of these plans, by date; a plan without rows has none."""
        for begin in range(0, len(plan_ids), _TOGETHER):
            some = plan_ids[begin : begin + _TOGETHER]
            found: dict[str, list[Period]] = {plan_id: [] for plan_id in some}
            sql = f"SELECT {_NAMES} FROM {self._periods} WHERE plan_id IN ({_marks(some)}) ORDER BY plan_id, from_on"
            for row in self._query(sql, some):
                found[str(row[0])].append(_period(row))
            yield from found.items()

    def plan_rows_of(self, plan_ids: Sequence[str]) -> dict[str, Row]:
        """Return the row of each of these plans that tells when it next comes due."""
        sql = f"SELECT {', '.join(_PLAN_COLUMNS)} FROM {self._plans} WHERE plan_id IN ({_marks(plan_ids)})"
        return {str(row[0]): row for row in self._query(sql, plan_ids)}

    def counts(self) -> tuple[int, int]:
        """Return the numbers of periods and of plans."""
        return self._count(self._periods), self._count(self._plans)

    def _count(self, table: str) -> int:
        ((number,),) = self._query(f"SELECT COUNT(*) FROM {table}", ())
        return int(number or 0)

    def daily_totals(self) -> dict[Place, Total]:
        """Return how much the totals change on each day."""
        sql = f"SELECT {', '.join((*Place._fields, *Total._fields))} FROM {self._totals}"
        rows = self._query(sql, ())
        found = {
            Place(str(currency), str(zone), date.fromisoformat(str(day))): Total(*(int(one or 0) for one in changes))
            for currency, zone, day, *changes in rows
        }
        return {place: change for place, change in found.items() if any(change)}


def plan_row(plan: Plan, due_on: date | None) -> Row:
    """Return the row that tells when a plan next comes due."""
    zone = plan.opened.terms.timezone
    recorded_on = day_in(zone, plan.recorded_at)
    return plan.plan_id, zone, recorded_on.isoformat(), None if due_on is None else due_on.isoformat()


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" for _ in values)


_values = attrgetter(*_COLUMNS)


def _row(period: Period) -> Row:
    values = list(_values(period))
    for place in _DATES:
        if values[place] is not None:
            values[place] = values[place].isoformat()
    return values


def _period(row: Sequence[Value]) -> Period:
    values: list[Any] = list(row)
    for place in _DATES:
        if values[place] is not None:
            values[place] = date.fromisoformat(values[place])
    return Period(**dict(zip(_COLUMNS, values, strict=True)))
