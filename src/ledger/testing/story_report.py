"""The telling of a story that went otherwise than expected: a table by date, and the code that repeats it."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import attrs

from ledger import terms as agreed
from ledger.commands import (
    CancelPlan,
    ClosePlan,
    Command,
    OpenPlan,
    RecordPayment,
    ReinstatePlan,
    ReversePayment,
)
from ledger.dates import EndOfDay
from ledger.errors import InvalidArgument, LedgerError, NotFound
from ledger.events import RecordedEvent
from ledger.money import Money
from ledger.projections.overdue import OverdueRow
from ledger.service import Ledger
from ledger.state.position import NextInstallment, Position
from ledger.terms import PlanTerms

_POSITION = tuple(field.name for field in attrs.fields(Position))
_ROW = tuple(field.name for field in attrs.fields(OverdueRow) if field.name not in _POSITION)
FIELDS = (*_POSITION, *_ROW)
"""The fields that a story can be asked about: those of the position, and those of the overdue row that it lacks."""

_WORDS: Mapping[type[Command], str] = {
    OpenPlan: "the opening",
    RecordPayment: "the payment",
    ReversePayment: "the reversal",
    CancelPlan: "the request",
    ReinstatePlan: "the reinstatement",
    ClosePlan: "the closing",
}
_WIDTH = 80


@attrs.frozen
class Step:
    """One act of a story: the command, its day in the plan's zone, when it was sent, and its events or its refusal."""

    command: Command
    day: date
    recorded_at: datetime
    events: tuple[RecordedEvent, ...]
    error: LedgerError | None

    @property
    def word(self) -> str:
        """The act in words."""
        return _WORDS[type(self.command)]


@attrs.frozen
class Asked:
    """A question about a plan on the day `as_of`, with all that is known or with what was known by then."""

    ledger: Ledger
    plan_id: str
    terms: PlanTerms
    as_of: date
    known_at: EndOfDay | None
    steps: tuple[Step, ...]

    def fields(self, as_of: date | None = None) -> Mapping[str, Any] | None:
        """Return the fields on the day asked about, or on another one; None where there is no plan yet."""
        day = as_of or self.as_of
        try:
            position = self.ledger.position(self.plan_id, as_of=day, known_at=self.known_at)
        except NotFound:
            return None
        found = {name: getattr(position, name) for name in _POSITION}
        row: OverdueRow | None = None
        if position.status == "in_grace":
            rows = self.ledger.overdue(as_of=day, known_at=self.known_at)
            row = next(row for row in rows if row.plan_id == self.plan_id)
        return found | {name: getattr(row, name, None) for name in _ROW}


Problem = Mapping[str | None, str]
"""Each field that differs with a sentence about it; under None a sentence about the act."""


def differing(asked: Asked, expected: Mapping[str, Any]) -> Problem:
    """Return the fields that are not as expected. Raises `InvalidArgument` for an unknown field or an unfit value."""
    for name in expected:
        if name not in FIELDS:
            raise InvalidArgument(argument="field", given=name, expected=f"one of {', '.join(FIELDS)}")
    found = asked.fields()
    if found is None:
        return {None: f"there is no plan {asked.plan_id} on {asked.as_of}"}
    return {
        name: f"{name} is {_shown(found[name])}, expected {_shown(value)}"
        for name, value in expected.items()
        if not _same(found[name], value, asked.terms.price.currency)
    }


def _same(found: Any, expected: Any, currency: str) -> bool:
    if isinstance(found, NextInstallment) and isinstance(expected, int):
        return found.number == expected
    if isinstance(found, Money) and isinstance(expected, str):
        return found == Money.of(expected, currency)
    if isinstance(found, date) and isinstance(expected, str):
        return found.isoformat() == expected
    return bool(found == expected)


def _shown(value: Any) -> str:
    if isinstance(value, NextInstallment):
        return f"installment {value.number}"
    return str(value) if isinstance(value, (Money, date, int)) else repr(value)


