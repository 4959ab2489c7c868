"""The results of a derivation: a plan at the end of a day, its steps, and its outcomes with their ends."""

from collections.abc import Mapping
from datetime import date
from typing import Literal, NamedTuple

from ledger.events.facts import Fact, PaymentReversed
from ledger.events.outcomes import Outcome
from ledger.terms.schedule import Installment

Status = Literal["active", "in_grace", "cancelled", "completed"]


class State(NamedTuple):
    """A plan at the end of the day `on`. Money in minor units of the price, shares whole.

    `lines` is the schedule in force; `missing` the unpaid part of the oldest unsettled line. `overdue` is the open line
    whose grace ends first, counted from `overdue_since`, and `amount_due` the unpaid part of all that is due: None,
    None and 0 unless the plan is in grace. `package` is the package's shares after any revision.
    """

    on: date
    status: Status
    lines: tuple[Installment, ...]
    settled: int
    paid: int
    missing: int
    unapplied: int
    overdue: Installment | None
    overdue_since: date | None
    grace_ends_on: date | None
    amount_due: int
    cancelled_on: date | None
    completed_on: date | None
    package: int
    shares_credited: int
    shares_promised: int
    shares_forfeited: int
    bonus_credited: int
    bonus_promised: int


class Snapshot(NamedTuple):
    """The part of a state on which commands are refused; `held` is all money paid and not taken back."""

    lines: tuple[Installment, ...]
    settled: int
    missing: int
    held: int
    cancelled_on: date | None
    completed_on: date | None
    package: int


class Step(NamedTuple):
    """A fact or, without one, a day; the outcomes that began and that ended with it, and the state just after it."""

    fact: Fact | None
    outcomes: tuple[Outcome, ...]
    ended: Mapping[Outcome, PaymentReversed]
    state: State


class Timeline(NamedTuple):
    """The state and the outcomes that follow from the facts.

    `outcomes` are in the order in which they took effect, each holding from its `effective_on`; `ended` names those
    that no longer hold, each with the chargeback that ended it, from whose date on it does not. An outcome that never
    held for a day is not among them. `most_held` is the largest amount of money held at the end of a day, in minor
    units, and `most_held_on` the first such day.
    """

    state: State
    outcomes: tuple[Outcome, ...]
    ended: Mapping[Outcome, PaymentReversed]
    most_held: int
    most_held_on: date

    def holding(self) -> list[Outcome]:
        """Return the outcomes that hold at the end."""
        return [outcome for outcome in self.outcomes if outcome not in self.ended]
