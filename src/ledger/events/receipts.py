"""Receipts: money that was received and not applied to a plan, and where it went from there.

A receipt has a stream of its own, of the kind "receipt"; its id is the reference of the money received.
"""

from datetime import date, datetime

import attrs

from ledger.errors import arguments
from ledger.events.facts import REASON_LIMIT, check_instant
from ledger.money import Money


@attrs.frozen(kw_only=True)
class MoneyReceived:
    """Money was received and not applied to a plan: `code` and `reason` say why.

    `effective_on` is its date in `timezone`; `received_at` is the instant, UTC, where the caller knew one. `plan_id` is
    the plan that the payer stated, whether or not there is such a plan.
    """

    effective_on: date
    reference: str
    amount: Money
    timezone: str
    received_at: datetime | None
    plan_id: str | None
    code: str
    reason: str

    def __attrs_post_init__(self) -> None:
        arguments.text("reference", self.reference)
        arguments.whole("amount", self.amount.minor, minimum=1)
        arguments.text("timezone", self.timezone)
        check_instant("received_at", self.received_at)
        arguments.optional_text("plan_id", self.plan_id)
        arguments.text("code", self.code)
        arguments.text("reason", self.reason, limit=REASON_LIMIT)


@attrs.frozen(kw_only=True)
class MoneyAllocated:
    """Money of the receipt, all or a part, became the payment `payment` of a plan, on the date of that payment."""

    effective_on: date
    plan_id: str
    payment: str
    amount: Money

    def __attrs_post_init__(self) -> None:
        arguments.text("plan_id", self.plan_id)
        arguments.text("payment", self.payment)
        arguments.whole("amount", self.amount.minor, minimum=1)


@attrs.frozen(kw_only=True)
class AllocationReversed:
    """The payment of an allocation was reversed for error: it was never made, and its money remains to be allocated.

    Effective from the date of that payment.
    """

    effective_on: date
    plan_id: str
    payment: str

    def __attrs_post_init__(self) -> None:
        arguments.text("plan_id", self.plan_id)
        arguments.text("payment", self.payment)


@attrs.frozen(kw_only=True)
class MoneyReturned:
    """Money of the receipt, all or a part, left the ledger: sent back to its payer, or taken back by the bank.

    `reference` is that of the return.
    """

    effective_on: date
    reference: str
    amount: Money
    reason: str

    def __attrs_post_init__(self) -> None:
        arguments.text("reference", self.reference)
        arguments.whole("amount", self.amount.minor, minimum=1)
        arguments.text("reason", self.reason, limit=REASON_LIMIT)


ReceiptEvent = MoneyReceived | MoneyAllocated | AllocationReversed | MoneyReturned
"""What the stream of a receipt holds: the first begins it."""
