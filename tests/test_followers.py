"""Followers: one of several works, the next one takes its place, and nothing is lost or doubled."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Event, Thread

import pytest

from ledger import Ledger, NotCaughtUp
from tests import workers
from tests.crash_worker import Place, answers
from tests.examples import OPENED_ON, open_plan, pay
from tests.processes import Forked, forked, until

AT_WORK = "following"


@pytest.fixture
def place(shared_url: str, name: str) -> Place:
    """The place of a fresh ledger in each store that processes share."""
    return Place(shared_url, name)


@pytest.fixture
def reader(place: Place) -> Iterator[Ledger]:
    """A node that writes, and reads what followers have brought."""
    with Ledger.open(place.url, name=place.name, catch_up=False) as opened:
        yield opened


def _one_at_work(followers: list[Forked], seconds: float = 20) -> Forked:
    """Return the follower that says that it works."""

    def heard() -> Forked | None:
        for follower in followers:
            while follower.pipe.poll():
                if follower.hear() == AT_WORK:
                    return follower
        return None

    found = until(heard, seconds)
    assert isinstance(found, Forked)
    return found


def test_of_several_followers_one_works_and_another_takes_its_place(reader: Ledger, place: Place) -> None:
    """Killed one after another while payments arrive: one is at work at any time, and lists are right at the end."""
    open_plan(reader)
    with ExitStack() as stack:
        followers = list(stack.enter_context(forked(workers.follow, place, 0.05, times=3)))
        (payer,) = stack.enter_context(forked(workers.keep_paying, place, ["P-1"]))
        assert payer.hear() == "ready"
        while followers:
            at_work = _one_at_work(followers)
            last = reader._store.last_sequence()
            assert reader.wait(last) >= last
            with reader._store.tables.alone() as alone:
                assert not alone()
            assert not any(other.pipe.poll() for other in followers), "nobody else says that it works"
            at_work.kill()
            followers.remove(at_work)
        payer.say("stop")
        payer.hear()
    with reader._store.tables.alone() as alone:
        assert alone()
    behind = reader._store.tables.views()[0].reached
    with forked(workers.follow, place, 0.05) as (follower,):
        last = reader._store.last_sequence()
        assert reader.wait(last) == last >= behind
        follower.say("stop")
        assert follower.end() == 0
    assert reader.verify().differences == ()
    with place.open() as caught_up:
        assert answers(reader) == answers(caught_up)


def test_a_follower_that_stops_makes_room_at_once(reader: Ledger, place: Place) -> None:
    """A follower that is told to stop leaves in order; another that starts goes on."""
    for plan_id in ("P-1", "P-2"):
        (opened,) = open_plan(reader, plan_id)
        with forked(workers.follow, place, 0.05) as (follower,):
            _one_at_work([follower])
            assert reader.wait(opened.sequence) == opened.sequence
            follower.say("stop")
            assert follower.end() == 0


def test_without_a_follower_reading_what_one_wrote_says_so(reader: Ledger) -> None:
    """Nobody follows: `wait` gives up with how far the lists have come, and what to check."""
    (opened,) = open_plan(reader)
    with pytest.raises(NotCaughtUp, match="check that a follower is running") as caught:
        reader.wait(opened.sequence, timeout=0.05)
    assert (caught.value.wanted, caught.value.reached) == (opened.sequence, 0)
    assert reader.overdue(as_of=OPENED_ON) == ()


def test_lists_stay_as_a_follower_left_them(reader: Ledger, place: Place) -> None:
    """A reader that does not catch up answers as of the checkpoint; one that does brings everybody along."""
    open_plan(reader)
    assert (reader.portfolio(as_of=OPENED_ON), reader.status(max_lag=0).problems != ()) == ((), True)
    with place.open() as other:
        assert len(other.portfolio(as_of=OPENED_ON)) == 1
    assert (len(reader.portfolio(as_of=OPENED_ON)), reader.status(max_lag=0).problems) == (1, ())


def test_postgres_wakes_its_follower_at_once(postgres_url: str, name: str) -> None:
    """News reach the lists long before the follower would look by itself."""
    place = Place(postgres_url, name)
    with (
        Ledger.open(postgres_url, name=name, catch_up=False) as reader,
        forked(workers.follow, place, 300.0) as (follower,),
    ):
        _one_at_work([follower])
        open_plan(reader)
        for number in range(5):
            paid = pay(reader, OPENED_ON, f"bank-{number}")
            begun = time.monotonic()
            assert reader.wait(paid[-1].sequence, timeout=30) >= paid[-1].sequence
            assert time.monotonic() - begun < 30
            assert reader.portfolio(as_of=OPENED_ON)[0].paid.minor == 15_000 * (number + 1)


def test_a_follower_in_a_thread_stops_soon(place: Place, reader: Ledger) -> None:
    """A service may follow in a thread of its own; `progress` tells how far it has come."""
    (opened,) = open_plan(reader)
    told: list[tuple[int, int]] = []
    stop = Event()
    with place.open() as ledger:
        thread = Thread(
            target=lambda: ledger.follow(stop=stop, every=0.05, progress=lambda *done: told.append(done)), daemon=True
        )
        thread.start()
        reader.wait(opened.sequence)
        stop.set()
        thread.join(20)
        assert not thread.is_alive()
    assert told[-1] == (opened.sequence, opened.sequence)
