"""The read model: incremental equals rebuilt equals replayed, exactly once, whoever catches up."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import CorruptHistory, InvalidArgument, Ledger, Money, NotCaughtUp, PlanNotFound
from ledger.events import PaymentMissed, RecordedEvent
from ledger.plan import Plan
from ledger.projections.builtin import PERIODS
from ledger.projections.periods import plan_periods
from ledger.readmodel import runner
from ledger.readmodel.runner import Runner
from ledger.readmodel.tables import Tables
from ledger.store import Generation
from tests.examples import OPENED_ON, RECORDED_AT, TERMS, open_plan, pay, usd
from tests.strategies import History, histories

FAR = datetime(2040, 1, 1, tzinfo=UTC)
"""Asking as known then is asking the events, not the read model."""


@st.composite
def ledgers(draw: st.DrawFn) -> list[RecordedEvent]:
    """The events of up to four plans of two investors and two partners, interleaved as they might be recorded."""
    plans: list[list[RecordedEvent]] = []
    for number in range(draw(st.integers(1, 4))):
        history = draw(histories(longest=8))
        opened = attrs.evolve(history.opened, investor=f"I-{number % 2}", partner=f"N-{number // 2}")
        events = [attrs.evolve(history.events[0], event=opened), *history.events[1:]]
        plans.append([attrs.evolve(event, stream_id=f"P-{number}") for event in events])
    merged: list[RecordedEvent] = []
    while any(plans):
        next_plan = draw(st.sampled_from([plan for plan in plans if plan]))
        merged.append(next_plan.pop(0))
    return merged


def _append(ledger: Ledger, events: list[RecordedEvent]) -> None:
    if events:
        ledger._store.append(events)


def _answers(ledger: Ledger, as_of: date, known_at: datetime | None) -> dict[str, Any]:
    asked: dict[str, Any] = {"as_of": as_of, "known_at": known_at}
    return {
        "overdue": ledger.overdue(**asked),
        "overdue of N-0": ledger.overdue(partner="N-0", **asked),
        "balances": ledger.balances(**asked),
        "balance of I-1": ledger.balances(investor="I-1", **asked),
        "portfolio": ledger.portfolio(**asked),
        "positions": ledger.positions(**asked),
        "in grace": ledger.positions(status="in_grace", **asked),
    }


@given(data=st.data())
def test_the_read_model_answers_as_a_replay_of_the_events(data: st.DataObject) -> None:
    """At any date, rows from the read model, caught up in any steps, equal rows folded from all events."""
    events = data.draw(ledgers())
    cut = data.draw(st.integers(0, len(events)))
    dates = sorted({event.event.effective_on + timedelta(days=shift) for event in events for shift in (0, 1, 19, 20)})
    as_of = data.draw(st.sampled_from(dates))
    with Ledger.open("memory://") as ledger:
        _append(ledger, events[:cut])
        ledger.overdue(as_of=as_of)  # catches up half way
        _append(ledger, events[cut:])
        caught_up = _answers(ledger, as_of, None)
        assert caught_up == _answers(ledger, as_of, FAR)
        Runner(ledger._store, PERIODS).rebuild()
        assert _answers(ledger, as_of, None) == caught_up


@given(events=ledgers())
def test_incremental_rows_are_those_of_a_rebuild(events: list[RecordedEvent]) -> None:
    """Taking in the events one at a time leaves the same tables as taking them in at once."""
    with Ledger.open("memory://") as ledger:
        model = Runner(ledger._store, PERIODS)
        for event in events:
            ledger._store.append([event])
            assert model.catch_up().reached == ledger._store.last_sequence()
        incremental = _tables(ledger)
        verification = model.rebuild()
        assert (verification.differences, verification.reached) == ((), ledger._store.last_sequence())
        assert _tables(ledger) == incremental


def _tables(ledger: Ledger) -> dict[str, Any]:
    live = Runner(ledger._store, PERIODS)._live()
    assert live is not None
    tables = Tables(ledger._store.views, PERIODS, live)
    plan_ids = [event.plan_id for event in ledger.events() if event.version == 1]
    return {"rows": tables.rows_of(plan_ids), "counts": tables.counts(), "totals": tables.totals()}


@given(history=histories())
def test_periods_cover_every_day_once(history: History) -> None:
    """From the opening on, every date lies in exactly one period, and neighbours differ."""
    periods, _ = plan_periods(Plan(history.events))
    assert periods[0].from_on == history.opened.effective_on
    assert periods[-1].through_on == date.max
    for before, after in pairwise(periods):
        assert after.from_on == before.through_on + timedelta(days=1)
        assert after._replace(from_on=before.from_on, through_on=before.through_on) != before


def test_a_batch_is_applied_once_however_many_catch_up(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight catch up at once while events arrive: every event is applied exactly once."""
    monkeypatch.setattr(runner, "_BATCH", 3)
    applied: list[int] = []
    advance = type(ledger._store.views).advance

    def counted(self: Any, before: Generation, after: Generation, **move: Any) -> bool:
        done = bool(advance(self, before, after, **move))
        if done:
            applied.append(after.reached)
        return done

    open_plan(ledger, "P-first")
    first = Runner(ledger._store, PERIODS).catch_up().reached
    monkeypatch.setattr(type(ledger._store.views), "advance", counted)
    for number in range(6):
        open_plan(ledger, f"P-{number}")
        pay(ledger, OPENED_ON, "bank-1", plan_id=f"P-{number}")
    with ThreadPoolExecutor(8) as pool:
        reached = set(pool.map(lambda _: Runner(ledger._store, PERIODS).catch_up().reached, range(8)))
    assert reached == {ledger._store.last_sequence()}
    assert sorted(applied) == [event.sequence for event in ledger.events(after=first)][2::3]


