"""Importing a book: every row in the order in which it was recorded, some thousands in a transaction."""

from collections.abc import Iterable, Iterator
from itertools import islice

import attrs

from ledger.books.external_sort import ExternalSort
from ledger.books.reader import Book, RefusedRow, Row, in_recorded_order
from ledger.commands import Command, Metadata
from ledger.errors import LedgerError
from ledger.service import Ledger
from ledger.telemetry import Progress

_CHUNK = 2_000
"""Rows that are recorded in one transaction."""

_KEPT = 20_000
"""Plans kept at hand: of these, each is loaded and derived once, however many rows it has."""


@attrs.frozen(kw_only=True)
class ImportReport:
    """How many rows were recorded and repeated, and which were refused, by file and line."""

    recorded: int
    repeated: int
    refused: tuple[RefusedRow, ...]


def import_book(ledger: Ledger, book: Book, *, progress: Progress | None = None) -> ImportReport:
    """Record every row of a book that the rules allow. Importing it again records nothing.

    A row that is recorded late can revive a plan, so the refused ones are offered again, in order, until a pass records
    none. Rows are recorded some thousands at a time: an import that was cut off can simply be repeated.
    """
    handler = ledger.command_handler(keep=_KEPT)
    recorded = repeated = done = 0
    pending = book.rows
    while True:
        refused: ExternalSort[Row] = ExternalSort(in_recorded_order)
        reasons: list[RefusedRow] = []
        news = 0
        for rows in _chunks(pending):
            for row, decided in zip(rows, handler.execute([_with_metadata(row) for row in rows]), strict=True):
                if isinstance(decided, LedgerError):
                    refused.add(row)
                    reasons.append(RefusedRow(row.file, row.line, str(decided)))
                else:
                    news, repeated = news + bool(decided), repeated + (not decided)
            if progress is not None:
                done = min(done + len(rows), len(book.rows))
                progress(done, len(book.rows))
        recorded, done = recorded + news, len(book.rows) - len(refused)
        pending = refused
        if not news or not pending:
            break
    in_order = sorted([*book.malformed, *reasons], key=lambda row: (row.file, row.line))
    return ImportReport(recorded=recorded, repeated=repeated, refused=tuple(in_order))


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk


def _with_metadata(row: Row) -> tuple[Command, Metadata]:
    return row.command, Metadata(recorded_at=row.recorded_at, correlation=f"{row.file}:{row.line}")
