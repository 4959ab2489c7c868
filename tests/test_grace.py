"""Missed, grace, cancelled (RULES.md section 6): to the day, in any zone, across leap days and clock changes."""

from datetime import UTC, date, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import Ledger, Money, PaymentRefused, PlanIsCancelled, PlanIsCompleted
from ledger.commands import Command
from ledger.decide import decide
from ledger.events import CancellationRequested, InstallmentSettled, PlanCancelled
from ledger.plan import Plan
from ledger.terms import EveryDays, ExplicitSchedule, PackageBonus
from tests.plans import (
    DAY,
    DUE,
    TEN,
    D,
    agreed,
    cancel,
    close,
    days_up_to_horizon,
    deadlines,
    overdue_figures,
    pay,
    pay_each,
    plan_after,
    record,
    recorded_by_last,
)
from tests.strategies import ALL_ZONES, METADATA, RECORDED_AT, ZONES, History, clocks, histories, one_in

GRACES = (0, 1, 19, 45)
FOUR, WEEKLY = agreed(4), agreed(4, schedule=EveryDays(7))


# ---- the table, day by day


@pytest.mark.parametrize("grace_days", GRACES)
@pytest.mark.parametrize("due", [D, date(2024, 2, 10), date(2023, 12, 20), date(2024, 2, 29)])
def test_every_day_of_an_unpaid_installment(grace_days: int, due: date) -> None:
    """Due on D; missed on D+1 with all but one of its days of grace left; none left on the last; then cancelled."""
    plan = plan_after(terms=agreed(4, grace_days=grace_days), opened_on=due)
    assert overdue_figures(plan.position(due)) == ("active", 0, None)
    for day in range(1, grace_days + 1):
        assert overdue_figures(plan.position(due + day * DAY)) == ("in_grace", day, grace_days - day)
        assert plan.position(due + day * DAY).grace_ends_on == due + grace_days * DAY
    for day in range(grace_days + 1, grace_days + 4):
        position = plan.position(due + day * DAY)
        assert overdue_figures(position) == ("cancelled", 0, None)
        assert position.cancelled_on == due + (grace_days + 1) * DAY


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (D - DAY, ("active", 0, None)),
        (D, ("active", 0, None)),
        (D + DAY, ("in_grace", 1, 18)),
        (D + 17 * DAY, ("in_grace", 17, 2)),
        (D + 18 * DAY, ("in_grace", 18, 1)),
        (date(2023, 5, 29), ("in_grace", 19, 0)),
        (date(2023, 5, 30), ("cancelled", 0, None)),
        (date(2023, 5, 31), ("cancelled", 0, None)),
    ],
)
def test_the_published_table(on: date, expected: tuple[str, int, int | None]) -> None:
    """Due 2023-05-10: the last day is 2023-05-29, cancelled on 2023-05-30."""
    assert overdue_figures(plan_after().position(on)) == expected


@pytest.mark.parametrize("grace_days", GRACES)
def test_the_outcomes_of_an_unpaid_installment(grace_days: int) -> None:
    """`PaymentMissed` is effective on D+1 and `PlanCancelled` the day after grace, each on that day and not before."""
    plan = plan_after(terms=agreed(4, grace_days=grace_days), opened_on=D)
    cancelled_on = D + (grace_days + 1) * DAY
    missed: list[tuple[str, date, int | None]] = [("PaymentMissed", D + DAY, 1)]
    if grace_days > 30:
        missed.append(("PaymentMissed", date(2023, 6, 11), 2))
    assert deadlines(plan.timeline(D).outcomes) == []
    assert deadlines(plan.timeline(D + DAY).outcomes)[:1] == missed[:1]
    assert deadlines(plan.timeline(cancelled_on - DAY).outcomes) == ([] if grace_days == 0 else missed)
    for day in (cancelled_on, cancelled_on + DAY):
        assert deadlines(plan.timeline(day).outcomes) == [*missed, ("PlanCancelled", cancelled_on, 1)]


