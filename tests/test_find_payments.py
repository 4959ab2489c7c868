"""Finding payments: by reference in any plan, by plan, by investor; reversed ones and duplicates included."""

from datetime import date
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import FullCover, InvalidArgument, Ledger, NotCaughtUp, PaymentRow
from ledger.events import PaymentMade, PaymentReversed, PlanReinstated, RecordedEvent
from ledger.projections.payments import PAYMENTS
from ledger.readmodel.payments import payments
from ledger.readmodel.runner import Runner
from ledger.readmodel.tables import Tables
from tests.examples import OPENED_ON, RECORDED_AT, TERMS, open_plan, pay, usd
from tests.strategies import one_in
from tests.test_read_model import ledgers


def _expected(events: list[RecordedEvent]) -> list[tuple[Any, ...]]:
    """Return reference, plan, amount and reversal of each payment, as an auditor reads them off the log."""
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    for recorded in events:
        match recorded.event:
            case PaymentMade(reference=reference) | PlanReinstated(reference=reference):
                amount = recorded.event.amount
                found[reference, recorded.plan_id] = (reference, recorded.plan_id, amount, None, None)
            case PaymentReversed(reference=reference, cause=cause, effective_on=on):
                key = reference, recorded.plan_id
                found[key] = (*found[key][:3], cause, on)
    return [found[key] for key in sorted(found)]


@one_in(4)
@given(data=st.data())
def test_every_payment_is_found_whatever_became_of_it(data: st.DataObject) -> None:
    """The list, caught up in any steps, has each payment of the log once, with the reversal that took it back."""
    events = data.draw(ledgers())
    cut = data.draw(st.integers(0, len(events)))
    with Ledger.open("memory://") as ledger:
        for some in (events[:cut], events[cut:]):
            if some:
                ledger._store.append(some)
            found = ledger.payments()
        rows = [(row.reference, row.plan_id, row.amount, row.reversal, row.reversed_on) for row in found]
        assert rows == _expected(events)
        assert ledger.verify(projection="payments").differences == ()


def test_a_reference_is_found_in_every_plan_that_has_it(ledger: Ledger) -> None:
    """The same reference in two plans is two rows: a duplicate that somebody should look at."""
    terms = attrs.evolve(TERMS, reinstatement=FullCover())
    for plan_id in ("P-1", "P-2", "P-3"):
        open_plan(ledger, plan_id, terms=terms)
    pay(ledger, OPENED_ON, "bank-1", plan_id="P-2")
    pay(ledger, OPENED_ON, "bank-1", plan_id="P-1", amount="1.00")
    pay(ledger, OPENED_ON, "bank-2", plan_id="P-1")
    ledger.reverse_payment("P-1", reference="bank-2", cause="chargeback", on=date(2023, 4, 12), recorded_at=RECORDED_AT)
    ledger.reinstate_plan(
        "P-3",
        on=date(2023, 5, 2),
        reference="bank-3",
        amount=usd("150.00"),
        approved_by="head",
        reason="illness",
        recorded_at=RECORDED_AT,
    )
    one, two = ledger.payments(reference="bank-1")
    assert (one.plan_id, one.amount, two.plan_id, two.amount) == ("P-1", usd("1.00"), "P-2", usd("150.00"))
    assert ledger.payments(reference="bank-2") == (
        PaymentRow(
            reference="bank-2",
            plan_id="P-1",
            investor="I-7",
            kind="regular",
            effective_on=OPENED_ON,
            amount=usd("150.00"),
            reversal="chargeback",
            reversed_on=date(2023, 4, 12),
        ),
    )
    assert [(row.plan_id, row.kind) for row in ledger.payments(reference="bank-3")] == [("P-3", "reinstatement")]
    assert [row.reference for row in ledger.payments(plan_id="P-1")] == ["bank-1", "bank-2"]
    assert (len(ledger.payments(investor="I-7")), ledger.payments(investor="I-8")) == (4, ())
    first = ledger.payments(limit=1)
    second = ledger.payments(limit=1, after=first.next)
    rest = ledger.payments(limit=9, after=second.next)
    assert ([*first, *second, *rest], rest.next) == ([*ledger.payments()], None)
    with pytest.raises(InvalidArgument, match="reference is"):
        ledger.payments(reference=" bank-1")


def test_a_reference_is_found_by_an_index(tmp_path: Path) -> None:
    """No search for a reference, a plan or an investor goes through all payments, and none sorts."""
    with Ledger.open(f"sqlite:///{tmp_path}/books.db") as ledger:
        open_plan(ledger)
        views = ledger._store.views
        asked: list[tuple[str, Any]] = []

        def noted(sql: str, parameters: Any) -> Any:
            asked.append((sql, parameters))
            return views.query(sql, parameters)

        tables = Tables(views, PAYMENTS, Runner(ledger._store, PAYMENTS).catch_up(), noted)
        for column in ("reference", "plan_id", "investor"):
            assert payments(tables, {column: "x"}, after=("", ""), limit=3) == []
        for sql, parameters in asked:
            steps = [str(step[-1]) for step in views.query(f"EXPLAIN QUERY PLAN {sql}", parameters)]
            assert [step.split()[0] for step in steps] == ["SEARCH"], steps
        assert len(asked) == 3


def test_only_a_ledger_that_is_asked_for_payments_keeps_them(shared_url: str, name: str) -> None:
    """Until then they cost nothing and `status` does not list them; without a follower a reader says so."""
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)
        ledger.overdue()
        assert [one.name for one in ledger.status(max_lag=0).read_models] == ["periods_1"]
        with Ledger.open(shared_url, name=name, catch_up=False) as reader:
            with pytest.raises(NotCaughtUp):
                reader.payments()
            paid = pay(ledger, OPENED_ON, "bank-1")
            assert len(ledger.payments(reference="bank-1")) == 1
            assert reader.wait(paid[-1].sequence, projection="payments") == paid[-1].sequence
            assert len(reader.payments(reference="bank-1")) == 1
        assert [one.name for one in ledger.status().read_models] == ["payments_1", "periods_1"]
