"""The public face from end to end: positions, the overdue list, refusals, arguments, and the statement."""

import pickle
from datetime import UTC, date, datetime
from typing import Any

import attrs
import pendulum
import pytest

from ledger import (
    CommandRefused,
    InvalidArgument,
    Ledger,
    LedgerError,
    Money,
    NextInstallment,
    Overpayment,
    PaymentNotFound,
    PaymentRefused,
    PerUnit,
    PlanIsCancelled,
    PlanNotFound,
    Position,
    ReinstatementRefused,
    TermsRefused,
)
from ledger.events import PaymentMade
from tests.examples import OPENED_ON, TERMS, open_plan, pay, usd
from tests.plans import DAY

FIRST, SECOND = OPENED_ON, date(2023, 5, 10)
"""The first two due dates."""

LAST_DAY, CANCELLED_ON = date(2023, 5, 29), date(2023, 5, 30)
"""The last day of grace of the second installment, and the day after it."""


# ---- positions and the overdue list


def test_a_position_is_everything_about_a_plan(books: Ledger) -> None:
    """A position names money, shares, the next installment and how long grace still runs."""
    assert books.position("P-1", as_of=SECOND + DAY) == Position(
        plan_id="P-1",
        investor="I-7",
        partner="N-3",
        price=usd("3000.00"),
        as_of=date(2023, 5, 11),
        status="in_grace",
        paid=usd("150.00"),
        outstanding=usd("2850.00"),
        unapplied=usd("0.00"),
        settled=1,
        next_installment=NextInstallment(
            number=2, due_on=SECOND, amount=usd("150.00"), shares=7_350, missing=usd("150.00")
        ),
        days_past_due=1,
        grace_ends_on=LAST_DAY,
        cancelled_on=None,
        completed_on=None,
        shares_credited=7_350,
        shares_promised=343_650,
        shares_forfeited=0,
        bonus_credited=0,
        bonus_promised=17_550 + 35_100,
    )


def test_a_payment_on_the_last_day_of_grace_saves_the_plan_and_one_day_later_is_refused(books: Ledger) -> None:
    """Nineteen days after the due date a payment still counts; on the twentieth the plan is cancelled."""
    with pytest.raises(PlanIsCancelled, match="cancelled on 2023-05-30") as caught:
        pay(books, CANCELLED_ON, "bank-2")
    assert caught.value.cancelled_on == CANCELLED_ON
    assert len(books.history("P-1")) == 3
    pay(books, LAST_DAY, "bank-2")
    assert books.position("P-1", as_of=CANCELLED_ON).status == "active"


def test_the_plan_is_cancelled_without_any_job_having_run(books: Ledger) -> None:
    """The overdue list shows a plan from the day after due to the last day of grace, though nothing was closed."""
    for as_of, listed in [(SECOND, 0), (SECOND + DAY, 1), (LAST_DAY, 1), (CANCELLED_ON, 0)]:
        assert len(books.overdue(as_of=as_of)) == listed
    row = books.overdue(as_of=LAST_DAY)[0]
    assert (row.number, row.due_on, row.days_past_due, row.days_left) == (2, SECOND, 19, 0)
    assert (row.amount_due, row.shares_at_stake) == (usd("150.00"), 343_650 + 52_650)
    assert books.position("P-1", as_of=CANCELLED_ON).shares_forfeited == 343_650
    assert len(books.history("P-1")) == 3


def test_the_overdue_list_is_ordered_by_urgency_and_cut_by_partner() -> None:
    """Rows come by end of grace, then plan id; a partner sees the plans of that partner only."""
    with Ledger.open("memory://") as books:
        for plan_id, partner, opened in [("P-3", "N-1", 0), ("P-2", "N-2", 0), ("P-1", "N-1", 3)]:
            books.open_plan(plan_id, investor="I-1", partner=partner, terms=TERMS, opened_at=OPENED_ON + opened * DAY)
        as_of = OPENED_ON + 5 * DAY
        assert [row.plan_id for row in books.overdue(as_of=as_of)] == ["P-2", "P-3", "P-1"]
        assert [row.plan_id for row in books.overdue(partner="N-1", as_of=as_of)] == ["P-3", "P-1"]
        assert [p.plan_id for p in books.positions(partner="N-1", as_of=as_of)] == ["P-1", "P-3"]
        assert [p.plan_id for p in books.positions(status="in_grace", as_of=OPENED_ON + DAY)] == ["P-2", "P-3"]
        assert books.positions(investor="nobody") == ()


