"""The store in PostgreSQL."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from eventsourcing.persistence import IntegrityError, OperationalError
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import LockNotAvailable, SerializationFailure, UniqueViolation
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier

from ledger.errors import InvalidArgument
from ledger.store.caller_transaction import commits_by_itself, lender
from ledger.store.errors import shown, unavailable
from ledger.store.pool import Pool, retrying
from ledger.store.port import LAST, Batch, Counter, RawEvent
from ledger.store.sql import Connected, Cursor, SqlRecorder, library_errors

_WRITERS_LOCK = "the lock of the ledger, which its writers hold in turn,"
_OTHER_LOCK = "a lock of a table or row that this call needs"

T = TypeVar("T")

Committing = Callable[[], AbstractContextManager[object]]
"""Makes the block for the last statement of a change; its answer, and the commit, are there after the block."""

_CREATING = 0x1ED6E5
"""Key of the advisory lock under which the schema changes: IF NOT EXISTS is not safe in two sessions."""

_SEED = 0x1ED6E4
"""Of the keys of the locks that have names."""

_MANY = 500
"""From so many events on, a save is copied in instead of passed as parameters."""

_CONNECT_TIMEOUT = 2
"""Seconds that an attempt to connect may take unless the URL states `connect_timeout`.

An attempt that began while the server did not answer goes on for so long after it answers again.
"""


@lru_cache(maxsize=256)
def _in_their_marks(statement: str) -> bytes:
    return statement.replace("?", "%s").encode()


class PostgresDatabase:
    """A PostgreSQL database, reached through a pool of connections; one that broke is replaced, and asked again."""

    text = 'TEXT COLLATE "C"'

    def __init__(self, label: str, url: str, *, connections: int, timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self._pool = Pool[Connection[Any]](
            label,
            self._connect,
            close=Connection.close,
            usable=_is_idle,
            size=connections,
            timeout=timeout,
            busy=f"all its {connections} connections were used",
        )

    def _connect(self) -> Connection[Any]:
        """Connect, with limits on waiting for a lock and on holding one.

        The server ends a transaction whose client has vanished before others give up waiting for its locks.
        """
        connection: Connection[Any] = _connected(self._url, autocommit=True, row_factory=tuple_row)
        waiting = max(2, int(self._timeout * 1_000))  # milliseconds
        connection.execute(
            f"SET lock_timeout = {waiting}; SET idle_in_transaction_session_timeout = {waiting // 2}".encode()
        )
        return connection

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

    def write(
        self, change: Callable[[Cursor], T], *, durable: bool = True, cut_off: Callable[[], None] | None = None
    ) -> T:
        def transaction(cursor: Cursor) -> T:
            assert isinstance(cursor, psycopg.Cursor)
            with cursor.connection.transaction():
                return change(cursor)

        def unwaited(cursor: Cursor) -> T:
            assert isinstance(cursor, psycopg.Cursor)
            with _begun(cursor.connection, "SET LOCAL synchronous_commit = off"):
                result = change(cursor)
                cursor.connection.commit()
                return result

        return self.run(transaction if durable else unwaited, writing=True, cut_off=cut_off)

    def write_locking(
        self, lock: str, change: Callable[[Cursor, Committing], T], *, cut_off: Callable[[], None] | None = None
    ) -> T:
        """Make a change under the lock that the statement `lock` takes until the commit.

        The transaction begins in one round trip with the lock, and ends in one with the last statement of the change.
        """

        def transaction(cursor: Cursor) -> T:
            assert isinstance(cursor, psycopg.Cursor)
            with _begun(cursor.connection, lock):
                return change(cursor, lambda: _committing(cursor.connection))

        return self.run(transaction, writing=True, lock=_WRITERS_LOCK, cut_off=cut_off)

    def settle(self, lock: str) -> None:
        """Wait for the transactions that hold a lock, which the statement `lock` shares until it ends."""
        self.run(lambda cursor: cursor.execute(lock.encode()), lock=_WRITERS_LOCK)

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
    def exclusive(self, name: str, *, table: str) -> Iterator[Callable[[], bool]]:
        """Hold a lock of the session: the server frees it when the connection is gone, however it went."""
        key = f"hashtextextended('{table}'::regclass::oid::text || '{name}', {_SEED})"
        with library_errors(psycopg.Error), ExitStack() as stack:
            connection, locked = self._try_lock(stack, f"SELECT pg_try_advisory_lock({key})")
            if not locked:
                yield lambda: False
                return
            try:
                yield lambda: _answers(connection)
            finally:
                with suppress(psycopg.OperationalError):  # without its connection the lock is gone already
                    connection.execute(f"SELECT pg_advisory_unlock({key})".encode())

    def _try_lock(self, stack: ExitStack, lock: str) -> tuple[Connection[Any], bool]:
        """Return a connection, lent on the stack, and whether it got the lock; another connection if that breaks."""
        for again in retrying(self._timeout):
            connection = stack.enter_context(self.connection())
            try:
                ((locked,),) = connection.execute(lock.encode()).fetchall()
            except psycopg.OperationalError:
                stack.close()
                if not again:
                    raise
            else:
                return connection, locked
        raise AssertionError  # the last attempt returns or raises

    @contextmanager
    def connection(self, *, for_itself: bool = False) -> Iterator[Connection[Any]]:
        """Yield a connection that answers, the one that this thread holds unless it is `for_itself`."""
        held = self._pool.held
        nested = held is not None and not (held.closed or for_itself)
        lend = self._pool.lent if nested or (held is None and not for_itself) else self._pool.lent_for_itself
        with ExitStack() as stack:
            connection: Connection[Any] | None = None
            for again in retrying(self._timeout):
                try:
                    connection = stack.enter_context(lend())
                except psycopg.OperationalError:
                    if not again:
                        raise
                else:
                    if nested or not again or _answers(connection):
                        break
                    stack.close()
            assert connection is not None  # the last attempt ends the loop, or raises
            yield connection

    def tables(self, prefix: str) -> list[str]:
        sql = "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() AND left(tablename, ?) = ?"
        return [name for (name,) in self.query(sql, (len(prefix), prefix))]

    def run(
        self,
        task: Callable[[Cursor], T],
        *,
        writing: bool = False,
        lock: str = _OTHER_LOCK,
        cut_off: Callable[[], None] | None = None,
    ) -> T:
        """Run a task on a connection, and again on another if that broke, as when the server restarts.

        `cut_off` is told of each time: what was cut off may have been committed nevertheless. `lock` names the one that
        the task may wait for.
        """
        held = self._pool.held
        reading = held is not None and not (
            held.closed or _is_idle(held)
        )  # a snapshot: what is written meanwhile does not belong in it
        with library_errors(psycopg.Error):
            for again in retrying(self._timeout):
                lost = held is not None and held.closed  # it held a lock, for one: the task goes on without it
                lend = self._pool.lent_for_itself if lost or (reading and writing) else self._pool.lent
                lent: Connection[Any] | None = None
                try:
                    with lend() as lent:
                        return task(lent.cursor(binary=True))
                except LockNotAvailable as error:
                    reason = f"another session has held {lock} for {self._timeout:g} seconds"
                    raise OperationalError(reason) from error
                except psycopg.OperationalError:
                    if (reading and not writing) or not again or (lent is not None and not lent.closed):
                        raise
                    if lent is not None and cut_off is not None:
                        cut_off()
        raise AssertionError  # the last attempt returns or raises

    def close(self) -> None:
        self._pool.close()


def _connected(url: str, **options: Any) -> Connection[Any]:
    if "connect_timeout" not in conninfo_to_dict(url):
        options["connect_timeout"] = _CONNECT_TIMEOUT
    return psycopg.connect(url, **options)


def _is_idle(connection: Connection[Any]) -> bool:
    return connection.info.transaction_status == TransactionStatus.IDLE


@contextmanager
def _begun(connection: Connection[Any], first: str) -> Iterator[None]:
    """Begin a transaction with a first statement, such as a lock; the block commits it.

    Its statements see all that was committed before.
    """
    try:
        connection.execute(f"BEGIN ISOLATION LEVEL READ COMMITTED; {first}".encode())
        yield
    except BaseException:
        if not connection.closed:
            connection.rollback()
        raise


@contextmanager
def _committing(connection: Connection[Any]) -> Iterator[None]:
    """Send the statements of the block and a commit together; after one that fails the server skips the others."""
    with connection.pipeline():
        yield
        connection.execute(b"COMMIT")


def _answers(connection: Connection[Any]) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


class CallersPostgres(PostgresDatabase):
    """A connection of the caller's, who ends the transaction."""

    def __init__(self, lend: Callable[[], Connection[Any]]) -> None:
        self._lend = lend

    def run(
        self,
        task: Callable[[Cursor], T],
        *,
        writing: bool = False,
        lock: str = _OTHER_LOCK,
        cut_off: Callable[[], None] | None = None,
    ) -> T:
        """Run a task in a savepoint: an error leaves the caller's transaction as it was. Nothing is repeated."""
        callers = self._lend()
        with library_errors(psycopg.Error):
            if callers.info.transaction_status == TransactionStatus.IDLE:
                if callers.autocommit:
                    raise commits_by_itself(callers)
                callers.execute("SELECT 1")  # begins one: the block below would commit its own
            try:
                with callers.transaction():
                    return task(callers.cursor(binary=True, row_factory=tuple_row))
            except (SerializationFailure, UniqueViolation, IntegrityError) as error:
                if writing and self._reads_a_snapshot(callers):  # a version was taken after it: no attempt can succeed
                    raise psycopg.OperationalError("the snapshot of the transaction is old") from error
                raise

    @staticmethod
    def _reads_a_snapshot(callers: Connection[Any]) -> bool:
        level: Any = callers.cursor(row_factory=tuple_row).execute("SHOW transaction_isolation").fetchone()
        return level[0] in {"repeatable read", "serializable"}

    def write_locking(
        self, lock: str, change: Callable[[Cursor, Committing], T], *, cut_off: Callable[[], None] | None = None
    ) -> T:
        """Make a change in a savepoint, under the lock; the caller commits."""

        def locking(cursor: Cursor) -> T:
            cursor.execute(lock)
            return change(cursor, nullcontext)

        return self.run(locking, writing=True, cut_off=cut_off)

    def write(
        self, change: Callable[[Cursor], T], *, durable: bool = True, cut_off: Callable[[], None] | None = None
    ) -> T:
        """Make a change in a savepoint; the caller commits."""
        del durable
        return super().write(change, cut_off=cut_off)

    def settle(self, lock: str) -> None:
        """Wait for nobody: the transaction sees what it sees."""

    def close(self) -> None:
        """The caller closes the connection."""


