"""A dry run returns the events that a command would record, or raises its refusal, and records nothing."""

from datetime import date
from functools import partial
from typing import Any

import attrs
import pytest
from hypothesis import given

from ledger import Ledger, Money, PlanIsCancelled
from ledger.commands import Command
from ledger.decide import decide
from ledger.events import RecordedEvent
from tests.attempts import attempts_with_closings
from tests.examples import OPENED_ON, open_plan, pay, usd
from tests.plans import DAY, TEN, D, attempt, kinds
from tests.strategies import METADATA, RECORDED_AT, one_in


@one_in(6)
@given(commands=attempts_with_closings())
def test_deciding_is_pure(commands: list[Command]) -> None:
    """Decided twice, a command has the same result and leaves the history unchanged."""
    events: list[RecordedEvent] = []
    for attempted in attempt(commands):
        before = list(events)
        if attempted.error is None:
            assert decide(events, attempted.command, METADATA) == attempted.events
        else:
            with pytest.raises(type(attempted.error)) as again:
                decide(events, attempted.command, METADATA)
            assert str(again.value) == str(attempted.error)
        assert events == before
        events += attempted.events


def test_every_command_returns_dry_the_events_that_it_then_records() -> None:
    """Dry, a command returns its events without a sequence; executed, the same events with their sequences."""
    with Ledger.open("memory://", clock=lambda: RECORDED_AT) as ledger:
        opening = partial(ledger.open_plan, "P-1", investor="I-1", partner="N-1", terms=TEN, opened_at=D)
        payment = partial(ledger.record_payment, "P-1", reference="bank-1", amount=Money(20_000, "USD"), paid_at=D)
        chargeback = partial(ledger.reverse_payment, "P-1", reference="bank-1", cause="chargeback", on=D + 40 * DAY)
        closing = partial(ledger.close_books, through=D + 50 * DAY)
        request = partial(ledger.cancel_plan, "P-1", reference="crm-1", on=D + 51 * DAY, reason="asked")
        decision = partial(
            ledger.reinstate_plan,
            "P-1",
            reference="bank-2",
            on=D + 60 * DAY,
            amount=Money(20_000, "USD"),
            approved_by="head of sales",
            reason="asked",
        )
        for command in (opening, payment, chargeback, closing, request, decision):
            before = list(ledger.events())
            dry = command(dry_run=True)
            assert list(ledger.events()) == before
            assert {event.sequence for event in dry} == {0}
            done = command()
            assert [attrs.evolve(event, sequence=0) for event in done] == list(dry)
            assert list(ledger.events()) == [*before, *done]


def test_a_dry_run_raises_the_refusal() -> None:
    """A command that would be refused is refused dry, and a closing is previewed like any other command."""
    with Ledger.open("memory://", clock=lambda: RECORDED_AT) as ledger:
        open_plan(ledger)
        pay(ledger, OPENED_ON, "bank-1")
        payment: dict[str, Any] = {"reference": "bank-2", "amount": usd("300.00"), "paid_at": D}
        dry = ledger.record_payment("P-1", **payment, dry_run=True)
        assert len(ledger.history("P-1")) == 3
        recorded = ledger.record_payment("P-1", **payment)
        assert [attrs.evolve(event, sequence=0) for event in recorded] == list(dry)
        with pytest.raises(PlanIsCancelled):
            ledger.record_payment("P-1", reference="x", amount=usd("1.00"), paid_at=date(2024, 1, 1), dry_run=True)
        assert kinds(ledger.close_books(through=date(2023, 8, 1), dry_run=True)) == ["PaymentMissed", "PlanCancelled"]
        assert ledger.history("P-1")[-1].sequence == recorded[-1].sequence