# ---- refusals


def test_refusals_name_the_reason_and_the_remedy(books: Ledger) -> None:
    """Each refusal has its own type, carries its facts, reads as one sentence, and records nothing."""
    cases: list[tuple[type[LedgerError], str, Any]] = [
        (PaymentRefused, "before the opening on 2023-04-10; check the plan and the date",
         lambda: pay(books, FIRST - DAY, "x")),
        (PaymentRefused, r"is in EUR, the plan in USD; pay in USD",
         lambda: books.record_payment("P-1", reference="x", amount=Money.of("1.00", "EUR"), paid_at=FIRST)),
        (PaymentRefused, "after 2023-04-11, the day of its recording; record it on that day or later",
         lambda: books.record_payment("P-9", reference="x", amount=usd("1.00"), paid_at=date(2023, 4, 12),
                                      recorded_at=datetime(2023, 4, 11, 12, tzinfo=UTC))),
        (Overpayment, r"3000.01 USD would stand on 2023-04-12, more than its price of 3000.00 USD; pay at most 2849.00",
         lambda: pay(books, FIRST, "x", amount="2849.01")),
        (PaymentRefused, "cannot be charged back on 2023-04-11; check the payment and the date",
         lambda: books.reverse_payment("P-1", reference="bank-5", cause="chargeback", on=FIRST + DAY)),
        (PaymentNotFound, "has no payment 'bank-9'; check the reference",
         lambda: books.reverse_payment("P-1", reference="bank-9", cause="error")),
        (PlanNotFound, "Plan P-0 is not in this ledger; check its id",
         lambda: pay(books, FIRST, "x", plan_id="P-0")),
        (PlanNotFound, "was opened on 2023-04-10; ask as of that day or later, not 2023-04-09",
         lambda: books.position("P-1", as_of=FIRST - DAY)),
        (CommandRefused, "before the opening",
         lambda: books.cancel_plan("P-1", reference="x", on=FIRST - DAY, reason="asked")),
        (ReinstatementRefused, "its terms do not allow a reinstatement; leave it cancelled",
         lambda: books.reinstate_plan("P-1", on=CANCELLED_ON, reference="x", amount=usd("150"), approved_by="A",
                                      reason="x")),
        (TermsRefused, "leave -200 minor units for the last one; use fewer installments or a smaller rounding unit",
         lambda: open_plan(books, "P-8", terms=attrs.evolve(TERMS, price=usd("131.00"), rounding_unit=700))),
        (TermsRefused, "would release 360,000 of 351,000 shares",
         lambda: open_plan(books, "P-8", terms=attrs.evolve(TERMS, release=PerUnit("120")))),
        (CommandRefused, "the opening is dated 2023-04-12, after 2023-04-11",
         lambda: books.open_plan("P-8", investor="I", partner=None, terms=TERMS, opened_at=date(2023, 4, 12),
                                 recorded_at=datetime(2023, 4, 11, 12, tzinfo=UTC))),
    ]  # fmt: skip
    books.open_plan(
        "P-9",
        investor="I",
        partner=None,
        terms=TERMS,
        opened_at=FIRST,
        recorded_at=datetime(2023, 4, 11, 12, tzinfo=UTC),
    )
    pay(books, FIRST + 2 * DAY, "bank-5", amount="1.00")
    before = list(books.events())
    for kind, sentence, call in cases:
        with pytest.raises(kind, match=sentence) as caught:
            call()
        text = str(caught.value)
        assert text.endswith(".")
        assert "\n" not in text
        again = pickle.loads(pickle.dumps(caught.value))
        assert (type(again), str(again)) == (type(caught.value), text)
    assert list(books.events()) == before


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("paid_at", datetime(2023, 4, 10)),  # noqa: DTZ001 - naive on purpose
        ("paid_at", "2023-04-10"),
        ("amount", 150),
        ("amount", Money(0, "USD")),
        ("amount", Money(-5, "USD")),
        ("reference", ""),
        ("reference", " bank"),
        ("reference", "bank\n1"),
        ("reference", 7),
        ("kind", "late"),
        ("recorded_at", datetime(2023, 4, 10)),  # noqa: DTZ001 - naive on purpose
        ("actor", ""),
        ("correlation", 5),
        ("dry_run", "yes"),
    ],
)
def test_a_wrong_argument_is_named(books: Ledger, argument: str, value: object) -> None:
    """A value that no plan could take is an `InvalidArgument`, also a `ValueError`, that names the argument."""
    payment: Any = {"reference": "bank-2", "amount": usd("150.00"), "paid_at": SECOND, argument: value}
    with pytest.raises(InvalidArgument, match=f"^{argument} is .*; expected .*\\.$") as caught:
        books.record_payment("P-1", **payment)
    assert isinstance(caught.value, ValueError)
    assert caught.value.argument == argument
    assert len(books.history("P-1")) == 3


