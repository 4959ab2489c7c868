"""Money: integer minor units and a currency, never a float."""

import re
from decimal import Decimal
from functools import total_ordering

import attrs

from ledger.errors import InvalidArgument, arguments

_CURRENCIES_BY_EXPONENT = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE "
        "CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL "
        "HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR "
        "MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK "
        "SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD "
        "XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
"""Source: ISO 4217, list one: the currencies that have a minor unit, by its number of digits."""

EXPONENTS = {code: digits for digits, codes in _CURRENCIES_BY_EXPONENT.items() for code in codes.split()}
"""Digits of the minor unit by currency: 2 for USD (cents), 0 for JPY, 3 for KWD."""

_LONGEST = 40
"""Characters of an amount in major units."""

_LIMIT = 10**50
_MAJOR = re.compile(r"(?P<whole>-?[0-9]+)(\.(?P<decimals>[0-9]+))?")


def currency(name: str, value: object) -> str:
    """Return `value` if it is a currency code of ISO 4217; raise `InvalidArgument` otherwise."""
    if not isinstance(value, str) or value not in EXPONENTS:
        raise InvalidArgument(argument=name, given=value, expected="a currency code of ISO 4217, such as 'USD'")
    return value


@total_ordering
@attrs.frozen(eq=True, order=False)
class Money:
    """An amount in minor units of a currency: `Money(15000, "USD")` is 150.00 USD. May be negative.

    Amounts of one currency are added, subtracted, negated and compared; `sum` adds them up. Raises `InvalidArgument`
    for a currency that ISO 4217 does not know, for an amount that is not an int or has more than 50 digits, and where
    two currencies meet.
    """

    minor: int
    currency: str

    def __attrs_post_init__(self) -> None:
        if type(self.minor) is not int:
            raise InvalidArgument(argument="minor", given=self.minor, expected="a whole number of minor units")
        if not -_LIMIT < self.minor < _LIMIT:
            raise InvalidArgument(argument="minor", given=self.minor, expected="at most 50 digits of minor units")
        if type(self.currency) is not str or self.currency not in EXPONENTS:
            currency("currency", self.currency)
            arguments.make_plain(self, "currency")

    @classmethod
    def of(cls, major: str | int | Decimal, currency_code: str) -> "Money":
        """Read an amount in major units: `Money.of("150.00", "USD")`.

        Nothing is rounded. Raises `InvalidArgument` for a float, for text that is not a plain number, and for more
        decimals than the currency has.
        """
        exponent = EXPONENTS[currency("currency", currency_code)]
        written = _written(major)
        amount = None if written is None else _MAJOR.fullmatch(written)
        if amount is None or len(decimals := amount["decimals"] or "") > exponent:
            expected = f"a plain amount with at most {exponent} decimals, such as '{_example(exponent)}'"
            if isinstance(major, float):
                expected += "; floats are refused, as they are not exact"
            raise InvalidArgument(argument="amount", given=major, expected=expected)
        return cls(int(amount["whole"] + decimals.ljust(exponent, "0")), currency_code)

    @property
    def major(self) -> Decimal:
        """The exact amount in major units, with all decimals of the currency: `Decimal("150.00")`."""
        return Decimal(str(self).partition(" ")[0])

    def __add__(self, other: object) -> "Money":
        """Return the sum. 0 is no amount of any currency, so that `sum` can begin with it."""
        if isinstance(other, Money):
            return Money(self.minor + self._same_currency(other).minor, self.currency)
        return self if type(other) is int and other == 0 else NotImplemented

    __radd__ = __add__

    def __sub__(self, other: "Money") -> "Money":
        """Return the difference, which may be negative."""
        if isinstance(other, Money):
            return Money(self.minor - self._same_currency(other).minor, self.currency)
        return NotImplemented

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __lt__(self, other: "Money") -> bool:
        if isinstance(other, Money):
            return self.minor < self._same_currency(other).minor
        return NotImplemented

    def _same_currency(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise InvalidArgument(argument="currency", given=other.currency, expected=f"{self.currency}, as the other")
        return other

    def __str__(self) -> str:
        return format(self, "")

    def __format__(self, spec: str) -> str:
        """Write the amount in major units; `format(money, ",")` separates thousands: 3,000.00 USD."""
        exponent = EXPONENTS[self.currency]
        whole, part = divmod(abs(self.minor), 10**exponent)
        decimals = f".{part:0{exponent}d}" if exponent else ""
        return f"{'-' if self.minor < 0 else ''}{whole:{spec}}{decimals} {self.currency}"


def _written(major: object) -> str | None:
    """Return an amount as plain text of at most 40 characters; None for what is longer, or no exact number.

    The length is judged before anything is written: a `Decimal` with a large exponent would fill the memory.
    """
    if type(major) is str:
        return major if len(major) <= _LONGEST else None
    if type(major) is int:
        return str(major) if abs(major) < 10**_LONGEST else None
    if type(major) is Decimal and major.is_finite():
        _, digits, exponent = major.as_tuple()
        if len(digits) <= _LONGEST and -_LONGEST <= int(exponent) <= _LONGEST:
            written = f"{major:f}"
            return written if len(written) <= _LONGEST else None
    return None


def _example(exponent: int) -> str:
    return "150" + ("." + "0" * exponent if exponent else "")
