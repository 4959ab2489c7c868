"""Chargebacks (RULES.md section 10): history before the date stands, from it on the money left settles oldest first."""

from datetime import date
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import Ledger, PaymentRefused
from ledger.audit import verify as reference_model
from ledger.decide import decide
from ledger.events import InstallmentSettled, OutcomeVoided, PaymentMissed, PromoApplied
from ledger.plan import Plan
from ledger.terms import DoublePayment, EveryDays, PackageBonus
from tests import examples
from tests.examples import OPENED_ON, open_plan, usd
from tests.plans import (
    DAY,
    D,
    agreed,
    cancel,
    charge_back,
    deadlines,
    kinds,
    overdue_figures,
    pay,
    plan_after,
    record,
    recorded_by_last,
    reverse,
)
from tests.reference_words import facts_of, report_of, terms_of
from tests.strategies import METADATA, History, days, histories, one_in, opened_in

YEARLY, WEEKLY = agreed(4, schedule=EveryDays(365)), agreed(4, schedule=EveryDays(7))
MONTHLY = agreed(4)


@pytest.mark.parametrize(("shift", "accepted"), [(-1, False), (0, True), (1, True)])
def test_a_payment_is_not_charged_back_before_its_own_date(shift: int, *, accepted: bool) -> None:
    """The day before the payment is refused; its own date and the day after are not."""
    history, chargeback = record(pay(D)), charge_back(D + shift * DAY)
    if accepted:
        assert decide(history, chargeback, METADATA)
    else:
        with pytest.raises(PaymentRefused, match="check the payment and the date"):
            decide(history, chargeback, METADATA)


@one_in(4)
@given(history=histories(), data=st.data())
def test_a_chargeback_takes_its_money_and_moves_no_deadline_of_its_date(history: History, data: st.DataObject) -> None:
    """On its date all of the money is gone; days past due, end of grace and a cancellation are as without it."""
    plan = Plan(history.events)
    reversible = sorted(plan.payments.keys() - plan.reversals.keys())
    if not reversible:
        return
    payment = plan.payments[data.draw(st.sampled_from(reversible))]
    on = max(payment.effective_on, data.draw(days(history.opened)))
    events = (*history.events, *decide(history.events, charge_back(on, payment.reference), METADATA))
    before, after = plan.position(on), Plan(events).position(on)
    assert overdue_figures(after)[1:] == overdue_figures(before)[1:]
    assert (after.cancelled_on, after.completed_on) == (
        before.cancelled_on,
        before.completed_on if before.paid == after.paid else None,
    )
    money = before.paid.minor + before.unapplied.minor
    assert after.paid.minor + after.unapplied.minor == money - payment.amount.minor
    assert after.shares_credited <= before.shares_credited
    assert after.bonus_credited <= before.bonus_credited


# ---- what ceases to hold


def test_a_chargeback_voids_from_its_date() -> None:
    """Outcomes that rested on the money held until the chargeback and end with it, because of it."""
    assert recorded_by_last(pay(D, "bank-1", 2), charge_back(D + 3 * DAY, "bank-1"))[1:] == [
        OutcomeVoided(D + 3 * DAY, voids=3, shares=2_300, because=5),
        OutcomeVoided(D + 3 * DAY, voids=4, shares=2_300, because=5),
    ]


def test_an_outcome_ended_by_an_old_chargeback_names_that_chargeback() -> None:
    """With a payment gone for error, a chargeback recorded before ends another outcome, and is named as the cause."""
    commands = (
        pay(D, "bank-1"),
        pay(D + 10 * DAY, "bank-2"),
        pay(D + 12 * DAY, "bank-3"),
        charge_back(D + 20 * DAY, "bank-1"),
        reverse("bank-3"),
    )
    assert recorded_by_last(*commands[:-1])[1:] == [OutcomeVoided(D + 20 * DAY, voids=7, shares=2_300, because=8)]
    assert recorded_by_last(*commands)[1:] == [
        OutcomeVoided(D + 20 * DAY, voids=5, shares=2_300, because=8),
        OutcomeVoided(D + 20 * DAY, voids=9, shares=-2_300, because=10),
        OutcomeVoided(D + 12 * DAY, voids=7, shares=2_300, because=10),
    ]


