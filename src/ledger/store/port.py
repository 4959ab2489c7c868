"""What the rest of the ledger asks of a database: streams of events, and tables for read models.

`EventReader` and `EventWriter` are the port of events; no SQL crosses it. `ViewStore` holds the tables that projections
fill. Adapters live beside this file; nothing outside the folder knows them.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, Self

import attrs

from ledger.errors import CorruptHistory, StoreUnavailable
from ledger.events import PLAN, RecordedEvent
from ledger.events.codec import recorded_at_of

CONNECTIONS = 20
"""Connections to a database, at most."""

TIMEOUT = 30
"""Seconds that a call waits for a database that is away or locked."""

# ---- events


class RawEvent(NamedTuple):
    """An event as it is stored: `state` holds its exact bytes, the other columns are its key and its tag."""

    sequence: int
    kind: str
    stream_id: str
    version: int
    tag: str
    state: bytes

    @property
    def mark(self) -> str:
        """The event's stream, version and instant of recording: in another past the sequence has another one."""
        return f"{self.kind}/{self.stream_id}/{self.version}@{recorded_at_of(self.state)}"


@attrs.frozen
class Head:
    """Where a ledger stands: its identity, its epoch, its last sequence, and the mark of the event that was asked for.

    A ledger keeps its identity for good, copies of it included. A new `epoch` begins when a restore, or whatever else,
    may have taken events away: the sequences after it are not those of the epoch before. `mark` is "" where there is no
    such event.
    """

    ledger: str
    epoch: str
    last: int
    mark: str

    @property
    def number(self) -> int:
        """The number of the epoch, counted from 1."""
        return int(self.epoch.partition("-")[0])


class Partition(NamedTuple):
    """A range of stream ids: those above `after`, up to and including `up_to` (None: without an end)."""

    after: str
    up_to: str | None


LAST = 2**63 - 1
"""No sequence and no version is higher."""

WHOLE = Partition("", None)
"""The partition that holds every stream."""


@attrs.frozen
class ReaderAddress:
    """Where a reader can be opened again, as in another process: `open_reader(address)`.

    `through` is the last sequence that the reader shows.
    """

    url: str = attrs.field(repr=False)  # it may hold a password
    name: str
    through: int


class Counter(NamedTuple):
    """The last sequence that a database has given out: None where it may not be read.

    `exact`: only events use it up, so it equals the highest sequence; elsewhere a save that failed does too.
    """

    last: int | None
    exact: bool


class EventReader(Protocol):
    """Reads a ledger's events up to and including the sequence `through`; a kind of stream has its own ids.

    Every method raises `StoreUnavailable` if the database does not answer; those that decode raise `CorruptHistory`.
    """

    label: str
    """The database in words."""

    through: int
    """The last sequence that is shown; later events are not there."""

    def at(self, through: int) -> "EventReader":
        """Return a reader of the same ledger that shows nothing recorded after the sequence `through`."""
        ...

    def address(self) -> ReaderAddress:
        """Return where the same events can be read from another process.

        Raises `InvalidArgument` for a ledger in memory.
        """
        ...

    def history(self, stream_id: str, *, kind: str = PLAN, after: int = 0, limit: int = LAST) -> list[RecordedEvent]:
        """Return up to `limit` of a stream's events with a version above `after`, oldest first; none if it has none."""
        ...

    def histories(self, stream_ids: Sequence[str], *, kind: str = PLAN) -> dict[str, list[RecordedEvent]]:
        """Return the events of several streams, each oldest first; a stream that is not there has none."""
        ...

    def raw_histories(self, stream_ids: Sequence[str], *, kind: str = PLAN) -> dict[str, list[RawEvent]]:
        """Return the same events as they are stored."""
        ...

    def events(self, *, after: int, limit: int) -> list[RecordedEvent]:
        """Return up to `limit` events of the ledger with a sequence above `after`, in the order of sequence."""
        ...

    def raw_events(self, *, after: int, limit: int) -> list[RawEvent]:
        """Return the same events as they are stored."""
        ...

    def decoded(self, stored: Sequence[RawEvent]) -> list[RecordedEvent | CorruptHistory]:
        """Return stored events, or the error of each that cannot be read."""
        ...

    def stream_ids(self, *, kind: str = PLAN, within: Partition = WHOLE, limit: int) -> list[str]:
        """Return up to `limit` stream ids of a partition, in their order."""
        ...

    def count(self, *, kind: str = PLAN) -> int:
        """Return the number of streams of a kind."""
        ...

    def partitions(self, number: int, *, kind: str = PLAN) -> list[Partition]:
        """Split the streams of a kind into up to `number` ranges of about equally many ids, in their order."""
        ...

    def last_sequence(self) -> int:
        """Return the highest sequence shown; 0 if there are no events."""
        ...

    def counter(self) -> "Counter":
        """Return the last sequence that the database has given out."""
        ...

    def kinds(self) -> dict[str, int]:
        """Return the number of events of each kind of stream."""
        ...

    def head(self, at: int) -> "Head":
        """Return where the ledger stands, and the mark of the event with the sequence `at`."""
        ...

    def settle(self) -> None:
        """Wait for the saves under way: all that is recorded from now on is stamped later than now.

        Nothing is waited for in a caller's transaction, and in a database that is only read.
        """
        ...

    def wait_for_events(self) -> AbstractContextManager[Callable[[float], bool]]:
        """Yield a function that waits so many seconds, or until events are recorded, and returns whether they were."""
        ...


