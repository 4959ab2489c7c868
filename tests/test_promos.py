"""Promotions (RULES.md section 7): exact integers, rounded down once, each award resting on its own payment."""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import accumulate
from math import floor
from typing import Any, Literal, cast

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger.events import InstallmentSettled, Outcome, PlanReinstated, PromoApplied
from ledger.plan import Plan
from ledger.terms import (
    DoublePayment,
    EarlyRepayment,
    EarnedPromo,
    EveryDays,
    OnTimeBonus,
    PackageBonus,
    PerUnit,
    PlanTerms,
    Promo,
)
from ledger.terms.promos import Award, Unearned, considered, credited_at_once, earned, judged, shares_at_rate, stacked
from ledger.terms.schedule import Installment
from ledger.timeline import timeline
from tests.examples import OPENED_ON
from tests.plans import DAY, DUE, TEN, agreed, charge_back, days_around, pay, pay_each, plan_after
from tests.strategies import History, histories, one_in, promotions

Stacking = Literal["additive", "exclusive", "compound"]
Base = Literal["package", "released"]
Credit = Literal["at_once", "on_completion"]
STACKINGS: tuple[Stacking, ...] = ("additive", "exclusive", "compound")

ON_TIME = OnTimeBonus(code="on_time", rate_bp=500)
STRICT = OnTimeBonus(code="strict", rate_bp=500, standard="by_due_date")
SPRING = PackageBonus(code="spring", rate_bp=1_000)


def granted(*promos: Promo, **changed: Any) -> PlanTerms:
    """Return the terms of the example with these promotions and some other terms changed."""
    return attrs.evolve(TEN, promos=promos, **changed)


def double(rate_bp: int = 50, base: Base = "package", credit: Credit = "at_once") -> DoublePayment:
    """Return the promotion for paying two installments at once."""
    return DoublePayment(code="double", rate_bp=rate_bp, base=base, credit=credit)


def early(rate_bp: int = 100, base: Base = "package", credit: Credit = "at_once") -> EarlyRepayment:
    """Return the promotion for early repayment."""
    return EarlyRepayment(code="early", rate_bp=rate_bp, base=base, credit=credit)


def applied(outcomes: Iterable[Outcome]) -> list[tuple[date, str, int, str]]:
    """Return the promotions among outcomes."""
    return [
        (outcome.effective_on, outcome.code, outcome.shares, outcome.payment)
        for outcome in outcomes
        if isinstance(outcome, PromoApplied)
    ]


def bonuses(plan: Plan, as_of: date = date(2030, 1, 1)) -> list[tuple[date, str, int, str]]:
    """Return the promotions that hold on a date."""
    return applied(plan.timeline(as_of).holding())


# ---- the published numbers


@pytest.mark.parametrize(
    ("shares", "rate_bp", "expected"),
    [
        (351_000, 500, 17_550),
        (34_000, 500, 1_700),
        (80_000, 500, 4_000),
        (80_000, 1_000, 8_000),
        (80_000, 5_000, 40_000),
        (9_999, 1, 0),
        (10_000, 1, 1),
        (10_001, 1, 1),
        (19_999, 1, 1),
        (20_000, 1, 2),
    ],
)
def test_published_rates(shares: int, rate_bp: int, expected: int) -> None:
    """5 % of 351,000 shares is 17,550, of 34,000 it is 1,700, of 80,000 it is 4,000; fractions are dropped."""
    assert shares_at_rate(shares, PackageBonus(code="any", rate_bp=rate_bp)) == expected


@pytest.mark.parametrize(("shares", "bonus"), [(34_000, 1_700), (80_000, 4_000), (351_000, 17_550)])
def test_the_on_time_bonus_of_the_published_packages(shares: int, bonus: int) -> None:
    """Promised from the opening to the day before the last payment, credited with it, and named after it."""
    plan = plan_after(*pay_each(DUE), terms=granted(ON_TIME, shares=shares))
    for as_of, credited, promised in ((OPENED_ON, 0, bonus), (DUE[9] - DAY, 0, bonus), (DUE[9], bonus, 0)):
        position = plan.position(as_of)
        assert (position.bonus_credited, position.bonus_promised) == (credited, promised)
    assert bonuses(plan) == [(DUE[9], "on_time", bonus, "bank-10")]
    assert plan.position(DUE[9]).shares_credited == shares


# ---- the arithmetic of one payment


