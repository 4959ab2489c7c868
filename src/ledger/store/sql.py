"""The SQL that all databases share: a ledger's events, one row each, in streams of a kind.

Of a ledger named `books`: `books_events` (a row per event, with its sequence in the ledger), `books_epochs` (a row per
epoch, with an id of its own; that of the first is the ledger's identity), `books_checkpoints` and `books_quarantine`
(of the generations of projections), and the tables of those generations. Beside them `installment_ledger_schema` holds
versions.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar
from uuid import uuid4

from eventsourcing import persistence

from ledger.events.codec import StoredRow
from ledger.store.port import LAST, Batch, Counter, Head, Partition, RawEvent

T = TypeVar("T")

_COLUMNS = "sequence, kind, stream_id, version, tag, state"

_CHECKPOINT_COLUMNS = (
    "projection TEXT NOT NULL, generation INTEGER NOT NULL, version INTEGER NOT NULL, definition TEXT NOT NULL, "
    "sequence BIGINT NOT NULL DEFAULT 0, live INTEGER NOT NULL DEFAULT 0, filled TEXT NOT NULL DEFAULT '', "
    "target BIGINT NOT NULL DEFAULT 0, quarantined INTEGER NOT NULL DEFAULT 0, ledger TEXT NOT NULL DEFAULT '', "
    "epoch TEXT NOT NULL DEFAULT '', mark TEXT NOT NULL DEFAULT '', PRIMARY KEY (projection, generation)"
)

_QUARANTINE_COLUMNS = (
    "projection TEXT NOT NULL, generation INTEGER NOT NULL, plan_id TEXT NOT NULL, version BIGINT NOT NULL, "
    "event TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (projection, generation, plan_id)"
)


class Cursor(Protocol):
    """What the cursors of all drivers have in common."""

    def execute(self, sql: Any, parameters: Any = ..., /) -> Any:
        """Run a statement."""
        ...

    def executemany(self, sql: Any, parameters: Any, /) -> Any:
        """Run a statement for each row of parameters."""
        ...

    def fetchall(self) -> list[Any]:
        """Return all rows."""
        ...


class Database(Protocol):
    """Where the databases differ. Errors come as the library's own: `IntegrityError`, `OperationalError` and so on."""

    text: str
    """The type of text that is sorted by code points, as Python does it, whatever the locale of the database."""

    def read_only(self, prefix: str) -> bool:
        """Return whether the views of the ledger with this prefix cannot be written, as by a role that reads."""
        ...

    def sql(self, statement: str) -> Any:
        """Return a statement with `?` for its parameters in the driver's own form."""
        ...

    def among(self, column: str) -> str:
        """Return the condition that a column has one of many values, which `many` makes one parameter."""
        ...

    def many(self, values: Sequence[str]) -> Any:
        """Return many values as the parameter of `among`."""
        ...

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT with `?` for its parameters."""
        ...

    def write(self, change: Callable[[Cursor], T], *, durable: bool = True) -> T:
        """Make a change in a transaction and return its result.

        A change that was cut off is made again, so it has to notice if the first attempt was committed after all. One
        that is not `durable` is all or nothing too, and outlives the process; a power failure may take it back until
        the next durable change is committed.
        """
        ...

    def create(self, change: Callable[[Cursor], T]) -> T:
        """Change the schema in a transaction, one process at a time."""
        ...

    def insert(self, cursor: Cursor, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows within a transaction, as fast as the database can."""
        ...

    def snapshot(self) -> AbstractContextManager[Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]]:
        """Yield a `query` that reads every table as of one instant."""
        ...

    def exclusive(self, name: str, *, table: str) -> AbstractContextManager[Callable[[], bool]]:
        """Yield a function that returns whether this block holds the lock of that name among all processes.

        The lock belongs to a table: where schemas have tables of the same name, each has a lock of its own.
        """
        ...

    def tables(self, prefix: str) -> list[str]:
        """Return the names of the tables that begin with a prefix."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


class SqlRecorder(ABC):
    """Records events as rows, and reads them."""

    event_columns: ClassVar[str]
    """The columns of the table of events, and its keys."""

    read_columns: ClassVar[str] = _COLUMNS
    """The columns as they are read."""

    with_text_ids: ClassVar[str] = ""
    """A condition that streams whose ids are no text do not meet, where a database lets such in."""

    def __init__(self, database: Database, prefix: str) -> None:
        self.database = database
        self.prefix = prefix
        self.events_table = table = f"{prefix}_events"
        select = f"SELECT {self.read_columns} FROM {table} WHERE"
        self._epochs = f"{prefix}_epochs"
        self._head = (
            f"SELECT first.id, latest.number, latest.id, (SELECT max(sequence) FROM {table}), {self.read_columns} "
            f"FROM {self._epochs} AS first JOIN {self._epochs} AS latest "
            f"ON first.number = 1 AND latest.number = (SELECT max(number) FROM {self._epochs}) "
            f"LEFT JOIN {table} ON sequence = ?"
        )
        among = database.among("stream_id")
        self._stream = f"{select} kind = ? AND stream_id = ? AND sequence <= ? AND version > ? ORDER BY version LIMIT ?"
        self._streams = f"{select} kind = ? AND {among} AND sequence <= ? ORDER BY stream_id, version"
        self._log = f"{select} sequence > ? AND sequence <= ? ORDER BY sequence LIMIT ?"
        ids = f"SELECT DISTINCT stream_id FROM {table} WHERE kind = ? AND stream_id > ?"
        self._ids = f"{ids}{self.with_text_ids} ORDER BY stream_id LIMIT ?"
        self._ids_up_to = f"{ids} AND stream_id <= ? ORDER BY stream_id LIMIT ?"  # one end, that of the index
        self._nth_id = (
            f"SELECT stream_id FROM {table} WHERE kind = ? AND version = 1 ORDER BY stream_id LIMIT 1 OFFSET ?"
        )

    def ddl(self) -> dict[str, str]:
        """Return a ledger's tables and the statements that create them where they are missing."""
        events = f"CREATE TABLE IF NOT EXISTS {self.events_table} ({self.event_columns})"
        epochs = f"CREATE TABLE IF NOT EXISTS {self._epochs} (number INTEGER PRIMARY KEY, id TEXT NOT NULL)"
        return {self.events_table: events, self._epochs: epochs}

    def first_epoch(self) -> str:
        """Return the statement that begins the first epoch where there is none."""
        return (
            f"INSERT INTO {self._epochs} (number, id) SELECT 1, '{uuid4().hex}' "
            f"WHERE NOT EXISTS (SELECT 1 FROM {self._epochs})"
        )

    def begin_epoch(self) -> None:
        """Begin the next epoch."""
        begin = f"INSERT INTO {self._epochs} (number, id) SELECT max(number) + 1, '{uuid4().hex}' FROM {self._epochs}"
        self.database.write(lambda cursor: cursor.execute(begin))

    # ---- reading

    def stream(self, kind: str, stream_id: str, *, through: int, after: int = 0, limit: int = LAST) -> list[StoredRow]:
        """Return up to `limit` of a stream's rows with a version above `after`, in the order of version."""
        return self.database.query(self._stream, (kind, stream_id, through, after, limit))

    def streams(self, kind: str, stream_ids: Sequence[str], *, through: int) -> list[StoredRow]:
        """Return the rows of several streams, of each in the order of version."""
        return self.database.query(self._streams, (kind, self.database.many(stream_ids), through))

    def log(self, *, after: int, through: int, limit: int) -> list[StoredRow]:
        """Return up to `limit` rows with a sequence above `after`, up to `through`, in the order of sequence."""
        return self.database.query(self._log, (after, through, limit))

    def stream_ids(self, kind: str, within: Partition, *, limit: int) -> list[str]:
        """Return up to `limit` ids of a partition, in their order."""
        if within.up_to is None:
            found = self.database.query(self._ids, (kind, within.after, limit))
        else:
            found = self.database.query(self._ids_up_to, (kind, within.after, within.up_to, limit))
        return [stream_id for (stream_id,) in found if stream_id > within.after]  # escaped text may lie elsewhere

    def nth_id(self, kind: str, offset: int) -> str | None:
        """Return the id with this many others of its kind before it; None if there are not so many."""
        found = self.database.query(self._nth_id, (kind, offset))
        return str(found[0][0]) if found else None

    def count(self, kind: str) -> int:
        """Return the number of streams of a kind."""
        sql = f"SELECT COUNT(*) FROM {self.events_table} WHERE kind = ? AND version = 1"
        ((streams,),) = self.database.query(sql, (kind,))
        return int(streams)

    def last_sequence(self) -> int:
        """Return the highest sequence; 0 in an empty ledger."""
        ((highest,),) = self.database.query(f"SELECT max(sequence) FROM {self.events_table}")
        return int(highest or 0)

    def head(self, at: int) -> Head | None:
        """Return where the ledger stands, with the mark of an event; None if its epochs are gone."""
        for ledger, number, epoch, last, *event in self.database.query(self._head, (at,)):
            mark = "" if event[0] is None else RawEvent._make(event).mark
            return Head(ledger, f"{number}-{epoch}", int(last or 0), mark)
        return None

    def kinds(self, *, through: int) -> dict[str, int]:
        """Return the number of events of each kind of stream."""
        sql = f"SELECT kind, COUNT(*) FROM {self.events_table} WHERE sequence <= ? GROUP BY kind ORDER BY kind"
        return {str(kind): int(events) for kind, events in self.database.query(sql, (through,))}

    @abstractmethod
    def counter(self) -> Counter:
        """Return the last sequence that the database has given out."""

    # ---- writing

    @abstractmethod
    def within(self, connection: object) -> "SqlRecorder":
        """Return a recorder of the same ledger that works in the transaction of a connection of the caller's."""

    @abstractmethod
    def insert(self, make: Callable[[], Batch], *, ordered: bool) -> tuple[Batch, list[int]]:
        """Insert at least one event in a transaction of its own, all or none, and return them with their sequences.

        `ordered`: `make` is called when no other save can come before this one any more; again if it is cut off. Raises
        `IntegrityError` if a version is taken.
        """

    @abstractmethod
    def insert_within(self, cursor: Cursor, events: Sequence[RawEvent]) -> list[int]:
        """Insert at least one event within the transaction of a cursor, and return their sequences."""

    @abstractmethod
    def settle(self) -> None:
        """Wait for the saves under way."""

    @abstractmethod
    def wait_for_events(self) -> AbstractContextManager[Callable[[float], bool]]:
        """Yield a function that waits so many seconds, or until events are recorded, and returns whether they were."""


