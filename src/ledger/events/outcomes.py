"""Outcomes: what follows from the terms and the facts as days pass, and `OutcomeVoided`, which takes one back.

`effective_on` is the civil date from which the outcome holds; `shares` are whole shares that it credits.
An outcome caused by a payment names its reference, so that every share is explained. Source: RULES.md section 1.
"""

from datetime import date
from typing import Literal

import attrs

from ledger.errors import InvalidArgument, arguments


@attrs.frozen
class InstallmentSettled:
    """The payment completed the amount of an installment and credited its shares. Source: RULES.md section 5."""

    effective_on: date
    number: int
    shares: int
    payment: str

    def __attrs_post_init__(self) -> None:
        if self.number < 1 or self.shares < 0:
            _refuse(number=self.number, shares=self.shares)


@attrs.frozen
class PaymentMissed:
    """The day after the due date came and the installment was not settled. Source: RULES.md section 6.

    `grace_ends_on` is the last day on which a payment saves the plan.
    """

    effective_on: date
    number: int
    due_on: date
    grace_ends_on: date

    def __attrs_post_init__(self) -> None:
        if self.number < 1:
            _refuse(number=self.number)


@attrs.frozen
class PromoApplied:
    """A promotion credited shares; `payment` earned them or, for a bonus on the package, completed the plan.

    Source: RULES.md section 7.
    """

    effective_on: date
    code: str
    shares: int
    payment: str

    def __attrs_post_init__(self) -> None:
        if self.shares < 1:
            arguments.whole("shares", self.shares, minimum=1)


@attrs.frozen
class PlanCancelled:
    """Grace ended for installment `number`, or `request` (a reference) asked for it.

    `shares_forfeited` are lost of the package. Source: RULES.md section 6.
    """

    effective_on: date
    cause: Literal["grace_ended", "requested"]
    number: int | None
    request: str | None
    shares_forfeited: int

    def __attrs_post_init__(self) -> None:
        arguments.whole("shares_forfeited", self.shares_forfeited, minimum=0)
        if (self.number is None) == (self.cause == "grace_ended") or (self.request is None) == (
            self.cause == "requested"
        ):
            expected = "an installment number where grace ended, a reference where it was requested"
            raise InvalidArgument(argument="cause", given=self.cause, expected=expected)


@attrs.frozen
class PlanCompleted:
    """The last installment was settled; `shares` is the completion tranche. Source: RULES.md section 8."""

    effective_on: date
    shares: int
    payment: str

    def __attrs_post_init__(self) -> None:
        if self.shares < 0:
            arguments.whole("shares", self.shares, minimum=0)


@attrs.frozen
class RevisedLine:
    """The due date that an installment has after a reinstatement."""

    number: int
    due_on: date


@attrs.frozen
class ScheduleRevised:
    """A reinstatement re-dated the unsettled lines; `shares` is the package from now on. Source: RULES.md section 9."""

    effective_on: date
    lines: tuple[RevisedLine, ...]
    shares: int
    shares_forfeited: int
    payment: str

    def __attrs_post_init__(self) -> None:
        arguments.whole("shares", self.shares, minimum=1)
        arguments.whole("shares_forfeited", self.shares_forfeited, minimum=0)


@attrs.frozen
class OutcomeVoided:
    """From this date the event with version `voids` no longer holds. Source: RULES.md section 1.

    `shares` are taken back; negative where a voiding is voided and its outcome holds again. `because`
    is the version of the fact that caused it.
    """

    effective_on: date
    voids: int
    shares: int
    because: int

    def __attrs_post_init__(self) -> None:
        arguments.whole("voids", self.voids, minimum=1)
        arguments.whole("because", self.because, minimum=1)


Outcome = InstallmentSettled | PaymentMissed | PromoApplied | PlanCancelled | PlanCompleted | ScheduleRevised


def shares_of(outcome: Outcome) -> int:
    """Return the shares that an outcome credits: 0 for those that credit none."""
    return outcome.shares if isinstance(outcome, (InstallmentSettled, PlanCompleted, PromoApplied)) else 0


def _refuse(**values: int) -> None:
    for name, value in values.items():
        arguments.whole(name, value, minimum=1 if name == "number" else 0)
