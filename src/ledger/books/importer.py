"""Importing a book: the rows in the order of recording, thousands in a transaction.

Every row ends as recorded, repeated, or refused with a reason. A row that a rule refuses has the rule's sentence.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain, groupby

import attrs

from ledger.books.external_sort import ExternalSort, chunks
from ledger.books.reader import Book, BookRow, recording_order
from ledger.books.refused_payments import ROWS_PER_TRANSACTION, KeptPayments
from ledger.books.rejections import RefusedRow, file_order
from ledger.command_handler import Decided
from ledger.decide import repeats
from ledger.errors import CorruptHistory, LedgerError, NotFound
from ledger.events import MoneyReceived
from ledger.plan import Plan
from ledger.service import Ledger
from ledger.telemetry import Progress

_PLANS_IN_MEMORY = 5_000
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
    refused: Collection[RefusedRow]


def import_book(
    ledger: Ledger, book: Book, *, keep_refused: bool = False, progress: Progress | None = None
) -> ImportReport:
    """Record every row of a book that the rules allow. Importing it again records nothing.

    A row that was recorded late can revive a plan, so refused rows are offered again, in order, until a pass records
    none. With `keep_refused` the money of payments that are still refused then, since their plan is cancelled,
    completed, unknown or would be overpaid, is kept as received and not applied; a reversal of such a payment takes it
    back. Each transaction is complete in
    itself: an interrupted import is simply repeated.
    """
    handler, kept_payments = ledger.command_handler(keep=_PLANS_IN_MEMORY), KeptPayments(ledger, new=keep_refused)
    pending, repeated = _without_repetitions(ledger, book.rows, progress)
    recorded, done = 0, repeated
    while True:
        refused: ExternalSort[BookRow] = ExternalSort(recording_order)
        reasons: ExternalSort[RefusedRow] = ExternalSort(file_order)
        recorded_before = recorded
        for rows in chunks(pending, ROWS_PER_TRANSACTION):
            commands = [(kept_payments.command(row), row.metadata) for row in rows]
            for row, decided in zip(rows, handler.execute(commands), strict=True):
                if isinstance(decided, LedgerError):
                    refused.add(row)
                    reasons.add(row.refused(decided))
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
    keeping = kept_payments.keep(handler, pending)
    on_receipts = [events[0].event for events in keeping.values() if isinstance(events, tuple) and events]
    kept = sum(isinstance(event, MoneyReceived) for event in on_receipts)
    recorded += len(on_receipts) - kept
    repeated += sum(1 for events in keeping.values() if events == ())
    still_refused: ExternalSort[RefusedRow] = ExternalSort(file_order)
    for row_refused in chain(book.malformed, _not_kept(reasons, keeping)):
        still_refused.add(row_refused)
    return ImportReport(recorded=recorded, repeated=repeated, kept=kept, refused=still_refused)


def _not_kept(refused: Iterable[RefusedRow], keeping: Mapping[tuple[str, int], Decided]) -> Iterator[RefusedRow]:
    """Yield the refused rows whose money is not kept, with the reason why it cannot be where that was tried."""
    for row in refused:
        kept = keeping.get((row.file, row.line))
        if kept is None:
            yield row
        elif isinstance(kept, LedgerError):
            yield attrs.evolve(row, code=kept.code, reason=str(kept))


def _without_repetitions(
    ledger: Ledger, rows: ExternalSort[BookRow], progress: Progress | None
) -> tuple[ExternalSort[BookRow], int]:
    """Return the rows that the ledger does not hold yet, in the order of recording, and the number of the others.

    Each plan is read once, however its rows are spread over the book: a repeated import costs less than the first.
    """
    if next(ledger.events(limit=1), None) is None:
        return rows, 0
    by_plan: ExternalSort[BookRow] = ExternalSort(_plan_id)
    for row in rows:
        by_plan.add(row)
    remaining: ExternalSort[BookRow] = ExternalSort(recording_order)
    repeated = 0
    for plan_id, of_plan in groupby(by_plan, _plan_id):
        plan = _plan(ledger, plan_id)
        for row in of_plan:
            if plan is not None and repeats(plan, row.command):
                repeated += 1
            else:
                remaining.add(row)
        if progress is not None:
            progress(repeated, len(rows))
    return remaining, repeated


def _plan(ledger: Ledger, plan_id: str) -> Plan | None:
    try:
        return Plan(ledger.history(plan_id))
    except (NotFound, CorruptHistory):
        return None  # its rows are decided, or refused, one by one


def _plan_id(row: BookRow) -> str:
    return row.command.plan_id
