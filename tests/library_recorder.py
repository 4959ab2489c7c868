"""Our recorders behind the interfaces of the `eventsourcing` library, for its conformance suites.

The ledger itself asks for rows and does without tracking records; the suites ask for both.
"""

from collections.abc import Sequence
from threading import Thread
from typing import Any
from uuid import UUID

from eventsourcing.persistence import (
    IntegrityError,
    ListenNotifySubscription,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
)

from ledger.store.port import Batch, RawEvent
from ledger.store.postgres import PostgresRecorder
from ledger.store.sql import Cursor, SqlRecorder

_KIND = "plan"
_COLUMNS = "sequence, stream_id, version, tag, state"


class LibraryRecorder(ProcessRecorder):
    """One of our recorders, and a table of tracking records beside its events."""

    def __init__(self, recorder: SqlRecorder) -> None:
        self.recorder = recorder
        self._database = recorder.database
        self._events = recorder.events_table
        self._tracking = f"{recorder.events_table}_tracking"

    def ddl(self) -> dict[str, str]:
        """Return the tables and the statements that create them."""
        columns = "application TEXT PRIMARY KEY, sequence BIGINT NOT NULL"
        return self.recorder.ddl() | {self._tracking: f"CREATE TABLE IF NOT EXISTS {self._tracking} ({columns})"}

    # ---- events

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Insert events, with a tracking record if one is given: both or neither."""
        tracking: Tracking | None = kwargs.get("tracking")
        raw = [
            RawEvent(0, _KIND, str(one.originator_id), one.originator_version, one.topic, one.state)
            for one in stored_events
        ]
        if tracking is None:
            return self.recorder.insert(lambda: Batch((), raw), ordered=False)[1] if raw else None

        def insert(cursor: Cursor) -> list[int]:
            self._track(cursor, tracking)
            return self.recorder.insert_within(cursor, raw) if raw else []

        return self._database.write(insert) or None

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return a stream's events."""
        order = f"version {'DESC' if desc else 'ASC'}"
        bounds = [("stream_id = ?", str(originator_id)), ("version > ?", gt), ("version <= ?", lte)]
        return [StoredEvent(*row) for _, *row in self._select(bounds, order=order, limit=limit)]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Return events in the order of sequence."""
        bounds = [("sequence >= ?" if inclusive_of_start else "sequence > ?", start), ("sequence <= ?", stop)]
        rows = self._select(bounds, order="sequence", limit=limit, topics=topics)
        return [
            Notification(id=sequence, originator_id=stream_id, originator_version=version, topic=tag, state=state)
            for sequence, stream_id, version, tag, state in rows
        ]

    def _select(
        self,
        bounds: Sequence[tuple[str, int | str | None]],
        *,
        order: str,
        limit: int | None,
        topics: Sequence[str] = (),
    ) -> list[tuple[Any, ...]]:
        given = [(condition, bound) for condition, bound in bounds if bound is not None]
        conditions = ["kind = ?", *(condition for condition, _ in given)]
        if topics:
            conditions.append(f"tag IN ({', '.join('?' for _ in topics)})")
        page = "" if limit is None else f" LIMIT {limit:d}"
        sql = f"SELECT {_COLUMNS} FROM {self._events} WHERE {' AND '.join(conditions)} ORDER BY {order}{page}"
        return self._database.query(sql, (_KIND, *(bound for _, bound in given), *topics))

    def max_notification_id(self) -> int | None:
        """Return the highest sequence; None in an empty ledger."""
        return self.recorder.last_sequence() or None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[Any]:
        """Return an iterator over events as they are recorded, in PostgreSQL."""
        assert isinstance(self.recorder, PostgresRecorder)
        return _Subscription(self, gt, topics)

    # ---- tracking records

    def insert_tracking(self, tracking: Tracking) -> None:
        """Move a tracking record on. Raises `IntegrityError` if it is there already, or further."""
        self._database.write(lambda cursor: self._track(cursor, tracking))

    def _track(self, cursor: Cursor, tracking: Tracking) -> None:
        sql = (
            f"INSERT INTO {self._tracking} AS reached (application, sequence) VALUES (?, ?) ON CONFLICT (application) "
            "DO UPDATE SET sequence = excluded.sequence WHERE reached.sequence < excluded.sequence RETURNING sequence"
        )
        cursor.execute(self._database.sql(sql), (tracking.application_name, tracking.notification_id))
        if not cursor.fetchall():
            raise IntegrityError(f"{tracking.application_name} has reached {tracking.notification_id} before")

    def max_tracking_id(self, application_name: str) -> int | None:
        """Return the tracking record of an application."""
        found = self._database.query(
            f"SELECT sequence FROM {self._tracking} WHERE application = ?", (application_name,)
        )
        return int(found[0][0]) if found else None


class _Subscription(ListenNotifySubscription[LibraryRecorder]):
    """Waits for the notifications that saves send."""

    def __init__(self, recorder: LibraryRecorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder, gt, topics)
        self._listening = Thread(target=self._listen, daemon=True)
        self._listening.start()

    def __exit__(self, *args: object, **kwargs: Any) -> None:
        super().__exit__(*args, **kwargs)
        self._listening.join()

    def _listen(self) -> None:
        try:
            with self._recorder.recorder.wait_for_events() as wait:
                while not self._has_been_stopped:
                    wait(0.1)
                    self._has_been_notified.set()
        except BaseException as error:  # noqa: BLE001 - it is raised where the subscription is read
            self._thread_error = self._thread_error or error
            self.stop()
