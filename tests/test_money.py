"""Money: integer minor units, read and written exactly, and refused where it would have to be rounded or guessed."""

from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidArgument, LedgerError
from ledger.errors.arguments import WHOLE_LIMIT
from ledger.money import EXPONENTS, Money

DIGITS = {"JPY": 0, "USD": 2, "KWD": 3, "CLF": 4}
"""One currency for each number of digits that a minor unit has in ISO 4217."""

MINORS = st.one_of(st.integers(-WHOLE_LIMIT, WHOLE_LIMIT), st.integers(-(10**30), 10**30))
CURRENCIES = st.sampled_from(sorted(EXPONENTS))


def written(minor: int, digits: int) -> str:
    """Write minor units in major ones, by hand."""
    sign, figures = "-" if minor < 0 else "", f"{abs(minor):0{digits + 1}d}"
    return f"{sign}{figures[:-digits]}.{figures[-digits:]}" if digits else f"{sign}{figures}"


@pytest.mark.parametrize(("currency", "digits"), DIGITS.items())
def test_the_minor_unit_has_the_digits_of_iso_4217(currency: str, digits: int) -> None:
    """A yen has no minor unit, a dollar 2 digits of it, a dinar of Kuwait 3, a unidad de fomento 4."""
    assert EXPONENTS[currency] == digits


@given(minor=MINORS, currency=st.sampled_from(sorted(DIGITS)))
def test_an_amount_is_read_exactly_in_every_exponent(minor: int, currency: str) -> None:
    """An amount in major units, as text or as a Decimal, is exactly those minor units."""
    text = written(minor, DIGITS[currency])
    assert Money.of(text, currency) == Money(minor, currency)
    assert Money.of(Decimal(text), currency) == Money(minor, currency)


@given(minor=MINORS, currency=CURRENCIES)
def test_str_round_trip(minor: int, currency: str) -> None:
    """The text written by `str` is read back by `of`."""
    amount, code = str(Money(minor, currency)).split(" ")
    assert Money.of(amount, code) == Money(minor, currency)


@given(major=st.integers(-WHOLE_LIMIT, WHOLE_LIMIT), currency=CURRENCIES)
def test_an_int_is_in_major_units(major: int, currency: str) -> None:
    """An int counts whole major units: 150 is 150.00 USD."""
    assert Money.of(major, currency) == Money(major * 10 ** EXPONENTS[currency], currency)


@given(minor=st.integers(-WHOLE_LIMIT, WHOLE_LIMIT), precision=st.integers(1, 30))
def test_no_setting_of_the_caller_changes_an_amount(minor: int, precision: int) -> None:
    """The precision of the caller's own decimals does not change an amount."""
    text = written(minor, 2)
    with localcontext() as context:
        context.prec = precision
        assert Money.of(text, "USD") == Money(minor, "USD")
        assert Money.of(Decimal(text), "USD") == Money(minor, "USD")


def test_forty_characters_are_read_exactly() -> None:
    """The longest amount accepted is read exactly; nothing is rounded."""
    assert Money.of("1234567890123456789012345678901234567.89", "USD").minor == 123456789012345678901234567890123456789


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("150.00", "USD", 15_000),
        ("150.0", "USD", 15_000),
        ("150", "USD", 15_000),
        ("0.01", "USD", 1),
        ("-0.01", "USD", -1),
        ("007.50", "USD", 750),
        ("0", "USD", 0),
        ("150", "JPY", 150),
        ("0.001", "KWD", 1),
        ("12.5", "KWD", 12_500),
        ("0.0001", "CLF", 1),
        (Decimal("1E+3"), "USD", 100_000),
        (Decimal("2E-2"), "USD", 2),
        (3_000, "USD", 300_000),
    ],
)
def test_accepted_amounts(text: str | int | Decimal, currency: str, minor: int) -> None:
    """Fewer decimals than the minor unit has are accepted; they mean the same."""
    assert Money.of(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("minor", "currency", "plain", "grouped"),
    [
        (15_000, "USD", "150.00 USD", "150.00 USD"),
        (300_000_05, "USD", "300000.05 USD", "300,000.05 USD"),
        (-5, "USD", "-0.05 USD", "-0.05 USD"),
        (0, "KWD", "0.000 KWD", "0.000 KWD"),
        (1_234_567, "JPY", "1234567 JPY", "1,234,567 JPY"),
        (-12_345_678, "CLF", "-1234.5678 CLF", "-1,234.5678 CLF"),
    ],
)
def test_written_amounts(minor: int, currency: str, plain: str, grouped: str) -> None:
    """All digits of the minor unit are written; `,` separates thousands."""
    money = Money(minor, currency)
    assert (str(money), f"{money}", f"{money:,}") == (plain, plain, grouped)


