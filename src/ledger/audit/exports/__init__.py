"""Exports: the books of a ledger as balanced double entry, in forms that other programs check and add up.

`plan_entries` is the whole accounting: recorded events in, balanced entries out, without the rules. The forms are
hledger and beancount, CSV and JSON Lines, and typed Parquet.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, get_args

import attrs

from ledger.audit.exports.accounts import ACCOUNTS as ACCOUNTS
from ledger.audit.exports.accounts import Amounts as Amounts
from ledger.audit.exports.beancount import beancount
from ledger.audit.exports.entries import Entry as Entry
from ledger.audit.exports.entries import plan_entries as plan_entries
from ledger.audit.exports.entries import receipt_entries as receipt_entries
from ledger.audit.exports.files import write_file, write_folder
from ledger.audit.exports.flat import COLUMNS as COLUMNS
from ledger.audit.exports.flat import csv_text, jsonl_text
from ledger.audit.exports.hledger import hledger
from ledger.audit.exports.parquet import write_parquet
from ledger.audit.exports.streams import Stream as Stream
from ledger.audit.exports.streams import streams as streams
from ledger.dates import Known
from ledger.errors import arguments
from ledger.events import PLAN, RECEIPT
from ledger.store import EventReader
from ledger.telemetry import Progress

Form = Literal["hledger", "beancount", "csv", "jsonl", "parquet"]
"""The forms of an export: a file, or for Parquet a folder."""

_TEXTS: Mapping[str, Callable[[Iterable[Stream]], Iterator[str]]] = {
    "hledger": hledger,
    "beancount": beancount,
    "csv": csv_text,
    "jsonl": jsonl_text,
}


@attrs.frozen
class Exported:
    """The contents of an export: the numbers of plans, receipts and events, and the last sequence of the ledger."""

    plans: int
    receipts: int
    events: int
    through: int


def export(
    reader: EventReader, form: Form, to: Path, *, known_at: Known | None = None, progress: Progress | None = None
) -> Exported:
    """Write a ledger as it is at this moment, or as it was known, to a new file or, for Parquet, to a new folder.

    One stream is in memory at a time, or of Parquet one part. Nothing is left of an export that fails. Raises
    `CorruptHistory` for the first stream that cannot be read, and `InvalidArgument` for another form, for a path that
    exists or cannot be written, and for Parquet without the extra `audit`.
    """
    arguments.one_of("form", form, get_args(Form))
    reader = reader.at(reader.last_sequence())
    counts = {PLAN: 0, RECEIPT: 0}
    events, total = 0, reader.count(kind=PLAN) + reader.count(kind=RECEIPT)

    def counted() -> Iterator[Stream]:
        nonlocal events
        for stream in streams(reader, known_at=known_at):
            counts[stream.kind] += 1
            events += len(stream.entries)
            if progress is not None:
                progress(sum(counts.values()), total)
            yield stream

    if form == "parquet":
        write_folder(to, lambda folder: write_parquet(counted(), folder))
    else:
        write_file(to, _TEXTS[form](counted()))
    return Exported(counts[PLAN], counts[RECEIPT], events, reader.through)
