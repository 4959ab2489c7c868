"""One receipt: its stored bytes, the fold of its money, and the payments of plans that it was allocated to."""

from collections.abc import Mapping, Sequence

import attrs

from ledger.audit.examination.facts import check_day, day_of, known_zone
from ledger.audit.examination.kinds import Findings
from ledger.audit.examination.stored import Decode, Lost, Slot, check_order, read_stream
from ledger.audit.finding import Finding
from ledger.errors import CorruptHistory
from ledger.events import (
    RECEIPT,
    AllocationReversed,
    MoneyAllocated,
    MoneyReceived,
    MoneyReturned,
    PaymentMade,
    PaymentReversed,
    PlanReinstated,
    ReceiptEvent,
    RecordedEvent,
)
from ledger.events.recorded import Stream
from ledger.receipt import Receipt
from ledger.store import EventReader, RawEvent


@attrs.frozen
class Payments:
    """The payments of one plan by reference, as far as they can be read, and those reversed for error."""

    made: Mapping[str, PaymentMade | PlanReinstated]
    reversed: frozenset[str]


def payments_of(reader: EventReader, plan_ids: Sequence[str]) -> dict[str, Payments]:
    """Return the payments of these plans; a plan that is not there has none."""
    return {plan_id: _payments(stored, reader.decoded) for plan_id, stored in reader.raw_histories(plan_ids).items()}


def _payments(stored: Sequence[RawEvent], decode: Decode) -> Payments:
    made: dict[str, PaymentMade | PlanReinstated] = {}
    taken_back: set[str] = set()
    for decoded in decode(stored):
        if isinstance(decoded, CorruptHistory):
            continue  # reported with its plan
        event = decoded.event
        if isinstance(event, (PaymentMade, PlanReinstated)):
            made.setdefault(event.reference, event)
        elif isinstance(event, PaymentReversed) and event.cause == "error":
            taken_back.add(event.reference)
    return Payments(made, frozenset(taken_back))


def read_receipt(reference: str, stored: Sequence[RawEvent], decode: Decode) -> tuple[Findings, list[Slot]]:
    """Return the versions of a receipt, with the findings about their bytes and their order."""
    findings = Findings(Stream(RECEIPT, reference))
    return findings, check_order(read_stream(stored, decode, findings), findings)


def plans_in(slots: Sequence[Slot]) -> set[str]:
    """Return the plans to which a receipt was allocated."""
    events = (slot.event for slot in slots if isinstance(slot, RecordedEvent))
    return {event.plan_id for event in events if isinstance(event, (MoneyAllocated, AllocationReversed))}


def audit_receipt(findings: Findings, slots: Sequence[Slot], payments: Mapping[str, Payments]) -> Sequence[Finding]:
    """Audit the events of one receipt against the payments of its plans. Pure."""
    receipt = Receipt(())
    zone: str | None = None
    for slot in slots:
        if isinstance(slot, Lost):
            if slot.version == 1:
                return findings.found  # nothing can be said of money that was never received
            receipt.version = slot.version
            continue
        if not _belongs(slot, findings):
            if slot.version == 1:
                return findings.found
            receipt.version = slot.version
            continue
        event = slot.event
        if isinstance(event, MoneyReceived):
            zone = event.timezone if known_zone(slot, event.timezone, findings) else None
        _check_key(slot, findings)
        _check_dates(slot, receipt, zone, findings)
        if isinstance(event, MoneyReceived):
            receipt.apply(attrs.evolve(slot, event=attrs.evolve(event, reference=slot.stream_id)))
        elif _folds(slot, receipt, findings):
            receipt.version = slot.version - 1
            receipt.apply(slot)
        receipt.version, receipt.recorded_at = slot.version, slot.recorded_at
        _check_link(slot, payments, findings)
    return findings.found


def _belongs(slot: RecordedEvent, findings: Findings) -> bool:
    """Report an event that cannot stand here; return whether it can."""
    if isinstance(slot.event, ReceiptEvent) and isinstance(slot.event, MoneyReceived) == (slot.version == 1):
        return True
    expected = "the money received" if slot.version == 1 else "an allocation, its reversal, or a return"
    _report("opening_misplaced", slot, expected, type(slot.event).__name__, findings)
    return False