@pytest.mark.parametrize("grace_days", GRACES)
def test_a_payment_saves_the_plan_to_the_last_day(grace_days: int) -> None:
    """On the day before the last, on the last day, and not on the day after it."""
    history = record(terms=agreed(4, grace_days=grace_days, schedule=EveryDays(365)), opened_on=D)
    last = D + grace_days * DAY
    for on in {max(D, last - DAY), last}:
        saved = Plan((*history, *decide(history, pay(on), METADATA)))
        assert saved.position(on).status == "active"
        assert saved.position(on).settled == 1
    with pytest.raises(PlanIsCancelled) as refused:
        decide(history, pay(last + DAY), METADATA)
    error = refused.value
    assert error.cancelled_on == last + DAY
    assert str(error) == (
        f"Plan P-1: payment 'bank-1' is dated {last + DAY} and the plan was cancelled on {last + DAY}; "
        "reinstate the plan, or return the money."
    )


def test_a_payment_on_the_due_date_is_on_time() -> None:
    """The day before, on the day: nothing is missed. The day after: missed, then settled on the same day."""
    for on, missed in ((D - DAY, []), (D, []), (D + DAY, [("PaymentMissed", D + DAY, 1)])):
        assert deadlines(plan_after(pay(on)).timeline(D + 2 * DAY).outcomes) == missed


@pytest.mark.parametrize(("minor", "status"), [(-1, "cancelled"), (0, "active"), (1, "active")])
def test_a_part_payment_stops_no_clock(minor: int, status: str) -> None:
    """With one cent missing on the last day of grace, the plan is cancelled the day after."""
    assert plan_after(pay(D + 19 * DAY, minor=minor)).position(D + 20 * DAY).status == status


@pytest.mark.parametrize(
    ("due", "grace_days", "last"),
    [
        (date(2024, 2, 10), 19, date(2024, 2, 29)),
        (date(2023, 2, 10), 19, date(2023, 3, 1)),
        (date(2024, 2, 11), 19, date(2024, 3, 1)),
        (date(2024, 2, 29), 19, date(2024, 3, 19)),
        (date(2023, 12, 31), 45, date(2024, 2, 14)),
        (date(2024, 2, 28), 1, date(2024, 2, 29)),
        (date(2023, 2, 28), 1, date(2023, 3, 1)),
        (date(2024, 2, 29), 0, date(2024, 2, 29)),
    ],
)
def test_grace_counts_calendar_days(due: date, grace_days: int, last: date) -> None:
    """Leap days count, month and year ends do not matter."""
    plan = plan_after(terms=agreed(4, grace_days=grace_days), opened_on=due)
    assert [plan.position(max(due, last + shift * DAY)).cancelled_on for shift in (-1, 0, 1)] == [
        None,
        None,
        last + DAY,
    ]


# ---- in any zone


@st.composite
def instants_near_the_end_of_grace(draw: st.DrawFn) -> tuple[str, date, int, datetime]:
    """A zone, an opening on which the first installment is due, days of grace, and an instant near their end."""
    zone = draw(ALL_ZONES | st.sampled_from(ZONES))
    on, grace_days = draw(st.dates(date(2005, 1, 1), date(2030, 12, 31))), draw(st.sampled_from(GRACES))
    midnight = datetime(on.year, on.month, on.day, tzinfo=UTC) + (grace_days + 1) * DAY
    seconds = draw(st.integers(-48 * 3600, 48 * 3600) | st.sampled_from([hour * 3600 for hour in range(-15, 15)]))
    return zone, on, grace_days, midnight + timedelta(seconds=seconds + draw(st.sampled_from([-1, 0, 0, 1])))


@given(payment=instants_near_the_end_of_grace())
def test_a_plan_is_saved_if_and_only_if_the_local_date_is_within_grace(
    payment: tuple[str, date, int, datetime],
) -> None:
    """In any zone, on any date in UTC: saved on due date + grace and before, cancelled after."""
    zone, on, grace_days, paid_at = payment
    local = paid_at.astimezone(clocks(zone)).date()
    terms = agreed(4, grace_days=grace_days, schedule=EveryDays(365), timezone=zone)
    history = record(terms=terms, opened_on=on)
    if local < on:
        with pytest.raises(PaymentRefused, match="before the opening"):
            decide(history, pay(paid_at), METADATA)
    elif local <= on + grace_days * DAY:
        history += decide(history, pay(paid_at), METADATA)
        assert history[1].event.effective_on == local
        assert Plan(history).position(on + (grace_days + 1) * DAY).status == "active"
    else:
        with pytest.raises(PlanIsCancelled):
            decide(history, pay(paid_at), METADATA)
        assert Plan(history).position(local).status == "cancelled"


