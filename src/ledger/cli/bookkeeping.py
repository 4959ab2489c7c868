"""The commands that record: import a book and close the books; and the demo, which does so in a temporary database."""

import tempfile
from datetime import date
from pathlib import Path

from ledger.books.importer import ImportReport, import_book, write_refused
from ledger.books.reader import EXAMPLE, read_book
from ledger.cli import rendering
from ledger.cli.options import AsJson, Day, KeepRefused, Location, progress_bar
from ledger.cli.rendering import counted
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
        print(rendering.to_json({"import": _counts(report), **shown}))
        return
    print(f"The bundled book, in a temporary database. {rendering.report_text(report)}")
    first = report.refused[0]
    print(f"The first refused row is {first.file}, line {first.line}: {first.reason}\n")
    urgent = f"The most urgent of {len(overdue)} overdue plans on {_DEMO_DAY}"
    rendering.print_table(rendering.overdue_table(overdue[:_DEMO_ROWS], title=urgent))
    balances_title = f"The largest of {len(balances)} share balances on {_DEMO_DAY}"
    rendering.print_table(rendering.balances_table(largest, title=balances_title))
    rendering.print_table(rendering.portfolio_table(portfolio, title=f"Portfolio on {_DEMO_DAY}"))
    rendering.print_table(rendering.statement_table(statement, title=f"Statement of plan {_DEMO_PLAN} on {_DEMO_DAY}"))


def import_(
    folder: Path,
    *,
    rejected: Path = Path("rejected.csv"),
    keep_refused: KeepRefused = False,
    json: AsJson = False,
    location: Location,
) -> None:
    """Record a book, a folder of CSV files, in the order of recording.

    Importing the same book again records nothing. Refused rows do not stop the others.

    Parameters
    ----------
    folder
        The folder with plans.csv, payments.csv, reversals.csv and so on.
    rejected
        The file for refused rows, with file, line and reason; not created if there are none.
    keep_refused
        Keep the money of payments whose plan is cancelled, completed, unknown or would be overpaid, as received and not
        applied.
    json
        Print JSON instead of text.
    """
    book = read_book(folder)
    with location.create() as ledger, progress_bar(f"Importing {folder}") as progress:
        report = import_book(ledger, book, keep_refused=keep_refused, progress=progress)
    if report.refused or rejected.exists():  # the rows of an earlier import are out of date
        _write_rejected(rejected, report)
    if json:
        print(rendering.to_json(_counts(report)))
        return
    print(rendering.report_text(report))
    if report.refused:
        print(f"The refused rows are in {rejected}, with the reasons.")


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
        print(rendering.to_json({"through": through, "outcomes": len(events), "plans": plans}))
    else:
        print(f"Closed through {through}: {counted(len(events), 'outcome')} recorded on {counted(plans, 'plan')}.")


def _counts(report: ImportReport) -> dict[str, object]:
    return {
        "recorded": report.recorded,
        "repeated": report.repeated,
        "kept": report.kept,
        "refused": len(report.refused),
        "rejected": report.refused,
    }


def _write_rejected(path: Path, report: ImportReport) -> None:
    try:
        write_refused(path, report.refused)
    except OSError as error:
        expected = f"a file that can be written ({error.strerror}); the rows that were not refused are recorded"
        raise InvalidArgument(argument="--rejected", given=str(path), expected=expected) from None