@pytest.mark.parametrize(("currency", "digits"), DIGITS.items())
def test_too_many_decimals_are_refused(currency: str, digits: int) -> None:
    """As many decimals as the minor unit has are accepted, one more is refused: nothing is rounded."""
    for decimals in range(1, digits + 1):
        assert Money.of("1." + "0" * (decimals - 1) + "1", currency).minor == 10**digits + 10 ** (digits - decimals)
    _refused_for_its_decimals("1." + "0" * digits + "1", currency)


@pytest.mark.parametrize(("currency", "digits"), DIGITS.items())
def test_a_zero_too_many_is_refused(currency: str, digits: int) -> None:
    """A decimal that the minor unit does not have is refused even where it is 0: 1.500 is no amount of dollars."""
    _refused_for_its_decimals("1." + "0" * (digits + 1), currency)


def _refused_for_its_decimals(text: str, currency: str) -> None:
    for amount in (text, Decimal(text)):
        with pytest.raises(InvalidArgument) as refused:
            Money.of(amount, currency)
        assert (refused.value.argument, refused.value.given) == ("amount", amount)
        assert f"at most {DIGITS[currency]} decimals" in str(refused.value)


@pytest.mark.parametrize(
    "amount",
    [
        150.0,
        0.1,
        float("nan"),
        True,
        None,
        b"150",
        ["150"],
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("-Infinity"),
        "",
        " ",
        "-",
        "+1",
        "--1",
        ".5",
        "5.",
        "1e3",
        "1,000",
        "1_000",
        "1 000",
        " 150",
        "150 ",
        "150\n",
        "150.00 USD",
        "$150",
        "\u0661\u0665\u0660",
        "NaN",
        "0x10",
        "1.2.3",
        "9" * 41,
    ],
)
def test_garbage_is_refused(amount: object) -> None:
    """Anything but a plain amount is refused, with the value and the expected form; a float is never one."""
    of: Callable[[object, str], Money] = Money.of  # type: ignore[assignment]  # as a caller without a checker
    with pytest.raises(InvalidArgument) as refused:
        of(amount, "USD")
    assert refused.value.argument == "amount"
    assert refused.value.given is amount
    floats = "; floats are refused, as they are not exact" if isinstance(amount, float) else ""
    assert refused.value.expected == f"a plain amount with at most 2 decimals, such as '150.00'{floats}"
    assert isinstance(refused.value, ValueError)
    assert isinstance(refused.value, LedgerError)


@pytest.mark.parametrize(("currency", "example"), [("JPY", "'150'"), ("KWD", "'150.000'"), ("CLF", "'150.0000'")])
def test_a_refusal_shows_an_accepted_amount(currency: str, example: str) -> None:
    """The example in the sentence is an amount of that currency."""
    with pytest.raises(InvalidArgument, match=example):
        Money.of("garbage", currency)


@pytest.mark.parametrize("code", ["XXX", "XAU", "usd", "US", "USDT", "", " USD", "DEM", None, 840, b"USD", ["USD"]])
def test_an_unknown_currency_is_refused(code: object) -> None:
    """A currency is a code of ISO 4217 that has a minor unit; no other word, case or type will do."""
    of: Callable[[object, object], Money] = Money.of  # type: ignore[assignment]  # as a caller without a checker
    make: Callable[[object, object], Money] = Money  # type: ignore[assignment]
    attempts: tuple[Callable[[], Money], ...] = (lambda: of("1", code), lambda: make(1, code))
    for attempt in attempts:
        with pytest.raises(InvalidArgument) as refused:
            attempt()
        assert (refused.value.argument, refused.value.given) == ("currency", code)
        assert "ISO 4217, such as 'USD'" in str(refused.value)


