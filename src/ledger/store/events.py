"""A ledger's events on top of a recorder: rows in, recorded events out, through the codec."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Protocol, Self

import attrs
from eventsourcing.persistence import IntegrityError

from ledger import garbage
from ledger.errors import ConcurrentChange, CorruptHistory, InvalidArgument, StoreUnavailable
from ledger.events import PLAN, RecordedEvent
from ledger.events.codec import Codec, StoredRow, intact
from ledger.store.caller_transaction import NoViews, refused
from ledger.store.errors import unavailable
from ledger.store.port import LAST, WHOLE, Batch, Counter, Head, Partition, RawEvent, ReaderAddress, Stamp, ViewStore

_FILE = "sqlite:///"


class Recorder(Protocol):
    """The rows of a ledger's events, in whatever database. See `SqlRecorder` for what each method returns."""

    def within(self, connection: object) -> "Recorder":
        """Return a recorder that works in the transaction of a connection of the caller's."""
        ...

    def insert(self, make: Callable[[], Batch], *, ordered: bool) -> tuple[Batch, Sequence[int]]:
        """Insert the events that `make` returns, all or none, and return them with their sequences.

        `ordered`: `make` is called when no other save can come before this one any more.
        """
        ...

    def stream(
        self, kind: str, stream_id: str, *, through: int, after: int = 0, limit: int = LAST
    ) -> Sequence[StoredRow]:
        """Return a stream's rows with a version above `after`, in the order of version."""
        ...

    def streams(self, kind: str, stream_ids: Sequence[str], *, through: int) -> Sequence[StoredRow]:
        """Return the rows of several streams, of each in the order of version."""
        ...

    def log(self, *, after: int, through: int, limit: int) -> Sequence[StoredRow]:
        """Return rows with a sequence above `after`, up to `through`, in the order of sequence."""
        ...

    def stream_ids(self, kind: str, within: Partition, *, limit: int) -> list[str]:
        """Return ids of a partition, in their order."""
        ...

    def nth_id(self, kind: str, offset: int) -> str | None:
        """Return the id with this many others of its kind before it."""
        ...

    def count(self, kind: str) -> int:
        """Return the number of streams of a kind."""
        ...

    def last_sequence(self) -> int:
        """Return the highest sequence; 0 in an empty ledger."""
        ...

    def head(self, at: int) -> Head | None:
        """Return where the ledger stands, with the mark of an event; None if its epochs are gone."""
        ...

    def begin_epoch(self) -> None:
        """Begin the next epoch."""
        ...

    def settle(self) -> None:
        """Wait for the saves under way."""
        ...

    def counter(self) -> Counter:
        """Return the last sequence given out."""
        ...

    def kinds(self, *, through: int) -> dict[str, int]:
        """Return the number of events of each kind of stream."""
        ...

    def wait_for_events(self) -> AbstractContextManager[Callable[[float], bool]]:
        """Yield a function that waits until events are recorded."""
        ...


