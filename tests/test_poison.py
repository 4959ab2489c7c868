"""An event that cannot be: it stops its view and its plan, nothing else, and names itself."""

from collections.abc import Iterator
from datetime import date
from threading import Event

import pytest

from ledger import CorruptHistory, Ledger
from ledger.readmodel import runner
from tests import crash_worker
from tests.examples import OPENED_ON, open_plan, pay
from tests.raw_sql import change

POISONS = {
    "a newer version": (
        "UPDATE books_events SET tag = 'payment_made.v9' WHERE plan_id = 'P-bad' AND version = 2",
        "UPDATE books_events SET tag = 'payment_made.v1' WHERE plan_id = 'P-bad' AND version = 2",
        r"Plan P-bad, version 2 \(payment_made.v9\).*written by a newer version of this library: upgrade",
    ),
    "an edited amount": (
        "UPDATE books_events SET state = replace({state}, '15000', '-5') WHERE plan_id = 'P-bad' AND version = 2",
        "UPDATE books_events SET state = replace({state}, '-5', '15000') WHERE plan_id = 'P-bad' AND version = 2",
        r"Plan P-bad, version 2 \(payment_made.v1\)",
    ),
    "a version that is missing": (
        "UPDATE books_events SET version = 20 WHERE plan_id = 'P-bad' AND version = 2",
        "UPDATE books_events SET version = 2 WHERE plan_id = 'P-bad' AND version = 20",
        r"Plan P-bad, version 20 .*version 2 is missing",
    ),
}


def _edit(ledger: Ledger, sql: str) -> None:
    if "SQLite" in ledger._store.label:
        change(
            ledger, sql.replace("replace({state}", "CAST(replace(CAST(state AS TEXT)").replace("') W", "') AS BLOB) W")
        )
    else:
        converted = sql.replace("replace({state}", "convert_to(replace(convert_from(state, 'UTF8')")
        change(ledger, converted.replace("') W", "'), 'UTF8') W"))


@pytest.fixture
def books(shared_url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """A ledger of nine plans whose lists are taken in, then one more plan with a payment, and another."""
    monkeypatch.setattr(runner, "_BATCH", 10)
    place = crash_worker.Place(shared_url, name)
    crash_worker.prepare(place, "rebuild")
    with place.open() as ledger:
        open_plan(ledger, "P-before")
        open_plan(ledger, "P-bad")
        pay(ledger, OPENED_ON, "bank-1", plan_id="P-bad")
        open_plan(ledger, "P-after")
        yield ledger


@pytest.mark.parametrize("poison", POISONS)
def test_a_poisoned_event_stops_its_view_and_its_plan_alone(books: Ledger, poison: str) -> None:
    """Everything before it is taken in, `status` names it, other plans go on; repaired, catching up goes on."""
    spoil, repair, named = POISONS[poison]
    before = next(event.sequence for event in books.events() if (event.plan_id, event.version) == ("P-bad", 2))
    _edit(books, spoil)
    with pytest.raises(CorruptHistory, match=named):
        books.overdue()
    (view,) = books.status().views
    assert (view.reached, view.live) == (before - 1, True)
    (problem,) = books.status().problems
    assert f"View periods_1 has stopped at {before - 1}: Plan P-bad" in problem

    for call in (
        lambda: books.follow(stop=Event(), every=0.01),
        lambda: pay(books, OPENED_ON, "bank-2", plan_id="P-bad"),
        lambda: books.statement("P-bad"),
        lambda: books.wait(before),
    ):
        with pytest.raises(CorruptHistory, match="P-bad"):
            call()
    assert pay(books, OPENED_ON, "bank-9", plan_id="P-after")
    assert pay(books, date(2023, 10, 10), "bank-9", plan_id="P-8")
    assert books.statement("P-after")
    assert books.position("P-before", as_of=OPENED_ON).status == "active"

    _edit(books, repair)
    last = books._store.last_sequence()
    assert books.wait(last) == last
    assert books.status().problems == ()
    assert {position.plan_id for position in books.positions(as_of=OPENED_ON)} >= {"P-before", "P-bad", "P-after"}
    assert books.verify().differences == ()


@pytest.mark.parametrize("poison", POISONS)
def test_a_rebuild_stops_at_a_poisoned_event_and_goes_on_when_it_is_repaired(books: Ledger, poison: str) -> None:
    """The next generation cannot be filled, `status` says why, and the live one answers on."""
    expected = books.portfolio(as_of=OPENED_ON)
    spoil, repair, _ = POISONS[poison]
    _edit(books, spoil)
    with pytest.raises(CorruptHistory, match="P-bad"):
        books.rebuild()
    assert books.portfolio(as_of=OPENED_ON) == expected
    (problem,) = books.status().problems
    assert "View periods_2" in problem
    assert "P-bad" in problem
    _edit(books, repair)
    assert books.rebuild().differences == ()
    assert books.status().problems == ()
    assert [(view.name, view.live) for view in books.status().views] == [("periods_2", True)]


def test_lists_that_are_filled_for_the_first_time_hold_what_came_before_the_poison(shared_url: str, name: str) -> None:
    """A ledger whose lists nobody has read yet: they are filled as far as the event, and readers get that far."""
    with Ledger.open(shared_url, name=name) as books:
        open_plan(books, "P-before")
        open_plan(books, "P-bad")
        pay(books, OPENED_ON, "bank-1", plan_id="P-bad")
        _edit(books, POISONS["a newer version"][0])
        with pytest.raises(CorruptHistory, match="P-bad"):
            books.overdue(as_of=date(2023, 4, 20))
        with Ledger.open(shared_url, name=name, catch_up=False) as reader:
            assert [row.plan_id for row in reader.overdue(as_of=date(2023, 4, 20))] == ["P-bad", "P-before"]


def test_a_reader_answers_on_as_far_as_the_poison(books: Ledger, shared_url: str, name: str) -> None:
    """Where a follower has stopped, lists that do not catch up answer from what was taken in before."""
    _edit(books, POISONS["a newer version"][0])
    with pytest.raises(CorruptHistory):
        books.follow(stop=Event(), every=0.01)
    with Ledger.open(shared_url, name=name, catch_up=False) as reader:
        plans = {row.plan_id for row in reader.overdue(as_of=date(2023, 4, 20))}
        assert "P-before" in plans
        assert "P-after" not in plans
        assert reader.verify().differences == ()