@pytest.mark.parametrize("minor", [1.0, "1", True, None, Decimal(1)])
def test_minor_units_are_an_int(minor: object) -> None:
    """Minor units are counted: a float, a text and a truth value are refused."""
    make: Callable[[object, str], Money] = Money  # type: ignore[assignment]  # as a caller without a checker
    with pytest.raises(InvalidArgument) as refused:
        make(minor, "USD")
    assert (refused.value.argument, refused.value.given) == ("minor", minor)
    assert "a whole number of minor units" in str(refused.value)


@given(minor=MINORS, other=MINORS, currency=CURRENCIES, else_where=CURRENCIES)
def test_money_is_equal_in_amount_and_currency_only(minor: int, other: int, currency: str, else_where: str) -> None:
    """Two amounts are the same if and only if both the minor units and the currency are."""
    same = minor == other and currency == else_where
    assert (Money(minor, currency) == Money(other, else_where)) is same
    assert len({Money(minor, currency), Money(other, else_where)}) == (1 if same else 2)


@given(amounts=st.lists(MINORS, min_size=1, max_size=10), currency=CURRENCIES)
def test_amounts_of_one_currency_add_up_like_their_minor_units(amounts: list[int], currency: str) -> None:
    """Sums, differences, negatives and the order are those of the integers; the decimal is exact."""
    money = [Money(minor, currency) for minor in amounts]
    total = sum(money)
    assert total == Money(sum(amounts), currency)
    assert sum(money, start=Money(7, currency)) == Money(sum(amounts) + 7, currency)
    first, last = money[0], money[-1]
    assert first - last == Money(amounts[0] - amounts[-1], currency)
    assert -first == Money(-amounts[0], currency)
    assert (first < last, first <= last) == (amounts[0] < amounts[-1], amounts[0] <= amounts[-1])
    assert (first > last, first >= last) == (amounts[0] > amounts[-1], amounts[0] >= amounts[-1])
    assert sorted(money) == [Money(minor, currency) for minor in sorted(amounts)]
    assert max(money).minor == max(amounts)
    with localcontext() as context:
        context.prec = 1
        assert str(first.major) == written(amounts[0], EXPONENTS[currency])


def test_another_currency_is_refused_by_every_operation() -> None:
    """Dollars and yen are never added, subtracted or compared; they are only unequal."""
    dollars, yen = Money(1, "USD"), Money(1, "JPY")
    operations: list[Callable[[], object]] = [
        lambda: dollars + yen,
        lambda: dollars - yen,
        lambda: dollars < yen,
        lambda: dollars >= yen,
        lambda: sum([dollars, yen]),
        lambda: max(dollars, yen),
    ]
    for operation in operations:
        with pytest.raises(InvalidArgument, match="currency is 'JPY'; expected USD|currency is 'USD'; expected JPY"):
            operation()
    assert dollars != yen


@pytest.mark.parametrize("other", [1, 1.0, "1", None, Decimal(1), True])
def test_money_meets_nothing_but_money(other: Any) -> None:
    """A number has no currency; only the 0 with which `sum` begins is accepted, and no False."""
    operations: list[Callable[[], object]] = [
        lambda: Money(1, "USD") + other,
        lambda: other + Money(1, "USD"),
        lambda: Money(1, "USD") - other,
        lambda: Money(1, "USD") < other,
    ]
    for operation in operations:
        with pytest.raises(TypeError):
            operation()
    assert Money(1, "USD") + 0 == Money(1, "USD")
    assert sum([Money(1, "USD")]) == Money(1, "USD")
    with pytest.raises(TypeError):
        _ = Money(1, "USD") + False


def test_the_sum_of_nothing_is_the_number_0() -> None:
    """It has no currency; `start=` gives it one."""
    none: list[Money] = []
    assert sum(none) == 0
    assert sum(none, start=Money(0, "USD")) == Money(0, "USD")
