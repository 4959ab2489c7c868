"""Receipt: the fold of recorded events into money received, and where it went. It never falls below zero."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

import attrs

from ledger.errors import CorruptHistory
from ledger.events import (
    RECEIPT,
    AllocationReversed,
    MoneyAllocated,
    MoneyReceived,
    MoneyReturned,
    PlanOpened,
    ReceiptEvent,
    RecordedEvent,
)
from ledger.money import Money


class Receipt:
    """Money received and not applied at once: its reception, its allocations to plans, its returns."""

    def __init__(self, history: Iterable[RecordedEvent]) -> None:
        """Fold a receipt's events, oldest first. Raises `CorruptHistory` where they cannot have been recorded so."""
        self.version = 0
        self.recorded_at: datetime
        self.received: MoneyReceived
        self.allocations: dict[tuple[str, str], MoneyAllocated] = {}
        """By plan and reference of the payment."""
        self.returns: dict[str, MoneyReturned] = {}
        """By the reference of the return."""
        self.reversed: set[tuple[str, str]] = set()
        """The allocations whose payment was reversed for error."""
        self.remaining = 0
        """Minor units that are neither allocated nor returned."""
        for recorded in history:
            self.apply(recorded)

    def apply(self, recorded: RecordedEvent) -> None:
        """Apply the receipt's next event. Raises `CorruptHistory`."""
        event, version = recorded.event, recorded.version
        if recorded.kind != RECEIPT or not isinstance(event, ReceiptEvent):
            raise _corrupt(recorded, "it is no event of a receipt")
        if version != self.version + 1:
            raise _corrupt(recorded, f"version {self.version + 1} is missing before it")
        if isinstance(event, MoneyReceived) != (version == 1):
            raise _corrupt(recorded, "a receipt begins with the money received, once")
        if isinstance(event, MoneyReceived):
            if event.reference != recorded.stream_id:
                raise _corrupt(recorded, f"its reference is {event.reference!r}")
            self.received, self.remaining = event, event.amount.minor
        elif recorded.recorded_at < self.recorded_at:
            raise _corrupt(recorded, "it was recorded before the event that precedes it")
        elif isinstance(event, AllocationReversed):
            self._reverse(recorded, event)
        else:
            self._spend(recorded, event)
        self.version, self.recorded_at = version, recorded.recorded_at

    def _spend(self, recorded: RecordedEvent, event: MoneyAllocated | MoneyReturned) -> None:
        if event.amount.currency != self.received.amount.currency or event.amount.minor > self.remaining:
            raise _corrupt(recorded, f"{event.amount} is more than the {self.money(self.remaining)} that remain")
        if isinstance(event, MoneyAllocated):
            key = event.plan_id, event.payment
            if key in self.allocations:
                raise _corrupt(recorded, f"the payment {event.payment!r} of plan {event.plan_id} is allocated already")
            self.allocations[key] = event
        elif event.reference in self.returns:
            raise _corrupt(recorded, f"the reference {event.reference!r} is taken")
        else:
            self.returns[event.reference] = event
        self.remaining -= event.amount.minor

    def _reverse(self, recorded: RecordedEvent, event: AllocationReversed) -> None:
        key = event.plan_id, event.payment
        if key not in self.allocations or key in self.reversed:
            raise _corrupt(recorded, f"the payment {event.payment!r} of plan {event.plan_id} is not allocated")
        self.reversed.add(key)
        self.remaining += self.allocations[key].amount.minor

    def money(self, minor: int) -> Money:
        """Return an amount in the receipt's currency."""
        return Money(minor, self.received.amount.currency)

    def row(self, as_of: date) -> "ReceiptRow | None":
        """Return what the receipt comes to on a date; None before the money was received."""
        received = self.received
        if as_of < received.effective_on:
            return None
        made = [one for key, one in self.allocations.items() if key not in self.reversed]
        allocated = sum(one.amount.minor for one in made if one.effective_on <= as_of)
        returned = sum(one.amount.minor for one in self.returns.values() if one.effective_on <= as_of)
        return ReceiptRow(
            reference=received.reference,
            plan_id=received.plan_id,
            received_on=received.effective_on,
            received=received.amount,
            allocated=self.money(allocated),
            returned=self.money(returned),
            remaining=self.money(received.amount.minor - allocated - returned),
            code=received.code,
            reason=received.reason,
        )


@attrs.frozen(kw_only=True)
class ReceiptRow:
    """Money that was received and not applied at once: received = allocated + returned + remaining.

    `plan_id` is the plan that the payer stated; `code` and `reason` say why no plan took the money.
    """

    reference: str
    plan_id: str | None
    received_on: date
    received: Money
    allocated: Money
    returned: Money
    remaining: Money
    code: str
    reason: str


def zone_of(history: Sequence[RecordedEvent]) -> str:
    """Return the time zone in which money for the plan with this history is dated: UTC if there is no such plan."""
    opened = history[0].event if history else None
    return opened.terms.timezone if isinstance(opened, PlanOpened) else "UTC"


def _corrupt(recorded: RecordedEvent, reason: str) -> CorruptHistory:
    return CorruptHistory(
        plan_id=recorded.stream_id,
        version=recorded.version,
        event=type(recorded.event).__name__,
        reason=f"of a receipt: {reason}",
    )
