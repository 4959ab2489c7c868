"""Read-model tables beside the events: a view's checkpoint moves in the transaction that changes its rows."""

from collections.abc import Sequence

from eventsourcing.persistence import Tracking

from ledger.store.port import Row, Statement, Value
from ledger.store.recording import unavailable
from ledger.store.sql import Cursor, SqlRecorder


class TrackedTables:
    """`Tables` of one ledger in one database."""

    def __init__(self, label: str, prefix: str, recorder: SqlRecorder) -> None:
        self.prefix = prefix
        self._label = label
        self._recorder = recorder
        self._database = recorder.database

    def create(self, view: str, statements: Sequence[str]) -> None:
        """Create a view's tables where they are missing, and its checkpoint at 0."""
        begin = f"INSERT INTO {self._recorder.checkpoints_table} VALUES (?, 0) ON CONFLICT (view) DO NOTHING"

        def change(cursor: Cursor) -> None:
            cursor.execute(self._database.sql(begin), (view,))
            for statement in statements:
                cursor.execute(statement)

        with unavailable(self._label):
            self._database.create(change)

    def checkpoint(self, view: str) -> int:
        """Return the sequence that the view has reached."""
        with unavailable(self._label):
            return self._recorder.max_tracking_id(view) or 0

    def advance(self, view: str, *, expected: int, reached: int, changes: Sequence[Statement]) -> bool:
        """Apply the changes and move the checkpoint; False, and nothing done, if it was not `expected` any more."""
        table = self._recorder.checkpoints_table
        lock = f"UPDATE {table} SET sequence = sequence WHERE view = ? AND sequence = ? RETURNING sequence"

        def change(cursor: Cursor) -> bool:
            cursor.execute(self._database.sql(lock), (view, expected))  # from here on one writer of this view at a time
            if not cursor.fetchall():
                return False
            self._apply(cursor, changes)
            self._recorder.track(cursor, Tracking(view, reached))
            return True

        with unavailable(self._label):
            return self._database.write(change)

    def reset(self, view: str, *, changes: Sequence[Statement]) -> None:
        """Apply the changes and put the checkpoint back to 0."""
        back = f"UPDATE {self._recorder.checkpoints_table} SET sequence = 0 WHERE view = ?"

        def change(cursor: Cursor) -> None:
            cursor.execute(self._database.sql(back), (view,))
            self._apply(cursor, changes)

        with unavailable(self._label):
            self._database.write(change)

    def query(self, sql: str, parameters: Row = ()) -> list[tuple[Value, ...]]:
        """Return the rows of a SELECT."""
        with unavailable(self._label):
            return self._database.query(sql, parameters)

    def _apply(self, cursor: Cursor, changes: Sequence[Statement]) -> None:
        for change in changes:
            if change.rows:
                cursor.executemany(self._database.sql(change.sql), change.rows)