Stamp = Callable[[Sequence[RecordedEvent]], Sequence[RecordedEvent]]
"""Returns events with the instant of their recording."""


class Batch(NamedTuple):
    """The events of a save, and the same ones as they are stored; the sequences that they carry are not used."""

    recorded: Sequence[RecordedEvent]
    raw: Sequence[RawEvent]


class EventWriter(Protocol):
    """Records events."""

    def append(self, events: Sequence[RecordedEvent], *, stamp: Stamp | None = None) -> tuple[RecordedEvent, ...]:
        """Record the events, of one or several streams, all or none, and return them with their sequences.

        `stamp` is called when no other save can come before this one any more, again if the save is cut off. Raises
        `ConcurrentChange` if a version is taken, `StoreUnavailable` if the database does not answer.
        """
        ...

    def restore(self, events: Sequence[RawEvent]) -> None:
        """Record events as they were stored elsewhere, with their very bytes, all or none; raises as `append` does.

        The sequences that they carry are not used.
        """
        ...


# ---- views

OWN_TABLES = ("events", "epochs", "checkpoints", "quarantine")
"""A ledger's own tables, by the ends of their names; no table of a projection is called so."""

Value = int | str | None
"""A value in a column of a read model. Dates are stored as ISO text, which sorts as they do."""

Values = Sequence[Value]
"""The values of one table row, or the parameters of a statement."""

Query = Callable[[str, Values], list[tuple[Value, ...]]]
"""Runs a SELECT with `?` for its parameters and returns its rows."""


@attrs.frozen
class Statement:
    """One SQL statement with `?` for its parameters, run once for each of `rows`."""

    sql: str
    rows: Sequence[Values]


@attrs.frozen
class Insert:
    """New rows for a table; the database inserts them as fast as it can."""

    table: str
    columns: Sequence[str]
    rows: Sequence[Values]


TableChange = Statement | Insert


@attrs.frozen
class Quarantined:
    """A plan that a projection leaves out, since its history cannot be read: its first unreadable version and why."""

    plan_id: str
    version: int
    event: str
    reason: str

    @classmethod
    def of(cls, error: CorruptHistory) -> Self:
        """Return the plan whose history is corrupt; none of its values goes with it."""
        return cls(error.plan_id, error.version, error.event, error.fault)


@attrs.frozen
class Generation:
    """One numbered copy of a projection's tables, and its checkpoint `reached`: the last sequence applied to it.

    The `live` one answers; another is being built. `version` and `definition` are those of the projection that built
    it. While `reached` is 0 it is backfilled plan by plan: it has the plans up to the id `filled` as they were at the
    sequence `target`. `quarantined` is the number of plans that it leaves out. `ledger` and `epoch` are those of the
    ledger that it is filled from; `mark` describes the checkpoint, with the mark of the event at `reached` or `target`.
    """

    projection: str
    number: int
    version: int
    definition: str
    reached: int = 0
    live: bool = False
    filled: str = ""
    target: int = 0
    quarantined: int = 0
    ledger: str = ""
    epoch: str = ""
    mark: str = ""

    @property
    def at(self) -> int:
        """The sequence as of which it has plans; 0 for none."""
        return self.reached or self.target

    def marked(self, event: str) -> Self:
        """Return the generation with its mark, which ends with that of the event at its sequence."""
        position = f"{self.reached}/{self.target}/{self.filled}" if self.at else ""
        return attrs.evolve(self, mark=f"{position} {event}".strip())

    @property
    def name(self) -> str:
        """The name of the generation, which its tables carry too: `periods_1`."""
        return f"{self.projection}_{self.number}"