def views_ddl(prefix: str) -> dict[str, str]:
    """Return the tables that every view store has, and the statements that create them where they are missing."""
    checkpoints, quarantine = f"{prefix}_checkpoints", f"{prefix}_quarantine"
    return {
        checkpoints: f"CREATE TABLE IF NOT EXISTS {checkpoints} ({_CHECKPOINT_COLUMNS})",
        quarantine: f"CREATE TABLE IF NOT EXISTS {quarantine} ({_QUARANTINE_COLUMNS})",
    }


def poller(reading: Callable[[], object], *, interval: float) -> Callable[[float], bool]:
    """Return a function that waits so many seconds, or until a reading changes, and returns whether it did.

    It polls every `interval` seconds; a change between two calls counts at once.
    """
    latest = reading()

    def wait(seconds: float) -> bool:
        nonlocal latest
        before, ends = latest, time.monotonic() + seconds
        while (latest := reading()) == before and time.monotonic() < ends:
            time.sleep(min(interval, seconds))
        return latest != before

    return wait


class Connected(NamedTuple):
    """A database that was reached, and the recorder of events in it."""

    label: str
    database: Database
    recorder: Callable[[Any, str], SqlRecorder]
    """Takes the database and the ledger's name."""


@contextmanager
def library_errors(base: type[Exception]) -> Iterator[None]:
    """Raise a driver's error as the event-sourcing library's error of the same name."""
    try:
        yield
    except base as error:
        for kind in type(error).__mro__:
            named = getattr(persistence, kind.__name__, None)
            if isinstance(named, type) and issubclass(named, persistence.PersistenceError):
                raise named(str(error)) from error
        raise persistence.PersistenceError(str(error)) from error
