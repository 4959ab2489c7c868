"""The ledger told as stories: what a service, a partner and an auditor see. One rule per docstring."""

import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import attrs
import pendulum
import pytest

import ledger as package
from ledger import (
    CommandRefused,
    InvalidArgument,
    Ledger,
    LedgerError,
    Money,
    NextInstallment,
    OnTimeBonus,
    Overpayment,
    PartialCover,
    PaymentNotFound,
    PaymentRefused,
    PerUnit,
    PlanIsCancelled,
    PlanIsCompleted,
    PlanNotFound,
    Position,
    ReferenceConflict,
    ReinstatementRefused,
    TermsRefused,
)
from ledger.events import OutcomeVoided, PaymentMade, PlanCancelled
from tests.examples import OPENED_ON, RECORDED_AT, TERMS, open_plan, pay, usd

DAY = timedelta(days=1)
FIRST, SECOND = OPENED_ON, date(2023, 5, 10)
LAST_DAY, GONE = date(2023, 5, 29), date(2023, 5, 30)
"""Of grace for the second installment, and the day after it."""


@pytest.fixture
def books() -> Any:
    """The example plan in memory, its first installment paid."""
    with Ledger.open("memory://") as opened:
        open_plan(opened)
        pay(opened, FIRST, "bank-1")
        yield opened


def _kinds(events: Any) -> list[str]:
    return [type(recorded.event).__name__ for recorded in events]


# ---- what a plan comes to


def test_a_position_tells_everything_about_a_plan(books: Ledger) -> None:
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


def test_paying_on_time_brings_the_published_shares() -> None:
    """3,000 USD in 20 × 150: 139,650 shares before the last payment, 211,350 with it, 17,550 for paying on time."""
    terms = attrs.evolve(TERMS, promos=(OnTimeBonus(code="on_time", rate_bp=500),))
    with Ledger.open("memory://") as books:
        lines = open_plan(books, terms=terms)[0].event.lines  # type: ignore[union-attr]  # the opening comes first
        for line in lines[:-1]:
            pay(books, line.due_on, f"bank-{line.number}")
        before = books.position("P-1", as_of=lines[-1].due_on - DAY)
        assert (before.shares_credited, before.shares_promised, before.bonus_promised) == (139_650, 211_350, 17_550)
        last = pay(books, lines[-1].due_on, "bank-20")
        assert _kinds(last) == ["PaymentMade", "InstallmentSettled", "PlanCompleted", "PromoApplied"]
        after = books.position("P-1", as_of=lines[-1].due_on)
        assert (after.status, after.shares_credited, after.shares_promised) == ("completed", 351_000, 0)
        assert (after.bonus_credited, after.bonus_promised, after.next_installment) == (17_550, 0, None)


def test_a_payment_on_the_last_day_of_grace_saves_the_plan_and_one_day_later_is_refused(books: Ledger) -> None:
    """Nineteen days after the due date a payment still counts; on the twentieth the plan is cancelled."""
    with pytest.raises(PlanIsCancelled, match="cancelled on 2023-05-30") as caught:
        pay(books, GONE, "bank-2")
    assert caught.value.cancelled_on == GONE
    assert len(books.history("P-1")) == 3
    pay(books, LAST_DAY, "bank-2")
    assert books.position("P-1", as_of=GONE).status == "active"


def test_the_plan_is_cancelled_without_any_job_having_run(books: Ledger) -> None:
    """The overdue list shows a plan from the day after due to the last day of grace, whoever asks, whatever ran."""
    for as_of, listed in [(SECOND, 0), (SECOND + DAY, 1), (LAST_DAY, 1), (GONE, 0)]:
        assert len(books.overdue(as_of=as_of)) == listed
    row = books.overdue(as_of=LAST_DAY)[0]
    assert (row.number, row.due_on, row.days_past_due, row.days_left) == (2, SECOND, 19, 0)
    assert (row.amount_due, row.shares_at_stake) == (usd("150.00"), 343_650 + 52_650)
    assert books.position("P-1", as_of=GONE).shares_forfeited == 343_650
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


