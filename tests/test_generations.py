"""Generations: a rebuild goes on beside the answers, and a generation that differs from a replay is never promoted."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from ledger import Ledger
from ledger.projections.builtin import PERIODS
from ledger.readmodel.runner import Runner
from ledger.store import Generation
from ledger.store.views import SqlViewStore
from tests import crash_worker
from tests.crash_worker import Location, answers
from tests.examples import OPENED_ON, open_plan, pay
from tests.raw_sql import change


class _CutOffError(Exception):
    """The work stops here."""


@pytest.fixture
def books(nine_plans: Location) -> Iterator[Ledger]:
    """A ledger of nine plans, caught up."""
    with nine_plans.open() as opened:
        yield opened


def _generations(ledger: Ledger) -> list[tuple[str, bool]]:
    return [(view.name, view.live) for view in ledger._store.views.generations()]


# ---- rebuilding


def test_answers_go_on_during_rebuilds(nine_plans: Location, books: Ledger) -> None:
    """Two threads ask all the time while five rebuilds take over: every answer is the same, and none is an error."""
    expected, stop = answers(books), Event()

    def ask() -> int:
        asked = 0
        with nine_plans.open() as reader:
            while not stop.is_set():
                assert answers(reader) == expected
                asked += 1
        return asked

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        try:
            for generation in range(2, 7):
                assert books.rebuild().differences == ()
                assert _generations(books) == [(f"periods_{generation}", True)]
        finally:
            stop.set()
        assert all(one.result(timeout=60) >= 1 for one in asking)


def test_payments_go_on_during_a_rebuild(nine_plans: Location, books: Ledger) -> None:
    """What is recorded and taken in while the next generation is filled is in it when it takes over."""
    paid: list[int] = []

    def pay_meanwhile(*_: int) -> None:
        if len(paid) == 5:
            return
        with nine_plans.open() as other:
            paid.append(pay(other, OPENED_ON, f"bank-new-{len(paid)}", amount="1.00", plan_id="P-7")[-1].sequence)
            assert other.wait(paid[-1]) == paid[-1]

    assert books.rebuild(progress=pay_meanwhile).differences == ()
    assert len(paid) == 5
    assert books.wait(paid[-1]) == paid[-1]
    assert books.verify().differences == ()


def test_what_was_to_be_read_stays_to_be_read(nine_plans: Location, books: Ledger) -> None:
    """While one generation after another takes over, no reader ever sees less than somebody has waited for."""
    stop = Event()

    def pay_and_read() -> int:
        paid = 0
        with nine_plans.open() as writer, Ledger.open(nine_plans.url, name=nine_plans.name, catch_up=False) as reader:
            while not stop.is_set():
                (first, *_) = pay(writer, OPENED_ON, f"bank-new-{paid}", amount="1.00", plan_id="P-7")
                assert writer.wait(first.sequence) >= first.sequence
                assert reader.wait(first.sequence, timeout=0) >= first.sequence
                paid += 1
        return paid

    with ThreadPoolExecutor(1) as pool:
        paying = pool.submit(pay_and_read)
        try:
            for _ in range(4):
                assert books.rebuild().differences == ()
        finally:
            stop.set()
        assert paying.result(timeout=60) >= 1
    assert books.verify().differences == ()


@pytest.mark.parametrize("promoted_first", [False, True])
def test_a_payment_just_before_a_promotion_stays_to_be_read(
    nine_plans: Location, books: Ledger, monkeypatch: pytest.MonkeyPatch, *, promoted_first: bool
) -> None:
    """A generation that is built meets a payment that is applied to the old one, before or after that is retired."""
    promote, advance = SqlViewStore.promote, SqlViewStore.advance
    waited: list[int] = []

    def pay_and_promote(views: SqlViewStore, built: Generation, **how: Any) -> bool:
        monkeypatch.setattr(SqlViewStore, "promote", promote)
        promoted: list[bool] = []

        def promote_and_advance(views: SqlViewStore, before: Generation, after: Generation, **change: Any) -> bool:
            monkeypatch.setattr(SqlViewStore, "advance", advance)
            promoted.append(promote(views, built, **how))
            return advance(views, before, after, **change)

        if promoted_first:
            monkeypatch.setattr(SqlViewStore, "advance", promote_and_advance)
        with nine_plans.open() as other:
            paid = pay(other, OPENED_ON, "bank-new", amount="1.00", plan_id="P-7")[-1].sequence
            waited.append(other.wait(paid))
            assert reader.wait(paid, timeout=0) == paid
        return promoted[0] if promoted else promote(views, built, **how)

    monkeypatch.setattr(SqlViewStore, "promote", pay_and_promote)
    with Ledger.open(nine_plans.url, name=nine_plans.name, catch_up=False) as reader:
        assert books.rebuild().differences == ()
        assert reader.wait(waited[0], timeout=0) == waited[0]


def test_a_rebuild_that_was_cut_off_goes_on_where_it_stopped(books: Ledger) -> None:
    """An interrupted rebuild leaves the live rows leads; the next one begins at its checkpoint."""
    expected = answers(books)

    def cut_off(*_: int) -> None:
        raise _CutOffError

    with pytest.raises(_CutOffError):
        books.rebuild(progress=cut_off)
    assert _generations(books) == [("periods_1", True), ("periods_2", False)]
    fresh = books._store.views.generations()[1]
    assert (fresh.filled, fresh.target) == ("P-1", books._store.last_sequence())
    assert (answers(books), books.verify().generation) == (expected, "periods_1")
    done: list[int] = []
    assert books.rebuild(progress=lambda plans, _: done.append(plans)).differences == ()
    assert list(dict.fromkeys(done)) == [2, 4, 6, 7, crash_worker.PLANS], (
        "seven plans are derived, and all are verified"
    )
    assert _generations(books) == [("periods_2", True)]
    assert answers(books) == expected


def test_a_generation_that_differs_never_takes_over(books: Ledger) -> None:
    """A row that is not a replay's keeps the rebuild from taking over: it is named, and the rows are removed."""
    expected, damaged = answers(books), list[int]()

    def damage(reached: int, _: int) -> None:
        if not damaged:
            damaged.append(reached)
            change(books, "UPDATE books_periods_2_periods SET paid = paid + 1 WHERE plan_id = 'P-0'")

    verification = books.rebuild(progress=damage)
    assert verification.generation == "periods_2"
    assert any("plan P-0" in difference and "paid is 1" in difference for difference in verification.differences)
    assert _generations(books) == [("periods_1", True)]
    assert answers(books) == expected
    assert books.rebuild().differences == ()
    assert _generations(books) == [("periods_2", True)]
    assert answers(books) == expected


