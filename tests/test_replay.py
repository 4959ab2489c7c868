"""Replay and readers: plans in pages and partitions, as of a sequence, as known at an instant, in other processes."""

from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import chain
from multiprocessing import get_context
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import InvalidArgument, Ledger, StoreUnavailable
from ledger.events import KINDS, PLAN
from ledger.events.codec import Codec
from ledger.replay import replay, replay_plans
from ledger.store import Partition, ReaderAddress, open_reader, open_store
from tests.examples import OPENED_ON, RECORDED_AT, open_plan, pay

PLANS = [f"P-{number}" for number in range(7)]


@pytest.fixture
def books(ledger: Ledger) -> Ledger:
    """A ledger of seven plans with one to three payments, in any store."""
    for number, plan_id in enumerate(PLANS):
        open_plan(ledger, plan_id)
        for payment in range(number % 3 + 1):
            pay(ledger, OPENED_ON, f"bank-{payment}", amount="1.00", plan_id=plan_id)
    return ledger


@pytest.mark.parametrize("number", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("page", [1, 2, 500])
def test_partitions_hold_every_plan_once(books: Ledger, number: int, page: int) -> None:
    """Split in any number of ranges and read in pages of any size, every plan is there once, in order."""
    partitions = books._store.partitions(number)
    assert len(partitions) == min(number, len(PLANS))
    found = [one for part in partitions for some in replay(books._store, within=part, page=page) for one in some]
    assert [one.plan_id for one in found] == PLANS
    for one in found:
        assert one.plan is not None
        assert one.plan.version == len(books.history(one.plan_id))


def test_an_empty_ledger_has_one_partition(ledger: Ledger) -> None:
    """There is nothing to split."""
    assert ledger._store.partitions(4) == [Partition("", None)]
    assert list(replay(ledger._store)) == []


def test_raw_events_are_the_exact_bytes(books: Ledger) -> None:
    """Raw rows and decoded events are the same events: encoded again, they are the bytes that are stored."""
    raw, events = books._store.raw_events(after=0, limit=1_000), list(books.events())
    assert list(books._store.decoded(raw)) == events
    assert [Codec().encode(event) for event in events] == [(one.tag, one.state) for one in raw]
    assert {(one.kind, one.stream_id) for one in raw} == {(PLAN, plan_id) for plan_id in PLANS}
    histories = books._store.raw_histories([*PLANS, "nobody"])
    assert histories.pop("nobody") == []
    assert sorted(chain(*histories.values())) == raw


def test_a_reader_ends_at_its_sequence(books: Ledger) -> None:
    """A reader as of a sequence shows what the ledger held then, whatever is recorded afterwards."""
    events = list(books.events())
    for through in (0, 1, events[4].sequence, events[-1].sequence):
        reader = books._store.at(through)
        expected = [event for event in events if event.sequence <= through]
        assert reader.events(after=0, limit=1_000) == expected
        assert reader.last_sequence() == through
        plans = [one.plan for page in replay(reader) for one in page if one.plan]
        assert sum(plan.version for plan in plans) == len(expected)
    pay(books, OPENED_ON, "bank-9", plan_id="P-0")
    assert books._store.at(events[-1].sequence).events(after=0, limit=1_000) == events


@given(data=st.data())
def test_as_known_at_an_instant_a_replay_has_a_prefix(data: st.DataObject) -> None:
    """What was known is a prefix of each stream; a plan of which nothing was known is left out."""
    instants = data.draw(st.lists(st.integers(0, 50), min_size=1, max_size=10).map(sorted))
    known_at = datetime(2024, 1, 1, 0, 0, data.draw(st.integers(0, 50)), tzinfo=UTC)
    with Ledger.open("memory://") as ledger:
        (template,) = open_plan(ledger, "P-template")
        for number, second in enumerate(instants):
            at = datetime(2024, 1, 1, 0, 0, second, tzinfo=UTC)
            ledger._store.append([attrs.evolve(template, stream_id=f"P-{number}", recorded_at=at, sequence=0)])
        found = [one.plan_id for page in replay(ledger._store, known_at=known_at) for one in page]
        assert found == sorted(f"P-{number}" for number, second in enumerate(instants) if second <= known_at.second)
    assert known_at < RECORDED_AT


def _count(address: ReaderAddress, within: Partition) -> tuple[int, int]:
    """Count plans and events of a partition: run in another process."""
    with open_reader(address) as reader:
        plans = [one.plan for page in replay(reader, within=within, page=2) for one in page if one.plan]
    return len(plans), sum(plan.version for plan in plans)


def test_a_reader_is_opened_again_in_another_process(shared_url: str, name: str) -> None:
    """From its address, two processes read partitions as of one sequence while others write."""
    with Ledger.open(shared_url, name=name) as ledger:
        for plan_id in PLANS:
            open_plan(ledger, plan_id)
            pay(ledger, OPENED_ON, "bank-1", amount="1.00", plan_id=plan_id)
        reader = ledger._store.at(ledger._store.last_sequence())
        events = len(list(ledger.events()))
        open_plan(ledger, "P-later")
        pay(ledger, OPENED_ON, "bank-2", plan_id="P-0")
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            parts = list(pool.map(_count, [reader.address()] * 2, reader.partitions(2)))
    assert (sum(plans for plans, _ in parts), sum(found for _, found in parts)) == (len(PLANS), events)
    assert all(plans for plans, _ in parts)


def test_an_address_keeps_its_password_to_itself(tmp_path: Any) -> None:
    """A URL may hold a password: an address does not print it. A ledger in memory has no address."""
    assert "hunter2" not in repr(ReaderAddress("postgresql://app:hunter2@h/db", "books", 7))
    with Ledger.open("memory://") as ledger, pytest.raises(InvalidArgument, match="another process"):
        ledger._store.address()
    missing = ReaderAddress(f"sqlite:///{tmp_path}/none.db", "books", 1)
    with pytest.raises(StoreUnavailable, match="does not exist"), open_reader(missing):
        pass


# ---- kinds of streams


def test_streams_of_another_kind_are_no_plans(shared_url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans are counted, paged and caught up by kind; another kind has its own ids, versions and no plan."""
    monkeypatch.setattr("ledger.events.recorded.KINDS", (*KINDS, "account"))
    with Ledger.open(shared_url, name=name) as ledger:
        (opened,) = open_plan(ledger, "P-1")
        assert len(ledger.overdue(as_of=OPENED_ON)) == 0
        account = attrs.evolve(opened, kind="account", sequence=0)
        (recorded,) = ledger._store.append([account])
        with pytest.raises(AttributeError, match="account P-1"):
            _ = recorded.plan_id
        assert ledger._store.count() == ledger._store.count(kind="account") == 1
        assert ledger._store.stream_ids(kind="account", limit=9) == ["P-1"]
        assert len(ledger._store.raw_histories(["P-1"])["P-1"]) == 1
        assert len(ledger._store.raw_histories(["P-1"], kind="account")["P-1"]) == 1
        assert ledger.wait(recorded.sequence) == recorded.sequence
        assert ledger.portfolio(as_of=OPENED_ON)[0].plans == 1
        assert ledger.rebuild().differences == ()
        assert len(ledger.history("P-1")) == 1


def test_events_of_several_streams_are_recorded_together_or_not_at_all(url: str, name: str) -> None:
    """An append to two streams of which one has the version already records nothing of either."""
    store = open_store(url, name)
    try:
        with Ledger.open("memory://") as other:
            (opened,) = open_plan(other)
        store.append([opened])
        with pytest.raises(Exception, match="changed by other writers"):
            store.append([attrs.evolve(opened, stream_id="P-2"), opened])
        assert store.stream_ids(limit=9) == ["P-1"]
        assert replay_plans(store, ["P-2"]) == []
    finally:
        store.close()