def test_a_chargeback_reopens_a_completed_plan() -> None:
    """From the day of the chargeback the plan is active again; tranche, bonuses and shares are taken back."""
    with Ledger.open("memory://") as books:
        open_plan(books)
        examples.pay(books, OPENED_ON, "bank-1", amount="3000.00")
        on = date(2023, 8, 1)
        events = books.reverse_payment(
            "P-1", reference="bank-1", cause="chargeback", on=on, recorded_at=examples.RECORDED_AT
        )
        assert kinds(events) == ["PaymentReversed", *["OutcomeVoided"] * 24]
        assert books.position("P-1", as_of=on - DAY).status == "completed"
        after = books.position("P-1", as_of=on)
        assert (after.status, after.paid, after.shares_credited, after.bonus_credited) == ("active", usd("0.00"), 0, 0)
        assert books.position("P-1", as_of=on + DAY).days_past_due == 1
        assert books.position("P-1", as_of=on + 19 * DAY).status == "in_grace"
        assert books.position("P-1", as_of=on + 20 * DAY).status == "cancelled"


@pytest.mark.parametrize("shift", [0, 1, 19, 20, 40])
def test_on_a_cancelled_plan_no_clock_starts(shift: int) -> None:
    """A chargeback after a cancellation takes back credited shares as forfeited and leaves the cancellation day."""
    plan = plan_after(pay(D), cancel(D + 2 * DAY), charge_back(D + 5 * DAY), terms=MONTHLY, opened_on=D)
    position = plan.position(D + (5 + shift) * DAY)
    assert (position.status, position.cancelled_on) == ("cancelled", D + 2 * DAY)
    assert (position.shares_credited, position.shares_promised, position.shares_forfeited) == (0, 0, 13_600)
    assert deadlines(plan.timeline(D + 60 * DAY).outcomes) == [("PlanCancelled", D + 2 * DAY, None)]


# ---- the clock of a reopened installment


@pytest.mark.parametrize("grace_days", [0, 1, 19, 45])
@pytest.mark.parametrize("after", [0, 1, 5, 10, 25])
def test_after_a_chargeback_the_clock_starts_on_its_date(grace_days: int, after: int) -> None:
    """Charged back on X, at or after the due date: missed on X+1, cancelled on the day after X and grace."""
    x = D + after * DAY
    terms = agreed(4, grace_days=grace_days, schedule=EveryDays(365))
    plan = plan_after(pay(D), charge_back(x), terms=terms, opened_on=D)
    assert overdue_figures(plan.position(x)) == ("active", 0, None)
    for day in range(1, grace_days + 1):
        assert overdue_figures(plan.position(x + day * DAY)) == ("in_grace", day, grace_days - day)
    cancelled_on = x + (grace_days + 1) * DAY
    for later in (cancelled_on, cancelled_on + DAY):
        assert plan.position(later).cancelled_on == cancelled_on
        assert deadlines(plan.timeline(later).outcomes) == [
            ("PaymentMissed", x + DAY, 1),
            ("PlanCancelled", cancelled_on, 1),
        ]


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (0, ("active", 0, None)),
        (1, ("in_grace", 1, 18)),
        (18, ("in_grace", 18, 1)),
        (19, ("in_grace", 19, 0)),
        (20, ("cancelled", 0, None)),
    ],
)
def test_the_clock_of_a_chargeback_day_by_day(shift: int, expected: tuple[str, int, int | None]) -> None:
    """Charged back on X: missed on X+1, cancelled on X+20; the due date is still shown as scheduled."""
    x = D + 10 * DAY
    plan = plan_after(pay(D), charge_back(x), terms=MONTHLY, opened_on=D)
    position = plan.position(x + shift * DAY)
    assert overdue_figures(position) == expected
    assert position.next_installment is not None
    assert position.next_installment.due_on == D
    missed = [outcome for outcome in plan.timeline(x + DAY).outcomes if isinstance(outcome, PaymentMissed)]
    assert missed == [PaymentMissed(x + DAY, 1, due_on=D, grace_ends_on=x + 19 * DAY)]


