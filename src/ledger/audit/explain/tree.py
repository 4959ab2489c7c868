"""The tree of an explanation: a number, the operation that gives it, its operands, down to fields of recorded events.

`evaluate` computes a tree again from a plan's recorded events and nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from math import prod
from typing import Any, Literal

import attrs

from ledger.dates import DAY
from ledger.events import RecordedEvent
from ledger.money import Money
from ledger.values import TAGS

Value = int | str | date | Fraction
"""Minor units, whole shares, days or counts; a status; a date; an exact rate."""

Unit = Literal["shares", "money", "days", "date", "status", "count", "rate", "basis_points"]
"""The unit of a value; money is in minor units of the plan's currency."""

Operation = Literal["field", "constant", "sum", "difference", "product", "floor", "least", "same", "status"]
"""The way in which a value comes about.

`field`: it stands in the event, at the path that `field` names. `constant`: it is what it is: the date of the question,
a count, the parts of a unit. `sum`, `product`, `least`: of the children; a date and days add up to a date.
`difference`: the first child less all others; two dates differ by days. `floor`: the first child divided by the second,
rounded down. `same`: the value of the node whose `id` is in `field`, which stands before it. `status`: the status that
begins with the event of the child.
"""

STATUS_AFTER: Mapping[str, str] = {
    "plan_opened.v1": "active",
    "plan_reinstated.v1": "active",
    "payment_missed.v1": "in_grace",
    "plan_cancelled.v1": "cancelled",
    "plan_completed.v1": "completed",
}
"""The status of a plan after an event, by its tag."""


@attrs.frozen(kw_only=True)
class Source:
    """An event that a number or a reason rests on.

    `version` is None for an outcome that has come due and is not recorded. `reference` is that of the payment or
    request that the event is, or that caused it.
    """

    version: int | None
    type: str
    effective_on: date
    reference: str | None


Fact = int | str | date | Money
"""A value in a sentence: a number, a name, a date, an amount."""


@attrs.frozen(kw_only=True)
class Node:
    """A value, and how it comes about.

    `name` says in a word what it is, and `facts` what its sentence names besides. `rule` is the section of RULES.md,
    None where none is needed. `events` are the events that it rests on; the first holds the `field`.
    """

    name: str
    value: Value
    unit: Unit
    operation: Operation
    id: str | None = None
    field: str | None = None
    facts: Mapping[str, Fact] = attrs.field(factory=dict)
    rule: str | None = None
    events: tuple[Source, ...] = ()
    children: tuple["Node", ...] = ()


@attrs.frozen(kw_only=True)
class Reason:
    """Why something is so or is not so: `name` in a word, `facts` for its sentence, the rule, and the events."""

    name: str
    facts: Mapping[str, Fact]
    rule: str
    events: tuple[Source, ...] = ()


def total(
    name: str, unit: Unit, value: Value, children: Sequence[Node], *, section: int, events: tuple[Source, ...] = ()
) -> Node:
    """Return the sum of the children."""
    return Node(
        name=name,
        value=value,
        unit=unit,
        operation="sum",
        rule=rule(section),
        events=events,
        children=tuple(children),
    )


def remainder(
    name: str, unit: Unit, value: Value, children: Sequence[Node], *, section: int, events: tuple[Source, ...] = ()
) -> Node:
    """Return the first of the children less the others."""
    return attrs.evolve(total(name, unit, value, children, section=section, events=events), operation="difference")


def rounded_down(name: str, value: int, factors: Sequence[Node], divisor: Node, *, section: int) -> Node:
    """Return a product of shares, amounts and rates, divided and rounded down to whole shares."""
    exact = prod(Fraction(factor.value) for factor in factors if not isinstance(factor.value, date))
    numerator = Node(
        name="product",
        value=exact.numerator if exact.denominator == 1 else exact,
        unit="rate",
        operation="product",
        children=tuple(factors),
    )
    children = numerator, divisor
    return Node(name=name, value=value, unit="shares", operation="floor", rule=rule(section), children=children)


def constant(name: str, value: Value, unit: Unit) -> Node:
    """Return a leaf that is what it is."""
    return Node(name=name, value=value, unit=unit, operation="constant")


def rule(section: int) -> str:
    """Return a section of the rules, as nodes name it."""
    return f"RULES.md section {section}"


def evaluate(node: Node, events: Sequence[RecordedEvent]) -> Value:
    """Compute the value of a tree again, its leaves read from the plan's recorded events, oldest first.

    A leaf of an outcome that is not recorded keeps its value: closing the books would record it.
    """
    return _Evaluation(events).value(node)


class _Evaluation:
    def __init__(self, events: Sequence[RecordedEvent]) -> None:
        self._events = events
        self._named: dict[str, Value] = {}

    def value(self, node: Node) -> Value:
        value = self._value(node)
        if node.id is not None:
            self._named[node.id] = value
        return value

    def _value(self, node: Node) -> Value:
        if node.operation == "constant":
            return node.value
        if node.operation == "field":
            return self._field(node)
        if node.operation == "same":
            return self._named[str(node.field)]
        return _COMPUTED[node.operation]([self.value(child) for child in node.children])

    def _field(self, node: Node) -> Value:
        version = node.events[0].version
        if version is None:
            return node.value
        event: Any = self._events[version - 1].event
        if node.field is None:
            return TAGS[type(event)]
        for part in node.field.split("."):
            event = event[int(part)] if part.isdecimal() else getattr(event, part)
        value: Value = Fraction(event) if node.unit == "rate" else event
        return value


def _sum(values: Sequence[Any]) -> Value:
    if values and isinstance(values[0], date):
        day: date = values[0] + sum(values[1:]) * DAY
        return day
    value: Value = sum(values)
    return value


def _difference(values: Sequence[Any]) -> Value:
    first, *others = values
    if isinstance(first, date):
        days: int = (first - others[0]).days
        return days
    less: Value = first - sum(others)
    return less


_COMPUTED: Mapping[Operation, Callable[[Sequence[Any]], Value]] = {
    "sum": _sum,
    "difference": _difference,
    "product": prod,
    "floor": lambda values: int(values[0] // values[1]),
    "least": min,
    "status": lambda values: STATUS_AFTER[values[0]],
}
