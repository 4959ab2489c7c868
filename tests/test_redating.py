"""Re-dating (RULES.md section 9): after a reinstatement the first unsettled line falls due 30 days later.

The others follow at the schedule's own spacing: months from the new anchor, days, or the distances of explicit lines.
"""

from datetime import date
from itertools import pairwise

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import Monthly, PartialCover, ReinstatementRefused
from ledger.dates import months_from
from ledger.decide import decide
from ledger.events import ScheduleRevised
from ledger.plan import Plan
from ledger.terms import EveryDays, ExplicitSchedule, PlanTerms, Portion, Schedule
from ledger.terms.schedule import Installment, installments, redated
from tests.attempts import Reinstated, reinstated_plans
from tests.plans import (
    DAY,
    D,
    agreed,
    cancel,
    deadlines,
    overdue_figures,
    pay,
    plan_after,
    record,
    recorded_by_last,
    reinstate,
)
from tests.strategies import METADATA, OPENINGS, one_in, schedules

ON = date(2023, 7, 1)
"""The day of the reinstatement."""

LINES = ExplicitSchedule(tuple((D + shift * DAY, 10_000) for shift in (0, 31, 70, 82, 84)))
EACH_SCHEDULE = pytest.mark.parametrize(
    ("schedule", "due"),
    [
        (Monthly(), ["2023-07-31", "2023-08-31", "2023-09-30"]),
        (EveryDays(31), ["2023-07-31", "2023-08-31", "2023-10-01"]),
        (LINES, ["2023-07-31", "2023-08-12", "2023-08-14"]),
    ],
    ids=["monthly", "every n days", "explicit"],
)


def _five(schedule: Schedule) -> PlanTerms:
    return agreed(5, schedule=schedule, first_due_on=D)


def _due_dates(plan: Plan, as_of: date) -> list[str]:
    state = plan.timeline(as_of).state
    return [line.due_on.isoformat() for line in state.lines[state.settled :]]


@EACH_SCHEDULE
def test_the_rest_falls_due_from_thirty_days_later(schedule: Schedule, due: list[str]) -> None:
    """The first 30 days after the reinstatement, the others at the schedule's own spacing."""
    plan = plan_after(pay(D), cancel(D + 40 * DAY), reinstate(ON), terms=_five(schedule))
    assert _due_dates(plan, ON) == due


@EACH_SCHEDULE
@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (29, ("active", 0, None)),
        (30, ("active", 0, None)),
        (31, ("in_grace", 1, 18)),
        (48, ("in_grace", 18, 1)),
        (49, ("in_grace", 19, 0)),
        (50, ("cancelled", 0, None)),
    ],
)
def test_the_clock_starts_at_the_new_due_date(
    schedule: Schedule, due: list[str], shift: int, expected: tuple[str, int, int | None]
) -> None:
    """Due on the 30th day, missed on the 31st, saved to the 49th, cancelled again on the 50th."""
    plan = plan_after(pay(D), cancel(D + 40 * DAY), reinstate(ON), terms=_five(schedule))
    assert overdue_figures(plan.position(ON + shift * DAY)) == expected
    assert due[0] == (ON + 30 * DAY).isoformat()


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        (Monthly(), ["2023-09-09", "2023-10-09"]),
        (EveryDays(31), ["2023-09-09", "2023-10-10"]),
        (LINES, ["2023-09-09", "2023-09-11"]),
    ],
    ids=["monthly", "every n days", "explicit"],
)
def test_re_dated_again_the_spacing_is_that_of_the_terms(schedule: Schedule, due: list[str]) -> None:
    """Cancelled and reinstated again, the rest keeps months from the anchor, days, or the distances of the terms."""
    plan = plan_after(
        pay(D),
        cancel(D + 40 * DAY),
        reinstate(ON),
        cancel(ON + 5 * DAY, "crm-2"),
        reinstate(ON + 40 * DAY, "bank-10"),
        terms=_five(schedule),
    )
    assert _due_dates(plan, ON + 40 * DAY) == due


@pytest.mark.parametrize(("shift", "missed"), [(30, []), (31, [2]), (32, [2]), (38, [2, 3])])
def test_a_re_dated_installment_is_missed_anew(shift: int, missed: list[int]) -> None:
    """Missed before the cancellation and not covered, numbers 2 and 3 are missed again after their new dates."""
    terms = agreed(4, schedule=EveryDays(7), first_due_on=D, reinstatement=PartialCover(1))
    plan = plan_after(reinstate(ON, revised_shares=10_000), terms=terms)
    assert deadlines(plan.timeline(ON).holding()) == [
        *[("PaymentMissed", D + (7 * i + 1) * DAY, i + 1) for i in range(3)],
        ("PlanCancelled", D + 20 * DAY, 1),
    ]
    again = deadlines(plan.timeline(ON + shift * DAY).holding())[4:]
    assert again == [("PaymentMissed", ON + (31 + 7 * i) * DAY, number) for i, number in enumerate(missed)]