@pytest.mark.parametrize(("shift", "clock"), [(-1, D), (0, D), (1, D + DAY)])
def test_charged_back_before_its_due_date_an_installment_keeps_its_clock(shift: int, clock: date) -> None:
    """The day before the due date and on it the clock is the due date; the day after, it is the chargeback's."""
    terms = agreed(4, first_due_on=D)
    plan = plan_after(pay(D - 5 * DAY), charge_back(D + shift * DAY), terms=terms, opened_on=D - 5 * DAY)
    assert plan.position(clock).status == "active"
    assert plan.position(clock + DAY).days_past_due == 1
    assert plan.position(clock + 20 * DAY).cancelled_on == clock + 20 * DAY


def test_a_chargeback_reopens_the_youngest_and_an_older_clock_may_end_later() -> None:
    """Money left settles oldest first: number 2 reopens; its clock of X ends after that of number 3, not yet paid."""
    plan = plan_after(
        pay(D, "bank-1"),
        pay(D + 7 * DAY, "bank-2"),
        charge_back(D + 16 * DAY, "bank-1"),
        terms=WEEKLY,
        opened_on=D,
    )
    on = D + 17 * DAY
    assert plan.position(on).settled == 1
    assert deadlines(plan.timeline(on).holding()) == [
        ("PaymentMissed", D + 15 * DAY, 3),
        ("PaymentMissed", on, 2),
    ]
    assert plan.position(on).days_past_due == 3
    assert plan.position(on).grace_ends_on == D + 33 * DAY
    position = plan.position(D + 34 * DAY)
    assert position.cancelled_on == D + 34 * DAY
    assert deadlines(plan.timeline(D + 34 * DAY).outcomes)[-1] == ("PlanCancelled", D + 34 * DAY, 3)


def test_with_equal_clocks_the_lowest_number_is_shown_and_cancels() -> None:
    """Two installments reopened on one day share a clock: both are missed, in order, and the first one cancels."""
    plan = plan_after(pay(D, installments=2), charge_back(D + 10 * DAY), terms=WEEKLY, opened_on=D)
    cancelled_on = D + 30 * DAY
    assert plan.timeline(D + 11 * DAY).state.overdue == plan.opened.lines[0]
    assert deadlines(plan.timeline(cancelled_on).outcomes) == [
        ("PaymentMissed", D + 11 * DAY, 1),
        ("PaymentMissed", D + 11 * DAY, 2),
        ("PaymentMissed", D + 15 * DAY, 3),
        ("PaymentMissed", D + 22 * DAY, 4),
        ("PlanCancelled", cancelled_on, 1),
    ]


def test_each_chargeback_starts_the_clock_anew() -> None:
    """Missed, paid in grace and charged back, an installment is missed anew and counts from the later chargeback."""
    x, y = D + 10 * DAY, D + 25 * DAY
    plan = plan_after(
        pay(D + 2 * DAY),
        charge_back(x),
        pay(x + 14 * DAY, "bank-2"),
        charge_back(y, "bank-2"),
        terms=YEARLY,
        opened_on=D,
    )
    assert [plan.position(y + shift * DAY).days_past_due for shift in (0, 1, 19)] == [0, 1, 19]
    assert deadlines(plan.timeline(y + 20 * DAY).outcomes) == [
        ("PaymentMissed", D + DAY, 1),
        ("PaymentMissed", x + DAY, 1),
        ("PaymentMissed", y + DAY, 1),
        ("PlanCancelled", y + 20 * DAY, 1),
    ]


