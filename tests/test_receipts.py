"""Money that no plan takes is kept, by reference, as received and not applied; allocating it is one act."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import (
    CorruptHistory,
    EndOfDay,
    InvalidArgument,
    Ledger,
    LedgerError,
    Listing,
    Overpayment,
    PlanIsCancelled,
    PlanNotFound,
    ReceiptConflict,
    ReceiptNotFound,
    ReceiptRefused,
    ReceiptRow,
    RecordedEvent,
    ReferenceConflict,
)
from ledger.commands import AllocateUnallocated, Metadata, RecordPayment, ReturnUnallocated
from ledger.events import AllocationReversed, MoneyAllocated, MoneyReceived, MoneyReturned, PaymentMade, PaymentReversed
from ledger.plan import Plan
from ledger.receipt import Receipt
from tests.examples import OPENED_ON, RECORDED_AT, open_plan, pay, usd

PAID_ON = date(2023, 4, 11)


def receive(
    ledger: Ledger, reference: str = "bank-9", amount: str = "100.01", on: date | datetime = PAID_ON
) -> tuple[RecordedEvent, ...]:
    """Keep money for the example plan."""
    return ledger.receive_unallocated(
        reference,
        amount=usd(amount),
        received_at=on,
        plan_id="P-1",
        code="plan_is_cancelled",
        reason="the plan was cancelled",
        recorded_at=RECORDED_AT,
    )


def figures(row: ReceiptRow) -> list[str]:
    """Return the money of a row: received, allocated, returned, remaining."""
    return [str(money).removesuffix(" USD") for money in (row.received, row.allocated, row.returned, row.remaining)]


# ---- receiving


def test_money_is_kept_with_its_reason(ledger: Ledger) -> None:
    """One stream per amount, under the caller's reference; the list shows it from the day of its reception on."""
    open_plan(ledger)
    (recorded,) = receive(ledger)
    assert (recorded.kind, recorded.stream_id, recorded.version, recorded.key) == ("receipt", "bank-9", 1, "bank-9")
    assert ledger.unallocated(as_of=PAID_ON - timedelta(days=1)) == ()
    (row,) = ledger.unallocated(as_of=PAID_ON)
    assert (row.reference, row.plan_id, row.received_on) == ("bank-9", "P-1", PAID_ON)
    assert (row.code, row.reason) == ("plan_is_cancelled", "the plan was cancelled")
    assert figures(row) == ["100.01", "0.00", "0.00", "100.01"]
    assert ledger.position("P-1", as_of=PAID_ON).paid == usd("0.00")
    assert ledger.verify().differences == ()


def test_money_for_an_unknown_plan_is_kept(ledger: Ledger) -> None:
    """The stated plan need not exist, nor need one be stated; an instant then counts on its date in UTC."""
    at = datetime(2023, 4, 11, 22, 30, tzinfo=UTC)
    receive(ledger, "bank-1", on=at)
    ledger.receive_unallocated("bank-2", amount=usd("5.00"), received_at=at, reason="no plan was stated")
    first, second = ledger.unallocated()
    assert (first.plan_id, first.received_on, second.plan_id, second.code) == ("P-1", date(2023, 4, 11), None, "other")


def test_an_instant_counts_in_the_zone_of_the_stated_plan(ledger: Ledger) -> None:
    """22:30 in UTC is the next day in Moscow; a retry never conflicts, though the plan was opened meanwhile."""
    at = datetime(2023, 4, 11, 22, 30, tzinfo=UTC)
    receive(ledger, "early", on=at)
    open_plan(ledger)
    receive(ledger, "late", on=at)
    assert receive(ledger, "early", on=at) == receive(ledger, "late", on=at) == ()
    assert [row.received_on for row in ledger.unallocated()] == [date(2023, 4, 11), date(2023, 4, 12)]


def test_a_repetition_records_nothing_and_other_content_conflicts(ledger: Ledger) -> None:
    """Reasons are notes: the first one stays. Amount, date and stated plan are content."""
    receive(ledger)
    again = {"amount": usd("100.01"), "received_at": PAID_ON, "plan_id": "P-1", "reason": "another sentence"}
    assert ledger.receive_unallocated("bank-9", **again) == ()  # type: ignore[arg-type]
    others = {"amount": usd("100.00"), "received_at": date(2023, 4, 12), "plan_id": "P-2"}
    for field, value in others.items():
        with pytest.raises(ReceiptConflict) as conflict:
            ledger.receive_unallocated("bank-9", **again | {field: value})  # type: ignore[arg-type]
        assert (conflict.value.field, conflict.value.given) == (field, value)
        assert isinstance(conflict.value, ReferenceConflict)
    assert str(conflict.value) == (
        "Receipt bank-9 is recorded with plan_id 'P-1', not 'P-2'; repeat it with the same content, or use a new "
        "reference."
    )
    assert len(list(ledger.events())) == 1


