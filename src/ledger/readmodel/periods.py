"""The read model of periods, as questions read it: by day, investor, partner and status; the totals; the plans due."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from ledger.projections.builtin import PERIODS
from ledger.projections.periods import Period
from ledger.projections.totals import MEASURES, Total, joined
from ledger.readmodel.tables import Tables, marks, reader_of
from ledger.store import Value

_COLUMNS = next(table.columns for table in PERIODS.tables if table.name == "periods")
_NAMES = ", ".join(_COLUMNS)
_SUMS = ", ".join(f"SUM({measure})" for measure in MEASURES)
_period = reader_of(_COLUMNS, Period._make)

Filters = Mapping[str, str | None]
"""Columns of a period and the values that they must have; None asks for any."""


class Day(NamedTuple):
    """A date, and the time zones whose plans are asked about on it; None: those of every time zone."""

    date: date
    zones: Sequence[str] | None = None


class Seek(NamedTuple):
    """A page: up to `limit` rows (None: all) in the order of some columns, after a key.

    `whole`: the rows of up to `limit` keys of one column, all of each.
    """

    columns: Sequence[str]
    after: Sequence[str]
    limit: int | None
    whole: bool = False


class PeriodTables:
    """Reads the tables of a generation of `PERIODS`."""

    def __init__(self, tables: Tables) -> None:
        self._query = tables.query
        self._periods = tables.name("periods")
        self._closings = tables.name("closings")
        self._totals = tables.name("totals")

    def zones(self) -> list[str]:
        """Return the time zones of the ledger's plans: from the index of the totals, a step for each."""
        after = f"SELECT min(timezone) FROM {self._totals} WHERE timezone > zone"
        sql = (
            f"WITH RECURSIVE zones (zone) AS (SELECT min(timezone) FROM {self._totals} "
            f"UNION ALL SELECT ({after}) FROM zones WHERE zone IS NOT NULL) "
            "SELECT zone FROM zones WHERE zone IS NOT NULL"
        )
        return [str(zone) for (zone,) in self._query(sql, ())]

    def on(self, days: Sequence[Day], filters: Filters, seek: Seek | None = None) -> list[tuple[Period, date]]:
        """Return each plan's period on a day, with the day, by plan id; of a page, as many for each of the days."""
        found: list[tuple[Period, date]] = []
        for day in days:
            conditions, values = _conditions(day, filters)
            if seek is not None:
                conditions, values = self._sought(seek, conditions, values)
            sql = f"SELECT {_NAMES} FROM {self._periods} WHERE {conditions}"
            rows = self._query(sql, values)
            found += [(_period(row), day.date) for row in rows]
        return sorted(found, key=lambda item: item[0].plan_id)

    def _sought(self, seek: Seek, conditions: str, values: Sequence[Value]) -> tuple[str, Sequence[Value]]:
        """Return conditions, and their parameters, that select the rows of a page."""
        columns = ", ".join(seek.columns)
        conditions, values = f"{conditions} AND ({columns}) > ({marks(seek.after)})", [*values, *seek.after]
        if seek.limit is None:
            return conditions, values
        if not seek.whole:
            return f"{conditions} ORDER BY {columns} LIMIT ?", [*values, seek.limit]
        keys = f"SELECT DISTINCT {columns} FROM {self._periods} WHERE {conditions} ORDER BY {columns} LIMIT ?"
        last = f"SELECT max({columns}) FROM ({keys}) AS keys"
        return f"{conditions} AND {columns} <= ({last})", [*values, *values, seek.limit]

    def plan_ids(self, filters: Filters) -> list[str]:
        """Return the ids of the plans that ever had a period with these values, in their order."""
        wanted = {column: value for column, value in filters.items() if value is not None}
        conditions = " AND ".join(f"{column} = ?" for column in wanted)
        sql = f"SELECT DISTINCT plan_id FROM {self._periods} WHERE {conditions} ORDER BY plan_id"
        return [str(plan_id) for (plan_id,) in self._query(sql, tuple(wanted.values()))]

    def totals(self, days: Sequence[Day]) -> list[tuple[str, date, Total]]:
        """Return the totals of each currency at the end of a day, with the day; those without a plan are left out."""
        found: list[tuple[str, date, Total]] = []
        for day, zones in days:
            some = self.zones() if zones is None else zones  # the key begins with the time zone
            if not some:
                continue
            sql = (
                f"SELECT currency, {_SUMS} FROM {self._totals} "
                f"WHERE timezone IN ({marks(some)}) AND day <= ? GROUP BY currency"
            )
            for currency, *sums in self._query(sql, (*some, day.isoformat())):
                found.append((str(currency), day, joined([int(one or 0) for one in sums])))
        return [one for one in found if one[2].plans]

    def due(self, through: date) -> list[str]:
        """Return the ids of the plans for which closing through this day has something to record, in their order."""
        sql = f"SELECT plan_id FROM {self._closings} WHERE due_on <= ? ORDER BY plan_id"
        return [str(plan_id) for (plan_id,) in self._query(sql, (through.isoformat(),))]

    def recorded_before(self, day: date, zone: str) -> str | None:
        """Return the id of a plan in the time zone whose last event was recorded before this day; None if none was."""
        sql = f"SELECT plan_id FROM {self._closings} WHERE timezone = ? AND recorded_on < ? LIMIT 1"
        found = self._query(sql, (zone, day.isoformat()))
        return str(found[0][0]) if found else None


def _conditions(day: Day, filters: Filters) -> tuple[str, Sequence[Value]]:
    """Return the conditions that select the periods of a day, and their parameters."""
    status = filters.get("status")
    wanted = {column: value for column, value in filters.items() if value is not None and column != "status"}
    conditions = [
        *(f"{column} = ?" for column in wanted),
        *([f"status = '{status}'"] if status else []),  # written out: indexes are kept for one status
        "from_on <= ? AND through_on >= ?",
        *([] if day.zones is None else [f"timezone IN ({marks(day.zones)})"]),
    ]
    on = day.date.isoformat()
    return " AND ".join(conditions), (*wanted.values(), on, on, *(day.zones or ()))
