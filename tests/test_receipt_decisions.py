"""The decision on receipts, without a store: recorded to the last field, and refused to the last letter."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import attrs
import pytest

from ledger.commands import (
    AllocateUnallocated,
    Metadata,
    ReceiptCommand,
    ReceiveUnallocated,
    ReturnUnallocated,
    ReverseAllocation,
)
from ledger.decide import Decider
from ledger.decide.receipts import ReceiptDecider, allocate, reverse_allocation
from ledger.errors import (
    Overpayment,
    PlanNotFound,
    ReceiptConflict,
    ReceiptNotFound,
    ReceiptRefused,
    ReferenceConflict,
)
from ledger.events import (
    AllocationReversed,
    MoneyAllocated,
    MoneyReceived,
    MoneyReturned,
    PaymentMade,
    PaymentReversed,
    RecordedEvent,
)
from ledger.money import Money
from tests.plans import DAY, D, charge_back, pay, record, reverse

AT = datetime(2023, 5, 10, 22, 30, tzinfo=UTC)
"""On 11 May in Moscow, where the money and the plan are."""

ON = date(2023, 5, 11)
RECORDED = Metadata(recorded_at=datetime(2023, 5, 20, 22, tzinfo=UTC), actor="clerk", correlation="case-7")
"""Recorded on 21 May in Moscow."""

TODAY = date(2023, 5, 21)


def usd(minor: int) -> Money:
    """Return an amount in cents of USD."""
    return Money(minor, "USD")


def receive(**changed: Any) -> ReceiveUnallocated:
    """Return the reception of 100.01 USD, with some arguments changed."""
    command = ReceiveUnallocated(
        reference="bank-9",
        amount=usd(10_001),
        received_at=AT,
        timezone="Europe/Moscow",
        plan_id="P-1",
        code="plan_is_cancelled",
        reason="the plan was cancelled",
    )
    return attrs.evolve(command, **changed)


def give_back(minor: int, on: date = ON, key: str = "out-1", **changed: Any) -> ReturnUnallocated:
    """Return the return of an amount."""
    command = ReturnUnallocated(
        reference="bank-9", return_reference=key, amount=usd(minor), on=on, reason="the bank took it back"
    )
    return attrs.evolve(command, **changed)


def spend(minor: int | None = None, payment: str = "part", **changed: Any) -> AllocateUnallocated:
    """Return the allocation of an amount, or of all that the plan takes, to the plan."""
    command = AllocateUnallocated(
        reference="bank-9",
        plan_id="P-1",
        payment=payment,
        amount=None if minor is None else usd(minor),
        paid_at=None,
        kind="regular",
    )
    return attrs.evolve(command, **changed)


def undo(payment: str = "part") -> ReverseAllocation:
    """Return the reversal of an allocation."""
    return ReverseAllocation(reference="bank-9", plan_id="P-1", payment=payment)


class Desk:
    """A receipt and a plan, each with its decider."""

    def __init__(self, *plan: Any) -> None:
        self.receipt = ReceiptDecider(())
        self.plan = Decider(record(*plan, metadata=RECORDED))
        self.do(receive())

    def do(self, command: ReceiptCommand, metadata: Metadata = RECORDED) -> list[RecordedEvent]:
        """Return the events of a command, the receipt's first."""
        if isinstance(command, AllocateUnallocated):
            decided = allocate(self.receipt, self.plan, command, metadata)
        elif isinstance(command, ReverseAllocation):
            decided = reverse_allocation(self.receipt, self.plan, command, metadata)
        else:
            decided = [self.receipt.decide(command, metadata)]
        return [event for events in decided for event in events]

    def refusal(self, command: ReceiptCommand, metadata: Metadata = RECORDED) -> str:
        """Return the sentence of a refusal, without the receipt."""
        with pytest.raises(ReceiptRefused) as caught:
            self.do(command, metadata)
        assert (caught.value.reference, caught.value.plan_id) == ("bank-9", None)
        return str(caught.value).removeprefix("Receipt bank-9: ")

    def conflict(self, command: ReceiptCommand) -> tuple[object, ...]:
        """Return the reference, the argument and both values of a conflict."""
        with pytest.raises(ReceiptConflict) as caught:
            self.do(command)
        return caught.value.reference, caught.value.field, caught.value.recorded, caught.value.given