def test_queries_accept_dates_and_instants_only(books: Ledger) -> None:
    """`as_of` is a date, `known_at` an aware instant; each is refused as the other."""
    with pytest.raises(InvalidArgument, match="as_of is .*expected a datetime.date"):
        books.position("P-1", as_of=datetime(2023, 5, 1, tzinfo=UTC))
    with pytest.raises(InvalidArgument, match="known_at is .*expected a datetime with a time zone"):
        books.overdue(known_at=date(2023, 5, 1))  # type: ignore[arg-type]  # on purpose
    with pytest.raises(InvalidArgument, match="through is"):
        books.close_books(through=datetime(2023, 5, 1, tzinfo=UTC))
    with pytest.raises(TypeError):
        books.record_payment("P-1", reference="x", amount=usd("1.00"), paid_at=FIRST, actr="x")  # type: ignore[call-arg]


def test_pendulum_dates_and_instants_are_accepted(books: Ledger) -> None:
    """Dates and instants of pendulum are dates and instants; they are kept as plain ones."""
    instant = pendulum.datetime(2023, 5, 9, 22, tz="UTC")
    (paid, *_) = books.record_payment("P-1", reference="bank-2", amount=usd("150.00"), paid_at=instant)
    assert isinstance(paid.event, PaymentMade)
    assert type(paid.event.effective_on) is date
    assert type(paid.event.paid_at) is datetime
    assert (paid.event.effective_on, paid.event.paid_at) == (SECOND, datetime(2023, 5, 9, 22, tzinfo=UTC))
    assert books.position("P-1", as_of=pendulum.date(2023, 5, 10)).settled == 2


# ---- the statement


def test_a_statement_ends_in_the_position(books: Ledger) -> None:
    """Every line is a sentence about one day; the running balances end in the position."""
    pay(books, SECOND, "bank-2", amount="300.00")
    books.reverse_payment("P-1", reference="bank-2", cause="chargeback", on=date(2023, 6, 2))
    lines = books.statement("P-1", as_of=date(2023, 6, 22))
    assert [f"{line.on} {line.text}" for line in lines] == [
        "2023-04-10 Plan opened: 351,000 shares for 3,000.00 USD in 20 installments, the first due on 2023-04-10.",
        "2023-04-10 Payment bank-1.",
        "2023-04-10 Installment 1 settled.",
        "2023-05-10 Payment bank-2.",
        "2023-05-10 Installments 2 to 3 settled.",
        "2023-05-10 Promotion double credited.",
        "2023-06-02 Payment bank-2 was charged back.",
        "2023-06-02 Promotion double taken back.",
        "2023-06-02 Installment 3 is open again.",
        "2023-06-02 Installment 2 is open again.",
        "2023-06-03 Installment 2, due 2023-05-10, is not paid. A payment until 2023-06-21 keeps the plan.",
        "2023-06-11 Installment 3, due 2023-06-10, is not paid. A payment until 2023-06-29 keeps the plan.",
        "2023-06-22 Cancelled, installment 2 was not paid within grace: 7,350 shares stay, 343,650 are forfeited.",
    ]
    position = books.position("P-1", as_of=date(2023, 6, 22))
    assert (lines[-1].paid, lines[-1].shares_credited) == (position.paid, position.shares_credited)
    assert sum(line.shares for line in lines) == position.shares_credited
    assert books.statement("P-1", as_of=FIRST) == lines[:3]
