"""Read-model tables on the library's tracking recorders: the checkpoint is a tracking record beside the rows."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from eventsourcing.persistence import Tracking

from ledger.store.port import Row, Statement, Value
from ledger.store.recording import unavailable


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


class Dialect(Protocol):
    """Where the databases differ."""

    def transaction(self, *, commit: bool) -> AbstractContextManager[Cursor]:
        """Open a transaction that yields a cursor with tuple rows."""
        ...

    def sql(self, statement: str) -> str:
        """Return the statement with the driver's own parameter marks."""
        ...

    def creating(self) -> AbstractContextManager[Cursor]:
        """Open a transaction in which one process at a time creates tables."""
        ...

    def track(self, cursor: Cursor, tracking: Tracking) -> None:
        """Write the tracking record with the library's own recorder."""
        ...

    tracking_table: str


class TrackedTables:
    """`Tables` of one ledger in one database."""

    def __init__(self, label: str, prefix: str, dialect: Dialect) -> None:
        self.prefix = prefix
        self._label = label
        self._dialect = dialect

    def create(self, view: str, statements: Sequence[str]) -> None:
        """Create a view's tables where they are missing, and its checkpoint at 0."""
        begin = f"INSERT INTO {self._dialect.tracking_table} VALUES (?, 0) ON CONFLICT (application_name) DO NOTHING"
        with unavailable(self._label), self._dialect.creating() as cursor:
            cursor.execute(self._dialect.sql(begin), (self._name(view),))  # first: it waits for other writers
            for statement in statements:
                cursor.execute(statement)

    def checkpoint(self, view: str) -> int:
        """Return the sequence that the view has reached."""
        with unavailable(self._label), self._dialect.transaction(commit=False) as cursor:
            return self._reached(cursor, view)

    def advance(self, view: str, *, expected: int, reached: int, changes: Sequence[Statement]) -> bool:
        """Apply the changes and move the checkpoint; False, and nothing done, if it was not `expected` any more."""
        table = self._dialect.tracking_table
        lock = f"UPDATE {table} SET notification_id = notification_id WHERE application_name = ?"
        with unavailable(self._label), self._dialect.transaction(commit=True) as cursor:
            cursor.execute(self._dialect.sql(lock), (self._name(view),))  # one writer of this view at a time
            if self._reached(cursor, view) != expected:
                return False
            self._apply(cursor, changes)
            self._dialect.track(cursor, Tracking(self._name(view), reached))
            return True

    def reset(self, view: str, *, changes: Sequence[Statement]) -> None:
        """Apply the changes and put the checkpoint back to 0."""
        back = f"UPDATE {self._dialect.tracking_table} SET notification_id = 0 WHERE application_name = ?"
        with unavailable(self._label), self._dialect.transaction(commit=True) as cursor:
            cursor.execute(self._dialect.sql(back), (self._name(view),))
            self._apply(cursor, changes)

    def query(self, sql: str, parameters: Row = ()) -> list[tuple[Value, ...]]:
        """Return the rows of a SELECT."""
        with unavailable(self._label), self._dialect.transaction(commit=False) as cursor:
            cursor.execute(self._dialect.sql(sql), tuple(parameters))
            return [tuple(row) for row in cursor.fetchall()]

    def _name(self, view: str) -> str:
        return f"{self.prefix}.{view}"

    def _reached(self, cursor: Cursor, view: str) -> int:
        table = self._dialect.tracking_table
        sql = f"SELECT notification_id FROM {table} WHERE application_name = ?"
        cursor.execute(self._dialect.sql(sql), (self._name(view),))
        rows = cursor.fetchall()
        return int(rows[0][0]) if rows else 0

    def _apply(self, cursor: Cursor, changes: Sequence[Statement]) -> None:
        for change in changes:
            if change.rows:
                cursor.executemany(self._dialect.sql(change.sql), change.rows)