def test_a_repetition_finds_what_it_repeats(ledger: Ledger) -> None:
    """The events of money by its reference, those of one command by their key too, as those of a plan are found."""
    open_plan(ledger, plan_id="bank-9")
    received = receive(ledger)
    returned = ledger.return_unallocated(
        "bank-9", amount=usd("0.01"), on=PAID_ON, reason="sent back", return_reference="back-1"
    )
    assert ledger.history("bank-9", kind="receipt") == received + returned
    assert ledger.history("bank-9", kind="receipt", after=1, limit=1) == returned
    assert ledger.recorded("bank-9", key="bank-9", kind="receipt") == received
    assert ledger.recorded("bank-9", key="back-1", kind="receipt") == returned
    assert ledger.recorded("bank-9", key="bank-9") == ledger.history("bank-9") != received
    assert ledger.wait(returned[-1].sequence) == returned[-1].sequence
    for ask in (ledger.history, lambda reference, **of: ledger.recorded(reference, key="k", **of)):
        with pytest.raises(ReceiptNotFound):
            ask("bank-8", kind="receipt")
        with pytest.raises(InvalidArgument, match="kind is 'money'; expected 'plan' or 'receipt'"):
            ask("bank-9", kind="money")  # type: ignore[arg-type]


def test_money_of_tomorrow_is_refused(ledger: Ledger) -> None:
    """The day before and the day of the recording are accepted, the day after is not."""
    today = RECORDED_AT.date()
    receive(ledger, "r-1", on=today - timedelta(days=1))
    receive(ledger, "r-2", on=today)
    with pytest.raises(ReceiptRefused, match=r"^Receipt r-3: it is dated 2025-06-02, after 2025-06-01, the day of its"):
        receive(ledger, "r-3", on=today + timedelta(days=1))


def test_an_unknown_zone_is_refused(ledger: Ledger) -> None:
    """It is one of the IANA database."""
    with pytest.raises(InvalidArgument, match="timezone"):
        ledger.receive_unallocated("r", amount=usd("1.00"), received_at=PAID_ON, reason="x", timezone="Mars/Olympus")


# ---- allocating


def test_of_100_01_for_the_last_100_00_the_plan_takes_what_it_can(ledger: Ledger) -> None:
    """The plan is completed, and 0.01 stays: the borrower who paid a cent too much."""
    open_plan(ledger)
    pay(ledger, PAID_ON, "bank-1", amount="2900.00")
    with pytest.raises(Overpayment):
        pay(ledger, PAID_ON, "bank-9", amount="100.01")
    receive(ledger)
    events = ledger.allocate("bank-9", plan_id="P-1", recorded_at=RECORDED_AT, actor="clerk")
    assert isinstance(events[0].event, MoneyAllocated)
    assert isinstance(events[1].event, PaymentMade)
    assert events[0].event.amount == events[1].event.amount == usd("100.00")
    assert {event.actor for event in events} == {"clerk"}
    assert [event.sequence for event in events] == sorted(event.sequence for event in events)
    assert ledger.position("P-1", as_of=PAID_ON).status == "completed"
    assert [figures(row) for row in ledger.unallocated(as_of=PAID_ON)] == [["100.01", "100.00", "0.00", "0.01"]]
    assert ledger.allocate("bank-9", plan_id="P-1", recorded_at=RECORDED_AT) == ()
    assert ledger.verify().differences == ()


