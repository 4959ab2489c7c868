"""The store on top of the `eventsourcing` library: its recorders keep the events, our mapper says in what form."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
from eventsourcing.persistence import (
    ApplicationRecorder,
    EventStore,
    IntegrityError,
    JSONTranscoder,
    Mapper,
    Notification,
    PersistenceError,
    StoredEvent,
)

from ledger.errors import ConcurrentChange, StoreUnavailable
from ledger.events import RecordedEvent
from ledger.events.codec import Codec
from ledger.store.port import Tables


class PlanMapper(Mapper[str]):
    """Maps recorded events to stored ones under stable tags, and back through their constructors.

    The library's own mapper writes import paths, and rebuilds events without checking them.
    """

    def __init__(self, codec: Codec) -> None:
        super().__init__(JSONTranscoder())
        self._codec = codec

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """Encode a `RecordedEvent`; the plan is the originator, the tag the topic."""
        tag, state = self._codec.encode(domain_event)
        return StoredEvent(domain_event.plan_id, domain_event.version, tag, state)

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """Decode a stored event, with its sequence where it came as a notification."""
        return self._codec.decode(
            stored_event.topic,
            bytes(stored_event.state),
            plan_id=str(stored_event.originator_id),
            version=stored_event.originator_version,
            sequence=stored_event.id if isinstance(stored_event, Notification) else 0,
        )


class RecorderStore:
    """A `Store` over one of the library's application recorders.

    The recorder's `select_events` has to return notifications, so that histories carry sequences.
    """

    def __init__(self, label: str, recorder: ApplicationRecorder, tables: Tables, close: Callable[[], None]) -> None:
        self.tables = tables
        self._label = label
        self._recorder = recorder
        self._mapper = PlanMapper(Codec())
        self._events: EventStore[str] = EventStore(self._mapper, recorder)
        self._close = close

    def append(self, events: Sequence[RecordedEvent]) -> tuple[RecordedEvent, ...]:
        """Record the events, all or none, and return them with their sequences."""
        if not events:
            return ()
        with unavailable(self._label):
            try:
                recordings = self._events.put(events)  # type: ignore[arg-type]  # our mapper maps RecordedEvents
            except IntegrityError:
                raise ConcurrentChange(plan_id=events[0].plan_id, attempts=1) from None
        return tuple(
            attrs.evolve(event, sequence=recording.notification.id)
            for event, recording in zip(events, recordings, strict=True)
        )

    def history(self, plan_id: str) -> list[RecordedEvent]:
        """Return a plan's events, oldest first."""
        with unavailable(self._label):
            stored = self._recorder.select_events(plan_id)
        return list(map(self._mapper.to_domain_event, stored))

    def events(self, *, after: int, limit: int) -> list[RecordedEvent]:
        """Return up to `limit` events with a sequence above `after`."""
        with unavailable(self._label):
            stored = self._recorder.select_notifications(after, limit, inclusive_of_start=False)
        return list(map(self._mapper.to_domain_event, stored))

    def last_sequence(self) -> int:
        """Return the highest sequence; 0 in an empty ledger."""
        with unavailable(self._label):
            return self._recorder.max_notification_id() or 0

    def close(self) -> None:
        """Release connections."""
        self._close()


def missing(label: str, name: str) -> StoreUnavailable:
    """Return the error for a ledger that is not in its database."""
    return StoreUnavailable(
        store=label,
        reason=f"there is no ledger {name!r} in it",
        remedy="check the URL and the name, or create it first",
    )


@contextmanager
def unavailable(label: str, *also: type[Exception]) -> Iterator[None]:
    """Say in one sentence, as `StoreUnavailable`, what the library or a driver could not do."""
    expected: tuple[type[Exception], ...] = (PersistenceError, sqlite3.Error, OSError, *also)
    try:
        yield
    except expected as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        remedy = "check that the database is there and can be written, then repeat the call"
        raise StoreUnavailable(store=label, reason=reason, remedy=remedy) from error
