"""The decision on receipts: a command on money received becomes events, or is refused. Pure.

An allocation is decided on two streams, the receipt and the plan: what either refuses is refused as a whole.
"""

from collections.abc import Sequence
from datetime import date, datetime

import attrs

from ledger.commands import (
    AllocateUnallocated,
    Metadata,
    ReceiptCommand,
    ReceiveUnallocated,
    RecordPayment,
    ReturnUnallocated,
    ReverseAllocation,
    ReversePayment,
)
from ledger.dates import day_in
from ledger.decide import Decider, day_and_instant, recorded_events
from ledger.errors import Overpayment, ReceiptConflict, ReceiptNotFound, ReceiptRefused
from ledger.events import (
    AllocationReversed,
    MoneyAllocated,
    MoneyReceived,
    MoneyReturned,
    ReceiptEvent,
    RecordedEvent,
)
from ledger.money import Money
from ledger.receipt import Receipt


class ReceiptDecider:
    """Decides the commands on one receipt, one after another, each as if the ones before it had been recorded."""

    def __init__(self, history: Sequence[RecordedEvent]) -> None:
        self._receipt = Receipt(history) if history else None

    @property
    def version(self) -> int:
        """The number of the receipt's events."""
        return 0 if self._receipt is None else self._receipt.version

    def recorded(self, at: datetime) -> None:
        """Note the instant at which the latest event was recorded in the end."""
        assert self._receipt is not None
        self._receipt.recorded_at = at

    def decide(self, command: ReceiptCommand, metadata: Metadata) -> tuple[RecordedEvent, ...]:
        """Return the event that the command records; none if it was recorded before.

        Raises `ReceiptRefused`, `ReceiptConflict`, `ReceiptNotFound`, and then nothing has changed. Allocations are
        decided by `allocate` and `reverse_allocation`, with their plan.
        """
        if isinstance(command, ReceiveUnallocated):
            return self._receive(command, metadata)
        assert isinstance(command, ReturnUnallocated), command
        return self._return(command, metadata)

    def payment(self, command: AllocateUnallocated) -> RecordPayment:
        """Return the payment that an allocation makes, before the plan has its say; of a repeated one, the same again.

        Raises `ReceiptRefused`, `ReceiptNotFound`.
        """
        receipt = self._found(command)
        recorded = receipt.allocations.get((command.plan_id, command.payment))
        amount = command.amount or (receipt.money(receipt.remaining) if recorded is None else recorded.amount)
        if recorded is None:
            _refuse_amount(command, receipt, amount, "allocate")
        received = receipt.received
        return RecordPayment(
            plan_id=command.plan_id,
            reference=command.payment,
            amount=amount,
            paid_at=command.paid_at or received.received_at or received.effective_on,
            kind=command.kind,
        )

    def allocated(
        self, command: AllocateUnallocated, metadata: Metadata, *, amount: Money, paid_on: date, same_money: bool
    ) -> tuple[RecordedEvent, ...]:
        """Return the event of an allocation that the plan has accepted; none if it was recorded before.

        Raises `ReceiptRefused` if the payment is not `same_money`: the plan had it before, from elsewhere.
        """
        if (command.plan_id, command.payment) in self._found(command).allocations:
            return ()
        if not same_money:
            reason = f"payment {command.payment!r} of plan {command.plan_id} was recorded before, and is other money"
            raise ReceiptRefused(reference=command.reference, reason=reason, remedy="give it a reference of its own")
        event = MoneyAllocated(effective_on=paid_on, plan_id=command.plan_id, payment=command.payment, amount=amount)
        return self._recorded(command, event, metadata, key=command.payment)

    def check_allocation(self, command: ReverseAllocation) -> None:
        """Raise `ReceiptRefused` if the receipt has no such allocation, and `ReceiptNotFound`."""
        if (command.plan_id, command.payment) not in self._found(command).allocations:
            reason = f"payment {command.payment!r} of plan {command.plan_id} was not allocated from it"
            raise ReceiptRefused(reference=command.reference, reason=reason, remedy="check the plan and the payment")

    def reversed(self, command: ReverseAllocation, metadata: Metadata, *, on: date) -> tuple[RecordedEvent, ...]:
        """Return the event of a reversal that the plan has accepted; none if it was recorded before."""
        if (command.plan_id, command.payment) in self._found(command).reversed:
            return ()
        event = AllocationReversed(effective_on=on, plan_id=command.plan_id, payment=command.payment)
        return self._recorded(command, event, metadata, key=command.payment)

    def _receive(self, command: ReceiveUnallocated, metadata: Metadata) -> tuple[RecordedEvent, ...]:
        receipt = self._receipt
        zone = command.timezone if receipt is None else receipt.received.timezone
        on, at = day_and_instant(zone, command.received_at, None if receipt is None else receipt.received)
        received = MoneyReceived(
            effective_on=on,
            reference=command.reference,
            amount=command.amount,
            timezone=zone,
            received_at=at,
            plan_id=command.plan_id,
            code=command.code,
            reason=command.reason,
        )
        if receipt is not None:
            _compare(command, receipt.received, received, {"amount": "amount", "plan_id": "plan_id", **_DATED})
            return ()
        _refuse_ahead(command, received.effective_on, zone, metadata.decided_at)
        return self._recorded(command, received, metadata, key=command.reference)

    def _return(self, command: ReturnUnallocated, metadata: Metadata) -> tuple[RecordedEvent, ...]:
        receipt, key = self._found(command), command.return_reference
        event = MoneyReturned(effective_on=command.on, reference=key, amount=command.amount, reason=command.reason)
        if key in receipt.returns:
            _compare(command, receipt.returns[key], event, {"amount": "amount", "reason": "reason", **_RETURNED})
            return ()
        received = receipt.received
        if command.on < received.effective_on:
            reason = f"a return is dated {command.on}, and the money was received on {received.effective_on}"
            raise ReceiptRefused(reference=command.reference, reason=reason, remedy="check the receipt and the date")
        _refuse_ahead(command, command.on, received.timezone, max(metadata.decided_at, receipt.recorded_at))
        _refuse_amount(command, receipt, command.amount, "return")
        return self._recorded(command, event, metadata, key=key)

    def _found(self, command: ReceiptCommand) -> Receipt:
        if self._receipt is None:
            raise ReceiptNotFound(reference=command.reference)
        return self._receipt

    def _recorded(
        self, command: ReceiptCommand, event: ReceiptEvent, metadata: Metadata, *, key: str
    ) -> tuple[RecordedEvent, ...]:
        """Return the event in its envelope, and apply it."""
        receipt = self._receipt
        at = metadata.decided_at if receipt is None else max(metadata.decided_at, receipt.recorded_at)
        events = recorded_events(command, (event,), metadata, key=key, after=self.version, recorded_at=at)
        if receipt is None:
            self._receipt = Receipt(events)
        else:
            for recorded in events:
                receipt.apply(recorded)
        return events


