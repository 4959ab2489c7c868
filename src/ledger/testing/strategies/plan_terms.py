"""Strategies for the agreement: money, terms and each of their parts, and the schedules that they produce."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from fractions import Fraction
from functools import cache
from typing import Any, Literal, get_args

from ledger.dates import DAY, months_from
from ledger.errors import InvalidArgument
from ledger.money import EXPONENTS, Money
from ledger.terms import (
    Closed,
    DoublePayment,
    EarlyRepayment,
    EarnedPromo,
    EveryDays,
    ExplicitRelease,
    ExplicitSchedule,
    FullCover,
    Monthly,
    OnTimeBonus,
    PackageBonus,
    PartialCover,
    PerUnit,
    PlanTerms,
    Portion,
    Promo,
    Reinstatement,
    Release,
    Schedule,
)
from ledger.terms.schedule import Installment, installments
from ledger.testing.strategies._hypothesis import st

Stacking = Literal["additive", "exclusive", "compound"]

CURRENCIES = ("USD", "JPY", "KWD")
"""Currencies with two decimals, none and three."""

ZONES = (
    "UTC",
    "Europe/Moscow",
    "Europe/Berlin",
    "America/Mexico_City",
    "Asia/Kolkata",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Australia/Lord_Howe",
)
"""Time zones without daylight saving, with it, with half an hour of it, and those farthest from UTC."""

GRACE_DAYS = (19, 0, 1, 45)
SCHEDULES = (Monthly, EveryDays, ExplicitSchedule)
RELEASES = (PerUnit, Portion, ExplicitRelease)
PROMOTIONS = (OnTimeBonus, PackageBonus, DoublePayment, EarlyRepayment)
POLICIES = (Closed(), FullCover(), PartialCover(1), PartialCover(2))

FIRST_DAY, LAST_DAY = date(2023, 1, 1), date(2024, 12, 31)
"""The days on which plans open unless others are asked for."""

_PUBLISHED_RATES = (500, 50, 100, 1_000, 5_000)
_FRACTIONS = ("0", "1/3", "2/5", "61/100", "1")
_PARTS_OF_RATE = (Fraction(0), Fraction(1, 3), Fraction(45, 79), Fraction(1))
_MOST_SHARES = 400_000


def chosen(argument: str, words: Collection[Any], among: Collection[Any]) -> tuple[Any, ...]:
    """Return the words in the order of those that there are. Raises `InvalidArgument` for none, or an unknown one."""
    unknown = [word for word in words if word not in among]
    if unknown or not words:
        named = ", ".join(getattr(word, "__name__", str(word)) for word in among)
        raise InvalidArgument(argument=argument, given=unknown[0] if unknown else words, expected=f"some of {named}")
    return tuple(word for word in among if word in words)


def between(argument: str, bounds: int | tuple[int, int], *, minimum: int, maximum: int) -> tuple[int, int]:
    """Return the least and the greatest number; one number is both. Raises `InvalidArgument`."""
    low, high = bounds if isinstance(bounds, tuple) else (bounds, bounds)
    if not minimum <= low <= high <= maximum:
        expected = f"a number, or the least and the greatest one, from {minimum:,} to {maximum:,}"
        raise InvalidArgument(argument=argument, given=bounds, expected=expected)
    return low, high


def money(
    *, currencies: Collection[str] = CURRENCIES, minimum: int = 1, maximum: int = 10_000_000
) -> st.SearchStrategy[Money]:
    """Amounts from `minimum` to `maximum` minor units; a failing example shrinks to a round one.

    Raises `InvalidArgument` for a currency of which ISO 4217 knows no minor unit.
    """
    known = chosen("currencies", currencies, sorted(EXPONENTS))
    currencies = tuple(code for code in CURRENCIES if code in known) + tuple(
        code for code in known if code not in CURRENCIES
    )
    return _amounts(currencies, minimum, maximum)


@st.composite
def _amounts(draw: st.DrawFn, /, currencies: tuple[str, ...], minimum: int, maximum: int) -> Money:
    currency = draw(st.sampled_from(currencies))
    for unit in (100 * 10 ** EXPONENTS[currency], 10 ** EXPONENTS[currency]):  # round first, whatever fits the bounds
        low, high = -(-minimum // unit), maximum // unit
        if low <= high and draw(_ONE_IN_THREE):
            return Money(unit * draw(st.integers(low, high)), currency)
    return Money(draw(st.integers(minimum, maximum)), currency)


_ONE_IN_THREE = st.sampled_from([True, False, False])


@cache
def openings(first: date = FIRST_DAY, last: date = LAST_DAY) -> st.SearchStrategy[date]:
    """Days on which plans open: first days of a month, last days of one, and any others."""
    months = (last.year - first.year) * 12 + last.month - first.month
    firsts = [months_from(first.replace(day=1), count) for count in range(months + 1)]
    begin = [day for day in firsts if first <= day <= last]
    ends = [day for one in firsts for day in (one - back * DAY for back in range(1, 5)) if first <= day <= last]
    options = [st.sampled_from(days) for days in (begin, ends) if days]
    return st.one_of(*options, st.dates(first, last))


def rates() -> st.SearchStrategy[int]:
    """Rates in basis points: the published ones, tiny ones that round to nothing, and large ones."""
    return st.one_of(st.sampled_from(_PUBLISHED_RATES), st.integers(1, 20_000))


@st.composite
def promotions(draw: st.DrawFn, /, *, kinds: Collection[type[Promo]] = PROMOTIONS, most: int = 5) -> tuple[Promo, ...]:
    """Promotions of a plan, at most `most`, in any order, more than one of a kind included."""
    if not kinds:
        return ()
    of = draw(_kinds_of_promotions(chosen("promotions", kinds, PROMOTIONS), most))
    return tuple(_promotion(draw, kind, number) for number, kind in enumerate(of, 1))


@cache
def _kinds_of_promotions(kinds: tuple[type[Promo], ...], most: int) -> st.SearchStrategy[list[type[Promo]]]:
    return st.lists(st.sampled_from(kinds), max_size=most)


_RATES = rates()
_STANDARDS = st.sampled_from(["within_grace", "by_due_date"])
_BASES_AND_CREDITS = st.sampled_from([(b, c) for c in ("at_once", "on_completion") for b in ("package", "released")])


def _promotion(draw: st.DrawFn, kind: type[Promo], number: int) -> Promo:
    shape: Any = kind
    rate = draw(_RATES)
    if issubclass(kind, EarnedPromo):
        base, credit = draw(_BASES_AND_CREDITS)
        return shape(f"promo_{number}", rate_bp=rate, base=base, credit=credit)  # type: ignore[no-any-return]
    if kind is OnTimeBonus:
        return shape(f"promo_{number}", rate_bp=rate, standard=draw(_STANDARDS))  # type: ignore[no-any-return]
    return shape(f"promo_{number}", rate_bp=rate)  # type: ignore[no-any-return]


@st.composite
def terms(
    draw: st.DrawFn,
    /,
    *,
    opened_on: date | None = None,
    currencies: Collection[str] = CURRENCIES,
    zones: Sequence[str] = ZONES,
    installments: int | tuple[int, int] = (1, 8),
    grace_days: Sequence[int] = GRACE_DAYS,
    schedules: Collection[type[Schedule]] = SCHEDULES,
    releases: Collection[type[Release]] = RELEASES,
    promotions: Collection[type[Promo]] = PROMOTIONS,
    stacking: Collection[Stacking] = get_args(Stacking),
    policies: Sequence[Reinstatement] = POLICIES,
) -> PlanTerms:
    """Terms that an opening on `opened_on` accepts; without a day, any that some opening accepts.

    Each argument narrows the domain: the words, numbers and classes that the terms may have; `installments` is a
    number, or the least and the greatest; no `promotions`: `()`. A failing example shrinks to one installment of a
    round price, without promotions. Raises `InvalidArgument` for an empty domain.
    """
    low, high = between("installments", installments, minimum=1, maximum=5_000)
    count = draw(st.integers(low, high))
    currency = draw(_sampled("currencies", tuple(currencies)))
    kind = draw(_kinds("schedules", tuple(schedules), SCHEDULES))
    first = (opened_on or FIRST_DAY) + draw(_FIRST_DUE_AFTER)
    price, unit, schedule, amounts = _scheduled(draw, kind, count, currency, first)
    shares = max(count, draw(_SHARES))
    anchored = None if isinstance(schedule, ExplicitSchedule) or (opened_on in (None, first)) else first
    return PlanTerms(
        price=price,
        shares=shares,
        installments=count,
        rounding_unit=unit,
        release=_release(draw, draw(_kinds("releases", tuple(releases), RELEASES)), price, shares, amounts),
        schedule=schedule,
        first_due_on=anchored,
        timezone=draw(_sampled("zones", tuple(zones))),
        grace_days=draw(_sampled("grace_days", tuple(grace_days))),
        promos=draw(_promotions(tuple(promotions))),
        stacking=draw(_kinds("stacking", tuple(stacking), get_args(Stacking))),
        reinstatement=draw(_sampled("policies", tuple(policies))),
    )


_FIRST_DUE_AFTER = st.sampled_from([timedelta(days=days) for days in (0, 0, 1, 30)])
_SHARES = st.one_of(st.integers(1, 400).map(lambda thousands: 1_000 * thousands), st.integers(1, _MOST_SHARES))
_UNITS = st.sampled_from([1, 1, 7, 100])
_REGULAR = st.one_of(st.integers(1, 3).map(lambda hundreds: 10_000 * hundreds), st.integers(1, 3_000))
_DAYS_BETWEEN = st.sampled_from([30, 1, 7, 31])
_GAPS_AND_AMOUNTS = st.tuples(st.integers(1, 60), st.integers(1, 500))


@cache
def _sampled(argument: str, options: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if not options:
        raise InvalidArgument(argument=argument, given=options, expected="one at least")
    return st.sampled_from(options)


@cache
def _kinds(argument: str, options: tuple[Any, ...], among: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from(chosen(argument, options, among))


@cache
def _promotions(kinds: tuple[type[Promo], ...]) -> st.SearchStrategy[tuple[Promo, ...]]:
    return promotions(kinds=kinds)


def _scheduled(
    draw: st.DrawFn, kind: type[Schedule], count: int, currency: str, first: date
) -> tuple[Money, int, Schedule, list[int]]:
    """Draw the price, the rounding unit, the schedule, and the amounts that an explicit release is spread over."""
    unit = draw(_UNITS)
    if kind is ExplicitSchedule:
        gaps, amounts = zip(*(draw(_GAPS_AND_AMOUNTS) for _ in range(count)), strict=True)
        due = [first + sum(gaps[1 : index + 1]) * DAY for index in range(count)]
        lines = tuple(zip(due, amounts, strict=True))
        return Money(sum(amounts), currency), unit, ExplicitSchedule(lines), list(amounts)
    regular = -(-draw(_REGULAR) // unit) * unit
    less = draw(st.integers(0, unit - 1)) if unit > 1 else 0
    schedule = Monthly() if kind is Monthly else EveryDays(draw(_DAYS_BETWEEN))
    return Money(regular * count - less, currency), unit, schedule, [regular] * count


def _release(draw: st.DrawFn, kind: type[Release], price: Money, shares: int, amounts: list[int]) -> Release:
    """Draw a release that fits the package: none, a part, or all of it before completion."""
    if kind is Portion:
        return Portion(draw(_FRACTION))
    if kind is PerUnit:
        whole = Fraction(shares * 10 ** EXPONENTS[price.currency], price.minor)
        return PerUnit(whole * draw(_PART_OF_RATE))
    left, given_out = shares, []
    for _ in amounts:
        given_out.append(draw(st.integers(0, left // 2)))
        left -= given_out[-1]
    return ExplicitRelease(tuple(given_out))


_FRACTION = st.sampled_from(_FRACTIONS)
_PART_OF_RATE = st.sampled_from(_PARTS_OF_RATE)


@st.composite
def schedules(
    draw: st.DrawFn, /, *, first: date = FIRST_DAY, last: date = LAST_DAY, **domain: Any
) -> tuple[PlanTerms, tuple[Installment, ...]]:
    """Terms of a plan opened from `first` to `last`, and the installments that they produce.

    The other arguments are those of `terms`.
    """
    opened_on = draw(openings(first, last))
    agreed = draw(terms(opened_on=opened_on, **domain))
    return agreed, installments("P-1", agreed, opened_on=opened_on)


def parts(base: type[Any]) -> st.SearchStrategy[Any]:
    """Parts of terms of a class: a `Schedule`, `Release`, `Promo` or `Reinstatement`, or one kind of it."""
    if issubclass(base, Reinstatement):
        return st.sampled_from([policy for policy in POLICIES if isinstance(policy, base)])
    if issubclass(base, Promo):
        kinds = [kind for kind in PROMOTIONS if issubclass(kind, base)]
        return promotions(kinds=kinds).filter(bool).map(lambda several: several[0])
    if issubclass(base, Schedule):
        return terms(schedules=[kind for kind in SCHEDULES if issubclass(kind, base)]).map(lambda one: one.schedule)
    return terms(releases=[kind for kind in RELEASES if issubclass(kind, base)]).map(lambda one: one.release)
