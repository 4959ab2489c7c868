"""The overdue list: whom to call, the most urgent first."""

from collections.abc import Iterable
from datetime import date

import attrs

from ledger.money import Money
from ledger.projections.phases import Phase


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


def overdue_rows(standing: Iterable[tuple[Phase, date]]) -> tuple[OverdueRow, ...]:
    """Return the rows of the plans in grace, by end of grace, then plan id."""
    rows = [row for phase, as_of in standing if (row := _row(phase, as_of)) is not None]
    return tuple(sorted(rows, key=lambda row: (row.grace_ends_on, row.plan_id)))


def _row(phase: Phase, as_of: date) -> OverdueRow | None:
    number, due_on = phase.overdue_number, phase.overdue_due_on
    if number is None or due_on is None or phase.overdue_since is None or phase.grace_ends_on is None:
        return None
    return OverdueRow(
        plan_id=phase.plan_id,
        investor=phase.investor,
        partner=phase.partner,
        number=number,
        due_on=due_on,
        days_past_due=(as_of - phase.overdue_since).days,
        days_left=(phase.grace_ends_on - as_of).days,
        grace_ends_on=phase.grace_ends_on,
        amount_due=Money(phase.amount_due, phase.currency),
        shares_at_stake=phase.shares_promised + phase.bonus_promised,
    )