@pytest.mark.parametrize(
    ("zone", "due", "grace_days"),
    [
        ("Europe/Berlin", date(2023, 3, 7), 19),  # the last day has 23 hours
        ("Europe/Berlin", date(2023, 10, 10), 19),  # the last day has 25 hours
        ("Europe/Berlin", date(2023, 10, 9), 19),  # the day after the last has 25 hours
        ("America/Mexico_City", date(2022, 10, 11), 19),
        ("America/New_York", date(2023, 10, 17), 19),
        ("Australia/Lord_Howe", date(2023, 3, 14), 19),
        ("Africa/Cairo", date(2023, 4, 8), 19),  # midnight itself is left out
        ("Pacific/Apia", date(2011, 12, 10), 19),  # the day after the last is left out
        ("Pacific/Kiritimati", date(2024, 2, 10), 19),
        ("Pacific/Pago_Pago", date(2024, 2, 10), 19),
    ],
)
def test_no_daylight_saving_change_moves_the_boundary(zone: str, due: date, grace_days: int) -> None:
    """At 23:59:59 on the last day of grace a payment saves the plan; a second later the next date has come."""
    last = due + grace_days * DAY
    second = datetime(last.year, last.month, last.day, 23, 59, 59, tzinfo=clocks(zone), fold=1).astimezone(UTC)
    history = record(terms=agreed(4, grace_days=grace_days, timezone=zone), opened_on=due)
    assert decide(history, pay(second), METADATA)[0].event.effective_on == last
    with pytest.raises(PlanIsCancelled) as refused:
        decide(history, pay(second + timedelta(seconds=1)), METADATA)
    assert refused.value.cancelled_on == last + DAY


def test_the_date_in_utc_decides_nothing() -> None:
    """In Mexico the last evening is tomorrow in UTC and still saves; in Kiribati tomorrow is the last day in UTC."""
    last = D + 19 * DAY
    in_mexico = record(terms=agreed(4, timezone="America/Mexico_City"), opened_on=D)
    evening = datetime(2023, 5, 30, 5, 59, 59, tzinfo=UTC)
    assert decide(in_mexico, pay(evening), METADATA)[0].event.effective_on == last
    in_kiribati = record(terms=agreed(4, timezone="Pacific/Kiritimati"), opened_on=D)
    midnight = datetime(2023, 5, 29, 10, tzinfo=UTC)
    with pytest.raises(PlanIsCancelled):
        decide(in_kiribati, pay(midnight), METADATA)
    assert decide(in_kiribati, pay(midnight - timedelta(seconds=1)), METADATA)[0].event.effective_on == last


@given(zone=st.sampled_from(ZONES), grace_days=st.sampled_from(GRACES), on=st.dates(date(2020, 1, 1)))
def test_no_zone_changes_a_deadline(zone: str, grace_days: int, on: date) -> None:
    """Deadlines are civil dates: the same dates in every zone."""
    on = min(on, date(2030, 1, 1))
    here, there = (
        plan_after(terms=agreed(4, grace_days=grace_days, timezone=name), opened_on=on) for name in (zone, "UTC")
    )
    for shift in range(grace_days + 3):
        day = on + shift * DAY
        assert overdue_figures(here.position(day)) == overdue_figures(there.position(day))


# ---- several open installments


@pytest.mark.parametrize(
    ("shift", "missed", "days_past_due"),
    [(0, 0, 0), (1, 1, 1), (7, 1, 7), (8, 2, 8), (14, 2, 14), (15, 3, 15), (19, 3, 19)],
)
def test_the_days_are_those_of_the_installment_whose_grace_ends_first(
    shift: int, missed: int, days_past_due: int
) -> None:
    """However many are open, days past due and end of grace are those of the first; each is missed the day after."""
    plan, on = plan_after(terms=WEEKLY, opened_on=D), D + shift * DAY
    position = plan.position(on)
    assert position.days_past_due == days_past_due
    assert position.grace_ends_on == (D + 19 * DAY if missed else None)
    assert deadlines(plan.timeline(on).outcomes) == [
        ("PaymentMissed", D + (7 * i + 1) * DAY, i + 1) for i in range(missed)
    ]


