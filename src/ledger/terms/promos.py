"""Bonus arithmetic: exact integers, rates in basis points, rounded down to whole shares once per award.

Source: RULES.md section 7.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Literal

import attrs

from ledger.terms import DoublePayment, EarlyRepayment, EarnedPromo, OnTimeBonus, Promo
from ledger.terms.schedule import Installment

_WHOLE_BP = 10_000


@attrs.frozen
class Award:
    """Shares that `promo` credits; `payment` is the reference of the payment that earned or completed them."""

    promo: Promo
    shares: int
    payment: str


def shares_at_rate(base: int, promo: Promo) -> int:
    """Return the promotion's share of `base` shares, rounded down."""
    return base * promo.rate_bp // _WHOLE_BP


def earned(
    promos: Iterable[Promo], *, payment: str, on: date, early: bool, settled: Sequence[Installment], package: int
) -> Iterator[Award]:
    """Yield the awards of a payment on the day `on` that settled these installments, the one next due first.

    `early`: the payer marked it as early repayment. `package` is the package's number of shares.
    """
    next_due, extra = settled[0], settled[1:]
    prepaid = [line.shares for line in extra if line.due_on > on] if early else []
    for promo in promos:
        if isinstance(promo, EarlyRepayment) and prepaid:
            base = sum(prepaid) if promo.base == "released" else package * len(prepaid)
        elif isinstance(promo, DoublePayment) and extra and not prepaid and on <= next_due.due_on:
            base = extra[0].shares if promo.base == "released" else package
        else:
            continue
        shares = shares_at_rate(base, promo)
        if shares:
            yield Award(promo, shares, payment)


def credited_at_once(promo: Promo) -> bool:
    """Tell whether an award of this promotion is credited when it is earned."""
    return isinstance(promo, EarnedPromo) and promo.credit == "at_once"


def on_completion(
    promos: Iterable[Promo],
    waiting: Sequence[Award],
    *,
    payment: str,
    by_due_date: bool,
    package: int,
    stacking: Literal["additive", "exclusive", "compound"],
) -> list[Award]:
    """Return the awards that a completion by `payment` credits, in the order of the terms.

    `waiting` are the awards earned before, `by_due_date` whether every installment was settled by its due date.
    Under `compound` a bonus on the package counts the bonuses before it; under `exclusive` only the largest award
    stands, the first if several are equal.
    """
    awards: list[Award] = []
    before = 0
    for promo in promos:
        if isinstance(promo, EarnedPromo):
            candidates = [award for award in waiting if award.promo is promo]
        elif isinstance(promo, OnTimeBonus) and promo.standard == "by_due_date" and not by_due_date:
            continue
        else:
            shares = shares_at_rate(package + before if stacking == "compound" else package, promo)
            candidates = [Award(promo, shares, payment)] if shares else []
        awards += candidates
        before += sum(award.shares for award in candidates)
    if stacking == "exclusive" and awards:
        return [max(awards, key=lambda award: award.shares)]  # the first of the largest
    return awards