def test_what_the_plan_refuses_leaves_the_money_where_it_is(ledger: Ledger) -> None:
    """Neither stream has a new event: not for a cancelled plan, an unknown one, or more than a stated amount allows."""
    open_plan(ledger)
    ledger.cancel_plan("P-1", reference="crm", on=PAID_ON, reason="asked", recorded_at=RECORDED_AT)
    receive(ledger)
    open_plan(ledger, "P-2")
    pay(ledger, PAID_ON, "bank-1", amount="2950.00", plan_id="P-2")
    before = list(ledger.events())
    with pytest.raises(PlanIsCancelled):
        ledger.allocate("bank-9", plan_id="P-1")
    with pytest.raises(PlanNotFound):
        ledger.allocate("bank-9", plan_id="P-404")
    with pytest.raises(Overpayment):
        ledger.allocate("bank-9", plan_id="P-2", amount=usd("50.01"))
    assert list(ledger.events()) == before
    (dry, *_) = ledger.allocate("bank-9", plan_id="P-2", dry_run=True)
    assert isinstance(dry.event, MoneyAllocated)
    assert dry.event.amount == usd("50.00")
    assert list(ledger.events()) == before


def test_money_is_allocated_in_parts(ledger: Ledger) -> None:
    """To two plans, and twice to one of them: a further part for the same plan has a reference of its own."""
    open_plan(ledger)
    open_plan(ledger, "P-2")
    receive(ledger)
    ledger.allocate("bank-9", plan_id="P-1", amount=usd("40.00"))
    ledger.allocate("bank-9", plan_id="P-2", amount=usd("50.00"))
    assert ledger.allocate("bank-9", plan_id="P-1") == ()  # the key is the plan and the payment's reference
    with pytest.raises(ReferenceConflict) as conflict:
        ledger.allocate("bank-9", plan_id="P-1", amount=usd("10.00"))
    assert (conflict.value.field, conflict.value.recorded) == ("amount", usd("40.00"))
    with pytest.raises(
        ReceiptRefused, match=r"10\.01 USD remain, less than 10\.02 USD; allocate at most 10\.01 USD\.$"
    ):
        ledger.allocate("bank-9", plan_id="P-1", payment_reference="bank-9/2", amount=usd("10.02"))
    ledger.allocate("bank-9", plan_id="P-1", payment_reference="bank-9/2")
    assert ledger.unallocated(as_of=PAID_ON) == ()
    assert [figures(row) for row in ledger.receipts(as_of=PAID_ON)] == [["100.01", "100.01", "0.00", "0.00"]]
    assert ledger.position("P-1", as_of=PAID_ON).paid == usd("50.01")
    with pytest.raises(ReceiptRefused, match=r"^Receipt bank-9: nothing of 100\.01 USD remains; there is nothing to"):
        ledger.allocate("bank-9", plan_id="P-2", payment_reference="bank-9/3")


def test_money_is_allocated_at_its_own_instant_or_a_stated_one(ledger: Ledger) -> None:
    """By default it is paid when it was received, so that grace is kept; the list follows the payment's date."""
    open_plan(ledger)
    at = datetime(2023, 4, 11, 22, 30, tzinfo=UTC)
    receive(ledger, on=at)
    _, paid = ledger.allocate("bank-9", plan_id="P-1", amount=usd("1.00"))[:2]
    assert isinstance(paid.event, PaymentMade)
    assert (paid.event.paid_at, paid.event.effective_on) == (at, date(2023, 4, 12))
    ledger.allocate("bank-9", plan_id="P-1", payment_reference="later", paid_at=date(2023, 4, 20))
    assert [str(row.remaining) for row in ledger.unallocated(as_of=date(2023, 4, 19))] == ["99.01 USD"]
    assert ledger.unallocated(as_of=date(2023, 4, 20)) == ()


def test_a_payment_that_the_plan_has_already_is_the_same_money_only_under_its_own_reference(ledger: Ledger) -> None:
    """Somebody recorded the payment by hand: allocating records only that. Another payment's reference is refused."""
    open_plan(ledger)
    receive(ledger)
    receive(ledger, "bank-10")
    pay(ledger, PAID_ON, "bank-9", amount="100.01")
    with pytest.raises(ReceiptRefused, match="payment 'bank-9' of plan P-1 was recorded before, and is other money"):
        ledger.allocate("bank-10", plan_id="P-1", payment_reference="bank-9")
    (event,) = ledger.allocate("bank-9", plan_id="P-1")
    assert isinstance(event.event, MoneyAllocated)
    assert ledger.position("P-1", as_of=PAID_ON).paid == usd("100.01")


