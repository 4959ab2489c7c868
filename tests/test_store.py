"""One contract for all stores, with real files, a real server and real processes."""

import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import attrs
import pytest

from ledger import ConcurrentChange, InvalidArgument, Ledger, PlanNotFound, StoreUnavailable
from ledger.commands import ClosePlan, Metadata, RecordPayment
from ledger.decide import decide
from ledger.store import Generation, Insert, Quarantined, Statement, open_store
from tests.examples import OPENED_ON, RECORDED_AT, TERMS, open_plan, pay, usd


def _payment_events(ledger: Ledger, reference: str) -> Any:
    command = RecordPayment(plan_id="P-1", reference=reference, amount=usd("150.00"), paid_at=OPENED_ON, kind="regular")
    return decide(ledger.history("P-1"), command, Metadata(recorded_at=RECORDED_AT))


def test_a_history_comes_back_as_it_was_recorded(ledger: Ledger) -> None:
    """What a command returns is what the store gives back, with versions 1, 2, … and increasing sequences."""
    recorded = [*open_plan(ledger), *pay(ledger, OPENED_ON, "bank-1"), *pay(ledger, date(2023, 5, 10), "bank-2")]
    assert list(ledger.history("P-1")) == recorded
    assert [event.version for event in recorded] == list(range(1, len(recorded) + 1))
    assert [event.sequence for event in recorded] == sorted({event.sequence for event in recorded})
    assert recorded[0].sequence > 0


def test_events_are_read_on_from_a_sequence(ledger: Ledger) -> None:
    """A service's own projection reads every event once, in order, from where it stopped."""
    for number in range(5):
        open_plan(ledger, f"P-{number}")
    whole = list(ledger.events())
    assert [event.plan_id for event in whole] == [f"P-{number}" for number in range(5)]
    for read in range(6):
        after = whole[read - 1].sequence if read else 0
        assert list(ledger.events(after=after)) == whole[read:]


def test_a_taken_version_records_nothing_of_the_batch(url: str, name: str) -> None:
    """An append is all or nothing: one version that is taken keeps every event of it out."""
    with Ledger.open(url, name=name) as ledger:
        store = ledger._store
        open_plan(ledger)
        first, second = _payment_events(ledger, "bank-1"), _payment_events(ledger, "bank-2")
        other = [attrs.evolve(event, stream_id="P-2") for event in ledger.history("P-1")]
        store.append(first)
        before = list(ledger.events())
        with pytest.raises(ConcurrentChange) as caught:
            store.append([*other, *second])
        assert caught.value.attempts == 1
        assert list(ledger.events()) == before
        assert store.last_sequence() == before[-1].sequence


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


def test_what_is_recorded_is_there_after_a_restart(shared_url: str, name: str) -> None:
    """A ledger that is opened again has the same events and answers."""
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)
        events, overdue = list(ledger.events()), ledger.overdue(as_of=date(2023, 4, 20))
    with Ledger.open(shared_url, name=name) as ledger:
        assert list(ledger.events()) == events
        assert ledger.overdue(as_of=date(2023, 4, 20)) == overdue
        assert overdue


def test_named_ledgers_share_a_database_and_nothing_else(shared_url: str, name: str) -> None:
    """Two ledgers in one database have the same plan id, their own events, sequences and lists."""
    with Ledger.open(shared_url, name=f"{name}_a") as one, Ledger.open(shared_url, name=f"{name}_b") as two:
        open_plan(one)
        open_plan(two)
        pay(two, OPENED_ON, "bank-1")
        assert (len(one.history("P-1")), len(two.history("P-1"))) == (1, 3)
        assert one.position("P-1", as_of=OPENED_ON).paid.minor == 0
        assert one.balances(as_of=OPENED_ON)[0].shares_credited == 0
        assert two.balances(as_of=OPENED_ON)[0].shares_credited == 7_350


def _things(number: int) -> Generation:
    return Generation("things", number, version=1, definition="d")


def test_rows_and_checkpoint_move_together(url: str, name: str) -> None:
    """A generation moves on only from the checkpoint that was expected, and its rows with it."""
    store = open_store(url, name)
    try:
        views, table, begin = store.views, f"{name}_things_1_rows", _things(1)
        for _ in range(2):
            views.create(begin, [f"CREATE TABLE IF NOT EXISTS {table} (thing TEXT PRIMARY KEY)"])
        insert = f"INSERT INTO {table} VALUES (?)"
        fifth = attrs.evolve(begin, reached=5)
        assert views.advance(begin, fifth, changes=[Statement(insert, [("a",), ("b",)])])
        assert not views.advance(begin, attrs.evolve(begin, reached=6), changes=[Insert(table, ["thing"], [("c",)])])
        with pytest.raises(StoreUnavailable):
            views.advance(fifth, attrs.evolve(begin, reached=7), changes=[Insert(table, ["thing"], [("d",), ("a",)])])
        assert views.generations("things") == [fifth]
        assert views.query(f"SELECT thing FROM {table} ORDER BY thing") == [("a",), ("b",)]
    finally:
        store.close()