class PostgresRecorder(SqlRecorder):
    """Events in PostgreSQL.

    A save locks the ledger, inserts, notifies, and commits: in one statement or, where its events are stamped under the
    lock, in two round trips, to the lock and from there to the commit. The lock is held until the commit, so sequences
    become visible in their order and a reader that tails the log misses nothing. The library's database functions do
    without it, and are never used.
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
        self._lock_shared = self._lock.replace("lock(", "lock_shared(")
        given = "unnest(%s::text[], %s::text[], %s::bigint[], %s::text[], %s::bytea[])"
        self._save = (
            f"WITH locked AS MATERIALIZED ({self._lock}), notified AS (SELECT pg_notify('{events}', '')), "
            f"given AS (SELECT * FROM {given} WITH ORDINALITY AS one({columns}, number)), "
            f"first AS (INSERT INTO {events} ({columns}) SELECT {columns} FROM locked, notified, given "
            "WHERE number = 1 ON CONFLICT (kind, stream_id, version) DO NOTHING RETURNING sequence), "
            f"rest AS (INSERT INTO {events} ({columns}) SELECT {columns} FROM first, given "
            "WHERE number > 1 ORDER BY number RETURNING sequence) "
            "SELECT sequence FROM first UNION ALL SELECT sequence FROM rest"
        ).encode()
        self._save_next = (
            f"INSERT INTO {events} ({columns}) SELECT * FROM (VALUES {{}}) AS given({columns}) WHERE NOT EXISTS "
            f"(SELECT FROM {events} WHERE kind = %s AND stream_id = %s AND version = %s) "
            f"ORDER BY version RETURNING sequence, pg_notify('{events}', '')"
        )
        self._save_all = (
            f"INSERT INTO {events} ({columns}) SELECT * FROM {given} "
            "ON CONFLICT (kind, stream_id, version) DO NOTHING RETURNING sequence"
        ).encode()
        self._taken = (
            f"SELECT 1 FROM {events} JOIN unnest(%s::text[], %s::text[], %s::bigint[]) "
            "AS given(kind, stream_id, version) USING (kind, stream_id, version) LIMIT 1"
        ).encode()
        self._copy = f"COPY {events} (sequence, {columns}) FROM STDIN (FORMAT BINARY)".encode()
        self._reserve = f"SELECT nextval(pg_get_serial_sequence('{events}', 'sequence')) FROM generate_series(1, %s)"

    def within(self, connection: object) -> "PostgresRecorder":
        lend = lender(connection, Connection, "a psycopg.Connection to the ledger's database")
        return PostgresRecorder(CallersPostgres(lend), self.prefix)

    def counter(self) -> Counter:
        counted = f"pg_get_serial_sequence('{self.events_table}', 'sequence')"
        sql = (
            f"SELECT CASE WHEN has_sequence_privilege({counted}, 'SELECT') "
            f"THEN COALESCE(pg_sequence_last_value({counted}::regclass), 0) END WHERE {counted} IS NOT NULL"
        )
        found = self.database.query(sql)
        return Counter(found[0][0] if found else None, exact=False)

    def insert(self, make: Callable[[], Batch], *, ordered: bool) -> tuple[Batch, list[int]]:
        made: list[Batch] = []
        unsure: list[Batch] = []  # those that were cut off: each may have been saved nevertheless

        def save(cursor: Cursor) -> tuple[Batch, list[int]]:
            made[:] = [batch := make()]
            return batch, self._insert_in_stream(cursor, batch.raw)

        def save_locked(cursor: Cursor, committing: Committing) -> tuple[Batch, list[int]]:
            made[:] = [batch := make()]
            return batch, self._insert_locked(cursor, batch.raw, committing)

        def cut_off() -> None:
            unsure.extend(made)

        try:
            if ordered or not _is_of_one_stream(make().raw):
                return self.database.write_locking(self._lock, save_locked, cut_off=cut_off)
            return self.database.run(save, writing=True, lock=_WRITERS_LOCK, cut_off=cut_off)
        except IntegrityError:
            for batch in unsure:
                if sequences := self._saved_before(batch.raw):
                    return batch, sequences  # the answer was lost, the save was not
            raise

    def settle(self) -> None:
        self.database.settle(self._lock_shared)

    def insert_within(self, cursor: Cursor, events: Sequence[RawEvent]) -> list[int]:
        cursor.execute(self._lock)
        return self._insert_locked(cursor, events, nullcontext)

    def _insert_locked(self, cursor: Cursor, events: Sequence[RawEvent], committing: Committing) -> list[int]:
        """Insert events under the lock, all or none, and notify; the last statement is sent in a block `committing`."""
        if _is_of_one_stream(events):
            with committing():
                self._send_next(cursor, events)
            return _complete(cursor, events)
        sequences = (self._insert_at_once if len(events) < _MANY else self._copy_in)(cursor, events)
        with committing():
            cursor.execute(f"NOTIFY {self.events_table}".encode())
        return sequences

    def _saved_before(self, events: Sequence[RawEvent]) -> list[int]:
        """Return the sequences of these events if they are saved, each to the byte; otherwise an empty list."""
        ids: dict[str, set[str]] = {}
        for event in events:
            ids.setdefault(event.kind, set()).add(event.stream_id)
        rows = [row for kind, some in ids.items() for row in self.streams(kind, sorted(some), through=LAST)]
        saved = {row[1:]: row[0] for row in rows}
        found = [saved.get(event[1:], 0) for event in events]
        return found if all(found) else []

    def _insert_in_stream(self, cursor: Cursor, events: Sequence[RawEvent]) -> list[int]:
        """Insert events of one stream in one statement: all of them, or none where the first version is taken.

        A conflict is no error to the server, so it is not logged there as one.
        """
        _, *columns = map(list, zip(*events, strict=True))
        cursor.execute(self._save, columns)
        return _complete(cursor, events)

    def _send_next(self, cursor: Cursor, events: Sequence[RawEvent]) -> None:
        """Insert events of one stream, under the lock: all of them, or none where their versions are taken.

        A row of parameters for each costs driver and server less than arrays. The statement of each number of events is
        prepared once it is frequent.
        """
        rows = ", ".join(["(%s::text, %s::text, %s::bigint, %s::text, %s::bytea)"] * len(events))
        values = [value for event in events for value in event[1:]]
        cursor.execute(self._save_next.format(rows).encode(), (*values, *events[0][1:4]))

    def _insert_at_once(self, cursor: Cursor, events: Sequence[RawEvent]) -> list[int]:
        """Insert some events of several streams, under the lock."""
        _, *columns = map(list, zip(*events, strict=True))
        cursor.execute(self._save_all, columns)
        return _complete(cursor, events)

    def _copy_in(self, cursor: Cursor, events: Sequence[RawEvent]) -> list[int]:
        """Insert many events, with sequences reserved, under the lock."""
        _, kinds, stream_ids, versions, _, _ = map(list, zip(*events, strict=True))
        cursor.execute(self._taken, (kinds, stream_ids, versions))
        if cursor.fetchall():
            raise _taken()
        cursor.execute(self._reserve, (len(events),))
        sequences = [sequence for (sequence,) in cursor.fetchall()]
        assert isinstance(cursor, psycopg.Cursor)
        with cursor.copy(self._copy) as copy:
            copy.set_types(("int8", "text", "text", "int8", "text", "bytea"))
            for sequence, event in zip(sequences, events, strict=True):
                copy.write_row((sequence, *event[1:]))
        return sequences

    @contextmanager
    def wait_for_events(self) -> Iterator[Callable[[float], bool]]:
        """Yield a function that waits for the notification that a save sends."""
        with library_errors(psycopg.Error), self.database.connection(for_itself=True) as connection:
            connection.execute(SQL("LISTEN {}").format(Identifier(self.events_table)))

            def wait(seconds: float) -> bool:
                return any(True for _ in connection.notifies(timeout=seconds, stop_after=1))

            try:
                yield wait
            finally:
                if not connection.closed:
                    connection.execute("UNLISTEN *")


def _is_of_one_stream(events: Sequence[RawEvent]) -> bool:
    """Return whether events are saved by one statement that locks the ledger itself."""
    return len(events) < _MANY and len({event[1:3] for event in events}) == 1


def _complete(cursor: Cursor, events: Sequence[RawEvent]) -> list[int]:
    """Return the sequences of inserted events. Raises `IntegrityError` if they are fewer than the events."""
    sequences = sorted(sequence for sequence, *_ in cursor.fetchall())
    if len(sequences) < len(events):
        raise _taken()
    return sequences


def _taken() -> IntegrityError:
    return IntegrityError("a version that is unique in its stream is taken")


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


def connect(url: str, *, connections: int, timeout: float) -> Connected:
    """Connect to the database that the URL names."""
    given = _parsed(url)
    if given is None:
        escaped = "with / @ ? : and % in user and password written as %2F %40 %3F %3A and %25"
        raise InvalidArgument(argument="url", given=shown(url), expected=f"postgresql://user@host/database, {escaped}")
    label = f"PostgreSQL database {given.get('dbname', '')} at {given.get('host', 'localhost')}"
    with unavailable(label, psycopg.Error):
        _connected(url).close()  # says at once, and why, if it cannot be reached
        return Connected(
            label, PostgresDatabase(label, url, connections=connections, timeout=timeout), PostgresRecorder
        )
