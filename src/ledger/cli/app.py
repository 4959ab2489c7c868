"""The command line. Exit codes: 0 done, 1 refused or impossible, 2 not understood, 130 interrupted."""

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypeVar

from cyclopts import App, CycloptsError, Parameter
from rich.table import Table

from ledger.books.importer import ImportReport, import_book
from ledger.books.reader import EXAMPLE, read_book, write_refused
from ledger.cli import operations
from ledger.cli import rendering as tables
from ledger.cli.options import AsJson, AsOf, Database, Day, Db, KnownAt, count, progress_bar
from ledger.errors import InvalidArgument, LedgerError
from ledger.service import Ledger

Row = TypeVar("Row")

_DEMO_DAY = date(2024, 6, 30)
_DEMO_PLAN = "P-00003"
_DEMO_ROWS = 10

app = App(
    name="installment-ledger",
    help="The ledger of packages of shares that are bought in installments.",
    version=version("installment-ledger"),
    help_format="plaintext",
)
app.meta.group_parameters = "Database"


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    db: Annotated[str, Parameter(name="--db", env_var="LEDGER_DB")] = "sqlite:///ledger.db",
    name: Annotated[str, Parameter(name="--name")] = "ledger",
    views: Annotated[str | None, Parameter(name="--views", env_var="LEDGER_VIEWS")] = None,
) -> Any:
    """Run a command.

    Parameters
    ----------
    db
        The database: sqlite:///PATH, postgresql://user@host/database or memory://.
    name
        The ledger in it; several can share a database.
    views
        Another database for the tables that lists and totals are read from; default: the same.
    """
    command, bound, ignored = app.parse_args(tokens, exit_on_error=False, print_error=False)
    extra = {"database": Database(db, name, views)} if "database" in ignored else {}
    return command(*bound.args, **bound.kwargs, **extra)