def envelope(recorded: RecordedEvent) -> tuple[object, ...]:
    """Return the stream, the version, the key and the metadata of an event."""
    stream = recorded.kind, recorded.stream_id, recorded.version, recorded.key
    return *stream, recorded.recorded_at, recorded.actor, recorded.correlation


# ---- recorded


def test_every_event_of_a_receipt_to_its_last_field() -> None:
    """Received, allocated, taken back and returned: the events with their envelopes, and those of the plan."""
    desk = Desk()
    assert desk.receipt.version == 1
    seen = [*desk.do(spend(4_000)), *desk.do(undo()), *desk.do(give_back(1, TODAY))]
    assert desk.receipt.version == 4
    assert [recorded.event for recorded in seen] == [
        MoneyAllocated(effective_on=ON, plan_id="P-1", payment="part", amount=usd(4_000)),
        PaymentMade(effective_on=ON, reference="part", amount=usd(4_000), kind="regular", paid_at=AT),
        *[seen[2].event],
        AllocationReversed(effective_on=ON, plan_id="P-1", payment="part"),
        PaymentReversed(effective_on=ON, reference="part", cause="error"),
        MoneyReturned(effective_on=TODAY, reference="out-1", amount=usd(1), reason="the bank took it back"),
    ]
    meta = RECORDED.recorded_at, "clerk", "case-7"
    assert [envelope(recorded) for recorded in seen] == [
        ("receipt", "bank-9", 2, "part", *meta),
        ("plan", "P-1", 2, "part", *meta),
        ("plan", "P-1", 3, "part", *meta),
        ("receipt", "bank-9", 3, "part", *meta),
        ("plan", "P-1", 4, "part", *meta),
        ("receipt", "bank-9", 4, "out-1", *meta),
    ]


def test_money_received_is_recorded_with_all_that_is_known_of_it() -> None:
    """An instant counts in the money's zone; a date is a date."""
    (recorded,) = ReceiptDecider(()).decide(receive(), RECORDED)
    assert envelope(recorded) == ("receipt", "bank-9", 1, "bank-9", RECORDED.recorded_at, "clerk", "case-7")
    expected = MoneyReceived(
        effective_on=ON,
        reference="bank-9",
        amount=usd(10_001),
        timezone="Europe/Moscow",
        received_at=AT,
        plan_id="P-1",
        code="plan_is_cancelled",
        reason="the plan was cancelled",
    )
    assert recorded.event == expected
    (dated,) = ReceiptDecider(()).decide(receive(received_at=D), RECORDED)
    assert dated.event == attrs.evolve(expected, effective_on=D, received_at=None)


def test_money_is_paid_when_it_was_received_or_when_somebody_says() -> None:
    """At the instant of the reception, on its date if there is none, or at a stated one; of a stated kind."""
    for received_at, paid_at, expected in ((AT, None, (ON, AT)), (D, None, (D, None)), (AT, TODAY, (TODAY, None))):
        desk = Desk()
        desk.receipt = ReceiptDecider(ReceiptDecider(()).decide(receive(received_at=received_at), RECORDED))
        allocated, paid, *_ = desk.do(spend(4_000, paid_at=paid_at, kind="early_repayment"))
        assert isinstance(paid.event, PaymentMade)
        assert (paid.event.effective_on, paid.event.paid_at, paid.event.kind) == (*expected, "early_repayment")
        assert allocated.event.effective_on == expected[0]


def test_time_never_runs_back_on_a_receipt() -> None:
    """An instant before that of the latest event is raised to it, also to one that was noted afterwards."""
    desk, later = Desk(), datetime(2023, 5, 25, tzinfo=UTC)
    desk.receipt.recorded(later)
    (returned,) = desk.do(give_back(1))
    assert returned.recorded_at == later
    (returned,) = desk.do(give_back(1, key="out-2"), attrs.evolve(RECORDED, recorded_at=later + DAY))
    assert returned.recorded_at == later + DAY
    assert desk.do(give_back(1, date(2023, 5, 26), key="out-3"))  # on the day of the latest event
    assert desk.refusal(give_back(1, date(2023, 5, 27), key="out-4")) == (
        "it is dated 2023-05-27, after 2023-05-26, the day of its recording in Europe/Moscow; "
        "record it on that day or later."
    )


