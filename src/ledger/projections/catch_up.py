"""The read model: the phases of every plan in one table, caught up with the ledger exactly once per event.

Events are taken in by batches: the rows of each plan that a batch touches are derived anew and replaced, in one
transaction with the checkpoint. Overdue list, balances and portfolio are read from it by spans of dates.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import attrs

from ledger.dates import day_in
from ledger.events import RecordedEvent
from ledger.plan import Plan
from ledger.projections.phases import Phase, next_due, phases
from ledger.store import Row, Statement, Store, Value

_VIEW = "phases"
_BATCH = 10_000
"""Events that are taken in per transaction."""

_COLUMNS: Mapping[str, Any] = {field.name: field.type for field in attrs.fields(Phase)}
_NAMES = ", ".join(_COLUMNS)
_PLAN_COLUMNS = "plan_id TEXT PRIMARY KEY, timezone TEXT NOT NULL, recorded_on TEXT NOT NULL, due_on TEXT"
_TYPES = {int: "BIGINT NOT NULL", int | None: "BIGINT", str | None: "TEXT", date | None: "TEXT"}


class ReadModel:
    """The phases of all plans of a ledger, as far as the last `catch_up` brought them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tables = store.tables
        prefix = store.tables.prefix
        self._phases, self._plans, self._zones = f"{prefix}_phases", f"{prefix}_plans", f"{prefix}_zones"
        store.tables.create(_VIEW, self._ddl())
        if store.tables.checkpoint(_VIEW) and not (self._has_rows(self._phases) and self._has_rows(self._plans)):
            self._empty()  # a checkpoint without its rows, as a partial restore leaves it

    def _ddl(self) -> list[str]:
        columns = ", ".join(f"{name} {_TYPES.get(kind, 'TEXT NOT NULL')}" for name, kind in _COLUMNS.items())
        phases, plans = self._phases, self._plans
        overdue = f"ON {phases} (partner, through_on, from_on) WHERE status = 'in_grace'"
        return [
            f"CREATE TABLE IF NOT EXISTS {phases} ({columns}, PRIMARY KEY (plan_id, from_on))",
            f"CREATE INDEX IF NOT EXISTS {phases}_by_investor ON {phases} (investor)",
            f"CREATE INDEX IF NOT EXISTS {phases}_by_partner ON {phases} (partner)",
            f"CREATE INDEX IF NOT EXISTS {phases}_overdue ON {phases} (through_on, from_on) WHERE status = 'in_grace'",
            f"CREATE INDEX IF NOT EXISTS {phases}_overdue_by_partner {overdue}",
            f"CREATE TABLE IF NOT EXISTS {plans} ({_PLAN_COLUMNS})",
            f"CREATE INDEX IF NOT EXISTS {plans}_by_due ON {plans} (due_on)",
            f"CREATE INDEX IF NOT EXISTS {plans}_by_zone ON {plans} (timezone, recorded_on)",
            f"CREATE TABLE IF NOT EXISTS {self._zones} (timezone TEXT PRIMARY KEY)",
        ]

    def catch_up(self) -> int:
        """Take in all events recorded so far and return the sequence reached. Raises `CorruptHistory`.

        Several processes may do this at once: a batch that another one took in first is not taken in again.
        """
        while True:
            reached = self._tables.checkpoint(_VIEW)
            batch = self._store.events(after=reached, limit=_BATCH)
            if not batch:
                return reached
            self._tables.advance(_VIEW, expected=reached, reached=batch[-1].sequence, changes=self._changes(batch))

    def rebuild(self) -> int:
        """Empty the tables and take in the whole ledger again; return the sequence reached."""
        self._empty()
        return self.catch_up()

    def _has_rows(self, table: str) -> bool:
        return bool(self._tables.query(f"SELECT 1 FROM {table} LIMIT 1"))

    def _empty(self) -> None:
        tables = (self._phases, self._plans, self._zones)
        self._tables.reset(_VIEW, changes=[Statement(f"DELETE FROM {table}", [()]) for table in tables])

    def _changes(self, batch: Sequence[RecordedEvent]) -> list[Statement]:
        touched: dict[str, list[RecordedEvent]] = {}
        for recorded in batch:
            touched.setdefault(recorded.plan_id, []).append(recorded)
        plans = [
            Plan(events if events[0].version == 1 else self._store.history(plan_id))
            for plan_id, events in touched.items()
        ]
        gone = [(plan_id,) for plan_id in touched]
        zones = sorted({plan.opened.terms.timezone for plan in plans})
        marks = ", ".join("?" for _ in _COLUMNS)
        return [
            Statement(f"DELETE FROM {self._phases} WHERE plan_id = ?", gone),
            Statement(
                f"INSERT INTO {self._phases} ({_NAMES}) VALUES ({marks})",
                [_row(phase) for plan in plans for phase in phases(plan)],
            ),
            Statement(f"DELETE FROM {self._plans} WHERE plan_id = ?", gone),
            Statement(f"INSERT INTO {self._plans} VALUES (?, ?, ?, ?)", [_plan_row(plan) for plan in plans]),
            Statement(f"INSERT INTO {self._zones} VALUES (?) ON CONFLICT DO NOTHING", [(zone,) for zone in zones]),
        ]

    def zones(self) -> list[str]:
        """Return the time zones of the ledger's plans."""
        return [str(zone) for (zone,) in self._tables.query(f"SELECT timezone FROM {self._zones} ORDER BY timezone")]

    def due(self, through: date) -> list[str]:
        """Return the ids of the plans for which closing through this day has something to record, in their order."""
        sql = f"SELECT plan_id FROM {self._plans} WHERE due_on <= ? ORDER BY plan_id"
        return [str(plan_id) for (plan_id,) in self._tables.query(sql, (through.isoformat(),))]

    def recorded_before(self, day: date, zone: str) -> str | None:
        """Return the id of a plan in the time zone whose last event was recorded before this day; None if none was."""
        sql = f"SELECT plan_id FROM {self._plans} WHERE timezone = ? AND recorded_on < ? LIMIT 1"
        found = self._tables.query(sql, (zone, day.isoformat()))
        return str(found[0][0]) if found else None

    def on(self, days: Mapping[date, Sequence[str]], **only: str | None) -> list[tuple[Phase, date]]:
        """Return each plan's phase on a day, with the day, by plan id; `days` says for plans of which time zones.

        `only` names columns and the values that they must have; None asks for any.
        """
        wanted = {column: value for column, value in only.items() if value is not None}
        found: list[tuple[Phase, date]] = []
        for day, zones in days.items():
            conditions = [
                *(f"{column} = ?" for column in wanted),
                "from_on <= ? AND through_on >= ?",
                f"timezone IN ({', '.join('?' for _ in zones)})",
            ]
            sql = f"SELECT {_NAMES} FROM {self._phases} WHERE {' AND '.join(conditions)}"
            rows = self._tables.query(sql, (*wanted.values(), day.isoformat(), day.isoformat(), *zones))
            found += [(_phase(row), day) for row in rows]
        return sorted(found, key=lambda item: item[0].plan_id)


def _row(phase: Phase) -> Row:
    values = [getattr(phase, name) for name in _COLUMNS]
    return tuple(value.isoformat() if isinstance(value, date) else value for value in values)


def _phase(row: Sequence[Value]) -> Phase:
    values: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
    for name, kind in _COLUMNS.items():
        if kind in (date, date | None) and values[name] is not None:
            values[name] = date.fromisoformat(values[name])
    return Phase(**values)


def _plan_row(plan: Plan) -> Row:
    zone, due_on = plan.opened.terms.timezone, next_due(plan)
    recorded_on = day_in(zone, plan.recorded_at)
    return plan.plan_id, zone, recorded_on.isoformat(), None if due_on is None else due_on.isoformat()
