"""Values that travel: results, terms, commands and recorded events as plain dictionaries, and back.

A dictionary holds text, whole numbers, booleans, None, lists and dictionaries, so `json.dumps` writes it and any other
format can. Dates and instants are ISO 8601, fractions and rates text. Money is `{"minor": 15000, "currency": "USD",
"amount": "150.00"}`; reading it back, the amount may be left out. An event carries its tag, which names its type and
version, under `type`: `payment_made.v1`.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache, reduce
from operator import or_
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs

from ledger.dates import instant
from ledger.errors import InvalidArgument, LedgerError
from ledger.errors.excerpt import excerpt
from ledger.events import PLAN, Event, RecordedEvent
from ledger.events.codec import CURRENT
from ledger.events.upcasters import RETIRED
from ledger.money import Money
from ledger.terms import KINDS

T = TypeVar("T")

EVENTS: Mapping[str, type[Any]] = {**CURRENT, **{tag: old.shape for tag, old in RETIRED.items()}}
"""Every event that was ever written, by its tag."""

TAGS: Mapping[type[Any], str] = {shape: tag for tag, shape in CURRENT.items()}
"""The tag of every event that is written today."""

CLASSES = "a class of results, terms, commands or events"
"""The classes whose values travel, as errors name them."""


def to_dict(value: Any) -> Any:  # noqa: PLR0911 - one return for each form
    """Return a value of this library as plain data; a sequence of them as a list.

    An error becomes its `code`, `retryable`, `message` and facts, and cannot be read back. Raises `InvalidArgument` for
    a value that is none of the library's.
    """
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Money):
        return {"minor": value.minor, "currency": value.currency, "amount": str(value.major)}
    if isinstance(value, RecordedEvent):
        return {**({"plan_id": value.plan_id} if value.kind == PLAN else {}), **_fields(value)}
    if isinstance(value, LedgerError):
        return _error(value)
    if attrs.has(type(value)):
        tag = TAGS.get(type(value))
        return _fields(value) if tag is None else {"type": tag, **_fields(value)}
    if isinstance(value, (list, tuple)):
        return [to_dict(item) for item in value]
    if isinstance(value, Mapping):
        return {name: to_dict(item) for name, item in value.items()}
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (Fraction, Decimal)):
        return str(value)
    raise InvalidArgument(argument="value", given=value, expected="a value of this library")


def from_dict(kind: type[T], data: object) -> T:
    """Return the value of a class that `to_dict` turned into `data`: `from_dict(Position, data)`.

    `kind` is any class of a result, of terms, commands or events, or a tuple of one, such as `tuple[Position, ...]`.
    An event of an earlier version becomes one of today. Raises `InvalidArgument` that names the field, for unknown and
    missing ones too.
    """
    shape: Any = kind
    try:
        reader = _reader(shape)
    except TypeError:  # it cannot be hashed, so it is no class
        raise InvalidArgument(argument="kind", given=kind, expected=CLASSES) from None
    value: T = reader(data, "data")
    return value


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: to_dict(getattr(value, field.name)) for field in attrs.fields(type(value))}


def _error(error: LedgerError) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    shape: Any = type(error)
    for field in attrs.fields(shape) if attrs.has(shape) else ():
        value = getattr(error, field.name)
        try:
            facts[field.name] = to_dict(value)
        except InvalidArgument:  # what a caller gave may be anything
            facts[field.name] = excerpt(value)
    return {"code": error.code, "retryable": error.retryable, "message": str(error), "facts": facts}


# ---- reading

Reader = Callable[[Any, str], Any]
"""Reads plain data; the text names the field, for errors."""


def _refused(at: str, given: object, expected: str) -> InvalidArgument:
    return InvalidArgument(argument=at, given=given, expected=expected)


@cache
def hints(shape: Any) -> Mapping[str, Any]:
    """Return the types of a class's fields, by name."""
    return get_type_hints(shape)


@cache
def _reader(kind: Any) -> Reader:  # noqa: PLR0911 - one return for each form
    """Return the reader of a type."""
    if (plain := _PLAIN.get(kind)) is not None:
        return plain
    if kind == Event:
        return _event
    if get_origin(kind) is Literal:
        return _one_of(get_args(kind))
    if get_origin(kind) in (UnionType, Union):
        return _optional(kind)
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind))
    if kind in KINDS:
        return _part_of_terms(kind)
    if attrs.has(kind) and not issubclass(kind, LedgerError):
        return _tagged(kind) if kind in TAGS else _shape(kind)
    raise InvalidArgument(argument="kind", given=kind, expected=CLASSES)


def _typed(kind: type[Any], expected: str) -> Reader:
    def read(data: Any, at: str) -> Any:
        if type(data) is not kind:
            raise _refused(at, data, expected)
        return data

    return read


def _number(data: Any, at: str) -> float:
    if type(data) not in (int, float):
        raise _refused(at, data, "a number")
    return float(data)


def _date(data: Any, at: str) -> date:
    try:
        if isinstance(data, str) and len(data) == len("2024-06-30"):
            return date.fromisoformat(data)
    except ValueError:
        pass
    raise _refused(at, data, "a date as text, such as '2024-06-30'")


def _instant(data: Any, at: str) -> datetime:
    try:
        if isinstance(data, str):
            return instant(at, datetime.fromisoformat(data))
    except ValueError:
        pass
    raise _refused(at, data, "an instant as text, with its offset, such as '2024-06-30T12:00:00+00:00'")


