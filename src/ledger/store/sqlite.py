"""The store in an SQLite file, and the read-model tables of the ledger in memory."""

import json
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from uuid import uuid4

from eventsourcing.persistence import InterfaceError
from eventsourcing.sqlite import SQLiteConnection, SQLiteConnectionPool

from ledger.store.caller import checked
from ledger.store.errors import unavailable
from ledger.store.port import RawEvent
from ledger.store.sql import Connected, Cursor, SqlRecorder, library_errors, poller

T = TypeVar("T")

_TIMEOUT = 60
"""Seconds that a writer waits for other processes before it gives up."""

_POLL_INTERVAL = 0.05
"""Seconds between two looks at a file that is waited for."""


class _Pool(SQLiteConnectionPool):
    """The library's pool: one writer at a time, in turn. Every commit is on the disk before it returns."""

    def _create_connection(self) -> SQLiteConnection:
        connection = super()._create_connection()
        connection.cursor().execute("PRAGMA synchronous = FULL")
        connection.cursor().execute("PRAGMA cache_size = -32000")  # KiB at most; 2,000 thrash where rows are millions
        return connection


class SqliteDatabase:
    """An SQLite database, in a file or in memory."""

    text = "TEXT"

    def __init__(self, db_name: str) -> None:
        self._db_name = db_name
        self._pool = _Pool(db_name=db_name, lock_timeout=_TIMEOUT, pool_timeout=_TIMEOUT)
        self._usage = Lock()
        self._in_use = 0
        self._closed = False

    def read_only(self, prefix: str) -> bool:
        del prefix
        return False

    def sql(self, statement: str) -> str:
        return statement

    def among(self, column: str) -> str:
        return f"{column} IN (SELECT value FROM json_each(?))"

    def many(self, values: Sequence[str]) -> Any:
        return json.dumps(values)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with library_errors(sqlite3.Error), self._cursor(is_writer=False) as cursor:
            return cursor.execute(sql, parameters).fetchall()

    def write(self, change: Callable[[Cursor], T]) -> T:
        with library_errors(sqlite3.Error), self._cursor(is_writer=True) as cursor:
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
        with library_errors(sqlite3.Error), self._cursor(is_writer=False) as cursor:
            cursor.execute("BEGIN")
            try:
                yield lambda sql, parameters: cursor.execute(sql, parameters).fetchall()
            finally:
                cursor.execute("ROLLBACK")

    @contextmanager
    def leader_lock(self, name: str) -> Iterator[Callable[[], bool]]:
        """Lock a file beside the database: the system unlocks it when the process is gone, however it went."""
        path = ":memory:" if self._pool.is_sqlite_memory_mode else f"{self._db_name}-{name}"
        if path != ":memory:":
            with library_errors(OSError):
                _create_file(path, mode=stat.S_IMODE(Path(self._db_name).stat().st_mode))
        with library_errors(sqlite3.Error), closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as lock:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                yield lambda: False
            else:
                yield lambda: True

    def tables(self, prefix: str) -> list[str]:
        sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, ?) = ?"
        return [name for (name,) in self.query(sql, (len(prefix), prefix))]

    @contextmanager
    def _cursor(self, *, is_writer: bool) -> Iterator[sqlite3.Cursor]:
        with self._usage:
            if self._closed:
                raise InterfaceError("it is closed")
            self._in_use += 1
        try:
            connection = self._pool.get_connection(is_writer=is_writer)
            try:
                with connection.cursor() as cursor:
                    cursor.row_factory = None  # tuples
                    yield cursor
            finally:
                self._pool.put_connection(connection)
        finally:
            self._stop_using()

    def _stop_using(self) -> None:
        with self._usage:
            self._in_use -= 1
            last = self._closed and not self._in_use
        if last:
            self._pool.close()

    def close(self) -> None:
        """Refuse further calls; the last one that is under way closes the connections: SQLite crashes otherwise."""
        with self._usage:
            idle = not (self._closed or self._in_use)
            self._closed = True
        if idle:
            self._pool.close()


class CallersSqlite(SqliteDatabase):
    """A connection of the caller's, who ends the transaction; one is begun where there is none."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with library_errors(sqlite3.Error):
            return self._plain_cursor().execute(sql, parameters).fetchall()

    def write(self, change: Callable[[Cursor], T]) -> T:
        """Make a change in a savepoint: an error leaves the caller's transaction as it was."""
        with library_errors(sqlite3.Error):
            cursor = self._plain_cursor()
            if not self._connection.in_transaction:
                cursor.execute("BEGIN IMMEDIATE")  # a savepoint alone would commit when it is released
            cursor.execute("SAVEPOINT installment_ledger")
            try:
                return change(cursor)
            except BaseException:
                cursor.execute("ROLLBACK TO installment_ledger")
                raise
            finally:
                cursor.execute("RELEASE installment_ledger")

    def _plain_cursor(self) -> sqlite3.Cursor:
        cursor = self._connection.cursor()
        cursor.row_factory = None  # tuples, whatever the caller reads
        return cursor

    def close(self) -> None:
        """The caller closes the connection."""


class SqliteRecorder(SqlRecorder):
    """Events in SQLite. Sequences are never used again, not even those of a row that was deleted by hand."""

    event_columns = (
        "sequence INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, stream_id TEXT NOT NULL, "
        "version INTEGER NOT NULL, tag TEXT NOT NULL, state BLOB NOT NULL, UNIQUE (kind, stream_id, version)"
    )

    def __init__(self, database: SqliteDatabase, prefix: str) -> None:
        super().__init__(database, prefix)
        columns = "kind, stream_id, version, tag, state"
        self._insert = f"INSERT INTO {self.events_table} ({columns}) VALUES (?, ?, ?, ?, ?)"

    def within(self, connection: object) -> "SqliteRecorder":
        callers = checked(connection, sqlite3.Connection, "a sqlite3.Connection to the ledger's file")
        return SqliteRecorder(CallersSqlite(callers), self.prefix)

    def insert(self, events: Sequence[RawEvent]) -> list[int]:
        return self.database.write(lambda cursor: self.insert_within(cursor, events))

    def insert_within(self, cursor: Cursor, events: Sequence[RawEvent]) -> list[int]:
        cursor.executemany(self._insert, [event[1:] for event in events])
        cursor.execute("SELECT last_insert_rowid()")
        ((last,),) = cursor.fetchall()
        return list(range(last - len(events) + 1, last + 1))  # one writer at a time: without gaps

    @contextmanager
    def wait_for_events(self) -> Iterator[Callable[[float], bool]]:
        """Yield a function that polls: an SQLite file notifies nobody."""
        yield poller(self.last_sequence, interval=_POLL_INTERVAL)


def connect(path: str, *, create: bool) -> Connected:
    """Connect to the file at `path`, which is created if it is missing and may be."""
    label = f"SQLite file {path}"
    with unavailable(label):
        _check_path(path, create=create)
        if create:
            _create_file(path, mode=0o600)  # SQLite gives its other files the same
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
    if Path(path).is_dir():
        raise IsADirectoryError("Is a directory")
    if Path(path).exists() and not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError("Permission denied")


def _create_file(path: str, *, mode: int) -> None:
    """Create an empty file with these permissions, whatever the umask; leave an existing one as it is."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return
    os.close(descriptor)
    Path(path).chmod(mode)


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
