"""The contract of stores: `pytest --ledger-store my_module:factory` runs these tests on anybody's store.

`factory(name)` returns the store of the ledger `name`, creates it where it is missing, and opens the same one again
when it is called again, also in another process. A store that cannot do something names it in an attribute of its
factory: `factory.lacks = {"restart", "processes"}` for one in memory.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from importlib import import_module
from itertools import count
from typing import Any

import attrs
import pytest

from ledger.commands import ClosePlan, Metadata, OpenPlan, RecordPayment
from ledger.decide import decide
from ledger.errors import ConcurrentChange, InvalidArgument, StoreUnavailable
from ledger.events import RecordedEvent
from ledger.money import Money
from ledger.service import Ledger
from ledger.store import Generation, Insert, Quarantined, Statement, Store
from ledger.terms import PerUnit, PlanTerms

CAPABILITIES: Mapping[str, str] = {
    "events": "histories come back as they were recorded",
    "versions": "a version is recorded once",
    "atomicity": "events that are recorded together are recorded all or none",
    "tailing": "a reader that goes on from its last sequence misses nothing and reads nothing twice",
    "tables": "rows and checkpoint of a read model move together, exactly once, and its generations take turns",
    "snapshots": "several queries read the tables as of one instant",
    "restart": "a ledger that is opened again has the same events and answers",
    "processes": "several processes share a ledger",
}
"""The parts of the contract, by name."""

OPENED_ON = date(2023, 4, 10)
RECORDED_AT = datetime(2024, 1, 1, tzinfo=UTC)
_TERMS = PlanTerms(
    price=Money.of("3000.00", "USD"), shares=351_000, installments=20, release=PerUnit("49"), timezone="Europe/Moscow"
)
_TIMEOUT = 120
"""Seconds after which other processes count as hanging."""

_numbers = count(1)


@attrs.frozen
class StoreUnderTest:
    """A store as its factory makes it, found by the factory's name in other processes too."""

    target: str

    def __attrs_post_init__(self) -> None:
        for name in sorted(self.lacks - CAPABILITIES.keys()):
            raise InvalidArgument(argument="lacks", given=name, expected=f"some of {', '.join(CAPABILITIES)}")

    @property
    def lacks(self) -> frozenset[str]:
        """The parts of the contract that the store does not promise."""
        return frozenset(getattr(self._factory(), "lacks", ()))

    def open(self, name: str) -> Store:
        """Open the store of a ledger."""
        store: Store = self._factory()(name)
        return store

    def _factory(self) -> Callable[[str], Any]:
        module, _, name = self.target.partition(":")
        expected = "MODULE:FACTORY, such as my_module:factory"
        if not module or not name.isidentifier():
            raise InvalidArgument(argument="--ledger-store", given=self.target, expected=expected)
        try:
            factory = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            given = f"{self.target} ({error})"
            raise InvalidArgument(argument="--ledger-store", given=given, expected=expected) from error
        if not callable(factory):
            raise InvalidArgument(argument="--ledger-store", given=self.target, expected=expected)
        return factory  # type: ignore[no-any-return]  # anybody's


def promise(name: str) -> pytest.MarkDecorator:
    """Mark a test as one of a part of the contract."""
    return pytest.mark.ledger_store(name)


@pytest.fixture(autouse=True)
def _promised(request: pytest.FixtureRequest, ledger_store: StoreUnderTest) -> None:
    """Skip what the store does not promise."""
    mark = request.node.get_closest_marker("ledger_store")
    if mark is not None and mark.args[0] in ledger_store.lacks:
        pytest.skip(f"not run: the store lacks {mark.args[0]}")


@pytest.fixture
def ledger_name() -> str:
    """The name of a ledger that is not there yet."""
    return f"contract_{os.getpid()}_{next(_numbers)}"


@pytest.fixture
def store(ledger_store: StoreUnderTest, ledger_name: str) -> Iterator[Store]:
    """A store of an empty ledger."""
    opened = ledger_store.open(ledger_name)
    yield opened
    opened.close()


def story(plan_id: str = "P-1", *, payments: int = 2, before: Sequence[RecordedEvent] = ()) -> list[RecordedEvent]:
    """Return the events of a plan that is opened and paid on; or, on those before, of payments only."""
    metadata, events = Metadata(recorded_at=RECORDED_AT), list(before)
    if not events:
        opening = OpenPlan(plan_id=plan_id, investor="I-7", partner="N-3", terms=_TERMS, opened_at=OPENED_ON)
        events += decide((), opening, metadata)
    for number in range(payments):
        reference = f"bank-{len(events)}-{number}"
        amount = Money.of("1.00", "USD")
        payment = RecordPayment(plan_id=plan_id, reference=reference, amount=amount, paid_at=OPENED_ON, kind="regular")
        events += decide(events, payment, metadata)
    return events[len(before) :]


def _placed(events: Sequence[RecordedEvent]) -> list[RecordedEvent]:
    return [attrs.evolve(event, sequence=0) for event in events]


# ---- events


