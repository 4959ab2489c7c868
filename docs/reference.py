"""Writes reference.md from the code: `python docs/reference.py`. A test fails while the page is out of date."""  # noqa: INP001 - a folder of pages

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import attrs

import ledger
from ledger import decide, errors, timeline
from ledger.events.codec import CURRENT
from ledger.events.outcomes import RevisedLine
from ledger.service.options import CommandOptions, ListOptions
from ledger.terms.schedule import Installment

PAGE = Path(__file__).with_name("reference.md")
_SCHEMAS = "../src/ledger/events/schemas"

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ledger.schedule": ledger.schedule,
    "ledger.timeline.timeline": timeline.timeline,
    "ledger.decide.decide": decide.decide,
}

_HEAD = """\
# Reference

Generated from the code by `docs/reference.py`. The words are defined in the [glossary](glossary.md); the arithmetic is
in the [rules](rules.md), which the code cites as `RULES.md`.

Arguments after a `*` are given by keyword. Dates are `datetime.date`, instants `datetime.datetime` with a time zone; a
naive one is refused.
"""

_EVENTS = """
## Events

In `ledger.events`. Every event is stored under a tag and a version (`payment_made.v1`), as canonical JSON in the
envelope of a `RecordedEvent`. Dates are stored in ISO 8601, instants in UTC, rates as text, as the schemas define.
"""


def render() -> str:
    """Return the page."""
    public = {name: value for name, value in vars(ledger).items() if inspect.isclass(value)}
    terms = {name: value for name, value in public.items() if value.__module__ in ("ledger.terms", "ledger.money")}
    refusals = [value.__name__ for value in _below(ledger.LedgerError)]
    rows = {name: value for name, value in public.items() if name not in {"Ledger", *terms, *refusals}}
    lines = [
        _HEAD,
        *_ledger(),
        "\n## Money and terms\n\nIn `ledger`.\n",
        *(line for value in terms.values() for line in _class(value)),
        "\n## Functions of the rules\n\nPure: they know no store and no clock.\n",
        *(f"* `{path}{_signature(function)}`: {_first(function.__doc__)}" for path, function in _FUNCTIONS.items()),
        "\n## Query results\n\nIn `ledger`. Read-only rows.\n",
        *(line for value in rows.values() for line in _row(value)),
        "\n## Values as data\n\nIn `ledger`.\n",
        *_functions(),
        _EVENTS,
        *(line for tag, shape in CURRENT.items() for line in _event(tag, shape)),
        "\nTheir parts:\n",
        *(line for part in (Installment, RevisedLine) for line in _row(part)),
        "\n## Errors\n\nIn `ledger`. A refused command has recorded nothing.\n",
        "```text",
        *_tree(ledger.LedgerError),
        "```\n",
        *(line for error in _below(ledger.LedgerError) for line in _error(error)),
    ]
    return "\n".join(lines) + "\n"


def _ledger() -> Iterator[str]:
    """Yield the ledger and its methods."""
    yield f"## Ledger\n\n{_text(ledger.Ledger)}\n"
    metadata = ", ".join(f"`{name}: {_kind(kind)}`" for name, kind in CommandOptions.__annotations__.items())
    dates = ", ".join(f"`{name}: {_kind(kind)}`" for name, kind in ListOptions.__annotations__.items())
    yield f"`**options` stands for {metadata}; `**query` for {dates}.\n"
    first = {name: vars(ledger.Ledger)[name] for name in ("open", "close")}
    methods = {**first, **vars(ledger.Ledger)}
    for name, method in methods.items():
        if isinstance(method, property) and not name.startswith("_"):
            getter: Any = method.fget
            yield f"* `{name}` → `{_returned(getter)}`: {_first(method.__doc__)}"
        elif not name.startswith("_"):
            function = inspect.unwrap(getattr(ledger.Ledger, name))
            yield f"* `{name}{_signature(function)}` → `{_returned(function)}`: {_first(method.__doc__)}"


def _functions() -> Iterator[str]:
    """Yield the public functions."""
    for name, function in sorted(vars(ledger).items()):
        if inspect.isfunction(function):
            yield f"* `{name}{_signature(function)}` → `{_returned(function)}`: {_first(function.__doc__)}"


