"""Threads and processes that pay and ask at once, and many ledgers on one database."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import psycopg
import pytest

from ledger import Database, InvalidArgument, Ledger, LedgerError, StoreUnavailable
from ledger.commands import Metadata, RecordPayment
from ledger.projections.builtin import PERIODS
from ledger.readmodel import runner
from ledger.readmodel.runner import Runner
from ledger.store import open_store
from tests import workers
from tests.crash_worker import Location
from tests.examples import OPENED_ON, RECORDED_AT, open_plan, pay, usd
from tests.processes import forked

NOTE = Metadata(recorded_at=RECORDED_AT)
THREADS = 8
PAYMENTS = 5


def _payment(reference: str) -> RecordPayment:
    return RecordPayment(plan_id="P-1", reference=reference, amount=usd("1.00"), paid_at=OPENED_ON, kind="regular")


def test_an_answer_contains_what_was_recorded_before_the_question(ledger: Ledger) -> None:
    """Threads that pay and ask in turns: each finds its own payment in the list, whoever has derived it."""
    plan_ids = [f"P-{number}" for number in range(THREADS)]
    for plan_id in plan_ids:
        open_plan(ledger, plan_id)

    def pay_and_ask(plan_id: str) -> None:
        for payment in range(PAYMENTS):
            pay(ledger, OPENED_ON, f"bank-{payment}", amount="1.00", plan_id=plan_id)
            (row,) = (row for row in ledger.overdue(as_of=OPENED_ON + timedelta(days=5)) if row.plan_id == plan_id)
            assert row.amount_due == usd(f"{150 - payment - 1}.00")

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(pay_and_ask, plan_ids))
    assert ledger.verify().differences == ()


def test_threads_that_ask_at_once_derive_once(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many threads that find the same events not yet applied one derives; the others answer from its work."""
    open_plan(ledger)
    ledger.overdue(as_of=OPENED_ON)
    pay(ledger, OPENED_ON, "bank-1")
    applied: list[int] = []
    apply_batch = Runner._apply_batch

    def counted(self: Runner, generation: Any) -> Any:
        applied.append(generation.reached)
        return apply_batch(self, generation)

    monkeypatch.setattr(Runner, "_apply_batch", counted)
    together = Barrier(THREADS)

    def ask(_: int) -> int:
        together.wait(30)
        return ledger.portfolio(as_of=OPENED_ON)[0].paid.minor

    with ThreadPoolExecutor(THREADS) as pool:
        assert set(pool.map(ask, range(THREADS))) == {15_000}
    assert len(applied) == 1


def test_threads_share_a_command_handler_that_keeps_plans(ledger: Ledger) -> None:
    """Versions have no gaps, and no thread finds a history corrupt: the kept deciders serve one thread at a time."""
    open_plan(ledger)
    handler, together = ledger.command_handler(keep=10), Barrier(THREADS)

    def pay_some(thread: int) -> list[Any]:
        together.wait(30)
        return [
            decided
            for payment in range(PAYMENTS)
            for decided in handler.execute([(_payment(f"bank-{thread}-{payment}"), NOTE)])
        ]

    with ThreadPoolExecutor(THREADS) as pool:
        decided = [one for of_thread in pool.map(pay_some, range(THREADS)) for one in of_thread]
    assert [one for one in decided if isinstance(one, LedgerError)] == []
    history = ledger.history("P-1")
    assert [event.version for event in history] == list(range(1, len(history) + 1))
    assert ledger.position("P-1", as_of=OPENED_ON).paid.minor == 100 * THREADS * PAYMENTS


def test_a_process_waits_for_another_that_catches_up(shared_url: str, name: str) -> None:
    """While another holds the lock and gets on, its work is not done again; its result is the answer."""
    with Ledger.open(shared_url, name=name) as ledger, ThreadPoolExecutor(1) as pool:
        open_plan(ledger)
        other = open_store(shared_url, name)
        try:
            with other.views.catch_up_lock(PERIODS.name) as works:
                assert works()
                asking = pool.submit(ledger.portfolio, as_of=OPENED_ON)
                one = Runner(other, PERIODS)
                derived = one._catch_up(one._look(), None)
                assert asking.result(timeout=30)[0].plans == 1
            assert other.views.generations() == [derived]
        finally:
            other.close()


