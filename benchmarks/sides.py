"""The interface of ours, stock and floor, so that one loop can measure all three."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Side(Protocol):
    """One of the three, in an empty database of its own. Plans are numbered from 0, payments from 1."""

    def seed(self, payments: Sequence[int]) -> None:
        """Open one plan per entry and record as many payments on it, all on time. Never measured."""

    def pay(self, plan: int, number: int) -> int:
        """Load a plan, record its payment `number` durably, on time; return the number of rows written."""

    def read(self) -> int:
        """Read everything stored into plan states (the floor: into tuples); return the number of rows read."""

    def prepare(self, plans: range) -> None:
        """Prepare the bulk import of these plans. Never measured."""

    def import_plans(self, plans: range) -> int:
        """Import the whole histories of new plans, commit by commit as ours; return the number of rows written."""

    def close(self) -> None:
        """Release connections."""


class Credited(NamedTuple):
    """Shares that a book has credited: of the packages, and by promotions."""

    package: int
    bonus: int
