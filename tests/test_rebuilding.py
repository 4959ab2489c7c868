"""Rebuilding and verifying: answers go on, and what is not equal to a replay never takes over."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Event

import pytest

from ledger import Ledger
from ledger.readmodel import runner
from tests import crash_worker
from tests.crash_worker import Place, answers
from tests.examples import OPENED_ON, open_plan, pay
from tests.raw_sql import change


class _CutOffError(Exception):
    """The work stops here."""


@pytest.fixture
def place(shared_url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The place of a ledger with nine plans, taken in."""
    monkeypatch.setattr(runner, "_BATCH", 20)
    monkeypatch.setattr(runner, "_PLANS", 2)
    made = Place(shared_url, name)
    crash_worker.prepare(made, "rebuild")
    return made


@pytest.fixture
def books(place: Place) -> Iterator[Ledger]:
    """The ledger there."""
    with place.open() as opened:
        yield opened


def _views(ledger: Ledger) -> list[tuple[str, bool]]:
    return [(view.name, view.live) for view in ledger._store.tables.views()]


# ---- rebuilding


def test_answers_go_on_during_rebuilds(place: Place, books: Ledger) -> None:
    """Two threads ask all the time while five rebuilds take over: every answer is the same, and none is an error."""
    expected, stop = answers(books), Event()

    def ask() -> int:
        asked = 0
        with place.open() as reader:
            while not stop.is_set():
                assert answers(reader) == expected
                asked += 1
        return asked

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        try:
            for generation in range(2, 7):
                assert books.rebuild().differences == ()
                assert _views(books) == [(f"periods_{generation}", True)]
        finally:
            stop.set()
        assert all(one.result(timeout=60) > 1 for one in asking)


def test_payments_go_on_during_a_rebuild(place: Place, books: Ledger) -> None:
    """What is recorded and taken in while the next generation is filled is in it when it takes over."""
    paid: list[int] = []

    def pay_meanwhile(*_: int) -> None:
        if len(paid) == 5:
            return
        with place.open() as other:
            paid.append(pay(other, OPENED_ON, f"bank-new-{len(paid)}", amount="1.00", plan_id="P-7")[-1].sequence)
            assert other.wait(paid[-1]) == paid[-1]

    assert books.rebuild(progress=pay_meanwhile).differences == ()
    assert len(paid) == 5
    assert books.wait(paid[-1]) == paid[-1]
    assert books.verify().differences == ()


def test_what_was_to_be_read_stays_to_be_read(place: Place, books: Ledger) -> None:
    """While one generation after another takes over, no reader ever sees less than somebody has waited for."""
    stop = Event()

    def pay_and_read() -> int:
        paid = 0
        with place.open() as writer, Ledger.open(place.url, name=place.name, catch_up=False) as reader:
            while not stop.is_set():
                (first, *_) = pay(writer, OPENED_ON, f"bank-new-{paid}", amount="1.00", plan_id="P-7")
                assert writer.wait(first.sequence) >= first.sequence
                assert reader.wait(first.sequence, timeout=0) >= first.sequence
                paid += 1
        return paid

    with ThreadPoolExecutor(1) as pool:
        paying = pool.submit(pay_and_read)
        try:
            for _ in range(4):
                assert books.rebuild().differences == ()
        finally:
            stop.set()
        assert paying.result(timeout=60) > 1
    assert books.verify().differences == ()


def test_a_rebuild_that_was_cut_off_goes_on_where_it_stopped(books: Ledger) -> None:
    """An interrupted rebuild leaves the live rows alone; the next one begins at its checkpoint."""
    expected = answers(books)

    def cut_off(*_: int) -> None:
        raise _CutOffError

    with pytest.raises(_CutOffError):
        books.rebuild(progress=cut_off)
    assert _views(books) == [("periods_1", True), ("periods_2", False)]
    fresh = books._store.tables.views()[1]
    assert (fresh.filled, fresh.target) == ("P-1", books._store.last_sequence())
    assert (answers(books), books.verify().view) == (expected, "periods_1")
    told: list[int] = []
    assert books.rebuild(progress=lambda done, _: told.append(done)).differences == ()
    assert list(dict.fromkeys(told)) == [2, 4, 6, 7, crash_worker.PLANS], (
        "seven plans are derived, and all are verified"
    )
    assert _views(books) == [("periods_2", True)]
    assert answers(books) == expected