def test_today_is_the_day_in_the_plans_own_zone() -> None:
    """Without `as_of` each plan is shown on today's date in its own time zone."""
    clock = datetime(2023, 4, 10, 22, 30, tzinfo=UTC)  # the 11th in Moscow, the 10th in Mexico City
    with Ledger.open("memory://", clock=lambda: clock) as books:
        for plan_id, zone in [("P-1", "Europe/Moscow"), ("P-2", "America/Mexico_City")]:
            terms = attrs.evolve(TERMS, timezone=zone)
            books.open_plan(plan_id, investor="I-1", partner=None, terms=terms, opened_at=OPENED_ON)
        assert [row.plan_id for row in books.overdue()] == ["P-1"]
        assert [books.position(plan_id).as_of.day for plan_id in ("P-1", "P-2")] == [11, 10]
        (row,) = books.portfolio()
        assert (row.as_of, row.plans, row.active, row.in_grace) == (date(2023, 4, 11), 2, 1, 1)


# ---- late knowledge


def test_a_payment_that_was_learnt_of_late_undoes_the_cancellation(books: Ledger) -> None:
    """A payment dated within grace, recorded after the cancellation, undoes it: a correction, not a reinstatement."""
    books.close_books(through=GONE)
    assert books.position("P-1", as_of=GONE).status == "cancelled"
    late = pay(books, LAST_DAY, "bank-2")
    assert _kinds(late) == ["PaymentMade", "OutcomeVoided", "InstallmentSettled"]
    voided = late[1].event
    assert isinstance(voided, OutcomeVoided)
    named = books.history("P-1")[voided.voids - 1].event
    assert isinstance(named, PlanCancelled)
    assert (voided.effective_on, voided.because) == (GONE, late[0].version)
    assert books.position("P-1", as_of=GONE).status == "active"


def test_an_auditor_sees_what_was_known_at_an_instant() -> None:
    """`known_at` cuts by the instant of recording, inclusive; `as_of` by the effective date."""
    with Ledger.open("memory://") as books:
        opened, learnt = datetime(2023, 4, 10, 12, tzinfo=UTC), datetime(2023, 6, 1, 9, tzinfo=UTC)
        books.open_plan("P-1", investor="I-7", partner="N-3", terms=TERMS, opened_at=OPENED_ON, recorded_at=opened)
        books.record_payment(
            "P-1", reference="bank-1", amount=usd("150.00"), paid_at=date(2023, 4, 20), recorded_at=learnt
        )
        day = date(2023, 5, 1)
        for known_at, status in [(learnt - timedelta(microseconds=1), "cancelled"), (learnt, "active")]:
            assert books.position("P-1", as_of=day, known_at=known_at).status == status
            assert books.positions(as_of=day, known_at=known_at)[0].status == status
            assert getattr(books.portfolio(as_of=day, known_at=known_at)[0], status) == 1
        assert len(books.overdue(as_of=date(2023, 4, 20), known_at=opened)) == 1
        assert books.overdue(as_of=date(2023, 4, 20), known_at=learnt) == ()
        assert books.balances(as_of=day, known_at=opened)[0].shares_credited == 0
        with pytest.raises(PlanNotFound, match="not known at"):
            books.position("P-1", as_of=day, known_at=opened - timedelta(seconds=1))
        assert books.positions(as_of=day, known_at=opened - timedelta(seconds=1)) == ()


def test_the_instant_of_recording_never_steps_back(books: Ledger) -> None:
    """A command recorded by a clock that stepped back is recorded at the plan's latest instant."""
    events = books.record_payment(
        "P-1", reference="bank-2", amount=usd("1.00"), paid_at=FIRST, recorded_at=datetime(2023, 4, 11, tzinfo=UTC)
    )
    assert {recorded.recorded_at for recorded in events} == {RECORDED_AT}


def test_a_chargeback_reopens_a_completed_plan() -> None:
    """From the day of the chargeback the plan is active again; tranche, bonuses and shares are taken back."""
    with Ledger.open("memory://") as books:
        open_plan(books)
        pay(books, FIRST, "bank-1", amount="3000.00")
        on = date(2023, 8, 1)
        events = books.reverse_payment("P-1", reference="bank-1", cause="chargeback", on=on, recorded_at=RECORDED_AT)
        assert _kinds(events) == ["PaymentReversed", *["OutcomeVoided"] * 24]
        assert books.position("P-1", as_of=on - DAY).status == "completed"
        after = books.position("P-1", as_of=on)
        assert (after.status, after.paid, after.shares_credited, after.bonus_credited) == ("active", usd("0.00"), 0, 0)
        assert books.position("P-1", as_of=on + DAY).days_past_due == 1
        assert books.position("P-1", as_of=on + 19 * DAY).status == "in_grace"
        assert books.position("P-1", as_of=on + 20 * DAY).status == "cancelled"