@pytest.mark.parametrize(
    ("base", "credit", "expected"),
    [
        ("package", "at_once", 170),
        ("package", "on_completion", 170),
        ("released", "at_once", 11),
        ("released", "on_completion", 11),
    ],
)
def test_double_payment_of_each_base_and_credit(base: Base, credit: Credit, expected: int) -> None:
    """0.5 % of 34,000 shares is 170; of the 2,300 that the first extra installment releases 11.5, so 11."""
    plan = plan_after(pay(DUE[0], "bank-1", 3), *pay_each(DUE[3:10], first=4), terms=granted(double(50, base, credit)))
    day = DUE[0] if credit == "at_once" else DUE[9]
    assert bonuses(plan) == [(day, "double", expected, "bank-1")]
    before, after = plan.position(day - DAY), plan.position(day)
    assert (before.bonus_credited, after.bonus_credited) == (0, expected)
    assert before.bonus_promised == (expected if credit == "on_completion" else 0)
    assert after.bonus_promised == 0


@pytest.mark.parametrize(
    ("base", "credit", "expected"),
    [
        ("package", "at_once", 1_020),
        ("package", "on_completion", 1_020),
        ("released", "at_once", 69),
        ("released", "on_completion", 69),
    ],
)
def test_early_repayment_of_each_base_and_credit(base: Base, credit: Credit, expected: int) -> None:
    """Prepaying three: 1 % of 3 × 34,000 shares is 1,020; of the 3 × 2,300 that they release 69."""
    commands = [pay(DUE[0], "bank-1", 4, "early_repayment"), *pay_each(DUE[4:10], first=5)]
    plan = plan_after(*commands, terms=granted(early(100, base, credit)))
    day = DUE[0] if credit == "at_once" else DUE[9]
    assert bonuses(plan) == [(day, "early", expected, "bank-1")]
    assert plan.position(day - DAY).bonus_promised == (expected if credit == "on_completion" else 0)


@pytest.mark.parametrize(("shift", "earns"), [(-1, True), (0, True), (1, False)])
def test_a_double_payment_is_made_by_the_due_date(shift: int, *, earns: bool) -> None:
    """The day before the next due date and on it a double payment earns its award, the day after it earns nothing."""
    plan = plan_after(pay(DUE[0] + shift * DAY, "bank-1", 2), terms=granted(double()))
    assert bonuses(plan) == ([(DUE[0] + shift * DAY, "double", 170, "bank-1")] if earns else [])


@pytest.mark.parametrize(("installments", "expected"), [(1, []), (2, [170]), (3, [170]), (10, [170])])
def test_a_double_payment_earns_once(installments: int, expected: list[int]) -> None:
    """One award per payment, however many installments it settles beyond the one after the next."""
    plan = plan_after(pay(DUE[0], "bank-1", installments), terms=granted(double()))
    assert [shares for _, _, shares, _ in bonuses(plan)] == expected


def test_each_double_payment_earns_its_own() -> None:
    """Two double payments earn two awards."""
    plan = plan_after(pay(DUE[0], "bank-1", 2), pay(DUE[2], "bank-2", 2), terms=granted(double()))
    assert bonuses(plan) == [(DUE[0], "double", 170, "bank-1"), (DUE[2], "double", 170, "bank-2")]


def test_completing_a_part_payment_and_the_next_installment_is_a_double_payment() -> None:
    """A payment that completes a part-paid installment and settles the next one earns; a cent less does not."""
    half, rest = pay(DUE[0] - DAY, "bank-1", minor=-5_000), pay(DUE[0], "bank-2", minor=5_000)
    short = pay(DUE[0], "bank-2", minor=4_999)
    assert [code for _, code, _, _ in bonuses(plan_after(half, rest, terms=granted(double())))] == ["double"]
    assert bonuses(plan_after(half, short, terms=granted(double()))) == []


@pytest.mark.parametrize(("shift", "count"), [(-1, 2), (0, 1), (1, 1)])
def test_early_repayment_counts_installments_due_after_its_date(shift: int, count: int) -> None:
    """Of two extra installments the first counts the day before its due date, not on it, not the day after."""
    on = DUE[1] + shift * DAY
    plan = plan_after(pay(on, "bank-1", 3, "early_repayment"), terms=granted(early(), grace_days=45))
    assert bonuses(plan) == [(on, "early", 340 * count, "bank-1")]