def test_plans_go_into_quarantine_and_out_of_it_with_the_checkpoint(url: str, name: str) -> None:
    """The quarantine of a generation moves in the same transaction, is counted, and goes with the generation."""
    store = open_store(url, name)
    try:
        views, begin = store.views, _things(1)
        views.create(begin, [])
        bad = [Quarantined(f"P-{number}", 2, "payment_made.v1", "edited") for number in range(3)]
        first = attrs.evolve(begin, reached=1)
        assert not views.advance(first, first, changes=(), quarantine=bad)
        assert views.quarantine(begin, limit=9) == []
        assert views.advance(begin, first, changes=(), quarantine=bad)
        assert views.advance(
            first, first, changes=(), quarantine=[attrs.evolve(bad[2], reason="again")], release=["P-1"]
        )
        assert views.quarantine(first, limit=9) == [bad[0], attrs.evolve(bad[2], reason="again")]
        assert views.quarantine(first, limit=1) == bad[:1]
        assert [one.quarantined for one in views.generations()] == [2]
        views.drop(first)
        views.create(begin, [])
        assert views.quarantine(begin, limit=9) == []
    finally:
        store.close()


def test_one_generation_is_live_and_another_is_promoted(url: str, name: str) -> None:
    """None is live until one is promoted; another is, once it has read as far; then the first is dropped."""
    store = open_store(url, name)
    try:
        views, generations = store.views, [_things(number) for number in (1, 2, 3)]
        for one in generations:
            views.create(one, [f"CREATE TABLE IF NOT EXISTS {name}_{one.name}_rows (thing TEXT)"])
        one, two, three = generations

        def live() -> list[bool]:
            return [found.live for found in views.generations("things")]

        assert not any(live())
        assert not views.promote(_things(4), over=None, last=9), "it is not there"
        assert views.promote(one, over=None, last=9)
        assert not views.promote(two, over=None, last=9), "one is live"
        assert not views.promote(three, over=two, last=9), "two is not live"
        assert live() == [True, False, False]
        views.drop(one)
        assert live() == [True, False, False], "a live generation stays"
        one = attrs.evolve(one, live=True)
        assert views.advance(one, attrs.evolve(one, reached=5), changes=())
        assert not views.promote(two, over=one, last=9), "it has read less"
        assert views.advance(two, attrs.evolve(two, reached=4), changes=())
        assert not views.promote(two, over=one, last=9), "still less"
        assert views.promote(two, over=one, last=4), "the ledger has no more"
        assert not views.promote(two, over=one, last=9)
        assert live() == [False, True, False]
        views.drop(one)
        views.drop(three)
        assert views.generations() == [attrs.evolve(two, reached=4, live=True)]
        for gone in (one, three):
            with pytest.raises(StoreUnavailable):
                views.query(f"SELECT * FROM {name}_{gone.name}_rows")
    finally:
        store.close()


def test_a_generation_that_was_promoted_is_not_backfilled_any_more(url: str, name: str) -> None:
    """A process that still builds what another has promoted changes nothing."""
    store = open_store(url, name)
    try:
        views, begin = store.views, _things(1)
        views.create(begin, [])
        assert views.promote(begin, over=None, last=0)
        assert not views.advance(begin, attrs.evolve(begin, filled="P-1", target=7), changes=())
        half = _things(2)
        views.create(half, [])
        assert views.advance(half, attrs.evolve(half, filled="P-1", target=7), changes=())
        assert not views.promote(half, over=attrs.evolve(begin, live=True), last=0), "it is half built"
    finally:
        store.close()


def test_a_snapshot_stands_still(shared_url: str, name: str) -> None:
    """A snapshot reads everything as of one instant, whatever is written meanwhile."""
    store = open_store(shared_url, name)
    try:
        views, table, begin = store.views, f"{name}_things_1_rows", _things(1)
        views.create(begin, [f"CREATE TABLE IF NOT EXISTS {table} (thing TEXT PRIMARY KEY)"])
        with views.snapshot() as query:
            assert query(f"SELECT thing FROM {table}", ()) == []
            first = attrs.evolve(begin, reached=1)
            assert views.advance(begin, first, changes=[Insert(table, ["thing"], [("a",)])])
            assert query(f"SELECT thing FROM {table} WHERE thing = ?", ("a",)) == []
            assert views.checkpoint(begin, query) == begin
        assert views.query(f"SELECT thing FROM {table}") == [("a",)]
        with views.snapshot() as query, pytest.raises(StoreUnavailable, match="another process has dropped it"):
            views.checkpoint(_things(2), query)
    finally:
        store.close()


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


def _append_same_version(number: int, barrier: Any, url: str, name: str) -> bool:
    with Ledger.open(url, name=name) as ledger:
        events = _payment_events(ledger, f"bank-{number}")
        barrier.wait()
        try:
            ledger._store.append(events)
        except ConcurrentChange:
            return False
        return True


def test_of_processes_that_write_one_version_exactly_one_wins(shared_url: str, name: str) -> None:
    """Four processes decide on the same version of a plan: one is recorded, whole, the others nothing."""
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)
        won = _run(4, _append_same_version, shared_url, name)
        assert sorted(won) == [False, False, False, True]
        payments = [event for event in ledger.history("P-1") if event.key.startswith("bank-")]
        assert {event.key for event in payments} == {f"bank-{won.index(True)}"}


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