def told(asked: Asked, code: Sequence[str], *, problem: Problem) -> str:
    """Return the failure: the problem, the story by date with the differing line marked, and the code."""
    known = f", as known by {asked.known_at}" if asked.known_at else ""
    head = f"plan {asked.plan_id} on {asked.as_of}{known}: {'; '.join(problem.values())}"
    return (
        f"{head}\n\n{_table(asked, problem)}\n\nThe code that repeats it:\n\n{_indented(repeated(asked.terms, code))}"
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


# ---- the table


def _table(asked: Asked, problem: Problem) -> str:
    """Return the plan's statement with the fields in question, and `>` before the line where they became so."""
    names = [name for name in problem if name is not None]
    rows = [("", "date", "what happened", *names)]
    lines = _lines(asked)
    values = {day: _values(asked, day, names) for day, _ in lines}
    last = _values(asked, asked.as_of, names)
    marked = _marked([day for day, _ in lines], values, last) if None not in problem else len(lines)
    for index, (day, text) in enumerate(lines):
        ends_day = index + 1 == len(lines) or lines[index + 1][0] != day
        shown = values[day] if ends_day else [""] * len(names)
        rows.append((">" if index == marked else "", str(day), text, *shown))
    rows.append((">" if marked == len(lines) else "", str(asked.as_of), "asked", *last))
    return _aligned(rows)


def _lines(asked: Asked) -> list[tuple[date, str]]:
    try:
        lines = asked.ledger.statement(asked.plan_id, as_of=asked.as_of, known_at=asked.known_at)
    except NotFound:
        return []
    return [(line.on, line.text if line.money is None else f"{line.text[:-1]}: {line.money}.") for line in lines]


def _values(asked: Asked, day: date, names: Sequence[str]) -> list[str]:
    found = asked.fields(day)
    return ["" if found is None else _shown(found[name]) for name in names]


def _marked(days: Sequence[date], values: Mapping[date, Sequence[str]], last: Sequence[str]) -> int:
    """Return the line from which on the values are those found; after the last where only the days made them so."""
    marked = len(days)
    for index in reversed(range(len(days))):
        if list(values[days[index]]) != list(last):
            break
        marked = index
    while marked + 1 < len(days) and days[marked + 1] == days[marked]:
        marked += 1
    return marked


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return the rows in columns, the text folded where a line would be longer than 80 characters."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    others = sum(widths) - widths[2] + 2 * (len(widths) - 1)
    widths[2] = max(20, min(widths[2], _WIDTH - others))
    lines = []
    for row in rows:
        first, *more = _folded(row[2], widths[2])
        cells = [*row[:2], first, *row[3:]]
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
        lines += [" " * (sum(widths[:2]) + 4) + rest for rest in more]
    return "\n".join(lines)


def _folded(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


# ---- the code


def repeated(terms: PlanTerms, code: Sequence[str]) -> str:
    """Return Python that tells a story under these terms again."""
    stated = [
        f"    {field.name}={written(getattr(terms, field.name))},"
        for field in attrs.fields(PlanTerms)
        if field.default is attrs.NOTHING or getattr(terms, field.name) != field.default
    ]
    body = ["terms = PlanTerms(", *stated, ")", "(", f"    {code[0]}", *(f"    .{call}" for call in code[1:]), ")"]
    source = "\n".join(body)
    names = sorted(name for name in _IMPORTED if re.search(rf"\b{name}\b", source))
    errors = sorted(kind.__name__ for kind in _errors(LedgerError) if re.search(rf"\b{kind.__name__}\b", source))
    dates = ["from datetime import date\n"] if re.search(r"\bdate\(", source) else []
    imports = f"from ledger import {', '.join(dict.fromkeys([*names, *errors]))}\nfrom ledger.testing import given\n"
    return "\n".join([*dates, imports, source])


_KINDS: Sequence[type[Any]] = (Money, PlanTerms, *(kind for kinds in agreed.KINDS.values() for kind in kinds.values()))
_IMPORTED = tuple(kind.__name__ for kind in _KINDS)


def _errors(kind: type[LedgerError]) -> list[type[LedgerError]]:
    return [kind, *(one for below in kind.__subclasses__() for one in _errors(below))]


def written(value: Any) -> str:
    """Return the code of a value of terms."""
    if isinstance(value, Money):
        return f"Money.of({str(value.major)!r}, {value.currency!r})"
    if isinstance(value, date):
        return f"date({value.year}, {value.month}, {value.day})"
    if isinstance(value, tuple):
        return f"({', '.join(map(written, value))}{',' if len(value) == 1 else ''})"
    if attrs.has(type(value)):
        fields = [field for field in attrs.fields(type(value)) if field.init]
        stated = [field for field in fields if getattr(value, field.name) != field.default]
        arguments = ", ".join(f"{field.name}={written(getattr(value, field.name))}" for field in stated)
        return f"{type(value).__name__}({arguments})"
    return repr(value)
