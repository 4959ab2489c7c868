"""One contract for all stores, with real files, a real server and real processes."""

import multiprocessing
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest

from ledger import InvalidArgument, Ledger, PlanNotFound, StoreUnavailable
from ledger.commands import ClosePlan, Metadata, OpenPlan, RecordPayment
from ledger.decide import decide
from ledger.store import Partition
from tests.examples import OPENED_ON, RECORDED_AT, TERMS, open_plan, pay, usd


def _payment_events(ledger: Ledger, reference: str) -> Any:
    command = RecordPayment(plan_id="P-1", reference=reference, amount=usd("150.00"), paid_at=OPENED_ON, kind="regular")
    return decide(ledger.history("P-1"), command, Metadata(recorded_at=RECORDED_AT))


def test_an_empty_ledger_knows_no_plan(ledger: Ledger) -> None:
    """A ledger begins empty: no events, no plan, empty lists."""
    assert (list(ledger.events()), ledger._store.last_sequence()) == ([], 0)
    assert (ledger.overdue(), ledger.balances(), ledger.portfolio(), ledger.positions()) == ((), (), (), ())
    with pytest.raises(PlanNotFound):
        ledger.history("P-1")
    with pytest.raises(PlanNotFound):
        pay(ledger, OPENED_ON, "bank-1")


def test_a_closed_ledger_says_so(url: str, name: str) -> None:
    """After `close` every call names the mistake; closing twice is allowed."""
    ledger = Ledger.open(url, name=name)
    ledger.close()
    ledger.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        ledger.position("P-1")


# ---- several threads, several processes


def test_threads_share_a_ledger(ledger: Ledger) -> None:
    """Eight threads record on three plans through one ledger: every payment is recorded once, none is lost."""
    for plan in range(3):
        open_plan(ledger, f"P-{plan}")

    def pay_some(thread: int) -> None:
        for number in range(3):
            pay(ledger, OPENED_ON, f"bank-{thread}-{number}", amount="1.00", plan_id=f"P-{(thread + number) % 3}")
            ledger.overdue(as_of=date(2023, 4, 20))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(pay_some, range(8)))
    assert sum(ledger.position(f"P-{plan}", as_of=OPENED_ON).paid.minor for plan in range(3)) == 24 * 100
    assert ledger.portfolio(as_of=OPENED_ON)[0].paid.minor == 24 * 100


@pytest.mark.parametrize("times", range(3))
def test_a_ledger_may_be_closed_under_active_threads(shared_url: str, name: str, times: int) -> None:
    """Calls that are under way end well, later ones are refused, and the interpreter lives."""
    ledger = Ledger.open(shared_url, name=name)
    open_plan(ledger)
    begun = [Event() for _ in range(8)]

    def ask(number: int) -> int:
        asked = 0
        while True:
            try:
                assert len(ledger.history("P-1")) >= 1
                pay(ledger, OPENED_ON, f"bank-{number}-{asked}", amount="0.01")
                ledger.portfolio(as_of=OPENED_ON)
            except StoreUnavailable:
                return asked
            asked += 1
            begun[number].set()

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask, number) for number in range(8)]
        assert all(event.wait(60) for event in begun)
        ledger.close()
        paid = sum(one.result(timeout=60) for one in asking)
    with Ledger.open(shared_url, name=name) as again:
        assert paid <= again.position("P-1", as_of=OPENED_ON).paid.minor <= paid + 8, times


