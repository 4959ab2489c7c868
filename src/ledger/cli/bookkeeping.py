"""The commands that record: import a book and close the books; and the demo, which does so in a temporary database."""

import os
import sys
import tempfile
from datetime import date
from pathlib import Path

from ledger.books.files import UnusableFile
from ledger.books.importer import ImportReport, import_book
from ledger.books.reader import EXAMPLE, Book, read_book
from ledger.books.rejections import is_rejections, remove_rejections, write_rejections
from ledger.cli import rendering
from ledger.cli.options import AsJson, Day, Interrupted, KeepRefused, LedgerLocation, Location, progress_bar
from ledger.cli.rendering import counted
from ledger.cli.tables import print_table
from ledger.errors import InvalidArgument
from ledger.service import Ledger

_DEMO_DAY = date(2024, 6, 30)
_DEMO_PLAN = "P-00003"
_DEMO_ROWS = 10


def demo(*, json: AsJson = False) -> None:
    """Import the bundled book of 400 plans into a temporary database and show every report.

    Parameters
    ----------
    json
        Print JSON instead of tables.
    """
    with tempfile.TemporaryDirectory() as folder, Ledger.open(f"sqlite:///{folder}/demo.db") as ledger:
        book = read_book(EXAMPLE)
        with progress_bar("Importing the bundled book") as progress:
            report = import_book(ledger, book, progress=progress)
        overdue = ledger.overdue(as_of=_DEMO_DAY)
        balances = ledger.balances(as_of=_DEMO_DAY)
        portfolio = ledger.portfolio(as_of=_DEMO_DAY)
        statement = ledger.statement(_DEMO_PLAN, as_of=_DEMO_DAY)
    largest = sorted(balances, key=lambda row: (-row.shares_credited - row.bonus_credited, row.investor))[:_DEMO_ROWS]
    if json:
        shown = {"overdue": overdue, "balances": largest, "portfolio": portfolio, "statement": statement}
        rendering.print_json({"import": _counts(report), **shown})
        return
    rendering.say(f"The bundled book, in a temporary database. {rendering.report_text(report)}")
    first = next(iter(report.refused))
    rendering.say(f"The first refused row is {first.file}, line {first.line}: {first.reason}")
    rendering.say("")
    urgent = f"The most urgent of {len(overdue)} overdue plans on {_DEMO_DAY}"
    print_table(rendering.overdue_table(overdue[:_DEMO_ROWS], title=urgent))
    balances_title = f"The largest of {len(balances)} share balances on {_DEMO_DAY}"
    print_table(rendering.balances_table(largest, title=balances_title))
    print_table(rendering.portfolio_table(portfolio, title=f"Portfolio on {_DEMO_DAY}"))
    print_table(rendering.statement_table(statement, title=f"Statement of plan {_DEMO_PLAN} on {_DEMO_DAY}"))


def import_(
    folder: Path,
    *,
    rejected: Path = Path("rejected.csv"),
    keep_refused: KeepRefused = False,
    json: AsJson = False,
    location: Location,
) -> int:
    """Record a book, a folder of CSV files, in the order of recording.

    Importing the same book again records nothing. Refused rows do not stop the others. Exit code 1 if rows were
    refused; 2 if a file cannot be used at all, and then nothing is recorded.

    Parameters
    ----------
    folder
        The folder with plans.csv, payments.csv, reversals.csv and so on.
    rejected
        The file for refused rows, with code, plan, reason and the row itself: a new one, or that of an earlier import,
        which is replaced, or removed if no row is refused.
    keep_refused
        Keep the money of payments whose plan is cancelled, completed, unknown or would be overpaid, as received and not
        applied.
    json
        Print JSON instead of text.
    """
    _check_rejected(rejected)
    try:
        with progress_bar(f"Reading {folder}") as progress:
            book = read_book(folder, progress=progress)
    except KeyboardInterrupt:
        raise Interrupted("nothing is recorded yet; run the same import again") from None
    for name in book.not_read:
        rendering.say(f"not read: {name}, which is no file of a book", file=sys.stderr)
    report = _record(location, book, keep_refused=keep_refused, title=f"Recording {folder}")
    _write_rejected(rejected, report)
    if json:
        rendering.print_json(_counts(report))
    else:
        rendering.say(rendering.report_text(report))
        if report.refused:
            rendering.say(f"The refused rows are in {rejected}, with the reasons.")
    return 1 if report.refused else 0


def _record(location: LedgerLocation, book: Book, *, keep_refused: bool, title: str) -> ImportReport:
    """Import a book with a progress bar; an interrupt says how much is kept."""
    processed = 0
    with location.create() as ledger, progress_bar(title) as show:

        def progress(done: int, total: int) -> None:
            nonlocal processed
            processed = max(processed, done)
            show(done, total)

        show(0, len(book.rows))
        try:
            return import_book(ledger, book, keep_refused=keep_refused, progress=progress)
        except KeyboardInterrupt:
            kept = f"{processed:,} of {counted(len(book.rows), 'row')} are processed and kept"
            raise Interrupted(f"{kept}; run the same import again for the rest, it records nothing twice") from None


def _check_rejected(path: Path) -> None:
    """Refuse, before anything is recorded, a file that is not ours to replace."""
    if not path.parent.is_dir():
        raise UnusableFile(argument="--rejected", given=str(path), expected="a file in a folder that exists")
    if os.path.lexists(path) and not is_rejections(path):
        expected = "a new file, or one that an earlier import wrote; nothing was recorded"
        raise UnusableFile(argument="--rejected", given=str(path), expected=expected)


def _write_rejected(path: Path, report: ImportReport) -> None:
    try:
        if report.refused:
            write_rejections(path, report.refused)
        else:
            remove_rejections(path)
    except OSError as error:
        expected = f"a new file that can be written ({error.strerror}); the rows that were not refused are recorded"
        raise InvalidArgument(argument="--rejected", given=str(path), expected=expected) from None


def close(*, through: Day, json: AsJson = False, location: Location) -> None:
    """Record the outcomes that have come due by the end of a day. Optional: no answer depends on it.

    Parameters
    ----------
    through
        The day, such as 2024-06-30.
    json
        Print JSON instead of text.
    """
    with location.open() as ledger, progress_bar(f"Closing through {through}") as progress:
        events = ledger.close_books(through=through, progress=progress)
    plans = len({event.plan_id for event in events})
    if json:
        rendering.print_json({"through": through, "outcomes": len(events), "plans": plans})
    else:
        rendering.say(
            f"Closed through {through}: {counted(len(events), 'outcome')} recorded on {counted(plans, 'plan')}."
        )


def _counts(report: ImportReport) -> dict[str, object]:
    return {
        "recorded": report.recorded,
        "repeated": report.repeated,
        "kept": report.kept,
        "refused": len(report.refused),
        "rejected": list(report.refused),
    }
