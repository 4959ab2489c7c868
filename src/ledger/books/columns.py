"""Readers of the columns of a book: text into dates, money and terms. Each raises `InvalidArgument`."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import count
from typing import ClassVar, Literal, Self, TypeVar

import attrs

from ledger import dates
from ledger.errors import InvalidArgument
from ledger.errors.excerpt import excerpt
from ledger.events.facts import PaymentKind, ReversalCause
from ledger.money import Money
from ledger.terms import (
    MAX_INSTALLMENTS,
    MAX_PROMOS,
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

_WHOLE = re.compile(r"[0-9]{1,18}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Malformed(Exception):
    """The reason why a row cannot be read."""

    code: ClassVar[str] = "malformed"

    @classmethod
    def cell(cls, column: str, given: str, expected: str) -> Self:
        """Return the error for a cell: its column, its text, and the expected form."""
        return cls(f"column {column} is {excerpt(given)}; expected {expected}")


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
        raise _refuse(given, "a whole number in plain digits, without a sign")
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
            return _lines(value.split(","), currency)
        raise _refuse(given, "monthly, every:DAYS or lines:DATE=AMOUNT,…")

    return read


def _lines(given: Sequence[str], currency: str) -> ExplicitSchedule:
    """Read the lines of a schedule; a refusal names the line."""
    if len(given) > MAX_INSTALLMENTS:
        raise _refuse(f"{len(given)} lines", f"at most {MAX_INSTALLMENTS:,} lines")
    lines: list[tuple[date, int]] = []
    for number, line in enumerate(given, 1):
        due_on, _, amount = line.strip().partition("=")
        try:
            lines.append((civil_date(due_on), Money.of(amount, currency).minor))
        except InvalidArgument as error:
            raise _refuse(line, f"{error.expected}, in line {number}: {excerpt(line.strip())}") from None
    return ExplicitSchedule(tuple(lines))


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
    items = given.split(";") if given else []
    if len(items) > MAX_PROMOS:
        raise _refuse(f"{len(items)} promotions", f"at most {MAX_PROMOS:,} promotions")
    found: list[Promo] = []
    taken: set[str] = set()
    for item in items:
        name = item.partition(":")[0].strip()
        code = next(code for code in _codes(name) if code not in taken)
        taken.add(code)
        found.append(_promo(item.strip(), code))
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
