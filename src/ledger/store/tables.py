"""Tables of views: a view's checkpoint moves in the transaction that changes its rows."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from eventsourcing.persistence import Tracking

from ledger.store.port import Change, Insert, Query, Row, Value, View
from ledger.store.recording import unavailable
from ledger.store.sql import Cursor, SqlRecorder


class _NotToBeDoneError(Exception):
    """Rolls a transaction back."""


class TrackedTables:
    """`Tables` of one ledger in one database."""

    def __init__(self, label: str, prefix: str, recorder: SqlRecorder) -> None:
        self.prefix = prefix
        self._label = label
        self._recorder = recorder
        self._database = recorder.database
        self._checkpoints = recorder.checkpoints_table

    # ---- views

    def create(self, view: str, statements: Sequence[str]) -> None:
        """Create a view's tables where they are missing, and its checkpoint at 0; the first view is live."""
        table = self._checkpoints
        begin = (
            f"INSERT INTO {table} (view, sequence, live) SELECT ?, 0, "
            f"CASE WHEN EXISTS (SELECT 1 FROM {table} WHERE live = 1) THEN 0 ELSE 1 END WHERE true "
            "ON CONFLICT (view) DO NOTHING"
        )

        def change(cursor: Cursor) -> None:
            cursor.execute(self._database.sql(begin), (view,))
            for statement in statements:
                cursor.execute(statement)

        with unavailable(self._label):
            self._database.create(change)

    def views(self) -> list[View]:
        """Return all views, by name."""
        sql = f"SELECT view, sequence, live, stopped_by, filled, target FROM {self._checkpoints} ORDER BY view"
        with unavailable(self._label):
            rows = self._database.query(sql)
        return [View(name, reached, bool(live), *state) for name, reached, live, *state in rows]

    def take_over(self, view: str, *, of: str, last: int) -> bool:
        """Make a view live instead of another one; False if that is not to be done."""
        table = self._checkpoints
        retire = f"UPDATE {table} SET live = 0 WHERE view = ? AND live = 1 RETURNING sequence"
        go_live = f"UPDATE {table} SET live = 1 WHERE view = ? AND sequence >= ? RETURNING view"

        def change(cursor: Cursor) -> None:
            cursor.execute(self._database.sql(retire), (of,))
            for (reached,) in cursor.fetchall():
                cursor.execute(self._database.sql(go_live), (view, min(reached, last)))
                if cursor.fetchall():
                    return
            raise _NotToBeDoneError

        with unavailable(self._label):
            try:
                self._database.write(change)
            except _NotToBeDoneError:
                return False
            return True

    def remove(self, view: str, *, drop: Sequence[str]) -> None:
        """Drop the tables of a view that is not live, and its checkpoint."""
        forget = f"DELETE FROM {self._checkpoints} WHERE view = ? AND live = 0 RETURNING view"

        def change(cursor: Cursor) -> None:
            cursor.execute(self._database.sql(forget), (view,))
            for statement in drop if cursor.fetchall() else ():
                cursor.execute(statement)

        with unavailable(self._label):
            self._database.write(change)

    # ---- rows

    def checkpoint(self, view: str) -> int:
        """Return the sequence that the view has reached."""
        with unavailable(self._label):
            return self._recorder.max_tracking_id(view) or 0

    def advance(self, view: str, *, expected: int, reached: int, changes: Sequence[Change], filled: str = "") -> bool:
        """Apply the changes and move the checkpoint; False, and nothing done, if it was not `expected` any more."""
        lock = (
            f"UPDATE {self._checkpoints} SET stopped_by = NULL, filled = '', target = 0 "
            "WHERE view = ? AND sequence = ? AND filled = ? RETURNING view"
        )

        def track(cursor: Cursor) -> None:
            self._recorder.track(cursor, Tracking(view, reached))

        return self._move(lock, (view, expected, filled), changes, track)

    def fill(self, view: str, *, expected: str, filled: str, target: int, changes: Sequence[Change]) -> bool:
        """Apply the changes and record up to which plan a view that has reached 0 is filled."""
        lock = (
            f"UPDATE {self._checkpoints} SET stopped_by = NULL, filled = ?, target = ? "
            "WHERE view = ? AND sequence = 0 AND filled = ? RETURNING view"
        )
        return self._move(lock, (filled, target, view, expected), changes, lambda _: None)

    def _move(self, lock: str, where: Row, changes: Sequence[Change], also: Callable[[Cursor], None]) -> bool:
        """Apply the changes if the lock finds its row: from then on there is one writer of this view at a time."""

        def change(cursor: Cursor) -> bool:
            cursor.execute(self._database.sql(lock), where)
            if not cursor.fetchall():
                return False
            for one in changes:
                self._apply(cursor, one)
            also(cursor)
            return True

        with unavailable(self._label):
            return self._database.write(change)

    def stop(self, view: str, *, at: int, reason: str) -> None:
        """Record what the view could not take in after its checkpoint `at`."""
        metadata = f"UPDATE {self._checkpoints} SET stopped_by = ? WHERE view = ? AND sequence = ?"

        def change(cursor: Cursor) -> None:
            cursor.execute(self._database.sql(metadata), (reason, view, at))

        with unavailable(self._label):
            self._database.write(change)

    def query(self, sql: str, parameters: Row = ()) -> list[tuple[Value, ...]]:
        """Return the rows of a SELECT."""
        with unavailable(self._label):
            return self._database.query(sql, parameters)

    @contextmanager
    def snapshot(self) -> Iterator[Query]:
        """Read the tables as they stood at one moment."""
        with unavailable(self._label), self._database.snapshot() as query:
            yield query

    @contextmanager
    def alone(self) -> Iterator[Callable[[], bool]]:
        """Yield whether this process is the only one in such a block."""
        with unavailable(self._label), self._database.alone(self._checkpoints) as alone:
            yield alone

    def _apply(self, cursor: Cursor, change: Change) -> None:
        if not change.rows:
            return
        if isinstance(change, Insert):
            self._database.insert(cursor, change.table, change.columns, change.rows)
        else:
            cursor.executemany(self._database.sql(change.sql), change.rows)
