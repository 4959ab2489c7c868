"""Quarantine: a plan whose history cannot be read is left out and named; it stops no list, follower or other plan."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from threading import Event, Thread
from typing import Any, NamedTuple

import attrs
import pytest

from ledger import CorruptHistory, Ledger, PlanTable, Projection
from ledger.plan import Plan
from ledger.readmodel import runner
from tests import crash_worker
from tests.examples import OPENED_ON, RECORDED_AT, open_plan, pay
from tests.raw_sql import change

IN_GRACE = date(2023, 4, 20)


class Damage(NamedTuple):
    """How the history of P-bad is damaged, how that is repaired, and how it is named."""

    spoil: str
    repair: str
    named: str


DAMAGES = {
    "an unknown event": Damage(
        "UPDATE books_events SET tag = 'payment_made.v9' WHERE stream_id = 'P-bad' AND version = 2",
        "UPDATE books_events SET tag = 'payment_made.v1' WHERE stream_id = 'P-bad' AND version = 2",
        r"plan P-bad, version 2 \(payment_made.v9\)",
    ),
    "an edited amount": Damage(
        "UPDATE books_events SET state = replace({state}, '15000', '-5') WHERE stream_id = 'P-bad' AND version = 2",
        "UPDATE books_events SET state = replace({state}, '-5', '15000') WHERE stream_id = 'P-bad' AND version = 2",
        r"plan P-bad, version 2 \(payment_made.v1\)",
    ),
    "a missing version": Damage(
        "UPDATE books_events SET version = 20 WHERE stream_id = 'P-bad' AND version = 2",
        "UPDATE books_events SET version = 2 WHERE stream_id = 'P-bad' AND version = 20",
        r"plan P-bad, version \d+ .*: version 2 is missing",
    ),
}


def _edit(ledger: Ledger, sql: str) -> None:
    if "SQLite" in ledger._store.label:
        sql = sql.replace("replace({state}", "CAST(replace(CAST(state AS TEXT)").replace("') W", "') AS BLOB) W")
    else:
        sql = sql.replace("replace({state}", "convert_to(replace(convert_from(state, 'UTF8')")
        sql = sql.replace("') W", "'), 'UTF8') W") if "convert_to" in sql else sql
    change(ledger, sql)


@pytest.fixture
def books(shared_url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """A ledger of nine plans in the lists, then three more, one of them P-bad, which the lists have not yet seen."""
    monkeypatch.setattr(runner, "_BATCH", 10)
    location = crash_worker.Location(shared_url, name)
    crash_worker.prepare(location, "rebuild")
    with location.open() as ledger:
        open_plan(ledger, "P-before")
        open_plan(ledger, "P-bad")
        pay(ledger, OPENED_ON, "bank-1", plan_id="P-bad")
        open_plan(ledger, "P-after")
        yield ledger


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_plan_that_cannot_be_read_is_left_out_and_named(books: Ledger, damage: Damage) -> None:
    """Every list answers without it and names it, `status` too; its own commands stop; repaired, it is back."""
    _edit(books, damage.spoil)
    for answer in (books.overdue(as_of=IN_GRACE), books.balances(), books.portfolio(), books.positions()):
        assert [one.plan_id for one in answer.quarantined] == ["P-bad"]
    plans = {row.plan_id for row in books.overdue(as_of=IN_GRACE)}
    assert {"P-before", "P-after"} <= plans
    assert "P-bad" not in plans
    (problem,) = books.status().problems
    assert problem.startswith("periods_1 leaves out plan P-bad")
    assert re.search(damage.named, problem)
    (left_out,) = books.status().read_models[0].quarantined
    assert left_out.plan_id == "P-bad"
    for call in (lambda: pay(books, OPENED_ON, "bank-2", plan_id="P-bad"), lambda: books.statement("P-bad")):
        with pytest.raises(CorruptHistory, match="P-bad"):
            call()
    last = pay(books, OPENED_ON, "bank-9", plan_id="P-after")[-1].sequence
    assert books.wait(last) == last
    found = books.verify()
    assert (found.differences, [one.plan_id for one in found.quarantined]) == ((), ["P-bad"])

    _edit(books, damage.repair)
    assert books.overdue(as_of=IN_GRACE).quarantined == ()
    assert "P-bad" in {position.plan_id for position in books.positions(as_of=OPENED_ON)}
    assert books.status().problems == ()
    assert books.verify().differences == ()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_plan_that_was_in_the_lists_leaves_them(books: Ledger, damage: Damage) -> None:
    """Damaged after it was listed, and touched by another event: its rows and its part of the totals go."""
    before = books.portfolio(as_of=OPENED_ON)[0]
    _edit(books, damage.spoil)
    books._store.append([_next_payment(books)])
    after = books.portfolio(as_of=OPENED_ON)
    assert (after[0].plans, [one.plan_id for one in after.quarantined]) == (before.plans - 1, ["P-bad"])
    assert "P-bad" not in {row.plan_id for row in books.positions(as_of=OPENED_ON)}
    assert books.verify().differences == ()


@pytest.mark.parametrize("damage", [*DAMAGES.values(), None], ids=[*DAMAGES, "all events removed"])
def test_positions_name_a_plan_that_was_damaged_since_it_was_listed(books: Ledger, damage: Damage | None) -> None:
    """They are replayed: without its row, the answer would look whole. The other lists answer from their rows."""
    before = [position.plan_id for position in books.positions(as_of=OPENED_ON)]
    _edit(books, "DELETE FROM books_events WHERE stream_id = 'P-bad'" if damage is None else damage.spoil)
    after = books.positions(as_of=OPENED_ON)
    assert [position.plan_id for position in after] == [plan_id for plan_id in before if plan_id != "P-bad"]
    (left_out,) = after.quarantined
    assert left_out.plan_id == "P-bad"
    assert damage is not None or left_out.reason == "its events are missing"


def _next_payment(books: Ledger) -> Any:
    """Return one more event of P-bad, as a node would record it that had loaded the plan before."""
    (template, *_) = pay(books, OPENED_ON, "bank-7", plan_id="P-before")
    return attrs.evolve(template, stream_id="P-bad", version=4, sequence=0)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_rebuild_leaves_out_what_it_cannot_read(books: Ledger, damage: Damage) -> None:
    """The next generation is built, verified and promoted without the plan, and names it."""
    expected = books.portfolio(as_of=OPENED_ON)[0].plans
    _edit(books, damage.spoil)
    found = books.rebuild()
    assert (found.differences, [one.plan_id for one in found.quarantined]) == ((), ["P-bad"])
    assert [(one.name, one.live) for one in books.status().read_models] == [("periods_2", True)]
    assert books.portfolio(as_of=OPENED_ON)[0].plans == expected - 1
    _edit(books, damage.repair)
    assert books.portfolio(as_of=OPENED_ON)[0].plans == expected


def test_a_first_generation_is_built_around_a_damaged_plan(shared_url: str, name: str) -> None:
    """A ledger whose lists nobody has asked for yet: they are there, without the plan."""
    with Ledger.open(shared_url, name=name) as books:
        for plan_id in ("P-before", "P-bad", "P-later"):
            open_plan(books, plan_id)
        pay(books, OPENED_ON, "bank-1", plan_id="P-bad")
        _edit(books, DAMAGES["an unknown event"].spoil)
        assert [row.plan_id for row in books.overdue(as_of=IN_GRACE)] == ["P-before", "P-later"]
        with Ledger.open(shared_url, name=name, catch_up=False) as reader:
            answer = reader.overdue(as_of=IN_GRACE)
            assert ([row.plan_id for row in answer], answer.quarantined[0].plan_id) == (
                ["P-before", "P-later"],
                "P-bad",
            )


def test_a_follower_goes_on_past_a_damaged_plan(books: Ledger, shared_url: str, name: str) -> None:
    """It keeps the lists of all other plans caught up."""
    _edit(books, DAMAGES["an edited amount"].spoil)
    stop = Event()
    thread = Thread(target=lambda: books.follow(stop=stop, every=0.01), daemon=True)
    thread.start()
    try:
        with Ledger.open(shared_url, name=name, catch_up=False) as reader:
            last = pay(books, OPENED_ON, "bank-9", plan_id="P-after")[-1].sequence
            assert reader.wait(last, timeout=60) >= last
            assert "P-after" in {row.plan_id for row in reader.positions(as_of=OPENED_ON)}
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize("known_at", [None, RECORDED_AT])
def test_a_question_about_the_past_names_what_it_leaves_out(books: Ledger, known_at: Any) -> None:
    """As known at an instant the answer comes from a replay, which leaves out the same plan."""
    _edit(books, DAMAGES["an unknown event"].spoil)
    answer = books.overdue(as_of=IN_GRACE, known_at=known_at)
    assert [one.plan_id for one in answer.quarantined] == ["P-bad"]
    assert "P-before" in {row.plan_id for row in answer}


def test_closing_goes_on_past_a_damaged_plan(ledger: Ledger) -> None:
    """The others are closed before the error of the damaged one is raised."""
    open_plan(ledger, "P-1")
    ledger.overdue()
    open_plan(ledger, "P-2")
    ledger._store.append([attrs.evolve(event, version=2, sequence=0) for event in ledger.history("P-2")])
    with pytest.raises(CorruptHistory, match="P-2"):
        ledger.close_books(through=OPENED_ON + timedelta(days=20))
    assert [type(event.event).__name__ for event in ledger.history("P-1")][1:] == ["PaymentMissed", "PlanCancelled"]


def _rows(plan: Plan) -> Mapping[str, list[tuple[str, int]]]:
    if plan.plan_id == "P-2":
        raise ZeroDivisionError("of P-2")
    return {"facts": [(plan.plan_id, len(plan.facts))]}


def test_an_error_in_a_projections_own_function_is_that_plans(url: str, name: str) -> None:
    """A function that fails for one plan leaves out that plan, with the error, and no other."""
    counted = Projection(
        name="counted",
        version=1,
        tables=(PlanTable(name="facts", columns={"plan_id": str, "facts": int}),),
        rows=_rows,
    )
    with Ledger.open(url, name=name, projections=[counted]) as ledger:
        for number in range(4):
            open_plan(ledger, f"P-{number}")
        read_model = ledger.read_model("counted")
        assert read_model.query("SELECT plan_id FROM {facts} ORDER BY plan_id") == [("P-0",), ("P-1",), ("P-3",)]
        (left_out,) = read_model.quarantined()
        assert (left_out.plan_id, left_out.reason) == ("P-2", "ZeroDivisionError: of P-2")
        assert any("counted_1 leaves out plan P-2" in problem for problem in ledger.status().problems)