@pytest.mark.parametrize("installments", range(1, 11))
def test_the_award_of_an_early_repayment_grows_with_the_count(installments: int) -> None:
    """The one next due cannot be prepaid: n installments prepay n - 1, and a single one prepays nothing."""
    plan = plan_after(pay(DUE[0], "bank-1", installments, "early_repayment"), terms=granted(early(1)))
    expected = floor(34_000 * (installments - 1) / 10_000)
    assert bonuses(plan) == ([(DUE[0], "early", expected, "bank-1")] if expected else [])


def test_with_five_paid_and_the_sixth_due_next_fourteen_of_twenty_can_be_prepaid() -> None:
    """The rules' own example: numbers 7 to 20; 1 % of 68,000 shares each."""
    terms = agreed(20, first_due_on=DUE[0], promos=(early(),))
    plan = plan_after(*pay_each(DUE[:5]), pay(DUE[5], "bank-6", 15, "early_repayment"), terms=terms)
    assert bonuses(plan) == [(DUE[5], "early", 14 * 680, "bank-6")]


def test_an_award_is_rounded_down_once() -> None:
    """0.01 % of 3 × 34,000 shares is 10.2, so 10; three times 3.4 rounded down would be 9."""
    plan = plan_after(pay(DUE[0], "bank-1", 4, "early_repayment"), terms=granted(early(1)))
    assert bonuses(plan) == [(DUE[0], "early", 10, "bank-1")]
    released = plan_after(pay(DUE[0], "bank-1", 4, "early_repayment"), terms=granted(early(7, "released")))
    assert bonuses(released) == [(DUE[0], "early", 4, "bank-1")]  # 3 × 2,300 × 7 bp = 4.83, not 3 × 1


def test_an_early_repayment_is_no_double_payment_and_the_other_way_round() -> None:
    """The payer's mark decides which of the two a payment that settles several installments can earn."""
    both = granted(double(), early())
    assert [code for _, code, _, _ in bonuses(plan_after(pay(DUE[0], "bank-1", 3), terms=both))] == ["double"]
    marked = plan_after(pay(DUE[0], "bank-1", 3, "early_repayment"), terms=both)
    assert [code for _, code, _, _ in bonuses(marked)] == ["early"]


@pytest.mark.parametrize(("on", "installments"), [(DUE[0], 1), (DUE[1], 2), (DUE[1] + DAY, 2)])
def test_an_early_repayment_that_prepays_nothing_is_an_ordinary_payment(on: date, installments: int) -> None:
    """Marked or not, it has the same outcomes."""
    terms = granted(double(), early(), grace_days=45)
    marked, plain = (
        plan_after(pay(on, "bank-1", installments, kind), terms=terms).timeline(on).outcomes
        for kind in ("early_repayment", "regular")
    )
    assert marked == plain
    assert applied(marked) == []


def test_the_completion_tranche_is_no_base() -> None:
    """Prepaying the last installment counts the shares that it releases, never the completion tranche."""
    plan = plan_after(
        *pay_each(DUE[:8]), pay(DUE[8], "bank-9", 2, "early_repayment"), terms=granted(early(100, "released"))
    )
    assert bonuses(plan) == [(DUE[8], "early", 23, "bank-9")]


def test_an_award_that_rounds_to_nothing_is_not_recorded() -> None:
    """0.01 % of 9,999 shares is nothing and leaves no trace; of 10,000 and 10,001 it is one share."""
    everything = [PackageBonus(code="spring", rate_bp=1), double(1), early(1, credit="on_completion")]
    commands = [pay(DUE[0], "bank-1", 2), pay(DUE[2], "bank-2", 8, "early_repayment")]
    fewer = plan_after(*commands, terms=granted(*everything[:2], shares=9_999, release=PerUnit("0")))
    assert (bonuses(fewer), fewer.position(DUE[0]).bonus_promised) == ([], 0)
    for shares in (10_000, 10_001):
        plan = plan_after(*commands, terms=granted(*everything, shares=shares, release=PerUnit("0")))
        assert bonuses(plan) == [
            (DUE[0], "double", 1, "bank-1"),
            (DUE[2], "spring", 1, "bank-2"),
            (DUE[2], "early", 7, "bank-2"),
        ]


@st.composite
def settled_lines(draw: st.DrawFn) -> tuple[Installment, ...]:
    """Lines that one payment may have settled."""
    shares = draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=8))
    days = draw(st.integers(1, 31))
    return tuple(Installment(i + 1, OPENED_ON + i * days * DAY, 100, number) for i, number in enumerate(shares))


