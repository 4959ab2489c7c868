"""The commands that operate a ledger: migrate, follow, rebuild, verify, status, backup."""

from pathlib import Path

from ledger.cli import rendering
from ledger.cli.minimal import log_to_stderr, stopped_by_signals
from ledger.cli.options import AsJson, Location, NewEpoch, progress_bar
from ledger.cli.rendering import counted
from ledger.readmodel.verification import Verification
from ledger.store import back_up


def migrate(*, new_epoch: NewEpoch = False, json: AsJson = False, location: Location) -> int:
    """Create the ledger, or upgrade its tables. Safe to repeat, and to run in several processes at once.

    Parameters
    ----------
    new_epoch
        Begin a new epoch, after a restore: read models that were filled before are filled again.
    json
        Print JSON instead of text.
    """
    with location.create() as ledger:
        if new_epoch:
            ledger.begin_epoch()
        health = ledger.status()
    number = int(health.epoch.partition("-")[0])
    if json:
        rendering.print_json({"store": health.store, "schema": health.schema, "epoch": number})
    else:
        epoch = f", and epoch {number} begins" if new_epoch else ""
        rendering.say(f"{health.store}: the ledger {location.name!r} has schema version {health.schema}{epoch}.")
    return 0


def follow(*, every: float = 1.0, location: Location) -> int:
    """Keep the read model caught up until an interrupt or SIGTERM.

    Of several followers one leads and the others stand by.

    Parameters
    ----------
    every
        The poll interval in seconds. On PostgreSQL new events are notified at once.
    """
    with location.open() as ledger, stopped_by_signals() as stop, log_to_stderr():
        ledger.follow(stop=stop, every=every)
    return 0


def rebuild(*, json: AsJson = False, location: Location) -> int:
    """Build the next generation of the read model; promote it if it verifies. The live one answers meanwhile.

    An interrupted rebuild resumes where it stopped.

    Parameters
    ----------
    json
        Print JSON instead of text.
    """
    with location.open() as ledger, progress_bar("Rebuilding") as progress:
        found = ledger.rebuild(progress=progress)
    return _show(found, passed="; now live", failed="; removed, the live one stays", json=json)


def verify(*, json: AsJson = False, location: Location) -> int:
    """Compare every row of the read model with a replay of the events. Exit code 1 if any differs.

    The events themselves are not checked.

    Parameters
    ----------
    json
        Print JSON instead of text.
    """
    with location.open() as ledger, progress_bar("Verifying") as progress:
        found = ledger.verify(progress=progress)
    return _show(
        found, passed="; the events themselves are not checked", failed="; audit the ledger, then rebuild it", json=json
    )


def _show(found: Verification, *, passed: str, failed: str, json: bool) -> int:
    """Print the result of a verification with its consequence, and return the exit code."""
    if json:
        rendering.print_json(found)
    else:
        for difference in found.differences:
            rendering.say(str(difference))
        verified = f"{found.generation}: {counted(found.plans, 'plan')} verified up to sequence {found.reached:,}"
        differences = counted(len(found.differences), "difference") if found.differences else "no differences"
        rendering.say(f"{verified}, {differences}{failed if found.differences else passed}.")
    return 1 if found.differences else 0


def status(*, max_lag: int | None = None, json: AsJson = False, location: Location) -> int:
    """Show the schema version, the last sequence, the version of the time zones, and the checkpoint of each generation.

    Exit code 1 if there is a problem.

    Parameters
    ----------
    max_lag
        The largest lag, in sequences, that is not a problem; default: any, as queries catch up first.
    json
        Print JSON instead of text.
    """
    with location.open() as ledger:
        health = ledger.status(max_lag=max_lag)
    if json:
        rendering.print_json(health)
    else:
        rendering.say(f"{health.store}: schema version {health.schema}, last sequence {health.last_sequence:,}.")
        number = health.epoch.partition("-")[0]
        rendering.say(f"Ledger {location.name!r}: identity {health.identity}, epoch {number}.")
        rendering.say(f"Time zones: tzdata {health.tzdata}.")
        for one in health.read_models:
            rendering.say(
                f"{one.name}: {'live' if one.live else 'not live'}, checkpoint {one.reached:,}, lag {one.lag:,}."
            )
        for problem in health.problems:
            rendering.say(str(problem))
    return 1 if health.problems else 0


def backup(file: Path, *, json: AsJson = False, location: Location) -> int:
    """Copy an SQLite ledger, while it is in use, to a new file. A copy by other means may lack the latest events.

    For PostgreSQL use pg_dump.

    Parameters
    ----------
    file
        The new file.
    json
        Print JSON instead of text.
    """
    with progress_bar(f"Copying to {file}") as progress:
        copied = back_up(location.url, str(file), progress=progress)
    if json:
        rendering.print_json({"file": str(file), "bytes": copied})
    else:
        rendering.say(f"Copied {copied:,} bytes to {file}. To use it: --db sqlite:///{file}")
    return 0