def test_with_nothing_left_the_plan_is_completed_and_not_re_dated() -> None:
    """A payment of all that is unsettled completes the plan on the day of the reinstatement."""
    events = recorded_by_last(pay(D), reinstate(ON, installments=9))
    names = [type(event).__name__ for event in events]
    assert names == [
        *["PlanReinstated", "PaymentMissed", "PlanCancelled"],
        *["InstallmentSettled"] * 9,
        "PlanCompleted",
    ]
    plan = plan_after(pay(D), reinstate(ON, installments=9))
    assert [plan.position(ON + shift * DAY).status for shift in (-1, 0, 1)] == ["cancelled", "completed", "completed"]


@one_in(4)
@given(plan=reinstated_plans())
def test_the_schedule_is_revised_if_and_only_if_something_is_unsettled(plan: Reinstated) -> None:
    """All unsettled lines are re-dated, from 30 days on, in order; none is if nothing is left."""
    state = Plan(plan.after).timeline(plan.decision.on).state
    revisions = [recorded.event for recorded in plan.after if isinstance(recorded.event, ScheduleRevised)]
    left = state.lines[state.settled :]
    assert len(revisions) == (1 if left else 0)
    for revision in revisions:
        assert [(line.number, line.due_on) for line in revision.lines] == [(line.number, line.due_on) for line in left]
        assert left[0].due_on == plan.decision.on + 30 * DAY
        assert all(before.due_on < after.due_on for before, after in pairwise(left))
        assert (revision.effective_on, revision.payment) == (plan.decision.on, plan.decision.reference)


@given(made=schedules(), data=st.data())
def test_redated_lines_start_thirty_days_on_and_keep_all_else(
    made: tuple[PlanTerms, tuple[Installment, ...]], data: st.DataObject
) -> None:
    """The first unsettled line falls due 30 days later, dates increase; numbers, amounts and shares stay."""
    drawn, lines = made
    left = lines[data.draw(st.integers(0, len(lines) - 1)) :]
    on = data.draw(OPENINGS)
    again = redated(left, drawn.schedule, reinstated_on=on)
    assert again[0].due_on == on + 30 * DAY
    assert all(before.due_on < after.due_on for before, after in pairwise(again))
    assert [attrs.evolve(line, due_on=on) for line in again] == [attrs.evolve(line, due_on=on) for line in left]


@given(made=schedules(), on=OPENINGS)
def test_redated_lines_keep_the_spacing_of_the_schedule(
    made: tuple[PlanTerms, tuple[Installment, ...]], on: date
) -> None:
    """Monthly lines follow by months from the new anchor, every n days by n days, explicit ones by their distances."""
    drawn, lines = made
    again = [line.due_on for line in redated(lines, drawn.schedule, reinstated_on=on)]
    anchor = on + 30 * DAY
    if isinstance(drawn.schedule, EveryDays):
        assert again == [anchor + i * drawn.schedule.days * DAY for i in range(len(lines))]
    elif isinstance(drawn.schedule, ExplicitSchedule):
        assert [due - anchor for due in again] == [line.due_on - lines[0].due_on for line in lines]
    else:
        assert again == [months_from(anchor, i) for i in range(len(lines))]


def test_redated_lines_at_the_end_of_the_month() -> None:
    """Reinstated on 1 January 2024 the lines fall due on 31 January, 29 February, 31 March."""
    lines = installments("P-1", agreed(5), opened_on=D)[2:]
    again = redated(lines, Monthly(), reinstated_on=date(2024, 1, 1))
    assert [(line.number, line.due_on.isoformat()) for line in again] == [
        (3, "2024-01-31"),
        (4, "2024-02-29"),
        (5, "2024-03-31"),
    ]


def test_a_reinstatement_beyond_the_calendar_is_refused() -> None:
    """A decision whose new due dates, or the grace after them, would lie beyond the year 9999 is refused."""
    far = ExplicitSchedule(((D, 10_000), (D + 20 * DAY, 10_000), (date(9999, 11, 1), 10_000)))
    history = record(cancel(D), terms=agreed(3, schedule=far, release=Portion("0"), reinstatement=PartialCover(1)))
    decision = reinstate(D + 30 * DAY, "bank-1", revised_shares=10_200)
    assert decide(history, attrs.evolve(decision, on=D + 10 * DAY), METADATA)
    with pytest.raises(ReinstatementRefused, match="its schedule would run beyond the year 9999"):
        decide(history, attrs.evolve(decision, on=D + 11 * DAY), METADATA)