def _fraction(data: Any, at: str) -> Fraction:
    try:
        if isinstance(data, str) and "e" not in data.lower():
            return Fraction(data)
    except (ValueError, ZeroDivisionError):
        pass
    raise _refused(at, data, "a fraction as text, such as '17/50'")


def _money(data: Any, at: str) -> Money:
    plain = _object(data, at, required=("minor", "currency"), optional=("amount",))
    money = Money(plain["minor"], plain["currency"])
    if plain.get("amount") not in (None, str(money.major)):
        raise _refused(f"{at}.amount", plain["amount"], f"{str(money.major)!r}, as `minor` says")
    return money


_PLAIN: Mapping[Any, Reader] = {
    str: _typed(str, "text"),
    int: _typed(int, "a whole number"),
    bool: _typed(bool, "true or false"),
    float: _number,
    date: _date,
    datetime: _instant,
    date | datetime: lambda data, at: (_date if isinstance(data, str) and "T" not in data else _instant)(data, at),
    Fraction: _fraction,
    Money: _money,
}


def _one_of(words: tuple[Any, ...]) -> Reader:
    def read(data: Any, at: str) -> Any:
        if data not in words:
            raise _refused(at, data, " or ".join(repr(word) for word in words))
        return data

    return read


def _optional(kind: Any) -> Reader:
    options = [option for option in get_args(kind) if option is not NoneType]
    if len(options) == len(get_args(kind)):
        raise InvalidArgument(argument="kind", given=kind, expected="one class")
    reader = _reader(reduce(or_, options))
    return lambda data, at: None if data is None else reader(data, at)


def _tuple(items: tuple[Any, ...]) -> Reader:
    endless = items[-1] is Ellipsis
    readers = [_reader(item) for item in items if item is not Ellipsis]

    def read(data: Any, at: str) -> tuple[Any, ...]:
        if not isinstance(data, (list, tuple)) or not (endless or len(data) == len(readers)):
            raise _refused(at, data, "a list" if endless else f"a list of {len(readers)}")
        of = readers * len(data) if endless else readers
        return tuple(reader(item, f"{at}[{n}]") for n, (reader, item) in enumerate(zip(of, data, strict=True)))

    return read


def _part_of_terms(base: type[Any]) -> Reader:
    shapes = KINDS[base]

    def read(data: Any, at: str) -> Any:
        shape: Any = shapes.get(_word(data, "kind", at))
        if shape is None:
            raise _refused(f"{at}.kind", data["kind"], " or ".join(map(repr, shapes)))
        return _reader(shape)(data, at)

    return read


def _shape(shape: Any) -> Reader:
    """Return the reader of a class by its fields; the kind of a part of terms is its own."""
    fields = {field.name: field for field in attrs.fields(shape)}
    of = {name: _reader(kind) for name, kind in hints(shape).items() if name in fields and fields[name].init}
    fixed = {name: field.default for name, field in fields.items() if not field.init}
    required = tuple(name for name in of if fields[name].default is attrs.NOTHING)
    derived = ("plan_id",) if shape is RecordedEvent else ()
    optional = (*(name for name in of if name not in required), *fixed, *derived)

    def read(data: Any, at: str) -> Any:
        plain = _object(data, at, required=required, optional=optional)
        for name, value in fixed.items():
            if plain.get(name, value) != value:
                raise _refused(f"{at}.{name}", plain[name], repr(value))
        if derived and "plan_id" in plain and plain.get("kind", PLAN) != PLAN:
            raise _refused(f"{at}.plan_id", plain["plan_id"], "no such field in another stream than a plan's")
        if derived and plain.get("plan_id", plain["stream_id"]) != plain["stream_id"]:
            raise _refused(f"{at}.plan_id", plain["plan_id"], "the stream_id")
        return shape(**{name: reader(plain[name], f"{at}.{name}") for name, reader in of.items() if name in plain})

    return read


def _tagged(shape: Any) -> Reader:
    """Return the reader of one kind of event."""

    def read(data: Any, at: str) -> Any:
        event = _event(data, at)
        if type(event) is not shape:
            raise _refused(f"{at}.type", data["type"], repr(TAGS[shape]))
        return event

    return read


def _event(data: Any, at: str) -> Any:
    """Read an event by its tag; one of an earlier version becomes one of today."""
    tag = _word(data, "type", at)
    if tag not in EVENTS:
        raise _refused(f"{at}.type", tag, "the tag of an event, such as 'payment_made.v1'")
    shape: Any = EVENTS[tag]
    event = _shape(shape)({name: value for name, value in data.items() if name != "type"}, at)
    while tag in RETIRED:
        event, tag = RETIRED[tag].upcast(event), RETIRED[tag].next_tag
    return event


def _word(data: Any, name: str, at: str) -> str:
    word = data.get(name) if isinstance(data, Mapping) else None
    if not isinstance(word, str):
        raise _refused(at, data, f"an object with its {name}")
    return word


def _object(data: Any, at: str, *, required: tuple[str, ...], optional: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise _refused(at, data, "an object")
    if missing := [name for name in required if name not in data]:
        raise _refused(at, sorted(map(str, data)), f"the field {missing[0]!r} too")
    if unknown := [name for name in data if name not in required and name not in optional]:
        raise _refused(f"{at}.{excerpt(unknown[0])}", data[unknown[0]], "no such field")
    return data
