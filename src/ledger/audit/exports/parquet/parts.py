"""The parts: pages of streams become frames, and frames the files of a folder."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from ledger.audit.exports.flat import COLUMNS, rows
from ledger.audit.exports.parquet.plain import SCHEMA, plain_plans
from ledger.audit.exports.streams import Stream, stream_of
from ledger.dates import Known
from ledger.events import PLAN
from ledger.replay import id_pages
from ledger.store import EventReader

_ROWS = 50_000
"""Rows of a part, at least, except the last; a plan is never divided."""

_PAGE = 500
"""Streams that are in memory at a time."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def frames(reader: EventReader, *, kind: str, known_at: Known | None) -> Iterator[pl.DataFrame]:
    """Yield the rows of the streams of a kind as they were known, by id, a page of streams at a time.

    Raises `CorruptHistory` for the first stream that cannot be read.
    """
    for ids in id_pages(reader, kind=kind, page=_PAGE):
        found = reader.raw_histories(ids, kind=kind)
        plain = plain_plans(found, reader.decode) if kind == PLAN and known_at is None else _frame(())
        done = {*plain["stream_id"].unique()}
        others = (stream_of(reader, kind, found[one], known_at) for one in ids if one not in done)
        rest = _frame(one for one in others if one is not None)
        yield pl.concat((plain, rest)).sort(pl.col("stream_id").cast(pl.Enum(ids)), maintain_order=True)


def write_parts(frames: Iterable[pl.DataFrame], folder: Path, *, name: str, empty: bool) -> None:
    """Write frames to `plans-00000.parquet`, `plans-00001.parquet` and so on; where all are empty, one part or none."""
    number, pending = 0, [_frame(())]

    def write() -> None:
        pl.concat(pending).write_parquet(folder / f"{name}-{number:05}.parquet")

    for frame in frames:
        pending.append(frame)
        if sum(map(len, pending)) >= _ROWS:
            write()
            number, pending = number + 1, []
    if any(map(len, pending)) or (empty and number == 0):
        write()


def _frame(streams: Iterable[Stream]) -> pl.DataFrame:
    """Return the rows of streams that were decoded."""
    found = [row for stream in streams for row in rows(stream)]
    columns: dict[str, Any] = dict(
        zip(COLUMNS, zip(*found, strict=True) if found else [()] * len(COLUMNS), strict=True)
    )
    columns["recorded_at"] = _microseconds(columns["recorded_at"])
    return pl.DataFrame(columns, schema=SCHEMA)


def _microseconds(instants: Sequence[datetime]) -> pl.Series:
    """Return instants as a column of timestamps in UTC: by whole numbers, in a third of the time."""
    passed = [(one - _EPOCH) // _MICROSECOND for one in instants]
    return pl.Series(passed, dtype=pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