@promise("events")
def test_a_history_comes_back_as_it_was_recorded(store: Store) -> None:
    """The store returns what it was given, with increasing sequences above 0, and gives it back by stream."""
    events = story()
    recorded = list(store.append(events))
    assert _placed(recorded) == events
    sequences = [event.sequence for event in recorded]
    assert sequences == sorted(set(sequences))
    assert min(sequence or 0 for sequence in sequences) > 0
    assert store.history("P-1") == recorded
    assert store.histories(["P-1", "P-9"]) == {"P-1": recorded, "P-9": []}
    assert store.history("P-1", after=1, limit=1) == recorded[1:2]
    assert (store.stream_ids(limit=9), store.count()) == (["P-1"], 1)
    assert store.last_sequence() == recorded[-1].sequence


@promise("events")
def test_an_empty_ledger_is_empty(store: Store) -> None:
    """No event, no stream, and the last sequence is 0."""
    assert (store.events(after=0, limit=9), store.last_sequence(), store.count()) == ([], 0, 0)
    assert (store.history("P-1"), store.stream_ids(limit=9)) == ([], [])


@promise("events")
def test_a_ledger_answers_over_the_store(store: Store) -> None:
    """Commands, positions and lists work: the list of a day after the due date has the plan."""
    ledger = Ledger(store)
    store.append(story(payments=1))
    assert ledger.position("P-1", as_of=OPENED_ON).paid == Money.of("1.00", "USD")
    assert [row.plan_id for row in ledger.overdue(as_of=date(2023, 4, 20))] == ["P-1"]
    assert ledger.rebuild().differences == ()
    closing = ClosePlan(plan_id="P-1", through=date(2023, 4, 11))
    assert ledger.execute_all([(closing, Metadata(recorded_at=RECORDED_AT))])[0]


@promise("versions")
def test_a_taken_version_is_refused(store: Store) -> None:
    """The same version again is a concurrent change, and the history stays."""
    first = store.append(story(payments=0))
    with pytest.raises(ConcurrentChange):
        store.append(story(payments=0))
    assert store.history("P-1") == list(first)


@promise("atomicity")
def test_nothing_of_a_batch_is_recorded_if_one_version_is_taken(store: Store) -> None:
    """One version that is taken keeps every event of the batch out, those of other streams too."""
    store.append(story(payments=0))
    before = store.events(after=0, limit=99)
    with pytest.raises(ConcurrentChange):
        store.append([*story("P-2"), *story()])
    assert store.events(after=0, limit=99) == before
    assert (store.history("P-2"), store.last_sequence()) == ([], before[-1].sequence)


@promise("tailing")
def test_events_are_read_on_from_a_sequence(store: Store) -> None:
    """A reader that goes on from any sequence reads the rest, in pages of any size, once and in order."""
    for number in range(4):
        store.append(story(f"P-{number}", payments=1))
    whole = store.events(after=0, limit=99)
    for read in range(len(whole) + 1):
        after = whole[read - 1].sequence or 0 if read else 0
        assert store.events(after=after, limit=99) == whole[read:]
        assert store.events(after=after, limit=2) == whole[read : read + 2]
    early = store.at(whole[1].sequence or 0)
    assert early.events(after=0, limit=99) == whole[:2]


# ---- tables


def _things(number: int) -> Generation:
    return Generation("things", number, version=1, definition="d")


@promise("tables")
def test_rows_and_checkpoint_move_together(store: Store) -> None:
    """A generation moves on only from the checkpoint that was expected, and its rows with it."""
    views, begin = store.views, _things(1)
    table = f"{views.prefix}_things_1_rows"
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


@promise("tables")
def test_plans_go_into_quarantine_and_out_of_it_with_the_checkpoint(store: Store) -> None:
    """The quarantine of a generation moves in the same transaction, is counted, and goes with the generation."""
    views, begin = store.views, _things(1)
    views.create(begin, [])
    bad = [Quarantined(f"P-{number}", 2, "payment_made.v1", "edited") for number in range(3)]
    first = attrs.evolve(begin, reached=1)
    assert not views.advance(first, first, changes=(), quarantine=bad)
    assert views.quarantine(begin, limit=9) == []
    assert views.advance(begin, first, changes=(), quarantine=bad)
    again = attrs.evolve(bad[2], reason="again")
    assert not views.advance(first, first, changes=(), release=["P-1"]), "others have been put there since it was read"
    (counted,) = views.generations()
    assert views.advance(counted, first, changes=(), quarantine=[again], release=["P-1"])
    assert views.quarantine(first, limit=9) == [bad[0], again]
    assert views.quarantine(first, limit=1) == bad[:1]
    assert [one.quarantined for one in views.generations()] == [2]
    views.drop(first)
    views.create(begin, [])
    assert views.quarantine(begin, limit=9) == []


