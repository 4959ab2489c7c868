"""What is printed: a table with the aims of this release, or JSON."""

import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import NamedTuple

from benchmarks.steps import Result

HEADER = f"{'step':<14}{'ours':>12}{'stock':>12}{'floor':>12}{'ours/stock':>13}{'ours/floor':>13}   aim of this release"


class Aim(NamedTuple):
    """What this release wants of a step: in words, and whether a result reaches it."""

    words: str
    reached: Callable[[Result], bool]


def _times_stock(factor: float) -> Aim:
    return Aim(f"{factor:g} x stock", lambda result: result.ours >= factor * result.stock)


def _under_microseconds(limit: int) -> Aim:
    return Aim(f"under {limit} µs", lambda result: result.ours > 1_000_000 / limit)


AIMS = {
    "pay/sqlite": _times_stock(1.2),
    "pay/postgres": _times_stock(1.2),
    "derive": _under_microseconds(60),
    "read/sqlite": _times_stock(3),
    "read/postgres": _times_stock(3),
}


def row(result: Result) -> str:
    """Return a line of the table."""
    aim = AIMS[result.step]
    return (
        f"{result.step:<14}{result.ours:>12,.0f}{result.stock:>12,.0f}{result.floor:>12,.0f}"
        f"{result.ours / result.stock:>13.2f}{result.ours / result.floor:>13.3f}"
        f"   {aim.words}: {'reached' if aim.reached(result) else 'not reached'}"
    )


def legend(databases: Iterable[str]) -> str:
    """Return what stands below the table: the units, then what was measured with."""
    with_what = [f"Python {platform.python_version()}", f"eventsourcing {version('eventsourcing')}", *databases]
    return (
        "Per second: payments (pay), plans (derive), stored events (read). Only the ratios mean anything.\n"
        f"{', '.join(with_what)}, {os.cpu_count()} CPUs"
    )


def as_json(results: Sequence[Result]) -> str:
    """Return the results as a JSON list, in operations per second."""
    return json.dumps([asdict(result) for result in results], indent=2)
