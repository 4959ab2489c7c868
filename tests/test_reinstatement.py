"""Reinstatement (RULES.md section 9): its cover, the revised package, promotions, and late knowledge about it.

In the examples number 1 is paid on 2023-05-10 and number 2, due on 2023-06-10, is not: cancelled on 2023-06-30.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, assume, given, settings

from ledger import (
    FullCover,
    Ledger,
    Money,
    OnTimeBonus,
    PackageBonus,
    PartialCover,
    PlanIsCancelled,
    ReferenceConflict,
    ReinstatementRefused,
)
from ledger.decide import decide, fact_of
from ledger.events import InstallmentSettled, PlanCompleted, PromoApplied, RecordedEvent, ScheduleRevised
from ledger.plan import Plan
from ledger.terms import Closed, DoublePayment, EarlyRepayment, PlanTerms
from ledger.terms.promos import credited_at_once
from ledger.timeline import timeline
from tests import examples
from tests.attempts import Reinstated, reinstated_plans
from tests.examples import TERMS, open_plan, usd
from tests.plans import (
    DAY,
    DUE,
    TEN,
    D,
    cancel,
    charge_back,
    close,
    days_around,
    kinds,
    overdue_figures,
    pay,
    pay_each,
    plan_after,
    record,
    reinstate,
    reverse,
)
from tests.strategies import METADATA, one_in, opened_in

CANCELLED_ON = date(2023, 6, 30)
ON = date(2023, 7, 1)
"""The day of the reinstatement: only number 2 is overdue, number 3 falls due on 10 July."""

LATER = date(2023, 8, 11)
"""A later day of reinstatement: numbers 2, 3 and 4 are overdue."""

DOUBLE = DoublePayment(code="double", rate_bp=50, base="package", credit="at_once")
EARLY = EarlyRepayment(code="early", rate_bp=100, base="package", credit="at_once")


def under(policy: FullCover | PartialCover | Closed, **changed: Any) -> PlanTerms:
    """Return the terms of the example with this policy of reinstatement."""
    return attrs.evolve(TEN, reinstatement=policy, **changed)


def assert_needed(history: Sequence[RecordedEvent], on: date, amount: Money, count: int) -> None:
    """Check that a reinstatement needs this amount for so many installments: a cent less is refused."""
    enough = attrs.evolve(reinstate(on), amount=amount)
    assert decide(history, enough, METADATA)
    assert decide(history, attrs.evolve(enough, amount=Money(amount.minor + 1, "USD")), METADATA)
    if amount.minor > 1:
        with pytest.raises(ReinstatementRefused, match=f"do not cover {count} overdue .*; pay at least {amount}"):
            decide(history, attrs.evolve(enough, amount=Money(amount.minor - 1, "USD")), METADATA)


# ---- the decision


@pytest.mark.parametrize(("shift", "accepted"), [(-1, False), (0, True), (1, True)])
def test_only_a_cancelled_plan_is_reinstated(shift: int, *, accepted: bool) -> None:
    """On the last day of grace the money is an ordinary payment; from the day of the cancellation on it can revive."""
    history, decision = record(pay(D)), reinstate(CANCELLED_ON + shift * DAY)
    if accepted:
        assert decide(history, decision, METADATA)
    else:
        with pytest.raises(ReinstatementRefused, match="not cancelled on 2023-06-29; record the money as an ordinary"):
            decide(history, decision, METADATA)


def test_a_completed_plan_is_not_reinstated() -> None:
    """Completed is not cancelled, and nobody is told to pay, whatever the terms."""
    for terms in (under(FullCover()), under(Closed())):
        with pytest.raises(ReinstatementRefused, match="it was completed on 2024-02-10; nothing is left to pay"):
            decide(record(*pay_each(DUE), terms=terms), reinstate(DUE[9] + DAY, "bank-11"), METADATA)


def test_closed_terms_allow_no_reinstatement() -> None:
    """`closed` is the default: no reinstatement for any payment. A plan that is not cancelled takes the money."""
    with pytest.raises(ReinstatementRefused, match="not cancelled on 2023-05-11; record the money as an ordinary"):
        decide(record(pay(D), terms=under(Closed())), reinstate(D + DAY), METADATA)
    with pytest.raises(ReinstatementRefused, match="its terms do not allow a reinstatement"):
        decide(record(pay(D), terms=under(Closed())), reinstate(ON, installments=9), METADATA)


def test_the_approver_is_not_the_actor() -> None:
    """Whoever records a reinstatement, in time or late, does not approve it; without a known actor anybody may."""
    for history in (record(pay(D)), record(pay(D), charge_back(ON + DAY))):
        for actor in ("decider", None):
            assert decide(history, reinstate(ON), attrs.evolve(METADATA, actor=actor))
        with pytest.raises(ReinstatementRefused, match="'head of sales' cannot approve what 'head of sales' records"):
            decide(history, reinstate(ON), attrs.evolve(METADATA, actor="head of sales"))


# ---- the cover


@pytest.mark.parametrize(("shift", "count"), [(-1, 2), (0, 2), (1, 3)])
def test_every_due_date_before_the_day_of_the_reinstatement_counts(shift: int, count: int) -> None:
    """Number 4 is due on 10 August: not overdue the day before and on that day, overdue the day after."""
    assert_needed(record(pay(D)), DUE[3] + shift * DAY, Money(10_000 * count, "USD"), count)


def test_full_cover_settles_and_re_dates() -> None:
    """The payment settles all that has passed, the rest falls due from 30 days later, bonuses are lost."""
    with Ledger.open("memory://") as books:
        open_plan(books, terms=attrs.evolve(TERMS, reinstatement=FullCover()))
        examples.pay(books, examples.OPENED_ON, "bank-1")
        books.close_books(through=date(2023, 5, 30))
        decision: dict[str, Any] = {
            "on": date(2023, 7, 11),
            "reference": "bank-9",
            "approved_by": "head of sales",
            "reason": "illness",
            "recorded_at": examples.RECORDED_AT,
        }
        with pytest.raises(ReinstatementRefused, match="do not cover 3 overdue installments; pay at least 450.00 USD"):
            books.reinstate_plan("P-1", amount=usd("449.99"), **decision)
        with pytest.raises(ReinstatementRefused, match="'head of sales' cannot approve what 'head of sales' records"):
            books.reinstate_plan("P-1", amount=usd("450.00"), actor="head of sales", **decision)
        events = books.reinstate_plan("P-1", amount=usd("450.00"), actor="decider", **decision)
        assert kinds(events) == ["PlanReinstated", *["InstallmentSettled"] * 3, "ScheduleRevised"]
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


def test_a_part_payment_counts_towards_the_cover() -> None:
    """40.00 of number 2 are paid before the cancellation: 60.00 settle it."""
    assert_needed(record(pay(D), pay(date(2023, 5, 20), "part", minor=-6_000)), ON, Money(6_000, "USD"), 1)


def test_unapplied_money_does_not_count_towards_the_cover() -> None:
    """With the first payment gone for error, 100.00 are unapplied: numbers 1 and 2 need 200.00 of new money."""
    history = record(pay(D), pay(DUE[1], "bank-2"), reverse("bank-1"))
    assert Plan(history).position(ON).unapplied == Money(10_000, "USD")
    assert_needed(history, ON, Money(20_000, "USD"), 2)


@pytest.mark.parametrize(
    ("minimum", "on", "needed", "count"),
    [
        (2, LATER, 20_000, 2),  # three are overdue
        (3, LATER, 30_000, 3),
        (4, LATER, 30_000, 3),  # fewer than the minimum are overdue: all of them
        (3, ON, 10_000, 1),
    ],
)
def test_partial_cover_demands_its_minimum_or_all(minimum: int, on: date, needed: int, count: int) -> None:
    """At least the minimum is covered, and all that is overdue where that is less."""
    history = record(pay(D), terms=under(PartialCover(minimum)))
    revised = None if needed == 10_000 or count == 3 else 30_000
    enough = attrs.evolve(reinstate(on, revised_shares=revised), amount=Money(needed, "USD"))
    assert decide(history, enough, METADATA)
    with pytest.raises(ReinstatementRefused, match=f"do not cover {count} overdue"):
        decide(history, attrs.evolve(enough, amount=Money(needed - 1, "USD")), METADATA)


@pytest.mark.parametrize("policy", [FullCover(), PartialCover(1), PartialCover(3)])
def test_with_nothing_overdue_any_payment_reinstates(policy: FullCover | PartialCover) -> None:
    """Cancelled by request before anything was due, a plan needs no more than a payment, until the first due date."""
    history = record(cancel(D - 10 * DAY), terms=under(policy))
    for on in (D - DAY, D):
        assert decide(history, reinstate(on, installments=0, minor=1), METADATA)
    with pytest.raises(ReinstatementRefused, match="do not cover 1 overdue"):
        decide(history, reinstate(D + DAY, installments=0, minor=1), METADATA)


@one_in(4)
@given(plan=reinstated_plans())
def test_everything_overdue_is_settled_by_full_cover(plan: Reinstated) -> None:
    """After the reinstatement no installment is open that was due before its day; the plan is active or completed."""
    state = Plan(plan.after).timeline(plan.decision.on).state
    lines = opened_in(plan.after).lines
    assert state.status in ("active", "completed")
    assert all(line.due_on >= plan.decision.on for line in lines[state.settled :])


# ---- the revised package


def test_partial_cover_states_the_revised_package() -> None:
    """Where not everything overdue is covered the package is revised, no larger than before nor below the releases."""
    with Ledger.open("memory://") as books:
        open_plan(books, terms=attrs.evolve(TERMS, reinstatement=PartialCover(2)))
        examples.pay(books, examples.OPENED_ON, "bank-1")
        books.close_books(through=date(2023, 5, 30))
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


@pytest.mark.parametrize(("minor", "stated"), [(-1, True), (0, False), (1, False)])
def test_a_revision_is_demanded_unless_everything_overdue_is_covered(minor: int, *, stated: bool) -> None:
    """With a cent less than three overdue installments the decision must state the package; with all it need not."""
    history = record(pay(D), terms=under(PartialCover(1)))
    decision = reinstate(LATER, installments=3, minor=minor)
    if stated:
        with pytest.raises(ReinstatementRefused, match="must be revised; state revised_shares, from 23,000 to 34,000"):
            decide(history, decision, METADATA)
    else:
        assert decide(history, decision, METADATA)
    assert decide(history, attrs.evolve(decision, revised_shares=30_000), METADATA)


@pytest.mark.parametrize(
    ("shares", "accepted"),
    [(22_999, False), (23_000, True), (23_001, True), (33_999, True), (34_000, True), (34_001, False)],
)
def test_the_bounds_of_the_revised_package(shares: int, *, accepted: bool) -> None:
    """From the shares that the installments release, without a tranche, to the package as it was."""
    history = record(pay(D), terms=under(PartialCover(1)))
    decision = reinstate(LATER, revised_shares=shares)
    if accepted:
        position = Plan((*history, *decide(history, decision, METADATA))).position(LATER)
        assert (position.shares_credited, position.shares_promised) == (4_600, shares - 4_600)
        assert position.shares_forfeited == 34_000 - shares
    else:
        with pytest.raises(ReinstatementRefused, match="state 23,000, which its installments release, to 34,000"):
            decide(history, decision, METADATA)


@pytest.mark.parametrize(("shares", "accepted"), [(29_999, True), (30_000, True), (30_001, False)])
def test_a_package_revised_again_does_not_grow(shares: int, *, accepted: bool) -> None:
    """Revised to 30,000 and cancelled again, a plan can be revised to that number or fewer."""
    history = record(
        pay(D), reinstate(LATER, revised_shares=30_000), close(LATER + 60 * DAY), terms=under(PartialCover(1))
    )
    decision = reinstate(LATER + 62 * DAY, "bank-10", revised_shares=shares)
    if accepted:
        assert Plan((*history, *decide(history, decision, METADATA))).position(decision.on).shares_forfeited == (
            34_000 - shares
        )
    else:
        with pytest.raises(ReinstatementRefused, match="a package of 30,000 shares cannot be revised to 30,001"):
            decide(history, decision, METADATA)


@pytest.mark.parametrize(("shift", "figures"), [(-1, (4_600, 25_400)), (0, (30_000, 0)), (1, (30_000, 0))])
def test_the_tranche_is_the_rest_of_the_revised_package(shift: int, figures: tuple[int, int]) -> None:
    """Paid up in time: 7,000 shares are left of 30,000 after the releases, and 4,000 stay forfeited."""
    last = LATER + 30 * DAY
    plan = plan_after(
        pay(D),
        reinstate(LATER, revised_shares=30_000),
        pay(last, "rest", 8),
        terms=under(PartialCover(1)),
    )
    position = plan.position(last + shift * DAY)
    assert (position.shares_credited, position.shares_promised) == figures
    assert position.shares_forfeited == 4_000
    assert PlanCompleted(last, 7_000, "rest") in plan.timeline(last).holding()


@one_in(4)
@given(plan=reinstated_plans())
def test_a_reinstatement_takes_no_credited_share_back(plan: Reinstated) -> None:
    """Shares credited on a cancelled plan stay; the rest of the package is promised again, less the revision."""
    before, after = (Plan(events).timeline(plan.decision.on).state for events in (plan.before, plan.after))
    assert after.shares_credited >= before.shares_credited
    assert after.package == (plan.decision.revised_shares or before.package)
    assert after.shares_forfeited == opened_in(plan.after).terms.shares - after.package


# ---- promotions


@pytest.mark.parametrize(("shift", "promised"), [(-1, 5_100), (0, 0), (1, 0)])
def test_bonuses_on_completion_are_lost_for_good(shift: int, promised: int) -> None:
    """Promised until the day before the cancellation, and neither promised nor credited ever after."""
    promos = (OnTimeBonus(code="on_time", rate_bp=500), PackageBonus(code="spring", rate_bp=1_000))
    plan = plan_after(pay(D), reinstate(ON), pay(ON + 30 * DAY, "rest", 8), terms=under(FullCover(), promos=promos))
    assert plan.position(CANCELLED_ON + shift * DAY).bonus_promised == promised
    assert plan.position(ON).bonus_promised == 0
    completed = plan.position(ON + 30 * DAY)
    assert (completed.status, completed.bonus_credited) == ("completed", 0)


def test_waiting_awards_are_lost_and_awards_at_once_are_still_earned() -> None:
    """After a reinstatement nothing is credited on completion, waiting awards included; at once is still at once."""
    promos = (
        OnTimeBonus(code="on_time", rate_bp=500),
        PackageBonus(code="spring", rate_bp=1_000),
        DoublePayment(code="double", rate_bp=50, base="package", credit="on_completion"),
        EARLY,
    )
    plan = plan_after(
        pay(D, "bank-1", 2),
        cancel(DUE[1]),
        reinstate(DUE[2] - DAY, "bank-2"),
        pay(DUE[2], "bank-3", 7, "early_repayment"),
        terms=under(FullCover(), promos=promos),
    )
    assert plan.position(DUE[2] - DAY).bonus_promised == 0
    assert _awards(plan) == [PromoApplied(DUE[2], "early", 6 * 340, "bank-3")]
    assert plan.position(DUE[2]).status == "completed"


def _awards(plan: Plan) -> list[PromoApplied]:
    return [outcome for outcome in plan.timeline(DUE[9]).holding() if isinstance(outcome, PromoApplied)]


@pytest.mark.parametrize(("shift", "earns"), [(-1, True), (0, True), (1, False)])
def test_a_double_payment_is_judged_by_the_new_due_date_and_the_revised_package(shift: int, *, earns: bool) -> None:
    """Re-dated to 10 September: earned until that day, 0.5 % of 30,000 shares, and not on the day after."""
    on = LATER + (30 + shift) * DAY
    plan = plan_after(
        pay(D),
        reinstate(LATER, revised_shares=30_000),
        pay(on, "double", 2),
        terms=under(PartialCover(1), promos=(DOUBLE,)),
    )
    assert _awards(plan) == ([PromoApplied(on, "double", 150, "double")] if earns else [])


@pytest.mark.parametrize(("shift", "count"), [(-1, 2), (0, 1), (1, 1)])
def test_an_early_repayment_counts_by_the_new_due_dates(shift: int, count: int) -> None:
    """Re-dated to 31 July, 31 August, 30 September: of two extra installments the first counts until 30 August."""
    on = date(2023, 8, 31) + shift * DAY
    terms = under(FullCover(), promos=(EARLY,), grace_days=45)
    plan = plan_after(pay(D), cancel(DUE[1]), reinstate(ON), pay(on, "early", 3, "early_repayment"), terms=terms)
    assert _awards(plan) == [PromoApplied(on, "early", 340 * count, "early")]


def test_the_reinstating_payment_and_the_revived_money_earn_nothing() -> None:
    """Neither three installments at once in the decision nor an unapplied early repayment of three have an award."""
    commands = [
        pay(D, "bank-1"),
        pay(DUE[1], "bank-2", 3, "early_repayment"),
        reverse("bank-1"),
        reinstate(ON, installments=3),
    ]
    plan = plan_after(*commands, terms=under(FullCover(), promos=(DOUBLE, EARLY)))
    assert plan.position(ON).settled == 6
    assert _awards(plan) == []


@one_in(4)
@given(plan=reinstated_plans())
def test_a_reinstated_plan_promises_and_earns_no_bonus_on_completion(plan: Reinstated) -> None:
    """Paid up on the day of the reinstatement or later, the plan credits its package and nothing on completion."""
    state = Plan(plan.after).timeline(plan.decision.on).state
    assert state.bonus_promised == 0
    assert state.bonus_credited == Plan(plan.before).timeline(plan.decision.on).state.bonus_credited
    events = plan.after
    if state.status == "active":
        price = opened_in(events).terms.price
        rest = attrs.evolve(pay(plan.decision.on + DAY, "rest"), amount=Money(price.minor - state.paid, price.currency))
        events = (*events, *decide(events, rest, METADATA))
    completed = Plan(events).timeline(plan.decision.on + DAY).state
    assert (completed.status, completed.shares_credited) == ("completed", completed.package)
    at_once = {promo.code for promo in opened_in(events).terms.promos if credited_at_once(promo)}
    earned = {
        recorded.event.code
        for recorded in events[len(plan.before) :]
        if isinstance(recorded.event, PromoApplied) and recorded.event.payment == "rest"
    }
    assert earned <= at_once


# ---- unapplied money


def test_unapplied_money_applies_after_the_payment_in_order_of_arrival() -> None:
    """The payment settles first, then the money that came on 10 June, then that of 10 July, under any reference."""
    commands = [pay(D, "bank-1"), pay(DUE[1], "z"), pay(DUE[2], "a", 2), reverse("bank-1")]
    on = DUE[2] + DAY
    before, after = plan_after(*commands), plan_after(*commands, reinstate(on, installments=3))
    assert before.position(on).unapplied == Money(30_000, "USD")
    assert after.position(on - DAY).unapplied == Money(30_000, "USD")
    for day in (on, on + DAY):
        assert (after.position(day).unapplied, after.position(day).paid) == (Money(0, "USD"), Money(60_000, "USD"))
    settled = [outcome for outcome in after.timeline(on).holding() if isinstance(outcome, InstallmentSettled)]
    assert [(outcome.number, outcome.payment, outcome.effective_on) for outcome in settled] == [
        (1, "bank-9", on),
        (2, "bank-9", on),
        (3, "bank-9", on),
        (4, "z", on),
        (5, "a", on),
        (6, "a", on),
    ]


def test_unapplied_money_may_complete_the_plan() -> None:
    """With seven unapplied installments and three paid nothing is left: completed, and not re-dated."""
    plan = plan_after(pay(D, "bank-1"), pay(DUE[1], "bank-2", 7), reverse("bank-1"), reinstate(DUE[2], installments=3))
    statuses = [plan.position(DUE[2] + shift * DAY).status for shift in (-1, 0, 1)]
    assert statuses == ["cancelled", "completed", "completed"]
    outcomes = plan.timeline(DUE[2]).holding()
    assert PlanCompleted(DUE[2], 11_000, "bank-2") in outcomes
    assert not [outcome for outcome in outcomes if isinstance(outcome, ScheduleRevised)]


# ---- late knowledge


@pytest.mark.parametrize(("shift", "accepted"), [(-2, True), (-1, True), (0, False)])
def test_on_a_plan_that_was_not_cancelled_after_all_the_money_is_an_ordinary_payment(
    shift: int, *, accepted: bool
) -> None:
    """Number 2 is found to be paid in grace: nothing is revised, forfeited or lost, and the payment earns its award."""
    promos = (OnTimeBonus(code="on_time", rate_bp=500), DOUBLE)
    terms = under(PartialCover(1), promos=promos)
    found = pay(CANCELLED_ON + shift * DAY, "found")
    decision = reinstate(ON, installments=2, revised_shares=30_000)
    if not accepted:
        with pytest.raises(PlanIsCancelled, match="cancelled on 2023-06-30"):
            plan_after(pay(D), decision, found, terms=terms)
        return
    plan = plan_after(pay(D), decision, found, terms=terms)
    ordinary = plan_after(pay(D), found, pay(ON, "bank-9", 2), terms=terms)
    for day in (CANCELLED_ON, ON - DAY, ON, ON + DAY, DUE[9]):
        assert plan.position(day) == ordinary.position(day)
    position = plan.position(ON)
    assert (position.settled, position.shares_forfeited, position.bonus_promised) == (4, 0, 1_700)
    assert _awards(plan) == [PromoApplied(ON, "double", 170, "bank-9")]


@settings(one_in(4), suppress_health_check=[HealthCheck.filter_too_much])  # money found late saves few plans
@given(plan=reinstated_plans(requests=False))
def test_found_in_grace_the_missing_money_makes_the_reinstatement_an_ordinary_payment(plan: Reinstated) -> None:
    """Wherever money found later saves the plan, all answers are those with an ordinary payment in its stead."""
    before, decision = Plan(plan.before), attrs.evolve(plan.decision, amount=Money(1, plan.decision.amount.currency))
    opened, cancelled_on = before.opened, before.timeline(decision.on).state.cancelled_on
    assert cancelled_on is not None
    last_day = max(cancelled_on - DAY, opened.effective_on)
    missing = Money(before.timeline(last_day).state.missing, decision.amount.currency)
    found = fact_of(attrs.evolve(pay(last_day, "found"), amount=missing), before)
    assume(before.timeline(before.horizon).state.paid + missing.minor < opened.terms.price.minor)
    assume(timeline(opened, [*before.facts, found], decision.on).state.status in ("active", "in_grace"))
    payment = fact_of(attrs.evolve(pay(decision.on, decision.reference), amount=decision.amount), before)
    for day in days_around([last_day, decision.on, decision.on + 30 * DAY], first=opened.effective_on):
        with_decision = timeline(opened, [*before.facts, fact_of(decision, before), found], day)
        assert with_decision == timeline(opened, [*before.facts, payment, found], day)


def test_a_reinstatement_stands_whatever_its_payment_turns_out_to_cover() -> None:
    """With the first payment gone for error it settles number 1 only; number 2 is re-dated though it was overdue."""
    plan = plan_after(pay(D), reinstate(ON), reverse("bank-1"))
    assert [plan.position(day).cancelled_on for day in (D + 19 * DAY, D + 20 * DAY)] == [None, D + 20 * DAY]
    assert [plan.position(ON + shift * DAY).status for shift in (-1, 0, 1)] == ["cancelled", "active", "active"]
    state = plan.timeline(ON).state
    assert (state.settled, state.lines[1].due_on) == (1, date(2023, 7, 31))


@pytest.mark.parametrize("shift", [-1, 0, 1, 30, 60])
def test_with_its_payment_reversed_for_error_the_reinstatement_never_was(shift: int) -> None:
    """At every date the plan is cancelled as if nothing had been decided; money received since is unapplied."""
    rest = pay(ON + 20 * DAY, "rest", 2)
    plan = plan_after(pay(D), reinstate(ON), rest, reverse("bank-9"))
    never = plan_after(pay(D)).position(ON + shift * DAY)
    unapplied = Money(20_000 if shift >= 20 else 0, "USD")
    assert plan.position(ON + shift * DAY) == attrs.evolve(never, unapplied=unapplied)
    assert never.status == "cancelled"


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (-1, ("active", 0, None)),
        (0, ("active", 0, None)),
        (1, ("in_grace", 1, 18)),
        (18, ("in_grace", 18, 1)),
        (19, ("in_grace", 19, 0)),
        (20, ("cancelled", 0, None)),
    ],
)
def test_with_its_payment_charged_back_installments_reopen_and_the_reinstatement_stands(
    shift: int, expected: tuple[str, int, int | None]
) -> None:
    """From X number 2, due in June, is open again: missed X+1, cancelled X+20; the package stays the revised one."""
    x = LATER + 5 * DAY
    plan = plan_after(
        pay(D), reinstate(LATER, revised_shares=30_000), charge_back(x, "bank-9"), terms=under(PartialCover(1))
    )
    position = plan.position(x + shift * DAY)
    assert overdue_figures(position) == expected
    assert position.settled == (2 if shift < 0 else 1)
    assert position.shares_credited + position.shares_promised == (2_300 if shift == 20 else 30_000)
    assert plan.timeline(x).state.package == 30_000
    assert position.bonus_promised == 0


def test_the_payment_that_completes_is_the_last_that_settles() -> None:
    """A day with more money than the price, of which some is charged back: the reinstating payment settles number 10.

    bank-2 finds nothing to settle when it applies after it, so its chargeback later that day does not end completion.
    """
    on = D + 10 * DAY
    cancelled = (pay(D, "bank-1", 8), pay(D + 5 * DAY, "bank-2"), cancel(D + 3 * DAY))
    late = pay(D + DAY, "bank-4")  # known last, dated before the request
    plan = plan_after(*cancelled, reinstate(on), charge_back(on, "bank-2"), late)
    completed = [one for one in plan.timeline(on).holding() if isinstance(one, (InstallmentSettled, PlanCompleted))]
    assert [one.payment for one in completed[8:]] == ["bank-4", "bank-9", "bank-9"]
    assert (plan.position(on).status, plan.position(on).paid) == ("completed", TEN.price)
