"""The store in PostgreSQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.persistence import Notification, StoredEvent, Tracking
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore, PostgresTrackingRecorder
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier

from ledger.errors import InvalidArgument
from ledger.store.port import Store
from ledger.store.recording import RecorderStore, missing, unavailable
from ledger.store.tables import Cursor, TrackedTables

_CREATING = 0x1ED6E5
"""Key of the advisory lock under which tables are created: PostgreSQL's IF NOT EXISTS is not safe in two sessions."""


class PlanRecorder(PostgresApplicationRecorder):
    """The library's recorder, with the sequence beside each event of a plan."""

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return a plan's events as notifications."""
        if (gt, lte, desc, limit) != (None, None, False, None):
            stored: Sequence[StoredEvent] = super().select_events(originator_id, gt=gt, lte=lte, desc=desc, limit=limit)
            return stored
        sql = SQL(
            "SELECT notification_id, originator_id, originator_version, topic, state FROM {}.{} "
            "WHERE originator_id = %s ORDER BY originator_version"
        ).format(Identifier(self.datastore.schema), Identifier(self.events_table_name))
        with self.datastore.get_connection() as connection, connection.cursor(row_factory=tuple_row) as cursor:
            rows = cursor.execute(sql, (originator_id,), prepare=True).fetchall()
        return [
            Notification(id=sequence, originator_id=plan_id, originator_version=version, topic=topic, state=state)
            for sequence, plan_id, version, topic, state in rows
        ]


class _Postgres:
    """The dialect of the read-model tables."""

    def __init__(self, datastore: PostgresDatastore, tracking_table: str) -> None:
        self.tracking_table = tracking_table
        self._datastore = datastore
        self._tracking = PostgresTrackingRecorder(datastore, tracking_table_name=tracking_table)

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[Cursor]:
        with (
            self._datastore.get_connection() as connection,
            connection.transaction(force_rollback=not commit),
            connection.cursor(row_factory=tuple_row) as cursor,
        ):
            yield cursor

    @contextmanager
    def creating(self) -> Iterator[Cursor]:
        with self.transaction(commit=True) as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_CREATING,))
            yield cursor

    def create_tracking_table(self) -> None:
        self._tracking.create_table()

    def sql(self, statement: str) -> str:
        return statement.replace("?", "%s")

    def track(self, cursor: Any, tracking: Tracking) -> None:
        with cursor.connection.cursor() as inside:  # the library reads its rows by name
            self._tracking._insert_tracking(inside, tracking)  # noqa: SLF001 - what the library's own views call


def open_postgres(url: str, name: str, *, create: bool) -> Store:
    """Open the ledger `name` in the database that the URL names; it is created if it is missing and may be."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        reason = " ".join(str(error).split())
        raise InvalidArgument(
            argument="url", given=url, expected=f"postgresql://user@host/database ({reason})"
        ) from None
    label = f"PostgreSQL database {given.get('dbname', '')} at {given.get('host', 'localhost')}"
    with unavailable(label, psycopg.Error), psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        if not create and connection.execute("SELECT to_regclass(%s)", (f"{name}_events",)).fetchone() == (None,):
            raise missing(label, name)
        connection.execute("SELECT pg_advisory_lock(%s)", (_CREATING,))  # held until this connection closes
        datastore = _datastore(given, connection)
        recorder = PlanRecorder(datastore, events_table_name=f"{name}_events")
        recorder.create_table()
        dialect = _Postgres(datastore, f"{name}_tracking")
        dialect.create_tracking_table()
    return RecorderStore(label, recorder, TrackedTables(label, name, dialect), datastore.close)


def _datastore(given: dict[str, Any], connection: psycopg.Connection[Any]) -> PostgresDatastore:
    """Return the library's datastore for the same server, with every other setting of the URL kept."""
    info = connection.info
    datastore = PostgresDatastore(
        info.dbname, info.host, info.port, info.user, info.password, originator_id_type="text", max_overflow=20
    )
    known = {"dbname", "host", "port", "user", "password"}
    assert isinstance(datastore.pool.kwargs, dict)
    datastore.pool.kwargs |= {key: value for key, value in given.items() if key not in known}
    return datastore