def _run(processes: int, task: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Run a task in fresh processes at once, numbered from 0, and return their results in order."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(processes, mp_context=context) as pool:
        barrier = manager.Barrier(processes)
        futures = [pool.submit(task, number, barrier, *arguments) for number in range(processes)]
        return [future.result(timeout=120) for future in futures]


def _open_and_pay(number: int, barrier: Any, url: str, name: str) -> int:
    barrier.wait()
    with Ledger.open(url, name=name) as ledger:
        open_plan(ledger)
        for payment in range(5):
            pay(ledger, OPENED_ON, f"bank-{number}-{payment}", amount="1.00")
        return len(ledger.overdue(as_of=date(2023, 4, 20)))


def test_services_that_start_at_once_on_an_empty_database_all_come_up(shared_url: str, name: str) -> None:
    """Four processes create the tables, open the same plan and pay on it at once: all succeed, and all is recorded."""
    assert _run(4, _open_and_pay, shared_url, name) == [1, 1, 1, 1]
    with Ledger.open(shared_url, name=name) as ledger:
        assert ledger.position("P-1", as_of=OPENED_ON).paid == usd("20.00")
        assert [event.version for event in ledger.history("P-1")] == list(range(1, 22))


# ---- doors


def test_ids_of_a_range_are_read_without_those_after_it(tmp_path: Path) -> None:
    """SQLite takes about as many steps for the first five of a thousand plans as for the last five."""
    with Ledger.open(f"sqlite:///{tmp_path}/books.db") as ledger:
        ledger.execute_all(
            [
                (
                    OpenPlan(plan_id=f"P-{number:04}", investor="I-7", partner=None, terms=TERMS, opened_at=OPENED_ON),
                    Metadata(),
                )
                for number in range(1_000)
            ]
        )
        store = cast("Any", ledger._store)
        statement: str = store._recorder._ids_up_to
        for limit in (3, 500):
            assert (
                store.stream_ids(within=Partition("P-0099", "P-0104"), limit=limit)
                == [f"P-{number:04}" for number in range(100, 105)][:limit]
            )
    steps: list[int] = []
    with closing(sqlite3.connect(tmp_path / "books.db")) as connection:
        connection.set_progress_handler(lambda: steps.append(1), 1)
        taken: list[int] = []
        for first in (0, 994):
            steps.clear()
            connection.execute(statement, ("plan", f"P-{first:04}", f"P-{first + 5:04}", 500)).fetchall()
            taken.append(len(steps))
    assert max(taken) < 2 * min(taken)


@pytest.mark.parametrize(
    "url",
    ["", "sqlite:///", "sqlite://books.db", "books.db", "mysql://x/y", "memory://x", "postgresql://h/x?nonsense=1"],
)
def test_another_url_is_refused(url: str) -> None:
    """A URL that names no store is an invalid argument, and the sentence lists those that do."""
    with pytest.raises(InvalidArgument, match="expected .*postgresql://"):
        Ledger.open(url)


@pytest.mark.parametrize("name", ["", "Books", "1st", "a-b", "a" * 31, "a;drop table x"])
def test_a_name_is_a_plain_word(name: str) -> None:
    """The name of a ledger becomes part of table names, so it is a short lower-case word."""
    with pytest.raises(InvalidArgument, match="lower-case word"):
        Ledger.open("memory://", name=name)


def test_a_store_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    """A folder that is missing, a file that is no database, a server that is not there: one sentence each."""
    (tmp_path / "text.db").write_text("not a database " * 100)
    for url, reason in {
        f"sqlite:///{tmp_path}/missing/books.db": "does not exist",
        f"sqlite:///{tmp_path}/text.db": "not a database",
        f"sqlite:///{tmp_path}": "unable to open",
        "postgresql://nobody@127.0.0.1:1/none": "connection failed",
    }.items():
        with pytest.raises(StoreUnavailable, match=reason):
            Ledger.open(url)


def test_importing_loads_no_store() -> None:
    """`import ledger` loads attrs, msgspec, pendulum and the standard library only; `open` imports the named store."""
    program = (
        "import sys\n"
        "before = set(sys.modules)\n"  # what the interpreter's own start-up loads
        "import ledger\n"
        "loaded = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "theirs = loaded - set(sys.stdlib_module_names)\n"
        "print(*sorted(name for name in theirs if not name.startswith('_')))\n"
        "print('sqlite3' in sys.modules)\n"
        "ledger.Ledger.open('memory://').close()\n"
        "print('psycopg' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    first, *rest = run.stdout.splitlines()
    of_pendulum = {"dateutil", "six", "tzdata", "time_machine"}
    of_msgspec = {"typing_extensions"}  # where it is installed
    assert set(first.split()) - of_pendulum - of_msgspec <= {"attr", "attrs", "ledger", "msgspec", "pendulum"}
    assert rest == ["False", "False"]


def test_closing_a_day_finds_what_is_due_in_every_store(ledger: Ledger) -> None:
    """Closing through the last day of grace records the missed payment, through the day after the cancellation."""
    open_plan(ledger)
    due = OPENED_ON
    assert ledger.close_books(through=due) == ()
    assert [event.key for event in ledger.close_books(through=due + timedelta(days=19))] == ["2023-04-29"]
    cancelled = ledger.close_books(through=due + timedelta(days=20))
    assert [type(event.event).__name__ for event in cancelled] == ["PlanCancelled"]
    assert ledger.close_books(through=due + timedelta(days=400)) == ()
    assert decide(ledger.history("P-1"), ClosePlan(plan_id="P-1", through=due), Metadata(recorded_at=RECORDED_AT)) == ()
    assert TERMS.grace_days == 19
