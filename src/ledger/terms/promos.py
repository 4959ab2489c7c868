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
    """Shares that `promo` credits; `payment` is the reference of the payment that earned or completed them.

    The rate was taken of `base` shares. `installments` are the numbers of the extra installments that count; none for
    a bonus on the package.
    """

    promo: Promo
    shares: int
    payment: str
    base: int
    installments: tuple[int, ...] = ()


Unmet = Literal["one_installment", "prepays", "late", "not_early", "nothing_prepaid", "rounds_to_nothing"]
"""Why a payment does not earn a promotion.

`one_installment`: it settles no more than the one next due. `prepays`: it counts as an early repayment. `late`: the one
next due was past its due date. `not_early`: it is not marked as early repayment. `nothing_prepaid`: it settles nothing
that falls due later. `rounds_to_nothing`: the award is less than one share.
"""


@attrs.frozen
class Unearned:
    """A promotion that a payment did not earn, and why."""

    promo: EarnedPromo
    payment: str
    why: Unmet


def shares_at_rate(base: int, promo: Promo) -> int:
    """Return the promotion's share of `base` shares, rounded down."""
    return base * promo.rate_bp // _WHOLE_BP


def earned(
    promos: Iterable[Promo], *, payment: str, on: date, early: bool, settled: Sequence[Installment], package: int
) -> Iterator[Award]:
    """Yield the awards of a payment; the arguments are those of `judged`."""
    for one in judged(promos, payment=payment, on=on, early=early, settled=settled, package=package):
        if isinstance(one, Award):
            yield one


def judged(
    promos: Iterable[Promo], *, payment: str, on: date, early: bool, settled: Sequence[Installment], package: int
) -> Iterator[Award | Unearned]:
    """Yield an award, or the reason for none, for each promotion that a payment can earn.

    The payment settled these installments on the day `on`, the one next due first. `early`: the payer marked it as
    early repayment. `package` is the package's number of shares.
    """
    next_due, extra = settled[0], settled[1:]
    prepaid = [line for line in extra if line.due_on > on] if early else []
    for promo in promos:
        if isinstance(promo, EarlyRepayment):
            why: Unmet | None = None if prepaid else "nothing_prepaid" if early else "not_early"
            counted: Sequence[Installment] = prepaid
        elif isinstance(promo, DoublePayment):
            why = "one_installment" if not extra else "prepays" if prepaid else None
            why = why or (None if on <= next_due.due_on else "late")
            counted = extra[:1]
        else:
            continue
        if why is None:
            base = sum(line.shares for line in counted) if promo.base == "released" else package * len(counted)
            shares = shares_at_rate(base, promo)
            if shares:
                yield Award(promo, shares, payment, base, tuple(line.number for line in counted))
                continue
        yield Unearned(promo, payment, why or "rounds_to_nothing")


def credited_at_once(promo: Promo) -> bool:
    """Tell whether an award of this promotion is credited when it is earned."""
    return isinstance(promo, EarnedPromo) and promo.credit == "at_once"


def considered(
    promos: Iterable[Promo],
    waiting: Sequence[Award],
    *,
    payment: str,
    by_due_date: bool,
    package: int,
    stacking: Literal["additive", "exclusive", "compound"],
) -> list[Award]:
    """Return the awards among which stacking chooses on a completion by `payment`, in the order of the terms.

    `waiting` are the awards earned before, `by_due_date` whether every installment was settled by its due date.
    Under `compound` a bonus on the package counts the bonuses before it.
    """
    awards: list[Award] = []
    before = 0
    for promo in promos:
        if isinstance(promo, EarnedPromo):
            candidates = [award for award in waiting if award.promo is promo]
        elif isinstance(promo, OnTimeBonus) and promo.standard == "by_due_date" and not by_due_date:
            continue
        else:
            base = package + before if stacking == "compound" else package
            shares = shares_at_rate(base, promo)
            candidates = [Award(promo, shares, payment, base)] if shares else []
        awards += candidates
        before += sum(award.shares for award in candidates)
    return awards


def stacked(awards: Sequence[Award], stacking: Literal["additive", "exclusive", "compound"]) -> Sequence[Award]:
    """Return the awards that stand: under `exclusive` only the largest, the first if several are equal."""
    if stacking == "exclusive" and awards:
        return [max(awards, key=lambda award: award.shares)]  # the first of the largest
    return awards
