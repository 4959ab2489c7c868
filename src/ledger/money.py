"""Money: integer minor units and a currency, never a float."""

import re
from decimal import Decimal

import attrs

from ledger.errors import InvalidArgument

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
_MAJOR = re.compile(r"(?P<whole>-?[0-9]+)(\.(?P<decimals>[0-9]+))?")


def currency(name: str, value: object) -> str:
    """Return `value` if it is a currency code of ISO 4217; raise `InvalidArgument` otherwise."""
    if not isinstance(value, str) or value not in EXPONENTS:
        raise InvalidArgument(argument=name, given=value, expected="a currency code of ISO 4217, such as 'USD'")
    return value


@attrs.frozen
class Money:
    """An amount in minor units of a currency: `Money(15000, "USD")` is 150.00 USD. May be negative.

    Raises `InvalidArgument` for a currency that ISO 4217 does not know and for an amount that is not an int.
    """

    minor: int
    currency: str

    def __attrs_post_init__(self) -> None:
        if type(self.minor) is not int:
            raise InvalidArgument(argument="minor", given=self.minor, expected="a whole number of minor units")
        if type(self.currency) is not str or self.currency not in EXPONENTS:
            currency("currency", self.currency)

    @classmethod
    def of(cls, major: str | int | Decimal, currency_code: str) -> "Money":
        """Read an amount in major units: `Money.of("150.00", "USD")`.

        Nothing is rounded. Raises `InvalidArgument` for a float, for text that is not a plain number, and for more
        decimals than the currency has.
        """
        exponent = EXPONENTS[currency("currency", currency_code)]
        written = f"{major:f}" if isinstance(major, Decimal) else str(major)
        amount = _MAJOR.fullmatch(written) if type(major) in (str, int, Decimal) and len(written) <= _LONGEST else None
        if amount is None or len(decimals := amount["decimals"] or "") > exponent:
            expected = f"a plain amount with at most {exponent} decimals, such as '{_example(exponent)}'"
            raise InvalidArgument(argument="amount", given=major, expected=expected)
        return cls(int(amount["whole"] + decimals.ljust(exponent, "0")), currency_code)

    def __str__(self) -> str:
        return format(self, "")

    def __format__(self, spec: str) -> str:
        """Write the amount in major units; `format(money, ",")` separates thousands: 3,000.00 USD."""
        exponent = EXPONENTS[self.currency]
        whole, part = divmod(abs(self.minor), 10**exponent)
        decimals = f".{part:0{exponent}d}" if exponent else ""
        return f"{'-' if self.minor < 0 else ''}{whole:{spec}}{decimals} {self.currency}"


def _example(exponent: int) -> str:
    return "150" + ("." + "0" * exponent if exponent else "")
