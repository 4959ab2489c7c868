"""Portfolio totals: by how much the plans of each kind, and their money, change from day to day.

The portfolio of a date is the sum of all days up to it: it costs as many rows as there are days, however many plans.
Sums of money may need more than the 64 bits of a column, so each is kept in two: its thousand millions, and the rest.
"""

from collections.abc import Iterable, Sequence
from operator import sub
from typing import NamedTuple

from ledger.projections.periods import Period
from ledger.projections.projection import Cell

_UNIT = 10**9
"""What a `_high` measure counts: sums of both parts fit into 64 bits for nine thousand million plans."""


class Total(NamedTuple):
    """Plans by status, and their money in minor units; or, of a change, the differences, which may be negative."""

    active: int = 0
    in_grace: int = 0
    cancelled: int = 0
    completed: int = 0
    price: int = 0
    price_in_cancelled: int = 0
    paid: int = 0
    paid_in_cancelled: int = 0

    @property
    def plans(self) -> int:
        """All plans."""
        return self.active + self.in_grace + self.cancelled + self.completed


_MONEY = ("price", "price_in_cancelled", "paid", "paid_in_cancelled")

MEASURES = (*Total._fields, *(f"{measure}_high" for measure in _MONEY))
"""The columns in which a total is kept."""

_NOTHING = [0] * len(MEASURES)


def _parted(total: Total) -> list[int]:
    """Return the measures of a total, or of a difference of totals."""
    *plans, price, in_cancelled, paid, paid_in_cancelled = total
    low = price % _UNIT, in_cancelled % _UNIT, paid % _UNIT, paid_in_cancelled % _UNIT
    return [*plans, *low, price // _UNIT, in_cancelled // _UNIT, paid // _UNIT, paid_in_cancelled // _UNIT]


def joined(sums: Sequence[int]) -> Total:
    """Return the total with these sums of measures."""
    values = dict(zip(MEASURES, sums, strict=True))
    return Total(**{name: values[name] + _UNIT * values.get(f"{name}_high", 0) for name in Total._fields})


def total(period: Period) -> Total:
    """Return what one plan adds to the portfolio."""
    status, price, paid = period.status, period.price, period.paid
    counts = status == "active", status == "in_grace", (cancelled := status == "cancelled"), status == "completed"
    return Total(*counts, price, price if cancelled else 0, paid, paid if cancelled else 0)


def summed(totals: Iterable[Total]) -> Total:
    """Return the sum of totals."""
    return Total(*map(sum, zip(*totals, strict=True)))


def daily_changes(periods: Iterable[Period]) -> dict[tuple[Cell, ...], Sequence[int]]:
    """Return, by time zone, day and currency, by how much one plan with these periods changes the totals."""
    changes: dict[tuple[Cell, ...], Sequence[int]] = {}
    before = _NOTHING
    for period in periods:
        now = _parted(total(period))
        changes[period.timezone, period.from_on, period.currency] = list(map(sub, now, before))
        before = now
    return changes
