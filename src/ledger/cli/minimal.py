"""The commands of a service that is installed without the extra `cli`: migrate and follow. Standard library only."""

import logging
import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event

from ledger.errors import LedgerError
from ledger.service import Ledger


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `migrate` or `follow` and return the exit code; for other commands name the extra to install."""
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    commands = {"migrate": _migrate, "follow": _follow}
    if unknown or options.command not in commands:
        needed = " ".join(([options.command] if options.command else []) + unknown) or "the command line"
        print(f"error: {needed!r} is not installed; install installment-ledger[cli]", file=sys.stderr)
        return 1
    try:
        commands[options.command](options)
    except LedgerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="installment-ledger",
        description="Create or upgrade a ledger (migrate), or keep its read models caught up (follow).",
        epilog="All other commands come with installment-ledger[cli].",
    )
    parser.add_argument("command", nargs="?", metavar="migrate|follow")
    parser.add_argument("--db", default=os.environ.get("LEDGER_DB", "sqlite:///ledger.db"), help="the database's URL")
    parser.add_argument("--name", default="ledger", help="the ledger in that database")
    parser.add_argument("--views", default=os.environ.get("LEDGER_VIEWS"), help="another database for the read models")
    parser.add_argument("--new-epoch", action="store_true", help="migrate: begin a new epoch, after a restore")
    parser.add_argument("--every", type=float, default=1.0, help="the poll interval of follow, in seconds")
    return parser


def _migrate(options: Namespace) -> None:
    with Ledger.open(options.db, name=options.name, views=options.views) as ledger:
        if options.new_epoch:
            ledger.begin_epoch()
        health = ledger.status()
    print(f"{health.store}: the ledger {options.name!r} has schema version {health.schema}.")


def _follow(options: Namespace) -> None:
    with (
        Ledger.open(options.db, name=options.name, views=options.views, create=False) as ledger,
        stopped_by_signals() as stop,
        log_to_stderr(),
    ):
        ledger.follow(stop=stop, every=options.every)


@contextmanager
def stopped_by_signals() -> Iterator[Event]:
    """Yield an event that SIGINT and SIGTERM set."""
    stop = Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def log_to_stderr() -> Iterator[None]:
    """Write the library's log to standard error."""
    handler, logger = logging.StreamHandler(sys.stderr), logging.getLogger("ledger")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
