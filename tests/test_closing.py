"""Closing is optional (RULES.md section 10): closed daily, once or never, a plan gives the same answers."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import cast

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import CommandRefused, Ledger, LedgerError
from ledger.commands import CancelPlan, ClosePlan, Command, Metadata, OpenPlan, RecordPayment, ReinstatePlan
from ledger.decide import decide
from ledger.events import PaymentMissed, PlanCancelled
from ledger.plan import Plan
from ledger.terms import EveryDays
from tests import examples
from tests.attempts import attempts
from tests.examples import OPENED_ON
from tests.plans import (
    DAY,
    TEN,
    Attempt,
    D,
    agreed,
    attempt,
    close,
    days_up_to_horizon,
    kinds,
    opening,
    record,
    recorded_by,
)
from tests.strategies import METADATA, days, one_in, opened_in


def refusals(attempts: Iterable[Attempt]) -> list[tuple[type[LedgerError] | None, str]]:
    """Return the type and the sentence of each refusal; None and no sentence where a command was accepted."""
    return [
        (None if attempted.error is None else type(attempted.error), str(attempted.error or ""))
        for attempted in attempts
        if not isinstance(attempted.command, ClosePlan)
    ]


def assert_same_answers(variants: Sequence[Sequence[Attempt]], dates: Iterable[date]) -> None:
    """Check that all variants accepted and refused the same, and give the same answers at every date."""
    plans = [Plan(recorded_by(attempts)) for attempts in variants]
    assert [refusals(attempts) for attempts in variants] == [refusals(variants[0])] * len(variants)
    assert [plan.facts for plan in plans] == [plans[0].facts] * len(plans)
    for day in dates:
        assert [plan.position(day) for plan in plans] == [plans[0].position(day)] * len(plans)
        assert [plan.timeline(day) for plan in plans] == [plans[0].timeline(day)] * len(plans)


@one_in(2)
@given(data=st.data())
def test_closing_anywhere_changes_no_answer(data: st.DataObject) -> None:
    """Closed after every command, once at the end, or never: the same is accepted, refused and answered."""
    commands = data.draw(attempts())
    opened = opened_in(decide((), commands[0], METADATA))
    through = data.draw(st.lists(days(opened), min_size=len(commands), max_size=len(commands)))
    often = [step for command, day in zip(commands, through, strict=True) for step in (command, close(day))]
    variants = [attempt(commands), attempt([*commands, close(max(through))]), attempt(often)]
    dates = {day for attempts in variants for day in days_up_to_horizon(recorded_by(attempts))}
    assert_same_answers(variants, sorted(dates))


@one_in(6)
@given(data=st.data())
def test_closing_daily_changes_no_answer(data: st.DataObject) -> None:
    """Closed every day before anything else is recorded, a plan accepts, refuses and answers the same."""
    commands = data.draw(attempts(longest=4))
    today = effective_on(commands[0])
    daily: list[tuple[Command, Metadata]] = []
    never: list[tuple[Command, Metadata]] = []
    for command in commands:
        recorded_on = max(today, effective_on(command) + data.draw(st.sampled_from([0, 0, 1, 5, 30])) * DAY)
        while today < recorded_on:
            if daily:
                daily.append((close(today), at_noon(today)))
            today += DAY
        daily.append((command, at_noon(today)))
        never.append((command, at_noon(today)))
    variants = [attempt(*zip(*steps, strict=True)) for steps in (never, daily)]
    dates = {day for attempts in variants for day in days_up_to_horizon(recorded_by(attempts))}
    assert_same_answers(variants, sorted(dates))


def effective_on(command: Command) -> date:
    """Return the date given in a command, none of which carries an instant here."""
    if isinstance(command, OpenPlan):
        return command.opened_at
    return command.paid_at if isinstance(command, RecordPayment) else cast(CancelPlan | ReinstatePlan, command).on


def at_noon(day: date) -> Metadata:
    """Return metadata with the instant of recording at noon, UTC."""
    return Metadata(recorded_at=datetime(day.year, day.month, day.day, 12, tzinfo=UTC), actor="decider")


@one_in(6)
@given(data=st.data())
def test_closing_again_records_nothing(data: st.DataObject) -> None:
    """Closed through a day, a plan has nothing left to record through that day or an earlier one."""
    events = recorded_by(attempt(data.draw(attempts())))
    through = data.draw(days(opened_in(events)))
    events += decide(events, close(through), METADATA)
    for earlier in (0, 1, 40):
        assert decide(events, close(through - earlier * DAY), METADATA) == ()


@pytest.mark.parametrize("grace_days", [0, 1, 19, 45])
def test_closing_records_the_outcomes_due_by_its_day(grace_days: int) -> None:
    """Closed through D nothing is due; through D+1 it is missed; through the last day of grace not yet cancelled."""
    history, cancelled_on = record(terms=agreed(4, grace_days=grace_days), opened_on=D), D + (grace_days + 1) * DAY
    for through in (D, D + DAY, cancelled_on - DAY, cancelled_on, cancelled_on + DAY):
        names = kinds(decide(history, close(through), METADATA))
        assert ("PaymentMissed" in names) is (through > D)
        assert ("PlanCancelled" in names) is (through >= cancelled_on)


def test_closing_once_after_an_outage_records_the_same_as_daily_closing() -> None:
    """Three months without a clock: one closing records the same outcomes, each on its own day."""
    opened = opening(attrs.evolve(TEN, schedule=EveryDays(7)))
    daily = attempt([opened, *(close(D + shift * DAY) for shift in range(-20, 91))])
    once = attempt([opened, close(D + 90 * DAY)])
    assert [event.event for event in recorded_by(daily)] == [event.event for event in recorded_by(once)]
    assert [(type(event.event), event.event.effective_on) for event in recorded_by(once)[1:]] == [
        (PaymentMissed, D + DAY),
        (PaymentMissed, D + 8 * DAY),
        (PaymentMissed, D + 15 * DAY),
        (PlanCancelled, D + 20 * DAY),
    ]


def test_a_closing_ahead_of_the_day_of_any_plan_is_refused() -> None:
    """A day that has not come in some plan's zone cannot be closed; the refusal names the plan, nothing is recorded."""
    now = datetime(2023, 5, 1, 2, tzinfo=UTC)  # 30 April in Mexico City
    with Ledger.open("memory://", clock=lambda: now) as ledger:
        for plan_id, zone in [("P-1", "Europe/Moscow"), ("P-2", "America/Mexico_City")]:
            terms = attrs.evolve(examples.TERMS, timezone=zone)
            ledger.open_plan(plan_id, investor="I-1", partner=None, terms=terms, opened_at=OPENED_ON)
        with pytest.raises(
            CommandRefused, match="after 2023-04-30.*America/Mexico_City; close through 2023-04-30"
        ) as caught:
            ledger.close_books(through=date(2023, 5, 1))
        assert caught.value.plan_id == "P-2"
        assert len(list(ledger.events())) == 2
        assert kinds(ledger.close_books(through=date(2023, 4, 30))) == ["PaymentMissed", "PlanCancelled"] * 2