def test_the_money_left_settles_other_installments_than_before() -> None:
    """The payment of number 1 gone, that of number 2 settles number 1, from the chargeback on and not before."""
    plan = plan_after(pay(D, "bank-1"), pay(D + DAY, "bank-2"), charge_back(D + 5 * DAY, "bank-1"))
    for shift, settled in ((4, 2), (5, 1), (6, 1)):
        assert plan.position(D + shift * DAY).settled == settled
    assert plan.timeline(D + 5 * DAY).holding() == [InstallmentSettled(D, 1, 2_300, "bank-1")]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (19, ("in_grace", 9, 10)),
        (20, ("in_grace", 10, 9)),
        (21, ("in_grace", 11, 8)),
        (28, ("in_grace", 18, 1)),
        (29, ("in_grace", 19, 0)),
        (30, ("cancelled", 0, None)),
    ],
)
def test_a_payment_stops_the_clock_of_the_installment_that_it_settles(
    day: int, expected: tuple[str, int, int | None]
) -> None:
    """Number 1 is open again from 15 June, number 2 since 10 June: the payment of 20 June settles number 1."""
    plan = plan_after(pay(D), charge_back(date(2023, 6, 15)), pay(date(2023, 6, 20), "bank-2"))
    position = plan.position(date(2023, 6, day))
    assert overdue_figures(position) == expected
    assert position.settled == (1 if day >= 20 else 0)


@pytest.mark.parametrize(
    ("stacking", "before", "fallen", "instead"),
    [
        ("additive", [("double", "bank-1"), ("double", "bank-3"), ("spring", "bank-3")], [("double", 680)], []),
        ("exclusive", [("double", "bank-1")], [("double", 680)], [("double", 680, "bank-3")]),
        (
            "compound",
            [("double", "bank-1"), ("double", "bank-3"), ("spring", "bank-3")],
            [("double", 680), ("spring", 748)],
            [("spring", 714, "bank-3")],
        ),
    ],
)
def test_an_award_falls_with_its_payment_where_money_of_the_day_keeps_the_plan_completed(
    stacking: Literal["additive", "exclusive", "compound"],
    before: list[tuple[str, str]],
    fallen: list[tuple[str, int]],
    instead: list[tuple[str, int, str]],
) -> None:
    """The payment that arrived on the completed plan that day takes its place; bonuses are as if it had earned nothing.

    The award goes from the day of the chargeback on, and with it what another bonus counted of it; under exclusive
    stacking the next largest is credited in its place. The completion stands.
    """
    double = DoublePayment(code="double", rate_bp=500, base="package", credit="on_completion")
    terms = agreed(4, promos=(double, PackageBonus(code="spring", rate_bp=500)), stacking=stacking)
    on = OPENED_ON + 5 * DAY
    commands = (
        pay(OPENED_ON, "bank-1", 2),
        pay(on, "bank-2", 2),
        charge_back(on, "bank-1"),
        pay(OPENED_ON, "bank-3", 2),
    )
    history = record(*commands, terms=terms)
    plan, opened = Plan(history), opened_in(history)
    derived = {day: plan.timeline(day) for day in (on - DAY, on)}
    bonuses = {day: [one for one in found.holding() if isinstance(one, PromoApplied)] for day, found in derived.items()}
    assert [(one.code, one.payment) for one in bonuses[on - DAY]] == before
    gone = [(one.code, one.shares) for one in bonuses[on - DAY] if one not in bonuses[on]]
    new = [(one.code, one.shares, one.payment) for one in bonuses[on] if one not in bonuses[on - DAY]]
    assert (gone, new) == (fallen, instead)
    for day, found in derived.items():
        state = found.state
        assert (state.status, state.completed_on, state.shares_credited) == ("completed", OPENED_ON, 13_600)
        assert state.bonus_credited == sum(one.shares for one in bonuses[day])
        model = reference_model.derive(terms_of(opened), OPENED_ON, facts_of(history), day)
        assert report_of(opened, found, day) == model
    plan.check(plan.timeline(plan.horizon))
