"""Completion (RULES.md section 8): the tranche, the order of the outcomes, and conservation at every date."""

from datetime import date

import attrs
import pytest
from hypothesis import assume, given

from ledger import Ledger, Money, OnTimeBonus, PackageBonus
from ledger.commands import Command
from ledger.decide import decide
from ledger.events import InstallmentSettled, PaymentReversed, PlanCompleted, PlanReinstated, PromoApplied
from ledger.plan import Plan
from ledger.terms import DoublePayment, PerUnit
from tests import examples
from tests.attempts import attempts_with_closings
from tests.examples import TERMS, open_plan
from tests.plans import (
    DAY,
    DUE,
    TEN,
    attempt,
    days_up_to_horizon,
    kinds,
    pay,
    pay_each,
    plan_after,
    recorded_by,
    recorded_by_last,
)
from tests.strategies import METADATA, History, histories, one_in, opened_in

# ---- the tranche


def test_paying_on_time_credits_the_published_shares() -> None:
    """3,000 USD in 20 × 150: 139,650 shares before the last payment, 211,350 with it, 17,550 for paying on time."""
    terms = attrs.evolve(TERMS, promos=(OnTimeBonus(code="on_time", rate_bp=500),))
    with Ledger.open("memory://") as books:
        lines = opened_in(open_plan(books, terms=terms)).lines
        for line in lines[:-1]:
            examples.pay(books, line.due_on, f"bank-{line.number}")
        before = books.position("P-1", as_of=lines[-1].due_on - DAY)
        assert (before.shares_credited, before.shares_promised, before.bonus_promised) == (139_650, 211_350, 17_550)
        last = examples.pay(books, lines[-1].due_on, "bank-20")
        assert kinds(last) == ["PaymentMade", "InstallmentSettled", "PlanCompleted", "PromoApplied"]
        after = books.position("P-1", as_of=lines[-1].due_on)
        assert (after.status, after.shares_credited, after.shares_promised) == ("completed", 351_000, 0)
        assert (after.bonus_credited, after.bonus_promised, after.next_installment) == (17_550, 0, None)


@pytest.mark.parametrize(("shift", "status"), [(-1, "active"), (0, "completed"), (1, "completed")])
def test_a_plan_is_completed_on_the_day_of_its_last_payment(shift: int, status: str) -> None:
    """The day before, 2,300 shares of the last installment and a tranche of 11,000 are promised; then credited."""
    position = plan_after(*pay_each(DUE)).position(DUE[9] + shift * DAY)
    assert position.status == status
    assert position.completed_on == (DUE[9] if status == "completed" else None)
    assert (position.shares_credited, position.shares_promised) == (
        (34_000, 0) if status == "completed" else (20_700, 13_300)
    )


@pytest.mark.parametrize(("minor", "status"), [(-1, "in_grace"), (0, "completed")])
def test_the_last_cent_completes_a_plan(minor: int, status: str) -> None:
    """With one cent missing nothing is completed; with the whole price paid the plan is."""
    plan = plan_after(*pay_each(DUE[:9]), pay(DUE[9], "last", minor=minor))
    assert plan.position(DUE[9] + DAY).status == status


@pytest.mark.parametrize(("rate", "tranche"), [("0", 34_000), ("33.9", 100), ("34", 0)])
def test_the_tranche_is_the_rest_of_the_package(rate: str, tranche: int) -> None:
    """The installments may leave any tranche of the package, or none: completion is an outcome all the same."""
    events = recorded_by_last(pay(DUE[0], installments=10), terms=attrs.evolve(TEN, release=PerUnit(rate)))
    assert events[-1] == PlanCompleted(DUE[0], tranche, "bank-1")


