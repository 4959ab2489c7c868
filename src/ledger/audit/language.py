"""Language: sentences, numbers, dates and plurals in the form of a language. The only file that knows Babel."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any, Literal

from ledger.audit.messages import DAYS, SHARES, Sentence
from ledger.errors import InvalidArgument, arguments
from ledger.errors.excerpt import visible
from ledger.money import EXPONENTS, Money

Code = Literal["en", "hi", "ru"]
"""English, Hindi, Russian."""

_LOCALES: Mapping[Code, str] = {"en": "en_GB", "hi": "hi", "ru": "ru"}
"""Whose conventions: English dates read 14 May 2023, and Hindi numbers count in lakhs."""

_DATE = "d MMMM y"
_MONTH = "LLLL y"


def catalogue(code: Code) -> bytes:
    """Return the file with the translations of a language, in the form of gettext."""
    return files("ledger.audit").joinpath("locale", f"{code}.po").read_bytes()


@cache
def language(code: Code) -> "Language":
    """Return a language. Raises `InvalidArgument` for another one, and where Babel is not installed."""
    arguments.one_of("lang", code, tuple(_LOCALES))
    try:
        return Language(code)
    except ImportError as error:
        expected = "the extra that writes for people: install installment-ledger[audit]; JSON does without"
        raise InvalidArgument(argument="lang", given=code, expected=expected) from error


class Language:
    """The sentences, numbers and dates of one language; made by `language`."""

    def __init__(self, code: Code) -> None:
        from babel import Locale, dates, numbers  # noqa: PLC0415 - of the extra `audit`, and only for people

        self.code = code
        self._locale = Locale.parse(_LOCALES[code])
        self._dates, self._numbers = dates, numbers
        self._translations = _translations(code)

    # ---- sentences

    def say(self, sentence: Sentence, facts: Mapping[str, Any] | None = None) -> str:
        """Return a sentence with facts filled in: numbers, dates and amounts in the language's form, names as given."""
        given = facts or {}
        count = given["count"] if sentence.plural else 1
        return self._form(sentence, count).format(**{name: self.fact(name, value) for name, value in given.items()})

    def fill(self, sentence: Sentence, **parts: str) -> str:
        """Return a sentence with parts filled in that are written in the language already."""
        return self._form(sentence, 1).format(**parts)

    def _form(self, sentence: Sentence, count: int) -> str:
        """Return the translation, in the plural form of a number."""
        if sentence.plural is None:
            return str(self._translations.gettext(sentence.text))
        return str(self._translations.ngettext(sentence.text, sentence.plural, count))

    def fact(self, name: str, value: Any) -> str:
        """Return a fact of a sentence: shares with their noun."""
        if name in ("shares", "most"):
            return self.shares(value)
        if isinstance(value, Money):
            return self.money(value)
        if isinstance(value, (date, datetime)):
            return self.date(value)
        return visible(value) if isinstance(value, str) else self.number(value)

    def shares(self, number: int) -> str:
        """Return a number of shares."""
        return self._counted(SHARES, number)

    def days(self, number: int) -> str:
        """Return a number of days."""
        return self._counted(DAYS, number)

    def _counted(self, noun: Sentence, number: int) -> str:
        return self._form(noun, abs(number)).format(number=self.number(number))

    # ---- values

    def number(self, value: int | Fraction) -> str:
        """Return a whole number with the language's separators, or an exact fraction."""
        if isinstance(value, Fraction) and value.denominator != 1:
            return f"{self.number(value.numerator)}/{self.number(value.denominator)}"
        return str(self._numbers.format_decimal(int(value), locale=self._locale))

    def money(self, money: Money) -> str:
        """Return an amount with all minor digits of its currency, and the currency's code."""
        digits = EXPONENTS[money.currency]
        whole, _, _ = self._locale.decimal_formats[None].pattern.partition(".")
        pattern = f"{whole}.{'0' * digits}" if digits else whole
        amount = self._numbers.format_decimal(money.major, format=pattern, locale=self._locale)
        return f"{amount}\N{NO-BREAK SPACE}{money.currency}"

    def percent(self, basis_points: int) -> str:
        """Return a rate in basis points as a percentage."""
        rate = Decimal(basis_points).scaleb(-4)
        pattern = self._locale.percent_formats[None].pattern.replace("0%", "0.##%").replace("0\xa0%", "0.##\xa0%")
        return str(self._numbers.format_percent(rate, format=pattern, locale=self._locale))

    def month(self, value: date) -> str:
        """Return the month of a date, with its year."""
        return str(self._dates.format_date(value, _MONTH, locale=self._locale))

    def date(self, value: date) -> str:
        """Return a date; of an instant, with its time in UTC."""
        day = str(self._dates.format_date(value, _DATE, locale=self._locale))
        return f"{day} {value:%H:%M:%S} UTC" if isinstance(value, datetime) else day


def _translations(code: Code) -> Any:
    """Return the translations of a language, read from its catalogue; English is the language of the keys."""
    from babel.messages.mofile import write_mo  # noqa: PLC0415 - as above
    from babel.messages.pofile import read_po  # noqa: PLC0415 - as above
    from babel.support import NullTranslations, Translations  # noqa: PLC0415 - as above

    if code == "en":
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(catalogue(code)), locale=code, abort_invalid=True))
    compiled.seek(0)
    return Translations(compiled)
