"""Rows as columns, for data frames: `polars.DataFrame(to_columns(rows))`, `pandas.DataFrame(to_columns(rows))`."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

import attrs

from ledger.errors import InvalidArgument
from ledger.events import PLAN, Event, RecordedEvent
from ledger.money import Money
from ledger.values import TAGS, hints, to_dict

_SCALARS = (str, int, bool, float, date, datetime)


@attrs.frozen
class _Column:
    name: str
    kind: type[Any]
    value: Callable[[Any], Any]
    """Returns the cell of a row; never asked for a row in which a part on the way to it is None."""


def to_columns(rows: Iterable[Any], *, kind: type[Any] | None = None) -> dict[str, list[Any]]:
    """Return rows of one class as columns by name, each of one type; `kind` names the class where there may be no rows.

    Money `paid` becomes `paid` (`Decimal`, in major units), `paid_minor` (`int`) and `paid_currency`; a part such as
    `next_installment` a column per field, None where it is None; a fraction a `float`; a recorded event its `type` and
    the event as JSON. `column_types` returns the types. Raises `InvalidArgument` for rows of several classes.
    """
    found = list(rows)
    shape: Any = kind or (type(found[0]) if found else None)
    if shape is None:
        return {}
    for row in found:
        if type(row) is not shape:
            raise InvalidArgument(argument="rows", given=type(row).__name__, expected=f"rows of {shape.__name__} only")
    return {column.name: [column.value(row) for row in found] for column in _columns(shape)}


def column_types(kind: type[Any]) -> dict[str, type[Any]]:
    """Return the types of the columns of a class of rows, by name; every cell may be None where its field may be."""
    return {column.name: column.kind for column in _columns(kind)}


def _columns(shape: Any) -> Iterator[_Column]:
    if not attrs.has(shape):
        raise InvalidArgument(argument="kind", given=shape, expected="a class of rows")
    if shape is RecordedEvent:
        yield _Column("plan_id", str, lambda row: row.plan_id if row.kind == PLAN else None)
    for field in attrs.fields(shape):
        yield from _of_field(field.name, hints(shape)[field.name])


def _of_field(name: str, kind: Any) -> Iterator[_Column]:
    """Yield the columns of a field."""
    kind, read = _without_none(kind), _reading(name)
    if kind == Event:
        yield _Column("type", str, lambda row: TAGS[type(read(row))])
        yield _Column(name, str, lambda row: _json(read(row)))
    elif kind is Money:
        yield _Column(name, Decimal, _through(read, lambda money: money.major))
        yield _Column(f"{name}_minor", int, _through(read, lambda money: money.minor))
        yield _Column(f"{name}_currency", str, _through(read, lambda money: money.currency))
    elif kind is Fraction:
        yield _Column(name, float, _through(read, float))
    elif get_origin(kind) is Literal:
        yield _Column(name, str, read)
    elif kind in _SCALARS:
        yield _Column(name, kind, read)
    elif attrs.has(kind):
        for column in _columns(kind):
            yield _Column(f"{name}_{column.name}", column.kind, _through(read, column.value))
    else:
        yield _Column(name, str, _through(read, _json))


def _without_none(kind: Any) -> Any:
    options = [option for option in get_args(kind) if option is not NoneType]
    return options[0] if isinstance(kind, UnionType) and len(options) == 1 else kind


def _reading(name: str) -> Callable[[Any], Any]:
    return lambda row: getattr(row, name)


def _through(read: Callable[[Any], Any], then: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a reader that goes one step further, unless there is nothing."""

    def value(row: Any) -> Any:
        part = read(row)
        return None if part is None else then(part)

    return value


def _json(value: Any) -> str:
    plain: Mapping[str, Any] | list[Any] = to_dict(value)
    return json.dumps(plain, ensure_ascii=False, sort_keys=True)
