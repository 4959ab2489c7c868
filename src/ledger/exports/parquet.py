"""Parquet: the flat rows, typed, in parts of whole plans by ranges of their ids. The only file that knows polars."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import count
from pathlib import Path
from typing import Any

from ledger.errors import InvalidArgument
from ledger.events import PLAN, RECEIPT
from ledger.exports.flat import COLUMNS, Value, rows
from ledger.exports.streams import Stream

_ROWS = 100_000
"""Rows of a part, at least, except the last; a plan is never divided."""

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
    for kind, part in _parts(streams):
        columns = zip(*part, strict=True) if part else ([] for _ in COLUMNS)
        frame = pl.DataFrame(dict(zip(COLUMNS, columns, strict=True)), schema=schema)
        frame.write_parquet(folder / f"{_NAMES[kind]}-{next(numbers[kind]):05}.parquet")


def _parts(streams: Iterable[Stream]) -> Iterator[tuple[str, list[tuple[Value, ...]]]]:
    """Yield the rows of whole streams of one kind, as many as a part takes."""
    kind, part, written = PLAN, list[tuple[Value, ...]](), False
    for stream in streams:
        if part and (len(part) >= _ROWS or stream.kind != kind):
            yield kind, part
            part, written = [], True
        if stream.kind != kind and not written:
            yield kind, part
        kind = stream.kind
        part.extend(rows(stream))
    if part or not written:
        yield kind, part
