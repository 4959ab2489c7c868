"""What the rest of the ledger asks of a database: streams of events, and tables for read models.

Adapters live beside this file; nothing outside the folder knows them.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import attrs

from ledger.events import RecordedEvent

Value = int | str | None
"""What a column of a read model holds. Dates are stored as ISO text: it sorts as they do."""

Row = Sequence[Value]

Query = Callable[[str, Row], list[tuple[Value, ...]]]
"""Runs a SELECT with `?` for its parameters and returns its rows."""


@attrs.frozen
class Statement:
    """One SQL statement with `?` for its parameters, run once for each row of them."""

    sql: str
    rows: Sequence[Row]


@attrs.frozen
class Insert:
    """Rows for a table, none of which is there yet; the database takes them in as fast as it can."""

    table: str
    columns: Sequence[str]
    rows: Sequence[Row]


Change = Statement | Insert


@attrs.frozen
class View:
    """How far a view has read: up to the sequence `reached`, inclusive.

    The `live` one answers; another is being rebuilt, or was. `stopped_by` says what it could not take in, or is None. A
    view that has reached 0 is filled plan by plan: it has the plans up to the id `filled` as they stood at `target`.
    """

    name: str
    reached: int
    live: bool
    stopped_by: str | None
    filled: str = ""
    target: int = 0


class Tables(Protocol):
    """Tables of views, each with a checkpoint: the sequence up to which it has taken in the ledger."""

    prefix: str
    """What the names of this ledger's tables begin with, so that several ledgers can share a database."""

    def create(self, view: str, statements: Sequence[str]) -> None:
        """Create a view's tables and indexes where they are missing; safe in several processes at once.

        The first view is live from the beginning.
        """
        ...

    def views(self) -> list[View]:
        """Return all views, by name."""
        ...

    def checkpoint(self, view: str) -> int:
        """Return the sequence that the view has reached; 0 if it has none."""
        ...

    def advance(self, view: str, *, expected: int, reached: int, changes: Sequence[Change], filled: str = "") -> bool:
        """Apply the changes and move the checkpoint, both or neither; False if it was not `expected` any more.

        A view that is being filled advances from the plan up to which it is `filled`, and then is not any more.
        """
        ...

    def fill(self, view: str, *, expected: str, filled: str, target: int, changes: Sequence[Change]) -> bool:
        """Apply the changes and record up to which plan a view that has reached 0 is filled, both or neither.

        Returns False if it was not `expected` any more.
        """
        ...

    def stop(self, view: str, *, at: int, reason: str) -> None:
        """Record what the view could not take in after its checkpoint `at`; the next advance forgets it."""
        ...

    def take_over(self, view: str, *, of: str, last: int) -> bool:
        """Make a view live instead of another one, which then is to be removed.

        Returns False, and nothing is done, if that one is not live, or has read further, up to `last` at most.
        """
        ...

    def remove(self, view: str, *, drop: Sequence[str]) -> None:
        """Drop the tables of a view that is not live, and its checkpoint."""
        ...

    def query(self, sql: str, parameters: Row = ()) -> list[tuple[Value, ...]]:
        """Return the rows that a SELECT with `?` for its parameters yields."""
        ...

    def snapshot(self) -> AbstractContextManager[Query]:
        """Read the tables as they stood at one moment, however long the reading takes."""
        ...

    def alone(self) -> AbstractContextManager[Callable[[], bool]]:
        """Ask to be the only process inside this block, and yield whether it is so, to be asked again at any time.

        Whoever is refused may ask in a new block. A process that is killed makes room at once.
        """
        ...


class Store(Protocol):
    """The streams of a ledger's plans, and its tables of views."""

    label: str
    """The database in words."""

    tables: Tables

    def append(self, events: Sequence[RecordedEvent]) -> tuple[RecordedEvent, ...]:
        """Record the events, all or none, and return them with their sequences.

        Raises `ConcurrentChange` if a version is taken, `StoreUnavailable` if the database does not answer.
        """
        ...

    def history(self, plan_id: str) -> list[RecordedEvent]:
        """Return a plan's events, oldest first; empty if there is no such plan."""
        ...

    def histories(self, plan_ids: Sequence[str], *, through: int | None = None) -> dict[str, list[RecordedEvent]]:
        """Return the events of several plans, each oldest first, up to a sequence if one is given.

        A plan that is not there has none.
        """
        ...

    def count_plans(self) -> int:
        """Return the number of plans."""
        ...

    def plan_ids(self, *, after: str, limit: int) -> list[str]:
        """Return up to `limit` ids of plans above `after`, in their order."""
        ...

    def events(self, *, after: int, limit: int) -> list[RecordedEvent]:
        """Return up to `limit` events of the ledger with a sequence above `after`, in the order of sequence."""
        ...

    def last_sequence(self) -> int:
        """Return the highest sequence in the ledger; 0 if it is empty."""
        ...

    def schema_version(self) -> int:
        """Return the version of the ledger's tables."""
        ...

    def news(self) -> AbstractContextManager[Callable[[float], bool]]:
        """Yield a function that waits so many seconds, or until events are recorded, and tells whether they were."""
        ...

    def close(self) -> None:
        """Release connections; the store cannot be used afterwards."""
        ...