def test_the_order_of_the_outcomes_of_a_completion() -> None:
    """The settlements, awards credited at once, `PlanCompleted`, then the bonuses credited on completion."""
    promos = (
        OnTimeBonus(code="on_time", rate_bp=500),
        DoublePayment(code="double", rate_bp=50, base="package", credit="at_once"),
        PackageBonus(code="spring", rate_bp=1_000),
    )
    commands = [*pay_each(DUE[:8]), pay(DUE[8], "last", 2)]
    assert recorded_by_last(*commands, terms=attrs.evolve(TEN, promos=promos))[1:] == [
        InstallmentSettled(DUE[8], 9, 2_300, "last"),
        InstallmentSettled(DUE[8], 10, 2_300, "last"),
        PromoApplied(DUE[8], "double", 170, "last"),
        PlanCompleted(DUE[8], 11_000, "last"),
        PromoApplied(DUE[8], "on_time", 1_700, "last"),
        PromoApplied(DUE[8], "spring", 3_400, "last"),
    ]


@one_in(4)
@given(commands=attempts_with_closings())
def test_a_completion_credits_the_rest_of_the_package(commands: list[Command]) -> None:
    """Completed, a plan has credited its whole package; the tranche is the part that the installments left."""
    plan = Plan(recorded_by(attempt(commands)))
    derived = plan.timeline(date(2034, 1, 1))
    state = derived.state
    completions = [outcome for outcome in derived.holding() if isinstance(outcome, PlanCompleted)]
    assert [outcome.effective_on for outcome in completions] == ([state.completed_on] if state.completed_on else [])
    for outcome in completions:
        assert outcome.shares == state.package - sum(line.shares for line in state.lines)
        assert (state.shares_credited, state.shares_promised, state.bonus_promised) == (state.package, 0, 0)
        assert state.settled == len(state.lines)


# ---- conservation


@one_in(2)
@given(commands=attempts_with_closings())
def test_shares_and_money_are_conserved_at_every_date(commands: list[Command]) -> None:
    """Credited, promised and forfeited are the package; paid and outstanding the price; all money is accounted for."""
    events = recorded_by(attempt(commands))
    plan, opened = Plan(events), opened_in(events)
    reversed_on = {fact.reference: fact.effective_on for fact in plan.facts if isinstance(fact, PaymentReversed)}
    for day in [*days_up_to_horizon(events), plan.horizon + 100 * DAY]:
        position = plan.position(day)
        shares = (position.shares_credited, position.shares_promised, position.shares_forfeited)
        money = (position.paid.minor, position.outstanding.minor, position.unapplied.minor)
        assert min(*shares, *money, position.bonus_credited, position.bonus_promised) >= 0
        assert sum(shares) == opened.terms.shares
        assert money[0] + money[1] == opened.terms.price.minor
        received = sum(
            payment.amount.minor
            for reference, payment in plan.payments.items()
            if payment.effective_on <= day < reversed_on.get(reference, date.max)
        )
        assert money[0] + money[2] == received <= opened.terms.price.minor
        assert (position.status == "completed") == (position.outstanding.minor == 0)
        if position.status == "cancelled":
            assert (position.shares_promised, position.bonus_promised) == (0, 0)


@one_in(4)
@given(history=histories())
def test_paying_on_schedule_credits_exactly_the_promised_shares(history: History) -> None:
    """An active plan whose open installments are paid one by one, each when due, ends with all that it promised."""
    plan = Plan(history.events)
    today = max(plan.horizon, history.opened.effective_on)
    before = plan.timeline(today).state
    assume(before.status == "active")
    assume(not any(isinstance(fact, PlanReinstated) for fact in plan.facts))
    events, currency = history.events, history.opened.terms.price.currency
    for line in before.lines[before.settled :]:
        missing = before.missing if line.number == before.settled + 1 else line.amount
        payment = attrs.evolve(pay(max(today, line.due_on), f"line-{line.number}"), amount=Money(missing, currency))
        events += decide(events, payment, METADATA)
    after = Plan(events).timeline(max(today, before.lines[-1].due_on)).state
    assert after.status == "completed"
    assert after.shares_credited == before.shares_credited + before.shares_promised
    assert after.bonus_credited == before.bonus_credited + before.bonus_promised
