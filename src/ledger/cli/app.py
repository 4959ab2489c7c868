"""The program: its options, its commands, its exit codes: 0 done, 1 refused or impossible, 2 usage, 130 interrupted.

A new command is a function in `bookkeeping`, `queries`, `receipts` or `operations`, and its name in `COMMANDS`.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Group, Parameter

from ledger.cli import bookkeeping, operations, queries, receipts
from ledger.cli.options import LedgerLocation
from ledger.errors import LedgerError

COMMANDS: Mapping[str, Sequence[Callable[..., object]]] = {
    "Bookkeeping": (bookkeeping.demo, bookkeeping.import_, bookkeeping.close),
    "Queries": (queries.overdue, queries.balances, queries.portfolio, queries.statement),
    "Money not applied": (receipts.unallocated, receipts.receive, receipts.allocate, receipts.return_),
    "Operations": (operations.migrate, operations.follow, operations.rebuild, operations.verify, operations.status),
}
"""All commands, by the group under which `--help` lists them."""

app = App(
    name="installment-ledger",
    help="The ledger of packages of shares that are bought in installments.",
    version=version("installment-ledger"),
    help_format="plaintext",
)
for heading, commands in COMMANDS.items():
    group = Group.create_ordered(heading)
    for command in commands:
        app.command(command, group=group)
app.meta.group_parameters = Group.create_ordered("Database")
app["--help"].group = app["--version"].group = Group.create_ordered("Other")


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
        The ledger in that database; several can share one.
    views
        Another database for the tables of the read model; default: the ledger's own.
    """
    command, bound, ignored = app.parse_args(tokens, exit_on_error=False, print_error=False)
    location = {"location": LedgerLocation(db, name, views)} if "location" in ignored else {}
    return command(*bound.args, **bound.kwargs, **location)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: an error is one sentence on standard error, never a traceback."""
    try:
        code = app.meta(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return 2
    except LedgerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: confirmed work is recorded; run the command again to continue", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of standard output is gone
        return 1
    return code if isinstance(code, int) else 0


def _sentence(error: CycloptsError) -> str:
    return " ".join(str(error).split())
