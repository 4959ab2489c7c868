"""The store in PostgreSQL."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from threading import Thread
from typing import Any, TypeVar

import psycopg
from eventsourcing.persistence import IntegrityError, ListenNotifySubscription, StoredEvent, Subscription, Tracking
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier
from psycopg_pool import ConnectionPool

from ledger.errors import InvalidArgument
from ledger.store.recording import unavailable, without_password
from ledger.store.sql import LAST, Connected, Cursor, SqlRecorder, as_the_librarys

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
        with as_the_librarys(psycopg.Error), self.connection() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")  # it holds no lock
            cursor = connection.cursor(binary=True)
            yield lambda sql, parameters: cursor.execute(self.sql(sql), parameters).fetchall()

    @contextmanager
    def alone(self, name: str) -> Iterator[Callable[[], bool]]:
        """Hold a lock of the session: the server frees it when the connection is gone, however it went."""
        key = f"'{name}'::regclass::oid::bigint"
        with as_the_librarys(psycopg.Error), self.connection() as connection:
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

    def has_table(self, name: str) -> bool:
        return self.query("SELECT to_regclass(?) IS NOT NULL", (name,)) == [(True,)]

    def run(self, task: Callable[[Cursor], T], *, cut_off: Callable[[], None] | None = None) -> T:
        """Run a task on a connection, and again on another if that broke, as when the server restarts.

        `cut_off` is told of each time: what was cut off may have been committed nevertheless.
        """
        deadline = time.monotonic() + _TIMEOUT
        while True:
            with as_the_librarys(psycopg.Error), self.connection() as connection:
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


class PostgresRecorder(SqlRecorder):
    """Events in PostgreSQL.

    A save is one statement, and so one round trip: it takes the ledger's lock, inserts, notifies, and commits. The lock
    is held until the commit, so sequences become visible in their order and a reader that tails the log misses nothing.
    The library's database functions do without it, and are never used.
    """

    event_columns = (
        'plan_id TEXT COLLATE "C" NOT NULL, version BIGINT NOT NULL, tag TEXT NOT NULL, state BYTEA NOT NULL, '
        "sequence BIGINT GENERATED BY DEFAULT AS IDENTITY UNIQUE, PRIMARY KEY (plan_id, version)"
    )

    database: PostgresDatabase

    def __init__(self, database: PostgresDatabase, prefix: str) -> None:
        super().__init__(database, prefix)
        events, checkpoints = self.events_table, self.checkpoints_table
        self._lock = f"SELECT pg_advisory_xact_lock('{events}'::regclass::oid::bigint)"
        begin = f"WITH locked AS MATERIALIZED ({self._lock}), told AS (SELECT pg_notify('{events}', ''))"
        insert = f"INSERT INTO {events} (plan_id, version, tag, state) SELECT one.* FROM locked, told, "
        rows = "unnest(%s::text[], %s::bigint[], %s::text[], %s::bytea[]) AS one RETURNING sequence"
        track = (
            f"INSERT INTO {checkpoints} AS reached (view, sequence) SELECT %s, %s FROM locked ON CONFLICT (view) DO "
            "UPDATE SET sequence = excluded.sequence WHERE reached.sequence < excluded.sequence RETURNING 1"
        )
        self._save = f"{begin} {insert}{rows}".encode()
        self._save_tracked = f"{begin}, tracked AS ({track}) {insert}tracked, {rows}".encode()
        self._copy = f"COPY {events} (sequence, plan_id, version, tag, state) FROM STDIN (FORMAT BINARY)"
        self._reserve = f"SELECT nextval(pg_get_serial_sequence('{events}', 'sequence')) FROM generate_series(1, %s)"

    def _insert(self, stored_events: Sequence[StoredEvent], tracking: Tracking | None) -> list[int]:
        cuts: list[None] = []
        save = self._copy_in if len(stored_events) >= _MANY else self._save_at_once
        try:
            return save(stored_events, tracking, lambda: cuts.append(None))
        except IntegrityError:
            if cuts and (sequences := self._saved_before(stored_events)):
                return sequences  # the answer was lost, the save was not
            raise

    def _saved_before(self, stored_events: Sequence[StoredEvent]) -> list[int]:
        """Return the sequences of these events if they are saved, each to the byte; otherwise an empty list."""
        plan_ids = sorted({str(stored.originator_id) for stored in stored_events})
        saved = {tuple(event): sequence for sequence, *event in self.streams(plan_ids, through=LAST)}
        found = [saved.get((str(s.originator_id), s.originator_version, s.topic, s.state), 0) for s in stored_events]
        return found if all(found) else []

    def _save_at_once(
        self, stored_events: Sequence[StoredEvent], tracking: Tracking | None, cut_off: Callable[[], None]
    ) -> list[int]:
        """Save some events in one statement."""
        columns: tuple[object, ...] = (
            [str(stored.originator_id) for stored in stored_events],
            [stored.originator_version for stored in stored_events],
            [stored.topic for stored in stored_events],
            [stored.state for stored in stored_events],
        )
        sql, parameters = self._save, columns
        if tracking is not None:
            sql, parameters = self._save_tracked, (tracking.application_name, tracking.notification_id, *columns)
        found = self.database.run(lambda cursor: cursor.execute(sql, parameters).fetchall(), cut_off=cut_off)
        if len(found) != len(stored_events):
            raise IntegrityError(f"{tracking} was recorded before")
        return [sequence for (sequence,) in found]

    def _copy_in(
        self, stored_events: Sequence[StoredEvent], tracking: Tracking | None, cut_off: Callable[[], None]
    ) -> list[int]:
        """Save many events in one transaction, with sequences reserved under the lock."""

        def change(cursor: Cursor) -> list[int]:
            cursor.execute(self._lock)
            cursor.execute(self._reserve, (len(stored_events),))
            sequences = [sequence for (sequence,) in cursor.fetchall()]
            assert isinstance(cursor, psycopg.Cursor)
            with cursor.copy(self._copy.encode()) as copy:
                copy.set_types(("int8", "text", "int8", "text", "bytea"))
                for sequence, s in zip(sequences, stored_events, strict=True):
                    copy.write_row((sequence, str(s.originator_id), s.originator_version, s.topic, s.state))
            if tracking is not None:
                self.track(cursor, tracking)
            cursor.execute(f"NOTIFY {self.events_table}".encode())
            return sequences

        return self.database.write(change, cut_off=cut_off)

    @contextmanager
    def news(self) -> Iterator[Callable[[float], bool]]:
        """Yield a function that waits for the notification that a save sends."""
        with as_the_librarys(psycopg.Error), self.database.connection() as connection:
            connection.execute(SQL("LISTEN {}").format(Identifier(self.events_table)))

            def wait(seconds: float) -> bool:
                return any(True for _ in connection.notifies(timeout=seconds, stop_after=1))

            try:
                yield wait
            finally:
                if not connection.closed:
                    connection.execute("UNLISTEN *")

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[Any]:
        """Return an iterator over events as they are recorded."""
        return _Subscription(self, gt, topics)


class _Subscription(ListenNotifySubscription[PostgresRecorder]):
    """Waits for the notifications that saves send."""

    def __init__(self, recorder: PostgresRecorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder, gt, topics)
        self._listening = Thread(target=self._listen, daemon=True)
        self._listening.start()

    def __exit__(self, *args: object, **kwargs: Any) -> None:
        super().__exit__(*args, **kwargs)
        self._listening.join()

    def _listen(self) -> None:
        try:
            with self._recorder.news() as wait:
                while not self._has_been_stopped:
                    wait(0.1)
                    self._has_been_notified.set()
        except BaseException as error:  # noqa: BLE001 - it is raised where the subscription is read
            self._thread_error = self._thread_error or error
            self.stop()


def connect(url: str) -> Connected:
    """Connect to the database that the URL names."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        shown = without_password(url)
        reason = f" ({' '.join(str(error).split())})" if shown == url else ""  # it may quote the password
        raise InvalidArgument(
            argument="url", given=shown, expected=f"postgresql://user@host/database{reason}"
        ) from None
    label = f"PostgreSQL database {given.get('dbname', '')} at {given.get('host', 'localhost')}"
    with unavailable(label, psycopg.Error):
        psycopg.connect(url, connect_timeout=10).close()  # says at once, and why, if it cannot be reached
        return Connected(label, PostgresDatabase(url), PostgresRecorder)
