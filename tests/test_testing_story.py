"""Given, when, then: stories with a calendar on a real ledger, and that which a failure prints."""

import re
from collections.abc import Callable
from datetime import date, datetime

import attrs
import pytest

from ledger import (
    FullCover,
    InvalidArgument,
    Ledger,
    LedgerError,
    Money,
    Overpayment,
    PlanIsCancelled,
    PlanIsCompleted,
    ReferenceConflict,
    TermsRefused,
)
from ledger.testing import Story, given
from tests.examples import TERMS

PAID = given(TERMS, opened="2023-04-10").pays("150.00", on="2023-04-10")
"""The first installment is paid on the day of the opening; the second is due on 2023-05-10."""


@pytest.mark.parametrize(
    ("days", "status", "past_due", "left"),
    [
        (30, "active", 0, None),
        (31, "in_grace", 1, 18),
        (48, "in_grace", 18, 1),
        (49, "in_grace", 19, 0),
        (50, "cancelled", 0, None),
    ],
)
def test_the_table_of_grace(days: int, status: str, past_due: int, left: int | None) -> None:
    """D, D+1, D+18, D+19, D+20 (RULES.md section 6), each told on from the same story."""
    PAID.after(days=days).then(status=status, days_past_due=past_due, days_left=left)


def test_every_act_of_a_plan() -> None:
    """Payments, both reversals, a request, a closing and a reinstatement, with amounts and days as text."""
    terms = attrs.evolve(TERMS, reinstatement=FullCover())
    story = given(terms, opened="2023-04-10").pays("300.00", kind="early_repayment").then(settled=2, paid="300.00")
    story = story.pays("150.00", on="2023-06-10").reverses().then(paid="300.00", settled=2)
    story = story.pays("150.00", on="2023-06-20").reverses("bank-3", cause="chargeback", on="2023-06-25")
    story.then(status="active", next_installment=3)
    story.after(days=1).then(status="in_grace", days_left=18, due_on="2023-06-10")
    story = story.cancels(on="2023-06-27").closes().then(status="cancelled", cancelled_on="2023-06-27")
    story = story.reinstates("150.00", on="2023-07-01").then(status="active", settled=3)
    assert story.ledger.position("P-1", as_of=date(2023, 7, 1)).paid == Money.of("450.00", "USD")


def test_refusals() -> None:
    """A refusal is expected by its class and its facts; one that nobody expects fails the next step."""
    late = PAID.after(days=50).pays("150.00")
    late.then_refused(PlanIsCancelled, cancelled_on=date(2023, 5, 30)).then(status="cancelled")
    PAID.pays("3000.00").then_refused(Overpayment)
    PAID.pays("1.00", reference="bank-1").then_refused(ReferenceConflict, field="amount")
    given(attrs.evolve(TERMS, installments=4_000), opened="2023-04-10").then_refused(TermsRefused)
    steps: list[Callable[[], Story]] = [late.closes, late.then_nothing]
    steps += [lambda: late.then(status="cancelled"), lambda: late.after(days=1)]
    for step in steps:
        with pytest.raises(AssertionError, match="the payment of 2023-05-30 was refused"):
            step()


def test_nothing_happens() -> None:
    """A repeated command records nothing; on quiet days nothing comes due."""
    PAID.pays("150.00", on="2023-04-10", reference="bank-1").then_nothing()
    PAID.after(days=30).then_nothing()
    PAID.after(days=31).closes().after(days=18).then_nothing()
    with pytest.raises(AssertionError, match="PaymentMissed of 2023-05-11 happened"):
        PAID.after(days=31).then_nothing()
    with pytest.raises(AssertionError, match="PaymentMade, InstallmentSettled happened"):
        PAID.then_nothing()


def test_late_knowledge() -> None:
    """A payment within grace that is recorded after the cancellation; as known before, the plan was cancelled."""
    late = PAID.until("2023-06-05").then(status="cancelled").pays("150.00", on="2023-05-29")
    late.as_of("2023-05-30").then(status="active")
    late.as_known("2023-06-04").then(status="cancelled", cancelled_on="2023-05-30")
    PAID.pays("150.00", on="2023-05-29", recorded="2023-06-05").as_known("2023-06-04").then(status="cancelled")


def test_instants_count_in_the_zone_of_the_plan() -> None:
    """A second before midnight in Moscow is still the last day of grace."""
    PAID.pays("150.00", on="2023-05-29T23:59:59+03:00").then(status="active")
    PAID.pays("150.00", on="2023-05-29T21:00:00+00:00").then_refused(PlanIsCancelled)


