"""The past stands still: what was known at an instant stays what was known then, however long a save has to wait."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import EndOfDay, InvalidArgument, Ledger
from ledger.commands import AnyCommand, Metadata, OpenPlan, RecordPayment
from ledger.errors import LedgerError
from ledger.store import sqlite
from tests import workers
from tests.crash_worker import Location
from tests.examples import OPENED_ON, RECORDED_AT, TERMS, open_plan, pay, usd
from tests.processes import forked
from tests.test_clocks import Clock

LATE = timedelta(seconds=1)
WRITERS, READERS, QUESTIONS = 3, 2, 25


@contextmanager
def held_lock(url: str, name: str) -> Iterator[None]:
    """Hold the lock that every save of the ledger waits for, from a connection of its own."""
    if url.startswith("sqlite"):
        connected = sqlite.connect(url.removeprefix("sqlite:///"), create=False, connections=2, timeout=30)
        database = connected.database
        assert isinstance(database, sqlite.SqliteDatabase)
        with database._writers.lent() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
        database.close()
        return
    with psycopg.connect(url) as connection:
        connection.execute(f"SELECT pg_advisory_xact_lock('{name}_events'::regclass::oid::bigint)".encode())
        yield


def _answer(ledger: Ledger, known_at: datetime) -> tuple[int, object, object]:
    return (
        ledger.position("P-1", as_of=OPENED_ON, known_at=known_at).paid.minor,
        ledger.portfolio(as_of=OPENED_ON, known_at=known_at),
        ledger.statement("P-1", as_of=OPENED_ON, known_at=known_at),
    )


@pytest.mark.parametrize("ask", ["while it waits", "afterwards"])
def test_a_save_that_waits_for_the_lock_is_known_from_its_end(shared_url: str, name: str, ask: str) -> None:
    """A payment that another writer keeps waiting is not known at an instant that was asked about before."""
    with Ledger.open(shared_url, name=name) as ledger, ThreadPoolExecutor(2) as pool:
        open_plan(ledger)
        with held_lock(shared_url, name):
            paying = pool.submit(
                ledger.record_payment, "P-1", reference="bank-1", amount=usd("150.00"), paid_at=OPENED_ON
            )
            time.sleep(0.3)  # it has begun by now
            asked_at = datetime.now(UTC)
            asking = pool.submit(_answer, ledger, asked_at) if ask == "while it waits" else None
            time.sleep(0.1)
        (paid, *_) = paying.result(30)
        assert paid.recorded_at > asked_at
        assert ledger.history("P-1")[1] == paid
        again = _answer(ledger, asked_at)
        assert again[0] == 0
        if asking is not None:
            assert asking.result(30) == again


def test_answers_of_processes_that_ask_while_others_pay_stay_true(shared_url: str, name: str) -> None:
    """Writers in processes of their own, alone, in batches and in their own transactions: no answer is ever revised."""
    location = Location(shared_url, name)
    with location.open() as ledger:
        open_plan(ledger)
    with (
        forked(workers.keep_recording, location, times=WRITERS) as writers,
        forked(workers.ask_as_known_now, location, QUESTIONS, times=READERS) as readers,
    ):
        answers = [answer for one in readers for answer in one.receive()]
        for one in writers:
            one.send("stop")
        assert sum(one.receive() for one in writers) > 0
        assert all(one.end() == 0 for one in (*writers, *readers))
    with location.open() as ledger:
        for known_at, paid in answers:
            assert ledger.position("P-1", as_of=OPENED_ON, known_at=known_at).paid.minor == paid
        stamps = [event.recorded_at for event in ledger.history("P-1")]
        assert stamps == sorted(stamps)


def test_an_end_of_day_that_has_not_passed_everywhere_waits_too(shared_url: str, name: str) -> None:
    """Yesterday may not be over in the zone of a plan."""
    now = datetime(2023, 6, 2, 10, tzinfo=UTC)
    with Ledger.open(shared_url, name=name, clock=lambda: now) as ledger, ThreadPoolExecutor(1) as pool:
        opened = {"investor": "I-1", "partner": None, "terms": TERMS, "opened_at": OPENED_ON}
        ledger.open_plan("P-1", recorded_at=now - timedelta(days=9), **opened)  # type: ignore[arg-type]
        with held_lock(shared_url, name):
            asking = pool.submit(ledger.position, "P-1", known_at=EndOfDay(date(2023, 6, 1)))
            assert ledger.position("P-1", known_at=EndOfDay(date(2023, 5, 31))).paid.minor == 0
            time.sleep(0.1)
            assert not asking.done()
        assert asking.result(30).paid.minor == 0


@pytest.mark.parametrize("command", ["payment", "batch", "atomic", "closing", "receipt"])
def test_a_stated_instant_after_the_clock_is_refused(ledger: Ledger, command: str) -> None:
    """By more than clocks differ: nothing is recorded, and the sentence names the clock's instant."""
    open_plan(ledger)
    before = len(ledger.history("P-1"))
    ahead = datetime.now(UTC) + timedelta(minutes=6)
    payment = RecordPayment(plan_id="P-1", reference="bank-1", amount=usd("1.00"), paid_at=OPENED_ON, kind="regular")
    calls: dict[str, Callable[[], object]] = {
        "payment": lambda: ledger.record_payment(
            "P-1", reference="bank-1", amount=usd("1.00"), paid_at=OPENED_ON, recorded_at=ahead
        ),
        "batch": lambda: _raised(ledger.execute_all([(payment, Metadata(recorded_at=ahead))])[0]),
        "atomic": lambda: ledger.execute_all([(payment, Metadata(recorded_at=ahead))], atomic=True),
        "closing": lambda: ledger.close_books(through=date(2023, 5, 20), recorded_at=ahead),
        "receipt": lambda: ledger.receive_unallocated(
            "r-1", amount=usd("1.00"), received_at=OPENED_ON, reason="unknown", recorded_at=ahead
        ),
    }
    with pytest.raises(InvalidArgument, match=r"recorded_at.*up to now, 20.* by the clock of the ledger"):
        calls[command]()
    assert len(ledger.history("P-1")) == before
    assert ledger.receipts() == ()