def test_two_rebuilds_at_once_are_one(nine_plans: Location, books: Ledger) -> None:
    """Two processes that rebuild fill the same generation together, and one lets it take over."""
    expected = answers(books)
    with nine_plans.open() as other, ThreadPoolExecutor(2) as pool:
        both = [pool.submit(ledger.rebuild) for ledger in (books, other)]
        assert [one.result(timeout=60).differences for one in both] == [(), ()]
        assert answers(books) == answers(other) == expected
    ((view, live),) = _generations(books)
    assert (view in {"periods_2", "periods_3"}, live) == (True, True)
    assert books.verify().differences == ()


def test_a_rebuild_finds_the_generation_gone_that_another_removed(nine_plans: Location, books: Ledger) -> None:
    """A difference that one rebuild finds ends another that was filling the same generation, with what to do."""

    def another(*_: int) -> None:
        with nine_plans.open() as other:
            change(other, "UPDATE books_periods_2_periods SET paid = paid + 1 WHERE plan_id = 'P-0'")
            assert other.rebuild().differences

    with pytest.raises(Exception, match="another process has dropped it"):
        books.rebuild(progress=another)
    assert books.rebuild().differences == ()


def test_a_question_that_meets_a_promotion_is_asked_again(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables that a question has found are dropped before it reads them: those that replaced them answer."""
    open_plan(ledger)
    model = Runner(ledger._store, PERIODS)
    expected = ledger.portfolio(as_of=OPENED_ON)
    stale = [model.current(catch_up=True)]
    assert ledger.rebuild().differences == ()
    current = Runner.current
    monkeypatch.setattr(Runner, "current", lambda self, **how: stale.pop() if stale else current(self, **how))
    assert ledger.portfolio(as_of=OPENED_ON) == expected
    assert stale == []
    assert ledger.verify().generation == "periods_2"


def test_a_rebuild_does_not_bless_an_edited_event(books: Ledger) -> None:
    """An outcome that was edited into another that can be read: the plan is named, and nothing is promoted."""
    where = "WHERE stream_id = 'P-3' AND version = 3"
    assert type(books.history("P-3")[2].event).__name__ == "InstallmentSettled"
    edited = "replace({state}, '\"shares\":7350', '\"shares\":7351')"
    if "SQLite" in books._store.label:
        state = f"CAST({edited.format(state='CAST(state AS TEXT)')} AS BLOB)"
    else:
        state = f"convert_to({edited.format(state=chr(39).join(['convert_from(state, ', 'UTF8', ')']))}, 'UTF8')"
    change(books, f"UPDATE books_events SET state = {state} {where}")
    for found in (books.verify(), books.rebuild()):
        assert any("plan P-3: version 3 records InstallmentSettled" in one for one in found.differences)
    assert _generations(books) == [("periods_1", True)]
