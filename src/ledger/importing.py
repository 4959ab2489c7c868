"""Importing a book: every row in the order in which it was recorded, some hundreds in a transaction."""

from collections.abc import Sequence

import attrs

from ledger.book import Book, RefusedRow, Row
from ledger.commands import Command, Note
from ledger.errors import LedgerError
from ledger.progress import Progress
from ledger.service import Ledger

_CHUNK = 2_000
"""Rows that are recorded in one transaction."""

_KEPT = 50_000
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
    none. Rows are recorded some hundreds at a time: an import that was cut off can simply be repeated.
    """
    desk, recorded, repeated = ledger.desk(keep=_KEPT), 0, 0
    pending: Sequence[Row] = book.rows
    while True:
        refused: list[tuple[Row, LedgerError]] = []
        news = 0
        for begin in range(0, len(pending), _CHUNK):
            chunk = pending[begin : begin + _CHUNK]
            for row, decided in zip(chunk, desk.execute([_noted(row) for row in chunk]), strict=True):
                if isinstance(decided, LedgerError):
                    refused.append((row, decided))
                else:
                    news, repeated = news + bool(decided), repeated + (not decided)
            if progress is not None:
                progress(len(book.rows) - len(pending) + begin + len(chunk), len(book.rows))
        recorded += news
        pending = [row for row, _ in refused]
        if not news or not pending:
            break
    reasons = [RefusedRow(row.file, row.line, str(error)) for row, error in refused]
    in_order = sorted([*book.malformed, *reasons], key=lambda row: (row.file, row.line))
    return ImportReport(recorded=recorded, repeated=repeated, refused=tuple(in_order))


def _noted(row: Row) -> tuple[Command, Note]:
    return row.command, Note(recorded_at=row.recorded_at, correlation=f"{row.file}:{row.line}")