def _error(error: Any) -> Iterator[str]:
    """Yield an error with its code."""
    for line in _row(error):
        yield f"{line} Code `{error.code}`{', retryable' if error.retryable else ''}."


def _class(value: type[Any]) -> Iterator[str]:
    """Yield the constructors of a class, with its docstring."""
    yield f"* `{value.__name__}{_signature(value)}`: {_first(value.__doc__)}"
    for name, made in vars(value).items():
        if isinstance(made, classmethod) and not name.startswith("_"):
            yield f"* `{value.__name__}.{name}{_signature(getattr(value, name))}`: {_first(made.__doc__)}"


def _row(value: type[Any]) -> Iterator[str]:
    """Yield the docstring and the fields of a class."""
    yield f"* `{value.__name__}`: {_first(value.__doc__)}{_fields(value)}"


def _event(tag: str, shape: type[Any]) -> Iterator[str]:
    """Yield an event with its tag, version, fields and docstring."""
    name, version = tag.rsplit(".v", 1)
    schema = f"[schema]({_SCHEMAS}/{tag}.json)"
    yield f"### {shape.__name__}\n\nTag `{name}`, version {version}, {schema}.{_fields(shape)}\n\n{_text(shape)}\n"


def _tree(error: type[Exception], before: str = "", after: str = "") -> Iterator[str]:
    """Yield an error and all below it, drawn as a tree."""
    yield f"{before}{error.__name__}"
    children = _children(error)
    for number, kind in enumerate(children, 1):
        last = number == len(children)
        yield from _tree(kind, after + ("└── " if last else "├── "), after + ("    " if last else "│   "))


def _below(error: type[Exception]) -> Iterator[type[Exception]]:
    """Yield an error and all below it, in the order of the tree."""
    yield error
    for kind in _children(error):
        yield from _below(kind)


def _children(error: type[Exception]) -> list[type[Exception]]:
    """Return the direct subclasses; attrs leaves behind the classes that it replaced by slotted ones."""
    return [kind for kind in error.__subclasses__() if vars(errors).get(kind.__name__) is kind]


def _fields(value: type[Any]) -> str:
    """Return the fields of an attrs class, with their types."""
    if not attrs.has(value):
        return ""
    found = (f"`{field.name}: {_kind(field.type)}`" for field in attrs.fields(value))
    return f" Fields: {', '.join(found)}."


def _signature(call: Callable[..., Any]) -> str:
    """Return the arguments of a call, without the modules of their types."""
    written: list[str] = []
    keyword_only = False
    for name, parameter in inspect.signature(call).parameters.items():
        if name == "self":
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            written.append(f"**{name}")
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            written.append("*")
        default = "" if parameter.default is parameter.empty else f" = {_default(parameter.default)}"
        written.append(f"{name}: {_kind(parameter.annotation)}{default}")
    return f"({', '.join(written)})"


def _returned(call: Callable[..., Any]) -> str:
    return _kind(inspect.signature(call).return_annotation)


def _default(value: object) -> str:
    return "…" if callable(value) else repr(value)


def _kind(kind: object) -> str:
    """Return a type as text without modules, the same in every version of Python."""
    origin, inside = get_origin(kind), [_kind(part) for part in get_args(kind)]
    if isinstance(kind, list):
        written = f"[{', '.join(map(_kind, kind))}]"
    elif origin in (Union, UnionType):
        written = " | ".join(inside)
    elif origin is Literal:
        written = f"Literal[{', '.join(map(repr, get_args(kind)))}]"
    elif origin is not None:
        written = f"{_kind(origin)}[{', '.join(inside)}]"
    elif kind in (None, NoneType, Ellipsis):
        written = "..." if kind is Ellipsis else "None"
    else:
        named = kind.__name__ if isinstance(kind, type) else getattr(kind, "__forward_arg__", kind)
        written = str(named).rsplit(".", 1)[-1]
    return written


def _text(value: object) -> str:
    """Return a docstring, its paragraphs as lines."""
    paragraphs = (inspect.getdoc(value) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _first(docstring: str | None) -> str:
    """Return the first paragraph of a docstring."""
    return " ".join(inspect.cleandoc(docstring or "").split("\n\n")[0].split())


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