def test_an_error_was_never_made(books: Ledger) -> None:
    """A payment reversed for error leaves nothing but its line in the statement, whatever date is stated."""
    pay(books, SECOND, "bank-2")
    events = books.reverse_payment(
        "P-1", reference="bank-2", cause="error", on=date(2023, 7, 1), recorded_at=RECORDED_AT
    )
    assert events[0].event.effective_on == SECOND
    assert books.reverse_payment("P-1", reference="bank-2", cause="error") == ()
    assert books.position("P-1", as_of=SECOND).settled == 1
    (line,) = [line for line in books.statement("P-1", as_of=SECOND) if "bank-2" in line.text]
    assert (line.money, line.shares, line.paid) == (None, 0, usd("150.00"))
    with pytest.raises(ReferenceConflict):
        pay(books, SECOND, "bank-2", amount="149.00")


# ---- repeating, previewing


def test_repeating_a_command_records_nothing_new(books: Ledger) -> None:
    """The same key and content is the same command, whoever repeats it and whenever: an empty tuple."""
    assert open_plan(books) == ()
    assert pay(books, FIRST, "bank-1") == ()
    assert (
        books.record_payment(
            "P-1",
            reference="bank-1",
            amount=usd("150.00"),
            paid_at=datetime(2023, 4, 10, 23, 59, tzinfo=timezone(timedelta(hours=3))),
            actor="someone else",
            correlation="a retry",
        )
        == ()
    )
    books.cancel_plan("P-1", reference="crm-1", on=SECOND, reason="asked")
    assert books.cancel_plan("P-1", reference="crm-1", on=SECOND, reason="asked", actor="x") == ()
    assert pay(books, FIRST, "bank-1") == ()
    books.reverse_payment("P-1", reference="bank-1", cause="chargeback", on=SECOND)
    assert books.reverse_payment("P-1", reference="bank-1", cause="chargeback", on=SECOND) == ()
    assert len(books.history("P-1")) == 7


def test_other_content_under_the_same_key_is_a_conflict_that_names_the_field(books: Ledger) -> None:
    """A key names one command for good: what differs is said, with both values."""
    books.cancel_plan("P-1", reference="crm-1", on=SECOND, reason="asked")
    books.reverse_payment("P-1", reference="bank-1", cause="chargeback", on=SECOND)
    payment: dict[str, Any] = {"reference": "bank-1", "amount": usd("150.00"), "paid_at": FIRST}
    opening: dict[str, Any] = {"investor": "I-7", "partner": "N-3", "terms": TERMS, "opened_at": OPENED_ON}
    calls: dict[str, Callable[[], Any]] = {
        "amount": lambda: books.record_payment("P-1", **payment | {"amount": usd("150.01")}),
        "paid_at": lambda: books.record_payment("P-1", **payment | {"paid_at": FIRST + DAY}),
        "kind": lambda: books.record_payment("P-1", **payment, kind="early_repayment"),
        "investor": lambda: books.open_plan("P-1", **opening | {"investor": "I-8"}),
        "partner": lambda: books.open_plan("P-1", **opening | {"partner": None}),
        "opened_at": lambda: books.open_plan(
            "P-1", **opening | {"opened_at": OPENED_ON - DAY, "terms": attrs.evolve(TERMS, first_due_on=OPENED_ON)}
        ),
        "terms.grace_days": lambda: books.open_plan("P-1", **opening | {"terms": attrs.evolve(TERMS, grace_days=20)}),
        "on": lambda: books.cancel_plan("P-1", reference="crm-1", on=SECOND + DAY, reason="asked"),
        "reason": lambda: books.cancel_plan("P-1", reference="crm-1", on=SECOND, reason="asked again"),
        "cause": lambda: books.reverse_payment("P-1", reference="bank-1", cause="error"),
        "command": lambda: books.record_payment("P-1", **payment | {"reference": "crm-1"}),
    }
    for field, call in calls.items():
        with pytest.raises(ReferenceConflict, match="is recorded with") as caught:
            call()
        assert caught.value.field == field
    assert len(books.history("P-1")) == 7


