"""Exporting to Parquet, and balances of a date from it: on SQLite."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from benchmarks.common import Effort, Opened, Result, equal, opened
from benchmarks.databases import Databases
from benchmarks.measure import Work, interleaved
from benchmarks.workload import LINES
from ledger.audit.exports import export

_COPIES = 20
"""Copies of the Parquet that are read together: one alone is read in no time."""


def export_parquet(databases: Databases, effort: Effort) -> Result:
    """All stored events, written as double entry to Parquet; the floor fetches the rows."""
    with _filled(databases, effort, "export") as (sides, folder):
        target, events = (folder / f"{number}" for number in count()), sides.floor.read()

        def by_ours(_round: int) -> int:
            return export(sides.ours.reader(), "parquet", next(target)).events

        equal("export/parquet", "events", events, by_ours(0))
        turns: dict[str, Work] = {"ours": by_ours, "floor": lambda _: sides.floor.read()}
        rates = interleaved(turns, rounds=effort.long_rounds)
    return Result("export/parquet", rates["ours"], None, rates["floor"])


def columns(databases: Databases, effort: Effort) -> Result:
    """Balances of all investors on a date, added up from Parquet; stock replays; the floor reads the Parquet."""
    day = LINES[-1].due_on
    with _filled(databases, effort, "columns") as (sides, folder):
        events = export(sides.ours.reader(), "parquet", folder / "books").events
        parts = [*(folder / "books").iterdir()] * _COPIES

        def by_ours(_round: int) -> int:
            frame = pl.scan_parquet(parts).filter(pl.col("effective_on") <= day)
            frame.group_by("investor").agg(pl.sum("credited", "promised", "forfeited", "bonus")).collect()
            return events * _COPIES

        def by_floor(_round: int) -> int:
            return len(pl.read_parquet(parts))

        credited = pl.read_parquet(folder / "books" / "*.parquet").select(pl.sum("credited", "bonus")).row(0)
        equal("columns", "shares credited", credited, tuple(sides.stock.credited(range(effort.plans_read))))
        turns: dict[str, Work] = {"ours": by_ours, "stock": lambda _: sides.stock.read(), "floor": by_floor}
        rates = interleaved(turns, rounds=effort.long_rounds)
    return Result("columns", rates["ours"], rates["stock"], rates["floor"])


@contextmanager
def _filled(databases: Databases, effort: Effort, name: str) -> Iterator[tuple[Opened, Path]]:
    """Open the sides with whole histories, and a folder."""
    histories = [len(LINES)] * effort.plans_read
    with opened(databases.open("sqlite", name), histories) as sides, TemporaryDirectory() as folder:
        yield sides, Path(folder)