def test_only_what_was_received_can_be_allocated_or_returned(ledger: Ledger) -> None:
    """An unknown reference is named."""
    open_plan(ledger)
    with pytest.raises(ReceiptNotFound, match="'bank-9'; check the reference, or receive it first"):
        ledger.allocate("bank-9", plan_id="P-1")
    with pytest.raises(ReceiptNotFound):
        ledger.return_unallocated("bank-9", amount=usd("1.00"), on=PAID_ON, reason="x")


# ---- reversing


def test_a_reversed_allocation_leaves_the_money_to_be_allocated(ledger: Ledger) -> None:
    """To the wrong plan: the payment was never made, and the money goes to the right one. Its reference stays used."""
    open_plan(ledger)
    open_plan(ledger, "P-2")
    receive(ledger)
    ledger.allocate("bank-9", plan_id="P-1")
    with pytest.raises(ReceiptRefused, match="payment 'bank-9' of plan P-2 was not allocated from it; check the plan"):
        ledger.reverse_allocation("bank-9", plan_id="P-2")
    events = ledger.reverse_allocation("bank-9", plan_id="P-1")
    assert isinstance(events[0].event, AllocationReversed)
    assert isinstance(events[1].event, PaymentReversed)
    assert ledger.reverse_allocation("bank-9", plan_id="P-1") == ledger.allocate("bank-9", plan_id="P-1") == ()
    assert ledger.position("P-1", as_of=PAID_ON).paid == usd("0.00")
    assert [figures(row) for row in ledger.unallocated(as_of=PAID_ON)] == [["100.01", "0.00", "0.00", "100.01"]]
    ledger.allocate("bank-9", plan_id="P-2")
    assert ledger.unallocated(as_of=PAID_ON) == ()
    assert ledger.verify().differences == ()


def test_a_payment_that_was_reversed_for_error_alone_is_made_up_for(ledger: Ledger) -> None:
    """Somebody reversed only the payment: reversing the allocation records the missing half. A chargeback is final."""
    open_plan(ledger)
    receive(ledger)
    ledger.allocate("bank-9", plan_id="P-1", amount=usd("60.00"))
    ledger.allocate("bank-9", plan_id="P-1", payment_reference="part", amount=usd("40.00"))
    ledger.reverse_payment("P-1", reference="bank-9", cause="error")
    (event,) = ledger.reverse_allocation("bank-9", plan_id="P-1")
    assert isinstance(event.event, AllocationReversed)
    assert [str(row.remaining) for row in ledger.unallocated(as_of=PAID_ON)] == ["60.01 USD"]
    ledger.reverse_payment("P-1", reference="part", cause="chargeback", on=PAID_ON)
    with pytest.raises(ReferenceConflict, match="cause"):
        ledger.reverse_allocation("bank-9", plan_id="P-1", payment_reference="part")
    pay(ledger, PAID_ON, "wrong")
    ledger.reverse_payment("P-1", reference="wrong", cause="error")
    receive(ledger, "wrong", amount="150.00")
    with pytest.raises(ReceiptRefused, match="recorded before, and is other money; give it a reference of its own"):
        ledger.allocate("wrong", plan_id="P-1")


# ---- returning


def test_money_is_returned_in_parts(ledger: Ledger) -> None:
    """Not before it came, not more than remains, each return once."""
    receive(ledger)
    (event,) = ledger.return_unallocated("bank-9", amount=usd("60.00"), on=PAID_ON, reason="sent back")
    assert event.event == MoneyReturned(
        effective_on=PAID_ON, reference="bank-9", amount=usd("60.00"), reason="sent back"
    )
    assert ledger.return_unallocated("bank-9", amount=usd("60.00"), on=PAID_ON, reason="sent back") == ()
    with pytest.raises(ReceiptConflict, match=r"recorded with amount 60\.00 USD, not 40\.01 USD"):
        ledger.return_unallocated("bank-9", amount=usd("40.01"), on=PAID_ON, reason="sent back")

    def more(amount: str, on: date) -> None:
        reason = "the bank took it back"
        ledger.return_unallocated("bank-9", amount=usd(amount), on=on, reason=reason, return_reference="out-2")

    with pytest.raises(ReceiptRefused, match="the money was received on 2023-04-11; check the receipt and the date"):
        more("1.00", PAID_ON - timedelta(days=1))
    with pytest.raises(ReceiptRefused, match=r"40\.01 USD remain, less than 40\.02 USD; return at most 40\.01 USD"):
        more("40.02", PAID_ON)
    more("40.01", date(2023, 5, 1))
    assert [figures(row) for row in ledger.receipts(as_of=PAID_ON)] == [["100.01", "0.00", "60.00", "40.01"]]
    assert ledger.unallocated(as_of=date(2023, 5, 1)) == ()


