"""The store in PostgreSQL."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from eventsourcing.persistence import IntegrityError
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier
from psycopg_pool import ConnectionPool

from ledger.errors import InvalidArgument
from ledger.store.caller import checked
from ledger.store.errors import shown, unavailable
from ledger.store.port import RawEvent
from ledger.store.sql import LAST, Connected, Cursor, SqlRecorder, library_errors

T = TypeVar("T")

_TIMEOUT = 30
"""Seconds that a call waits for a server that is away, as while it restarts."""

_CREATING = 0x1ED6E5
"""Key of the advisory lock under which the schema changes: IF NOT EXISTS is not safe in two sessions."""

_MANY = 500
"""From so many events on, a save is copied in instead of passed as parameters."""

_CONNECTIONS = 20


def _limit_idle_transactions(connection: Connection[Any]) -> None:
    """Have the server end a transaction whose client has vanished: it would hold the ledger's lock for hours."""
    connection.execute(f"SET idle_in_transaction_session_timeout = '{_TIMEOUT}s'".encode())


@lru_cache(maxsize=256)
def _in_their_marks(statement: str) -> bytes:
    return statement.replace("?", "%s").encode()


class PostgresDatabase:
    """A PostgreSQL database, reached through a pool of connections; one that broke is replaced, and asked again."""

    text = 'TEXT COLLATE "C"'

    def __init__(self, url: str) -> None:
        self._pool = ConnectionPool(
            url,
            kwargs={"autocommit": True, "row_factory": tuple_row},
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=_TIMEOUT,
            configure=_limit_idle_transactions,
            open=True,
        )

    def read_only(self, prefix: str) -> bool:
        views = "has_table_privilege(to_regclass(?), 'UPDATE')"
        create = "has_schema_privilege(current_schema(), 'CREATE')"  # where there are none yet
        sql = f"SELECT current_setting('transaction_read_only') = 'on' OR NOT COALESCE({views}, {create})"
        return self.query(sql, (f"{prefix}_checkpoints",)) == [(True,)]

    def sql(self, statement: str) -> Any:
        return _in_their_marks(statement)

    def among(self, column: str) -> str:
        return f"{column} = ANY(?)"

    def many(self, values: Sequence[str]) -> Any:
        return list(values)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.run(lambda cursor: list(cursor.execute(self.sql(sql), parameters).fetchall()))

    def write(self, change: Callable[[Cursor], T], *, cut_off: Callable[[], None] | None = None) -> T:
        def transaction(cursor: Cursor) -> T:
            assert isinstance(cursor, psycopg.Cursor)
            with cursor.connection.transaction():
                return change(cursor)

        return self.run(transaction, cut_off=cut_off)

    def create(self, change: Callable[[Cursor], T]) -> T:
        def alone(cursor: Cursor) -> T:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_CREATING,))
            return change(cursor)

        return self.write(alone)

    def insert(self, cursor: Cursor, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        assert isinstance(cursor, psycopg.Cursor)
        with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN".encode()) as copy:
            for row in rows:
                copy.write_row(row)

    @contextmanager
    def snapshot(self) -> Iterator[Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]]:
        with library_errors(psycopg.Error), self.connection() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")  # it holds no lock
            cursor = connection.cursor(binary=True)
            yield lambda sql, parameters: cursor.execute(self.sql(sql), parameters).fetchall()

    @contextmanager
    def leader_lock(self, name: str) -> Iterator[Callable[[], bool]]:
        """Hold a lock of the session: the server frees it when the connection is gone, however it went."""
        key = f"'{name}'::regclass::oid::bigint"
        with library_errors(psycopg.Error), self.connection() as connection:
            ((locked,),) = connection.execute(f"SELECT pg_try_advisory_lock({key})".encode()).fetchall()
            if not locked:
                yield lambda: False
                return
            try:
                yield lambda: _answers(connection)
            finally:
                if not connection.closed:
                    connection.execute(f"SELECT pg_advisory_unlock({key})".encode())

    @contextmanager
    def connection(self) -> Iterator[Connection[Any]]:
        """Yield a connection of the pool; one that broke meanwhile is not given back to others."""
        connection = self._pool.getconn()
        try:
            yield connection
        finally:
            self._pool.putconn(connection)

    def tables(self, prefix: str) -> list[str]:
        sql = "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() AND left(tablename, ?) = ?"
        return [name for (name,) in self.query(sql, (len(prefix), prefix))]

    def run(self, task: Callable[[Cursor], T], *, cut_off: Callable[[], None] | None = None) -> T:
        """Run a task on a connection, and again on another if that broke, as when the server restarts.

        `cut_off` is told of each time: what was cut off may have been committed nevertheless.
        """
        deadline = time.monotonic() + _TIMEOUT
        while True:
            with library_errors(psycopg.Error), self.connection() as connection:
                try:
                    return task(connection.cursor(binary=True))
                except psycopg.OperationalError:
                    if not connection.closed or time.monotonic() > deadline:
                        raise
                    if cut_off is not None:
                        cut_off()

    def close(self) -> None:
        self._pool.close()