def test_a_dry_run_tells_what_would_be_recorded_and_records_nothing(books: Ledger) -> None:
    """`dry_run` returns the events with their versions, without a sequence, or raises the refusal."""
    payment: dict[str, Any] = {
        "reference": "bank-2",
        "amount": usd("300.00"),
        "paid_at": SECOND,
        "recorded_at": RECORDED_AT,
    }
    previewed = books.record_payment("P-1", **payment, dry_run=True)
    assert len(books.history("P-1")) == 3
    recorded = books.record_payment("P-1", **payment)
    assert [attrs.evolve(event, sequence=0) for event in recorded] == list(previewed)
    with pytest.raises(PlanIsCancelled):
        books.record_payment("P-1", reference="x", amount=usd("1.00"), paid_at=date(2024, 1, 1), dry_run=True)
    assert _kinds(books.close_books(through=date(2023, 8, 1), dry_run=True)) == ["PaymentMissed", "PlanCancelled"]
    assert books.history("P-1")[-1].sequence == recorded[-1].sequence


# ---- refusals


def test_refusals_say_what_was_wrong_and_what_would_be_right(books: Ledger) -> None:
    """Each refusal has its own type, carries its facts, reads as one sentence, and records nothing."""
    cases: list[tuple[type[LedgerError], str, Any]] = [
        (PaymentRefused, "before the opening on 2023-04-10; date it on the opening day or later",
         lambda: pay(books, FIRST - DAY, "x")),
        (PaymentRefused, r"is in EUR, the plan in USD; pay in USD",
         lambda: books.record_payment("P-1", reference="x", amount=Money.of("1.00", "EUR"), paid_at=FIRST)),
        (PaymentRefused, "after 2023-04-11, the day of its recording; date it by then",
         lambda: books.record_payment("P-9", reference="x", amount=usd("1.00"), paid_at=date(2023, 4, 12),
                                      recorded_at=datetime(2023, 4, 11, 12, tzinfo=UTC))),
        (Overpayment, r"3000.01 USD would stand on 2023-04-12, more than its price of 3000.00 USD; pay at most 2849.00",
         lambda: pay(books, FIRST, "x", amount="2849.01")),
        (PaymentRefused, "cannot be charged back on 2023-04-11; date the chargeback on 2023-04-12 or later",
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
         lambda: books.reinstate_plan("P-1", on=GONE, reference="x", amount=usd("150"), approved_by="A", reason="x")),
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


def test_an_overpayment_names_the_day_on_which_too_much_would_stand(books: Ledger) -> None:
    """Money standing may not exceed the price at the payment's own date nor at any later one."""
    pay(books, date(2023, 4, 20), "bank-2", amount="2850.00")
    with pytest.raises(Overpayment) as caught:
        pay(books, date(2023, 4, 15), "bank-3", amount="0.01")
    assert (caught.value.on, caught.value.standing, caught.value.price) == (date(2023, 4, 20), 300_001, 300_000)
    assert caught.value.currency == "USD"
    with pytest.raises(PlanIsCompleted, match="completed on 2023-04-20"):
        pay(books, date(2023, 4, 20), "bank-3", amount="0.01")


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


def test_queries_take_dates_and_instants_only(books: Ledger) -> None:
    """`as_of` is a date, `known_at` an aware instant; the one in the place of the other is refused."""
    with pytest.raises(InvalidArgument, match="as_of is .*expected a datetime.date"):
        books.position("P-1", as_of=datetime(2023, 5, 1, tzinfo=UTC))
    with pytest.raises(InvalidArgument, match="known_at is .*expected a datetime with a time zone"):
        books.overdue(known_at=date(2023, 5, 1))  # type: ignore[arg-type]  # on purpose
    with pytest.raises(InvalidArgument, match="through is"):
        books.close_books(through=datetime(2023, 5, 1, tzinfo=UTC))
    with pytest.raises(TypeError):
        books.record_payment("P-1", reference="x", amount=usd("1.00"), paid_at=FIRST, actr="x")  # type: ignore[call-arg]


def test_pendulum_dates_and_instants_are_taken(books: Ledger) -> None:
    """Dates and instants of pendulum are dates and instants; they are kept as plain ones."""
    instant = pendulum.datetime(2023, 5, 9, 22, tz="UTC")
    (paid, *_) = books.record_payment("P-1", reference="bank-2", amount=usd("150.00"), paid_at=instant)
    assert isinstance(paid.event, PaymentMade)
    assert type(paid.event.effective_on) is date
    assert type(paid.event.paid_at) is datetime
    assert (paid.event.effective_on, paid.event.paid_at) == (SECOND, datetime(2023, 5, 9, 22, tzinfo=UTC))
    assert books.position("P-1", as_of=pendulum.date(2023, 5, 10)).settled == 2


def test_a_closing_ahead_of_any_plans_day_is_refused() -> None:
    """A day that has not come in some plan's zone cannot be closed; the refusal names the plan, nothing is recorded."""
    now = datetime(2023, 5, 1, 2, tzinfo=UTC)  # the 30th of April in Mexico City
    with Ledger.open("memory://", clock=lambda: now) as books:
        for plan_id, zone in [("P-1", "Europe/Moscow"), ("P-2", "America/Mexico_City")]:
            terms = attrs.evolve(TERMS, timezone=zone)
            books.open_plan(plan_id, investor="I-1", partner=None, terms=terms, opened_at=OPENED_ON)
        with pytest.raises(
            CommandRefused, match="after 2023-04-30.*America/Mexico_City; close through 2023-04-30"
        ) as caught:
            books.close_books(through=date(2023, 5, 1))
        assert caught.value.plan_id == "P-2"
        assert len(list(books.events())) == 2
        assert _kinds(books.close_books(through=date(2023, 4, 30))) == ["PaymentMissed", "PlanCancelled"] * 2


# ---- reinstatement


def _cancelled(reinstatement: Any) -> Ledger:
    books = Ledger.open("memory://")
    open_plan(books, terms=attrs.evolve(TERMS, reinstatement=reinstatement))
    pay(books, FIRST, "bank-1")
    books.close_books(through=GONE)
    return books


def test_a_reinstatement_covers_what_is_overdue_and_re_dates_the_rest() -> None:
    """Full cover: the payment settles all that has passed, the rest falls due from 30 days later, bonuses are lost."""
    with _cancelled(package.FullCover()) as books:
        decision: dict[str, Any] = {
            "on": date(2023, 7, 11),
            "reference": "bank-9",
            "approved_by": "head of sales",
            "reason": "illness",
            "recorded_at": RECORDED_AT,
        }
        with pytest.raises(ReinstatementRefused, match="do not cover 3 overdue installments; pay at least 450.00 USD"):
            books.reinstate_plan("P-1", amount=usd("449.99"), **decision)
        with pytest.raises(ReinstatementRefused, match="'head of sales' cannot approve what 'head of sales' records"):
            books.reinstate_plan("P-1", amount=usd("450.00"), actor="head of sales", **decision)
        events = books.reinstate_plan("P-1", amount=usd("450.00"), actor="decider", **decision)
        assert _kinds(events) == ["PlanReinstated", *["InstallmentSettled"] * 3, "ScheduleRevised"]
        assert books.reinstate_plan("P-1", amount=usd("450.00"), **decision) == ()
        with pytest.raises(ReferenceConflict) as caught:
            books.reinstate_plan("P-1", amount=usd("450.00"), **decision | {"reason": "other"})
        assert caught.value.field == "reason"
        after = books.position("P-1", as_of=date(2023, 7, 11))
        assert (after.status, after.settled, after.bonus_promised) == ("active", 4, 0)
        assert after.next_installment is not None
        assert after.next_installment.due_on == date(2023, 8, 10)
        assert books.position("P-1", as_of=date(2023, 8, 11)).status == "in_grace"
        with pytest.raises(ReinstatementRefused, match="not cancelled on 2023-07-11; record the money as an ordinary"):
            books.reinstate_plan("P-1", amount=usd("450.00"), **decision | {"reference": "bank-10"})


def test_a_reinstatement_that_covers_a_part_revises_the_package() -> None:
    """Partial cover: the decision must state the package's shares, no larger than before and not below the releases."""
    with _cancelled(PartialCover(2)) as books:
        decision: dict[str, Any] = {
            "on": date(2023, 7, 11),
            "reference": "bank-9",
            "amount": usd("300.00"),
            "approved_by": "head of sales",
            "reason": "illness",
        }
        with pytest.raises(
            ReinstatementRefused, match="must be revised; state revised_shares, from 147,000 to 351,000"
        ):
            books.reinstate_plan("P-1", **decision)
        for shares in (146_999, 351_001):
            with pytest.raises(ReinstatementRefused, match="cannot be revised"):
                books.reinstate_plan("P-1", **decision, revised_shares=shares)
        books.reinstate_plan("P-1", **decision, revised_shares=300_000)
        after = books.position("P-1", as_of=date(2023, 7, 11))
        assert (after.shares_credited, after.shares_promised, after.shares_forfeited) == (22_050, 277_950, 51_000)


# ---- the statement


def test_a_statement_tells_the_story_and_ends_in_the_position(books: Ledger) -> None:
    """Every line says in words what happened; the running balances end where the position stands."""
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
