"""The values of a restatement: answers, and what was learnt between them. Numbers by currency, then by name."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime

import attrs

from ledger.dates import EndOfDay, Known, known_by
from ledger.errors import InvalidArgument
from ledger.events import RecordedEvent
from ledger.state import Status
from ledger.store import Quarantined

Numbers = Mapping[str, Mapping[str, int]]
"""By currency, numbers by name: money in minor units, whole shares, days, counts. What is not there is 0."""

MONEY = frozenset(
    ("paid", "outstanding", "unapplied", "price", "price_in_cancelled", "paid_in_cancelled", "unallocated")
)
"""The names of the numbers that are money."""


@attrs.frozen(kw_only=True)
class Answer:
    """The answer to a question on a date, as it was known at a moment.

    `status` is that of one plan; None for several, and for a plan that was not known or not opened yet.
    """

    status: Status | None
    numbers: Numbers


@attrs.frozen(kw_only=True)
class Learnt:
    """A fact that was learnt, with the outcomes recorded with it, up to and including the version `through`.

    `difference` is what it changes in the numbers, in the order of recording; `status_before` and `status_after` are
    those of its plan.
    """

    fact: RecordedEvent
    through: int
    status_before: Status | None
    status_after: Status | None
    difference: Numbers

    @property
    def matters(self) -> bool:
        """Whether it changes anything on the date of the question."""
        return bool(self.difference) or self.status_before != self.status_after


@attrs.frozen(kw_only=True)
class Restatement:
    """Two answers to the same question on the date `as_of`, and what was learnt between them, in recorded order.

    `known_first` and `known_then` are the two moments, the second None for all that is recorded. `quarantined` are
    plans that cannot be read, and are in neither answer.
    """

    plan_id: str | None = None
    investor: str | None = None
    partner: str | None = None
    as_of: date
    known_first: date | datetime
    known_then: date | datetime | None
    before: Answer
    after: Answer
    learnt: tuple[Learnt, ...]
    quarantined: tuple[Quarantined, ...] = ()


def moment(known_at: Known | None) -> date | datetime | None:
    """Return a moment as restatements state it: the day of an `EndOfDay`."""
    return known_at.day if isinstance(known_at, EndOfDay) else known_at


def moments(known_at: Known, then: Known | None) -> tuple[Known, Known | None]:
    """Return two moments, checked. Raises `InvalidArgument` if the second is the earlier one."""
    first, second = known_by("known_at", known_at), None if then is None else known_by("then", then)
    if isinstance(first, EndOfDay) and isinstance(second, EndOfDay):
        backwards = second.day < first.day
    else:  # an instant and the end of a day are compared in the time zone of each plan
        backwards = isinstance(first, datetime) and isinstance(second, datetime) and second < first
    if backwards:
        raise in_wrong_order(first, second)
    return first, second


def in_wrong_order(first: Known, second: Known | None) -> InvalidArgument:
    """Return the refusal of two moments of which the second is the earlier one."""
    return InvalidArgument(argument="known_at", given=str(second), expected=f"a moment after the first, {first}")


def added(*numbers: Numbers, less: Iterable[Numbers] = ()) -> dict[str, dict[str, int]]:
    """Return the sum of numbers, less others; what comes to 0 is left out."""
    total: dict[str, dict[str, int]] = {}
    for sign, parts in ((1, numbers), (-1, less)):
        for part in parts:
            for currency, named in part.items():
                into = total.setdefault(currency, {})
                for name, number in named.items():
                    into[name] = into.get(name, 0) + sign * number
    return {
        currency: kept
        for currency, named in sorted(total.items())
        if (kept := {name: number for name, number in named.items() if number})
    }
