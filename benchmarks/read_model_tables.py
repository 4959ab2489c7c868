"""The tables of the read model from outside: dropped between rounds, and created again for the other sides."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks.ours import NAME

_OURS = f"{NAME}_periods_1"
"""Prefix of the tables of the first generation."""

_CHECKPOINTS = f"{NAME}_checkpoints"

Row = Sequence[Any]


class Table(NamedTuple):
    """The columns of a table, their database types, and its rows in order."""

    columns: Sequence[str]
    types: Sequence[int]
    rows: Sequence[Row]


def in_order(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return rows by their first two columns, which identify them in every table, whatever the collation."""
    return sorted(rows, key=lambda row: row[:2])


class ReadModelTables(Protocol):
    """The tables of the read model in one database, and those of the floor."""

    def names(self) -> Sequence[str]:
        """Return the names of the tables without their common prefix, such as `_periods`."""

    def ddl(self, prefix: str) -> Sequence[str]:
        """Return the statements that create the same tables and indexes under another prefix."""

    def drop(self) -> None:
        """Drop the tables of ours and its checkpoints, so that the next catch-up begins with nothing."""

    def table(self, name: str) -> Table:
        """Return a table by a name of `names`."""

    def create_floor(self) -> None:
        """Create the floor's tables."""

    def empty_floor(self) -> None:
        """Delete all rows of the floor's tables."""

    def fill_floor(self, tables: Mapping[str, Table]) -> int:
        """Insert all rows in one transaction, as fast as the driver can; return their number."""

    def close(self) -> None:
        """Release connections."""


class SQLiteTables:
    """The tables of ours in one file and those of the floor in another."""

    def __init__(self, ours: Path, floor: Path) -> None:
        self._ours = sqlite3.connect(ours, isolation_level=None)
        self._floor = sqlite3.connect(floor, isolation_level=None)
        self._floor.execute("PRAGMA synchronous=FULL")

    def names(self) -> Sequence[str]:
        sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, ?) = ? ORDER BY name"
        found = self._ours.execute(sql, (len(_OURS), _OURS))
        return [name.removeprefix(_OURS) for (name,) in found.fetchall()]

    def ddl(self, prefix: str) -> Sequence[str]:
        sql = (
            "SELECT sql FROM sqlite_master WHERE substr(tbl_name, 1, ?) = ? AND sql IS NOT NULL "
            "ORDER BY type = 'index'"  # tables first
        )
        found = self._ours.execute(sql, (len(_OURS), _OURS))
        return [statement.replace(_OURS, prefix) for (statement,) in found.fetchall()]

    def drop(self) -> None:
        for name in self.names():
            self._ours.execute(f"DROP TABLE {_OURS}{name}")
        self._ours.execute(f"DELETE FROM {_CHECKPOINTS}")

    def table(self, name: str) -> Table:
        cursor = self._ours.execute(f"SELECT * FROM {_OURS}{name}")
        return Table([column[0] for column in cursor.description], (), in_order(cursor.fetchall()))

    def create_floor(self) -> None:
        for statement in self.ddl("floor"):
            self._floor.execute(statement)

    def empty_floor(self) -> None:
        for name in self.names():
            self._floor.execute(f"DELETE FROM floor{name}")

    def fill_floor(self, tables: Mapping[str, Table]) -> int:
        self._floor.execute("BEGIN")
        for name, table in tables.items():
            marks = ", ".join("?" for _ in table.columns)
            self._floor.executemany(f"INSERT INTO floor{name} VALUES ({marks})", table.rows)
        self._floor.execute("COMMIT")
        return sum(len(table.rows) for table in tables.values())

    def close(self) -> None:
        self._ours.close()
        self._floor.close()


class PostgresTables:
    """The tables of both in one database."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def names(self) -> Sequence[str]:
        sql = "SELECT tablename FROM pg_tables WHERE left(tablename, %s) = %s ORDER BY tablename"
        found = self._connection.execute(sql, (len(_OURS), _OURS))
        return [name.removeprefix(_OURS) for (name,) in found.fetchall()]

    def ddl(self, prefix: str) -> Sequence[str]:
        return [f"CREATE TABLE {prefix}{name} (LIKE {_OURS}{name} INCLUDING ALL)" for name in self.names()]

    def drop(self) -> None:
        for name in self.names():
            self._connection.execute(SQL("DROP TABLE {}").format(Identifier(_OURS + name)))
        self._connection.execute(SQL("DELETE FROM {}").format(Identifier(_CHECKPOINTS)))

    def table(self, name: str) -> Table:
        cursor = self._connection.execute(SQL("SELECT * FROM {}").format(Identifier(_OURS + name)))
        described = cursor.description or ()
        return Table([c.name for c in described], [c.type_code for c in described], in_order(cursor.fetchall()))

    def create_floor(self) -> None:
        for statement in self.ddl("floor"):
            self._connection.execute(statement.encode())

    def empty_floor(self) -> None:
        for name in self.names():
            self._connection.execute(SQL("TRUNCATE {}").format(Identifier("floor" + name)))

    def fill_floor(self, tables: Mapping[str, Table]) -> int:
        with self._connection.transaction(), self._connection.cursor() as cursor:
            for name, table in tables.items():
                statement = SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(Identifier("floor" + name))
                with cursor.copy(statement) as copy:
                    copy.set_types(table.types)
                    for row in table.rows:
                        copy.write_row(row)
        return sum(len(table.rows) for table in tables.values())

    def close(self) -> None:
        self._connection.close()
