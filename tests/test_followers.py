"""Followers: one of several works, the next one takes its location, and nothing is lost or doubled."""

from collections.abc import Iterator
from contextlib import ExitStack
from threading import Event, Thread

import pytest

from ledger import Ledger, NotCaughtUp
from tests import workers
from tests.crash_worker import Location, answers
from tests.examples import OPENED_ON, open_plan, pay
from tests.processes import Forked, forked, until

LEADS = "following"


@pytest.fixture
def location(shared_url: str, name: str) -> Location:
    """The location of a fresh ledger in each store that processes share."""
    return Location(shared_url, name)


@pytest.fixture
def reader(location: Location) -> Iterator[Ledger]:
    """A node that writes, and reads what followers have brought."""
    with Ledger.open(location.url, name=location.name, catch_up=False) as opened:
        yield opened


def _leader(followers: list[Forked], seconds: float = 20) -> Forked:
    """Return the follower that says that it works."""

    def find_leader() -> Forked | None:
        for follower in followers:
            while follower.pipe.poll():
                if follower.receive() == LEADS:
                    return follower
        return None

    found = until(find_leader, seconds)
    assert isinstance(found, Forked)
    return found


def test_of_several_followers_one_works_and_another_takes_its_place(reader: Ledger, location: Location) -> None:
    """Killed one after another while payments arrive: one is at work at any time, and lists are right at the end."""
    open_plan(reader)
    with ExitStack() as stack:
        followers = list(stack.enter_context(forked(workers.follow, location, 0.05, times=3)))
        (payer,) = stack.enter_context(forked(workers.keep_paying, location, ["P-1"]))
        assert payer.receive() == "ready"
        while followers:
            leader = _leader(followers)
            last = reader._store.last_sequence()
            assert reader.wait(last) >= last
            with reader._store.views.leader_lock() as leads:
                assert not leads()
            assert not any(other.pipe.poll() for other in followers), "nobody else says that it works"
            leader.kill()
            followers.remove(leader)
        payer.send("stop")
        payer.receive()
    with reader._store.views.leader_lock() as leads:
        assert leads()
    behind = reader._store.views.generations()[0].reached
    with forked(workers.follow, location, 0.05) as (follower,):
        last = reader._store.last_sequence()
        assert reader.wait(last) == last >= behind
        follower.send("stop")
        assert follower.end() == 0
    assert reader.verify().differences == ()
    with location.open() as caught_up:
        assert answers(reader) == answers(caught_up)


def test_a_follower_that_stops_makes_room_at_once(reader: Ledger, location: Location) -> None:
    """A follower that is told to stop leaves in order; another that starts goes on."""
    for plan_id in ("P-1", "P-2"):
        (opened,) = open_plan(reader, plan_id)
        with forked(workers.follow, location, 0.05) as (follower,):
            _leader([follower])
            assert reader.wait(opened.sequence) == opened.sequence
            follower.send("stop")
            assert follower.end() == 0


def test_without_a_follower_reading_what_one_wrote_says_so(reader: Ledger) -> None:
    """Nobody follows: `wait` gives up with how far the lists have come, and what to check."""
    (opened,) = open_plan(reader)
    with pytest.raises(NotCaughtUp, match="check that a follower is running") as caught:
        reader.wait(opened.sequence, timeout=0.05)
    assert (caught.value.wanted, caught.value.reached) == (opened.sequence, 0)
    with pytest.raises(NotCaughtUp):
        reader.overdue(as_of=OPENED_ON)


def test_lists_stay_as_a_follower_left_them(reader: Ledger, location: Location) -> None:
    """A reader that does not catch up answers as of the checkpoint; one that does moves it for everybody."""
    with location.open() as other:
        assert other.portfolio() == ()
        open_plan(reader)
        assert (reader.portfolio(as_of=OPENED_ON), reader.status(max_lag=0).problems != ()) == ((), True)
        assert len(other.portfolio(as_of=OPENED_ON)) == 1
    assert (len(reader.portfolio(as_of=OPENED_ON)), reader.status(max_lag=0).problems) == (1, ())


def test_a_follower_that_waits_long_stops_soon(ledger: Ledger) -> None:
    """A follower that is to stop does not first wait for its next poll, an hour later."""
    stop = Event()
    thread = Thread(target=lambda: ledger.follow(stop=stop, every=3_600), daemon=True)
    thread.start()
    stop.set()
    thread.join(60)
    assert not thread.is_alive()


def test_postgres_wakes_its_follower_at_once(postgres_url: str, name: str) -> None:
    """Events reach the lists long before the follower would poll by itself, five minutes later."""
    location = Location(postgres_url, name)
    with (
        Ledger.open(postgres_url, name=name, catch_up=False) as reader,
        forked(workers.follow, location, 300.0) as (follower,),
    ):
        _leader([follower])
        open_plan(reader)
        for number in range(5):
            paid = pay(reader, OPENED_ON, f"bank-{number}")
            assert reader.wait(paid[-1].sequence, timeout=60) >= paid[-1].sequence
            assert reader.portfolio(as_of=OPENED_ON)[0].paid.minor == 15_000 * (number + 1)


def test_a_follower_in_a_thread_stops_soon(location: Location, reader: Ledger) -> None:
    """A service may follow in a thread of its own; `progress` tells how far it has come."""
    (opened,) = open_plan(reader)
    told: list[tuple[int, int]] = []
    stop = Event()
    with location.open() as ledger:
        thread = Thread(
            target=lambda: ledger.follow(stop=stop, every=0.05, progress=lambda *done: told.append(done)), daemon=True
        )
        thread.start()
        reader.wait(opened.sequence)
        stop.set()
        thread.join(20)
        assert not thread.is_alive()
    assert told[-1] == (opened.sequence, opened.sequence)
