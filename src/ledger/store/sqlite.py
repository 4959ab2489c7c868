"""The store in an SQLite file, and the read-model tables of the ledger in memory."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from eventsourcing.persistence import StoredEvent, Subscription, Tracking
from eventsourcing.sqlite import SQLiteConnection, SQLiteConnectionPool

from ledger.store.recording import unavailable
from ledger.store.sql import Connected, Cursor, SqlRecorder, as_the_librarys, poller

T = TypeVar("T")

_TIMEOUT = 60
"""Seconds that a writer waits for other processes before it gives up."""

_POLL_INTERVAL = 0.05
"""Seconds between two looks at a file whose news one waits for."""


class _Pool(SQLiteConnectionPool):
    """The library's pool: one writer at a time, in turn. Every commit is on the disk before it returns."""

    def _create_connection(self) -> SQLiteConnection:
        connection = super()._create_connection()
        connection.cursor().execute("PRAGMA synchronous = FULL")
        connection.cursor().execute("PRAGMA cache_size = -32000")  # KiB at most; 2,000 thrash where rows are millions
        return connection


class SqliteDatabase:
    """An SQLite database, in a file or in memory."""

    def __init__(self, db_name: str) -> None:
        self._db_name = db_name
        self._pool = _Pool(db_name=db_name, lock_timeout=_TIMEOUT, pool_timeout=_TIMEOUT)

    def sql(self, statement: str) -> str:
        return statement

    def among(self, column: str) -> str:
        return f"{column} IN (SELECT value FROM json_each(?))"

    def many(self, values: Sequence[str]) -> Any:
        return json.dumps(values)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with as_the_librarys(sqlite3.Error), self._cursor(is_writer=False) as cursor:
            return cursor.execute(sql, parameters).fetchall()

    def write(self, change: Callable[[Cursor], T]) -> T:
        with as_the_librarys(sqlite3.Error), self._cursor(is_writer=True) as cursor:
            cursor.execute("BEGIN IMMEDIATE")  # takes the lock now: what reads first could not wait for it
            try:
                result = change(cursor)
                cursor.execute("COMMIT")
            except BaseException:
                if cursor.connection.in_transaction:
                    cursor.execute("ROLLBACK")
                raise
            return result

    def create(self, change: Callable[[Cursor], T]) -> T:
        return self.write(change)  # a writer is alone in the file

    def insert(self, cursor: Cursor, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        marks = ", ".join("?" for _ in columns)
        cursor.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)

    @contextmanager
    def snapshot(self) -> Iterator[Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]]:
        with as_the_librarys(sqlite3.Error), self._cursor(is_writer=False) as cursor:
            cursor.execute("BEGIN")
            try:
                yield lambda sql, parameters: cursor.execute(sql, parameters).fetchall()
            finally:
                cursor.execute("ROLLBACK")

    @contextmanager
    def alone(self, name: str) -> Iterator[Callable[[], bool]]:
        """Lock a file beside the database: the system unlocks it when the process is gone, however it went."""
        place = ":memory:" if self._pool.is_sqlite_memory_mode else f"{self._db_name}-{name}"
        with as_the_librarys(sqlite3.Error), closing(sqlite3.connect(place, timeout=0, isolation_level=None)) as lock:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                yield lambda: False
            else:
                yield lambda: True

    def has_table(self, name: str) -> bool:
        return bool(self.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)))

    @contextmanager
    def _cursor(self, *, is_writer: bool) -> Iterator[sqlite3.Cursor]:
        connection = self._pool.get_connection(is_writer=is_writer)
        try:
            with connection.cursor() as cursor:
                cursor.row_factory = None  # tuples
                yield cursor
        finally:
            self._pool.put_connection(connection)

    def close(self) -> None:
        self._pool.close()


class SqliteRecorder(SqlRecorder):
    """Events in SQLite. Sequences are never used again, not even those of a row that was deleted by hand."""

    event_columns = (
        "sequence INTEGER PRIMARY KEY AUTOINCREMENT, plan_id TEXT NOT NULL, version INTEGER NOT NULL, "
        "tag TEXT NOT NULL, state BLOB NOT NULL, UNIQUE (plan_id, version)"
    )

    def _insert(self, stored_events: Sequence[StoredEvent], tracking: Tracking | None) -> list[int]:
        rows = [(str(s.originator_id), s.originator_version, s.topic, s.state) for s in stored_events]
        insert = f"INSERT INTO {self.events_table} (plan_id, version, tag, state) VALUES (?, ?, ?, ?)"

        def change(cursor: Cursor) -> int:
            cursor.executemany(insert, rows)
            cursor.execute("SELECT last_insert_rowid()")
            ((last,),) = cursor.fetchall()
            if tracking is not None:
                self.track(cursor, tracking)
            return int(last)

        last = self.database.write(change)
        return list(range(last - len(rows) + 1, last + 1))  # one writer at a time: without gaps

    @contextmanager
    def news(self) -> Iterator[Callable[[float], bool]]:
        """Yield a function that looks every now and then: an SQLite file tells nobody that it was written."""
        yield poller(self.max_notification_id, interval=_POLL_INTERVAL)

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[Any]:
        """Refuse: an SQLite file tells nobody that it was written. Projections pull."""
        raise NotImplementedError("an SQLite file cannot be subscribed to: read on from a sequence instead")


def connect(path: str, *, create: bool) -> Connected:
    """Connect to the file at `path`, which is created if it is missing and may be."""
    label = f"SQLite file {path}"
    with unavailable(label):
        _check_path(path, create=create)
        if create:
            _use_write_ahead_log(path)
        return Connected(label, SqliteDatabase(path), SqliteRecorder)


def connect_in_memory() -> Connected:
    """Connect to a new database in memory."""
    return Connected("memory", SqliteDatabase(f"file:{uuid4().hex}?mode=memory&cache=shared"), SqliteRecorder)


def _check_path(path: str, *, create: bool) -> None:
    if not create and not Path(path).exists():
        raise FileNotFoundError("the file does not exist")
    if not Path(path).parent.is_dir():
        raise FileNotFoundError(f"the folder {Path(path).parent} does not exist")


def _use_write_ahead_log(path: str) -> None:
    """Switch the file to write-ahead logging, waiting for other processes that do the same: SQLite itself does not."""
    deadline = time.monotonic() + _TIMEOUT
    connection = sqlite3.connect(path, timeout=_TIMEOUT, isolation_level=None)
    try:
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return
    finally:
        connection.close()
