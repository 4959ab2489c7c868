"""The store in memory: for tests, demonstrations and what-ifs. Nothing of it outlives the process."""

import heapq
from collections import Counter as Counted
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from threading import Lock
from uuid import uuid4

from eventsourcing.persistence import StoredEvent
from eventsourcing.popo import POPOApplicationRecorder

from ledger.errors import InvalidArgument
from ledger.events.codec import StoredRow
from ledger.store.port import LAST, Batch, Counter, Head, Partition, RawEvent
from ledger.store.sql import poller

_POLL_INTERVAL = 0.01
"""Seconds between two looks at the list that is waited for."""


class MemoryRecorder(POPOApplicationRecorder):
    """The library's recorder of plain Python objects; a stream's originator is its kind and id, `plan/P-1`."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = Lock()
        self._epochs = [uuid4().hex]

    def insert(self, make: Callable[[], Batch], *, ordered: bool) -> tuple[Batch, Sequence[int]]:
        """Insert events, one save at a time. Raises `IntegrityError` if a version is taken."""
        del ordered  # it always is
        with self._turn:
            batch = make()
            stored = [StoredEvent(f"{one.kind}/{one.stream_id}", one.version, one.tag, one.state) for one in batch.raw]
            return batch, self.insert_events(stored) or ()

    def begin_epoch(self) -> None:
        """Begin the next epoch."""
        self._epochs.append(uuid4().hex)

    def head(self, at: int) -> Head:
        """Return where the ledger stands, with the mark of an event."""
        with self._database_lock:
            last = len(self._stored_events)
            mark = RawEvent._make(self._row(at - 1)).mark if 0 < at <= last else ""
        return Head(self._epochs[0], f"{len(self._epochs)}-{self._epochs[-1]}", last, mark)

    def settle(self) -> None:
        """Wait for the save under way."""
        with self._turn:
            pass

    def within(self, connection: object) -> "MemoryRecorder":
        """Refuse: memory has no transactions of a caller's."""
        expected = "no transaction: a ledger in memory has none"
        raise InvalidArgument(argument="connection", given=type(connection).__qualname__, expected=expected)

    def stream(self, kind: str, stream_id: str, *, through: int, after: int = 0, limit: int = LAST) -> list[StoredRow]:
        """Return up to `limit` of a stream's rows with a version above `after`, in the order of version."""
        with self._database_lock:
            indexes = self._stored_events_index.get(f"{kind}/{stream_id}", {}).values()
            page = islice(indexes, after, min(after + limit, LAST))
            return [self._row(index) for index in page if index < through]

    def streams(self, kind: str, stream_ids: Sequence[str], *, through: int) -> list[StoredRow]:
        """Return the rows of several streams, of each in the order of version."""
        return [row for stream_id in stream_ids for row in self.stream(kind, stream_id, through=through)]

    def log(self, *, after: int, through: int, limit: int) -> list[StoredRow]:
        """Return rows with a sequence above `after`; the sequence is one more than the index in the list."""
        first = max(after, 0)
        with self._database_lock:
            return [self._row(index) for index in range(first, min(first + limit, len(self._stored_events), through))]

    def stream_ids(self, kind: str, within: Partition, *, limit: int) -> list[str]:
        """Return up to `limit` ids of a partition, in their order."""
        inside = (
            one for one in self._ids(kind) if one > within.after and (within.up_to is None or one <= within.up_to)
        )
        return heapq.nsmallest(limit, inside)

    def nth_id(self, kind: str, offset: int) -> str | None:
        """Return the id with this many others of its kind before it; None if there are not so many."""
        return next(iter(sorted(self._ids(kind))[offset:]), None)

    def count(self, kind: str) -> int:
        """Return the number of streams of a kind."""
        return len(self._ids(kind))

    def last_sequence(self) -> int:
        """Return the highest sequence; 0 in an empty ledger."""
        return len(self._stored_events)

    def counter(self) -> Counter:
        """Return the last sequence given out: that of the last event."""
        return Counter(len(self._stored_events), exact=True)

    def kinds(self, *, through: int) -> dict[str, int]:
        """Return the number of events of each kind of stream."""
        with self._database_lock:
            stored = islice(self._stored_events, min(through, LAST))
            return dict(Counted(str(one.originator_id).partition("/")[0] for one in stored))

    @contextmanager
    def wait_for_events(self) -> Iterator[Callable[[float], bool]]:
        """Yield a function that waits until the list has grown."""
        yield poller(self.last_sequence, interval=_POLL_INTERVAL)

    def _ids(self, kind: str) -> list[str]:
        with self._database_lock:  # looking for a version that is taken leaves empty streams behind
            originators = [str(one).partition("/") for one, stream in self._stored_events_index.items() if stream]
        return [stream_id for of_kind, _, stream_id in originators if of_kind == kind]

    def _row(self, index: int) -> StoredRow:
        stored: StoredEvent = self._stored_events[index]
        kind, _, stream_id = str(stored.originator_id).partition("/")
        return index + 1, kind, stream_id, stored.originator_version, stored.topic, stored.state