@promise("tables")
def test_one_generation_is_live_and_another_is_promoted(store: Store) -> None:
    """None is live until one is promoted; another is, once it has read as far; then the first is dropped."""
    views, (one, two, three) = store.views, [_things(number) for number in (1, 2, 3)]
    for each in (one, two, three):
        views.create(each, [f"CREATE TABLE IF NOT EXISTS {views.prefix}_{each.name}_rows (thing TEXT)"])

    def live() -> list[bool]:
        return [found.live for found in views.generations("things")]

    assert not any(live())
    assert not views.promote(_things(4), over=None, last=9), "it is not there"
    assert views.promote(one, over=None, last=9)
    assert not views.promote(two, over=None, last=9), "one is live"
    assert not views.promote(three, over=two, last=9), "two is not live"
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
    for gone in (one, three):
        views.drop(gone)
        with pytest.raises(StoreUnavailable):
            views.query(f"SELECT * FROM {views.prefix}_{gone.name}_rows")
    assert views.generations() == [attrs.evolve(two, reached=4, live=True)]


@promise("tables")
def test_a_generation_that_was_promoted_is_not_backfilled_any_more(store: Store) -> None:
    """A process that still builds what another has promoted changes nothing."""
    views, begin, half = store.views, _things(1), _things(2)
    views.create(begin, [])
    assert views.promote(begin, over=None, last=0)
    assert not views.advance(begin, attrs.evolve(begin, filled="P-1", target=7), changes=())
    views.create(half, [])
    assert views.advance(half, attrs.evolve(half, filled="P-1", target=7), changes=())
    assert not views.promote(half, over=attrs.evolve(begin, live=True), last=0), "it is half built"


@promise("snapshots")
def test_a_snapshot_stands_still(store: Store) -> None:
    """A snapshot reads everything as of one instant, whatever is written meanwhile."""
    views, begin = store.views, _things(1)
    table = f"{views.prefix}_things_1_rows"
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


# ---- a second opening, other processes


@promise("restart")
def test_what_is_recorded_is_there_after_a_restart(ledger_store: StoreUnderTest, ledger_name: str) -> None:
    """A ledger that is opened again has the same events and answers."""
    with closing(ledger_store.open(ledger_name)) as first:
        first.append(story())
        events, overdue = first.events(after=0, limit=99), Ledger(first).overdue(as_of=date(2023, 4, 20))
    with closing(ledger_store.open(ledger_name)) as second:
        assert second.events(after=0, limit=99) == events
        assert Ledger(second).overdue(as_of=date(2023, 4, 20)) == overdue
        assert overdue


@promise("restart")
def test_named_ledgers_have_nothing_in_common(ledger_store: StoreUnderTest, ledger_name: str) -> None:
    """Two ledgers of a store have the same plan id, their own events, sequences and lists."""
    names = (f"{ledger_name}_a", f"{ledger_name}_b")
    with closing(ledger_store.open(names[0])) as one, closing(ledger_store.open(names[1])) as two:
        one.append(story(payments=0))
        two.append(story(payments=1))
        assert (len(one.history("P-1")), len(two.history("P-1"))) == (1, 2)
        paid = [Ledger(each).portfolio(as_of=OPENED_ON)[0].paid.minor for each in (one, two)]
        assert paid == [0, 100]


def _together(processes: int, task: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Run a task in fresh processes at once, numbered from 0, and return their results in order."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(processes, mp_context=context) as pool:
        barrier = manager.Barrier(processes)
        futures = [pool.submit(task, number, barrier, *arguments) for number in range(processes)]
        return [future.result(timeout=_TIMEOUT) for future in futures]


def _open_and_write(number: int, barrier: Any, target: str, name: str) -> tuple[bool, int]:
    """Open the ledger at the same time as others, race for a version, then record a plan of one's own."""
    barrier.wait()
    with closing(StoreUnderTest(target).open(name)) as store:
        try:
            store.append(story(payments=0))
        except ConcurrentChange:
            won = False
        else:
            won = True
        for plan in range(10):
            store.append(story(f"P-{number}-{plan}", payments=plan % 3))
        return won, len(Ledger(store).overdue(as_of=date(2023, 4, 20)))


@promise("processes")
def test_processes_share_a_ledger(ledger_store: StoreUnderTest, ledger_name: str) -> None:
    """Two processes come up on an empty database, one wins a version, a third reads every event once and in order."""
    done = _together(3, _write_or_tail, ledger_store.target, ledger_name)
    tailed = done[2]
    assert sorted(won for won, _ in done[:2]) == [False, True]
    with closing(ledger_store.open(ledger_name)) as store:
        whole = store.events(after=0, limit=999)
        assert tailed == [event.sequence for event in whole]
        assert store.count() == 1 + 2 * 10
        assert len(Ledger(store).overdue(as_of=date(2023, 4, 20))) == store.count()


def _write_or_tail(number: int, barrier: Any, target: str, name: str) -> Any:
    if number < 2:
        return _open_and_write(number, barrier, target, name)
    barrier.wait()
    read: list[int] = []
    with closing(StoreUnderTest(target).open(name)) as store:
        wanted = 1 + 2 * sum(1 + plan % 3 for plan in range(10))
        while len(read) < wanted:
            read += [event.sequence or 0 for event in store.events(after=read[-1] if read else 0, limit=7)]
    return read
