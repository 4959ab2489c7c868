"""Plans reinstated again and again, under every policy, in any order of knowledge, against the reference model.

Short plans and close dates: late knowledge, chargebacks and errors meet reinstatements in most histories. The three
histories that once came out wrong stand first.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.audit import verify as reference_model
from ledger.commands import Command, ReinstatePlan
from ledger.decide import decide
from ledger.errors import LedgerError, Overpayment, ReinstatementRefused
from ledger.events import RecordedEvent, ScheduleRevised
from ledger.money import Money
from ledger.plan import Plan
from ledger.terms import EveryDays, ExplicitSchedule, FullCover, Monthly, PartialCover, PlanTerms, Portion
from tests.plans import DAY, cancel, charge_back, pay, record, reinstate, reverse
from tests.reference_words import facts_of, report_of, terms_of
from tests.strategies import METADATA, opened_in

FIRST = date(2024, 1, 1)


def _terms(**changed: Any) -> PlanTerms:
    plain = {
        "price": Money(30_000, "USD"),
        "shares": 1_000,
        "installments": 3,
        "release": Portion("1/3"),
        "timezone": "UTC",
        "grace_days": 0,
        "reinstatement": PartialCover(1),
    }
    return PlanTerms(**{**plain, **changed})


def _day(month: int, day: int) -> date:
    return date(2024, month, day)


# ---- the three histories


def test_explicit_lines_keep_the_distances_that_the_terms_produced() -> None:
    """Re-dated twice, with a line between reopened: no due date lies before the reinstatement."""
    lines = ExplicitSchedule(((FIRST, 10_000), (_day(6, 1), 10_000), (_day(6, 11), 10_000)))
    history = record(
        reinstate(_day(1, 6), "r1", 2, revised_shares=1_000),
        charge_back(_day(1, 6), "r1"),
        reinstate(_day(1, 7), "r2", 1, revised_shares=1_000),
        terms=_terms(schedule=lines),
        opened_on=FIRST,
    )
    plan = Plan(history)
    (*_, revised) = [event.event for event in history if isinstance(event.event, ScheduleRevised)]
    assert {line.number: line.due_on for line in revised.lines} == {2: _day(2, 6), 3: _day(2, 16)}
    paid = decide(history, pay(_day(1, 8), "bank-1"), METADATA)
    after = Plan([*history, *paid])
    assert after.position(_day(1, 8)).status == "active"
    assert decide([*history, *paid], pay(_day(1, 9), "bank-2"), METADATA)
    assert plan.horizon == _day(1, 7)


@pytest.mark.parametrize("way", ["recorded later", "not cancelled, then in error"])
def test_a_package_never_grows_again(way: str) -> None:
    """Of two reinstatements with revised packages, known in either order, the smaller package counts from the later."""
    terms = _terms(price=Money(50_000, "USD"), installments=5, grace_days=19, release=Portion("1/2"))
    first = reinstate(_day(3, 1), "r1", 1, revised_shares=800)
    second = reinstate(_day(8, 1), "r2", 1, revised_shares=900)
    if way == "recorded later":
        commands: list[Command] = [second, first]
    else:
        commands = [first, pay(_day(1, 10), "late", 2), second, reverse("late")]
    history = record(*commands, terms=terms, opened_on=FIRST)
    position = Plan(history).position(_day(8, 1))
    assert position.shares_forfeited == 200
    assert position.shares_credited + position.shares_promised == 800


def test_an_overdue_installment_is_covered_if_the_money_settles_it() -> None:
    """The money settles the oldest unsettled installment first, which here is not the overdue one."""
    commands = [
        cancel(FIRST),
        reinstate(FIRST, "r1", 1, revised_shares=1_000),
        charge_back(_day(1, 2), "r1"),
    ]
    terms = _terms(schedule=Monthly(), first_due_on=_day(2, 1))
    with pytest.raises(ReinstatementRefused, match="100.00 USD do not cover 1 overdue .*; pay at least 200.00 USD"):
        record(*commands, reinstate(_day(2, 1), "r2", 1), terms=_terms_with(terms, FullCover()), opened_on=FIRST)
    with pytest.raises(ReinstatementRefused, match="do not cover 1 overdue installment; pay at least 200.00 USD"):
        record(*commands, reinstate(_day(2, 1), "r2", 1, revised_shares=900), terms=terms, opened_on=FIRST)
    assert record(*commands, reinstate(_day(2, 1), "r2", 2), terms=terms, opened_on=FIRST)


def _terms_with(terms: PlanTerms, policy: FullCover) -> PlanTerms:
    return _terms(schedule=terms.schedule, first_due_on=terms.first_due_on, reinstatement=policy)


@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_money_charged_back_on_a_day_does_not_stand_at_its_end(shift: int) -> None:
    """200.00 paid and charged back on 10 January leave room for 200.00 dated on the 5th; a day later they do not."""
    charged_back = [pay(_day(1, 10), "bank-1", 2), charge_back(_day(1, 10) + max(shift, 0) * DAY, "bank-1")]
    late = pay(_day(1, 5), "bank-2", 2)
    history = record(*charged_back, terms=_terms(grace_days=30), opened_on=FIRST)
    if shift > 0:
        with pytest.raises(Overpayment, match="would stand on 2024-01-10"):
            decide(history, late, METADATA)
    else:
        assert decide(history, late, METADATA)


# ---- random histories


@st.composite
def _openings(draw: st.DrawFn) -> tuple[PlanTerms, date]:
    count = draw(st.integers(2, 4))
    gaps = draw(st.lists(st.integers(1, 40), min_size=count, max_size=count))
    due = [FIRST + timedelta(days=sum(gaps[: index + 1])) for index in range(count)]
    schedule = draw(
        st.sampled_from([Monthly(), EveryDays(7), ExplicitSchedule(tuple((day, 10_000) for day in due))]),
    )
    policy = draw(st.sampled_from([FullCover(), PartialCover(1), PartialCover(2)]))
    terms = _terms(
        price=Money(10_000 * count, "USD"),
        installments=count,
        schedule=schedule,
        grace_days=draw(st.sampled_from([0, 0, 2, 19])),
        reinstatement=policy,
    )
    return terms, FIRST


@st.composite
def _commands(draw: st.DrawFn) -> tuple[PlanTerms, date, list[Command]]:
    terms, opened_on = draw(_openings())
    span = st.integers(0, 90).map(lambda days: opened_on + days * DAY)
    commands: list[Command] = []
    references: list[str] = []
    for number in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(["pay", "reinstate", "reinstate", "charge back", "error", "cancel"]))
        reference, minor = f"r{number}", draw(st.sampled_from([0, 0, 0, -5_000]))
        if kind == "cancel":
            commands.append(cancel(draw(span), reference))
        elif kind in ("charge back", "error") and references:
            target = draw(st.sampled_from(references))
            commands.append(reverse(target) if kind == "error" else charge_back(draw(span), target))
        elif kind == "pay":
            commands.append(pay(draw(span), reference, draw(st.integers(1, 2)), minor=minor))
            references.append(reference)
        else:
            revised = draw(st.sampled_from([None, 1_000, 900, 800]))
            count = draw(st.integers(1, 3))
            commands.append(reinstate(draw(span), reference, count, minor=minor, revised_shares=revised))
            references.append(reference)
    return terms, opened_on, commands


def _check_decision(history: Sequence[RecordedEvent], command: ReinstatePlan, error: LedgerError | None) -> None:
    """Check a decision about a cancelled plan against the cover that the reference model finds."""
    opened = opened_in(history)
    policy = opened.terms.reinstatement
    overdue, covered = reference_model.cover(
        terms_of(opened), opened.effective_on, facts_of(history), command.on, command.amount.minor
    )
    demanded = min(policy.minimum, overdue) if isinstance(policy, PartialCover) else overdue
    refused = isinstance(error, ReinstatementRefused)
    if covered < demanded:
        assert refused
    elif refused:
        reason = str(error)
        assert "do not cover" not in reason
        assert covered < overdue or "must be revised" not in reason


def run(terms: PlanTerms, opened_on: date, commands: Sequence[Command]) -> tuple[RecordedEvent, ...]:
    """Decide commands in order, some of them refused; return the history, checked against the reference model."""
    history = record(terms=terms, opened_on=opened_on)
    for command in commands:
        error = None
        cancelled = isinstance(command, ReinstatePlan) and _cancelled(history, command.on)
        before = history
        try:
            history += decide(history, command, METADATA)
        except LedgerError as refusal:
            error = refusal
        if isinstance(command, ReinstatePlan) and cancelled:
            _check_decision(before, command, error)
    return history


def _cancelled(history: Sequence[RecordedEvent], on: date) -> bool:
    return Plan(history).position(on).status == "cancelled"


def check(history: Sequence[RecordedEvent], as_of: date) -> None:
    """Compare the ledger with the reference model on a date, and its due dates with its reinstatements."""
    plan, opened = Plan(history), opened_in(history)
    expected = reference_model.derive(terms_of(opened), opened.effective_on, facts_of(history), as_of)
    assert report_of(opened, plan.timeline(as_of), as_of) == expected
    plan.check(plan.timeline(plan.horizon))
    for event in history:
        if isinstance(event.event, ScheduleRevised):
            assert min(line.due_on for line in event.event.lines) > event.event.effective_on


@given(drawn=_commands(), days=st.integers(0, 200))
def test_reinstated_histories_agree_with_the_reference_model(
    drawn: tuple[PlanTerms, date, list[Command]], days: int
) -> None:
    """At any date, state, outcomes and refusals are those of the reference model; no due date precedes a revival."""
    terms, opened_on, commands = drawn
    history = run(terms, opened_on, commands)
    check(history, opened_on + days * DAY)


@given(drawn=_commands())
def test_the_package_never_grows(drawn: tuple[PlanTerms, date, list[Command]]) -> None:
    """From day to day the package of a plan, as known in the end, stays or shrinks."""
    terms, opened_on, commands = drawn
    plan = Plan(run(terms, opened_on, commands))
    packages = [plan.timeline(opened_on + days * DAY).state.package for days in range(0, 120, 3)]
    assert packages == sorted(packages, reverse=True)
