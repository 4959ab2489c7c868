"""What the SQL recorders share: the library's recorder interfaces on three tables, whatever the database.

Of a ledger named `books`: `books_events` (a row per event, with its sequence in the ledger), `books_checkpoints` (how
far each view has read) and the tables of its views. Beside them `installment_ledger_schema` holds versions.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar
from uuid import UUID

from eventsourcing import persistence
from eventsourcing.persistence import IntegrityError, Notification, ProcessRecorder, StoredEvent, Tracking

T = TypeVar("T")

StoredRow = tuple[int, str, int, str, bytes]
"""An event as a row: sequence, plan, version, tag, state."""

LAST = 2**63 - 1
"""No sequence is higher."""

_COLUMNS = "sequence, plan_id, version, tag, state"

_CHECKPOINT_COLUMNS = (
    "view TEXT PRIMARY KEY, sequence BIGINT NOT NULL, live INTEGER NOT NULL DEFAULT 0, stopped_by TEXT, "
    "filled TEXT NOT NULL DEFAULT '', target BIGINT NOT NULL DEFAULT 0"
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

    def sql(self, statement: str) -> Any:
        """Return a statement with `?` for its parameters in the driver's own marks."""
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

    def write(self, change: Callable[[Cursor], T]) -> T:
        """Make a change in a transaction and return what it returns.

        A change that was cut off is made again, so it has to notice if the first time went through after all.
        """
        ...

    def create(self, change: Callable[[Cursor], T]) -> T:
        """Change the schema in a transaction, one process at a time."""
        ...

    def insert(self, cursor: Cursor, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows within a transaction, as fast as the database can."""
        ...

    def snapshot(self) -> AbstractContextManager[Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]]:
        """Yield a `query` that reads everything as it stood at one moment."""
        ...

    def alone(self, name: str) -> AbstractContextManager[Callable[[], bool]]:
        """Yield whether this block is the only one of its name in all processes, to be asked again at any time."""
        ...

    def has_table(self, name: str) -> bool:
        """Tell whether there is such a table."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


class SqlRecorder(ProcessRecorder, ABC):
    """A recorder of events and of how far views have read them; the library's conformance suites run on it."""

    event_columns: ClassVar[str]
    """The columns of the table of events, and its keys."""

    def __init__(self, database: Database, prefix: str) -> None:
        self.database = database
        self.events_table = f"{prefix}_events"
        self.checkpoints_table = f"{prefix}_checkpoints"
        self._stream = f"SELECT {_COLUMNS} FROM {self.events_table} WHERE plan_id = ? ORDER BY version"
        many = self.database.among("plan_id")
        self._streams = (
            f"SELECT {_COLUMNS} FROM {self.events_table} WHERE {many} AND sequence <= ? ORDER BY plan_id, version"
        )
        self._plan_ids = (
            f"SELECT plan_id FROM {self.events_table} WHERE plan_id > ? AND version = 1 ORDER BY plan_id LIMIT ?"
        )
        self._log = f"SELECT {_COLUMNS} FROM {self.events_table} WHERE sequence > ? ORDER BY sequence LIMIT ?"
        self._track = (
            f"INSERT INTO {self.checkpoints_table} AS reached (view, sequence) VALUES (?, ?) ON CONFLICT (view) "
            "DO UPDATE SET sequence = excluded.sequence WHERE reached.sequence < excluded.sequence RETURNING sequence"
        )

    def ddl(self) -> dict[str, str]:
        """Return a ledger's tables and the statements that create them where they are missing."""
        events = f"CREATE TABLE IF NOT EXISTS {self.events_table} ({self.event_columns})"
        return {self.events_table: events, **self.checkpoints_ddl()}

    def checkpoints_ddl(self) -> dict[str, str]:
        """Return what views need, in the ledger's database or in another."""
        table = self.checkpoints_table
        return {table: f"CREATE TABLE IF NOT EXISTS {table} ({_CHECKPOINT_COLUMNS})"}

    # ---- as the ledger reads

    def stream(self, plan_id: str) -> list[StoredRow]:
        """Return a plan's rows in the order of version."""
        return self.database.query(self._stream, (plan_id,))

    def log(self, *, after: int, limit: int) -> list[StoredRow]:
        """Return up to `limit` rows with a sequence above `after`, in the order of sequence."""
        return self.database.query(self._log, (after, limit))

    def streams(self, plan_ids: Sequence[str], *, through: int) -> list[StoredRow]:
        """Return the rows of several plans up to a sequence, of each in the order of version."""
        return self.database.query(self._streams, (self.database.many(plan_ids), through))

    def count_plans(self) -> int:
        """Return the number of plans."""
        ((plans,),) = self.database.query(f"SELECT COUNT(*) FROM {self.events_table} WHERE version = 1")
        return int(plans)

    def plan_ids(self, *, after: str, limit: int) -> list[str]:
        """Return up to `limit` ids of plans above `after`, in their order."""
        return [plan_id for (plan_id,) in self.database.query(self._plan_ids, (after, limit))]

    # ---- as the library writes and reads

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Insert events, with a tracking record if one is given: both or neither. Return their sequences."""
        tracking: Tracking | None = kwargs.get("tracking")
        if not stored_events:
            if tracking is not None:
                self.insert_tracking(tracking)
            return None
        return self._insert(stored_events, tracking)

    @abstractmethod
    def _insert(self, stored_events: Sequence[StoredEvent], tracking: Tracking | None) -> list[int]:
        """Insert at least one event."""

    @abstractmethod
    def news(self) -> AbstractContextManager[Callable[[float], bool]]:
        """Yield a function that waits so many seconds, or until events are recorded, and tells whether they were."""

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return a plan's events."""
        conditions, parameters = ["plan_id = ?"], [str(originator_id)]
        found = self._select(
            conditions,
            parameters,
            [("version > ?", gt), ("version <= ?", lte)],
            order=f"version {'DESC' if desc else 'ASC'}",
            limit=limit,
        )
        return [StoredEvent(plan_id, version, tag, state) for _, plan_id, version, tag, state in found]

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
        conditions, parameters = [], list[Any]()
        if topics:
            conditions.append(f"tag IN ({', '.join('?' for _ in topics)})")
            parameters += topics
        found = self._select(
            conditions,
            parameters,
            [("sequence >= ?" if inclusive_of_start else "sequence > ?", start), ("sequence <= ?", stop)],
            order="sequence",
            limit=limit,
        )
        return [
            Notification(id=sequence, originator_id=plan_id, originator_version=version, topic=tag, state=state)
            for sequence, plan_id, version, tag, state in found
        ]

    def _select(
        self,
        conditions: list[str],
        parameters: list[Any],
        bounds: Sequence[tuple[str, int | None]],
        *,
        order: str,
        limit: int | None,
    ) -> list[tuple[Any, ...]]:
        for condition, bound in bounds:
            if bound is not None:
                conditions.append(condition)
                parameters.append(bound)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        page = "" if limit is None else f" LIMIT {limit:d}"
        return self.database.query(
            f"SELECT {_COLUMNS} FROM {self.events_table}{where} ORDER BY {order}{page}", parameters
        )

    def max_notification_id(self) -> int | None:
        """Return the highest sequence; None in an empty ledger."""
        ((highest,),) = self.database.query(f"SELECT max(sequence) FROM {self.events_table}")
        return highest if isinstance(highest, int) else None

    def insert_tracking(self, tracking: Tracking) -> None:
        """Move a checkpoint on. Raises `IntegrityError` if it is there already, or further."""
        self.database.write(lambda cursor: self.track(cursor, tracking))

    def track(self, cursor: Cursor, tracking: Tracking) -> None:
        """Move a checkpoint on within a transaction."""
        cursor.execute(self.database.sql(self._track), (tracking.application_name, tracking.notification_id))
        if not cursor.fetchall():
            raise IntegrityError(f"{tracking.application_name} has reached {tracking.notification_id} before")

    def max_tracking_id(self, application_name: str) -> int | None:
        """Return how far a view has read; None if it has not begun."""
        sql = f"SELECT sequence FROM {self.checkpoints_table} WHERE view = ?"
        found = self.database.query(sql, (application_name,))
        return int(found[0][0]) if found else None


def poller(reading: Callable[[], object], *, interval: float) -> Callable[[float], bool]:
    """Return a function that waits so many seconds, or until a reading changes, and tells whether it did.

    It looks every `interval` seconds, and what has changed between two calls it tells at once.
    """
    seen = reading()

    def wait(seconds: float) -> bool:
        nonlocal seen
        before, ends = seen, time.monotonic() + seconds
        while (seen := reading()) == before and time.monotonic() < ends:
            time.sleep(min(interval, seconds))
        return seen != before

    return wait


class Connected(NamedTuple):
    """A database that was reached, and how events are recorded in it."""

    label: str
    database: Database
    recorder: Callable[[Any, str], SqlRecorder]
    """Takes the database and the ledger's name."""


@contextmanager
def as_the_librarys(base: type[Exception]) -> Iterator[None]:
    """Raise a driver's error as the library's error of the same name."""
    try:
        yield
    except base as error:
        for kind in type(error).__mro__:
            named = getattr(persistence, kind.__name__, None)
            if isinstance(named, type) and issubclass(named, persistence.PersistenceError):
                raise named(str(error)) from error
        raise persistence.PersistenceError(str(error)) from error
