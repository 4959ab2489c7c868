"""The store of views: a generation's checkpoint moves in the transaction that changes its rows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import starmap
from typing import Any

import attrs

from ledger.store.errors import unavailable
from ledger.store.port import OWN_TABLES, Generation, Insert, Quarantined, Query, TableChange, Value, Values, dropped
from ledger.store.sql import Cursor, Database

_CHECKPOINT = (
    "projection, generation, version, definition, sequence, live, filled, target, quarantined, ledger, epoch, mark"
)


class _NotPromotedError(Exception):
    """Rolls a promotion back."""


class SqlViewStore:
    """A `ViewStore` of one ledger in one database."""

    def __init__(self, label: str, prefix: str, database: Database) -> None:
        self.label = label
        self.prefix = prefix
        self.text = database.text
        self._database = database
        self._checkpoints = f"{prefix}_checkpoints"
        self._quarantine = f"{prefix}_quarantine"

    # ---- generations

    def generations(self, projection: str | None = None) -> list[Generation]:
        """Return the generations of one projection, or of all, by projection and number."""
        where, parameters = ("", ()) if projection is None else (" WHERE projection = ?", (projection,))
        sql = f"SELECT {_CHECKPOINT} FROM {self._checkpoints}{where} ORDER BY projection, generation"
        with unavailable(self.label):
            return list(starmap(_generation, self._database.query(sql, parameters)))

    def checkpoint(self, generation: Generation, query: Query) -> Generation:
        """Return a generation as `query` sees it. Raises `StoreUnavailable` if it has been dropped."""
        sql = f"SELECT {_CHECKPOINT} FROM {self._checkpoints} WHERE projection = ? AND generation = ?"
        for row in query(sql, (generation.projection, generation.number)):
            return _generation(*row)
        raise dropped(generation)

    def create(self, generation: Generation, statements: Sequence[str]) -> None:
        """Create a generation's checkpoint at 0, and its tables and indexes, where they are missing.

        Tables without a checkpoint, which somebody has taken away, are dropped first.
        """
        begin = (
            f"INSERT INTO {self._checkpoints} (projection, generation, version, definition, ledger, epoch) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (projection, generation) DO NOTHING RETURNING generation"
        )
        one = generation
        key = one.projection, one.number, one.version, one.definition, one.ledger, one.epoch
        left = self._tables(generation)

        def change(cursor: Cursor) -> None:
            cursor.execute(self._database.sql(begin), key)
            dropped = left if cursor.fetchall() else ()
            for statement in (*(f"DROP TABLE IF EXISTS {table}" for table in dropped), *statements):
                cursor.execute(statement)

        with unavailable(self.label):
            self._database.create(change)

    def promote(self, generation: Generation, *, over: Generation | None, last: int) -> bool:
        """Make a generation live, instead of another where there is one; False if that is not to be done."""
        table, key = self._checkpoints, "projection = ? AND generation = ?"
        retire = f"UPDATE {table} SET live = 0 WHERE projection = ? AND live = 1 RETURNING generation, sequence"
        go_live = (
            f"UPDATE {table} SET live = 1 WHERE {key} AND sequence >= ? AND filled = '' "
            f"AND NOT EXISTS (SELECT 1 FROM {table} WHERE projection = ? AND live = 1) RETURNING sequence"
        )

        def change(cursor: Cursor) -> None:
            at_least = 0
            if over is not None:
                cursor.execute(self._database.sql(retire), (over.projection,))
                retired = dict(cursor.fetchall())
                if over.number not in retired or over.number < max(retired):
                    raise _NotPromotedError
                at_least = min(retired[over.number], last)
            projection = generation.projection
            cursor.execute(self._database.sql(go_live), (projection, generation.number, at_least, projection))
            if not cursor.fetchall():
                raise _NotPromotedError

        with unavailable(self.label):
            try:
                self._database.write(change)
            except _NotPromotedError:
                return False
            return True

    def drop(self, generation: Generation) -> None:
        """Drop the tables of a generation that is not live, and its checkpoint."""
        key = generation.projection, generation.number
        where = "WHERE projection = ? AND generation = ?"
        forget = f"DELETE FROM {self._checkpoints} {where} AND live = 0 RETURNING generation"
        tables = self._tables(generation)

        def change(cursor: Cursor) -> None:
            cursor.execute(self._database.sql(forget), key)
            if cursor.fetchall():
                cursor.execute(self._database.sql(f"DELETE FROM {self._quarantine} {where}"), key)
                for table in tables:
                    cursor.execute(f"DROP TABLE IF EXISTS {table}")

        with unavailable(self.label):
            self._database.write(change)

    def _tables(self, generation: Generation) -> list[str]:
        """Return the tables of a generation, and none of a ledger whose name begins like theirs: `books_periods_1`."""
        prefix = f"{self.prefix}_{generation.name}_"
        names = ((name, name.removeprefix(prefix)) for name in self._database.tables(prefix))
        return [name for name, table in names if table not in OWN_TABLES and table.replace("_", "").isalpha()]

    # ---- rows

    def advance(
        self,
        before: Generation,
        after: Generation,
        *,
        changes: Iterable[TableChange],
        quarantine: Sequence[Quarantined] = (),
        release: Sequence[str] = (),
    ) -> bool:
        """Apply the changes and move the checkpoint; False, and nothing done, if it is not at `before` any more."""
        move = (
            f"UPDATE {self._checkpoints} SET sequence = ?, filled = ?, target = ?, mark = ? "
            "WHERE projection = ? AND generation = ? AND sequence = ? AND filled = ? AND live = ? AND quarantined = ? "
            "RETURNING generation"
        )
        key = before.projection, before.number
        moved = after.reached, after.filled, after.target, after.mark
        values = (*moved, *key, before.reached, before.filled, int(before.live), before.quarantined)

        def change(cursor: Cursor) -> bool:
            cursor.execute(self._database.sql(move), values)
            if not cursor.fetchall():
                return False  # from here on there is one writer of this generation at a time
            for one in changes:
                self._apply(cursor, one)
            if quarantine or release:
                self._change_quarantine(cursor, key, quarantine, release)
            return True

        with unavailable(self.label, OverflowError):  # raised for a number that SQLite cannot hold
            return self._database.write(change, durable=False)  # what is lost is derived again

    def _change_quarantine(
        self, cursor: Cursor, key: tuple[str, int], quarantine: Sequence[Quarantined], release: Sequence[str]
    ) -> None:
        table, where = self._quarantine, "WHERE projection = ? AND generation = ?"
        gone = [(*key, plan_id) for plan_id in (*release, *(one.plan_id for one in quarantine))]
        cursor.executemany(self._database.sql(f"DELETE FROM {table} {where} AND plan_id = ?"), gone)
        if quarantine:
            rows = [(*key, *attrs.astuple(one)) for one in quarantine]
            cursor.executemany(self._database.sql(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?)"), rows)
        count = f"SELECT COUNT(*) FROM {table} {where}"
        set_count = f"UPDATE {self._checkpoints} SET quarantined = ({count}) {where}"
        cursor.execute(self._database.sql(set_count), (*key, *key))

    def quarantine(self, generation: Generation, *, limit: int) -> list[Quarantined]:
        """Return up to `limit` quarantined plans of a generation, by plan id."""
        sql = (
            f"SELECT plan_id, version, event, reason FROM {self._quarantine} "
            "WHERE projection = ? AND generation = ? ORDER BY plan_id LIMIT ?"
        )
        with unavailable(self.label):
            rows = self._database.query(sql, (generation.projection, generation.number, limit))
        return [Quarantined(*row) for row in rows]

    def query(self, sql: str, parameters: Values = ()) -> list[tuple[Value, ...]]:
        """Return the rows of a SELECT."""
        with unavailable(self.label):
            return self._database.query(sql, parameters)

    @contextmanager
    def snapshot(self) -> Iterator[Query]:
        """Yield a query that reads every table as of one instant."""
        with unavailable(self.label), self._database.snapshot() as query:
            yield query

    @contextmanager
    def leader_lock(self) -> Iterator[Callable[[], bool]]:
        """Yield a function that returns whether this process leads."""
        with unavailable(self.label), self._database.exclusive(self._checkpoints, table=self._checkpoints) as leads:
            yield leads

    @contextmanager
    def catch_up_lock(self, projection: str) -> Iterator[Callable[[], bool]]:
        """Yield a function that returns whether this process is the one that catches up."""
        name = f"{self.prefix}.{projection}"  # no table, no projection and no ledger has a name with a dot
        with unavailable(self.label), self._database.exclusive(name, table=self._checkpoints) as works:
            yield works

    def _apply(self, cursor: Cursor, change: TableChange) -> None:
        if not change.rows:
            return
        if isinstance(change, Insert):
            self._database.insert(cursor, change.table, change.columns, change.rows)
        else:
            cursor.executemany(self._database.sql(change.sql), change.rows)


def _generation(*columns: Any) -> Generation:
    projection, number, version, definition, reached, live, *rest = columns
    return Generation(projection, number, version, definition, reached, bool(live), *rest)