def test_a_generation_that_differs_never_takes_over(books: Ledger) -> None:
    """A row that is not a replay's keeps the rebuild from taking over: it is named, and the rows are removed."""
    expected, damaged = answers(books), list[int]()

    def damage(reached: int, _: int) -> None:
        if not damaged:
            damaged.append(reached)
            change(books, "UPDATE books_periods_2 SET paid = paid + 1 WHERE plan_id = 'P-0'")

    verification = books.rebuild(progress=damage)
    assert verification.view == "periods_2"
    assert any("plan P-0" in difference and "paid is 1" in difference for difference in verification.differences)
    assert _views(books) == [("periods_1", True)]
    assert answers(books) == expected
    assert books.rebuild().differences == ()
    assert _views(books) == [("periods_2", True)]
    assert answers(books) == expected


def test_two_rebuilds_at_once_are_one(place: Place, books: Ledger) -> None:
    """Two processes that rebuild fill the same generation together, and one lets it take over."""
    expected = answers(books)
    with place.open() as other, ThreadPoolExecutor(2) as pool:
        both = [pool.submit(ledger.rebuild) for ledger in (books, other)]
        assert [one.result(timeout=60).differences for one in both] == [(), ()]
        assert answers(books) == answers(other) == expected
    ((view, live),) = _views(books)
    assert (view in {"periods_2", "periods_3"}, live) == (True, True)
    assert books.verify().differences == ()


def test_a_rebuild_finds_the_generation_gone_that_another_removed(place: Place, books: Ledger) -> None:
    """A difference that one rebuild finds ends another that was filling the same generation, with what to do."""

    def another(*_: int) -> None:
        with place.open() as other:
            change(other, "UPDATE books_periods_2 SET paid = paid + 1 WHERE plan_id = 'P-0'")
            assert other.rebuild().differences

    with pytest.raises(Exception, match="another rebuild .* rebuild again"):
        books.rebuild(progress=another)
    assert books.rebuild().differences == ()


# ---- verifying


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("UPDATE books_periods_1 SET shares_credited = shares_credited + 1 WHERE plan_id = 'P-3'", "plan P-3"),
        ("UPDATE books_periods_1 SET investor = 'I-99' WHERE plan_id = 'P-3'", "plan P-3, .*investor is I-99"),
        ("DELETE FROM books_periods_1 WHERE plan_id = 'P-3' AND from_on > '2023-05-01'", "plan P-3: it has 1 periods"),
        ("UPDATE books_periods_1 SET plan_id = 'X-3' WHERE plan_id = 'P-3'", "plan P-3: it has 0 periods"),
        ("UPDATE books_periods_1_plans SET due_on = NULL WHERE plan_id = 'P-4'", "plan P-4: its row is .*None"),
        ("DELETE FROM books_periods_1_plans WHERE plan_id = 'P-4'", "plan P-4: its row is missing"),
        ("INSERT INTO books_periods_1_plans VALUES ('X-1', 'UTC', '2023-01-01', NULL)", "of 10 plans"),
        (
            "UPDATE books_periods_1_totals SET paid = paid + 1 WHERE day = '2023-04-10'",
            "the totals of USD .*2023-04-10",
        ),
        ("DELETE FROM books_periods_1_totals WHERE day = '2023-05-10'", "the totals of USD .* on 2023-05-10"),
        (
            "INSERT INTO books_periods_1_totals VALUES ('EUR', 'UTC', '2023-05-10', 1, 0, 0, 0, 1, 0, 0, 0)",
            "of EUR in UTC",
        ),
        ("DELETE FROM books_periods_1_zones", "zone"),
        ("INSERT INTO books_periods_1_zones VALUES ('Asia/Tokyo')", "zone"),
    ],
)
def test_verify_names_what_was_tampered_with(books: Ledger, sql: str, named: str) -> None:
    """A row that was edited, added or removed in any table of a view is a difference that says where; nothing else."""
    assert books.verify().differences == ()
    change(books, sql, views=True)
    verification = books.verify()
    assert (verification.view, verification.plans) == ("periods_1", 9)
    assert len(verification.differences) >= 1
    assert any(re.search(named, difference) for difference in verification.differences)
    assert books.rebuild().differences == ()
    assert books.verify().differences == ()


def test_verify_compares_as_far_as_the_view_has_read(place: Place) -> None:
    """A view that lags is compared with the events that it has taken in, not with those to come."""
    with Ledger.open(place.url, name=place.name, catch_up=False) as ledger:
        reached = ledger._store.last_sequence()
        open_plan(ledger, "P-late")
        verification = ledger.verify()
        assert (verification.reached, verification.plans, verification.differences) == (reached, 9, ())
        assert ledger.balances(as_of=date(2023, 4, 20))


def test_no_more_than_a_hundred_differences_are_told(books: Ledger) -> None:
    """Where everything differs, a hundred sentences are enough."""
    assert books.verify().differences == ()
    change(books, "DELETE FROM books_periods_1 WHERE paid >= 0")
    change(books, "UPDATE books_periods_1_totals SET paid = paid + 1")
    assert 9 < len(books.verify().differences) <= 100
