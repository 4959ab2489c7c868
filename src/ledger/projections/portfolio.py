"""The portfolio: how many plans are where, and how much of the money sits in cancelled ones."""

from collections.abc import Iterable
from datetime import date
from fractions import Fraction

import attrs

from ledger.money import Money
from ledger.projections.totals import Total, summed


@attrs.frozen(kw_only=True)
class PortfolioRow:
    """All plans in one currency. `active` leaves out those `in_grace`; shares of nothing are 0.

    `paid` is money applied to installments; unapplied money is not in it. `unallocated` is money that was received and
    neither allocated to a plan nor returned; a currency may have that and no plan.
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
    unallocated: Money


def portfolio_rows(
    standing: Iterable[tuple[str, date, Total]], unallocated: Iterable[tuple[Money, date]] = ()
) -> tuple[PortfolioRow, ...]:
    """Return one row per currency, by currency, from totals of it on a date; `as_of` is the latest of the dates.

    `unallocated` is money that was received and not applied, each with the date of the question.
    """
    by_currency: dict[str, list[tuple[date, Total]]] = {}
    for currency, as_of, total in standing:
        by_currency.setdefault(currency, []).append((as_of, total))
    kept: dict[str, int] = {}
    only_kept: dict[str, list[tuple[date, Total]]] = {}
    for money, as_of in unallocated:
        kept[money.currency] = kept.get(money.currency, 0) + money.minor
        if money.currency not in by_currency and money.minor:
            only_kept.setdefault(money.currency, []).append((as_of, Total()))
    return tuple(
        _row(
            currency,
            max(as_of for as_of, _ in totals),
            summed(total for _, total in totals),
            Money(kept.get(currency, 0), currency),
        )
        for currency, totals in sorted((by_currency | only_kept).items())
    )


def _row(currency: str, as_of: date, total: Total, unallocated: Money) -> PortfolioRow:
    return PortfolioRow(
        as_of=as_of,
        currency=currency,
        plans=total.plans,
        active=total.active,
        in_grace=total.in_grace,
        cancelled=total.cancelled,
        completed=total.completed,
        paid=Money(total.paid, currency),
        paid_in_cancelled=Money(total.paid_in_cancelled, currency),
        cancelled_share_of_paid=_share(total.paid_in_cancelled, total.paid),
        cancelled_share_of_price=_share(total.price_in_cancelled, total.price),
        cancelled_share_of_plans=_share(total.cancelled, total.plans),
        unallocated=unallocated,
    )


def _share(part: int, whole: int) -> Fraction:
    return Fraction(part, whole) if whole else Fraction(0)