def dropped(generation: Generation) -> StoreUnavailable:
    """Return the error of a generation that another process has dropped."""
    return StoreUnavailable(
        store=f"Read model {generation.name}", reason="another process has dropped it", remedy="repeat the call"
    )


class ViewStore(Protocol):
    """The tables of projections: each generation's checkpoint moves in the transaction that changes its rows."""

    label: str
    """The database in words."""

    prefix: str
    """The beginning of the names of this ledger's tables, so that several ledgers can share a database."""

    text: str
    """The type in SQL of text that is sorted by code points, as Python does it."""

    def generations(self, projection: str | None = None) -> list[Generation]:
        """Return the generations of one projection, or of all, by projection and number."""
        ...

    def create(self, generation: Generation, statements: Sequence[str]) -> None:
        """Create a generation's checkpoint at 0, and its tables and indexes, where they are missing.

        Safe in several processes at once.
        """
        ...

    def advance(
        self,
        before: Generation,
        after: Generation,
        *,
        changes: Iterable[TableChange],
        quarantine: Sequence[Quarantined] = (),
        release: Sequence[str] = (),
    ) -> bool:
        """Apply the changes and move the checkpoint from `before` to `after`, all or nothing.

        Puts plans into quarantine, and releases those with the ids `release`. Returns False, and nothing is done, if
        the checkpoint, or the number of plans in quarantine, is not that of `before` any more.
        """
        ...

    def checkpoint(self, generation: Generation, query: Query) -> Generation:
        """Return a generation as `query` sees it, as in a snapshot. Raises `StoreUnavailable` if it was dropped."""
        ...

    def quarantine(self, generation: Generation, *, limit: int) -> list[Quarantined]:
        """Return up to `limit` quarantined plans of a generation, by plan id."""
        ...

    def promote(self, generation: Generation, *, over: Generation | None, last: int) -> bool:
        """Make a generation live, instead of another where there is one, which then is to be dropped.

        Returns False, and nothing is done, if `over` is not the live one, or has read further than `generation`, up to
        the sequence `last` at most.
        """
        ...

    def drop(self, generation: Generation) -> None:
        """Drop the tables of a generation that is not live, whatever version declared them, and its checkpoint."""
        ...

    def query(self, sql: str, parameters: Values = ()) -> list[tuple[Value, ...]]:
        """Return the rows of a SELECT with `?` for its parameters."""
        ...

    def snapshot(self) -> AbstractContextManager[Query]:
        """Yield a query that reads every table as of one instant, however long the reading takes."""
        ...

    def leader_lock(self) -> AbstractContextManager[Callable[[], bool]]:
        """Try to lead, among all processes, inside this block; yield a function that returns whether this one leads.

        It may be called at any time. A process that is refused may try again in a new block. The lock of a process that
        is killed is free at once.
        """
        ...

    def catch_up_lock(self, projection: str) -> AbstractContextManager[Callable[[], bool]]:
        """Try to be the process that catches a projection up inside this block; used as `leader_lock` is."""
        ...


class Store(EventReader, EventWriter, Protocol):
    """A ledger's events, with the store of its views."""

    views: ViewStore

    def begin_epoch(self) -> None:
        """Begin a new epoch: views that were filled before are filled again."""
        ...

    def within(self, connection: object) -> "Store":
        """Return a store of the same ledger in the transaction of a connection of the caller's; it has no views.

        Raises `InvalidArgument` for a connection to another kind of database.
        """
        ...

    def schema_version(self) -> int:
        """Return the version of the ledger's tables."""
        ...

    def close(self) -> None:
        """Release connections; the store cannot be used afterwards."""
        ...


class StoreFactory(Protocol):
    """An open database, which makes the stores of its ledgers; they share its connections."""

    def store(self, name: str, *, catch_up: bool = True) -> Store:
        """Return the store of a ledger; closing it leaves the database open. Raises as `open_store` does.

        Views that cannot be written are made in memory or, without `catch_up`, read as they are.
        """
        ...

    def close(self) -> None:
        """Release the connections; no ledger of this database can be used afterwards."""
        ...
