"""The portfolio: how many plans are where, and how much of the money sits in cancelled ones."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from fractions import Fraction

import attrs

from ledger.money import Money
from ledger.projections.phases import Phase


@attrs.frozen(kw_only=True)
class PortfolioRow:
    """All plans in one currency. `active` leaves out those `in_grace`; shares of nothing are 0.

    `paid` is money applied to installments; unapplied money is not in it.
    """

    as_of: date
    currency: str
    plans: int
    active: int
    in_grace: int
    cancelled: int
    completed: int
    paid: Money
    paid_in_cancelled: Money
    cancelled_share_of_paid: Fraction
    cancelled_share_of_price: Fraction
    cancelled_share_of_plans: Fraction


def portfolio_rows(standing: Iterable[tuple[Phase, date]]) -> tuple[PortfolioRow, ...]:
    """Return one row per currency, by currency; `as_of` is the latest day among its plans."""
    by_currency: dict[str, list[tuple[Phase, date]]] = {}
    for phase, as_of in standing:
        by_currency.setdefault(phase.currency, []).append((phase, as_of))
    return tuple(_row(currency, plans) for currency, plans in sorted(by_currency.items()))


def _row(currency: str, plans: list[tuple[Phase, date]]) -> PortfolioRow:
    counts = Counter(phase.status for phase, _ in plans)
    paid = sum(phase.paid for phase, _ in plans)
    price = sum(phase.price for phase, _ in plans)
    cancelled = [phase for phase, _ in plans if phase.status == "cancelled"]
    paid_in_cancelled = sum(phase.paid for phase in cancelled)
    return PortfolioRow(
        as_of=max(as_of for _, as_of in plans),
        currency=currency,
        plans=len(plans),
        active=counts["active"],
        in_grace=counts["in_grace"],
        cancelled=counts["cancelled"],
        completed=counts["completed"],
        paid=Money(paid, currency),
        paid_in_cancelled=Money(paid_in_cancelled, currency),
        cancelled_share_of_paid=_share(paid_in_cancelled, paid),
        cancelled_share_of_price=_share(sum(phase.price for phase in cancelled), price),
        cancelled_share_of_plans=_share(len(cancelled), len(plans)),
    )


def _share(part: int, whole: int) -> Fraction:
    return Fraction(part, whole) if whole else Fraction(0)
