"""The program: its options, its commands, its exit codes: 0 done, 1 refused or impossible, 2 usage, 130 interrupted.

A new command is a function in one of the modules beside this one, and its name in `COMMANDS`.
"""

import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Group, Parameter

from ledger.books.files import UnusableFile
from ledger.cli import (
    bookkeeping,
    changes,
    operations,
    queries,
    receipts,
)
from ledger.cli.options import DEFAULT_DB, Interrupted, LedgerLocation, UsageError
from ledger.errors import LedgerError
from ledger.errors.excerpt import sentence

_LOCATION = ("--db", "--name", "--views")
_WITHOUT_LEDGER = ("check-proof", "demo", "preview")
"""Commands that use no ledger of the caller."""

COMMANDS: Mapping[str, Sequence[Callable[..., object] | str]] = {
    "Bookkeeping": (bookkeeping.demo, bookkeeping.import_, bookkeeping.close),
    "Plans": (
        *(changes.open_, changes.pay, changes.reverse, changes.cancel, changes.reinstate),
        changes.preview,
    ),
    "Queries": (
        *(queries.overdue, queries.balances, queries.portfolio),
        *(queries.statement, queries.position, queries.positions, queries.payments, queries.history, queries.events),
    ),
    "Money not applied": (
        receipts.unallocated,
        receipts.receive,
        receipts.allocate,
        receipts.reverse_allocation,
        receipts.return_,
    ),
    "Audit": (
        "ledger.cli.audit:audit",
        "ledger.cli.explain:explain",
        "ledger.cli.restate:restate",
        "ledger.cli.sealing:keygen",
        "ledger.cli.sealing:seal",
        "ledger.cli.sealing:prove",
        "ledger.cli.sealing:check_proof",
        "ledger.cli.exports:export",
        "ledger.cli.reconcile:reconcile",
        "ledger.cli.what_if:what_if",
        "ledger.cli.packs:pack",
        "ledger.cli.packs:import_pack",
        "ledger.cli.report:report",
    ),
    "Testing": ("ledger.cli.simulation:sim", "ledger.cli.simulation:replay"),
    "Operations": (
        *(operations.migrate, operations.follow, operations.rebuild, operations.verify, operations.status),
        operations.backup,
    ),
}
"""All commands, by the group under which `--help` lists them.

One that is named by its place is imported when it is run: no other command waits for the audit or the testing kit.
"""

app = App(
    name="installment-ledger",
    help="The ledger of packages of shares that are bought in installments.",
    version=version("installment-ledger"),
    help_format="plaintext",
    suppress_keyboard_interrupt=False,  # `main` says what was kept
)
for heading, commands in COMMANDS.items():
    group = Group.create_ordered(heading)
    for command in commands:
        app.command(command, group=group)
app.meta.group_parameters = Group.create_ordered("Database")
app.meta.suppress_keyboard_interrupt = False
app["--help"].group = app["--version"].group = Group.create_ordered("Other")


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    db: Annotated[str | None, Parameter(name="--db", env_var="LEDGER_DB", show_default=lambda _: DEFAULT_DB)] = None,
    name: Annotated[str, Parameter(name="--name")] = "ledger",
    views: Annotated[str | None, Parameter(name="--views", env_var="LEDGER_VIEWS")] = None,
) -> Any:
    """Run a command.

    Parameters
    ----------
    db
        The database: sqlite:///PATH, postgresql://user@host/database or memory://.
    name
        The ledger in that database; several can share one.
    views
        Another database for the tables of the read model; default: the ledger's own.
    """
    command, bound, ignored = app.parse_args(tokens, exit_on_error=False, print_error=False)
    if "location" not in ignored:
        return command(*bound.args, **bound.kwargs)
    return command(
        *bound.args, **bound.kwargs, location=LedgerLocation(db or DEFAULT_DB, name, views, stated=db is not None)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: an error is one sentence on standard error, never a traceback."""
    given = sys.argv[1:] if arguments is None else [*arguments]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that knows fewer characters
    try:
        _refuse_location(given)
        if _command(given) is None:
            app.resolved_commands()  # `--help` lists every command with its sentence
        code = app.meta(given, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, UsageError, UnusableFile) as error:
        return _failed(_with_unknown_option(error), 2)
    except LedgerError as error:
        return _failed(error, 1)
    except Interrupted as interrupted:
        print(f"interrupted: {interrupted}", file=sys.stderr)
        return 130
    except KeyboardInterrupt:
        print("interrupted: confirmed work is recorded; run the command again to continue", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of standard output is gone
        return 1
    return code if isinstance(code, int) else 0


def _refuse_location(arguments: Sequence[str]) -> None:
    """Refuse the options of the database for a command that has none: it would seem to work in it."""
    command = next((word for word in arguments if word in _WITHOUT_LEDGER), None)
    located = next((word for word in arguments if word.partition("=")[0] in _LOCATION), None)
    if command is not None and located is not None and _command(arguments) == command:
        raise UsageError(f"{command} takes no {located.partition('=')[0]}: it uses no database of yours")


def _command(arguments: Sequence[str]) -> str | None:
    """Return the command: the first word that is neither an option of the database nor its value."""
    words = iter(arguments)
    for word in words:
        if word in _LOCATION:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


def _with_unknown_option(error: Exception) -> Exception:
    """Return the error; with the unknown option first where one was given instead of the option that is missing."""
    tokens = error.unused_tokens if isinstance(error, CycloptsError) else None
    options = (token for token in tokens or () if token.startswith("--"))
    unknown = next((option for option in options if option not in str(error)), None)
    return error if unknown is None else UsageError(f"Unknown option: {unknown}. {error}")


def _failed(error: Exception, code: int) -> int:
    """Print an error as one line of bounded length, and return the exit code."""
    print(f"error: {sentence(str(error))}", file=sys.stderr)
    return code