def _answers(connection: Connection[Any]) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


class CallersPostgres(PostgresDatabase):
    """A connection of the caller's, who ends the transaction."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._callers = connection

    def run(self, task: Callable[[Cursor], T], *, cut_off: Callable[[], None] | None = None) -> T:
        """Run a task in a savepoint: an error leaves the caller's transaction as it was. Nothing is repeated."""
        with library_errors(psycopg.Error):
            if self._callers.info.transaction_status == TransactionStatus.IDLE:
                if self._callers.autocommit:
                    raise psycopg.ProgrammingError("the connection commits by itself: begin a transaction first")
                self._callers.execute("SELECT 1")  # begins one: the block below would commit its own
            with self._callers.transaction():
                return task(self._callers.cursor(binary=True, row_factory=tuple_row))

    def close(self) -> None:
        """The caller closes the connection."""


class PostgresRecorder(SqlRecorder):
    """Events in PostgreSQL.

    A save is one statement, and so one round trip: it locks the ledger, inserts, notifies, and commits. The lock is
    held until the commit, so sequences become visible in their order and a reader that tails the log misses nothing.
    The library's database functions do without it, and are never used.
    """

    event_columns = (
        'kind TEXT COLLATE "C" NOT NULL, stream_id TEXT COLLATE "C" NOT NULL, version BIGINT NOT NULL, '
        "tag TEXT NOT NULL, state BYTEA NOT NULL, sequence BIGINT GENERATED BY DEFAULT AS IDENTITY UNIQUE, "
        "PRIMARY KEY (kind, stream_id, version)"
    )

    database: PostgresDatabase

    def __init__(self, database: PostgresDatabase, prefix: str) -> None:
        super().__init__(database, prefix)
        events, columns = self.events_table, "kind, stream_id, version, tag, state"
        self._lock = f"SELECT pg_advisory_xact_lock('{events}'::regclass::oid::bigint)"
        self._save = (
            f"WITH locked AS MATERIALIZED ({self._lock}), notified AS (SELECT pg_notify('{events}', '')) "
            f"INSERT INTO {events} ({columns}) SELECT one.* FROM locked, notified, unnest("
            "%s::text[], %s::text[], %s::bigint[], %s::text[], %s::bytea[]) AS one RETURNING sequence"
        ).encode()
        self._copy = f"COPY {events} (sequence, {columns}) FROM STDIN (FORMAT BINARY)".encode()
        self._reserve = f"SELECT nextval(pg_get_serial_sequence('{events}', 'sequence')) FROM generate_series(1, %s)"

    def within(self, connection: object) -> "PostgresRecorder":
        callers = checked(connection, Connection, "a psycopg.Connection to the ledger's database")
        return PostgresRecorder(CallersPostgres(callers), self.prefix)

    def insert(self, events: Sequence[RawEvent]) -> list[int]:
        cut_off: list[None] = []

        def count_cut() -> None:
            cut_off.append(None)

        try:
            if len(events) < _MANY:
                return self.database.run(lambda cursor: self._insert_at_once(cursor, events), cut_off=count_cut)
            return self.database.write(lambda cursor: self._copy_in(cursor, events), cut_off=count_cut)
        except IntegrityError:
            if cut_off and (sequences := self._saved_before(events)):
                return sequences  # the answer was lost, the save was not
            raise

    def insert_within(self, cursor: Cursor, events: Sequence[RawEvent]) -> list[int]:
        return (self._insert_at_once if len(events) < _MANY else self._copy_in)(cursor, events)

    def _saved_before(self, events: Sequence[RawEvent]) -> list[int]:
        """Return the sequences of these events if they are saved, each to the byte; otherwise an empty list."""
        ids: dict[str, set[str]] = {}
        for event in events:
            ids.setdefault(event.kind, set()).add(event.stream_id)
        rows = [row for kind, some in ids.items() for row in self.streams(kind, sorted(some), through=LAST)]
        saved = {row[1:]: row[0] for row in rows}
        found = [saved.get(event[1:], 0) for event in events]
        return found if all(found) else []

    def _insert_at_once(self, cursor: Cursor, events: Sequence[RawEvent]) -> list[int]:
        """Insert some events in one statement."""
        _, *columns = map(list, zip(*events, strict=True))
        cursor.execute(self._save, columns)
        return [sequence for (sequence,) in cursor.fetchall()]

    def _copy_in(self, cursor: Cursor, events: Sequence[RawEvent]) -> list[int]:
        """Insert many events, with sequences reserved under the lock."""
        cursor.execute(self._lock)
        cursor.execute(self._reserve, (len(events),))
        sequences = [sequence for (sequence,) in cursor.fetchall()]
        assert isinstance(cursor, psycopg.Cursor)
        with cursor.copy(self._copy) as copy:
            copy.set_types(("int8", "text", "text", "int8", "text", "bytea"))
            for sequence, event in zip(sequences, events, strict=True):
                copy.write_row((sequence, *event[1:]))
        cursor.execute(f"NOTIFY {self.events_table}".encode())
        return sequences

    @contextmanager
    def wait_for_events(self) -> Iterator[Callable[[float], bool]]:
        """Yield a function that waits for the notification that a save sends."""
        with library_errors(psycopg.Error), self.database.connection() as connection:
            connection.execute(SQL("LISTEN {}").format(Identifier(self.events_table)))

            def wait(seconds: float) -> bool:
                return any(True for _ in connection.notifies(timeout=seconds, stop_after=1))

            try:
                yield wait
            finally:
                if not connection.closed:
                    connection.execute("UNLISTEN *")


def _parsed(url: str) -> Mapping[str, Any] | None:
    """Return the settings in a URL; None for one that cannot be read, or with an unescaped character in its password.

    Then a part of the password would be taken for a host, a port or a database, and shown.
    """
    where = url.partition("://")[2].partition("?")[0]
    if where.count("@") > 1 or where.count("/") > 1 or "@" in where.partition("/")[2]:
        return None
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # its message may quote the password
        return None
    return given if re.fullmatch(r"[0-9,]*", str(given.get("port", ""))) else None


def connect(url: str) -> Connected:
    """Connect to the database that the URL names."""
    given = _parsed(url)
    if given is None:
        escaped = "with / @ ? : and % in user and password written as %2F %40 %3F %3A and %25"
        raise InvalidArgument(argument="url", given=shown(url), expected=f"postgresql://user@host/database, {escaped}")
    label = f"PostgreSQL database {given.get('dbname', '')} at {given.get('host', 'localhost')}"
    with unavailable(label, psycopg.Error):
        psycopg.connect(url, connect_timeout=10).close()  # says at once, and why, if it cannot be reached
        return Connected(label, PostgresDatabase(url), PostgresRecorder)
