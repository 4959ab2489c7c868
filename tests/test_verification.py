"""Verification: every row of a read model against a replay of the events that it has applied."""

import re
from collections.abc import Iterator
from datetime import date

import pytest

from ledger import Ledger
from tests.crash_worker import Location
from tests.examples import OPENED_ON, open_plan
from tests.raw_sql import change


@pytest.fixture
def books(nine_plans: Location) -> Iterator[Ledger]:
    """A ledger of nine plans, caught up."""
    with nine_plans.open() as opened:
        yield opened


_PERIODS, _CLOSINGS, _TOTALS = (f"books_periods_1_{table}" for table in ("periods", "closings", "totals"))


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        (
            f"UPDATE {_PERIODS} SET shares_credited = shares_credited + 1 WHERE plan_id = 'P-3'",
            "plan P-3, periods, .*: shares_credited is .* in a replay",
        ),
        (f"UPDATE {_PERIODS} SET investor = 'I-99' WHERE plan_id = 'P-3'", "plan P-3, .*investor is I-99, and I-3 in"),
        (
            f"DELETE FROM {_PERIODS} WHERE plan_id = 'P-3' AND from_on > '2023-05-01'",
            r"plan P-3, periods, 2023-\d\d-\d\d: the row is missing",
        ),
        (f"UPDATE {_PERIODS} SET plan_id = 'X-3' WHERE plan_id = 'P-3'", "plan P-3, periods, .*: the row is missing"),
        (f"UPDATE {_CLOSINGS} SET due_on = NULL WHERE plan_id = 'P-4'", "plan P-4, closings: due_on is None, and 2023"),
        (f"DELETE FROM {_CLOSINGS} WHERE plan_id = 'P-4'", "plan P-4, closings: the row is missing"),
        (f"INSERT INTO {_CLOSINGS} VALUES ('X-1', 'UTC', '2023-01-01', NULL)", "closings has 10 rows; a replay has 9"),
        (f"INSERT INTO {_CLOSINGS} VALUES ('X-1', 'UTC', '2023-01-01', NULL)", "plan X-1: it has rows, and no event"),
        (f"UPDATE {_CLOSINGS} SET due_on = 'soon' WHERE plan_id = 'P-3'", "plan P-3, closings: due_on is soon, and "),
        (
            f"UPDATE {_TOTALS} SET paid = paid + 1 WHERE day = '2023-04-10'",
            "totals of Europe/Moscow, 2023-04-10, USD: ",
        ),
        (f"DELETE FROM {_TOTALS} WHERE day = '2023-05-10'", "totals of Europe/Moscow, 2023-05-10, USD: missing, and "),
        (
            f"INSERT INTO {_TOTALS} VALUES ('UTC', '2023-05-10', 'EUR', 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0)",
            "totals of UTC, 2023-05-10, EUR: .* and missing in a replay",
        ),
        ("INSERT INTO books_quarantine VALUES ('periods', 1, 'P-3', 1, 'x', 'y')", "plan P-3: it is in quarantine"),
        (
            "INSERT INTO books_quarantine VALUES ('periods', 1, 'P-3', 1, 'x', 'y')",
            "quarantine",
        ),
    ],
)
def test_verify_names_every_row_that_was_changed(books: Ledger, sql: str, named: str) -> None:
    """A row that was edited, added or removed in any table is a difference that says where; a rebuild mends it."""
    assert books.verify().differences == ()
    change(books, sql, views=True)
    if "quarantine" in sql:
        change(books, "UPDATE books_checkpoints SET quarantined = 1", views=True)
    with Ledger.open(books._store._url, name=books._store._name, catch_up=False) as reader:  # type: ignore[attr-defined]
        verification = reader.verify()
    assert (verification.generation, verification.plans) == ("periods_1", 9)
    assert any(re.search(named, difference) for difference in verification.differences), verification.differences
    assert books.rebuild().differences == ()
    assert books.verify().differences == ()


def test_verify_compares_as_far_as_the_read_model_has_come(nine_plans: Location) -> None:
    """A read model that lags, by whole pages of plans too, is compared with the events that it has applied."""
    with Ledger.open(nine_plans.url, name=nine_plans.name, catch_up=False) as ledger:
        reached = ledger._store.last_sequence()
        for number in range(3):
            open_plan(ledger, f"P-late-{number}")
        verification = ledger.verify()
        assert (verification.reached, verification.plans, verification.differences) == (reached, 9, ())
        assert ledger.balances(as_of=date(2023, 4, 20))


def test_no_more_than_a_hundred_differences_are_reported(books: Ledger) -> None:
    """Where everything differs, a hundred sentences are enough."""
    assert books.verify().differences == ()
    change(books, f"DELETE FROM {_PERIODS} WHERE paid >= 0")
    change(books, f"UPDATE {_TOTALS} SET paid = paid + 1")
    assert 9 < len(books.verify().differences) <= 100


def test_verify_does_not_ask_a_plan_of_the_future(books: Ledger) -> None:
    """A plan opened while a verification runs is none of its plans."""
    seen: list[tuple[int, int]] = []

    def open_another(done: int, plans: int) -> None:
        if not seen:
            open_plan(books, "P-new")
        seen.append((done, plans))

    found = books.verify(progress=open_another)
    assert (found.plans, found.differences) == (9, ())
    assert seen[-1][0] == 9
    assert books.position("P-new", as_of=OPENED_ON).status == "active"
