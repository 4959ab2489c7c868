"""The commands that simulate a market, and repeat a failure that a simulation has found."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators

from ledger.cli import rendering
from ledger.cli.evidence import could_not_run
from ledger.cli.options import AsJson, Location, UsageError, progress_bar
from ledger.cli.paragraphs import paragraph
from ledger.cli.rendering import counted
from ledger.cli.tables import Column, Table, print_table, width_of_output
from ledger.errors.excerpt import visible
from ledger.testing.simulation import (
    Factory,
    Failure,
    Report,
    Simulated,
    Stream,
    at,
    minimise,
    read_history,
    read_market,
    simulate,
    temporary,
    write_book,
    write_history,
)
from ledger.testing.simulation import replay as repeat
from ledger.testing.simulation.history import check_replaceable

_VERDICTS = ("recorded", "repeated", "refused")

Plans = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=10_000_000))]
Years = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=30))]
PortName = Annotated[str | None, Parameter(name="--ledger")]


def sim(
    *,
    seed: int = 1,
    plans: Plans = 1_000,
    years: Years = 5,
    market: str = "default",
    book: Path | None = None,
    history: Path | None = None,
    ledger: PortName = None,
    json: AsJson = False,
    location: Location,
) -> int:
    """Simulate a market that drives a ledger, and judge every check: a temporary SQLite file, or an empty --db.

    Exit code 0 if every check holds, 1 if one fails: a short history of it is written, which replay repeats; 2 if it
    could not run.

    Parameters
    ----------
    seed
        The same seed gives the same market, on every machine.
    plans
        The number of plans.
    years
        The number of years.
    market
        The parameters: default, published or a TOML file.
    book
        Write the market as a book of CSV files in this new folder; a ledger is driven too only if --db or --ledger
        names one.
    history
        The file for the history of a failure; default: sim-SEED.jsonl.
    ledger
        Another ledger: MODULE:FACTORY, a function that opens an adapter of LedgerPort.
    json
        Print JSON instead of tables.
    """
    to = Path(f"sim-{seed}.jsonl") if history is None else history
    with could_not_run():
        stream = Stream(read_market(market), seed=seed, plans=plans, years=years)
        factory = _factory(ledger, location)
        if book is not None:
            with progress_bar(f"Writing {book}") as progress:
                rows = write_book(stream, book, progress=progress)
            if not json:
                rendering.say(f"{counted(sum(rows.values()), 'row')} of {counted(plans, 'plan')} written to {book}.")
            if ledger is None and not location.stated:
                if json:
                    rendering.print_json({"book": str(book), "rows": rows})
                return 0
        check_replaceable(to)
        with progress_bar("Simulating") as progress:
            simulated = simulate(factory, stream, progress=progress)
        failure, calls = _minimised(simulated, to, temporary if ledger is None else factory)
    if json:
        rendering.print_json({"report": simulated.report, "history": None if failure is None else str(to)})
    else:
        _print(simulated.report)
        if failure is not None:
            where = f"Seed {seed}, step {failure.step}"
            _print_failure(failure, f"{where}; minimised to {counted(calls, 'call')} in {to}.")
    return 0 if failure is None else 1


def replay(file: Path, *, ledger: PortName = None, json: AsJson = False, location: Location) -> int:
    """Repeat a history on an empty ledger: a temporary SQLite file, or --db.

    Exit code 0 if every check holds, 1 if one fails, 2 if the file cannot be used.

    Parameters
    ----------
    file
        A history that sim has written.
    ledger
        Another ledger: MODULE:FACTORY, a function that opens an adapter of LedgerPort.
    json
        Print JSON instead of text.
    """
    with could_not_run():
        entries, recorded = read_history(file)
        error = repeat(_factory(ledger, location), entries)
    failure = None if error is None else Failure.of(error, seed=recorded.seed, step=recorded.step)
    if json:
        rendering.print_json({"calls": len(entries), "failure": failure})
    elif error is None:
        rendering.say(f"{counted(len(entries), 'call')} of {file}: every check holds.")
    else:
        for entry in entries:
            for line in paragraph(visible(str(entry.call)), width=width_of_output(), others="    "):
                print(line)
        _print_failure(Failure.of(error), f"{counted(len(entries), 'call')} of {file}.")
    return 0 if error is None else 1


def _minimised(simulated: Simulated, to: Path, factory: Factory) -> tuple[Failure | None, int]:
    """Write the shortest history of a failure that is found, and return the failure with its number of calls."""
    failure = simulated.report.failure
    if simulated.error is None or failure is None:
        return None, 0
    if sys.stderr.isatty():
        rendering.say("A check has failed; minimising its history …", file=sys.stderr)
    entries, error = minimise(factory, simulated.history, simulated.error)
    shortest = Failure.of(error, seed=failure.seed, step=failure.step)
    write_history(to, entries, shortest)
    return shortest, len(entries)


def _factory(ledger: str | None, location: Any) -> Factory:
    """Return what opens the ledger. Raises `UsageError`."""
    if ledger is None:
        return at(location.url, name=location.name, views=location.views) if location.stated else temporary
    if location.stated:
        raise UsageError("--ledger names a ledger of its own: leave out --db, and LEDGER_DB")
    module, colon, name = ledger.partition(":")
    if not (module and colon and name):
        raise UsageError(f"--ledger is {ledger!r}; expected MODULE:FACTORY")
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` does: an installed command looks elsewhere
    try:
        factory: Factory = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"--ledger {ledger}: {error}") from error
    return factory


# ---- tables


def _print(report: Report) -> None:
    years = counted(report.years, "year")
    title = f"{counted(report.plans, 'plan')}, {years} to {report.last_day}, seed {report.seed}"
    columns = (Column("Calls"), *(Column(verdict.capitalize(), number=True) for verdict in _VERDICTS))
    rows = [(name, *(f"{counts.get(verdict, 0):,}" for verdict in _VERDICTS)) for name, counts in report.calls.items()]
    print_table(Table(title, columns, rows))
    if report.refused:
        refused = [(code, f"{times:,}") for code, times in report.refused.items()]
        print_table(Table("Refused", (Column("Code"), Column("Calls", number=True)), refused))
    print_table(Table("Checks", (Column("Check"), Column("Judged", number=True)), list(_judged(report))))
    for currency, share in report.in_cancelled.items():
        rendering.say(f"Money in cancelled plans: {_percent(share)} of all that was paid in {currency}.")
    rendering.say(f"Digest of calls and verdicts: {report.digest[:16]}.")
    if report.failure is None:
        rendering.say("Every check holds.")


def _judged(report: Report) -> Iterator[tuple[str, str]]:
    yield from ((name, f"{times:,}") for name, times in report.checks.items())
    for name, missing in report.not_run.items():
        yield name, "not run" + (f": lacks {', '.join(missing)}" if missing else "")


def _percent(share: Any) -> str:
    """Return a fraction in percent, rounded to a tenth."""
    tenths = (share.numerator * 2_000 // share.denominator + 1) // 2
    return f"{tenths // 10}.{tenths % 10} %"


def _print_failure(failure: Failure, where: str) -> None:
    facts = {"call": failure.call, "expected": failure.expected, "found": failure.found}
    rendering.say(f"FAILED {failure.check}")
    for name, text in facts.items():
        for line in paragraph(visible(f"{name:<9}{text}"), width=width_of_output(), first="  ", others=" " * 11):
            print(line)
    rendering.say(where)