@app.command
def demo(*, json: AsJson = False) -> None:
    """Do the whole job on the bundled book of 400 plans, in a temporary database that is removed afterwards.

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
        print(tables.to_json({"import": _counts(report), **shown}))
        return
    out = tables.console()
    out.print(f"The bundled book, in a temporary database. {tables.report_text(report)}")
    first = report.refused[0]
    out.print(f"The first refused row is {first.file}, line {first.line}. {first.reason}\n")
    out.print(
        tables.overdue_table(
            overdue[:_DEMO_ROWS], title=f"The most urgent of {len(overdue)} overdue plans on {_DEMO_DAY}"
        )
    )
    out.print(tables.balances_table(largest, title=f"The largest of {len(balances)} share balances on {_DEMO_DAY}"))
    out.print(tables.portfolio_table(portfolio, title="The portfolio"))
    out.print(tables.statement_table(statement, title=f"The story of plan {_DEMO_PLAN}"))


@app.command(name="import")
def import_(folder: Path, *, rejected: Path = Path("rejected.csv"), json: AsJson = False, database: Db) -> None:
    """Record a book: plans.csv, payments.csv, reversals.csv and so on, in the order in which rows were recorded.

    Importing the same book again records nothing. Rows that are refused do not stop the others.

    Parameters
    ----------
    folder
        The folder with the files.
    rejected
        Where refused rows go, with file, line and reason. Not created if there are none.
    json
        Print JSON instead of text.
    """
    book = read_book(folder)
    with database.create() as ledger, progress_bar(f"Importing {folder}") as progress:
        report = import_book(ledger, book, progress=progress)
    if report.refused or rejected.exists():  # what an earlier import left there is no longer true
        _write(rejected, report)
    if json:
        print(tables.to_json(_counts(report)))
        return
    print(tables.report_text(report))
    if report.refused:
        print(f"The refused rows are in {rejected}, with their reasons.")


@app.command
def close(*, through: Day, json: AsJson = False, database: Db) -> None:
    """Record the outcomes that have come due by the end of a day. Optional: no answer depends on it.

    Parameters
    ----------
    through
        The day, such as 2024-06-30.
    json
        Print JSON instead of text.
    """
    with database.open() as ledger, progress_bar(f"Closing through {through}") as progress:
        events = ledger.close_books(through=through, progress=progress)
    plans = len({event.plan_id for event in events})
    if json:
        print(tables.to_json({"through": through, "outcomes": len(events), "plans": plans}))
    else:
        print(f"Closed through {through}: {count(len(events), 'outcome')} recorded on {count(plans, 'plan')}.")


@app.command
def overdue(
    *, partner: str | None = None, as_of: AsOf = None, known_at: KnownAt = None, json: AsJson = False, database: Db
) -> None:
    """List the plans in grace, the most urgent first.

    Parameters
    ----------
    partner
        Only the plans of this partner.
    as_of
        The day, such as 2024-06-30; default: today in each plan's time zone.
    known_at
        As the ledger knew it at this instant, such as 2024-06-30T12:00:00+00:00.
    json
        Print JSON instead of a table.
    """
    with database.open() as ledger:
        rows = ledger.overdue(partner=partner, as_of=as_of, known_at=known_at)
    _show(rows, tables.overdue_table, f"{count(len(rows), 'overdue plan')}{_when(as_of, known_at)}", json=json)


@app.command
def balances(
    *, investor: str | None = None, as_of: AsOf = None, known_at: KnownAt = None, json: AsJson = False, database: Db
) -> None:
    """Show what each investor holds, is promised and has lost, in shares.

    Parameters
    ----------
    investor
        Only this investor.
    as_of
        The day, such as 2024-06-30; default: today in each plan's time zone.
    known_at
        As the ledger knew it at this instant, such as 2024-06-30T12:00:00+00:00.
    json
        Print JSON instead of a table.
    """
    with database.open() as ledger:
        rows = ledger.balances(investor=investor, as_of=as_of, known_at=known_at)
    _show(rows, tables.balances_table, f"{count(len(rows), 'share balance')}{_when(as_of, known_at)}", json=json)


@app.command
def portfolio(*, as_of: AsOf = None, known_at: KnownAt = None, json: AsJson = False, database: Db) -> None:
    """Show how many plans are where, and the share of money in cancelled ones.

    Parameters
    ----------
    as_of
        The day, such as 2024-06-30; default: today in each plan's time zone.
    known_at
        As the ledger knew it at this instant, such as 2024-06-30T12:00:00+00:00.
    json
        Print JSON instead of a table.
    """
    with database.open() as ledger:
        rows = ledger.portfolio(as_of=as_of, known_at=known_at)
    _show(rows, tables.portfolio_table, f"The portfolio{_when(as_of, known_at)}", json=json)


@app.command
def statement(plan: str, *, as_of: AsOf = None, known_at: KnownAt = None, json: AsJson = False, database: Db) -> None:
    """Tell a plan's story, line by line, with running balances.

    Parameters
    ----------
    plan
        The plan's id.
    as_of
        The last day, such as 2024-06-30; default: today in the plan's time zone.
    known_at
        As the ledger knew it at this instant, such as 2024-06-30T12:00:00+00:00.
    json
        Print JSON instead of a table.
    """
    with database.open() as ledger:
        lines = ledger.statement(plan, as_of=as_of, known_at=known_at)
    _show(lines, tables.statement_table, f"The story of plan {plan}{_when(as_of, known_at)}", json=json)


def _show(rows: Sequence[Row], table: Callable[..., Table], title: str, *, json: bool) -> None:
    if json:
        print(tables.to_json(rows))
    else:
        tables.console().print(table(rows, title=title))


def _when(as_of: date | None, known_at: datetime | None) -> str:
    known = f", as known at {known_at.isoformat()}" if known_at else ""
    return f" on {as_of}{known}" if as_of else f" today{known}"


def _counts(report: ImportReport) -> dict[str, object]:
    return {
        "recorded": report.recorded,
        "repeated": report.repeated,
        "refused": len(report.refused),
        "rejected": report.refused,
    }


def _write(path: Path, report: ImportReport) -> None:
    try:
        write_refused(path, report.refused)
    except OSError as error:
        expected = f"a file that can be written ({error.strerror}); the rows that were not refused are recorded"
        raise InvalidArgument(argument="--rejected", given=str(path), expected=expected) from None


for operation in (
    operations.migrate,
    operations.follow,
    operations.rebuild,
    operations.verify,
    operations.status,
):
    app.command(operation)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: bad input is one sentence on standard error, never a traceback."""
    try:
        code = app.meta(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return 2
    except LedgerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: what was confirmed is recorded; run the command again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone: nobody to tell
        return 1
    return code if isinstance(code, int) else 0


def _sentence(error: CycloptsError) -> str:
    return " ".join(str(error).split())
