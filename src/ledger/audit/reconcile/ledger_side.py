"""The ledger's side: money that came and money that was taken back, each once.

A payment counts from its plan, or from the receipt out of which it was allocated, never from both. A payment reversed
for error was never made, and does not count.
"""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Literal

import attrs

from ledger.dates import Known
from ledger.events import Fact, PaymentMade, PaymentReversed, PlanReinstated
from ledger.money import Money
from ledger.plan import Plan
from ledger.receipt import Receipt
from ledger.replay import replay, replay_receipts
from ledger.store import EventReader


@attrs.frozen(kw_only=True)
class Booked:
    """Money in the ledger: `amount` is above zero where it came, below where the bank or we took it back.

    `plan_id` is the plan that holds it; of a receipt, or of a return of its money, the plan that its payer stated, if
    any.
    """

    kind: Literal["payment", "chargeback", "receipt", "return"]
    plan_id: str | None
    reference: str
    on: date
    amount: Money


def booked(
    reader: EventReader, *, known_at: Known | None, wanted: Callable[[Booked], bool] = lambda _: True
) -> list[Booked]:
    """Return the money in a ledger that is `wanted`, by plan, then receipts. Raises `CorruptHistory`."""
    receipts, errors = replay_receipts(reader, known_at=known_at)
    if errors:
        raise errors[0]
    allocated = {key for receipt in receipts for key in receipt.allocations.keys() - receipt.reversed}
    found: list[Booked] = []
    for page in replay(reader, known_at=known_at):
        for _, plan, error in page:
            if error is not None:
                raise error
            assert plan is not None
            found += filter(wanted, _of_plan(plan, allocated))
    for receipt in receipts:
        found += filter(wanted, _of_receipt(receipt))
    return found


def _of_plan(plan: Plan, allocated: set[tuple[str, str]]) -> Iterator[Booked]:
    errors = {reference for reference, one in plan.reversals.items() if one.cause == "error"}
    for fact in plan.facts:
        if fact.reference in errors or (amount := _money(fact, plan)) is None:
            continue
        if amount.minor > 0 and (plan.plan_id, fact.reference) in allocated:
            continue  # it came as a receipt
        yield Booked(
            kind="payment" if amount.minor > 0 else "chargeback",
            plan_id=plan.plan_id,
            reference=fact.reference,
            on=fact.effective_on,
            amount=amount,
        )


def _money(fact: Fact, plan: Plan) -> Money | None:
    if isinstance(fact, PaymentReversed):
        return -plan.payments[fact.reference].amount
    return fact.amount if isinstance(fact, (PaymentMade, PlanReinstated)) else None


def _of_receipt(receipt: Receipt) -> Iterator[Booked]:
    received = receipt.received
    yield Booked(
        kind="receipt",
        plan_id=received.plan_id,
        reference=received.reference,
        on=received.effective_on,
        amount=received.amount,
    )
    for reference, one in receipt.returns.items():
        yield Booked(
            kind="return",
            plan_id=received.plan_id,
            reference=reference,
            on=one.effective_on,
            amount=-one.amount,
        )
