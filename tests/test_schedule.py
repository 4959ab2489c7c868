"""Terms, schedule and release (RULES.md sections 2 to 4): due dates, amounts, released shares, and every refusal."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from itertools import accumulate, pairwise
from math import ceil, floor
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.commands import OpenPlan
from ledger.dates import months_from
from ledger.decide import decide, opening
from ledger.errors import CommandRefused, InvalidArgument, TermsRefused
from ledger.events import PlanOpened
from ledger.money import EXPONENTS, Money
from ledger.terms import (
    Closed,
    DoublePayment,
    EarlyRepayment,
    EveryDays,
    ExplicitRelease,
    ExplicitSchedule,
    Monthly,
    OnTimeBonus,
    PackageBonus,
    PartialCover,
    PerUnit,
    PlanTerms,
    Portion,
    Promo,
    Release,
    Schedule,
)
from ledger.terms.schedule import Installment, installments, problems, schedule
from tests.examples import OPENED_ON
from tests.plans import DAY
from tests.strategies import METADATA, OPENINGS, schedules

RATES = st.builds(Fraction, st.integers(0, 10**4), st.integers(1, 10**3))


def package(
    *,
    price: str = "3000.00",
    currency: str = "USD",
    shares: int = 351_000,
    count: int = 20,
    unit: int = 1,
    release: Release | None = None,
    schedule: Schedule | None = None,
    first_due_on: date | None = None,
    grace_days: int = 19,
) -> PlanTerms:
    """Return the terms of the first worked example, some of them replaced."""
    return PlanTerms(
        price=Money.of(price, currency),
        shares=shares,
        installments=count,
        rounding_unit=unit,
        release=release or PerUnit("49"),
        schedule=schedule or Monthly(),
        first_due_on=first_due_on,
        timezone="Europe/Moscow",
        grace_days=grace_days,
    )


def lines_of(agreed: PlanTerms, opened_on: date = OPENED_ON) -> tuple[Installment, ...]:
    """Return the installments of a plan opened on this day."""
    return installments("P-1", agreed, opened_on=opened_on)


# ---- every schedule


@given(made=schedules())
def test_amounts_add_up_to_the_price(made: tuple[PlanTerms, tuple[Installment, ...]]) -> None:
    """Under every schedule the amounts are positive and add up to the price."""
    agreed, lines = made
    assert sum(line.amount for line in lines) == agreed.price.minor
    assert all(line.amount > 0 for line in lines)
    assert [line.number for line in lines] == list(range(1, agreed.installments + 1))


@given(made=schedules())
def test_due_dates_strictly_increase(made: tuple[PlanTerms, tuple[Installment, ...]]) -> None:
    """Each installment is due after the one before it, and all are plain dates."""
    _, lines = made
    assert all(before.due_on < after.due_on for before, after in pairwise(lines))
    assert {type(line.due_on) for line in lines} == {date}


@given(made=schedules())
def test_regular_amounts_are_multiples_of_the_unit(made: tuple[PlanTerms, tuple[Installment, ...]]) -> None:
    """All but the last are the price per installment rounded up to the unit, unless the lines are explicit."""
    agreed, lines = made
    if isinstance(agreed.schedule, ExplicitSchedule):
        assert [(line.due_on, line.amount) for line in lines] == list(agreed.schedule.lines)
        return
    regular = ceil(Fraction(agreed.price.minor, agreed.installments) / agreed.rounding_unit) * agreed.rounding_unit
    assert all(line.amount == regular for line in lines[:-1])
    assert lines[-1].amount <= regular


@given(made=schedules())
def test_installments_never_release_more_than_the_package(made: tuple[PlanTerms, tuple[Installment, ...]]) -> None:
    """No installment releases less than nothing, and all together no more than the package."""
    agreed, lines = made
    assert all(line.shares >= 0 for line in lines)
    assert sum(line.shares for line in lines) <= agreed.shares


@given(made=schedules())
def test_the_opening_records_the_schedule_of_its_terms(
    made: tuple[PlanTerms, tuple[Installment, ...]],
) -> None:
    """A plan opened under the terms carries the same lines, and its first due date is written into its terms."""
    agreed, lines = made
    opened_on = min(lines[0].due_on, agreed.first_due_on or lines[0].due_on)
    command = OpenPlan(plan_id="P-1", investor="I-1", partner=None, terms=agreed, opened_at=opened_on)
    opened = opening(command)
    assert opened.lines == lines
    assert opened.terms == attrs.evolve(agreed, first_due_on=lines[0].due_on)


@given(made=schedules())
def test_the_schedule_of_terms_without_a_plan_is_that_of_the_opening(
    made: tuple[PlanTerms, tuple[Installment, ...]],
) -> None:
    """`schedule` returns the same lines from the terms and the opening date alone."""
    agreed, lines = made
    assert schedule(agreed, min(lines[0].due_on, agreed.first_due_on or lines[0].due_on)) == lines


def test_the_schedule_of_a_plan_that_nobody_opens_is_refused_like_its_opening() -> None:
    """Terms that contradict each other, as for an opening, without a plan; other things are no arguments."""
    with pytest.raises(TermsRefused) as refused:
        schedule(package(shares=139_649), OPENED_ON)
    assert (refused.value.plan_id, refused.value.remedy[:17]) == (None, "lower the release")
    wrong: Any = "3,000 USD in 20"
    with pytest.raises(InvalidArgument) as caught:
        schedule(wrong, OPENED_ON)
    assert (caught.value.argument, caught.value.given, caught.value.expected) == ("terms", wrong, "PlanTerms")
    with pytest.raises(InvalidArgument) as caught:
        schedule(package(), datetime(2023, 4, 10, tzinfo=UTC))
    assert (caught.value.argument, caught.value.expected) == ("opened_on", "a datetime.date")


# ---- due dates


@given(
    first=st.sampled_from([date(year, 1, day) for year in (2023, 2024) for day in (28, 29, 30, 31)]) | OPENINGS,
    count=st.integers(1, 60),
)
def test_monthly_due_dates_are_counted_from_the_anchor(first: date, count: int) -> None:
    """Installment i is due i - 1 months after the first, clamped to the end of the month and never chained."""
    lines = lines_of(package(count=count, release=Portion("0"), first_due_on=first), first)
    assert [line.due_on for line in lines] == [months_from(first, i) for i in range(count)]


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (date(2023, 1, 28), ["01-28", "02-28", "03-28", "04-28"]),
        (date(2023, 1, 29), ["01-29", "02-28", "03-29", "04-29"]),
        (date(2023, 1, 30), ["01-30", "02-28", "03-30", "04-30"]),
        (date(2023, 1, 31), ["01-31", "02-28", "03-31", "04-30"]),
        (date(2024, 1, 28), ["01-28", "02-28", "03-28", "04-28"]),
        (date(2024, 1, 29), ["01-29", "02-29", "03-29", "04-29"]),
        (date(2024, 1, 30), ["01-30", "02-29", "03-30", "04-30"]),
        (date(2024, 1, 31), ["01-31", "02-29", "03-31", "04-30"]),
    ],
)
def test_monthly_at_the_end_of_the_month(first: date, expected: list[str]) -> None:
    """31 January, 28 February, 31 March; in a leap year 29 February."""
    lines = lines_of(package(count=4, release=Portion("0"), first_due_on=first), first)
    assert [f"{line.due_on:%m-%d}" for line in lines] == expected


@given(first=OPENINGS, days=st.integers(1, 400), count=st.integers(1, 60))
def test_every_n_days_are_counted_from_the_anchor(first: date, days: int, count: int) -> None:
    """Installment i is due (i - 1) × n days after the first."""
    agreed = package(count=count, release=Portion("0"), first_due_on=first, schedule=EveryDays(days))
    assert [line.due_on for line in lines_of(agreed, first)] == [first + i * days * DAY for i in range(count)]


def test_the_first_installment_is_due_on_the_opening_date_unless_stated() -> None:
    """Left out, `first_due_on` is the opening date; an explicit schedule has its own."""
    assert lines_of(package())[0].due_on == OPENED_ON
    assert lines_of(package(first_due_on=OPENED_ON + DAY))[0].due_on == OPENED_ON + DAY
    explicit = ExplicitSchedule(((OPENED_ON + 3 * DAY, 1), (OPENED_ON + 4 * DAY, 299_999)))
    agreed = package(count=2, schedule=explicit, release=Portion("0"))
    assert lines_of(agreed)[0].due_on == OPENED_ON + 3 * DAY
    assert lines_of(attrs.evolve(agreed, first_due_on=OPENED_ON + 3 * DAY)) == lines_of(agreed)


# ---- amounts


def test_five_thousand_in_thirty() -> None:
    """5,000.00 in 30 with a unit of 1.00 is 29 × 167.00 and 157.00."""
    lines = lines_of(package(price="5000.00", count=30, unit=100, release=Portion("0")))
    assert [line.amount for line in lines] == [16_700] * 29 + [15_700]


def test_explicit_lines_are_taken_as_they_are() -> None:
    """Uneven amounts and distances of a real loan book are kept; the rounding unit does not apply to them."""
    book = ((date(2023, 5, 1), 30_001), (date(2023, 5, 4), 69_998), (date(2024, 2, 29), 1))
    agreed = package(price="1000.00", count=3, unit=100, schedule=ExplicitSchedule(book), release=Portion("0"))
    assert [(line.due_on, line.amount) for line in lines_of(agreed)] == list(book)


# ---- releases


@pytest.mark.parametrize(
    ("price", "count", "shares", "rate", "each", "before", "with_last"),
    [
        ("3000.00", 20, 351_000, "49", 7_350, 139_650, 211_350),
        ("1000.00", 10, 34_000, "23", 2_300, 20_700, 13_300),
    ],
)
def test_worked_examples(
    *, price: str, count: int, shares: int, rate: str, each: int, before: int, with_last: int
) -> None:
    """The published packages: shares per installment, credited before the last one, and with it."""
    agreed = package(price=price, count=count, shares=shares, unit=100, release=PerUnit(rate))
    released = [line.shares for line in lines_of(agreed)]
    assert released == [each] * count
    assert sum(released[:-1]) == before
    assert agreed.shares - sum(released[:-1]) == with_last


def test_the_package_decides_and_not_a_label() -> None:
    """A list printed 5,000 USD with 660,000 shares as 127 per dollar: 660,000 stay the package, 132 fit exactly."""
    for rate, tranche in (("127", 25_000), ("132", 0)):
        agreed = package(price="5000.00", shares=660_000, release=PerUnit(rate))
        assert agreed.shares - sum(line.shares for line in lines_of(agreed)) == tranche
    with pytest.raises(TermsRefused, match="the installments would release 665,000 of 660,000 shares"):
        lines_of(package(price="5000.00", shares=660_000, release=PerUnit("133")))


@given(
    minor=st.integers(1, 10**9),
    currency=st.sampled_from(["USD", "JPY", "KWD", "CLF"]),
    count=st.integers(1, 12),
    rate=RATES,
)
def test_per_unit_rounds_each_installment_down(minor: int, currency: str, count: int, rate: Fraction) -> None:
    """Installment i releases floor(its amount in major units × rate), exactly, whatever the minor unit."""
    count = min(count, minor)
    agreed = attrs.evolve(
        package(currency=currency, price="1", shares=10**15, release=PerUnit(str(rate))),
        price=Money(minor, currency),
        installments=1,
    )
    (one,) = lines_of(agreed)
    assert one.shares == floor(Fraction(minor, 10 ** EXPONENTS[currency]) * rate)
    dues = [(OPENED_ON + i * DAY, amount) for i, amount in enumerate([1] * (count - 1) + [minor - count + 1])]
    several = attrs.evolve(agreed, installments=count, schedule=ExplicitSchedule(tuple(dues)))
    assert [line.shares for line in lines_of(several)] == [
        floor(Fraction(amount, 10 ** EXPONENTS[currency]) * rate) for _, amount in dues
    ]


@pytest.mark.parametrize(("rate", "each"), [("45/7", 964), ("6.43", 964), ("0.4", 60), ("0", 0), ("1/150", 1)])
def test_per_unit_examples(rate: str, each: int) -> None:
    """150 × 45/7 is 964.28…: 964; a rate is a whole number, a fraction or a decimal, never a float."""
    assert {line.shares for line in lines_of(package(release=PerUnit(rate)))} == {each}


@given(
    shares=st.integers(1, 10**9),
    count=st.integers(1, 60),
    fraction=st.builds(Fraction, st.integers(0, 1_000), st.just(1_000)) | st.fractions(0, 1, max_denominator=10**6),
)
def test_a_portion_is_spread_by_cumulative_rounding_down(shares: int, count: int, fraction: Fraction) -> None:
    """After i installments floor(fraction × shares × i / n) are credited, whatever the amounts."""
    lines = lines_of(package(shares=shares, count=count, release=Portion(str(fraction))))
    credited = list(accumulate(line.shares for line in lines))
    assert credited == [floor(fraction * shares * i / count) for i in range(1, count + 1)]


@pytest.mark.parametrize(
    ("fraction", "shares", "expected"),
    [("1/3", 1_000, [83, 83, 84, 83]), ("1", 10, [2, 3, 2, 3]), ("0", 10, [0, 0, 0, 0]), ("0.4", 10, [1, 1, 1, 1])],
)
def test_portion_examples(fraction: str, shares: int, expected: list[int]) -> None:
    """A third of 1,000 in four is 83, 83, 84, 83."""
    assert [line.shares for line in lines_of(package(shares=shares, count=4, release=Portion(fraction)))] == expected


@given(numbers=st.lists(st.integers(0, 10**6), min_size=1, max_size=12), rest=st.integers(0, 10**6))
def test_an_explicit_release_is_as_listed(numbers: list[int], rest: int) -> None:
    """Each installment releases its own number, and the rest of the package may be nothing."""
    shares = max(1, sum(numbers) + rest)
    agreed = package(shares=shares, count=len(numbers), release=ExplicitRelease(tuple(numbers)))
    assert [line.shares for line in lines_of(agreed)] == numbers


# ---- terms that contradict each other


BOOK = ((OPENED_ON, 100_000), (OPENED_ON + DAY, 200_000))


@pytest.mark.parametrize(
    ("agreed", "reason", "remedy"),
    [
        (
            package(release=ExplicitRelease((1,) * 19)),
            "the release names 19 installments of 20",
            "give one number per installment",
        ),
        (
            package(release=ExplicitRelease((1,) * 21)),
            "the release names 21 installments of 20",
            "give one number per installment",
        ),
        (
            package(count=3, schedule=ExplicitSchedule(BOOK), release=Portion("0")),
            "the schedule has 2 lines for 3 installments",
            "give one line for each",
        ),
        (
            package(count=1, schedule=ExplicitSchedule(BOOK), release=Portion("0")),
            "the schedule has 2 lines for 1 installments",
            "give one line for each",
        ),
        (
            package(count=1, schedule=ExplicitSchedule(()), release=Portion("0")),
            "the schedule has 0 lines for 1 installments",
            "give one line for each",
        ),
        (
            package(price="3000.01", count=2, schedule=ExplicitSchedule(BOOK), release=Portion("0")),
            "the lines add up to 300000 minor units of 300001",
            "let them add up to the price",
        ),
        (
            package(price="2999.99", count=2, schedule=ExplicitSchedule(BOOK), release=Portion("0")),
            "the lines add up to 300000 minor units of 299999",
            "let them add up to the price",
        ),
        (
            package(count=2, schedule=ExplicitSchedule(BOOK), release=Portion("0"), first_due_on=OPENED_ON + DAY),
            "the first line is due on 2023-04-10, first_due_on says 2023-04-11",
            "leave first_due_on out",
        ),
        (
            package(first_due_on=OPENED_ON - DAY),
            "installment 1 would be due on 2023-04-09, before the opening on 2023-04-10",
            "let it fall due on the opening date or later",
        ),
        (
            package(
                count=2,
                schedule=ExplicitSchedule(((OPENED_ON - DAY, 100_000), (OPENED_ON, 200_000))),
                release=Portion("0"),
            ),
            "installment 1 would be due on 2023-04-09, before the opening on 2023-04-10",
            "let it fall due on the opening date or later",
        ),
        (
            package(price="1.00", count=3, unit=50, release=Portion("0")),
            "3 installments rounded up leave 0 minor units for the last one",
            "use fewer installments or a smaller rounding unit",
        ),
        (
            package(price="1.00", count=4, unit=50, release=Portion("0")),
            "4 installments rounded up leave -50 minor units for the last one",
            "use fewer installments or a smaller rounding unit",
        ),
        (
            package(shares=146_999),
            "the installments would release 147,000 of 146,999 shares",
            "lower the release, or state the shares that the package really has",
        ),
        (
            package(shares=19, release=ExplicitRelease((1,) * 20)),
            "the installments would release 20 of 19 shares",
            "lower the release, or state the shares that the package really has",
        ),
        (
            package(schedule=EveryDays(36_500), count=81),
            "the schedule runs beyond the year 9999",
            "shorten it",
        ),
        (
            package(first_due_on=date(9999, 11, 30), count=3),
            "the schedule runs beyond the year 9999",
            "shorten it",
        ),
    ],
)
def test_contradictory_terms_are_refused(agreed: PlanTerms, reason: str, remedy: str) -> None:
    """The refusal carries the plan, the reason and the remedy, in one sentence."""
    with pytest.raises(TermsRefused) as refused:
        lines_of(agreed)
    error = refused.value
    assert (error.plan_id, error.reason, error.remedy) == ("P-1", reason, remedy)
    assert str(error) == f"Plan P-1: {reason}; {remedy}."
    assert isinstance(error, CommandRefused)
    opening = OpenPlan(plan_id="P-1", investor="I-1", partner=None, terms=agreed, opened_at=OPENED_ON)
    with pytest.raises(TermsRefused):
        decide((), opening, METADATA)


@pytest.mark.parametrize(
    "agreed",
    [
        package(shares=147_000),
        package(price="1.01", count=3, unit=50, release=Portion("0")),
        package(first_due_on=OPENED_ON),
        package(first_due_on=date(9999, 11, 11), count=2),
        package(count=2, schedule=ExplicitSchedule(BOOK), release=Portion("1"), first_due_on=OPENED_ON),
    ],
)
def test_terms_at_the_boundary_are_accepted(agreed: PlanTerms) -> None:
    """One share, one cent, one day on the right side of a boundary is accepted."""
    assert len(lines_of(agreed)) == agreed.installments


def test_the_last_day_of_grace_and_the_day_after_it_are_in_the_calendar() -> None:
    """A schedule needs room for grace and the cancellation: on 31 December 9999, the day before, the day after."""
    for last_due, fits in ((11, True), (12, False), (10, True)):
        agreed = package(count=1, first_due_on=date(9999, 12, last_due))
        if fits:
            assert lines_of(agreed)[-1].due_on == date(9999, 12, last_due)
        else:
            with pytest.raises(TermsRefused, match="beyond the year 9999"):
                lines_of(agreed)


# ---- values that no terms can have


VALID: Mapping[str, object] = {
    "price": Money(100, "USD"),
    "shares": 10,
    "installments": 2,
    "release": Portion("0"),
    "timezone": "UTC",
}


@pytest.mark.parametrize(
    ("argument", "value", "expected"),
    [
        ("price", Money(0, "USD"), "a whole number from 1"),
        ("price", Money(-1, "USD"), "a whole number from 1"),
        ("price", Money(10**15 + 1, "USD"), "a whole number up to 1,000,000,000,000,000"),
        ("price", 3_000, "Money, such as Money.of('3000.00', 'USD')"),
        ("shares", 0, "a whole number from 1"),
        ("shares", 1.0, "a whole number from 1"),
        ("shares", True, "a whole number from 1"),
        ("shares", 10**15 + 1, "a whole number up to"),
        ("installments", 0, "a whole number from 1"),
        ("installments", 5_001, "a whole number up to 5,000"),
        ("installments", "20", "a whole number from 1 to 5,000"),
        ("rounding_unit", 0, "a whole number from 1"),
        ("grace_days", -1, "a whole number from 0"),
        ("grace_days", 3_651, "a whole number up to 3,650"),
        ("release", "49", "PerUnit, Portion or ExplicitRelease"),
        ("schedule", "monthly", "Monthly, EveryDays or ExplicitSchedule"),
        ("reinstatement", "full_cover", "'closed', FullCover or PartialCover"),
        ("reinstatement", None, "'closed', FullCover or PartialCover"),
        ("stacking", "multiplied", "'additive' or 'exclusive' or 'compound'"),
        ("timezone", "Moscow", "a time zone of the IANA database"),
        ("first_due_on", "2023-04-10", "a datetime.date"),
        ("first_due_on", datetime(2023, 4, 10, tzinfo=UTC), "a datetime.date"),
        ("promos", ("on_time",), "OnTimeBonus, PackageBonus, DoublePayment or EarlyRepayment"),
        ("promos", "on_time", "a sequence of promotions"),
        (
            "promos",
            (PackageBonus(code="one", rate_bp=1), OnTimeBonus(code="one", rate_bp=2)),
            "a code of its own per promotion",
        ),
    ],
)
def test_a_value_that_no_plan_can_have_is_refused(argument: str, value: object, expected: str) -> None:
    """The refusal names the argument, its value and the expected one."""
    make: Callable[..., PlanTerms] = PlanTerms
    with pytest.raises(InvalidArgument) as refused:
        make(**{**VALID, argument: value})
    assert refused.value.argument == argument
    assert expected in refused.value.expected
    assert str(refused.value).startswith(f"{argument} is ")
    assert str(refused.value).endswith(f"; expected {refused.value.expected}.")


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("price", Money(1, "USD")),
        ("price", Money(10**15, "USD")),
        ("shares", 1),
        ("shares", 10**15),
        ("installments", 1),
        ("installments", 5_000),
        ("grace_days", 0),
        ("grace_days", 3_650),
    ],
)
def test_the_first_and_the_last_value_of_a_range_are_accepted(argument: str, value: object) -> None:
    """Both ends of a range belong to it."""
    make: Callable[..., PlanTerms] = PlanTerms
    assert getattr(make(**{**VALID, argument: value}), argument) == value


PART: Mapping[str, object] = {"code": "a", "rate_bp": 500}
AWARD: Mapping[str, object] = {**PART, "base": "package", "credit": "at_once"}


@pytest.mark.parametrize(
    ("shape", "values", "argument"),
    [
        (PerUnit, {"rate": "-1"}, "rate"),
        (PerUnit, {"rate": 49.0}, "rate"),
        (PerUnit, {"rate": "1/0"}, "rate"),
        (PerUnit, {"rate": "forty-nine"}, "rate"),
        (PerUnit, {"rate": "nan"}, "rate"),
        (PerUnit, {"rate": "1_0"}, "rate"),
        (PerUnit, {"rate": "\uff14\uff19"}, "rate"),
        (PerUnit, {"rate": True}, "rate"),
        (PerUnit, {"rate": "1" * 41}, "rate"),
        (Portion, {"fraction": "1001/1000"}, "fraction"),
        (Portion, {"fraction": "-1/3"}, "rate"),
        (Portion, {"fraction": 0.5}, "rate"),
        (ExplicitRelease, {"shares": (1, -1)}, "shares"),
        (ExplicitRelease, {"shares": (1, 0.5)}, "shares"),
        (ExplicitRelease, {"shares": "12"}, "shares"),
        (EveryDays, {"days": 0}, "days"),
        (EveryDays, {"days": 36_501}, "days"),
        (EveryDays, {"days": "30"}, "days"),
        (ExplicitSchedule, {"lines": ((OPENED_ON, 1), (OPENED_ON, 1))}, "lines"),
        (ExplicitSchedule, {"lines": ((OPENED_ON, 1), (OPENED_ON - DAY, 1))}, "lines"),
        (ExplicitSchedule, {"lines": ((OPENED_ON, 0),)}, "amount"),
        (ExplicitSchedule, {"lines": ((OPENED_ON, -1),)}, "amount"),
        (ExplicitSchedule, {"lines": ((OPENED_ON, 1.0),)}, "amount"),
        (ExplicitSchedule, {"lines": (("2023-04-10", 1),)}, "due date"),
        (ExplicitSchedule, {"lines": ((OPENED_ON, 1, 1),)}, "lines"),
        (ExplicitSchedule, {"lines": (OPENED_ON,)}, "lines"),
        (ExplicitSchedule, {"lines": None}, "lines"),
        (PartialCover, {"minimum": 0}, "minimum"),
        (OnTimeBonus, {**PART, "code": ""}, "code"),
        (OnTimeBonus, {**PART, "code": " on time"}, "code"),
        (OnTimeBonus, {**PART, "rate_bp": 0}, "rate_bp"),
        (OnTimeBonus, {**PART, "standard": "roughly"}, "standard"),
        (PackageBonus, {**PART, "rate_bp": 5.0}, "rate_bp"),
        (PackageBonus, {**PART, "rate_bp": 1_000_001}, "rate_bp"),
        (DoublePayment, {**AWARD, "rate_bp": -1}, "rate_bp"),
        (DoublePayment, {**AWARD, "base": "price"}, "base"),
        (DoublePayment, {**AWARD, "credit": "later"}, "credit"),
        (EarlyRepayment, {**AWARD, "code": None}, "code"),
        (EarlyRepayment, {**AWARD, "base": None}, "base"),
        (EarlyRepayment, {**AWARD, "credit": "never"}, "credit"),
    ],
)
def test_a_part_of_terms_that_no_plan_can_have_is_refused(
    shape: Callable[..., Any], values: Mapping[str, object], argument: str
) -> None:
    """Rates, fractions, lines and promotions are checked where they are made."""
    with pytest.raises(InvalidArgument) as refused:
        shape(**values)
    assert refused.value.argument == argument
    assert str(refused.value) == f"{argument} is {_rendered(refused.value.given)}; expected {refused.value.expected}."


def _rendered(value: object) -> str:
    return repr(value) if isinstance(value, str) else str(value)


@given(numerator=st.integers(0, 10**6), denominator=st.integers(1, 10**6), factor=st.integers(1, 1_000))
def test_a_rate_is_kept_in_lowest_terms(numerator: int, denominator: int, factor: int) -> None:
    """However a rate is written, equal rates are equal terms."""
    written = f"{numerator * factor}/{denominator * factor}"
    assert PerUnit(written) == PerUnit(str(Fraction(numerator, denominator)))
    assert Fraction(PerUnit(written).rate) == Fraction(numerator, denominator)


def test_terms_have_the_defaults_of_the_rules() -> None:
    """Rounding unit 1, monthly, 19 days of grace, no promotions, additive, no reinstatement."""
    make: Callable[..., PlanTerms] = PlanTerms
    agreed = make(**VALID)
    assert (agreed.rounding_unit, agreed.schedule, agreed.grace_days) == (1, Monthly(), 19)
    assert (agreed.promos, agreed.stacking, agreed.reinstatement) == ((), "additive", Closed())
    assert make(**VALID, reinstatement="closed") == agreed


def test_promotions_may_not_promise_more_shares_than_can_be_counted() -> None:
    """Bonuses that together pass 2⁶² shares are refused, with the promotions that do."""
    promos: tuple[Promo, ...] = tuple(PackageBonus(code=f"p{i}", rate_bp=1_000_000) for i in range(2))
    make: Callable[..., PlanTerms] = PlanTerms
    assert make(**{**VALID, "shares": 10**14, "promos": promos})
    with pytest.raises(InvalidArgument, match="4,611,686,018,427,387,904") as refused:
        make(**{**VALID, "shares": 10**15, "promos": promos})
    assert refused.value.given == ["p0", "p1"]


# ---- lines that no terms can have produced


LINES = lines_of(package(count=3, price="300.00", shares=30_000))


NUMBERS = "the installments are not numbered from 1 to the number of installments"
DATES = "the due dates do not increase"
SIGNS = "an installment has no amount, or negative shares"
PRICE = "the installments do not add up to the price"
PACKAGE = "the installments release more shares than the package has"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (LINES[:2], [NUMBERS, PRICE]),
        ((), [NUMBERS, PRICE]),
        ((LINES[1], LINES[0], LINES[2]), [NUMBERS, NUMBERS, DATES]),
        ((*LINES, attrs.evolve(LINES[2], number=4)), [NUMBERS, DATES, PRICE]),
        ((LINES[0], attrs.evolve(LINES[1], due_on=LINES[0].due_on), LINES[2]), [DATES]),
        ((LINES[0], attrs.evolve(LINES[1], due_on=LINES[0].due_on + DAY), LINES[2]), []),
        ((attrs.evolve(LINES[0], amount=0), LINES[1], attrs.evolve(LINES[2], amount=20_000)), [SIGNS]),
        ((attrs.evolve(LINES[0], amount=1), LINES[1], attrs.evolve(LINES[2], amount=19_999)), []),
        ((attrs.evolve(LINES[0], shares=-1), *LINES[1:]), [SIGNS]),
        ((attrs.evolve(LINES[0], shares=0), *LINES[1:]), []),
        ((attrs.evolve(LINES[0], amount=10_001), *LINES[1:]), [PRICE]),
        ((attrs.evolve(LINES[0], amount=9_999), *LINES[1:]), [PRICE]),
        ((attrs.evolve(LINES[0], shares=20_200), *LINES[1:]), []),
        ((attrs.evolve(LINES[0], shares=20_201), *LINES[1:]), [PACKAGE]),
        (LINES, []),
    ],
)
def test_an_opening_refuses_lines_that_no_terms_produce(
    lines: tuple[Installment, ...], expected: Sequence[str]
) -> None:
    """An opening whose lines contradict its terms, as an edited one would, cannot be made; each fault is named."""
    agreed = package(count=3, price="300.00", shares=30_000)
    assert list(problems(lines, agreed)) == expected
    fields: dict[str, Any] = {"effective_on": OPENED_ON, "investor": "I-1", "partner": None, "opened_at": None}
    if expected:
        with pytest.raises(InvalidArgument, match=expected[0]):
            PlanOpened(terms=agreed, lines=lines, **fields)
    else:
        assert PlanOpened(terms=agreed, lines=lines, **fields).lines == lines


@pytest.mark.parametrize(
    "agreed", [Monthly(), EveryDays(1), ExplicitSchedule(((date.min, 10_000), (date.min + DAY, 20_000)))]
)
def test_the_first_installment_can_fall_due_on_the_first_day_of_all(agreed: Schedule) -> None:
    """A plan can be opened, and its first installment fall due, on 1 January of year 1: no date need come before."""
    terms = package(count=2, price="300.00", shares=30_000, schedule=agreed)
    lines = lines_of(terms, date.min)
    assert lines[0].due_on == date.min
    opened = PlanOpened(effective_on=date.min, investor="I-1", partner=None, terms=terms, lines=lines, opened_at=None)
    assert opened.lines == lines
