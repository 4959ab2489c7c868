"""Checks of arguments, shared by everything that takes input. Each raises `InvalidArgument`."""

from collections.abc import Sequence
from typing import TypeVar

from ledger.errors import InvalidArgument

T = TypeVar("T")

_TEXT_LIMIT = 200
"""Characters in an id or a reference; a reason may be longer."""

WHOLE_LIMIT = 10**15
"""Largest amount in minor units and largest number of shares; sums of many still fit into 64 bits in every store."""


def whole(name: str, value: object, *, minimum: int, maximum: int = WHOLE_LIMIT) -> int:
    """Return `value` if it is an int from `minimum` to `maximum`; raise `InvalidArgument` otherwise.

    A bool is not a number here, and a float is never accepted for money or shares.
    """
    if type(value) is not int or not minimum <= value <= maximum:
        expected = f"a whole number from {minimum:,}" + (f" to {maximum:,}" if maximum < WHOLE_LIMIT else "")
        if type(value) is int and value > maximum:
            expected = f"a whole number up to {maximum:,}"
        raise InvalidArgument(argument=name, given=value, expected=expected)
    return value


def text(name: str, value: object, *, limit: int = _TEXT_LIMIT) -> str:
    """Return `value` if it is printable text without space at either end; raise `InvalidArgument` otherwise."""
    if (
        not isinstance(value, str)
        or not value
        or value != value.strip()
        or not value.isprintable()
        or len(value) > limit
    ):
        expected = f"1 to {limit} printable characters without space at either end"
        raise InvalidArgument(argument=name, given=value, expected=expected)
    return value


def optional_text(name: str, value: object, *, limit: int = _TEXT_LIMIT) -> str | None:
    """Return `value` if it is None or `text`; raise `InvalidArgument` otherwise."""
    return None if value is None else text(name, value, limit=limit)


def one_of(name: str, value: object, options: Sequence[str]) -> str:
    """Return `value` if it is one of the words in `options`; raise `InvalidArgument` otherwise."""
    if not isinstance(value, str) or value not in options:
        raise InvalidArgument(argument=name, given=value, expected=" or ".join(repr(option) for option in options))
    return value


def instance(name: str, value: object, kind: type[T] | tuple[type[T], ...], expected: str) -> T:
    """Return `value` if it is an instance of `kind`; raise `InvalidArgument` with the text `expected` otherwise."""
    if not isinstance(value, kind):
        raise InvalidArgument(argument=name, given=value, expected=expected)
    return value