class RecorderEvents:
    """An `EventReader` over one recorder."""

    def __init__(self, label: str, url: str, name: str, recorder: Recorder, *, through: int = LAST) -> None:
        self.label = label
        self.through = through
        self._url = url
        self._name = name
        self._recorder = recorder
        self._codec = Codec()

    def at(self, through: int) -> "RecorderEvents":
        """Return a reader of the same ledger that shows nothing recorded after the sequence `through`."""
        return RecorderEvents(self.label, self._url, self._name, self._recorder, through=min(through, self.through))

    def address(self) -> ReaderAddress:
        """Return where the same events can be read from another process."""
        if self._url == "memory://":
            raise InvalidArgument(argument="url", given=self._url, expected="a database that another process can open")
        return ReaderAddress(_absolute(self._url), self._name, self.through)

    def decoded(self, stored: Sequence[StoredRow]) -> list[RecordedEvent | CorruptHistory]:
        """Return stored events, or the error of each that cannot be read."""
        return self._codec.decode_all(stored)

    def history(self, stream_id: str, *, kind: str = PLAN, after: int = 0, limit: int = LAST) -> list[RecordedEvent]:
        """Return up to `limit` of a stream's events with a version above `after`, oldest first."""
        with unavailable(self.label):
            rows = self._recorder.stream(kind, stream_id, through=self.through, after=after, limit=limit)
        for row in rows:
            self._check(row, kind, stream_id)
        return list(intact(self.decoded(rows)))

    def _check(self, row: StoredRow, kind: str, *asked: str) -> None:
        """Check that a row is of a stream that was asked for: never answer with another plan's money."""
        if row[1] != kind or row[2] not in asked:
            reason = f"asked for {kind} {asked[0]}, it answered with {row[1]} {row[2]}"
            raise StoreUnavailable(store=self.label, reason=reason, remedy="open it again")

    def histories(self, stream_ids: Sequence[str], *, kind: str = PLAN) -> dict[str, list[RecordedEvent]]:
        """Return the events of several streams, each oldest first."""
        raw = self.raw_histories(stream_ids, kind=kind)
        decoded = intact(self.decoded([*chain.from_iterable(raw.values())]))
        return {stream_id: list(islice(decoded, len(stored))) for stream_id, stored in raw.items()}

    def raw_histories(self, stream_ids: Sequence[str], *, kind: str = PLAN) -> dict[str, list[RawEvent]]:
        """Return the events of several streams as they are stored."""
        found: dict[str, list[RawEvent]] = {stream_id: [] for stream_id in stream_ids}
        with unavailable(self.label):
            rows = self._recorder.streams(kind, stream_ids, through=self.through)
        for row in rows:
            if row[1] != kind or row[2] not in found:
                self._check(row, kind, *stream_ids)
            found[row[2]].append(RawEvent._make(row))
        return found

    def events(self, *, after: int, limit: int) -> list[RecordedEvent]:
        """Return up to `limit` events with a sequence above `after`."""
        with garbage.paused():
            return list(intact(self.decoded(self._log(after=after, limit=limit))))

    def raw_events(self, *, after: int, limit: int) -> list[RawEvent]:
        """Return up to `limit` events with a sequence above `after` as they are stored."""
        return list(map(RawEvent._make, self._log(after=after, limit=limit)))

    def _log(self, *, after: int, limit: int) -> Sequence[StoredRow]:
        with unavailable(self.label):
            return self._recorder.log(after=after, through=self.through, limit=limit)

    def stream_ids(self, *, kind: str = PLAN, within: Partition = WHOLE, limit: int) -> list[str]:
        """Return up to `limit` stream ids of a partition, in their order."""
        with unavailable(self.label):
            return self._recorder.stream_ids(kind, within, limit=limit)

    def count(self, *, kind: str = PLAN) -> int:
        """Return the number of streams of a kind."""
        with unavailable(self.label):
            return self._recorder.count(kind)

    def partitions(self, number: int, *, kind: str = PLAN) -> list[Partition]:
        """Split the streams of a kind into up to `number` ranges of about equally many ids, in their order."""
        streams = self.count(kind=kind)
        offsets = {streams * part // number - 1 for part in range(1, number)} - {-1}
        with unavailable(self.label):
            ends = sorted({end for end in (self._recorder.nth_id(kind, offset) for offset in offsets) if end})
        return [Partition(after, up_to) for after, up_to in zip(["", *ends], [*ends, None], strict=True)]

    def last_sequence(self) -> int:
        """Return the highest sequence shown; 0 in an empty ledger."""
        with unavailable(self.label):
            return min(self._recorder.last_sequence(), self.through)

    def head(self, at: int) -> Head:
        """Return where the ledger stands, and the mark of the event with the sequence `at`."""
        with unavailable(self.label):
            head = self._recorder.head(at)
        if head is None:
            reason = f"the epochs of the ledger {self._name!r} are missing"
            raise StoreUnavailable(store=self.label, reason=reason, remedy="restore that table, too")
        return attrs.evolve(head, last=min(head.last, self.through))

    def settle(self) -> None:
        """Wait for the saves under way."""
        with unavailable(self.label):
            self._recorder.settle()

    def counter(self) -> Counter:
        """Return the last sequence that the database has given out."""
        with unavailable(self.label):
            return self._recorder.counter()

    def kinds(self) -> dict[str, int]:
        """Return the number of events of each kind of stream."""
        with unavailable(self.label):
            return self._recorder.kinds(through=self.through)

    @contextmanager
    def wait_for_events(self) -> Iterator[Callable[[float], bool]]:
        """Yield a function that waits until events are recorded."""
        with unavailable(self.label), self._recorder.wait_for_events() as wait:
            yield wait


class RecorderStore(RecorderEvents):
    """A `Store` over one recorder: the whole ledger, and the store of its views."""

    def __init__(
        self,
        label: str,
        url: str,
        name: str,
        recorder: Recorder,
        views: ViewStore,
        *,
        schema: int,
        close: Callable[[], None],
    ) -> None:
        super().__init__(label, url, name, recorder)
        self.views = views
        self.close = close
        self._schema = schema
        self._identity = ""  # read when it is first needed

    def append(self, events: Sequence[RecordedEvent], *, stamp: Stamp | None = None) -> tuple[RecordedEvent, ...]:
        """Record the events, all or none, and return them with their sequences."""
        if not events:
            return ()

        def make() -> Batch:
            stamped = events if stamp is None else stamp(events)
            encode = self._codec.encode
            return Batch(stamped, [RawEvent(0, one.kind, one.stream_id, one.version, *encode(one)) for one in stamped])

        with unavailable(self.label):
            try:
                saved, sequences = self._recorder.insert(make, ordered=stamp is not None)
            except IntegrityError:
                raise ConcurrentChange(plan_id=events[0].stream_id, attempts=1) from None
        return tuple(event.at(sequence) for event, sequence in zip(saved.recorded, sequences, strict=True))

    def restore(self, events: Sequence[RawEvent]) -> None:
        """Record events as they were stored elsewhere, with their very bytes, all or none."""
        with unavailable(self.label):
            try:
                self._recorder.insert(lambda: Batch((), events), ordered=False)
            except IntegrityError:
                raise ConcurrentChange(plan_id=events[0].stream_id, attempts=1) from None

    def within(self, connection: object) -> "RecorderStore":
        """Return a store of the same ledger in the caller's transaction; it has no views."""
        recorder = self._recorder.within(connection)
        if not self._identity:
            self._identity = self.head(0).ledger
        another = refused(connection, f"one to the database of this ledger, {self.label}")
        label = f"{self.label}, in a caller's transaction"
        views = NoViews(label, self.views.prefix)
        made = _CallersStore(label, self._url, self._name, recorder, views, schema=self._schema, close=lambda: None)
        return made.of(self._identity, another)

    def begin_epoch(self) -> None:
        """Begin a new epoch: views that were filled before are filled again."""
        with unavailable(self.label):
            self._recorder.begin_epoch()

    def schema_version(self) -> int:
        """Return the version of the ledger's tables."""
        return self._schema


class _CallersStore(RecorderStore):
    """A store in the caller's transaction, on a connection that leads to the same ledger."""

    def of(self, identity: str, another: InvalidArgument) -> Self:
        """Take the identity of the ledger, and the error for a connection to another one of the same name."""
        self._identity, self._another, self._is_the_same = identity, another, False
        return self

    def history(self, stream_id: str, *, kind: str = PLAN, after: int = 0, limit: int = LAST) -> list[RecordedEvent]:
        self._refuse_another_ledger()
        return super().history(stream_id, kind=kind, after=after, limit=limit)

    def append(self, events: Sequence[RecordedEvent], *, stamp: Stamp | None = None) -> tuple[RecordedEvent, ...]:
        self._refuse_another_ledger()
        return super().append(events, stamp=stamp)

    def _refuse_another_ledger(self) -> None:
        """Raise `InvalidArgument` where the connection leads to another database, with a ledger of the same name."""
        if not self._is_the_same:
            if self.head(0).ledger != self._identity:
                raise self._another
            self._is_the_same = True


def _absolute(url: str) -> str:
    """Return a URL that does not depend on the current folder, which is another one in other processes."""
    scheme, path = url[: len(_FILE)], url[len(_FILE) :]
    return f"{scheme}{Path(path).absolute()}" if scheme == _FILE else url
