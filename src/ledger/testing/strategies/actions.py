"""The acts of which histories at random are made: one row of a table is one draw, the simplest rows first.

A row says what is done, on which day counted from a due date, and for how much. That is one draw where a strategy for
each of the three would be three, and a failing example shrinks towards the first row: one installment, on its due date.
"""

from collections.abc import Collection, Iterator
from functools import cache
from typing import Literal, NamedTuple, get_args

from ledger.testing.strategies import faulty

Trouble = Literal["late", "doubled", "reversed", "charged back", "cancelled", "reinstated", "refused"]
"""Kinds of trouble: paid or recorded late, sent twice, reversed for error, charged back, cancelled by request,
reinstated after a cancellation, and commands that are refused."""

TROUBLE: tuple[Trouble, ...] = get_args(Trouble)

Kind = Literal[
    "pay", "pay twice", "reverse", "charge back", "cancel", "reinstate", "close", "repeat", "repeat opening", "refused"
]

Span = Literal["one", "two", "three", "half", "less", "more", "all"]
"""An amount, in installments: a minor unit less or more than one, or all that are left."""

_SEVERAL: tuple[Span, ...] = ("two", "three", "all")
_PARTS: tuple[Span, ...] = ("half", "less", "more")
_PUNCTUAL = (0, 0, -1, -40)
_AFTER_GRACE = (-1, 0, 1, 2)
_LATE = (1, 2, 30, 31)
_MOST_ROWS = 256
"""A row is one byte of the draw."""


class Act(NamedTuple):
    """One act: `days` are counted from the due date of the line next to pay, or from the end of its grace.

    An act that goes back to a payment counts days from that payment's date instead, a reinstatement from the day of the
    cancellation. `at_midnight` stands for an instant, the last second of the day in the plan's zone, in place of the
    date; a repetition with it is one of a payment with an instant. `pick` counts back to the payment or command meant,
    the latest being 0, or chooses the revised shares of a reinstatement. `wrong` names the fault of a refused command.
    """

    kind: Kind
    days: int = 0
    from_grace: bool = False
    span: Span = "one"
    early: bool = False
    at_midnight: bool = False
    pick: int = 0
    wrong: str = ""


@cache
def acts(trouble: frozenset[Trouble], *, closings: bool, instants: bool) -> tuple[Act, ...]:
    """Return the rows of the table, those that are more common more than once."""
    rows = [*_payments("late" in trouble), *_troubled(trouble)]
    rows = [act for act in rows if (closings or act.kind != "close") and (instants or not act.at_midnight)]
    assert len(rows) <= _MOST_ROWS, len(rows)
    return tuple(rows)


def _days(*, late: bool) -> list[tuple[int, bool]]:
    days = [(days, False) for days in _PUNCTUAL]
    return days + [(days, True) for days in _AFTER_GRACE] + [(days, False) for days in _LATE] if late else days


def _payments(late: bool) -> Iterator[Act]:  # noqa: FBT001 - one caller
    days = _days(late=late)
    some = [(0, False), (-1, False), (-40, False), *([(0, True), (1, False)] if late else [])]
    for after, from_grace in days * 2:
        yield Act("pay", after, from_grace)
    for span in (*_SEVERAL, *_PARTS):
        for after, from_grace in some:
            yield Act("pay", after, from_grace, span)
    for span in ("one", *_SEVERAL):
        for after in (0, -1, -40):
            yield Act("pay", after, span=span, early=True)
    for after, from_grace in days:
        yield Act("pay", after, from_grace, at_midnight=True)
    for after, from_grace in some:
        yield Act("close", after, from_grace)


def _troubled(trouble: Collection[Trouble]) -> Iterator[Act]:
    if "doubled" in trouble:
        yield from (Act("repeat", pick=pick) for pick in (0, 0, 1, 2, 3, 5))
        yield from [Act("repeat opening"), Act("pay twice"), Act("pay twice"), Act("repeat", at_midnight=True)]
    if "reversed" in trouble:
        yield from (Act("reverse", pick=pick) for pick in (0, 0, 0, 1, 1, 2, 3, 5))
    if "charged back" in trouble:
        yield from (Act("charge back", days, pick=pick) for days in (0, 1, 10, 30, 45, 100) for pick in (0, 1, 3))
    if "cancelled" in trouble:
        late = "late" in trouble
        yield from (Act("cancel", after, from_grace) for after, from_grace in _days(late=late))
        yield from [Act("cancel", -40), Act("cancel", -70)] if late else ()
    if "reinstated" in trouble:
        spans: tuple[tuple[Span, int], ...] = (
            ("all", 0),
            ("all", 2),
            ("all", 3),
            ("one", 1),
            ("half", 0),
            ("three", 1),
        )
        yield from (Act("reinstate", after, span=span, pick=pick) for after in (0, 1, 20, 60) for span, pick in spans)
        yield from (Act("reinstate", days, span="one") for days in (0, 60, 60))
        yield Act("reinstate", 20, span="more", pick=3)
    if "refused" in trouble:
        yield from (Act("refused", wrong=wrong) for wrong in (*faulty.COMMANDS, *faulty.RARE))
