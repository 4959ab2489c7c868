"""The named checks on a ledger that is there: none finds anything in ours, each finds what was tampered with."""

import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import attrs
import pytest
from hypothesis import given

from ledger import InvalidArgument, Ledger, Money
from ledger.events import PaymentMade
from ledger.testing import findings
from tests.examples import OPENED_ON, open_plan, pay
from tests.strategies import History, histories, one_in


@one_in(20)
@given(history=histories())
def test_nothing_is_found_in_a_ledger_that_nobody_touched(history: History) -> None:
    """Whatever was recorded, in whatever order: every property that can be judged after the fact holds."""
    with Ledger.open("memory://") as ledger:
        ledger._store.append(history.events)
        assert list(findings(ledger)) == []


def test_a_fact_that_the_rules_refuse_is_found(books: Ledger) -> None:
    """A payment written behind the ledger's back, dated after the cancellation, with its place."""
    paid = books.history("P-1")[1]
    payment = paid.event
    assert isinstance(payment, PaymentMade)
    late = attrs.evolve(payment, effective_on=OPENED_ON + timedelta(days=400), reference="forged")
    books._store.append([attrs.evolve(paid, version=4, key="forged", event=late)])
    found = next(iter(findings(books, checks=["decides_as_the_rules"])))
    assert (found.kind, found.plan_id, found.version, found.expected) == (
        "decides_as_the_rules",
        "P-1",
        4,
        "refused (plan_is_cancelled)",
    )


def test_a_list_that_lost_a_row_is_found(tmp_path: Path) -> None:
    """Rows deleted from the read model: the overdue list and the balances are not those of the facts."""
    url = f"sqlite:///{tmp_path}/books.db"
    with Ledger.open(url) as ledger:
        for number in range(2):
            open_plan(ledger, f"P-{number}")
            pay(ledger, OPENED_ON, "bank-1", plan_id=f"P-{number}")
        assert ledger.overdue(as_of=date(2023, 5, 20))
        assert list(findings(ledger)) == []
    with closing(sqlite3.connect(tmp_path / "books.db")) as connection:
        connection.execute("DELETE FROM ledger_periods_1_periods WHERE plan_id = 'P-1'")
        connection.commit()
    with Ledger.open(url) as ledger:
        kinds = {finding.kind for finding in findings(ledger)}
        listed = next(findings(ledger, checks=["balances_are_sums"]))
    of_lists = {"overdue_equals_model", "overdue_is_those_in_grace", "balances_equal_model", "balances_are_sums"}
    assert kinds == of_lists
    assert listed.expected.startswith("I-7: plans 2")


def test_a_check_that_there_is_not_is_refused(books: Ledger) -> None:
    """A misspelt check is an invalid argument, before anything is read."""
    with pytest.raises(InvalidArgument, match="checks is 'sums'"):
        findings(books, checks=["sums"])
    assert books.position("P-1", as_of=OPENED_ON).paid == Money.of("150.00", "USD")
