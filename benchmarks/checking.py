"""Auditing against programs that check the exported books of the same ledger. Each side is started as a command."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.common import Effort, NotRun, Result
from benchmarks.databases import Databases
from benchmarks.measure import Work, interleaved
from benchmarks.ours import NAME
from benchmarks.workload import paid_before
from ledger.audit.exports import Form, export


class _Checker(NamedTuple):
    form: Form
    command: Sequence[str]
    """The path of the books comes last."""


_CHECKERS: Mapping[str, _Checker] = {
    "hledger": _Checker("hledger", ("hledger", "check", "-f")),
    "beancount": _Checker("beancount", ("bean-check", "--no-cache")),
}


def check(databases: Databases, effort: Effort, *, program: str) -> Result:
    """Audit a ledger, in as many processes as the command takes; in place of stock, a program checks its export.

    The program sees that entries balance and that their sums are those asserted; it derives nothing. Raises `NotRun`
    where it is not installed.
    """
    step, (form, command) = f"check/{program}", _CHECKERS[program]
    if shutil.which(command[0]) is None:
        raise NotRun(f"{command[0]} is not installed")
    database = databases.open("sqlite", f"check-{program}")
    with closing(database.ours()) as ours, TemporaryDirectory() as folder:
        ours.seed([paid_before(plan) for plan in range(effort.plans_checked)])
        database.settle()
        books = Path(folder) / f"books.{form}"
        events = export(ours.reader(), form, books).events
        audit = (sys.executable, "-m", "ledger", "audit", "--db", ours.url, "--name", NAME)
        turns: dict[str, Work] = {
            "ours": partial(_run, audit, events),
            "stock": partial(_run, (*command, str(books)), events),
        }
        rates = interleaved(turns, rounds=effort.long_rounds)
    return Result(step, rates["ours"], rates["stock"])


def _run(command: Sequence[str], events: int, _round: int) -> int:
    """Run a command that has to succeed; return the number of events that it has checked."""
    subprocess.run(command, check=True, capture_output=True)
    return events