# ---- at other times, beside plans


def test_the_portfolio_shows_money_received_and_not_allocated(ledger: Ledger) -> None:
    """Per currency, also one without a plan; as of a date, and as known at an instant."""
    open_plan(ledger)
    assert [str(row.unallocated) for row in ledger.portfolio(as_of=PAID_ON)] == ["0.00 USD"]
    receive(ledger)
    at = RECORDED_AT + timedelta(hours=1)
    yen = attrs.evolve(usd("5.00"), currency="JPY")
    ledger.receive_unallocated("yen", amount=yen, received_at=PAID_ON, reason="no plan", recorded_at=at)

    def shown(known_at: datetime | None = None, as_of: date = PAID_ON) -> list[tuple[str, int, str]]:
        rows = ledger.portfolio(as_of=as_of, known_at=known_at)
        return [(row.currency, row.plans, str(row.unallocated)) for row in rows]

    assert shown() == shown(known_at=at) == [("JPY", 0, "500 JPY"), ("USD", 1, "100.01 USD")]
    assert shown(known_at=RECORDED_AT) == [("USD", 1, "100.01 USD")]
    assert shown(as_of=OPENED_ON) == shown(at, OPENED_ON) == [("USD", 1, "0.00 USD")]
    ledger.allocate("bank-9", plan_id="P-1", recorded_at=at)
    (_, dollars) = ledger.portfolio(as_of=PAID_ON)
    assert (dollars.paid, dollars.unallocated) == (usd("100.01"), usd("0.00"))


def test_receipts_come_in_pages(ledger: Ledger) -> None:
    """By date and reference; money that was spent takes no row of a page of the unallocated."""
    open_plan(ledger)
    order = [("r-2", OPENED_ON), ("r-9", OPENED_ON), ("r-1", PAID_ON), ("r-3", PAID_ON)]
    for reference, on in reversed(order):
        receive(ledger, reference, on=on)
    ledger.allocate("r-9", plan_id="P-1")

    def pages(ask: Callable[..., Listing[ReceiptRow]]) -> Iterator[list[str]]:
        page = ask(as_of=PAID_ON, limit=2)
        while True:
            yield [row.reference for row in page]
            if page.next is None:
                return
            page = ask(as_of=PAID_ON, limit=2, after=page.next)

    assert list(pages(ledger.receipts)) == [["r-2", "r-9"], ["r-1", "r-3"]]
    assert list(pages(ledger.unallocated)) == [["r-2", "r-1"], ["r-3"]]
    for ask in (ledger.receipts, ledger.unallocated):
        with pytest.raises(InvalidArgument, match="`next` of an earlier page of the same list"):
            ask(as_of=date(2000, 1, 1), after="x")


def test_the_end_of_a_day_is_that_of_the_time_zone_of_the_money(ledger: Ledger) -> None:
    """22:30 in UTC is the next day in Moscow: recorded then, the money is known by the end of that day, not before."""
    at = datetime(2023, 4, 11, 22, 30, tzinfo=UTC)
    open_plan(ledger)
    for reference, zone in (("moscow", "Europe/Moscow"), ("utc", "UTC")):
        ledger.receive_unallocated(
            reference, amount=usd("1.00"), received_at=at, reason="x", timezone=zone, recorded_at=at
        )
    days = date(2023, 4, 11), date(2023, 4, 12)
    known = [[row.reference for row in ledger.unallocated(known_at=EndOfDay(day))] for day in days]
    assert known == [["utc"], ["utc", "moscow"]]
    assert [[row.plans for row in ledger.portfolio(known_at=EndOfDay(day))] for day in days] == [[0], [0]]
    assert [str(row.unallocated) for row in ledger.portfolio(known_at=EndOfDay(days[1]))] == ["2.00 USD"]