def test_an_event_is_in_the_rows_once_however_many_backfill(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight build the first generation at once, two plans at a time, while events arrive: the rows equal a replay."""
    monkeypatch.setattr(runner, "_PLANS", 2)
    for number in range(7):
        open_plan(ledger, f"P-{number}")

    def build(number: int) -> int:
        pay(ledger, OPENED_ON, "bank-1", plan_id=f"P-{number % 7}")
        return Runner(ledger._store, PERIODS).catch_up().reached

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(build, range(8)))
    verification = ledger.verify()
    assert (verification.plans, verification.differences) == (7, ())
    assert verification.reached == ledger._store.last_sequence()


def test_a_generation_is_not_live_until_it_is_built(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first generation that was cut off half-way answers nothing and is not verified; the next catch-up ends it."""
    monkeypatch.setattr(runner, "_PLANS", 2)
    for number in range(5):
        open_plan(ledger, f"P-{number}")

    def cut_off(done: int, plans: int) -> None:
        assert (done, plans) == (2, 5)
        raise KeyboardInterrupt

    model = Runner(ledger._store, PERIODS)
    with pytest.raises(KeyboardInterrupt):
        model.catch_up(cut_off)
    assert model._live() is None
    for question in (lambda: model.current(catch_up=False), model.verify):
        with pytest.raises(NotCaughtUp) as caught:
            question()
        assert (caught.value.reached, caught.value.wanted) == (0, ledger._store.last_sequence())
    pay(ledger, OPENED_ON, "bank-1", plan_id="P-0")
    assert model.catch_up().reached == ledger._store.last_sequence()
    assert ledger.verify().differences == ()


def test_a_question_looks_up_the_live_generation_once(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caught-up list of a date costs three reads: the generations, where the ledger stands, the rows."""
    open_plan(ledger)
    ledger.overdue(as_of=OPENED_ON)
    views = type(ledger._store.views)
    generations, query = Mock(wraps=ledger._store.views.generations), Mock(wraps=ledger._store.views.query)
    head = Mock(wraps=ledger._store.head)
    monkeypatch.setattr(views, "generations", lambda _, name: generations(name))
    monkeypatch.setattr(views, "query", lambda _, *asked: query(*asked))
    monkeypatch.setattr(ledger._store, "head", head)
    ledger.overdue(as_of=OPENED_ON)
    assert (generations.call_count, head.call_count, query.call_count) == (1, 1, 1)


def test_an_edited_outcome_is_found_by_the_next_command(ledger: Ledger) -> None:
    """A recorded outcome that does not follow from the facts stops the plan: nothing is built on it."""
    open_plan(ledger)
    paid = pay(ledger, OPENED_ON, "bank-1", amount="1.00")
    missed = ledger.close_books(through=OPENED_ON + timedelta(days=1), dry_run=True)[0]
    assert isinstance(missed.event, PaymentMissed)
    forged = attrs.evolve(missed, version=paid[-1].version + 1, event=attrs.evolve(missed.event, number=2))
    ledger._store.append([forged])
    with pytest.raises(CorruptHistory, match="does not follow from the facts"):
        pay(ledger, OPENED_ON, "bank-2", amount="1.00")


def test_lists_read_indexes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No question about one partner, one investor, the overdue or the portfolio goes through the rows of all plans."""
    with Ledger.open(f"sqlite:///{tmp_path}/books.db") as ledger:
        open_plan(ledger)
        ledger.overdue()
        asked: list[tuple[str, Any]] = []
        tables = ledger._store.views
        query = tables.query

        def recorded(_: Any, sql: str, parameters: Any = ()) -> Any:
            asked.append((sql, parameters))
            return query(sql, parameters)

        monkeypatch.setattr(type(tables), "query", recorded)
        ledger.overdue(as_of=OPENED_ON)
        ledger.overdue(partner="N-3", as_of=OPENED_ON)
        ledger.balances(investor="I-7", as_of=OPENED_ON)
        ledger.portfolio(as_of=OPENED_ON)
        monkeypatch.undo()
        plans = {
            sql: [str(step[-1]) for step in tables.query(f"EXPLAIN QUERY PLAN {sql}", parameters)]
            for sql, parameters in asked
            if "RECURSIVE" not in sql
        }
        assert len(plans) == 4
        for sql, steps in plans.items():
            assert any("SEARCH" in step for step in steps), (sql, steps)
            assert not any(step.startswith("SCAN") for step in steps), (sql, steps)


def test_a_plan_that_cannot_be_closed_keeps_no_other_from_it(ledger: Ledger) -> None:
    """The others are closed, and progress told, before the error of the one that is corrupt is raised."""
    for number in range(3):
        open_plan(ledger, f"P-{number}")
    missed = ledger.close_books(through=OPENED_ON + timedelta(days=1), dry_run=True)[0]
    assert isinstance(missed.event, PaymentMissed)
    ledger._store.append([attrs.evolve(missed, stream_id="P-1", version=2, event=attrs.evolve(missed.event, number=2))])
    told: list[tuple[int, int]] = []
    with pytest.raises(CorruptHistory, match="Plan P-1"):
        ledger.close_books(through=OPENED_ON + timedelta(days=20), progress=lambda *done: told.append(done))
    assert told == [(3, 3)]
    for plan_id in ("P-0", "P-2"):
        names = [type(event.event).__name__ for event in ledger.history(plan_id)]
        assert names == ["PlanOpened", "PaymentMissed", "PlanCancelled"]


# ---- reading one's own writes


def test_a_repeat_says_what_it_repeats(shared_url: str, name: str) -> None:
    """The answer to the first attempt was lost: the second finds its events by their key, and waits on another node."""
    with Ledger.open(shared_url, name=name) as writer, Ledger.open(shared_url, name=name, catch_up=False) as reader:
        open_plan(writer)
        lost = pay(writer, OPENED_ON, "bank-1")
        pay(writer, OPENED_ON, "bank-2")
        assert pay(writer, OPENED_ON, "bank-1") == ()
        assert writer.recorded("P-1", key="bank-1") == lost
        sequence = reader.recorded("P-1", key="bank-1")[-1].sequence
        with pytest.raises(NotCaughtUp):
            reader.wait(sequence, timeout=0)
        writer.overdue()
        assert reader.wait(sequence) >= sequence
        assert reader.balances(as_of=OPENED_ON)[0].shares_credited > 0
        reversal = writer.reverse_payment("P-1", reference="bank-1", cause="error", recorded_at=RECORDED_AT)
        assert writer.recorded("P-1", key="bank-1") == (*lost, *reversal)
        assert [event.version for event in writer.recorded("P-1", key="P-1")] == [1]
        assert writer.recorded("P-1", key="bank-3") == ()
        with pytest.raises(PlanNotFound):
            writer.recorded("P-2", key="bank-1")
        with pytest.raises(InvalidArgument, match="key is"):
            writer.recorded("P-1", key="")


def test_lists_that_nobody_catches_up_say_so(ledger: Ledger) -> None:
    """Without `catch_up` and a follower there is no read model: no list is empty; those of the past are replayed."""
    reader = Ledger(ledger._store, catch_up=False)
    for events in range(2):
        for ask in (reader.overdue, reader.balances, reader.portfolio, reader.positions, reader.payments):
            with pytest.raises(NotCaughtUp) as caught:
                ask()
            assert (caught.value.reached, caught.value.wanted) == (0, ledger._store.last_sequence())
        with pytest.raises(NotCaughtUp):
            reader.close_books(through=OPENED_ON)
        assert len(reader.positions(known_at=FAR, as_of=OPENED_ON)) == events
        assert len(reader.positions(known_at=FAR, as_of=OPENED_ON, investor="I-7")) == events
        if not events:
            open_plan(ledger)


# ---- named examples


@pytest.fixture
def books() -> Iterator[Ledger]:
    """Four plans: one completed, one paid on, one in grace, one cancelled, in two currencies."""
    with Ledger.open("memory://") as opened:
        for number, investor in enumerate(("I-1", "I-1", "I-2", "I-2")):
            open_plan(opened, f"P-{number}")
            assert opened.history(f"P-{number}")[0].key == f"P-{number}", investor
        pay(opened, OPENED_ON, "bank-1", amount="3000.00", plan_id="P-0")
        pay(opened, OPENED_ON, "bank-1", amount="300.00", plan_id="P-1")
        pay(opened, OPENED_ON, "bank-1", amount="150.00", plan_id="P-2")
        euros = attrs.evolve(TERMS, price=Money.of("3000.00", "EUR"))
        opened.open_plan("P-9", investor="I-9", partner=None, terms=euros, opened_at=OPENED_ON, recorded_at=RECORDED_AT)
        yield opened


def test_the_portfolio_counts_money_in_cancelled_plans(books: Ledger) -> None:
    """One row per currency; shares of money, price and plans are exact fractions, and 0 of nothing."""
    euro, dollar = books.portfolio(as_of=date(2023, 5, 11))
    assert (dollar.plans, dollar.active, dollar.in_grace, dollar.cancelled, dollar.completed) == (4, 1, 1, 1, 1)
    assert (dollar.paid, dollar.paid_in_cancelled) == (usd("3450.00"), usd("0.00"))
    assert dollar.cancelled_share_of_plans == dollar.cancelled_share_of_price == Fraction(1, 4)
    assert (euro.cancelled, euro.paid, euro.cancelled_share_of_paid) == (1, Money.of("0", "EUR"), Fraction(0))
    later = books.portfolio(as_of=date(2023, 12, 1))[1]
    assert (later.cancelled, later.paid_in_cancelled) == (3, usd("450.00"))
    assert later.cancelled_share_of_paid == Fraction(45_000, 345_000)


def test_balances_add_up_over_an_investors_plans(books: Ledger) -> None:
    """One row per investor; what the package holds is credited, promised or forfeited, and bonuses stand apart."""
    row, nobody = books.balances(as_of=date(2023, 5, 11))[0], books.balances(investor="nobody")
    assert (row.investor, row.plans, nobody) == ("I-7", 4, ())
    assert row.shares_credited + row.shares_promised + row.shares_forfeited == 4 * 351_000
    assert [row.investor for row in books.balances(as_of=date(2023, 5, 11))] == ["I-7", "I-9"]
    assert books.balances(as_of=OPENED_ON - timedelta(days=1)) == ()


def test_a_plan_is_in_no_list_before_its_opening(books: Ledger) -> None:
    """Before the opening date there is nothing to tell."""
    before = OPENED_ON - timedelta(days=1)
    assert (books.portfolio(as_of=before), books.positions(as_of=before)) == ((), ())
    with pytest.raises(PlanNotFound):
        books.statement("P-0", as_of=before)
    assert books.positions(as_of=date.max)[0].status == "completed"
    assert books.portfolio(as_of=date.max)[1].plans == 4
