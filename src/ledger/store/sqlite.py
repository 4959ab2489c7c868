"""The store in an SQLite file, and the read-model tables of the ledger in memory."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from eventsourcing.persistence import IntegrityError, Notification, StoredEvent, Tracking
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore, SQLiteTrackingRecorder

from ledger.store.port import Store
from ledger.store.recording import RecorderStore, missing, unavailable
from ledger.store.tables import Cursor, TrackedTables

_PATIENCE = 60
"""Seconds that a writer waits for other processes before it gives up."""


class PlanRecorder(SQLiteApplicationRecorder):
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
            return super().select_events(originator_id, gt=gt, lte=lte, desc=desc, limit=limit)
        sql = f"SELECT rowid, * FROM {self.events_table_name} WHERE originator_id = ? ORDER BY originator_version"
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(sql, [originator_id])
            return [
                Notification(id=sequence, originator_id=plan_id, originator_version=version, topic=topic, state=state)
                for sequence, plan_id, version, topic, state in cursor.fetchall()
            ]


class _SQLite:
    """The dialect of the read-model tables."""

    tracking_table = "tracking"

    def __init__(self, datastore: SQLiteDatastore) -> None:
        self._datastore = datastore
        self._tracking = SQLiteTrackingRecorder(datastore)

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[Cursor]:
        with self._datastore.transaction(commit=commit) as cursor:
            yield cursor

    def creating(self) -> AbstractContextManager[Cursor]:
        return self.transaction(commit=True)  # a writer is alone in the file

    def create_tracking_table(self) -> None:
        try:
            self._tracking.create_table()
        except IntegrityError:  # another process created it in between; now that is seen
            self._tracking.create_table()

    def sql(self, statement: str) -> str:
        return statement

    def track(self, cursor: Any, tracking: Tracking) -> None:
        self._tracking._insert_tracking(cursor, tracking)  # noqa: SLF001 - what the library's own views call


def open_sqlite(path: str, name: str, *, create: bool) -> Store:
    """Open the ledger `name` in the file at `path`; both are created if they are missing and may be."""
    label = f"SQLite file {path}"
    if not create:
        with unavailable(label):
            there = Path(path).exists() and _has_table(path, f"{name}_events")
        if not there:
            raise missing(label, name)
    with unavailable(label):
        _use_write_ahead_log(path)
    datastore = SQLiteDatastore(path, lock_timeout=_PATIENCE, pool_timeout=_PATIENCE, originator_id_type="text")
    recorder = PlanRecorder(datastore, events_table_name=f"{name}_events")
    dialect = _SQLite(datastore)
    with unavailable(label):
        recorder.create_table()
        dialect.create_tracking_table()
    return RecorderStore(label, recorder, TrackedTables(label, name, dialect), datastore.close)


def tables_in_memory(name: str) -> tuple[TrackedTables, SQLiteDatastore]:
    """Return read-model tables for a ledger in memory, and what to close with it."""
    datastore = SQLiteDatastore(f"file:{name}-{uuid4().hex}?mode=memory&cache=shared", pool_timeout=_PATIENCE)
    dialect = _SQLite(datastore)
    dialect.create_tracking_table()
    return TrackedTables("memory", name, dialect), datastore


def _has_table(path: str, table: str) -> bool:
    connection = sqlite3.connect(path, timeout=_PATIENCE)
    try:
        return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone())
    finally:
        connection.close()


def _use_write_ahead_log(path: str) -> None:
    """Switch the file to write-ahead logging, waiting for other processes that do the same: SQLite itself does not."""
    if not Path(path).parent.is_dir():
        raise FileNotFoundError(f"the folder {Path(path).parent} does not exist")
    deadline = time.monotonic() + _PATIENCE
    connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
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
