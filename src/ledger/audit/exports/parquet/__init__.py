"""Parquet: the flat rows, typed, in parts of whole plans by ranges of their ids. The only room that knows polars."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ledger.dates import Known
from ledger.errors import InvalidArgument
from ledger.events import PLAN, RECEIPT
from ledger.store import EventReader

_NAMES = {PLAN: "plans", RECEIPT: "receipts"}


def write_parquet(
    reader: EventReader, folder: Path, *, known_at: Known | None, taken: Callable[[str, int, int], None]
) -> None:
    """Write `plans-00000.parquet`, `plans-00001.parquet`, … and `receipts-00000.parquet`, … into a folder.

    Whole numbers are int64, dates date32, instants timestamps in UTC; all parts have the same columns, and there is
    always one of plans. `taken` is called for every page of streams, with their kind, their number and that of their
    events. Raises `InvalidArgument` without the extra `audit`, and `CorruptHistory`.
    """
    try:
        import polars  # noqa: F401, ICN001, PLC0415 - an extra, which the modules of this room need
    except ImportError:
        expected = "a Python with the extra audit: pip install 'installment-ledger[audit]'"
        raise InvalidArgument(argument="parquet", given="no package polars", expected=expected) from None
    from ledger.audit.exports.parquet.parts import frames, write_parts  # noqa: PLC0415 - needs polars

    def counted(kind: str) -> Iterator[Any]:
        for frame in frames(reader, kind=kind, known_at=known_at):
            taken(kind, frame["stream_id"].n_unique(), len(frame))
            yield frame

    for kind, name in _NAMES.items():
        write_parts(counted(kind), folder, name=name, empty=kind == PLAN)
