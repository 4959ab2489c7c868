"""Shared by the steps: the effort of a run, results, sides filled alike, and checks of equality."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from benchmarks.databases import Database
from benchmarks.equal_work import UnequalWork
from benchmarks.ours import Ours
from benchmarks.sides import Side
from benchmarks.stock import Stock

SIDES = ("ours", "stock", "floor")
"""The sides in the order of their turns."""


@dataclass(frozen=True)
class Effort:
    """The effort of a run.

    `rounds` and `payments` (per round, side and writing process, a multiple of the 20 ages of the workload's plans) are
    for the short steps; the long ones have `long_rounds`. In a catch-up, ours and the floor process `plans_caught_up`
    in every round, stock a few of its own. Reads beside writes last `seconds_mixed` a round. Steps on books larger than
    `largest_book` are left out.
    """

    rounds: int
    payments: int
    plans_read: int
    seconds_deriving: float
    long_rounds: int
    plans_imported: int
    plans_caught_up: int
    plans_tracked_by_stock: int
    queries: int
    plans_sealed: int
    plans_checked: int
    plans_mixed: int
    seconds_mixed: float
    largest_book: int


@dataclass(frozen=True)
class Result:
    """Operations per second; None where a side has no such operation."""

    step: str
    ours: float
    stock: float | None = None
    floor: float | None = None
    tail: float | None = None
    """The 99th percentile of the seconds of an operation, as a multiple of the median, where that is measured."""


class NotRun(Exception):
    """A step that cannot be run on this machine, and why."""


@dataclass(frozen=True)
class Opened:
    """The three sides on a database, filled alike."""

    ours: Ours
    stock: Stock
    floor: Side

    def named(self) -> Mapping[str, Side]:
        """Return the sides in the order of their turns."""
        return dict(zip(SIDES, (self.ours, self.stock, self.floor), strict=True))


@contextmanager
def opened(database: Database, payments: Sequence[int]) -> Iterator[Opened]:
    """Open and fill the three sides."""
    with closing(database.ours()) as ours, closing(database.stock()) as stock, closing(database.floor()) as floor:
        sides = Opened(ours, stock, floor)
        for side in sides.named().values():
            side.seed(payments)
        database.settle()
        yield sides


def equal(step: str, quantity: str, *of_sides: object) -> None:
    """Raise `UnequalWork` unless a quantity is the same on all sides."""
    if any(of_side != of_sides[0] for of_side in of_sides):
        raise UnequalWork(f"{step}: {quantity} differ: {', '.join(map(str, of_sides))}")
