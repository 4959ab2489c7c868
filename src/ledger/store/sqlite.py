"""The store in an SQLite file, and the read-model tables of the ledger in memory."""

import json
import os
import sqlite3
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from eventsourcing.persistence import OperationalError

from ledger.store.caller_transaction import commits_by_itself, lender
from ledger.store.errors import unavailable
from ledger.store.group_commit import GroupCommit, Pending
from ledger.store.pool import Pool, retrying
from ledger.store.port import Batch, Counter, RawEvent
from ledger.store.sql import Connected, Cursor, SqlRecorder, library_errors, poller

T = TypeVar("T")

_LOCKS = 10_000
"""Threads of a process that try for the lock of a name at once, at most: more than there are."""

_LOCKS_KEPT = 16
"""Names of locks up to which the connections to their files are kept open."""

_POLL_INTERVAL = 0.05
"""Seconds between two looks at a file that is waited for."""


class SqliteReading(ABC):
    """The reading of an SQLite database, on the connections that `_reading` lends."""

    text = "TEXT"

    @abstractmethod
    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """Lend a connection, and raise its errors as the event-sourcing library's."""

    def sql(self, statement: str) -> str:
        return statement

    def among(self, column: str) -> str:
        return f"{column} IN (SELECT value FROM json_each(?))"

    def many(self, values: Sequence[str]) -> Any:
        return json.dumps(values)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._reading() as connection:
            return _rows(connection, sql, parameters)

    @contextmanager
    def snapshot(self) -> Iterator[Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]]:
        with self._reading() as connection:
            connection.execute("BEGIN")
            try:
                yield lambda sql, parameters: _rows(connection, sql, parameters)
            finally:
                connection.execute("ROLLBACK")

    def tables(self, prefix: str) -> list[str]:
        sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, ?) = ?"
        return [name for (name,) in self.query(sql, (len(prefix), prefix))]