def _check_key(slot: RecordedEvent, findings: Findings) -> None:
    event = slot.event
    assert isinstance(event, ReceiptEvent), event
    key = event.payment if isinstance(event, (MoneyAllocated, AllocationReversed)) else event.reference
    if slot.key != key:
        _report("key_mismatch", slot, repr(key), repr(slot.key), findings)
    if isinstance(event, MoneyReceived) and event.reference != slot.stream_id:
        _report("key_mismatch", slot, f"the reference {slot.stream_id!r}", repr(event.reference), findings)


def _check_dates(slot: RecordedEvent, receipt: Receipt, zone: str | None, findings: Findings) -> None:
    event, on = slot.event, slot.event.effective_on
    if zone is not None and isinstance(event, (MoneyReceived, MoneyReturned)):
        today = day_of(slot, slot.recorded_at, zone, findings)
        if today is not None and on > today:
            _report("dated_ahead", slot, f"{today}, the day of its recording, or earlier", str(on), findings)
    if isinstance(event, MoneyReceived) and event.received_at is not None and zone is not None:
        check_day(slot, event.received_at, zone, findings)
    if isinstance(event, MoneyReturned) and on < (received_on := receipt.received.effective_on):
        _report("dated_before_opening", slot, f"{received_on} or later", str(on), findings)


def _folds(slot: RecordedEvent, receipt: Receipt, findings: Findings) -> bool:
    """Report what the money of a receipt cannot do; return whether it can."""
    event = slot.event
    if isinstance(event, AllocationReversed):
        key = event.plan_id, event.payment
        if key in receipt.allocations and key not in receipt.reversed:
            paid_on = receipt.allocations[key].effective_on
            if event.effective_on != paid_on:
                expected = f"{paid_on}, the date of the payment"
                _report("reversal_unfounded", slot, expected, str(event.effective_on), findings)
            return True
        found = f"payment {event.payment!r} of plan {event.plan_id}"
        _report("reversal_unfounded", slot, "an allocation that stands", found, findings)
        return False
    assert isinstance(event, (MoneyAllocated, MoneyReturned)), event
    if event.amount.currency != receipt.received.amount.currency:
        _report("currency_mismatch", slot, receipt.received.amount.currency, str(event.amount), findings)
        return False
    taken = (
        (event.plan_id, event.payment) in receipt.allocations
        if isinstance(event, MoneyAllocated)
        else event.reference in receipt.returns
    )
    if taken:
        _report("reference_taken", slot, "a reference of its own", repr(slot.key), findings)
        return False
    if event.amount.minor > receipt.remaining:
        expected = f"at most {receipt.money(receipt.remaining)}, which remain"
        _report("receipt_overspent", slot, expected, str(event.amount), findings)
        return False
    return True


def _check_link(slot: RecordedEvent, payments: Mapping[str, Payments], findings: Findings) -> None:
    """Compare an allocation with the payment that it became, and its reversal with that of the payment."""
    event = slot.event
    if isinstance(event, MoneyAllocated):
        paid = payments[event.plan_id].made.get(event.payment)
        expected = f"payment {event.payment!r} of plan {event.plan_id}: {event.amount} on {event.effective_on}"
        if paid is None:
            _report("allocation_unfounded", slot, expected, "no such payment", findings)
        elif (paid.amount, paid.effective_on) != (event.amount, event.effective_on):
            _report("allocation_unfounded", slot, expected, f"{paid.amount} on {paid.effective_on}", findings)
    elif isinstance(event, AllocationReversed) and event.payment not in payments[event.plan_id].reversed:
        expected = f"payment {event.payment!r} of plan {event.plan_id} reversed for error"
        _report("allocation_unfounded", slot, expected, "not reversed", findings)


def _report(kind: str, at: RecordedEvent, expected: str, found: str, findings: Findings) -> None:
    findings.add(kind, version=at.version, sequence=at.sequence, expected=expected, found=found)
