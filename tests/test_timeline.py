"""The timeline against the day-stepping reference model, and its own promises, on random histories."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.audit import verify as reference_model
from ledger.commands import Metadata, OpenPlan
from ledger.decide import decide
from ledger.errors import PlanNotFound
from ledger.events import InstallmentSettled, PaymentMissed, PaymentReversed, PlanCompleted, PlanReinstated
from ledger.plan import Plan
from ledger.state import Snapshot, State
from ledger.state.outcome_log import OutcomeLog
from ledger.terms import EarnedPromo, PackageBonus, Portion
from ledger.terms.promos import Award
from ledger.timeline import Derivation, steps
from tests.examples import OPENED_ON, TERMS
from tests.plans import DAY, DUE, TEN, D, pay, pay_each, plan_after, record
from tests.reference_words import fact_of, outcome_of, terms_of
from tests.strategies import History, histories, opened_in


def _dates(history: History) -> st.SearchStrategy[date]:
    """Dates on which something may happen, and their neighbours."""
    opened_on = history.opened.effective_on
    marks = {event.event.effective_on for event in history.events} | {line.due_on for line in history.opened.lines}
    grace = timedelta(days=history.opened.terms.grace_days)
    marks |= {mark + grace for mark in marks}
    around = sorted(mark + timedelta(days=shift) for mark in marks for shift in (-1, 0, 1))
    return st.sampled_from([day for day in around if day >= opened_on])


def _as_report(state: State, plan: Plan, as_of: date) -> dict[str, object]:
    position = plan.position(as_of)
    upcoming = position.next_installment
    return {
        "status": position.status,
        "paid": position.paid.minor,
        "outstanding": position.outstanding.minor,
        "unapplied": position.unapplied.minor,
        "settled": position.settled,
        "next_number": upcoming and upcoming.number,
        "next_due_on": upcoming and upcoming.due_on,
        "next_amount": upcoming and upcoming.amount.minor,
        "next_shares": upcoming and upcoming.shares,
        "next_missing": upcoming and upcoming.missing.minor,
        "overdue_number": state.overdue and state.overdue.number,
        "overdue_due_on": state.overdue and state.overdue.due_on,
        "days_past_due": position.days_past_due,
        "days_left": state.grace_ends_on and (state.grace_ends_on - as_of).days,
        "grace_ends_on": position.grace_ends_on,
        "amount_due": state.amount_due,
        "cancelled_on": position.cancelled_on,
        "completed_on": position.completed_on,
        "shares_credited": position.shares_credited,
        "shares_promised": position.shares_promised,
        "shares_forfeited": position.shares_forfeited,
        "bonus_credited": position.bonus_credited,
        "bonus_promised": position.bonus_promised,
        "overpaid_on": None,
    }


@given(data=st.data())
def test_timeline_agrees_with_the_reference_model(data: st.DataObject) -> None:
    """At any date, state and outcomes are those of the model that steps day by day."""
    history = data.draw(histories())
    plan = Plan(history.events)
    as_of = data.draw(_dates(history))
    facts = [fact for event in history.events if (fact := fact_of(event.event)) is not None]
    expected = vars(reference_model.derive(terms_of(history.opened), history.opened.effective_on, facts, as_of))

    derived = plan.timeline(as_of)
    holding = set(map(outcome_of, derived.holding()))

    assert _as_report(derived.state, plan, as_of) | {"outcomes": holding} == expected


@given(data=st.data())
def test_a_later_timeline_agrees_about_every_earlier_date(data: st.DataObject) -> None:
    """Cutting the spans of the whole history at a date gives the outcomes that held on it."""
    history = data.draw(histories())
    plan = Plan(history.events)
    as_of = data.draw(_dates(history))
    whole = plan.timeline(max(plan.horizon, as_of))
    begun = {outcome for outcome in whole.outcomes if outcome.effective_on <= as_of}
    over = {outcome for outcome, by in whole.ended.items() if by.effective_on <= as_of}
    assert begun - over == set(plan.timeline(as_of).holding())


@given(data=st.data())
def test_between_two_steps_only_the_distance_to_the_date_changes(data: st.DataObject) -> None:
    """The state at any date is that of the last step up to it, but for the date itself."""
    history = data.draw(histories())
    plan = Plan(history.events)
    as_of = data.draw(_dates(history))
    latest = [step.state for step in steps(plan.opened, plan.facts, date.max) if step.state.on <= as_of][-1]
    assert latest._replace(on=as_of) == plan.timeline(as_of).state


@given(history=histories())
def test_the_steps_begin_and_end_the_outcomes_that_the_timeline_holds(history: History) -> None:
    """The outcomes that began in the steps, less those that ended, are those that the timeline holds."""
    plan = Plan(history.events)
    taken = list(steps(plan.opened, plan.facts, plan.horizon))
    held = [outcome for step in taken for outcome in step.outcomes]
    for outcome in (outcome for step in taken for outcome in step.ended):
        held.remove(outcome)
    assert held == plan.timeline(plan.horizon).holding()


@given(data=st.data())
def test_most_held_is_the_largest_sum_of_money_at_the_end_of_a_day(data: st.DataObject) -> None:
    """Paid and unapplied money together, at the end of each day with a fact; of equal sums the first."""
    plan = Plan(data.draw(histories()).events)
    days = sorted({fact.effective_on for fact in plan.facts})
    as_of = data.draw(st.sampled_from([plan.horizon, *days]))
    states = [plan.timeline(day).state for day in days if day <= as_of]
    most = max(states, key=lambda state: state.paid + state.unapplied, default=None)
    derived = plan.timeline(as_of)
    assert derived.most_held == (most.paid + most.unapplied if most else 0)
    if most and derived.most_held:
        assert derived.most_held_on == most.on


@given(data=st.data())
def test_a_snapshot_is_part_of_the_state(data: st.DataObject) -> None:
    """What commands are refused on is what the state says; held is the money paid and the unapplied."""
    history = data.draw(histories())
    plan = Plan(history.events)
    derivation = Derivation.run(plan.opened, plan.facts, through=data.draw(_dates(history)))
    snapshot, state = derivation.snapshot(), derivation.state()
    assert snapshot.held == state.paid + state.unapplied
    shared = [field for field in Snapshot._fields if field != "held"]
    assert [getattr(snapshot, field) for field in shared] == [getattr(state, field) for field in shared]


def test_on_a_completed_plan_nothing_is_missing() -> None:
    """The day before the last payment 100.00 USD are missing; on its day and the day after it, nothing."""
    facts = Plan(record(*pay_each(DUE))).facts
    for shift, missing in ((-1, 10_000), (0, 0), (1, 0)):
        derivation = Derivation.run(opened_in(record()), facts, through=DUE[-1] + timedelta(days=shift))
        assert (derivation.state().missing, derivation.snapshot().missing) == (missing, missing)


@given(data=st.data())
def test_the_grounds_add_up_to_the_state(data: st.DataObject) -> None:
    """Payments to the money paid and unapplied, awards to the bonuses; completion gives its payment to its bonuses."""
    history = data.draw(histories())
    plan = Plan(history.events)
    as_of = data.draw(_dates(history))
    derived, found = plan.timeline(as_of), plan.grounds(as_of)
    state, amounts = derived.state, {key: payment.amount.minor for key, payment in plan.payments.items()}
    assert sum(amounts[reference] for reference in found.applied) == state.paid
    assert sum(amounts[reference] for reference in found.waiting) == state.unapplied
    completed = [outcome for outcome in derived.holding() if isinstance(outcome, PlanCompleted)]
    credited = (*found.at_once, *(found.on_completion if completed else ()))
    assert sum(award.shares for award in credited) == state.bonus_credited
    if state.status in ("active", "in_grace"):
        assert sum(award.shares for award in found.on_completion) == state.bonus_promised
    payments = {award.payment for award in found.considered if not isinstance(award.promo, EarnedPromo)}
    assert payments <= ({outcome.payment for outcome in completed} or {""})
    assert all(award in found.considered for award in found.on_completion)
    assert found.late or not any(isinstance(outcome, PaymentMissed) for outcome in derived.outcomes)
    taken = pairwise(plan.steps(as_of))
    revived = (isinstance(two.fact, PlanReinstated) and one.state.status == "cancelled" for one, two in taken)
    assert found.bonuses_wait is (not any(revived))


@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_the_ground_of_a_lost_promise_is_the_first_installment_past_due(shift: int) -> None:
    """On the day after the due date of number 2 that is it, and so it stays when number 2 is paid."""
    events = record(pay(D), *pay_each([DUE[1] + timedelta(days=5)], first=2))
    plan, line = Plan(events), opened_in(events).lines[1]
    assert plan.grounds(DUE[1] + timedelta(days=shift)).late == (line if shift > 0 else None)
    assert plan.grounds(DUE[1] + timedelta(days=5)).late == line


def test_a_bonus_on_completion_rests_on_the_last_payment() -> None:
    """The day before number 10 is paid no payment has completed the plan; from its day on it is the tenth."""
    promo = PackageBonus(code="spring", rate_bp=1_000)
    plan = plan_after(*pay_each(DUE), terms=attrs.evolve(TEN, promos=(promo,)))
    for shift, payment in ((-1, ""), (0, "bank-10"), (1, "bank-10")):
        (award,) = plan.grounds(DUE[-1] + timedelta(days=shift)).on_completion
        assert award == Award(promo, 3_400, payment, base=34_000)


def test_of_the_bonuses_considered_stacking_chooses() -> None:
    """Both are considered, and of two that exclude each other the larger one is credited on completion."""
    promos = (PackageBonus(code="spring", rate_bp=1_000), PackageBonus(code="summer", rate_bp=2_000))
    found = plan_after(terms=attrs.evolve(TEN, promos=promos, stacking="exclusive")).grounds(D)
    assert [award.promo for award in found.considered] == [*promos]
    assert [award.promo for award in found.on_completion] == [promos[1]]


@given(history=histories())
def test_a_step_is_the_opening_a_fact_or_a_day_that_changes_something(history: History) -> None:
    """The opening, then each fact that counts, day by day; a day without a fact has outcomes or another state."""
    plan = Plan(history.events)
    taken = list(steps(plan.opened, plan.facts, date.max))
    errors = {fact.reference for fact in plan.facts if isinstance(fact, PaymentReversed) and fact.cause == "error"}
    counting = [fact for fact in plan.facts if fact.reference not in errors]
    assert (taken[0].fact, taken[0].state.on) == (None, plan.opened.effective_on)
    assert [step.fact for step in taken if step.fact] == sorted(counting, key=lambda fact: fact.effective_on)
    for before, after in pairwise(taken):
        if after.fact is None:
            assert before.state.on < after.state.on
            assert after.outcomes or before.state._replace(on=after.state.on) != after.state
        else:
            assert after.state.on == after.fact.effective_on


def test_a_plan_may_be_cancelled_on_the_last_day_of_all() -> None:
    """The last day that a date can have ends the steps, in grace the day before and cancelled on it."""
    due_on = date.max - timedelta(days=TERMS.grace_days + 1)
    terms = attrs.evolve(TERMS, installments=1, release=Portion("0"), first_due_on=due_on)
    opening = OpenPlan(plan_id="P-1", investor="I-1", partner=None, terms=terms, opened_at=due_on)
    plan = Plan(decide((), opening, Metadata(recorded_at=datetime(9999, 12, 31, tzinfo=UTC))))
    *_, missed, last = plan.steps(date.max)
    assert (missed.state.on, missed.state.status) == (due_on + timedelta(days=1), "in_grace")
    assert (last.state.on, last.state.status) == (date.max, "cancelled")
    assert [plan.position(date.max - timedelta(days=days)).status for days in (1, 0)] == ["in_grace", "cancelled"]


def test_the_log_reports_each_outcome_and_each_end_once() -> None:
    """Since the last call; an outcome that ended on its own day has never held."""
    first, second = InstallmentSettled(D, 1, 2_300, "bank-1"), InstallmentSettled(D + DAY, 2, 2_300, "bank-2")
    ends = [PaymentReversed(effective_on=D + DAY, reference=one.payment, cause="chargeback") for one in (first, second)]
    log = OutcomeLog()
    log.add(first)
    log.end(first, ends[0])
    assert log.latest() == ((first,), {first: ends[0]})
    assert log.latest() == ((), {})
    log.add(second)
    assert log.held() == ((first, second), {first: ends[0]})
    assert log.latest() == ((second,), {})
    log.end(second, ends[1])
    assert log.latest() == ((), {second: ends[1]})
    assert log.held() == ((first,), {first: ends[0]})


def test_before_the_opening_there_is_no_plan() -> None:
    """Whatever is asked of it, the day before; the refusal names the plan and the day of the opening."""
    plan = plan_after(pay(OPENED_ON))
    for ask in (plan.timeline, plan.steps, plan.grounds, plan.position):
        assert ask(OPENED_ON)
        with pytest.raises(PlanNotFound) as caught:
            ask(OPENED_ON - DAY)
        found = caught.value.plan_id, caught.value.as_of, caught.value.opened_on, caught.value.known_at
        assert found == ("P-1", OPENED_ON - DAY, OPENED_ON, None)
