"""Periods: a plan's life cut into spans of dates within which nothing about it changes but the distance to the date.

They run on past the last fact, into the future if nothing more happens: the plan becomes overdue, is cancelled. A
question about any date compares dates; no job has to have run.
"""

from datetime import date
from operator import attrgetter
from typing import Any, NamedTuple

from ledger.dates import DAY
from ledger.plan import Plan
from ledger.state import State, Status

_effective_on = attrgetter("effective_on")


class Period(NamedTuple):
    """A plan from `from_on` through `through_on`, inclusive. Money in minor units, shares whole."""

    plan_id: str
    from_on: date
    through_on: date
    investor: str
    partner: str | None
    timezone: str
    currency: str
    price: int
    status: Status
    paid: int
    overdue_number: int | None
    overdue_due_on: date | None
    overdue_since: date | None
    grace_ends_on: date | None
    amount_due: int
    shares_credited: int
    shares_promised: int
    shares_forfeited: int
    bonus_credited: int
    bonus_promised: int


def plan_periods(plan: Plan) -> tuple[list[Period], date | None]:
    """Return a plan's periods, and the day on which the next outcome comes due that closing would record, if any.

    The periods follow each other from the opening on without gaps; the last one never ends.
    """
    changes: list[tuple[date, tuple[Any, ...]]] = []
    due_on: date | None = None
    for step in plan.steps(date.max):
        figures, on = _figures(step.state), step.state.on
        if changes and changes[-1][0] == on:
            changes.pop()  # another step on the same day
        if not changes or changes[-1][1] != figures:
            changes.append((on, figures))
        if due_on is None:
            due_on = min((day for day in map(_effective_on, step.outcomes) if day > plan.horizon), default=None)
    ends = [*(later - DAY for later, _ in changes[1:]), date.max]
    fixed = _fixed(plan)
    return [
        Period(plan.plan_id, on, end, *fixed, *figures) for (on, figures), end in zip(changes, ends, strict=True)
    ], due_on


def period_on(plan: Plan, as_of: date) -> Period | None:
    """Return a plan on one date, as a period of that date only; None before its opening."""
    if as_of < plan.opened.effective_on:
        return None
    return Period(plan.plan_id, as_of, as_of, *_fixed(plan), *_figures(plan.timeline(as_of).state))


def _fixed(plan: Plan) -> tuple[Any, ...]:
    """Return the columns that stay the same for as long as there is the plan: `investor` to `price`."""
    opened, terms = plan.opened, plan.opened.terms
    return opened.investor, opened.partner, terms.timezone, terms.price.currency, terms.price.minor


def _figures(state: State) -> tuple[Any, ...]:
    """Return the columns that may change from period to period: `status` to `bonus_promised`."""
    return (
        state.status,
        state.paid,
        state.overdue.number if state.overdue else None,
        state.overdue.due_on if state.overdue else None,
        state.overdue_since,
        state.grace_ends_on,
        state.amount_due,
        state.shares_credited,
        state.shares_promised,
        state.shares_forfeited,
        state.bonus_credited,
        state.bonus_promised,
    )