def test_work_of_a_process_that_stands_still_is_done_again(
    shared_url: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that holds the lock and does nothing keeps the others from answering only for a time."""
    monkeypatch.setattr(runner, "_STALLED", 0.2)
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)
        other = open_store(shared_url, name)
        try:
            with other.views.catch_up_lock(PERIODS.name) as works:
                assert works()
                assert ledger.portfolio(as_of=OPENED_ON)[0].plans == 1
        finally:
            other.close()


def test_processes_that_pay_and_ask_at_once(shared_url: str, name: str) -> None:
    """Two processes pay while threads of a third ask: every list is complete, none fails."""
    location, plan_ids = Location(shared_url, name), [f"P-{number}" for number in range(10)]
    stop = Event()
    with Ledger.open(shared_url, name=name) as ledger, ThreadPoolExecutor(4) as pool:
        for plan_id in plan_ids:
            open_plan(ledger, plan_id)

        def keep_asking() -> int:
            asked, before = 0, 0
            while not stop.is_set():
                last = ledger._store.last_sequence()
                assert len(ledger.overdue(as_of=OPENED_ON + timedelta(days=5))) == len(plan_ids)
                assert ledger._store.views.generations()[0].reached >= last >= before
                asked, before = asked + 1, last
            return asked

        with forked(workers.keep_paying, location, plan_ids, times=2) as payers:
            assert [payer.receive() for payer in payers] == ["ready", "ready"]
            asking = [pool.submit(keep_asking) for _ in range(4)]
            stop.wait(1)
            stop.set()
            assert all(one.result(timeout=60) for one in asking)
            for payer in payers:
                payer.send("stop")
            assert all(errors == [] for _, errors in (payer.receive() for payer in payers))
        assert ledger.verify().differences == ()


# ---- many ledgers


def _connections(url: str) -> int:
    with psycopg.connect(url) as connection:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ((found,),) = connection.execute(sql).fetchall()
        return int(found)


@pytest.mark.parametrize("ledgers", [200])
def test_ledgers_of_a_database_share_its_connections(shared_url: str, name: str, ledgers: int) -> None:
    """Two hundred open ledgers, asked by ten threads: no thread of their own, and no more connections than allowed."""
    postgres = shared_url.startswith("postgres")
    before, threads = _connections(shared_url) if postgres else 0, threading.active_count()
    with Database.open(shared_url, connections=4) as database:
        opened = [database.ledger(f"{name}_{number}") for number in range(ledgers)]

        def use(ledger: Ledger) -> int:
            open_plan(ledger)
            return ledger.portfolio(as_of=OPENED_ON)[0].plans

        with ThreadPoolExecutor(10) as pool:
            assert set(pool.map(use, opened)) == {1}
        assert threading.active_count() == threads
        if postgres:
            assert _connections(shared_url) - before <= 4
        opened[0].close()
        assert len(opened[1].history("P-1")) == 1, "closing one leaves the others open"
    with pytest.raises(StoreUnavailable, match="closed"):
        opened[1].history("P-1")


def test_ledgers_of_a_database_in_memory_are_kept_while_it_is_open() -> None:
    """A name stands for the same ledger as long as the database is open."""
    with Database.open("memory://") as database:
        open_plan(database.ledger("books"))
        assert database.ledger("books").portfolio(as_of=OPENED_ON)[0].plans == 1
        assert database.ledger("others").portfolio(as_of=OPENED_ON) == ()


def test_views_in_another_database_are_shared_too(tmp_path: Path) -> None:
    """The read models of all ledgers are in the database that `views` names."""
    with Database.open(f"sqlite:///{tmp_path}/events.db", views=f"sqlite:///{tmp_path}/views.db") as database:
        for name in ("one", "two"):
            ledger = database.ledger(name)
            open_plan(ledger)
            assert ledger.portfolio(as_of=OPENED_ON)[0].plans == 1


@pytest.mark.parametrize("wrong", [{"connections": 1}, {"timeout": 0}, {"timeout": 1e9}, {"timeout": "30"}])
def test_limits_are_checked(wrong: dict[str, Any]) -> None:
    """Fewer than two connections, and a timeout that is no number of seconds, are refused."""
    with pytest.raises(InvalidArgument):
        Database.open("memory://", **wrong)