def test_the_installment_whose_grace_ends_first_cancels_the_plan() -> None:
    """Once number 1 is settled in grace, number 2 is counted from its own due date and cancels in its turn."""
    plan = plan_after(pay(D + 19 * DAY), terms=WEEKLY, opened_on=D)
    assert overdue_figures(plan.position(D + 19 * DAY)) == ("in_grace", 12, 7)
    assert overdue_figures(plan.position(D + 26 * DAY)) == ("in_grace", 19, 0)
    assert plan.position(D + 27 * DAY).cancelled_on == D + 27 * DAY
    assert deadlines(plan.timeline(D + 27 * DAY).outcomes) == [
        *[("PaymentMissed", D + (7 * i + 1) * DAY, i + 1) for i in range(4)],
        ("PlanCancelled", D + 27 * DAY, 2),
    ]


def test_a_plan_is_one_row_of_the_overdue_list() -> None:
    """Three open installments are one row: the first number, its due date, and all that is due, part payments off."""
    with Ledger.open("memory://", clock=lambda: RECORDED_AT) as ledger:
        ledger.open_plan("P-1", investor="I-1", partner="N-1", terms=WEEKLY, opened_at=D)
        ledger.record_payment("P-1", reference="bank-1", amount=Money(4_000, "USD"), paid_at=D + DAY)
        for shift, days, due in ((0, None, None), (1, 1, 6_000), (6, 6, 6_000), (7, 7, 16_000), (14, 14, 26_000)):
            rows = ledger.overdue(as_of=D + shift * DAY)
            assert [(row.number, row.due_on, row.days_past_due, row.amount_due.minor) for row in rows] == (
                [] if days is None else [(1, D, days, due)]
            )
            assert [row.days_left for row in rows] == [19 - row.days_past_due for row in rows]
        assert ledger.overdue(as_of=D + 20 * DAY) == ()


@given(grace_days=st.integers(0, 60), gaps=st.lists(st.integers(1, 40), min_size=1, max_size=6), paid=st.integers(0, 5))
def test_an_unpaid_plan_is_cancelled_by_its_first_open_installment(grace_days: int, gaps: list[int], paid: int) -> None:
    """At any distances, the oldest open due date decides; all due dates before that day are missed in turn."""
    due = [D + sum(gaps[:index]) * DAY for index in range(len(gaps))]
    lines = ExplicitSchedule(tuple((day, 10_000) for day in due))
    terms = agreed(len(gaps), grace_days=grace_days, schedule=lines)
    paid = min(paid, len(gaps) - 1)
    plan = plan_after(*([pay(D, installments=paid)] if paid else []), terms=terms, opened_on=D)
    cancelled_on = due[paid] + (grace_days + 1) * DAY
    assert deadlines(plan.timeline(cancelled_on + 100 * DAY).outcomes) == [
        *[("PaymentMissed", day + DAY, paid + i) for i, day in enumerate(due[paid:], 1) if day < cancelled_on],
        ("PlanCancelled", cancelled_on, paid + 1),
    ]


@given(data=st.data())
def test_overdue_figures_belong_together(data: st.DataObject) -> None:
    """In grace: past due at least a day, not beyond the end of grace. Otherwise: no figure at all."""
    history: History = data.draw(histories())
    plan, grace_days = Plan(history.events), history.opened.terms.grace_days
    first = history.opened.effective_on
    as_of = data.draw(st.dates(first, max(plan.horizon, history.opened.lines[-1].due_on) + 50 * DAY))
    position, state = plan.position(as_of), plan.timeline(as_of).state
    if position.status == "in_grace":
        assert position.grace_ends_on is not None
        assert position.next_installment is not None
        assert state.overdue is not None
        assert 1 <= position.days_past_due <= grace_days
        assert position.days_past_due + (position.grace_ends_on - as_of).days == grace_days
        assert state.amount_due >= position.next_installment.missing.minor
    else:
        assert (position.days_past_due, position.grace_ends_on) == (0, None)
        assert (state.overdue, state.amount_due) == (None, 0)


# ---- deadlines come first


def test_on_the_day_of_the_cancellation_the_deadline_comes_before_any_fact() -> None:
    """A request or a payment dated on the day after grace finds the plan cancelled; dated a day earlier it does not."""
    history, cancelled_on = record(), D + 20 * DAY
    commands: tuple[Command, ...] = (pay(cancelled_on), cancel(cancelled_on))
    for command in commands:
        with pytest.raises(PlanIsCancelled):
            decide(history, command, METADATA)
    assert decide(history, cancel(cancelled_on - DAY), METADATA)


