"""Payments (RULES.md section 5): oldest installment first, settled by the completing payment, within the price."""

from datetime import UTC, date, datetime

import attrs
import pendulum
import pytest
from hypothesis import given

from ledger import InvalidArgument, Ledger, Overpayment, PaymentRefused, PlanIsCompleted
from ledger.decide import decide
from ledger.events import InstallmentSettled, PlanReinstated
from ledger.plan import Plan
from ledger.state.position import position
from tests import examples
from tests.examples import OPENED_ON
from tests.plans import (
    DAY,
    DUE,
    TEN,
    D,
    charge_back,
    days_up_to_horizon,
    pay,
    pay_each,
    plan_after,
    record,
    recorded_by_last,
)
from tests.strategies import METADATA, History, histories, one_in

# ---- settling


@one_in(4)
@given(history=histories())
def test_money_settles_installments_oldest_first(history: History) -> None:
    """At every date the money paid settles as many of the first installments as it covers, and a part of the next."""
    plan = Plan(history.events)
    for day in days_up_to_horizon(history.events):
        state = plan.timeline(day).state
        settled = sum(line.amount for line in state.lines[: state.settled])
        assert settled <= state.paid
        if state.settled < len(state.lines):
            assert state.paid + state.missing == settled + state.lines[state.settled].amount
            assert state.missing > 0


@one_in(4)
@given(history=histories())
def test_an_installment_is_settled_on_the_date_of_the_completing_payment(history: History) -> None:
    """Each settlement has the date of its payment, or of the reinstatement that applied unapplied money."""
    plan = Plan(history.events)
    reinstated_on = {fact.effective_on for fact in plan.facts if isinstance(fact, PlanReinstated)}
    for outcome in plan.timeline(plan.horizon).outcomes:
        if isinstance(outcome, InstallmentSettled):
            assert outcome.effective_on in {plan.payments[outcome.payment].effective_on, *reinstated_on}


@pytest.mark.parametrize(("shift", "settled", "missing"), [(-1, 0, 6_000), (0, 1, 9_000), (1, 1, 9_000)])
def test_the_payment_that_completes_the_amount_settles(shift: int, settled: int, missing: int) -> None:
    """40.00 are a part; with 70.00 more number 1 is settled on that day, and 10.00 are a part of number 2."""
    plan = plan_after(pay(D - 9 * DAY, "part", minor=-6_000), pay(D - DAY, "rest", minor=-3_000))
    position = plan.position(D - DAY + shift * DAY)
    assert position.next_installment is not None
    assert (position.settled, position.next_installment.missing.minor) == (settled, missing)
    assert position.shares_credited == 2_300 * settled
    assert plan.timeline(D).outcomes == (InstallmentSettled(D - DAY, 1, 2_300, "rest"),)


def test_a_payment_settles_several_installments_due_or_not() -> None:
    """On the third due date an overdue installment, the one due and one not yet due are settled at once."""
    terms = attrs.evolve(TEN, grace_days=45)
    events = recorded_by_last(pay(D), pay(DUE[2], "bank-2", 3), terms=terms)
    assert events[2:] == [InstallmentSettled(DUE[2], number, 2_300, "bank-2") for number in (2, 3, 4)]


# ---- refused


@pytest.mark.parametrize(("shift", "accepted"), [(-1, False), (0, True), (1, True)])
def test_a_payment_before_the_opening_is_refused(shift: int, *, accepted: bool) -> None:
    """The day before the opening is refused, with the date; the opening day and the day after it are not."""
    payment = pay(OPENED_ON + shift * DAY)
    if accepted:
        assert decide(record(), payment, METADATA)
    else:
        with pytest.raises(PaymentRefused, match="dated 2023-04-09, before the opening on 2023-04-10"):
            decide(record(), payment, METADATA)


def test_a_payment_on_a_completed_plan_is_refused() -> None:
    """The day before the completion it is too much money, on the day and later the plan is completed."""
    history = record(*pay_each(DUE))
    with pytest.raises(Overpayment):
        decide(history, pay(DUE[9] - DAY, "more"), METADATA)
    for on in (DUE[9], DUE[9] + DAY):
        with pytest.raises(PlanIsCompleted, match="completed on 2024-02-10"):
            decide(history, pay(on, "more"), METADATA)


@pytest.mark.parametrize(("minor", "accepted"), [(-1, True), (0, True), (1, False)])
def test_no_more_than_the_price_is_accepted(minor: int, *, accepted: bool) -> None:
    """A cent less than the price and the price are accepted, a cent more is not, with the most that could be paid."""
    payment = pay(D, installments=10, minor=minor)
    if accepted:
        assert decide(record(), payment, METADATA)
    else:
        with pytest.raises(Overpayment, match=r"more than its price of 1000\.00 USD; pay at most 1000\.00 USD"):
            decide(record(), payment, METADATA)


def test_an_overpayment_names_the_day_of_the_excess(books: Ledger) -> None:
    """The money received may not exceed the price at the payment's own date nor at any later one."""
    examples.pay(books, date(2023, 4, 20), "bank-2", amount="2850.00")
    with pytest.raises(Overpayment) as caught:
        examples.pay(books, date(2023, 4, 15), "bank-3", amount="0.01")
    assert (caught.value.on, caught.value.standing, caught.value.price) == (date(2023, 4, 20), 300_001, 300_000)
    assert caught.value.currency == "USD"
    with pytest.raises(PlanIsCompleted, match="completed on 2023-04-20"):
        examples.pay(books, date(2023, 4, 20), "bank-3", amount="0.01")


@pytest.mark.parametrize(("shift", "accepted"), [(-1, False), (0, True), (1, True)])
def test_money_charged_back_leaves_room_from_its_date(shift: int, *, accepted: bool) -> None:
    """With 950.00 of 1,000.00 paid, 100.00 more is too much until the day before the chargeback, and not from it on."""
    charged_back_on = D + 10 * DAY
    history = record(pay(D, installments=9, minor=5_000), charge_back(charged_back_on))
    payment = pay(charged_back_on + shift * DAY, "more")
    if accepted:
        assert decide(history, payment, METADATA)
    else:
        with pytest.raises(Overpayment, match=r"1050\.00 USD would stand on 2023-05-19.*pay at most 50\.00 USD"):
            decide(history, payment, METADATA)


def test_a_position_is_that_of_a_date() -> None:
    """An instant is refused by name; a date of another class becomes a plain one."""
    plan = plan_after(pay(D))
    state = plan.timeline(D).state
    with pytest.raises(InvalidArgument) as refused:
        position("P-1", plan.opened, state, datetime(2023, 5, 10, tzinfo=UTC))
    assert (refused.value.argument, refused.value.expected) == ("as_of", "a datetime.date")
    assert type(position("P-1", plan.opened, state, pendulum.date(2023, 5, 10)).as_of) is date
