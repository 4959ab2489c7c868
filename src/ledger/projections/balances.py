"""Share balances: what each investor holds, is promised and has lost."""

from collections.abc import Iterable
from datetime import date

import attrs

from ledger.projections.periods import Period


@attrs.frozen(kw_only=True)
class BalanceRow:
    """One investor over all plans. `shares_*` count packages, `bonus_*` promotions; see `Position`."""

    investor: str
    plans: int
    shares_credited: int
    shares_promised: int
    shares_forfeited: int
    bonus_credited: int
    bonus_promised: int


def balance_rows(standing: Iterable[tuple[Period, date]]) -> tuple[BalanceRow, ...]:
    """Return one row per investor, by investor."""
    by_investor: dict[str, list[Period]] = {}
    for period, _ in standing:
        by_investor.setdefault(period.investor, []).append(period)
    return tuple(
        BalanceRow(
            investor=investor,
            plans=len(plans),
            shares_credited=sum(period.shares_credited for period in plans),
            shares_promised=sum(period.shares_promised for period in plans),
            shares_forfeited=sum(period.shares_forfeited for period in plans),
            bonus_credited=sum(period.bonus_credited for period in plans),
            bonus_promised=sum(period.bonus_promised for period in plans),
        )
        for investor, plans in sorted(by_investor.items())
    )