def _rows(connection: sqlite3.Connection, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a SELECT. Text that is no UTF-8, which only somebody else can have written, comes escaped."""
    try:
        return connection.execute(sql, parameters).fetchall()
    except sqlite3.OperationalError as error:
        if "decode to UTF-8" not in str(error):
            raise
    connection.text_factory = lambda data: data.decode(errors="backslashreplace")
    try:
        return connection.execute(sql, parameters).fetchall()
    finally:
        connection.text_factory = str


class SqliteDatabase(SqliteReading):
    """An SQLite database, in a file or (`path` None) in memory: one writer at a time, in turn, beside the readers.

    Every durable commit, with all before it, is on the disk before it returns.
    """

    def __init__(self, label: str, path: str | None, *, connections: int, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._label = label
        size, busy = 1 if path is None else connections, "all its connections were used"
        self._readers = self._pool(partial(self._connect, reading=path is not None), size=size, busy=busy)
        self._writers = self._readers
        if path is not None:
            busy = "other threads of this process were writing to it"
            self._writers = self._pool(self._connect, size=1, busy=busy)
        self._group = GroupCommit(self._commit, timeout=timeout)
        self._locks: dict[str, Pool[sqlite3.Connection]] = {}  # by the name of their file
        self._logs_ahead = False  # known when a connection has looked: without the log a file may break

    def _pool(
        self,
        connect: Callable[[], sqlite3.Connection],
        *,
        size: int,
        busy: str,
        kept: Callable[[], bool] = lambda: True,
    ) -> Pool[sqlite3.Connection]:
        return Pool(
            self._label,
            connect,
            close=sqlite3.Connection.close,
            usable=lambda connection: not connection.in_transaction and kept(),
            size=size,
            timeout=self._timeout,
            busy=busy,
        )

    def _connect(self, *, reading: bool = False) -> sqlite3.Connection:
        connection = sqlite3.connect(
            ":memory:" if self._path is None else self._path,
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        ((mode,),) = connection.execute("PRAGMA journal_mode").fetchall()
        self._logs_ahead = mode == "wal"
        connection.execute("PRAGMA cache_size = -32000")  # KiB at most; 2,000 thrash where rows are millions
        connection.execute(f"PRAGMA query_only = {reading:d}")  # whatever the statement
        return connection

    def read_only(self, prefix: str) -> bool:
        del prefix
        return False

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._errors(), self._readers.lent() as connection:
            yield connection

    def write(self, change: Callable[[Cursor], T], *, durable: bool = True) -> T:
        self._writers.refuse_another_process()
        with library_errors(sqlite3.Error):
            result: T = self._group.make(change, durable=durable)
            return result

    def _commit(self, group: Sequence[Pending]) -> None:
        """Make changes in one transaction; one that fails is taken back, and keeps no other from being made."""
        try:
            with self._errors(), self._writers.lent() as connection:
                cursor = connection.cursor()
                durable = not self._logs_ahead or any(one.durable for one in group)
                cursor.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                cursor.execute("BEGIN IMMEDIATE")  # takes the lock now: what reads first could not wait for it
                try:
                    for one in group:
                        _make(cursor, one, savepoint=len(group) > 1)
                    cursor.execute("COMMIT")
                finally:
                    if connection.in_transaction:
                        cursor.execute("ROLLBACK")
                    cursor.close()
        except Exception as error:  # noqa: BLE001 - it is raised where each change is waited for
            for one in group:
                one.error = one.error or error

    def settle(self) -> None:
        """Wait for the writers before this call, of whatever process."""
        self.write(lambda _: None)

    def create(self, change: Callable[[Cursor], T]) -> T:
        return self.write(change)  # a writer is alone in the file

    def insert(self, cursor: Cursor, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        marks = ", ".join("?" for _ in columns)
        cursor.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)

    @contextmanager
    def exclusive(self, name: str, *, table: str) -> Iterator[Callable[[], bool]]:
        """Lock a file beside the database: the system unlocks it when the process is gone, however it went."""
        del table  # there is one of that name in the file
        with self._errors(), self._lock_files(name).lent_for_itself() as lock:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                yield lambda: False
            else:
                try:
                    yield lambda: True
                finally:
                    lock.execute("ROLLBACK")

    def _lock_files(self, name: str) -> Pool[sqlite3.Connection]:
        """Return the connections to the file of a lock: to open one costs as much as to catch up with a payment.

        Where there are too many names, as with many ledgers in the file, no connection is kept open after its use.
        """
        path = ":memory:" if self._path is None else f"{self._path}-{name}"

        def connect() -> sqlite3.Connection:
            if self._path is not None:
                with library_errors(OSError):
                    _create_file(path, mode=stat.S_IMODE(Path(self._path).stat().st_mode))
            return sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)

        if (found := self._locks.get(name)) is not None:
            return found
        busy, few = "all its locks were used", lambda: len(self._locks) <= _LOCKS_KEPT
        return self._locks.setdefault(name, self._pool(connect, size=_LOCKS, busy=busy, kept=few))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with library_errors(sqlite3.Error):
            try:
                yield
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                reason = f"database is locked: another process was writing to it for {self._timeout:g} seconds"
                raise OperationalError(reason) from error

    def close(self) -> None:
        """Refuse further calls; those under way end, and close their connections."""
        for pool in (self._readers, self._writers, *list(self._locks.values())):
            pool.close()


def _make(cursor: sqlite3.Cursor, one: Pending, *, savepoint: bool) -> None:
    """Make a change within a transaction. Raises its error if nothing but the whole transaction can take it back."""
    if not savepoint:
        one.result = one.change(cursor)
        return
    cursor.execute("SAVEPOINT one")
    try:
        one.result = one.change(cursor)
    except Exception as error:
        if not cursor.connection.in_transaction:
            raise  # as on a full disk
        one.error = error
        cursor.execute("ROLLBACK TO one")
    cursor.execute("RELEASE one")


class CallersSqlite(SqliteDatabase):
    """A connection of the caller's, who ends the transaction.

    One is begun where there is none, unless the connection commits by itself.
    """

    def __init__(self, lend: Callable[[], sqlite3.Connection]) -> None:
        self._lend = lend

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with library_errors(sqlite3.Error), _plain_cursor(self._lend()) as cursor:
            return cursor.execute(sql, parameters).fetchall()

    def write(self, change: Callable[[Cursor], T], *, durable: bool = True) -> T:
        """Make a change in a savepoint: an error leaves the caller's transaction as it was."""
        del durable  # the caller commits
        with library_errors(sqlite3.Error), _plain_cursor(connection := self._lend()) as cursor:
            if not connection.in_transaction:
                if _commits_by_itself(connection):
                    raise commits_by_itself(connection)
                cursor.execute("BEGIN IMMEDIATE")  # a savepoint alone would commit when it is released
            cursor.execute("SAVEPOINT installment_ledger")
            try:
                return change(cursor)
            except BaseException as error:
                cursor.execute("ROLLBACK TO installment_ledger")
                if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY_SNAPSHOT:
                    raise sqlite3.OperationalError("the snapshot of the transaction is old") from error
                raise
            finally:
                cursor.execute("RELEASE installment_ledger")

    def settle(self) -> None:
        """Wait for nobody: the transaction sees what it sees."""

    def close(self) -> None:
        """The caller closes the connection."""


@contextmanager
def _plain_cursor(connection: sqlite3.Connection) -> Iterator[sqlite3.Cursor]:
    """Yield a cursor that reads tuples and text, whatever the caller reads."""
    cursor = connection.cursor()
    cursor.row_factory = None
    callers, connection.text_factory = connection.text_factory, str
    try:
        yield cursor
    finally:
        connection.text_factory = callers


def _commits_by_itself(connection: sqlite3.Connection) -> bool:
    """Return whether nothing begins a transaction but a statement of the caller's; `autocommit` is of Python 3.12."""
    mode = getattr(connection, "autocommit", None)
    return mode if isinstance(mode, bool) else connection.isolation_level is None


class SqliteRecorder(SqlRecorder):
    """Events in SQLite. Sequences are never used again, not even those of a row that was deleted by hand."""

    event_columns = (
        "sequence INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, stream_id TEXT NOT NULL, "
        "version INTEGER NOT NULL, tag TEXT NOT NULL, state BLOB NOT NULL, UNIQUE (kind, stream_id, version)"
    )

    read_columns = (
        "sequence, CAST(kind AS TEXT), CAST(stream_id AS TEXT), "
        "CASE version WHEN CAST(version AS INTEGER) THEN version ELSE -1 END, CAST(tag AS TEXT), CAST(state AS BLOB)"
    )  # a value that somebody writes into a table of SQLite keeps its type, whatever that of the column

    with_text_ids = " AND stream_id < x''"

    database: SqliteDatabase

    def __init__(self, database: SqliteDatabase, prefix: str) -> None:
        super().__init__(database, prefix)
        columns = "kind, stream_id, version, tag, state"
        self._insert = f"INSERT INTO {self.events_table} ({columns}) VALUES (?, ?, ?, ?, ?)"

    def within(self, connection: object) -> "SqliteRecorder":
        lend = lender(connection, sqlite3.Connection, "a sqlite3.Connection to the ledger's file")
        return SqliteRecorder(CallersSqlite(lend), self.prefix)

    def counter(self) -> Counter:
        found = self.database.query("SELECT seq FROM sqlite_sequence WHERE name = ?", (self.events_table,))
        return Counter(found[0][0] if found and isinstance(found[0][0], int) else 0, exact=True)

    def insert(self, make: Callable[[], Batch], *, ordered: bool) -> tuple[Batch, list[int]]:
        del ordered  # one writer at a time, as soon as a change is made

        def save(cursor: Cursor) -> tuple[Batch, list[int]]:
            batch = make()
            return batch, self.insert_within(cursor, batch.raw)

        return self.database.write(save)

    def settle(self) -> None:
        self.database.settle()

    def insert_within(self, cursor: Cursor, events: Sequence[RawEvent]) -> list[int]:
        cursor.executemany(self._insert, [event[1:] for event in events])
        cursor.execute("SELECT last_insert_rowid()")
        ((last,),) = cursor.fetchall()
        return list(range(last - len(events) + 1, last + 1))  # one writer at a time: without gaps

    @contextmanager
    def wait_for_events(self) -> Iterator[Callable[[float], bool]]:
        """Yield a function that polls: an SQLite file notifies nobody."""
        yield poller(self.last_sequence, interval=_POLL_INTERVAL)


def connect(path: str, *, create: bool, connections: int, timeout: float) -> Connected:
    """Connect to the file at `path`, which is created if it is missing and may be."""
    label = f"SQLite file {path}"
    with unavailable(label):
        _check_path(path, create=create)
        if create:
            _create_file(path, mode=0o600)  # SQLite gives its other files the same
            _use_write_ahead_log(path, timeout)
        return Connected(label, SqliteDatabase(label, path, connections=connections, timeout=timeout), SqliteRecorder)


def connect_in_memory(*, timeout: float) -> Connected:
    """Connect to a new database in memory."""
    return Connected("memory", SqliteDatabase("memory", None, connections=1, timeout=timeout), SqliteRecorder)


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


def _use_write_ahead_log(path: str, timeout: float) -> None:
    """Switch the file to write-ahead logging, waiting for other processes that do the same: SQLite itself does not."""
    with closing(sqlite3.connect(path, timeout=timeout, isolation_level=None)) as connection:
        for again in retrying(timeout, interval=0.01):
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or not again:
                    raise
            else:
                return