def test_a_repeated_command_on_a_receipt_records_nothing() -> None:
    """A reception with other words too: reasons are notes; a repeated allocation takes what it took."""
    desk = Desk()
    desk.do(spend(4_000))
    desk.do(give_back(1))
    for command in (
        receive(),
        receive(reason="another", code="other", timezone="UTC"),
        receive(received_at=ON),
        receive(received_at=AT + timedelta(minutes=1), timezone="UTC"),  # the first zone stays, and with it the date
        spend(4_000),
        spend(),
        give_back(1),
    ):
        assert desk.do(command) == []
    desk.do(undo())
    assert desk.do(undo()) == []
    assert desk.receipt.version == 4
    again = ReceiptDecider(ReceiptDecider(()).decide(receive(received_at=ON), RECORDED))
    assert again.decide(receive(received_at=ON), RECORDED) == ()


def test_all_that_the_plan_takes_is_allocated() -> None:
    """With 99.99 to pay of 100.01, all but 0.02; a stated amount is that or nothing."""
    desk = Desk(pay(D, "bank-1", 9, minor=1))
    with pytest.raises(Overpayment):
        desk.do(spend(10_000))
    assert desk.receipt.version == 1
    allocated, paid, *_ = desk.do(spend())
    assert isinstance(allocated.event, MoneyAllocated)
    assert isinstance(paid.event, PaymentMade)
    assert allocated.event.amount == paid.event.amount == usd(9_999)
    for left, taken in ((1, 1), (0, None)):
        desk = Desk(pay(D + 5 * DAY, "bank-1", 10, minor=-left))
        if taken is None:
            with pytest.raises(Overpayment):
                desk.do(spend())
            assert desk.receipt.version == 1
        else:
            allocated, *_ = desk.do(spend())
            assert isinstance(allocated.event, MoneyAllocated)
            assert allocated.event.amount == usd(1)


# ---- refused


def test_money_that_is_not_there_is_refused() -> None:
    """Another currency, more than remains, and nothing left, for an allocation and a return alike."""
    tries: list[tuple[str, Callable[[int], ReceiptCommand]]] = [
        ("allocate", spend),
        ("return", give_back),
    ]
    for verb, take in tries:
        desk = Desk()
        euros = attrs.evolve(take(100), amount=Money(100, "EUR"))  # type: ignore[call-arg]  # both have one
        assert desk.refusal(euros) == "1.00 EUR are to be taken from 100.01 USD; state it in USD."
        assert desk.refusal(take(10_002)) == (f"100.01 USD remain, less than 100.02 USD; {verb} at most 100.01 USD.")
        desk.do(give_back(10_000, key="out-0"))
        assert desk.refusal(take(2)) == f"0.01 USD remain, less than 0.02 USD; {verb} at most 0.01 USD."
        desk.do(give_back(1, key="out-9"))
        assert desk.refusal(take(1)) == f"nothing of 100.01 USD remains; there is nothing to {verb}."
    assert desk.refusal(spend()) == "nothing of 100.01 USD remains; there is nothing to allocate."


def test_a_date_that_cannot_be_is_refused() -> None:
    """A reception or a return after the day of its recording, a return before the money came."""
    fresh = Desk()
    fresh.receipt = ReceiptDecider(())
    for day, accepted in ((TODAY + DAY, False), (TODAY, True)):
        if accepted:
            assert fresh.do(receive(received_at=day))
        else:
            assert fresh.refusal(receive(received_at=day)) == (
                "it is dated 2023-05-22, after 2023-05-21, the day of its recording in Europe/Moscow; "
                "record it on that day or later."
            )
    desk = Desk()
    assert desk.refusal(give_back(1, TODAY + DAY)) == (
        "it is dated 2023-05-22, after 2023-05-21, the day of its recording in Europe/Moscow; "
        "record it on that day or later."
    )
    assert desk.refusal(give_back(1, ON - DAY)) == (
        "a return is dated 2023-05-10, and the money was received on 2023-05-11; check the receipt and the date."
    )
    assert desk.do(give_back(1, ON))


