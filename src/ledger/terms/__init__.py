"""The terms of a plan: the agreement at its opening, frozen. Data only; `schedule` and `promos` compute with it.

Source: RULES.md sections 2, 4, 7 and 9. Every class carries a `kind`: the word under which it is stored.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal

import attrs

from ledger.dates import civil_date, timezone
from ledger.errors import InvalidArgument, arguments
from ledger.money import Money

MAX_INSTALLMENTS = 5_000
MAX_GRACE_DAYS = 3_650
MAX_RATE_BP = 1_000_000
MAX_PROMOS = 1_000
_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,3}")
"""The form of a time zone's name."""

_LONGEST_RATE = 40
_LARGE_EXPONENT = re.compile(r"[eE][-+]?[0-9]{3,}")
_MAX_RATE_BITS = 128

_MAX_BONUS = 2**62
"""Largest number of bonus shares that terms may promise: read models keep it in 64 bits."""


def _rate(value: str | int | Fraction) -> str:
    """Return an exact rate in canonical form: `"98/2"` becomes `"49"`. A float is refused."""
    expected = "an exact rate that is not negative, such as '49', '45/7' or '0.4'"
    if not _is_short(value):
        raise InvalidArgument(argument="rate", given=value, expected=expected)
    try:
        exact = Fraction(value)
    except (ValueError, ZeroDivisionError):
        raise InvalidArgument(argument="rate", given=value, expected=expected) from None
    if exact < 0:
        raise InvalidArgument(argument="rate", given=value, expected=expected)
    return str(exact)


def _is_short(value: object) -> bool:
    """Return whether a rate can be computed with, judged before anything is: `1e9999999` is short text only.

    Digits are those of ASCII, with nothing between them: `1_0` is rather a slip than ten.
    """
    if isinstance(value, str):
        plain = value.isascii() and "_" not in value
        return plain and len(value) <= _LONGEST_RATE and not _LARGE_EXPONENT.search(value)
    if isinstance(value, bool) or not isinstance(value, (int, Fraction)):
        return False
    return max(value.numerator.bit_length(), value.denominator.bit_length()) <= _MAX_RATE_BITS


def _check_rate(name: str, rate: str) -> None:
    """Refuse a stored rate that this library would have written otherwise."""
    if rate != _rate(rate):
        raise InvalidArgument(argument=name, given=rate, expected=f"the canonical form {_rate(rate)!r}")


def _sealed_shares(value: Iterable[int]) -> tuple[int, ...]:
    return tuple(arguments.instance("shares", value, (list, tuple), "a sequence of whole shares, one per installment"))


def _sealed_promos(value: Iterable["Promo"]) -> tuple["Promo", ...]:
    return tuple(arguments.instance("promos", value, (list, tuple), "a sequence of promotions"))


def _lines(value: Iterable[tuple[date, int]]) -> tuple[tuple[date, int], ...]:
    """Turn pairs of due date and amount into tuples of plain dates and ints. Raises `InvalidArgument`."""
    pairs = "pairs of due date and amount in minor units"
    for pair in arguments.instance("lines", value, (list, tuple), f"a sequence of {pairs}"):
        if len(arguments.instance("lines", pair, (list, tuple), pairs)) != 2:  # noqa: PLR2004 - a pair
            raise InvalidArgument(argument="lines", given=pair, expected=pairs)
    return tuple((_due_date(number, due_on), amount) for number, (due_on, amount) in enumerate(value, 1))


def _due_date(number: int, value: date) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise InvalidArgument(argument="due date", given=value, expected=f"a datetime.date in line {number}")
    return civil_date("due date", value)


def _plain_date(value: date | None) -> date | None:
    return None if value is None else civil_date("first_due_on", value)


class Schedule:
    """When installments fall due: `Monthly`, `EveryDays` or `ExplicitSchedule`."""

    __slots__ = ()


@attrs.frozen
class Monthly(Schedule):
    """Due on the anchor's day of each month, clamped to the end of the month, never chained."""

    kind: Literal["monthly"] = attrs.field(default="monthly", init=False, repr=False)


