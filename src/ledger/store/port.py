"""What the rest of the ledger asks of a database: streams of events, and tables for read models.

Adapters live beside this file; nothing outside the folder knows them.
"""

from collections.abc import Sequence
from typing import Protocol

import attrs

from ledger.events import RecordedEvent

Value = int | str | None
"""What a column of a read model holds. Dates are stored as ISO text: it sorts as they do."""

Row = Sequence[Value]


@attrs.frozen
class Statement:
    """One SQL statement with `?` for its parameters, run once for each row of them."""

    sql: str
    rows: Sequence[Row]


class Tables(Protocol):
    """Tables of read models, each with a checkpoint: the sequence up to which it has taken in the ledger."""

    prefix: str
    """What the names of this ledger's tables begin with, so that several ledgers can share a database."""

    def create(self, view: str, statements: Sequence[str]) -> None:
        """Create a view's tables and indexes where they are missing; safe in several processes at once."""
        ...

    def checkpoint(self, view: str) -> int:
        """Return the sequence that the view has reached; 0 if it has none."""
        ...

    def advance(self, view: str, *, expected: int, reached: int, changes: Sequence[Statement]) -> bool:
        """Apply the changes and move the checkpoint, both or neither; False if it was not `expected` any more."""
        ...

    def reset(self, view: str, *, changes: Sequence[Statement]) -> None:
        """Apply the changes and forget the checkpoint, both or neither."""
        ...

    def query(self, sql: str, parameters: Row = ()) -> list[tuple[Value, ...]]:
        """Return the rows that a SELECT with `?` for its parameters yields."""
        ...


class Store(Protocol):
    """The streams of a ledger's plans, and its read-model tables."""

    tables: Tables

    def append(self, events: Sequence[RecordedEvent]) -> tuple[RecordedEvent, ...]:
        """Record the events, all or none, and return them with their sequences.

        Raises `ConcurrentChange` if a version is taken, `StoreUnavailable` if the database does not answer.
        """
        ...

    def history(self, plan_id: str) -> list[RecordedEvent]:
        """Return a plan's events, oldest first; empty if there is no such plan."""
        ...

    def events(self, *, after: int, limit: int) -> list[RecordedEvent]:
        """Return up to `limit` events of the ledger with a sequence above `after`, in the order of sequence."""
        ...

    def last_sequence(self) -> int:
        """Return the highest sequence in the ledger; 0 if it is empty."""
        ...

    def close(self) -> None:
        """Release connections; the store cannot be used afterwards."""
        ...
