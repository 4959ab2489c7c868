"""Totals: how many plans and how much money begin or cease to stand somewhere, day by day.

The portfolio of a date is the sum of all days up to it: it costs as many rows as there are days, however many plans.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from ledger.projections.periods import Period


class Total(NamedTuple):
    """Plans by where they stand, and their money in minor units; of a change, how much more or less of each."""

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


class Place(NamedTuple):
    """Whose total: the plans in one currency and time zone, on a day."""

    currency: str
    timezone: str
    day: date


def total(period: Period) -> Total:
    """Return what one plan adds to the portfolio."""
    cancelled = period.status == "cancelled"
    return Total(
        active=period.status == "active",
        in_grace=period.status == "in_grace",
        cancelled=cancelled,
        completed=period.status == "completed",
        price=period.price,
        price_in_cancelled=period.price if cancelled else 0,
        paid=period.paid,
        paid_in_cancelled=period.paid if cancelled else 0,
    )


def summed(totals: Iterable[Total]) -> Total:
    """Return the sum of totals."""
    return Total(*map(sum, zip(*totals, strict=True)))


def changes(before: Iterable[Period], after: Iterable[Period]) -> Mapping[Place, Total]:
    """Return, by place, by how much the totals change where plans had periods and have others now."""
    found: dict[Place, list[int]] = defaultdict(lambda: [0] * len(Total._fields))
    for sign, spans in ((-1, before), (1, after)):
        for _, of_plan in groupby(spans, key=attrgetter("plan_id")):
            standing = Total()
            for period in of_plan:
                now = total(period)
                change = found[Place(period.currency, period.timezone, period.from_on)]
                for column, (more, less) in enumerate(zip(now, standing, strict=True)):
                    change[column] += sign * (more - less)
                standing = now
    return {place: Total(*change) for place, change in found.items() if any(change)}
