"""The commands for those who run a ledger: migrate, follow, rebuild, verify, status."""

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from ledger.cli import rendering as tables
from ledger.cli.options import AsJson, Db, count, progress_bar
from ledger.readmodel.verification import Verification


def migrate(*, json: AsJson = False, database: Db) -> int:
    """Create the ledger, or bring its tables up to date. Doing it again, or in several places at once, is safe.

    Parameters
    ----------
    json
        Print JSON instead of text.
    """
    with database.create() as ledger:
        health = ledger.status()
    if json:
        print(tables.to_json({"store": health.store, "schema": health.schema}))
    else:
        print(f"{health.store}: the ledger {database.name!r} has schema version {health.schema}.")
    return 0


def follow(*, every: float = 1.0, database: Db) -> int:
    """Keep lists and totals caught up, until it is told to stop by an interrupt or SIGTERM.

    Of several followers one works and the others stand by.

    Parameters
    ----------
    every
        Seconds after which it looks for news at the latest. PostgreSQL tells of them at once.
    """
    with database.open() as ledger, _stopped_by_signals() as stop, _log_to_stderr():
        ledger.follow(stop=stop, every=every)
    return 0


def rebuild(*, json: AsJson = False, database: Db) -> int:
    """Derive lists and totals again, beside those that answer meanwhile. They take over if a replay finds them equal.

    A rebuild that was cut off goes on where it stopped.

    Parameters
    ----------
    json
        Print JSON instead of text.
    """
    with database.open() as ledger, progress_bar("Rebuilding") as progress:
        found = ledger.rebuild(progress=progress)
    return _show(found, "has taken over", "has been removed, and the one before it answers on", json=json)


def verify(*, json: AsJson = False, database: Db) -> int:
    """Compare every row of lists and totals with a replay of the events. Exit code 1 if any differs.

    Parameters
    ----------
    json
        Print JSON instead of text.
    """
    with database.open() as ledger, progress_bar("Verifying") as progress:
        found = ledger.verify(progress=progress)
    return _show(found, "is equal to a replay", "is not to be trusted; rebuild it", json=json)


def _show(found: Verification, well: str, badly: str, *, json: bool) -> int:
    if json:
        print(tables.to_json(found))
    else:
        for difference in found.differences:
            print(difference)
        print(f"View {found.generation}, {count(found.plans, 'plan')} up to {found.reached}: ", end="")
        print(badly if found.differences else well, end=".\n")
    return 1 if found.differences else 0


def status(*, max_lag: int | None = None, json: AsJson = False, database: Db) -> int:
    """Show the schema, the last sequence and how far each view has read. Exit code 1 if somebody should look at it.

    Parameters
    ----------
    max_lag
        How far the live view may be behind, in sequences; default: any distance, as lists catch up when they are asked.
    json
        Print JSON instead of text.
    """
    with database.open() as ledger:
        health = ledger.status(max_lag=max_lag)
    if json:
        print(tables.to_json(health))
    else:
        print(f"{health.store}: schema version {health.schema}, last sequence {health.last_sequence:,}.")
        for view in health.read_models:
            state = "live" if view.live else "not live"
            print(f"View {view.name}: {state}, read up to {view.reached:,}, {view.lag:,} behind.")
        for problem in health.problems:
            print(problem)
    return 1 if health.problems else 0


@contextmanager
def _stopped_by_signals() -> Iterator[Event]:
    """Yield an event that SIGINT and SIGTERM set."""
    stop = Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _log_to_stderr() -> Iterator[None]:
    """Tell on standard error what the library logs."""
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
