"""Phases: a plan's life cut into spans of dates within which nothing about it changes but the distance to the date.

The spans run on past the last fact, into what comes if nothing more happens: the plan becomes overdue, is cancelled.
A question about any date compares dates; no job has to have run.
"""

from datetime import date

import attrs

from ledger.dates import DAY
from ledger.plan import Plan
from ledger.state import State, Status


@attrs.frozen(kw_only=True)
class Phase:
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


def phases(plan: Plan) -> list[Phase]:
    """Return the phases of a plan, from its opening, without gaps; the last one never ends."""
    found: list[Phase] = []
    for step in plan.steps(date.max):
        phase = _phase(plan, step.state)
        if found and found[-1].from_on == phase.from_on:
            found.pop()  # the day went on
        if found and attrs.evolve(phase, from_on=found[-1].from_on, through_on=found[-1].through_on) == found[-1]:
            continue
        found.append(phase)
    ends = [later.from_on - DAY for later in found[1:]]
    return [*(attrs.evolve(phase, through_on=end) for phase, end in zip(found, ends, strict=False)), *found[-1:]]


def _phase(plan: Plan, state: State) -> Phase:
    terms = plan.opened.terms
    return Phase(
        plan_id=plan.plan_id,
        from_on=state.on,
        through_on=date.max,
        investor=plan.opened.investor,
        partner=plan.opened.partner,
        timezone=terms.timezone,
        currency=terms.price.currency,
        price=terms.price.minor,
        status=state.status,
        paid=state.paid,
        overdue_number=state.overdue.number if state.overdue else None,
        overdue_due_on=state.overdue.due_on if state.overdue else None,
        overdue_since=state.overdue_since,
        grace_ends_on=state.grace_ends_on,
        amount_due=state.amount_due,
        shares_credited=state.shares_credited,
        shares_promised=state.shares_promised,
        shares_forfeited=state.shares_forfeited,
        bonus_credited=state.bonus_credited,
        bonus_promised=state.bonus_promised,
    )


def next_due(plan: Plan) -> date | None:
    """Return the day on which the next outcome comes due that closing would record; None if nothing is to come."""
    ahead = (outcome.effective_on for outcome in plan.timeline(date.max).outcomes)
    return min((day for day in ahead if day > plan.horizon), default=None)


def phase_on(plan: Plan, as_of: date) -> Phase | None:
    """Return the phase in which a plan is on a date; None before its opening."""
    if as_of < plan.opened.effective_on:
        return None
    return attrs.evolve(_phase(plan, plan.timeline(as_of).state), from_on=as_of, through_on=as_of)
