"""Readers of the columns of a book: text into dates, money and terms. Each raises `InvalidArgument`."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from itertools import count
from typing import Literal, Self, TypeVar

import attrs

from ledger import dates
from ledger.errors import InvalidArgument
from ledger.events.facts import PaymentKind, ReversalCause
from ledger.money import Money
from ledger.terms import (
    Closed,
    DoublePayment,
    EarlyRepayment,
    EveryDays,
    ExplicitRelease,
    ExplicitSchedule,
    FullCover,
    Monthly,
    OnTimeBonus,
    PackageBonus,
    PartialCover,
    PerUnit,
    Portion,
    Promo,
    Reinstatement,
    Release,
    Schedule,
)

T = TypeVar("T")

_MOST_PROMOS = 100

_LONGEST_SHOWN = 200
"""Characters of a cell that an error shows."""

_WHOLE = re.compile(r"[0-9]{1,18}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Malformed(Exception):
    """The reason why a row cannot be read."""

    @classmethod
    def cell(cls, column: str, given: str, expected: str) -> Self:
        """Return the error for a cell: its column, its text, and the expected form."""
        shown = given if len(given) <= _LONGEST_SHOWN else f"{given[:_LONGEST_SHOWN]}…"
        return cls(f"column {column} is {shown!r}; expected {expected}")


@attrs.frozen
class Cells:
    """The cells of one row, by column."""

    by_column: Mapping[str, str]

    def read(self, column: str, reader: Callable[[str], T]) -> T:
        """Return the value of a column. Raises `Malformed`."""
        given = self.by_column.get(column, "")
        try:
            return reader(given)
        except InvalidArgument as error:
            raise Malformed.cell(column, given, error.expected) from None

    def optional(self, column: str, reader: Callable[[str], T], default: T) -> T:
        """Return the value of a column, or the default where it is empty or missing. Raises `Malformed`."""
        return self.read(column, reader) if self.by_column.get(column) else default

    def money(self, column: str) -> Money:
        """Return an amount above zero in major units of the row's currency. Raises `Malformed`."""
        currency = self.read("currency", lambda code: Money(0, code)).currency
        return self.read(column, lambda amount: _above_zero(Money.of(amount, currency)))


def _refuse(given: str, expected: str) -> InvalidArgument:
    return InvalidArgument(argument="cell", given=given, expected=expected)


def _above_zero(money: Money) -> Money:
    if money.minor <= 0:
        raise _refuse(str(money), "an amount above zero")
    return money


def text(given: str) -> str:
    """Read text that is not empty."""
    if not given:
        raise _refuse(given, "some text")
    return given


def optional_text(given: str) -> str | None:
    """Read text that may be empty: then None."""
    return given or None


def whole(given: str) -> int:
    """Read a whole number in plain digits."""
    if not _WHOLE.fullmatch(given):
        raise _refuse(given, "a whole number")
    return int(given)


def civil_date(given: str) -> date:
    """Read a civil date: 2024-06-30."""
    try:
        if _DATE.fullmatch(given):
            return date.fromisoformat(given)
    except ValueError:
        pass
    raise _refuse(given, "a date of the calendar, such as 2024-06-30")


def instant(given: str) -> datetime:
    """Read an instant with its offset: 2024-06-30T12:00:00+03:00."""
    try:
        return dates.instant("cell", datetime.fromisoformat(given))
    except ValueError:
        raise _refuse(given, "an instant with its offset, such as 2024-06-30T12:00:00+03:00") from None


def date_or_instant(given: str) -> date | datetime:
    """Read a civil date or an instant."""
    return civil_date(given) if _DATE.fullmatch(given) else instant(given)


def stacking(given: str) -> Literal["additive", "exclusive", "compound"]:
    """Read a kind of stacking."""
    match given:
        case "additive" | "exclusive" | "compound":
            return given
    raise _refuse(given, "additive, exclusive or compound")


def payment_kind(given: str) -> PaymentKind:
    """Read a kind of payment."""
    match given:
        case "regular" | "early_repayment":
            return given
    raise _refuse(given, "regular or early_repayment")


def reversal_cause(given: str) -> ReversalCause:
    """Read the cause of a reversal."""
    match given:
        case "error" | "chargeback":
            return given
    raise _refuse(given, "error or chargeback")


def release(given: str) -> Release:
    """Read `per_unit:RATE`, `portion:FRACTION` or `explicit:a,b,…`."""
    kind, _, value = given.partition(":")
    if kind == "per_unit":
        return PerUnit(value)
    if kind == "portion":
        return Portion(value)
    if kind == "explicit":
        return ExplicitRelease(tuple(whole(number.strip()) for number in value.split(",")))
    raise _refuse(given, "per_unit:RATE, portion:FRACTION or explicit:a,b,…")


def schedule(currency: str) -> Callable[[str], Schedule]:
    """Return a reader of `monthly`, `every:DAYS` or `lines:DATE=AMOUNT,…`, amounts in major units of the currency."""

    def read(given: str) -> Schedule:
        kind, _, value = given.partition(":")
        if kind == "monthly" and not value:
            return Monthly()
        if kind == "every":
            return EveryDays(whole(value))
        if kind == "lines":
            pairs = (line.strip().partition("=") for line in value.split(","))
            return ExplicitSchedule(
                tuple((civil_date(due_on), Money.of(amount, currency).minor) for due_on, _, amount in pairs)
            )
        raise _refuse(given, "monthly, every:DAYS or lines:DATE=AMOUNT,…")

    return read


def reinstatement(given: str) -> Reinstatement:
    """Read `closed`, `full_cover` or `partial_cover:MINIMUM`."""
    kind, _, value = given.partition(":")
    if kind == "closed" and not value:
        return Closed()
    if kind == "full_cover" and not value:
        return FullCover()
    if kind == "partial_cover":
        return PartialCover(whole(value or "1"))
    raise _refuse(given, "closed, full_cover or partial_cover:MINIMUM")


def promos(given: str) -> tuple[Promo, ...]:
    """Read promotions separated by `;`. The code of each is its name; a repeated name gets a number: `campaign_2`."""
    found: list[Promo] = []
    items = given.split(";", _MOST_PROMOS) if given else []
    if len(items) > _MOST_PROMOS:
        raise _refuse(given, f"at most {_MOST_PROMOS} promotions")
    for item in items:
        name = item.partition(":")[0].strip()
        taken = {promo.code for promo in found}
        codes = (code for code in _codes(name) if code not in taken)
        found.append(_promo(item.strip(), next(codes)))
    return tuple(found)


def _codes(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{number}" for number in count(2))


def _promo(given: str, code: str) -> Promo:
    match given.split(":"):
        case ["on_time", rate]:
            return OnTimeBonus(code=code, rate_bp=whole(rate))
        case ["on_time", rate, ("within_grace" | "by_due_date") as standard]:
            return OnTimeBonus(code=code, rate_bp=whole(rate), standard=standard)
        case ["campaign", rate]:
            return PackageBonus(code=code, rate_bp=whole(rate))
        case ["double_payment", rate, ("package" | "released") as base, ("at_once" | "on_completion") as credit]:
            return DoublePayment(code=code, rate_bp=whole(rate), base=base, credit=credit)
        case ["early_repayment", rate, ("package" | "released") as base, ("at_once" | "on_completion") as credit]:
            return EarlyRepayment(code=code, rate_bp=whole(rate), base=base, credit=credit)
    expected = "on_time:BP[:by_due_date], campaign:BP, double_payment:BP:BASE:CREDIT or early_repayment:BP:BASE:CREDIT"
    raise _refuse(given, expected)
