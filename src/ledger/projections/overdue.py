"""The overdue list: whom to call, the most urgent first."""

from collections.abc import Iterable
from datetime import date

import attrs

from ledger.money import Money
from ledger.projections.periods import Period


@attrs.frozen(kw_only=True)
class OverdueRow:
    """A plan in grace: one row, however many of its installments are open. Source: RULES.md section 6.

    `number`, `due_on` and the days are those of the installment whose grace ends first; `due_on` is as scheduled.
    `amount_due` is the unpaid part of all that is due. `shares_at_stake` is what a cancellation would forfeit: shares
    and bonuses promised.
    """

    plan_id: str
    investor: str
    partner: str | None
    number: int
    due_on: date
    days_past_due: int
    days_left: int
    grace_ends_on: date
    amount_due: Money
    shares_at_stake: int


def overdue_rows(standing: Iterable[tuple[Period, date]]) -> tuple[OverdueRow, ...]:
    """Return the rows of the plans in grace, by end of grace, then plan id."""
    rows = [row for period, as_of in standing if (row := _row(period, as_of)) is not None]
    return tuple(sorted(rows, key=lambda row: (row.grace_ends_on, row.plan_id)))


def _row(period: Period, as_of: date) -> OverdueRow | None:
    number, due_on = period.overdue_number, period.overdue_due_on
    if number is None or due_on is None or period.overdue_since is None or period.grace_ends_on is None:
        return None
    return OverdueRow(
        plan_id=period.plan_id,
        investor=period.investor,
        partner=period.partner,
        number=number,
        due_on=due_on,
        days_past_due=(as_of - period.overdue_since).days,
        days_left=(period.grace_ends_on - as_of).days,
        grace_ends_on=period.grace_ends_on,
        amount_due=Money(period.amount_due, period.currency),
        shares_at_stake=period.shares_promised + period.bonus_promised,
    )
