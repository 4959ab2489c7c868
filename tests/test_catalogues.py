"""The catalogues of sentences: every language says every sentence, with the same facts in it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from fractions import Fraction
from importlib.resources import as_file, files
from io import BytesIO
from string import Formatter
from typing import cast, get_args

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from ledger.audit import messages
from ledger.audit.language import Code, catalogue, language
from ledger.audit.report import words
from ledger.errors import InvalidArgument
from ledger.money import Money

TRANSLATED: tuple[Code, ...] = ("hi", "ru")
FORMS = {"hi": 2, "ru": 3}


def _sentences() -> Iterator[str | tuple[str, ...]]:
    """Yield what the source marks for translation."""
    for source in ("messages.py", "report/words.py"):
        with as_file(files("ledger.audit").joinpath(source)) as path:
            for _, message, _, _ in extract_from_file("python", path, keywords={"one": None, "many": (1, 2)}):
                yield message


def _catalogue(code: Code) -> Catalog:
    return read_po(BytesIO(catalogue(code)), locale=code, abort_invalid=True)


def _forms(text: object) -> tuple[str, ...]:
    """Return the forms of a sentence or its translation: one, or several with a plural."""
    return tuple(map(str, text)) if isinstance(text, (tuple, list)) else (str(text or ""),)


def _places(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_sentence_is_translated(code: Code) -> None:
    """The catalogue has the sentences of the source and no others, none of them empty, fuzzy or obsolete."""
    found = _catalogue(code)
    entries = [message for message in found if message.id]
    assert {message.id for message in entries} == set(_sentences())
    assert list(found.obsolete) == []
    for message in entries:
        strings = _forms(message.string)
        assert not message.fuzzy, message.id
        assert all(string.strip() for string in strings), message.id
        assert len(strings) == (FORMS[code] if message.pluralizable else 1), message.id


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_translation_has_the_same_places(code: Code) -> None:
    """What is filled into the English sentence is filled into every form of the translation, once each."""
    for message in _catalogue(code):
        ids, strings = _forms(message.id), _forms(message.string)
        if message.id:
            assert {tuple(_places(text)) for text in (*ids, *strings)} == {tuple(_places(ids[0]))}, message.id


def _in(value: object) -> Iterator[messages.Sentence]:
    """Yield the sentences in a value of a module: itself, or those of a table."""
    if isinstance(value, messages.Sentence):
        yield value
    elif isinstance(value, Mapping) and not isinstance(value, type):
        for item in value.values():
            yield from (
                one for one in (item if isinstance(item, tuple) else (item,)) if isinstance(one, messages.Sentence)
            )


def test_the_source_marks_every_sentence() -> None:
    """Every sentence of the module was found by the extraction: none is built at run time."""
    kept = [one for module in (messages, words) for value in vars(module).values() for one in _in(value)]
    assert {one.text if one.plural is None else (one.text, one.plural) for one in kept} == set(_sentences())


@pytest.mark.parametrize(
    ("code", "shares", "money", "day", "rate"),
    [
        ("en", "1,234,567 shares", "1,234,567.50 USD", "14 May 2023", "12.5%"),
        ("hi", "12,34,567 शेयर", "12,34,567.50 USD", "14 मई 2023", "12.5%"),
        ("ru", "1 234 567 акций", "1 234 567,50 USD", "14 мая 2023", "12,5 %"),
    ],
)
def test_the_forms_of_a_language(*, code: Code, shares: str, money: str, day: str, rate: str) -> None:
    """Separators, lakhs, the names of months, percentages; spaces within a number do not break."""
    spoken = language(code)
    assert spoken.shares(1_234_567).replace("\xa0", " ") == shares
    assert spoken.money(Money(123_456_750, "USD")) == money.replace(" ", "\xa0")
    assert spoken.date(date(2023, 5, 14)) == day
    assert spoken.date(datetime(2023, 5, 14, 9, 30, tzinfo=UTC)) == f"{day} 09:30:00 UTC"
    assert spoken.percent(1_250).replace("\xa0", " ") == rate
    assert spoken.number(Fraction(45, 7)) == "45/7"


@pytest.mark.parametrize(
    ("code", "forms"),
    [
        ("en", {0: "0 days", 1: "1 day", 2: "2 days", 21: "21 days"}),
        ("hi", {0: "0 दिन", 1: "1 दिन", 2: "2 दिन"}),
        ("ru", {0: "0 дней", 1: "1 день", 2: "2 дня", 5: "5 дней", 11: "11 дней", 21: "21 день", 24: "24 дня"}),
    ],
)
def test_plurals(*, code: Code, forms: dict[int, str]) -> None:
    """Russian has three forms: of 1 and 21, of 2 to 4, of all others."""
    assert {number: language(code).days(number) for number in forms} == forms


@pytest.mark.parametrize(("currency", "amount"), [("USD", "1,234.05"), ("JPY", "123,405"), ("KWD", "123.405")])
def test_the_minor_digits_of_a_currency(*, currency: str, amount: str) -> None:
    """As many as the ledger counts in."""
    assert language("en").money(Money(123_405, currency)) == f"{amount}\xa0{currency}"


def test_names_are_shown_as_they_are_and_visibly() -> None:
    """A reference may hold braces; what would change the direction of reading is an escape."""
    facts = {"reference": "{date}\u202e", "date": date(2023, 5, 14)}
    assert language("en").say(messages.LABELS["payment"], facts) == "Payment {date}\\u202e of 14 May 2023"


def test_another_language_is_refused() -> None:
    """Naming those that there are."""
    with pytest.raises(InvalidArgument, match="'fr'"):
        language(cast("Code", "fr"))
    assert get_args(Code) == ("en", "hi", "ru")
