"""Values of others in sentences: never longer than a line or two, and every character visible."""

from numbers import Integral

_LONGEST = 200
"""Characters of a value that are shown whole: as many as an id or a reference may have."""

_BEGINNING = 100
"""Characters shown of a longer one."""

_LONGEST_SENTENCE = 2_000
_MAX_BITS = 600
"""Bits of a whole number that is written in digits: the interpreter refuses to write very long ones."""


def excerpt(value: object) -> str:
    """Return a value for a sentence: text quoted, everything else as it prints, cut where it is long.

    A whole number of another class than `int`, as of an enumeration or an array, shows its class.
    """
    if isinstance(value, str):
        return _cut(value, quoted=True)
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        return f"a whole number of {value.bit_length():,} bits"
    try:
        another = isinstance(value, Integral) and type(value) not in {int, bool}
        return _cut(repr(value) if another else str(value), quoted=False)
    except Exception:  # noqa: BLE001 - whatever the value of a stranger does, the error that names it is raised
        return f"a {type(value).__name__} that cannot be shown"


def named(value: object) -> str:
    """Return an id for a sentence: text without quotes."""
    return _cut(value, quoted=False) if isinstance(value, str) else excerpt(value)


def sentence(text: str) -> str:
    """Return text of another's making for a sentence: in one line, every character visible, at most 2,000 of them."""
    shown = visible(" ".join(text[: 2 * _LONGEST_SENTENCE].split()))
    return shown if len(shown) <= _LONGEST_SENTENCE else f"{shown[:_LONGEST_SENTENCE]}…"


def visible(text: str) -> str:
    """Return text in which what does not print, or changes the direction of reading, is an escape."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _cut(text: str, *, quoted: bool) -> str:
    beginning = text if len(text) <= _LONGEST else text[:_BEGINNING]
    shown = repr(str(beginning)) if quoted else visible(beginning)
    return shown if len(text) <= _LONGEST else f"{shown}… ({len(text):,} characters)"
