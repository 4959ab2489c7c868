"""A plan's life as the report counts it: its periods, and the installments that it still has ahead."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date
from operator import attrgetter
from typing import NamedTuple

import attrs

from ledger.plan import Plan
from ledger.projections.periods import Period, plan_periods
from ledger.state import State

_from_on = attrgetter("from_on")


class Change(NamedTuple):
    """Money applied to a plan's installments on a day, in minor units; taken back where negative."""

    on: date
    amount: int


class Ahead(NamedTuple):
    """An installment that is not settled: its unpaid part in minor units, and the shares that it would credit.

    The last one of a plan has the completion tranche and the bonuses promised.
    """

    due_on: date
    amount: int
    shares: int
    bonus: int


@attrs.frozen
class Life:
    """A plan from its opening to the date of the report.

    `periods` follow each other without gaps and end with the one that holds on that date. `scheduled` are the
    installments of the schedule in force that fell due by then, and before a cancellation.
    """

    plan_id: str
    opened_on: date
    periods: tuple[Period, ...]
    scheduled: tuple[Change, ...]
    ahead: tuple[Ahead, ...]

    def on(self, day: date) -> Period | None:
        """Return the period that holds on a day; None before the opening."""
        index = bisect_right(self.periods, day, key=_from_on)
        return self.periods[index - 1] if index else None

    def days_past_due(self, day: date) -> int:
        """Return the days past due on a day: 0 unless the plan is in grace then."""
        period = self.on(day)
        return (day - period.overdue_since).days if period is not None and period.overdue_since else 0

    def collected(self) -> Iterator[Change]:
        """Yield the money applied day by day."""
        paid = 0
        for period in self.periods:
            if period.paid != paid:
                yield Change(period.from_on, period.paid - paid)
                paid = period.paid


def life(plan: Plan, as_of: date) -> Life | None:
    """Return the life of a plan up to and including a date; None before its opening."""
    opened_on = plan.opened.effective_on
    if as_of < opened_on:
        return None
    state = plan.timeline(as_of).state
    periods, _ = plan_periods(plan)
    return Life(
        plan.plan_id,
        opened_on,
        tuple(period for period in periods if period.from_on <= as_of),
        tuple(_scheduled(state, as_of)),
        tuple(_ahead(state)),
    )


def _scheduled(state: State, as_of: date) -> Iterator[Change]:
    last = min(as_of, state.cancelled_on or as_of)
    return (Change(line.due_on, line.amount) for line in state.lines if line.due_on <= last)


def _ahead(state: State) -> Iterator[Ahead]:
    if state.status not in ("active", "in_grace"):
        return
    lines = state.lines[state.settled :]
    tranche = state.shares_promised - sum(line.shares for line in lines)
    for line in lines:
        last = line is lines[-1]
        amount = state.missing if line is lines[0] else line.amount
        yield Ahead(line.due_on, amount, line.shares + (tranche if last else 0), state.bonus_promised if last else 0)