def _raised(decided: object) -> None:
    assert isinstance(decided, LedgerError)
    raise decided


@pytest.mark.parametrize(("ahead", "accepted"), [(299, True), (300, True), (301, False)])
def test_clocks_may_differ_by_five_minutes(ahead: int, *, accepted: bool) -> None:
    """A stated instant up to five minutes after the clock is that of another machine's clock."""
    clock = Clock()
    with Ledger.open("memory://", clock=clock) as ledger:
        ledger.open_plan("P-1", investor="I-1", partner=None, terms=TERMS, opened_at=OPENED_ON)
        stated = clock.now + timedelta(seconds=ahead)
        options = {"reference": "bank-1", "amount": usd("1.00"), "paid_at": OPENED_ON}
        if accepted:
            (paid, *_) = ledger.record_payment("P-1", recorded_at=stated, **options)  # type: ignore[arg-type]
            assert paid.recorded_at == stated
        else:
            with pytest.raises(InvalidArgument):
                ledger.record_payment("P-1", recorded_at=stated, **options)  # type: ignore[arg-type]


@settings(max_examples=settings().max_examples // 4)
@given(
    batches=st.lists(
        st.lists(st.tuples(st.sampled_from(["P-1", "P-2"]), st.sampled_from([None, -3, 0])), min_size=1, max_size=4),
        min_size=1,
        max_size=6,
    ),
    keep=st.sampled_from([0, 5]),
)
def test_time_never_runs_back_in_a_stream(batches: list[list[tuple[str, int | None]]], keep: int) -> None:
    """Stated and stamped commands in one transaction, on plans that are kept or loaded, with a clock that goes on."""
    clock = Clock()

    def going_on() -> datetime:
        clock.now += LATE
        return clock.now

    with Ledger.open("memory://", clock=going_on) as ledger:
        handler = ledger.command_handler(keep=keep)
        for plan_id in ("P-1", "P-2"):
            opening = OpenPlan(plan_id=plan_id, investor="I", partner=None, terms=TERMS, opened_at=OPENED_ON)
            assert handler.execute([(opening, Metadata())])[0]
        for number, batch in enumerate(batches):
            commands: list[tuple[AnyCommand, Metadata]] = []
            for index, (plan_id, stated) in enumerate(batch):
                at = None if stated is None else clock.now + timedelta(days=stated)
                payment = RecordPayment(
                    plan_id=plan_id,
                    reference=f"bank-{number}-{index}",
                    amount=usd("1.00"),
                    paid_at=OPENED_ON,
                    kind="regular",
                )
                commands.append((payment, Metadata(recorded_at=at)))
            began = clock.now
            for (_, metadata), decided in zip(commands, handler.execute(commands), strict=True):
                assert not isinstance(decided, LedgerError)
                if metadata.recorded_at is None:
                    assert all(event.recorded_at > began for event in decided)
        for plan_id in ("P-1", "P-2"):
            stamps = [event.recorded_at for event in ledger.history(plan_id)]
            assert stamps == sorted(stamps)
        assert ledger.verify().differences == ()


def test_a_dry_run_and_a_repetition_stamp_nothing(ledger: Ledger) -> None:
    """Neither is recorded; the recorded instant of the first time stays."""
    open_plan(ledger)
    (first, *_) = ledger.record_payment("P-1", reference="bank-1", amount=usd("150.00"), paid_at=OPENED_ON)
    assert first.recorded_at > RECORDED_AT
    assert pay(ledger, OPENED_ON, "bank-1") == ()
    (dry, *_) = ledger.record_payment("P-1", reference="x", amount=usd("1.00"), paid_at=OPENED_ON, dry_run=True)
    assert dry.sequence == 0
    assert ledger.history("P-1")[1] == first
