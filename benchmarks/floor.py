"""The floor: the same rows through the bare driver. Nothing is decoded, nothing decided.

The tables are those of the store, column for column and index for index. One payment is a SELECT of the plan's rows, an
INSERT of as many rows as ours writes, and a commit; reading is one SELECT of all rows in the order of the log.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import psycopg

from benchmarks.workload import by_month, plan_id, stored, whole_histories

Row = tuple[str, int, str, bytes]
"""Plan, version, topic, state."""


class SQLiteFloor:
    """Rows in an SQLite file, as durable as those of ours and stock."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS floor_events (originator_id TEXT, originator_version INTEGER, "
            "topic TEXT, state BLOB, PRIMARY KEY (originator_id, originator_version))"
        )

    def seed(self, payments: Sequence[int]) -> None:
        self._insert(list(_seed_rows(payments)))

    def prepare(self, plans: range) -> None:
        self._chunks = list(_chunks(plans))

    def import_plans(self, plans: range) -> int:
        for rows in self._chunks:
            self._insert(rows)
        return sum(map(len, self._chunks))

    def pay(self, plan: int, number: int) -> int:
        sql = "SELECT rowid, * FROM floor_events WHERE originator_id = ? ORDER BY originator_version"
        loaded = self._connection.execute(sql, (plan_id(plan),)).fetchall()
        rows = _rows(plan, number, after=len(loaded))
        self._insert(rows)
        return len(rows)

    def read(self) -> int:
        return len(self._connection.execute("SELECT rowid, * FROM floor_events ORDER BY rowid").fetchall())

    def close(self) -> None:
        self._connection.close()

    def _insert(self, rows: Sequence[Row]) -> None:
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT INTO floor_events VALUES (?, ?, ?, ?)", rows)
        self._connection.execute("COMMIT")


class PostgresFloor:
    """Rows in a PostgreSQL database; statements are prepared, a payment's rows go in by one of them."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url)
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS floor_events (originator_id text NOT NULL, originator_version bigint NOT NULL, "
            "topic text, state bytea, notification_id bigserial, PRIMARY KEY (originator_id, originator_version))"
        )
        self._connection.execute(
            "CREATE UNIQUE INDEX IF NOT EXISTS floor_events_notification_id_idx ON floor_events (notification_id)"
        )
        self._connection.commit()

    def seed(self, payments: Sequence[int]) -> None:
        self._copy(_seed_rows(payments))

    def prepare(self, plans: range) -> None:
        self._chunks = list(_chunks(plans))

    def import_plans(self, plans: range) -> int:
        for rows in self._chunks:
            self._copy(rows)
        return sum(map(len, self._chunks))

    def pay(self, plan: int, number: int) -> int:
        select = (
            "SELECT notification_id, originator_id, originator_version, topic, state FROM floor_events "
            "WHERE originator_id = %s ORDER BY originator_version"
        )
        loaded = self._connection.execute(select, (plan_id(plan),), prepare=True).fetchall()
        rows = _rows(plan, number, after=len(loaded))
        values = ", ".join(["(%s, %s, %s, %s)"] * len(rows))
        insert = f"INSERT INTO floor_events (originator_id, originator_version, topic, state) VALUES {values}"
        self._connection.execute(insert, [value for row in rows for value in row], prepare=True)
        self._connection.commit()
        return len(rows)

    def read(self) -> int:
        select = (
            "SELECT notification_id, originator_id, originator_version, topic, state FROM floor_events "
            "ORDER BY notification_id"
        )
        rows = self._connection.execute(select, prepare=True).fetchall()
        self._connection.commit()
        return len(rows)

    def close(self) -> None:
        self._connection.close()

    def _copy(self, rows: Iterable[Row]) -> None:
        statement = "COPY floor_events (originator_id, originator_version, topic, state) FROM STDIN (FORMAT BINARY)"
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(("text", "int8", "text", "bytea"))
            for row in rows:
                copy.write_row(row)
        self._connection.commit()


def _rows(plan: int, command: int, *, after: int) -> list[Row]:
    """Return the rows of one command of a plan, numbered after the plan's version so far."""
    return [
        (plan_id(plan), version, topic, state) for version, (topic, state) in enumerate(stored()[command], after + 1)
    ]


def _seed_rows(payments: Sequence[int]) -> Iterator[Row]:
    for command, plans in by_month(payments):
        version = sum(map(len, stored()[:command]))
        for plan in plans:
            yield from _rows(plan, command, after=version)


def _chunks(plans: range) -> Iterator[list[Row]]:
    """Yield the rows of whole histories, those of one commit together."""
    versions = [sum(map(len, stored()[:command])) for command in range(len(stored()))]
    for some in whole_histories(plans):
        yield [row for command, plan in some for row in _rows(plan, command, after=versions[command])]
