"""Periods: a plan's life cut into spans of dates within which nothing about it changes but the distance to the date.

The spans run on past the last fact, into what comes if nothing more happens: the plan becomes overdue, is cancelled.
A question about any date compares dates; no job has to have run.
"""

from collections.abc import Mapping
from datetime import date
from operator import attrgetter
from typing import Any

import attrs

from ledger.dates import DAY
from ledger.plan import Plan
from ledger.state import State, Status

_effective_on = attrgetter("effective_on")


@attrs.frozen(kw_only=True)
class Period:
    """What holds for a plan from `from_on` through `through_on`, inclusive. Money in minor units, shares whole."""

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
    begun: list[tuple[date, Mapping[str, Any]]] = []
    due_on: date | None = None
    for step in plan.steps(date.max):
        standing, on = _standing(step.state), step.state.on
        if begun and begun[-1][0] == on:
            begun.pop()  # the day went on
        if not begun or begun[-1][1] != standing:
            begun.append((on, standing))
        if due_on is None:
            due_on = min((day for day in map(_effective_on, step.outcomes) if day > plan.horizon), default=None)
    ends = [*(later - DAY for later, _ in begun[1:]), date.max]
    return [_period(plan, on, end, standing) for (on, standing), end in zip(begun, ends, strict=True)], due_on


def _standing(state: State) -> dict[str, Any]:
    """Return what of a state a period tells, by the names of its columns."""
    return {
        "status": state.status,
        "paid": state.paid,
        "overdue_number": state.overdue.number if state.overdue else None,
        "overdue_due_on": state.overdue.due_on if state.overdue else None,
        "overdue_since": state.overdue_since,
        "grace_ends_on": state.grace_ends_on,
        "amount_due": state.amount_due,
        "shares_credited": state.shares_credited,
        "shares_promised": state.shares_promised,
        "shares_forfeited": state.shares_forfeited,
        "bonus_credited": state.bonus_credited,
        "bonus_promised": state.bonus_promised,
    }


def _period(plan: Plan, from_on: date, through_on: date, standing: Mapping[str, Any]) -> Period:
    terms = plan.opened.terms
    return Period(
        plan_id=plan.plan_id,
        from_on=from_on,
        through_on=through_on,
        investor=plan.opened.investor,
        partner=plan.opened.partner,
        timezone=terms.timezone,
        currency=terms.price.currency,
        price=terms.price.minor,
        **standing,
    )


def period_on(plan: Plan, as_of: date) -> Period | None:
    """Return the period in which a plan is on a date; None before its opening."""
    if as_of < plan.opened.effective_on:
        return None
    return _period(plan, as_of, as_of, _standing(plan.timeline(as_of).state))
