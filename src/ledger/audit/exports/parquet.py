"""Parquet: the flat rows, typed, in parts of whole plans by ranges of their ids. The only file that knows polars."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from ledger.audit.exports.flat import COLUMNS, Value, rows
from ledger.audit.exports.streams import Stream
from ledger.errors import InvalidArgument
from ledger.events import PLAN, RECEIPT

_ROWS = 50_000
"""Rows of a part, at least, except the last; a plan is never divided."""

_TOGETHER = 5_000
"""Rows that are objects of Python at a time, at least: as columns they take a tenth of the memory."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_NAMES = {PLAN: "plans", RECEIPT: "receipts"}


def _polars() -> Any:
    try:
        import polars as pl  # noqa: PLC0415 - an extra
    except ImportError:
        expected = "a Python with the extra audit: pip install 'installment-ledger[audit]'"
        raise InvalidArgument(argument="parquet", given="no package polars", expected=expected) from None
    return pl


def write_parquet(streams: Iterable[Stream], folder: Path) -> None:
    """Write `plans-00000.parquet`, `plans-00001.parquet`, … and `receipts-00000.parquet`, … into a folder.

    Whole numbers are int64, dates date32, instants timestamps in UTC; all parts have the same columns, and there is
    always one of plans. Raises `InvalidArgument` without the extra `audit`, and `CorruptHistory`.
    """
    pl = _polars()
    types = {int: pl.Int64, str: pl.String, date: pl.Date, datetime: pl.Datetime("us", "UTC")}
    schema = {name: types[kind] for name, kind in COLUMNS.items()}
    numbers = {kind: count() for kind in _NAMES}
    frames: list[Any] = []
    for kind, chunk, last in _chunks(streams):
        columns = dict(zip(COLUMNS, zip(*chunk, strict=True) if chunk else ([] for _ in COLUMNS), strict=True))
        columns["recorded_at"] = _microseconds(pl, columns["recorded_at"])
        frames.append(pl.DataFrame(columns, schema=schema))
        if last or sum(map(len, frames)) >= _ROWS:
            pl.concat(frames).write_parquet(folder / f"{_NAMES[kind]}-{next(numbers[kind]):05}.parquet")
            frames.clear()


def _microseconds(pl: Any, instants: Iterable[Any]) -> Any:
    """Return instants as a column of timestamps in UTC: by whole numbers, in a third of the time."""
    passed = [(one - _EPOCH) // _MICROSECOND for one in instants]
    return pl.Series(passed, dtype=pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _chunks(streams: Iterable[Stream]) -> Iterator[tuple[str, list[tuple[Value, ...]], bool]]:
    """Yield the rows of whole streams of one kind, some thousand at a time, and whether they are the last of the kind.

    There is always a chunk of plans.
    """
    kind, chunk = PLAN, list[tuple[Value, ...]]()
    for stream in streams:
        if stream.kind != kind:
            yield kind, chunk, True
            kind, chunk = stream.kind, []
        elif len(chunk) >= _TOGETHER:
            yield kind, chunk, False
            chunk = []
        chunk.extend(rows(stream))
    yield kind, chunk, True