def test_a_given_ledger() -> None:
    """The story happens in the ledger that is given, under the id that is given."""
    with Ledger.open("memory://") as ledger:
        story = given(TERMS, opened=date(2023, 4, 10), ledger=ledger, plan_id="P-7", investor="I-9", partner="N-1")
        story.pays(Money.of("3000.00", "USD")).then(status="completed", partner="N-1", outstanding="0.00")
        story.pays("1.00", reference="bank-2").then_refused(PlanIsCompleted)
        assert ledger.position("P-7", as_of=date(2023, 4, 10)).investor == "I-9"


def test_one_step_can_be_told_on_in_several_ways() -> None:
    """A story is a value: what happens to one continuation does not happen to another."""
    first, second = PAID.pays("150.00"), PAID.pays("300.00")
    first.then(paid="300.00")
    second.then(paid="450.00")
    PAID.then(paid="150.00")


# ---- failures


def _failure(tell: Callable[[], Story]) -> str:
    with pytest.raises(AssertionError) as caught:
        tell()
    return str(caught.value)


def _code(failure: str) -> str:
    shown = failure.partition("The code that repeats it:\n\n")[2]
    return "\n".join(line.removeprefix("    ") for line in shown.splitlines())


FAILURES: list[tuple[str, Callable[[], Story], str]] = [
    ("a status", lambda: PAID.after(days=50).then(status="in_grace", paid="150.00"), r">  2023-05-30  Cancelled"),
    ("shares", lambda: PAID.after(days=10).then(shares_credited=0), r">  2023-04-10  Installment 1 settled"),
    ("days that pass", lambda: PAID.after(days=35).then(days_past_due=4), r">  2023-05-15  asked"),
    ("no refusal", lambda: PAID.pays("1.00").then_refused(), r">  2023-04-10  asked"),
    ("another refusal", lambda: PAID.pays("3000.00").then_refused(PlanIsCancelled), r"with Overpayment, not"),
    ("another fact", lambda: PAID.pays("3000.00").then_refused(Overpayment, price=1), r"price is 300000, expected 1"),
    ("no plan", lambda: PAID.as_of("2023-04-09").then(paid="0.00"), r"there is no plan P-1 on 2023-04-09"),
    (
        "as known",
        lambda: (
            PAID.pays("150.00", on="2023-05-29", recorded="2023-06-05").as_known("2023-06-04").then(status="active")
        ),
        r"as known by the end of 2023-06-04: status is 'cancelled'",
    ),
]


@pytest.mark.parametrize(("tell", "shown"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES])
def test_a_failure_marks_the_line_and_repeats_itself(tell: Callable[[], Story], shown: str) -> None:
    """The table marks one line, stays within 80 columns, and the code that is printed fails in the same way."""
    failure = _failure(tell)
    head, table, *_ = failure.split("\n\n")
    assert re.search(shown, failure)
    assert sum(line.startswith(">") for line in table.splitlines()) == 1
    assert max(map(len, table.splitlines())) <= 80
    assert not re.search(r" $", failure, re.MULTILINE)
    with pytest.raises(AssertionError) as repeated:
        exec(_code(failure), {})
    assert str(repeated.value).split("\n\n")[0] == head


def test_the_code_of_a_story_is_that_story() -> None:
    """Terms of every shape come back as code."""
    terms = attrs.evolve(TERMS, reinstatement=FullCover(), first_due_on=date(2023, 5, 10))
    code = given(terms, opened="2023-04-10").pays("150.00", on="2023-05-10").code()
    names: dict[str, object] = {}
    exec(code, names)
    assert names["terms"] == terms


@pytest.mark.parametrize(
    "tell",
    [
        lambda: PAID.then(colour="red"),
        lambda: PAID.pays("one hundred"),
        lambda: PAID.pays("1.00", on="yesterday"),
        lambda: PAID.after(days=-1),
        lambda: PAID.until("2023-04-09"),
        lambda: PAID.pays("1.00", on="2023-05-01", recorded="2023-04-30"),
        lambda: given(TERMS, opened="2023-04-10").reverses(),
        lambda: given(TERMS, opened=datetime(2023, 4, 10)),  # noqa: DTZ001 - naive is the point
        lambda: PAID.cancels(on="2023-05-29T12:00:00+00:00"),
    ],
)
def test_a_wrong_word_is_refused(tell: Callable[[], Story]) -> None:
    """A mistake in the story itself is an `InvalidArgument`, and no failed expectation."""
    with pytest.raises(InvalidArgument):
        tell()
    assert issubclass(InvalidArgument, LedgerError)