def test_the_facts_of_a_day_count_in_the_order_in_which_they_were_recorded() -> None:
    """Two payments of one day settle in recorded order, under any reference; a request after them finds them."""
    plan = plan_after(pay(D, "z"), pay(D, "m"), cancel(D, "a request"))
    settled = [outcome for outcome in plan.timeline(D).outcomes if isinstance(outcome, InstallmentSettled)]
    assert [(outcome.number, outcome.payment) for outcome in settled] == [(1, "z"), (2, "m")]
    assert (plan.position(D).status, plan.position(D).shares_credited) == ("cancelled", 4_600)
    with pytest.raises(PlanIsCancelled):
        plan_after(cancel(D), pay(D, "z"))


# ---- cancelled


def test_a_cancellation_forfeits_the_rest_of_the_package_and_every_bonus() -> None:
    """The day before, all is promised; from the cancellation on the credited shares stay and the rest is forfeited."""
    terms = attrs.evolve(TEN, promos=(PackageBonus(code="spring", rate_bp=1_000),))
    plan = plan_after(pay(D), terms=terms)
    cancelled_on = DUE[1] + 20 * DAY
    for shift, promised, forfeited, bonus in ((-1, 31_700, 0, 3_400), (0, 0, 31_700, 0), (1, 0, 31_700, 0)):
        position = plan.position(cancelled_on + shift * DAY)
        assert position.shares_credited == 2_300
        assert (position.shares_promised, position.shares_forfeited) == (promised, forfeited)
        assert (position.bonus_promised, position.bonus_credited) == (bonus, 0)


def test_a_plan_is_cancelled_by_request_on_the_date_of_the_request() -> None:
    """Active the day before; cancelled on the date of the request, which may lie in the past, and after it."""
    plan = plan_after(pay(D), pay(DUE[1], "bank-2"), cancel(D + 5 * DAY))
    for shift, status in ((4, "active"), (5, "cancelled"), (6, "cancelled")):
        assert plan.position(D + shift * DAY).status == status
    assert deadlines(plan.timeline(DUE[9]).holding()) == [("PlanCancelled", D + 5 * DAY, None)]
    events = recorded_by_last(pay(D), pay(DUE[1], "bank-2"), cancel(D + 5 * DAY))
    assert isinstance(events[0], CancellationRequested)
    assert PlanCancelled(D + 5 * DAY, "requested", None, "crm-1", 31_700) in events


@pytest.mark.parametrize(("shift", "accepted"), [(-1, True), (0, False), (1, False)])
def test_a_request_on_a_cancelled_plan_is_refused(shift: int, *, accepted: bool) -> None:
    """Until the last day of grace the plan can be cancelled by request; then it is cancelled already."""
    history, request = record(close(D + 30 * DAY)), cancel(D + (20 + shift) * DAY)
    if accepted:
        assert Plan((*history, *decide(history, request, METADATA))).position(D + 30 * DAY).cancelled_on == request.on
    else:
        with pytest.raises(PlanIsCancelled, match="dated .* and the plan was cancelled on 2023-05-30"):
            decide(history, request, METADATA)


@pytest.mark.parametrize(("shift", "accepted"), [(-1, True), (0, False), (1, False)])
def test_a_request_on_a_completed_plan_is_refused(shift: int, *, accepted: bool) -> None:
    """Until the day before its completion a plan can be cancelled by request; then it is completed."""
    history, request = record(*pay_each(DUE)), cancel(DUE[9] + shift * DAY)
    if accepted:
        assert Plan((*history, *decide(history, request, METADATA))).position(DUE[9]).status == "cancelled"
    else:
        with pytest.raises(PlanIsCompleted, match="and the plan was completed on 2024-02-10"):
            decide(history, request, METADATA)


@one_in(4)
@given(history=histories())
def test_a_cancelled_plan_neither_settles_nor_misses_nor_completes(history: History) -> None:
    """From a cancellation to a reinstatement the only things that happen are chargebacks and unapplied money."""
    plan = Plan(history.events)
    for day in days_up_to_horizon(history.events):
        position, before = plan.position(day), plan.position(max(day - DAY, plan.opened.effective_on))
        if position.status == before.status == "cancelled" and position.cancelled_on == before.cancelled_on:
            assert position.paid.minor <= before.paid.minor
            assert position.settled <= before.settled
            assert position.shares_credited <= before.shares_credited
            assert (position.bonus_promised, position.shares_promised) == (0, 0)
