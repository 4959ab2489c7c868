"""The acts of which histories at random are made: one row of a table is one draw, the simplest rows first.

A row says what is done, on which day counted from a due date, and for how much. That is one draw where a strategy for
each of the three would be three, and a failing example shrinks towards the first row: one installment, on its due date.
"""

from collections.abc import Collection, Iterator, Sequence
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

_ONE: tuple[Span, ...] = ("one", "one", "one", "one", "two", "two", "three", "half", "less", "more", "all")
_PUNCTUAL = (0, 0, 0, -1, -40)
_AFTER_GRACE = (-1, 0, 1, 2)
_LATE = (1, 2, 30, 31)


class Act(NamedTuple):
    """One act: `days` are counted from the due date of the line next to pay, or from the end of its grace.

    An act that goes back to a payment counts days from that payment's date instead, a reinstatement from the day of the
    cancellation. `at_midnight` stands for an instant, the last second of the day in the plan's zone, in place of the
    date. `pick` counts back to the payment or command meant, the latest being 0, or chooses the revised shares of a
    reinstatement. `wrong` names the fault of a command that is refused.
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
    return tuple(
        act for act in _acts(trouble) if (closings or act.kind != "close") and (instants or not act.at_midnight)
    )


def _acts(trouble: Collection[Trouble]) -> Iterator[Act]:
    days = [(days, False) for days in _PUNCTUAL]
    if "late" in trouble:
        days += [(days, True) for days in _AFTER_GRACE] + [(days, False) for days in _LATE]
    for early in (False, False, True):
        for span in _ONE:
            for after, from_grace in days:
                yield Act("pay", after, from_grace, span, early)
    for after, from_grace in days:
        yield from [Act("pay", after, from_grace, at_midnight=True)] * 10
        yield from [Act("close", after, from_grace)] * 2
    yield from _troubled(trouble, days, more=len(days) // 2)


def _troubled(trouble: Collection[Trouble], days: Sequence[tuple[int, bool]], *, more: int) -> Iterator[Act]:
    if "doubled" in trouble:
        yield from (Act("repeat", pick=pick) for pick in (0, 0, 1, 1, 2, 3, 5) * more)
        yield from [Act("repeat opening"), Act("pay twice")] * more
    if "reversed" in trouble:
        yield from (Act("reverse", pick=pick) for pick in (0, 0, 1, 2, 3, 5) * more * 2)
    if "charged back" in trouble:
        later = (0, 1, 10, 30, 45, 100)
        yield from (Act("charge back", days, pick=pick) for days in later for pick in (0, 0, 1, 2, 3, 5) * more)
    if "cancelled" in trouble:
        yield from (Act("cancel", after, from_grace) for after, from_grace in days * 2)
        yield from [Act("cancel", -40), Act("cancel", -70)] * 3 * more if "late" in trouble else ()
    if "reinstated" in trouble:
        spans: tuple[Span, ...] = ("all", "all", "one", "half", "more", "three")
        yield from (
            Act("reinstate", after, span=span, pick=pick) for after in (0, 1, 20, 60) for span in spans for pick in range(4)
        )
    if "refused" in trouble:
        yield from (Act("refused", wrong=wrong) for wrong in faulty.COMMANDS * 10 + faulty.RARE * 20)
