"""Checks of arguments, shared by everything that takes input. Each raises `InvalidArgument`.

What is recorded has plain types: text of a subclass of `str`, such as a `StrEnum`, becomes plain text (`make_plain`),
and a subclass of `int` is no whole number.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from ledger.errors import InvalidArgument

T = TypeVar("T")

_TEXT_LIMIT = 200
"""Characters in an id or a reference; a reason may be longer."""

_DAY = 86_400
"""Seconds."""

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


_DECODING: ContextVar[bool] = ContextVar("decoding", default=False)


@contextmanager
def decoding() -> Iterator[None]:
    """Within, judge nothing by the interpreter or the machine: another one may have accepted what is recorded.

    Which characters print depends on the version of Unicode, which time zones there are on the version of tzdata.
    """
    token = _DECODING.set(True)
    try:
        yield
    finally:
        _DECODING.reset(token)


def is_decoding() -> bool:
    """Return whether the values at hand were recorded before."""
    return _DECODING.get()


def make_plain(instance: object, *names: str) -> None:
    """Replace text of a subclass of `str` in these attributes by plain text; leave everything else as it is."""
    for name in names:
        value = getattr(instance, name)
        if isinstance(value, str) and type(value) is not str:
            object.__setattr__(instance, name, plain(value))


def plain(value: str) -> str:
    """Return text as plain `str`, whatever subclass of it the caller uses."""
    return value if type(value) is str else str.__str__(value)


def text(name: str, value: object, *, limit: int = _TEXT_LIMIT) -> str:
    """Return `value` if it is printable text without space at either end; raise `InvalidArgument` otherwise."""
    if (
        not isinstance(value, str)
        or not value
        or len(value) > limit
        or value != value.strip()
        or not (value.isprintable() or (is_decoding() and _without_controls(value)))
    ):
        expected = f"1 to {limit} printable characters without space at either end"
        raise InvalidArgument(argument=name, given=value, expected=expected)
    return value


def _without_controls(value: str) -> bool:
    """Return whether text has none of the characters that print in no version of Unicode."""
    return not any(one < " " or "\x7f" <= one <= "\x9f" for one in value)


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


def exactly(name: str, value: object, kind: type[T], expected: str) -> T:
    """Return `value` if it is of this very class: a subclass may hold more than can be recorded.

    Raises `InvalidArgument` with the text `expected` otherwise.
    """
    if type(value) is not kind:
        raise InvalidArgument(argument=name, given=value, expected=expected)
    return value


def interval(name: str, value: object) -> float:
    """Return a number of seconds above 0 and up to a day; raise `InvalidArgument` otherwise."""
    if not (isinstance(value, (int, float)) and 0 < value <= _DAY):
        raise InvalidArgument(argument=name, given=value, expected="a number of seconds above 0, a day at most")
    return value


def seconds(name: str, value: object) -> float:
    """Return a number of seconds from 0, infinity included; raise `InvalidArgument` for what no clock can count."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        try:
            return float(value)
        except OverflowError:
            pass
    raise InvalidArgument(argument=name, given=value, expected="a number of seconds from 0")