def test_a_payment_that_is_other_money_is_refused() -> None:
    """A payment that the plan had before is this money under the receipt's own reference only, and while it stands."""
    for key, before, accepted in (
        ("bank-9", (), True),
        ("bank-1", (), False),
        ("bank-9", (reverse("bank-9"),), False),
        ("bank-9", (charge_back(ON + DAY, "bank-9"),), True),
    ):
        desk = Desk(pay(AT, key, 1, minor=1), *before)
        if accepted:
            (allocated,) = desk.do(spend(10_001, key))
            assert allocated.event == MoneyAllocated(effective_on=ON, plan_id="P-1", payment=key, amount=usd(10_001))
        else:
            assert desk.refusal(spend(10_001, key)) == (
                f"payment '{key}' of plan P-1 was recorded before, and is other money; give it a reference of its own."
            )
            assert desk.receipt.version == 1


def test_only_an_allocation_can_be_reversed() -> None:
    """Not another payment of the plan, and not in place of a chargeback."""
    desk = Desk(pay(D, "bank-1"))
    assert desk.refusal(undo("bank-1")) == (
        "payment 'bank-1' of plan P-1 was not allocated from it; check the plan and the payment."
    )
    desk.do(spend(100))
    desk.plan.decide(charge_back(ON, "part"), RECORDED)
    with pytest.raises(ReferenceConflict) as caught:
        desk.do(undo())
    assert (caught.value.plan_id, caught.value.reference, caught.value.field) == ("P-1", "part", "cause")
    assert desk.receipt.version == 2


def test_a_receipt_that_is_not_there_is_named() -> None:
    """Whatever is asked of it."""
    for command in (give_back(1), spend(1), undo()):
        desk = Desk()
        desk.receipt = ReceiptDecider(())
        assert desk.receipt.version == 0
        with pytest.raises(ReceiptNotFound) as caught:
            desk.do(command)
        assert caught.value.reference == "bank-9"
    fresh = ReceiptDecider(())
    later: list[Callable[[], object]] = [
        lambda: fresh.allocated(spend(1), RECORDED, amount=usd(1), paid_on=ON, same_money=True),
        lambda: fresh.reversed(undo(), RECORDED, on=ON),
    ]
    for call in later:
        with pytest.raises(ReceiptNotFound) as caught:
            call()
        assert caught.value.reference == "bank-9"


def test_the_plan_has_its_say_first() -> None:
    """An unknown plan is named, and the receipt stays as it is."""
    desk = Desk()
    desk.plan = Decider(())
    with pytest.raises(PlanNotFound) as caught:
        desk.do(spend(1))
    assert (caught.value.plan_id, desk.receipt.version) == ("P-1", 1)


def test_other_content_of_a_receipt_is_a_conflict() -> None:
    """Amount, date and stated plan of a reception; amount, reason and date of a return."""
    desk = Desk()
    desk.do(give_back(1))
    later = timedelta(seconds=1)
    assert [
        desk.conflict(command)
        for command in (
            receive(amount=usd(10_000)),
            receive(received_at=TODAY),
            receive(received_at=AT - 2 * DAY + later),
            receive(plan_id=None),
            give_back(2),
            give_back(1, TODAY),
            give_back(1, reason="another"),
        )
    ] == [
        ("bank-9", "amount", usd(10_001), usd(10_000)),
        ("bank-9", "received_at", ON, TODAY),
        ("bank-9", "received_at", ON, ON - 2 * DAY),
        ("bank-9", "plan_id", "P-1", None),
        ("bank-9", "amount", usd(1), usd(2)),
        ("bank-9", "on", ON, TODAY),
        ("bank-9", "reason", "the bank took it back", "another"),
    ]
    assert desk.receipt.version == 2
