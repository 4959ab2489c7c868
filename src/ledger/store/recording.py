"""The store on top of a recorder of the `eventsourcing` library: rows in, recorded events out."""

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from eventsourcing.persistence import (
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
from ledger.store.sql import LAST, StoredRow


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
        sequence = stored_event.id if isinstance(stored_event, Notification) else 0
        plan_id, version = str(stored_event.originator_id), stored_event.originator_version
        return self.read((sequence, plan_id, version, stored_event.topic, stored_event.state))

    def read(self, row: StoredRow) -> RecordedEvent:
        """Decode a row. Raises `CorruptHistory`."""
        sequence, plan_id, version, tag, state = row
        return self._codec.decode(tag, state, plan_id=plan_id, version=version, sequence=sequence)


class Recorder(Protocol):
    """What the ledger asks of a recorder: the library's insert, and rows."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Insert events, all or none, and return their sequences."""
        ...

    def stream(self, plan_id: str) -> Sequence[StoredRow]:
        """Return a plan's rows in the order of version."""
        ...

    def streams(self, plan_ids: Sequence[str], *, through: int) -> Sequence[StoredRow]:
        """Return the rows of several plans up to a sequence, of each in the order of version."""
        ...

    def count_plans(self) -> int:
        """Return the number of plans."""
        ...

    def plan_ids(self, *, after: str, limit: int) -> list[str]:
        """Return ids of plans above `after`, in their order."""
        ...

    def log(self, *, after: int, limit: int) -> Sequence[StoredRow]:
        """Return rows with a sequence above `after`, in the order of sequence."""
        ...

    def news(self) -> AbstractContextManager[Callable[[float], bool]]:
        """Yield a function that waits so many seconds, or until events are recorded, and tells whether they were."""
        ...

    def max_notification_id(self) -> int | None:
        """Return the highest sequence."""
        ...


class RecorderStore:
    """A `Store` over one recorder."""

    def __init__(
        self, label: str, recorder: Recorder, tables: Tables, *, schema: int, close: Callable[[], None]
    ) -> None:
        self.label = label
        self.tables = tables
        self._schema = schema
        self._recorder = recorder
        self._mapper = PlanMapper(Codec())
        self._close = close

    def append(self, events: Sequence[RecordedEvent]) -> tuple[RecordedEvent, ...]:
        """Record the events, all or none, and return them with their sequences."""
        if not events:
            return ()
        stored = [self._mapper.to_stored_event(event) for event in events]
        with unavailable(self.label):
            try:
                sequences = self._recorder.insert_events(stored) or ()
            except IntegrityError:
                raise ConcurrentChange(plan_id=events[0].plan_id, attempts=1) from None
        return tuple(event.at(sequence) for event, sequence in zip(events, sequences, strict=True))

    def history(self, plan_id: str) -> list[RecordedEvent]:
        """Return a plan's events, oldest first."""
        with unavailable(self.label):
            rows = self._recorder.stream(plan_id)
        return list(map(self._mapper.read, rows))

    def histories(self, plan_ids: Sequence[str], *, through: int | None = None) -> dict[str, list[RecordedEvent]]:
        """Return the events of several plans, each oldest first, up to a sequence if one is given."""
        found: dict[str, list[RecordedEvent]] = {plan_id: [] for plan_id in plan_ids}
        with unavailable(self.label):
            rows = self._recorder.streams(plan_ids, through=LAST if through is None else through)
        for row in rows:
            found[row[1]].append(self._mapper.read(row))
        return found

    def count_plans(self) -> int:
        """Return the number of plans."""
        with unavailable(self.label):
            return self._recorder.count_plans()

    def plan_ids(self, *, after: str, limit: int) -> list[str]:
        """Return up to `limit` ids of plans above `after`."""
        with unavailable(self.label):
            return self._recorder.plan_ids(after=after, limit=limit)

    def events(self, *, after: int, limit: int) -> list[RecordedEvent]:
        """Return up to `limit` events with a sequence above `after`."""
        with unavailable(self.label):
            rows = self._recorder.log(after=after, limit=limit)
        return list(map(self._mapper.read, rows))

    def last_sequence(self) -> int:
        """Return the highest sequence; 0 in an empty ledger."""
        with unavailable(self.label):
            return self._recorder.max_notification_id() or 0

    def schema_version(self) -> int:
        """Return the version of the ledger's tables."""
        return self._schema

    @contextmanager
    def news(self) -> Iterator[Callable[[float], bool]]:
        """Yield a function that waits for news."""
        with unavailable(self.label), self._recorder.news() as wait:
            yield wait

    def close(self) -> None:
        """Release connections."""
        self._close()


def without_password(url: object) -> object:
    """Return a URL as it may be shown."""
    return re.sub(r"(://[^:/@]*):[^/]*@", r"\1:***@", url) if isinstance(url, str) else url


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
