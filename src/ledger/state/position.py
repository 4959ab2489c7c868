"""Position: a plan on a date, as callers see it."""

from datetime import date

import attrs

from ledger.dates import civil_date
from ledger.events import PlanOpened
from ledger.money import Money
from ledger.state import State, Status


@attrs.frozen(kw_only=True)
class NextInstallment:
    """The oldest unsettled line of a plan; `missing` is the part of its amount that is not yet paid."""

    number: int
    due_on: date
    amount: Money
    shares: int
    missing: Money


@attrs.frozen(kw_only=True)
class Position:
    """A plan on the date `as_of`.

    `shares_*` count the package: credited by installments and the completion tranche, promised by paying on, forfeited
    by a cancellation; together they are the package. `bonus_credited` and `bonus_promised` count promotions. `paid`
    and `outstanding` add up to the price; `unapplied` money is neither. `days_past_due` and `grace_ends_on` are those
    of the open installment whose grace ends first; 0 and None unless the plan is in grace. `next_installment` is None
    when every installment is settled.
    """

    plan_id: str
    investor: str
    partner: str | None
    price: Money
    as_of: date
    status: Status
    paid: Money
    outstanding: Money
    unapplied: Money
    settled: int
    next_installment: NextInstallment | None
    days_past_due: int
    grace_ends_on: date | None
    cancelled_on: date | None
    completed_on: date | None
    shares_credited: int
    shares_promised: int
    shares_forfeited: int
    bonus_credited: int
    bonus_promised: int


def position(plan_id: str, opened: PlanOpened, state: State, as_of: date) -> Position:
    """Return the position of a plan whose state lasts on `as_of`."""
    currency = opened.terms.price.currency
    return Position(
        plan_id=plan_id,
        investor=opened.investor,
        partner=opened.partner,
        price=opened.terms.price,
        as_of=civil_date("as_of", as_of),
        status=state.status,
        paid=Money(state.paid, currency),
        outstanding=Money(opened.terms.price.minor - state.paid, currency),
        unapplied=Money(state.unapplied, currency),
        settled=state.settled,
        next_installment=_next_installment(state, currency),
        days_past_due=(as_of - state.overdue_since).days if state.overdue_since else 0,
        grace_ends_on=state.grace_ends_on,
        cancelled_on=state.cancelled_on,
        completed_on=state.completed_on,
        shares_credited=state.shares_credited,
        shares_promised=state.shares_promised,
        shares_forfeited=state.shares_forfeited,
        bonus_credited=state.bonus_credited,
        bonus_promised=state.bonus_promised,
    )


def _next_installment(state: State, currency: str) -> NextInstallment | None:
    if state.settled == len(state.lines):
        return None
    line = state.lines[state.settled]
    return NextInstallment(
        number=line.number,
        due_on=line.due_on,
        amount=Money(line.amount, currency),
        shares=line.shares,
        missing=Money(state.missing, currency),
    )
