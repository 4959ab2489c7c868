"""Share balances: what each investor holds, is promised and has lost."""

from collections.abc import Iterable
from datetime import date

import attrs

from ledger.projections.phases import Phase


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


def balance_rows(standing: Iterable[tuple[Phase, date]]) -> tuple[BalanceRow, ...]:
    """Return one row per investor, by investor."""
    by_investor: dict[str, list[Phase]] = {}
    for phase, _ in standing:
        by_investor.setdefault(phase.investor, []).append(phase)
    return tuple(
        BalanceRow(
            investor=investor,
            plans=len(plans),
            shares_credited=sum(phase.shares_credited for phase in plans),
            shares_promised=sum(phase.shares_promised for phase in plans),
            shares_forfeited=sum(phase.shares_forfeited for phase in plans),
            bonus_credited=sum(phase.bonus_credited for phase in plans),
            bonus_promised=sum(phase.bonus_promised for phase in plans),
        )
        for investor, plans in sorted(by_investor.items())
    )
