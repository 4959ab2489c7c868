"""Facts: what somebody did to a plan. Source: RULES.md section 1.

`effective_on` is the civil date in the plan's time zone from which the fact counts.
"""

from datetime import UTC, date, datetime
from typing import Literal

import attrs

from ledger.errors import InvalidArgument, arguments
from ledger.money import Money
from ledger.terms import PlanTerms
from ledger.terms.schedule import Installment, problems

PaymentKind = Literal["regular", "early_repayment"]
ReversalCause = Literal["error", "chargeback"]

REASON_LIMIT = 2_000
"""Characters in a reason."""


def check_instant(name: str, value: datetime | None) -> None:
    """Raise `InvalidArgument` for an instant that is not in UTC."""
    if value is not None and value.tzinfo is not UTC:
        raise InvalidArgument(argument=name, given=value, expected="an instant in UTC")


@attrs.frozen(kw_only=True)
class PlanOpened:
    """A plan was opened under `terms`, copied here with the schedule (`lines`) that they produced.

    `opened_at` is the instant, UTC, where the caller knew one.
    """

    effective_on: date
    investor: str
    partner: str | None
    terms: PlanTerms
    lines: tuple[Installment, ...]
    opened_at: datetime | None

    def __attrs_post_init__(self) -> None:
        arguments.text("investor", self.investor)
        arguments.optional_text("partner", self.partner)
        check_instant("opened_at", self.opened_at)
        for problem in problems(self.lines, self.terms):
            raise InvalidArgument(argument="lines", given=f"refused: {problem}", expected="the schedule of the terms")


@attrs.frozen(kw_only=True)
class PaymentMade:
    """Money was paid. `paid_at` is the instant, UTC, where the caller knew one."""

    effective_on: date
    reference: str
    amount: Money
    kind: PaymentKind
    paid_at: datetime | None

    def __attrs_post_init__(self) -> None:
        arguments.text("reference", self.reference)
        arguments.whole("amount", self.amount.minor, minimum=1)
        check_instant("paid_at", self.paid_at)


@attrs.frozen(kw_only=True)
class PaymentReversed:
    """A payment was taken back: by `error` it was never made, by `chargeback` it is gone from this date on.

    An error is effective from the payment's own date.
    """

    effective_on: date
    reference: str
    cause: ReversalCause


@attrs.frozen(kw_only=True)
class CancellationRequested:
    """Somebody asked that the plan be cancelled on this date."""

    effective_on: date
    reference: str
    reason: str

    def __attrs_post_init__(self) -> None:
        arguments.text("reference", self.reference)
        arguments.text("reason", self.reason, limit=REASON_LIMIT)


@attrs.frozen(kw_only=True)
class PlanReinstated:
    """A cancelled plan was reinstated by decision of `approved_by`, with the payment of `amount`.

    `revised_shares` is the package's number of shares from now on; None leaves it as it was.
    """

    effective_on: date
    reference: str
    amount: Money
    approved_by: str
    reason: str
    revised_shares: int | None

    def __attrs_post_init__(self) -> None:
        arguments.text("reference", self.reference)
        arguments.whole("amount", self.amount.minor, minimum=1)
        arguments.text("approved_by", self.approved_by)
        arguments.text("reason", self.reason, limit=REASON_LIMIT)
        if self.revised_shares is not None:
            arguments.whole("revised_shares", self.revised_shares, minimum=1)


Fact = PaymentMade | PaymentReversed | CancellationRequested | PlanReinstated
"""The facts that may follow an opening."""
