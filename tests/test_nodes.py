"""Several nodes on one database: no update is lost, whoever writes, closes and asks at once."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from ledger import Ledger
from ledger.events import PaymentMade
from tests import workers
from tests.crash_worker import Location
from tests.examples import OPENED_ON, open_plan
from tests.processes import forked

PLANS = ("P-0", "P-1", "P-2")
NODES = 4
PAYMENTS = 24


def test_nodes_work_on_the_same_plans_at_once(shared_url: str, name: str) -> None:
    """Four processes pay on three plans, close the books and ask: every payment is there, once, and lists are right."""
    location = Location(shared_url, name)
    with Ledger.open(shared_url, name=name) as ledger:
        for plan_id in PLANS:
            open_plan(ledger, plan_id)
        with forked(workers.work_on_plans, location, PLANS, PAYMENTS, times=NODES) as nodes:
            for node in nodes:
                assert node.receive() == "ready"
            for node in nodes:
                node.send("go")
            assert [node.receive() for node in nodes] == [PAYMENTS] * NODES
        paid = [event.key for event in ledger.events() if isinstance(event.event, PaymentMade)]
        assert sorted(paid) == sorted(f"bank-{node}-{payment}" for node in range(NODES) for payment in range(PAYMENTS))
        for plan_id in PLANS:
            history = ledger.history(plan_id)
            assert [event.version for event in history] == list(range(1, len(history) + 1))
        (row,) = ledger.portfolio(as_of=OPENED_ON)
        assert (row.plans, row.paid.minor) == (3, 100 * NODES * PAYMENTS)
        assert ledger.verify().differences == ()
        closed = ledger.close_books(through=OPENED_ON + timedelta(days=PAYMENTS - 1))
        assert ledger.close_books(through=OPENED_ON + timedelta(days=PAYMENTS - 1)) == ()
        assert all(event.event.effective_on <= OPENED_ON + timedelta(days=PAYMENTS) for event in closed)


def test_a_question_is_answered_while_others_write_without_pause(shared_url: str, name: str) -> None:
    """A query contains what was recorded when it was asked, and does not chase what is recorded meanwhile."""
    location, plan_ids = Location(shared_url, name), [f"P-{number}" for number in range(30)]
    with Ledger.open(shared_url, name=name) as ledger:
        for plan_id in plan_ids:
            open_plan(ledger, plan_id)
        with forked(workers.keep_paying, location, plan_ids, times=2) as payers:
            for payer in payers:
                assert payer.receive() == "ready"
            time.sleep(0.3)
            asked = ledger._store.last_sequence()
            with ThreadPoolExecutor(1) as pool:
                asking = pool.submit(ledger.overdue, as_of=OPENED_ON + timedelta(days=10))
                try:
                    assert len(asking.result(timeout=20)) == len(plan_ids)
                finally:
                    for payer in payers:
                        payer.send("stop")
            assert ledger._store.views.generations()[0].reached >= asked
            assert all(errors == [] for _, errors in (payer.receive() for payer in payers))