def test_a_repeated_instant_keeps_its_recorded_date(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer time zone database may disagree about the date: the repetition is none the less the same."""
    at = datetime(2023, 4, 11, 22, 30, tzinfo=UTC)
    receive(ledger, on=at)
    monkeypatch.setattr("ledger.decide.day_in", lambda *_: date(2023, 4, 10))
    assert receive(ledger, on=at) == ()
    with pytest.raises(ReceiptConflict, match="received_at"):
        receive(ledger, on=at + timedelta(seconds=1))


class Code(StrEnum):
    """Reasons of a service's own."""

    LATE = "late"


def test_text_of_an_enum_is_recorded_as_plain_text(ledger: Ledger) -> None:
    """As in every command; a command of another class is refused, and those on receipts are taken in groups too."""
    (recorded,) = ledger.receive_unallocated(
        "r", amount=usd("1.00"), received_at=PAID_ON, code=Code.LATE, reason=Code.LATE
    )
    assert isinstance(recorded.event, MoneyReceived)
    assert type(recorded.event.code) is type(recorded.event.reason) is str
    back = ReturnUnallocated(reference="r", return_reference="r", amount=usd("1.00"), on=PAID_ON, reason="sent back")
    (events,) = ledger.execute_all([(back, Metadata(recorded_at=RECORDED_AT))], atomic=True)
    assert isinstance(events, tuple)
    assert [event.stream for event in events] == [("receipt", "r")]


def test_errors_about_receipts_stay_short() -> None:
    """Whatever the reference: the sentence shows a part of it."""
    reference = "x" * 10_000_000
    for error in (
        ReceiptRefused(reference=reference, reason=reference, remedy="check it"),
        ReceiptConflict(reference=reference, field="amount", recorded=reference, given=reference),
        ReceiptNotFound(reference=reference),
    ):
        assert len(str(error)) < 3_000


def test_a_receipt_may_have_the_id_of_a_plan(ledger: Ledger) -> None:
    """Kinds keep them apart, in batches too: one transaction opens, receives and allocates."""
    (opened,) = open_plan(ledger)
    at = Metadata(recorded_at=RECORDED_AT)
    receive(ledger, "P-1")
    payment = RecordPayment(plan_id="P-1", reference="b", amount=usd("1.00"), paid_at=PAID_ON, kind="regular")
    allocation = AllocateUnallocated(
        reference="P-1", plan_id="P-1", payment="P-1", amount=None, paid_at=None, kind="regular"
    )
    for handler in (ledger.command_handler(), ledger.command_handler(keep=9)):
        decided = handler.execute([(payment, at), (allocation, at), (allocation, at)], dry_run=handler._keep == 0)
        assert [len(one) if isinstance(one, tuple) else one for one in decided] == [2, 2, 0]
    assert handler.execute([(allocation, at)]) == [()]
    assert ledger.history("P-1")[0] == opened
    assert ledger.position("P-1", as_of=PAID_ON).paid == usd("101.01")


def test_a_handler_that_keeps_receipts_notices_others(ledger: Ledger) -> None:
    """Somebody returns the money meanwhile: the kept receipt is loaded again, and the allocation refused."""
    open_plan(ledger)
    receive(ledger)
    handler = ledger.command_handler(keep=9)
    at = Metadata(recorded_at=RECORDED_AT)

    def allocation(payment: str) -> AllocateUnallocated:
        return AllocateUnallocated(
            reference="bank-9", plan_id="P-1", payment=payment, amount=usd("50.00"), paid_at=None, kind="regular"
        )

    assert len(handler.execute([(allocation("a"), at)])) == 1
    ledger.return_unallocated("bank-9", amount=usd("50.00"), on=PAID_ON, reason="sent back", recorded_at=RECORDED_AT)
    (refused,) = handler.execute([(allocation("b"), at)])
    assert isinstance(refused, ReceiptRefused)
    assert ledger.position("P-1", as_of=PAID_ON).paid == usd("50.00")


# ---- whatever happens

amounts = st.integers(1, 400)
acts = st.lists(
    st.one_of(
        st.tuples(st.just("allocate"), st.sampled_from(["P-1", "P-2", "P-404"]), st.none() | amounts),
        st.tuples(st.just("return"), st.just(""), amounts),
        st.tuples(st.just("reverse"), st.sampled_from(["P-1", "P-2"]), st.integers(0, 11)),
        st.tuples(st.just("again"), st.just(""), st.none()),
    ),
    max_size=12,
)


@given(received=amounts, acts=acts)
def test_every_cent_is_remaining_allocated_or_returned(received: int, acts: list[tuple[str, str, int | None]]) -> None:
    """Received = allocated + returned + remaining after any history; what is allocated is what the plans were paid."""
    with Ledger.open("memory://") as ledger:
        for plan_id in ("P-1", "P-2"):
            open_plan(ledger, plan_id)
            pay(ledger, PAID_ON, "bank-1", amount="2999.00", plan_id=plan_id)
        amount = usd("1.00")
        ledger.receive_unallocated(
            "r", amount=attrs.evolve(amount, minor=received), received_at=PAID_ON, reason="x", recorded_at=RECORDED_AT
        )
        for number, (act, plan_id, minor) in enumerate(acts):
            money = None if minor is None else attrs.evolve(amount, minor=minor)
            before = list(ledger.events())
            try:
                if act == "allocate":
                    ledger.allocate("r", plan_id=plan_id, amount=money, payment_reference=f"r/{number}")
                elif act == "reverse":
                    ledger.reverse_allocation("r", plan_id=plan_id, payment_reference=f"r/{minor}")
                elif money is not None:
                    ledger.return_unallocated(
                        "r", amount=money, on=PAID_ON, reason="back", return_reference=f"out-{number}"
                    )
                else:
                    assert (
                        ledger.receive_unallocated(
                            "r", amount=attrs.evolve(amount, minor=received), received_at=PAID_ON, reason="y"
                        )
                        == ()
                    )
            except LedgerError:
                assert list(ledger.events()) == before
        (row,) = ledger.receipts()
        assert row.received.minor == row.allocated.minor + row.returned.minor + row.remaining.minor == received
        assert row.remaining.minor >= 0
        plans = [Plan(ledger.history(plan_id)) for plan_id in ("P-1", "P-2")]
        paid = sum(plan.position(PAID_ON).paid.minor for plan in plans)
        assert paid - 2 * 299_900 == row.allocated.minor


# ---- a history that cannot be


def test_a_receipt_that_cannot_have_been_recorded_is_corrupt(ledger: Ledger) -> None:
    """More out than in, a missing version, a second reception, an event of a plan: each is named."""
    (received,) = receive(ledger)
    (returned,) = ledger.return_unallocated("bank-9", amount=usd("60.00"), on=PAID_ON, reason="sent back")
    (opened,) = open_plan(ledger)
    assert isinstance(received.event, MoneyReceived)
    impossible = {
        "60.00 USD is more than the 40.01 USD that remain": [received, returned, _second(returned, "out-2")],
        "version 2 is missing": [received, attrs.evolve(returned, version=3)],
        "begins with the money received": [received, attrs.evolve(received, version=2)],
        "no event of a receipt": [opened],
        "its reference is 'bank-9'": [attrs.evolve(received, stream_id="bank-8")],
        "payment 'x' of plan P-1 is not allocated": [
            received,
            attrs.evolve(
                returned, event=AllocationReversed(effective_on=PAID_ON, plan_id="P-1", payment="x"), version=2
            ),
        ],
        "recorded before": [received, attrs.evolve(returned, recorded_at=received.recorded_at - timedelta(seconds=1))],
    }
    for reason, history in impossible.items():
        with pytest.raises(CorruptHistory, match=reason):
            Receipt(history)
    with pytest.raises(CorruptHistory, match="an event of a receipt, not of a plan"):
        Plan([opened, attrs.evolve(returned, kind="plan", stream_id="P-1", recorded_at=opened.recorded_at)])


def _second(returned: RecordedEvent, reference: str) -> RecordedEvent:
    assert isinstance(returned.event, MoneyReturned)
    return attrs.evolve(returned, version=returned.version + 1, event=attrs.evolve(returned.event, reference=reference))


# ---- at once


def test_threads_cannot_allocate_more_than_there_is(ledger: Ledger) -> None:
    """Eight at once take 20.00 each of 100.01, for two plans: five succeed, and both plans agree with the receipt."""
    open_plan(ledger)
    open_plan(ledger, "P-2")
    receive(ledger)

    def take(number: int) -> bool:
        plan_id = f"P-{number % 2 + 1}"
        try:
            ledger.allocate("bank-9", plan_id=plan_id, amount=usd("20.00"), payment_reference=f"part-{number}")
        except ReceiptRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 5
    assert [figures(row) for row in ledger.unallocated(as_of=PAID_ON)] == [["100.01", "100.00", "0.00", "0.01"]]
    paid = [ledger.position(plan_id, as_of=PAID_ON).paid.minor for plan_id in ("P-1", "P-2")]
    assert sum(paid) == 100_00