@given(
    promos=promotions(),
    lines=settled_lines(),
    shift=st.integers(-3, 95),
    package=st.integers(1, 10**9),
    marked=st.booleans(),
)
def test_the_awards_of_a_payment(
    *, promos: tuple[Promo, ...], lines: tuple[Installment, ...], shift: int, package: int, marked: bool
) -> None:
    """Each promotion gives its percentage of its base, rounded down once, in the order of the terms, or nothing."""
    on = OPENED_ON + shift * DAY
    ahead = [line for line in lines[1:] if line.due_on > on]
    prepays = marked and len(ahead) > 0
    in_time = len(lines) > 1 and on <= lines[0].due_on
    expected = []
    counted: list[Installment] = []
    for promo in promos:
        match promo:
            case EarlyRepayment(base="package") if prepays:
                base, counted = package * len(ahead), ahead
            case EarlyRepayment(base="released") if prepays:
                base, counted = sum(line.shares for line in ahead), ahead
            case DoublePayment(base="package") if in_time and not prepays:
                base, counted = package, [lines[1]]
            case DoublePayment(base="released") if in_time and not prepays:
                base, counted = lines[1].shares, [lines[1]]
            case _:
                base = 0
        if base * promo.rate_bp >= 10_000:
            numbers = tuple(line.number for line in counted)
            expected.append(Award(promo, base * promo.rate_bp // 10_000, "bank-1", base, numbers))
    assert list(earned(promos, payment="bank-1", on=on, early=marked, settled=lines, package=package)) == expected
    found = list(judged(promos, payment="bank-1", on=on, early=marked, settled=lines, package=package))
    assert [one.promo for one in found] == [promo for promo in promos if isinstance(promo, EarnedPromo)]
    for one in found:
        if isinstance(one, Unearned):
            assert one.why == unmet(one.promo, several=len(lines) > 1, marked=marked, prepays=prepays, in_time=in_time)


def unmet(promo: Promo, *, several: bool, marked: bool, prepays: bool, in_time: bool) -> str:
    """Return the first condition of a promotion that a payment does not meet."""
    if isinstance(promo, EarlyRepayment):
        conditions = {"not_early": marked, "nothing_prepaid": prepays}
    else:
        conditions = {"one_installment": several, "prepays": not prepays, "late": in_time}
    return next((name for name, met in conditions.items() if not met), "rounds_to_nothing")


@pytest.mark.parametrize(
    ("promo", "at_once"),
    [
        (ON_TIME, False),
        (SPRING, False),
        (double(credit="at_once"), True),
        (double(credit="on_completion"), False),
        (early(credit="at_once"), True),
        (early(credit="on_completion"), False),
    ],
)
def test_promotions_credited_at_once(promo: Promo, *, at_once: bool) -> None:
    """Bonuses on the package wait for completion; the others are credited as their terms state."""
    assert credited_at_once(promo) is at_once


# ---- stacking


@pytest.mark.parametrize(
    ("stacking", "expected"),
    [
        ("additive", [("on_time", 1_700), ("double", 170), ("spring", 3_400), ("early", 1_020)]),
        ("exclusive", [("spring", 3_400)]),
        ("compound", [("on_time", 1_700), ("double", 170), ("spring", 3_587), ("early", 1_020)]),
    ],
)
def test_each_stacking(stacking: Stacking, expected: list[tuple[str, int]]) -> None:
    """Additive: each on its own base. Exclusive: the largest. Compound: 10 % of 34,000 + 1,700 + 170 is 3,587."""
    promos = (ON_TIME, double(credit="on_completion"), SPRING, early(credit="on_completion"))
    commands = [
        pay(DUE[0], "bank-1", 2),
        pay(DUE[2], "bank-2", 4, "early_repayment"),
        *pay_each(DUE[6:10], first=7),
    ]
    plan = plan_after(*commands, terms=granted(*promos, stacking=stacking))
    assert [(code, shares) for _, code, shares, _ in bonuses(plan)] == expected
    assert plan.position(DUE[9] - DAY).bonus_promised == sum(shares for _, shares in expected)
    assert plan.position(DUE[9]).bonus_credited == sum(shares for _, shares in expected)


@pytest.mark.parametrize("stacking", STACKINGS)
def test_stacking_leaves_awards_credited_at_once(stacking: Stacking) -> None:
    """An award credited at once is neither a rival of the bonuses on completion nor a base of theirs."""
    plan = plan_after(
        pay(DUE[0], "bank-1", 2), *pay_each(DUE[2:10], first=3), terms=granted(double(5_000), SPRING, stacking=stacking)
    )
    assert [(code, shares) for _, code, shares, _ in bonuses(plan)] == [("double", 17_000), ("spring", 3_400)]


@pytest.mark.parametrize("order", [("one", "two", "three"), ("three", "one", "two")])
def test_exclusive_takes_the_first_of_the_largest(order: Sequence[str]) -> None:
    """Where awards are equal, the first in the order of the terms is credited."""
    small = PackageBonus(code="small", rate_bp=999)
    promos = [small, *(PackageBonus(code=code, rate_bp=1_000) for code in order)]
    plan = plan_after(*pay_each(DUE), terms=granted(*promos, stacking="exclusive"))
    assert bonuses(plan) == [(DUE[9], order[0], 3_400, "bank-10")]


def test_exclusive_weighs_single_awards() -> None:
    """Two awards of one promotion are two awards: the largest single one wins, not the sum."""
    promos = (double(600, credit="on_completion"), SPRING)
    commands = [pay(DUE[0], "bank-1", 2), pay(DUE[2], "bank-2", 2), *pay_each(DUE[4:10], first=5)]
    plan = plan_after(*commands, terms=granted(*promos, stacking="exclusive"))
    assert bonuses(plan) == [(DUE[9], "spring", 3_400, "bank-10")]


@pytest.mark.parametrize(
    ("promos", "expected"),
    [
        ((ON_TIME, SPRING), [("on_time", 1_700), ("spring", 3_570)]),
        ((SPRING, ON_TIME), [("spring", 3_400), ("on_time", 1_870)]),
    ],
)
def test_compound_follows_the_order_of_the_terms(promos: tuple[Promo, ...], expected: list[tuple[str, int]]) -> None:
    """Each bonus on the package counts the ones before it: the order of the terms shows in the numbers."""
    plan = plan_after(*pay_each(DUE), terms=granted(*promos, stacking="compound"))
    assert [(code, shares) for _, code, shares, _ in bonuses(plan)] == expected


@st.composite
def completions(draw: st.DrawFn) -> tuple[tuple[Promo, ...], tuple[Award, ...], int]:
    """Promotions, awards that wait for the completion, and a package."""
    promos = draw(promotions())
    waiting = [
        Award(promo, draw(st.integers(1, 10**6)), f"bank-{number}", base=0)
        for promo in promos
        if isinstance(promo, (DoublePayment, EarlyRepayment))
        for number in range(draw(st.integers(0, 2)))
    ]
    return promos, tuple(draw(st.permutations(waiting))), draw(st.integers(1, 10**9))


def credited(
    completion: tuple[tuple[Promo, ...], tuple[Award, ...], int], stacking: Stacking, *, in_time: bool
) -> list[Award]:
    """Return the awards that a completion credits."""
    promos, waiting, package = completion
    candidates = considered(promos, waiting, payment="last", by_due_date=in_time, package=package, stacking=stacking)
    return [*stacked(candidates, stacking)]


@given(completion=completions(), in_time=st.booleans())
def test_additive_gives_each_award_on_its_own_base(
    *, completion: tuple[tuple[Promo, ...], tuple[Award, ...], int], in_time: bool
) -> None:
    """In the order of the terms: a bonus its percentage of the package, a waiting award its number."""
    promos, waiting, package = completion
    expected = []
    for promo in promos:
        if isinstance(promo, (OnTimeBonus, PackageBonus)):
            kept = isinstance(promo, PackageBonus) or promo.standard == "within_grace" or in_time
            if kept and package * promo.rate_bp >= 10_000:
                expected.append((promo.code, package * promo.rate_bp // 10_000, "last"))
        expected += [(promo.code, award.shares, award.payment) for award in waiting if award.promo is promo]
    got = credited(completion, "additive", in_time=in_time)
    assert [(award.promo.code, award.shares, award.payment) for award in got] == expected


@given(completion=completions(), in_time=st.booleans())
def test_exclusive_is_the_first_of_the_largest_of_additive(
    *, completion: tuple[tuple[Promo, ...], tuple[Award, ...], int], in_time: bool
) -> None:
    """Exactly one of the additive awards remains, if there are any: no other is larger, none before it is as large."""
    additive = credited(completion, "additive", in_time=in_time)
    exclusive = credited(completion, "exclusive", in_time=in_time)
    assert len(exclusive) == min(1, len(additive))
    for one in exclusive:
        index = additive.index(one)
        assert all(award.shares < one.shares for award in additive[:index])
        assert all(award.shares <= one.shares for award in additive[index:])


@given(completion=completions(), in_time=st.booleans())
def test_compound_counts_the_bonuses_before(
    *, completion: tuple[tuple[Promo, ...], tuple[Award, ...], int], in_time: bool
) -> None:
    """A bonus on the package counts the package and the bonuses before it; other awards keep their number."""
    _, waiting, package = completion
    awards = credited(completion, "compound", in_time=in_time)
    before = [0, *accumulate(award.shares for award in awards)]
    for award, so_far in zip(awards, before, strict=False):
        if isinstance(award.promo, (OnTimeBonus, PackageBonus)):
            assert award.shares == (package + so_far) * award.promo.rate_bp // 10_000
        else:
            assert award in waiting
    additive = credited(completion, "additive", in_time=in_time)
    assert sum(award.shares for award in awards) >= sum(award.shares for award in additive)


# ---- on time


@pytest.mark.parametrize("number", [1, 2, 9, 10])
@pytest.mark.parametrize(("shift", "kept"), [(-1, True), (0, True), (1, False)])
def test_by_due_date_is_kept_on_the_due_date_and_lost_the_day_after(number: int, shift: int, *, kept: bool) -> None:
    """One installment paid the day before its due date, on it, and the day after it: kept, kept, lost for good."""
    due = DUE[number - 1]
    commands = [
        *pay_each(DUE[: number - 1]),
        pay(due + shift * DAY, "late"),
        *pay_each(DUE[number:], first=number + 1),
    ]
    plan = plan_after(*commands, terms=granted(STRICT, ON_TIME))
    codes = [code for _, code, _, _ in bonuses(plan)]
    assert codes == (["strict", "on_time"] if kept else ["on_time"])


@pytest.mark.parametrize(("shift", "promised"), [(-1, 1_700), (0, 1_700), (1, 0), (2, 0)])
def test_the_promise_by_due_date_ends_the_day_after_an_unpaid_due_date(shift: int, promised: int) -> None:
    """On the due date the promise still holds; the day after it is gone, and only then."""
    plan = plan_after(*pay_each(DUE[:3]), terms=granted(STRICT))
    assert plan.position(DUE[3] + shift * DAY).bonus_promised == promised


def test_within_grace_is_kept_to_the_last_day_of_grace() -> None:
    """Paid on the last day of grace the bonus is kept; the day after, the plan is cancelled and promises nothing."""
    last = DUE[9] + 19 * DAY
    plan = plan_after(*pay_each(DUE[:9]), pay(last, "late"), terms=granted(ON_TIME))
    assert bonuses(plan) == [(last, "on_time", 1_700, "late")]
    unpaid = plan_after(*pay_each(DUE[:9]), terms=granted(ON_TIME))
    promised = [unpaid.position(last + shift * DAY).bonus_promised for shift in (-1, 0, 1)]
    assert promised == [1_700, 1_700, 0]


@pytest.mark.parametrize(("shift", "kept"), [(-1, True), (0, True), (1, False)])
def test_by_due_date_counts_the_last_settlement(shift: int, *, kept: bool) -> None:
    """An installment charged back and paid again by its due date is in time; paid again a day later it is not."""
    on = DUE[1] + shift * DAY
    commands = [
        pay(DUE[0], "bank-1"),
        pay(DUE[0], "bank-2"),
        charge_back(DUE[0] + DAY, "bank-2"),
        pay(on, "again"),
        *pay_each(DUE[2:10], first=3),
    ]
    assert bonuses(plan_after(*commands, terms=granted(STRICT))) == (
        [(DUE[9], "strict", 1_700, "bank-10")] if kept else []
    )


@pytest.mark.parametrize(("shift", "promised"), [(-1, [1_700, 1_700]), (0, [1_700, 0]), (1, [0, 0])])
def test_a_chargeback_ends_the_promise_by_due_date_when_the_due_date_is_past(shift: int, promised: list[int]) -> None:
    """Charged back on its due date an installment is unpaid in time; the day after, it is late from that day on."""
    on = DUE[1] + shift * DAY
    plan = plan_after(*pay_each(DUE[:1]), pay(DUE[0], "bank-2"), charge_back(on, "bank-2"), terms=granted(STRICT))
    assert [plan.position(max(day, on)).bonus_promised for day in (on, on + DAY)] == promised


@one_in(4)
@given(data=st.data())
def test_by_due_date_is_promised_while_no_due_date_has_passed_unpaid(data: st.DataObject) -> None:
    """Promised or credited if and only if every installment is settled by its due date, or that date has not passed."""
    history = data.draw(histories())
    plan, day = Plan(history.events), data.draw(days_of_change(history))
    assume(not any(isinstance(fact, PlanReinstated) for fact in plan.facts))
    bonus = OnTimeBonus(code="strict", rate_bp=10_000, standard="by_due_date")
    opened = attrs.evolve(plan.opened, terms=attrs.evolve(plan.opened.terms, promos=(bonus,)))
    derived = timeline(opened, plan.facts, day)
    settled_on = {
        outcome.number: outcome.effective_on for outcome in derived.holding() if isinstance(outcome, InstallmentSettled)
    }
    in_time = all(settled_on.get(line.number, day) <= line.due_on for line in opened.lines)
    kept = in_time and derived.state.status != "cancelled"
    assert derived.state.bonus_credited + derived.state.bonus_promised == (opened.terms.shares if kept else 0)


# ---- an award falls with its own payment


def test_an_award_falls_with_its_own_payment_only() -> None:
    """The chargeback of another payment leaves an award, though its installments are open again."""
    commands = [pay(DUE[0], "bank-1"), pay(DUE[1], "bank-2", 2)]
    other = plan_after(*commands, charge_back(DUE[1] + DAY, "bank-1"), terms=granted(double()))
    assert other.position(DUE[1] + DAY).settled == 2
    assert bonuses(other) == [(DUE[1], "double", 170, "bank-2")]
    own = plan_after(*commands, charge_back(DUE[1] + DAY, "bank-2"), terms=granted(double()))
    assert bonuses(own, DUE[1]) == [(DUE[1], "double", 170, "bank-2")]
    assert bonuses(own, DUE[1] + DAY) == []
    assert own.position(DUE[1] + DAY).bonus_credited == 0


@pytest.mark.parametrize(("reference", "promised"), [("bank-1", 170), ("bank-2", 0)])
def test_a_waiting_award_falls_with_its_own_payment_only(reference: str, promised: int) -> None:
    """An award to be credited on completion is no longer promised from the chargeback of its payment on."""
    promos = (double(credit="on_completion"),)
    plan = plan_after(
        pay(DUE[0], "bank-1"), pay(DUE[1], "bank-2", 2), charge_back(DUE[1] + DAY, reference), terms=granted(*promos)
    )
    assert plan.position(DUE[1]).bonus_promised == 170
    assert plan.position(DUE[1] + DAY).bonus_promised == promised


def test_bonuses_on_completion_end_with_the_completion() -> None:
    """A chargeback after the completion takes its bonuses back until the plan is completed again."""
    day = DUE[9] + DAY
    plan = plan_after(
        *pay_each(DUE), charge_back(day, "bank-4"), pay(day + 5 * DAY, "again"), terms=granted(ON_TIME, SPRING)
    )
    assert [plan.position(on).bonus_credited for on in (DUE[9], day, day + 5 * DAY)] == [5_100, 0, 5_100]
    assert plan.position(day).bonus_promised == 5_100
    assert bonuses(plan) == [
        (day + 5 * DAY, "on_time", 1_700, "again"),
        (day + 5 * DAY, "spring", 3_400, "again"),
    ]


@given(history=histories())
def test_an_award_ends_if_and_only_if_its_payment_is_charged_back(history: History) -> None:
    """An award credited at once holds from its payment's date to the payment's chargeback, whatever else happens."""
    plan = Plan(history.events)
    derived = plan.timeline(date(2034, 1, 1))
    codes = {promo.code for promo in history.opened.terms.promos if credited_at_once(promo)}
    for outcome in derived.outcomes:
        if isinstance(outcome, PromoApplied) and outcome.code in codes:
            assert derived.ended.get(outcome) == plan.reversals.get(outcome.payment)
            assert outcome.effective_on == plan.payments[outcome.payment].effective_on


@given(history=histories())
def test_bonuses_on_completion_hold_if_and_only_if_the_plan_is_completed(history: History) -> None:
    """They are credited on the day of the completion in force, and at no other time."""
    derived = Plan(history.events).timeline(date(2034, 1, 1))
    codes = {promo.code for promo in history.opened.terms.promos if not credited_at_once(promo)}
    waiting = [outcome for outcome in derived.holding() if isinstance(outcome, PromoApplied) and outcome.code in codes]
    assert {outcome.effective_on for outcome in waiting} <= {derived.state.completed_on}


# ---- conservation and monotony through the timeline


def days_of_change(history: History) -> st.SearchStrategy[date]:
    """Dates on which something of a history may change, and their neighbours."""
    dates = {event.event.effective_on for event in history.events} | {line.due_on for line in history.opened.lines}
    return st.sampled_from(days_around(dates, first=history.opened.effective_on))


@given(data=st.data())
def test_bonus_credited_is_the_sum_of_the_promotions_that_hold(data: st.DataObject) -> None:
    """Every bonus share is explained by one outcome, at every date."""
    history = data.draw(histories())
    as_of = data.draw(days_of_change(history))
    plan = Plan(history.events)
    assert plan.position(as_of).bonus_credited == sum(shares for _, _, shares, _ in bonuses(plan, as_of))


@given(data=st.data())
def test_promotions_touch_neither_the_package_nor_the_money(data: st.DataObject) -> None:
    """Without its promotions a plan is exactly as with them, bonuses apart."""
    history = data.draw(histories())
    as_of = data.draw(days_of_change(history))
    facts = Plan(history.events).facts
    bare = attrs.evolve(history.opened, terms=attrs.evolve(history.opened.terms, promos=()))
    rich, poor = (timeline(opened, facts, as_of) for opened in (history.opened, bare))
    assert rich.state._replace(bonus_credited=0, bonus_promised=0) == poor.state
    assert [outcome for outcome in rich.outcomes if not isinstance(outcome, PromoApplied)] == list(poor.outcomes)


@given(data=st.data())
def test_a_higher_rate_never_credits_less(data: st.DataObject) -> None:
    """With one rate raised, bonuses credited and promised are no smaller, at every date, in any stacking."""
    history = data.draw(histories().filter(lambda history: history.opened.terms.promos))
    as_of = data.draw(days_of_change(history))
    facts = Plan(history.events).facts
    terms = history.opened.terms
    raised = data.draw(st.integers(0, len(terms.promos) - 1))
    more = data.draw(st.integers(1, 5_000))
    promos = tuple(
        attrs.evolve(cast(Any, promo), rate_bp=promo.rate_bp + more) if index == raised else promo
        for index, promo in enumerate(terms.promos)
    )
    raised_terms = attrs.evolve(history.opened, terms=attrs.evolve(terms, promos=promos))
    before, after = (timeline(opened, facts, as_of).state for opened in (history.opened, raised_terms))
    assert after.bonus_credited >= before.bonus_credited
    assert after.bonus_credited + after.bonus_promised >= before.bonus_credited + before.bonus_promised


@pytest.mark.parametrize("stacking", STACKINGS)
def test_the_last_payment_credits_exactly_what_was_promised(stacking: Stacking) -> None:
    """The promise of the day before the last payment is credited by it, neither more nor less, in any stacking."""
    promos = (STRICT, double(credit="on_completion"), SPRING, ON_TIME, early(credit="on_completion"))
    commands = [
        pay(DUE[0], "bank-1", 2),
        pay(DUE[2], "bank-2", 3, "early_repayment"),
        *pay_each(DUE[5:10], first=6),
    ]
    plan = plan_after(*commands, terms=granted(*promos, stacking=stacking))
    assert plan.position(DUE[9]).bonus_credited == plan.position(DUE[9] - DAY).bonus_promised > 0


def test_a_schedule_by_days_pays_bonuses_like_any_other() -> None:
    """The arithmetic knows due dates, not calendars: every 30 days the same awards come out."""
    terms = granted(STRICT, double(), early(100, "released"), schedule=EveryDays(30))
    due = [date(2023, 5, 10) + 30 * i * DAY for i in range(10)]
    commands = [
        pay(due[0], "bank-1", 2),
        pay(due[2], "bank-2", 3, "early_repayment"),
        *(pay(due[i], f"bank-{i}") for i in range(5, 10)),
    ]
    assert bonuses(plan_after(*commands, terms=terms)) == [
        (due[0], "double", 170, "bank-1"),
        (due[2], "early", 46, "bank-2"),
        (due[9], "strict", 1_700, "bank-9"),
    ]