@attrs.frozen
class EveryDays(Schedule):
    """Due every `days` calendar days."""

    days: int
    kind: Literal["every_days"] = attrs.field(default="every_days", init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        arguments.whole("days", self.days, minimum=1, maximum=36_500)


@attrs.frozen
class ExplicitSchedule(Schedule):
    """Lines taken as they are: pairs of due date and amount in minor units, dates strictly increasing."""

    lines: tuple[tuple[date, int], ...] = attrs.field(converter=_lines)
    kind: Literal["explicit"] = attrs.field(default="explicit", init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        for number, (_, amount) in enumerate(self.lines, 1):
            if type(amount) is not int or not 1 <= amount <= arguments.WHOLE_LIMIT:
                expected = f"a whole number from 1 to {arguments.WHOLE_LIMIT:,} in line {number}"
                raise InvalidArgument(argument="amount", given=amount, expected=expected)
        for number, ((before, _), (after, _)) in enumerate(pairwise(self.lines), 2):
            if after <= before:
                expected = f"a due date after {before} in line {number}"
                raise InvalidArgument(argument="lines", given=after, expected=expected)


class Release:
    """How shares are credited before completion: `PerUnit`, `Portion` or `ExplicitRelease`."""

    __slots__ = ()


@attrs.frozen
class PerUnit(Release):
    """Installment *i* credits `floor(amount_i in major units × rate)`. The rate is exact: `"49"`, `"45/7"`."""

    rate: str = attrs.field(converter=_rate)
    kind: Literal["per_unit"] = attrs.field(default="per_unit", init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        _check_rate("rate", self.rate)


@attrs.frozen
class Portion(Release):
    """`fraction × shares` spread over the installments by cumulative rounding down; from `"0"` to `"1"`."""

    fraction: str = attrs.field(converter=_rate)
    kind: Literal["portion"] = attrs.field(default="portion", init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        _check_rate("fraction", self.fraction)
        if Fraction(self.fraction) > 1:
            raise InvalidArgument(argument="fraction", given=self.fraction, expected="a fraction from 0 to 1")


@attrs.frozen
class ExplicitRelease(Release):
    """One number of shares per installment."""

    shares: tuple[int, ...] = attrs.field(converter=_sealed_shares)
    kind: Literal["explicit"] = attrs.field(default="explicit", init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        for number in self.shares:
            arguments.whole("shares", number, minimum=0)


class Promo:
    """A promotion granted to a plan: `OnTimeBonus`, `PackageBonus`, `DoublePayment` or `EarlyRepayment`.

    `code` names it in the plan. `rate_bp` is in basis points: 500 is 5 %.
    """

    __slots__ = ()

    code: str
    rate_bp: int

    def __attrs_post_init__(self) -> None:
        arguments.make_plain(self, "code")
        arguments.text("code", self.code)
        arguments.whole("rate_bp", self.rate_bp, minimum=1, maximum=MAX_RATE_BP)


@attrs.frozen
class OnTimeBonus(Promo):
    """On the package's shares, credited on completion, for a plan paid on time.

    `within_grace`: the plan was never cancelled. `by_due_date`: every installment was settled, for the last time, no
    later than its scheduled due date.
    """

    code: str
    rate_bp: int = attrs.field(kw_only=True)
    standard: Literal["within_grace", "by_due_date"] = attrs.field(default="within_grace", kw_only=True)
    kind: Literal["on_time"] = attrs.field(default="on_time", init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        Promo.__attrs_post_init__(self)
        arguments.make_plain(self, "standard")
        arguments.one_of("standard", self.standard, ("within_grace", "by_due_date"))


@attrs.frozen
class PackageBonus(Promo):
    """On the package's shares, credited on completion: a campaign."""

    code: str
    rate_bp: int = attrs.field(kw_only=True)
    kind: Literal["package"] = attrs.field(default="package", init=False, repr=False)


@attrs.frozen
class EarnedPromo(Promo):
    """A promotion that a payment earns: its rate is taken of the shares that `base` names."""

    code: str
    rate_bp: int = attrs.field(kw_only=True)
    base: Literal["package", "released"] = attrs.field(kw_only=True)
    credit: Literal["at_once", "on_completion"] = attrs.field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        Promo.__attrs_post_init__(self)
        arguments.make_plain(self, "base", "credit")
        arguments.one_of("base", self.base, ("package", "released"))
        arguments.one_of("credit", self.credit, ("at_once", "on_completion"))


@attrs.frozen
class DoublePayment(EarnedPromo):
    """Earned, once, by each regular payment that settles the next due installment in time and at least one more.

    `base`: `package` (the package's shares) or `released` (the shares that the first extra installment releases).
    `credit`: `at_once` or `on_completion`. The rules publish no rate and no base, so there is no default.
    """

    kind: Literal["double_payment"] = attrs.field(default="double_payment", init=False, repr=False)


@attrs.frozen
class EarlyRepayment(EarnedPromo):
    """Earned by a payment marked as early repayment, growing with the installments that it prepays.

    `base`: `package` (the package's shares times their count) or `released` (the shares that they release).
    `credit`: `at_once` or `on_completion`. The rules publish no rate and no base, so there is no default.
    """

    kind: Literal["early_repayment"] = attrs.field(default="early_repayment", init=False, repr=False)


class Reinstatement:
    """Whether a cancelled plan may be reinstated: `Closed`, `FullCover` or `PartialCover`."""

    __slots__ = ()


@attrs.frozen
class Closed(Reinstatement):
    """Never. `PlanTerms(reinstatement="closed")` means this, and it is the default."""

    kind: Literal["closed"] = attrs.field(default="closed", init=False, repr=False)


@attrs.frozen
class FullCover(Reinstatement):
    """By a payment that covers every overdue installment."""

    kind: Literal["full_cover"] = attrs.field(default="full_cover", init=False, repr=False)


@attrs.frozen
class PartialCover(Reinstatement):
    """By a payment that covers at least `minimum` overdue installments, or all of them if they are fewer."""

    minimum: int = 1
    kind: Literal["partial_cover"] = attrs.field(default="partial_cover", init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        arguments.whole("minimum", self.minimum, minimum=1, maximum=MAX_INSTALLMENTS)


def _by_kind(*shapes: type[Any]) -> Mapping[str, type[Any]]:
    return {str(attrs.fields_dict(shape)["kind"].default): shape for shape in shapes}


KINDS: Mapping[type[Any], Mapping[str, type[Any]]] = {
    Schedule: _by_kind(Monthly, EveryDays, ExplicitSchedule),
    Release: _by_kind(PerUnit, Portion, ExplicitRelease),
    Promo: _by_kind(OnTimeBonus, PackageBonus, DoublePayment, EarlyRepayment),
    Reinstatement: _by_kind(Closed, FullCover, PartialCover),
}
"""The parts of terms that come in kinds, by the word under which each is stored."""


def _check_kind(name: str, value: object, base: type[Any]) -> None:
    """Refuse a part of terms that is of no kind of its base; a class of the caller's own could not be stored."""
    shapes = tuple(KINDS[base].values())
    if type(value) not in shapes:
        *others, last = ("'closed'" if shape is Closed else shape.__name__ for shape in shapes)
        raise InvalidArgument(argument=name, given=value, expected=f"{', '.join(others)} or {last}")


def _policy(value: Reinstatement | Literal["closed"]) -> Reinstatement:
    return Closed() if isinstance(value, str) and value == "closed" else value


@attrs.frozen(kw_only=True)
class PlanTerms:
    """Everything that was agreed about a plan, frozen at its opening. Source: RULES.md section 2.

    `price` is money owed in all; `shares` whole shares in the package, the authority whatever a price list says.
    `rounding_unit` is in minor units and says nothing about explicit lines. `first_due_on` None means the opening
    date, or the first explicit line. `grace_days` are calendar days after a due date that still count.

    Raises `InvalidArgument` for a value that no plan can have. The schedule and the release of shares, which the terms
    produce together, are checked at opening, which raises `TermsRefused`.
    """

    price: Money
    shares: int
    installments: int
    release: Release
    timezone: str
    rounding_unit: int = 1
    schedule: Schedule = Monthly()
    first_due_on: date | None = attrs.field(default=None, converter=_plain_date)
    grace_days: int = 19
    promos: tuple[Promo, ...] = attrs.field(default=(), converter=_sealed_promos)
    stacking: Literal["additive", "exclusive", "compound"] = "additive"
    reinstatement: Reinstatement = attrs.field(default=Closed(), converter=_policy)

    def __attrs_post_init__(self) -> None:
        arguments.exactly("price", self.price, Money, "Money, such as Money.of('3000.00', 'USD')")
        arguments.whole("price", self.price.minor, minimum=1)
        arguments.whole("shares", self.shares, minimum=1)
        arguments.whole("installments", self.installments, minimum=1, maximum=MAX_INSTALLMENTS)
        arguments.whole("rounding_unit", self.rounding_unit, minimum=1)
        arguments.whole("grace_days", self.grace_days, minimum=0, maximum=MAX_GRACE_DAYS)
        _check_kind("release", self.release, Release)
        _check_kind("schedule", self.schedule, Schedule)
        _check_kind("reinstatement", self.reinstatement, Reinstatement)
        arguments.make_plain(self, "stacking", "timezone")
        arguments.one_of("stacking", self.stacking, ("additive", "exclusive", "compound"))
        if not arguments.is_decoding() or not _ZONE.fullmatch(self.timezone):  # a machine may lack a newer zone
            timezone("timezone", self.timezone)
        self._check_promos()

    def _check_promos(self) -> None:
        if len(self.promos) > MAX_PROMOS:
            expected = f"at most {MAX_PROMOS:,} promotions"
            raise InvalidArgument(argument="promos", given=f"{len(self.promos):,} of them", expected=expected)
        seen: set[str] = set()
        for promo in self.promos:
            _check_kind("promos", promo, Promo)
            if promo.code in seen:
                raise InvalidArgument(argument="promos", given=promo.code, expected="a code of its own per promotion")
            seen.add(promo.code)
        if _largest_bonus(self.shares, self.installments, self.promos) > _MAX_BONUS:
            expected = f"promotions that together credit less than {_MAX_BONUS:,} shares"
            raise InvalidArgument(argument="promos", given=[promo.code for promo in self.promos], expected=expected)


def _largest_bonus(shares: int, installments: int, promos: Iterable[Promo]) -> int:
    """Return a number of bonus shares that no history of such a plan can exceed, under any stacking."""
    bonus = 0
    for promo in promos:
        times = installments if isinstance(promo, EarnedPromo) else 1
        bonus += (shares + bonus) * times * promo.rate_bp // 10_000
    return bonus
