"""Importing a book: the rows in the order of recording, thousands in a transaction.

Every row ends as recorded, repeated, or refused with a reason. A row that a rule refuses has the rule's sentence.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import attrs

from ledger.books.external_sort import ExternalSort
from ledger.books.kept import KeptPayments
from ledger.books.reader import Book, BookRow, RefusedRow, recording_order
from ledger.errors import LedgerError
from ledger.service import Ledger
from ledger.telemetry import Progress

_ROWS_PER_TRANSACTION = 2_000

_PLANS_IN_MEMORY = 20_000
"""Each of these plans is loaded and derived once, however many rows it has."""


@attrs.frozen(kw_only=True)
class ImportReport:
    """The numbers of rows recorded and repeated, and the refused rows by file and line.

    `kept` is the number of refused payments whose money was kept as received and not applied; they are not in
    `refused`.
    """

    recorded: int
    repeated: int
    kept: int = 0
    refused: tuple[RefusedRow, ...]


def import_book(
    ledger: Ledger, book: Book, *, keep_refused: bool = False, progress: Progress | None = None
) -> ImportReport:
    """Record every row of a book that the rules allow. Importing it again records nothing.

    A row that was recorded late can revive a plan, so refused rows are offered again, in order, until a pass records
    none. With `keep_refused` the money of payments that are still refused then, since their plan is cancelled,
    completed, unknown or would be overpaid, is kept as received and not applied. Each transaction is complete in
    itself: an interrupted import is simply repeated.
    """
    handler, kept_payments = ledger.command_handler(keep=_PLANS_IN_MEMORY), KeptPayments(ledger, new=keep_refused)
    recorded = repeated = kept = done = 0
    pending = book.rows
    while True:
        refused: ExternalSort[BookRow] = ExternalSort(recording_order)
        reasons: list[RefusedRow] = []
        recorded_before = recorded
        for rows in _chunks(pending):
            commands = [(kept_payments.command(row), row.metadata) for row in rows]
            for row, decided in zip(rows, handler.execute(commands), strict=True):
                if isinstance(decided, LedgerError):
                    refused.add(row)
                    reasons.append(RefusedRow(row.file, row.line, str(decided)))
                    kept_payments.note(row, decided)
                elif decided:
                    recorded += 1
                else:
                    repeated += 1
            if progress is not None:
                done = min(done + len(rows), len(book.rows))
                progress(done, len(book.rows))
        done = len(book.rows) - len(refused)
        pending = refused
        if recorded == recorded_before or not pending:
            break
    still_refused = [*book.malformed]
    keeping = kept_payments.keep(handler, pending)
    for row_refused in reasons:
        events = keeping.get((row_refused.file, row_refused.line))
        if isinstance(events, tuple):
            kept, repeated = (kept + 1, repeated) if events else (kept, repeated + 1)
        else:
            still_refused.append(row_refused if events is None else attrs.evolve(row_refused, reason=str(events)))
    in_order = sorted(still_refused, key=lambda row: (row.file, row.line))
    return ImportReport(recorded=recorded, repeated=repeated, kept=kept, refused=tuple(in_order))


def _chunks(rows: Iterable[BookRow]) -> Iterator[list[BookRow]]:
    remaining = iter(rows)
    while chunk := list(islice(remaining, _ROWS_PER_TRANSACTION)):
        yield chunk


def write_refused(path: Path, refused: Sequence[RefusedRow]) -> None:
    """Write the refused rows to a CSV file with file, line and reason."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "line", "reason"))
        writer.writerows((row.file, row.line, row.reason) for row in refused)