def allocate(
    receipt: ReceiptDecider, plan: Decider, command: AllocateUnallocated, metadata: Metadata
) -> list[tuple[RecordedEvent, ...]]:
    """Return the events of an allocation: the receipt's, then the plan's; none if it was recorded before.

    Raises what either decider raises, and then nothing has changed on either.
    """
    payment = receipt.payment(command)
    try:
        paid = plan.decide(payment, metadata)
    except Overpayment as error:
        most = payment.amount.minor - (error.standing - error.price)
        if command.amount is not None or most < 1:
            raise
        payment = attrs.evolve(payment, amount=Money(most, error.currency))
        paid = plan.decide(payment, metadata)
    same_money = bool(paid) or (command.payment == command.reference and not plan.reversed_for_error(command.payment))
    paid_on = plan.paid_on(payment.reference)
    event = receipt.allocated(command, metadata, amount=payment.amount, paid_on=paid_on, same_money=same_money)
    return [event, paid]


def reverse_allocation(
    receipt: ReceiptDecider, plan: Decider, command: ReverseAllocation, metadata: Metadata
) -> list[tuple[RecordedEvent, ...]]:
    """Return the events of a reversed allocation: the receipt's, then the plan's; none if it was recorded before.

    Raises what either decider raises, and then nothing has changed on either.
    """
    receipt.check_allocation(command)
    reversal = ReversePayment(plan_id=command.plan_id, reference=command.payment, cause="error", on=None)
    taken_back = plan.decide(reversal, metadata)
    return [receipt.reversed(command, metadata, on=plan.paid_on(command.payment)), taken_back]


# ---- repetitions and refusals


_DATED = {"effective_on": "received_at"}
_RETURNED = {"effective_on": "on"}


def _compare(command: ReceiptCommand, recorded: ReceiptEvent, given: ReceiptEvent, fields: dict[str, str]) -> None:
    """Raise `ReceiptConflict` naming the first argument, by field of the event, in which a repeated command differs."""
    for field, argument in fields.items():
        before, after = getattr(recorded, field), getattr(given, field)
        if before != after:
            raise ReceiptConflict(reference=command.reference, field=argument, recorded=before, given=after)


def _refuse_amount(command: ReceiptCommand, receipt: Receipt, amount: Money, verb: str) -> None:
    """Refuse money that is not there."""
    remaining = receipt.money(receipt.remaining)
    if amount.currency != remaining.currency:
        reason = f"{amount} are to be taken from {remaining}"
        raise ReceiptRefused(reference=command.reference, reason=reason, remedy=f"state it in {remaining.currency}")
    if not receipt.remaining:
        reason = f"nothing of {receipt.received.amount} remains"
        raise ReceiptRefused(reference=command.reference, reason=reason, remedy=f"there is nothing to {verb}")
    if amount.minor > receipt.remaining:
        reason = f"{remaining} remain, less than {amount}"
        raise ReceiptRefused(reference=command.reference, reason=reason, remedy=f"{verb} at most {remaining}")


def _refuse_ahead(command: ReceiptCommand, on: date, zone: str, recorded_at: datetime) -> None:
    """Refuse a date after the day of the recording. Source: RULES.md section 1."""
    if on > (today := day_in(zone, recorded_at)):
        reason = f"it is dated {on}, after {today}, the day of its recording in {zone}"
        raise ReceiptRefused(reference=command.reference, reason=reason, remedy="record it on that day or later")
