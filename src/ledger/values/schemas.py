"""JSON Schema of the dictionaries that `to_dict` returns and `from_dict` reads."""

import inspect
from collections.abc import Mapping
from datetime import date, datetime
from fractions import Fraction
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from ledger.errors import InvalidArgument, LedgerError
from ledger.events import Event, RecordedEvent
from ledger.money import EXPONENTS, Money
from ledger.terms import KINDS
from ledger.values import CLASSES, EVENTS, TAGS, hints

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DATE = {"type": "string", "format": "date"}
_INSTANT = {"type": "string", "format": "date-time"}

_PLAIN: Mapping[Any, Mapping[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    float: {"type": "number"},
    date: _DATE,
    datetime: _INSTANT,
    date | datetime: {"anyOf": [_DATE, _INSTANT]},
    Fraction: {"type": "string", "pattern": r"^-?[0-9]+(/[0-9]+)?$"},
}

_MONEY = {
    "title": "Money",
    "description": "An amount: `minor` counts minor units, `amount` says the same in major units.",
    "type": "object",
    "properties": {
        "minor": {"type": "integer"},
        "currency": {"enum": sorted(EXPONENTS)},
        "amount": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
    },
    "required": ["minor", "currency"],
    "additionalProperties": False,
}


def json_schema(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of a class of results, terms, commands or events, or of a tuple of one.

    Raises `InvalidArgument` for another class.
    """
    definitions: dict[str, Any] = {}
    try:
        schema = _schema(kind, definitions)
    except TypeError:  # it cannot be hashed, so it is no class
        raise InvalidArgument(argument="kind", given=kind, expected=CLASSES) from None
    return {"$schema": DIALECT, **schema, "$defs": dict(sorted(definitions.items()))}


def _schema(kind: Any, definitions: dict[str, Any]) -> Mapping[str, Any]:  # noqa: PLR0911 - a form each
    """Return the schema of a type; classes that it refers to are added to the definitions."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind == Event:
        return {"anyOf": [_schema(shape, definitions) for shape in EVENTS.values()]}
    if get_origin(kind) is Literal:
        return {"enum": list(get_args(kind))}
    if get_origin(kind) in (UnionType, Union):
        return {
            "anyOf": [
                {"type": "null"} if option is NoneType else _schema(option, definitions) for option in get_args(kind)
            ]
        }
    if get_origin(kind) is tuple:
        return _list(get_args(kind), definitions)
    if kind in KINDS:
        return {"anyOf": [_schema(shape, definitions) for shape in KINDS[kind].values()]}
    if kind is Money:
        definitions["Money"] = _MONEY
        return {"$ref": "#/$defs/Money"}
    if isinstance(kind, type) and attrs.has(kind) and not issubclass(kind, LedgerError):
        return _class(kind, definitions)
    raise InvalidArgument(argument="kind", given=kind, expected=CLASSES)


def _list(items: tuple[Any, ...], definitions: dict[str, Any]) -> Mapping[str, Any]:
    if items[-1] is Ellipsis:
        return {"type": "array", "items": _schema(items[0], definitions)}
    each = [_schema(item, definitions) for item in items]
    return {"type": "array", "prefixItems": each, "minItems": len(each), "maxItems": len(each)}


def _class(shape: Any, definitions: dict[str, Any]) -> Mapping[str, Any]:
    name = shape.__name__
    if name not in definitions:
        definitions[name] = {}  # taken, should the class refer to itself
        fields = attrs.fields(shape)
        properties: dict[str, Any] = {}
        if shape in TAGS:
            properties["type"] = {"const": TAGS[shape]}
        if shape is RecordedEvent:
            properties["plan_id"] = {"type": "string"}
        properties |= {field.name: _schema(hints(shape)[field.name], definitions) for field in fields}
        required = [field.name for field in fields if field.init and field.default is attrs.NOTHING]
        definitions[name] = {
            "title": name,
            "description": inspect.cleandoc(shape.__doc__ or ""),
            "type": "object",
            "properties": properties,
            "required": [*(["type"] if shape in TAGS else []), *(["kind"] if _is_part(shape) else []), *required],
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{name}"}


def _is_part(shape: type[Any]) -> bool:
    return any(shape in shapes.values() for shapes in KINDS.values())
