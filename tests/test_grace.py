"""Missed, grace, cancelled: to the day, in any zone, across leap days and whatever the clocks do."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.commands import CancelPlan, ClosePlan, Command, Metadata, OpenPlan, RecordPayment, ReversePayment
from ledger.decide import decide
from ledger.errors import PaymentRefused, PlanIsCancelled
from ledger.events import InstallmentSettled, Outcome, PaymentMissed, PlanCancelled, RecordedEvent
from ledger.money import Money
from ledger.plan import Plan
from ledger.position import Position
from ledger.service import Ledger
from ledger.terms import EveryDays, ExplicitSchedule, Monthly, PlanTerms, Portion, Schedule
from tests.strategies import RECORDED_AT, ZONES, History, histories

DAY = timedelta(days=1)
D = date(2023, 5, 10)
NOTE = Metadata(recorded_at=RECORDED_AT, actor="decider")
GRACES = (0, 1, 19, 45)


def agreed(
    *,
    grace_days: int = 19,
    count: int = 4,
    schedule: Schedule | None = None,
    zone: str = "Europe/Moscow",
    first_due_on: date | None = None,
) -> PlanTerms:
    """Return so many installments of 100.00 USD; each releases 50 of its 100 shares."""
    return PlanTerms(
        price=Money(10_000 * count, "USD"),
        shares=100 * count,
        installments=count,
        schedule=schedule or Monthly(),
        first_due_on=first_due_on,
        release=Portion("1/2"),
        timezone=zone,
        grace_days=grace_days,
    )


def pay(on: date | datetime, reference: str = "bank-1", installments: int = 1) -> RecordPayment:
    """Return a payment of so many installments."""
    amount = Money(10_000 * installments, "USD")
    return RecordPayment(plan_id="P-1", reference=reference, amount=amount, paid_at=on, kind="regular")


def charge_back(on: date, reference: str = "bank-1") -> ReversePayment:
    """Return the chargeback of a payment."""
    return ReversePayment(plan_id="P-1", reference=reference, cause="chargeback", on=on)


def opened(terms: PlanTerms, on: date = D) -> tuple[RecordedEvent, ...]:
    """Return the history of a plan just opened."""
    return decide((), OpenPlan(plan_id="P-1", investor="I-1", partner=None, terms=terms, opened_at=on), NOTE)


def told(terms: PlanTerms, *commands: Command, on: date = D) -> Plan:
    """Return a plan after these commands, none of them refused."""
    events = opened(terms, on)
    for command in commands:
        events += decide(events, command, NOTE)
    return Plan(events)


def standing(position: Position) -> tuple[str, int, int | None]:
    """Return the status, the days past due, and the days of grace left."""
    left = None if position.grace_ends_on is None else (position.grace_ends_on - position.as_of).days
    return position.status, position.days_past_due, left


def deadlines(outcomes: Iterable[Outcome]) -> list[tuple[str, date, int | None]]:
    """Return what was missed and what was cancelled, on which day, for which installment."""
    return [
        (type(outcome).__name__, outcome.effective_on, outcome.number)
        for outcome in outcomes
        if isinstance(outcome, (PaymentMissed, PlanCancelled))
    ]


# ---- the table, day by day


@pytest.mark.parametrize("grace_days", GRACES)
@pytest.mark.parametrize("due", [D, date(2024, 2, 10), date(2023, 12, 20), date(2024, 2, 29)])
def test_every_day_of_an_unpaid_installment(grace_days: int, due: date) -> None:
    """Due on D; missed on D+1 with all but one of its days of grace left; none left on the last; then cancelled."""
    plan = told(agreed(grace_days=grace_days), on=due)
    assert standing(plan.position(due)) == ("active", 0, None)
    for day in range(1, grace_days + 1):
        assert standing(plan.position(due + day * DAY)) == ("in_grace", day, grace_days - day)
        assert plan.position(due + day * DAY).grace_ends_on == due + grace_days * DAY
    for day in range(grace_days + 1, grace_days + 4):
        position = plan.position(due + day * DAY)
        assert standing(position) == ("cancelled", 0, None)
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
    plan = told(agreed(first_due_on=D), on=D - DAY)
    assert standing(plan.position(on)) == expected


@pytest.mark.parametrize("grace_days", GRACES)
def test_the_outcomes_of_an_unpaid_installment(grace_days: int) -> None:
    """`PaymentMissed` is effective on D+1 and `PlanCancelled` the day after grace, each on that day and not before."""
    plan, ends = told(agreed(grace_days=grace_days)), D + (grace_days + 1) * DAY
    missed: list[tuple[str, date, int | None]] = [("PaymentMissed", D + DAY, 1)]
    if grace_days > 30:
        missed.append(("PaymentMissed", date(2023, 6, 11), 2))
    assert deadlines(plan.timeline(D).outcomes) == []
    assert deadlines(plan.timeline(D + DAY).outcomes)[:1] == missed[:1]
    assert deadlines(plan.timeline(ends - DAY).outcomes) == ([] if grace_days == 0 else missed)
    for day in (ends, ends + DAY):
        assert deadlines(plan.timeline(day).outcomes) == [*missed, ("PlanCancelled", ends, 1)]


@pytest.mark.parametrize("grace_days", GRACES)
def test_a_payment_saves_the_plan_to_the_last_day(grace_days: int) -> None:
    """On the day before the last, on the last day, and not on the day after it."""
    history, last = opened(agreed(grace_days=grace_days, schedule=EveryDays(365))), D + grace_days * DAY
    for on in {max(D, last - DAY), last}:
        saved = Plan((*history, *decide(history, pay(on), NOTE)))
        assert saved.position(on).status == "active"
        assert saved.position(on).settled == 1
    with pytest.raises(PlanIsCancelled) as refused:
        decide(history, pay(last + DAY), NOTE)
    error = refused.value
    assert error.cancelled_on == last + DAY
    assert str(error) == (
        f"Plan P-1: payment 'bank-1' is dated {last + DAY} and the plan was cancelled on {last + DAY}; "
        "only what is dated before that day can be recorded."
    )


@pytest.mark.parametrize("grace_days", GRACES)
def test_closing_records_what_the_days_bring(grace_days: int) -> None:
    """Closed through D nothing has come due; through D+1 it is missed; through the last day not yet cancelled."""
    history, ends = opened(agreed(grace_days=grace_days)), D + (grace_days + 1) * DAY
    for through in (D, D + DAY, ends - DAY, ends, ends + DAY):
        recorded = [event.event for event in decide(history, ClosePlan(plan_id="P-1", through=through), NOTE)]
        names = [type(event).__name__ for event in recorded]
        assert ("PaymentMissed" in names) is (through > D)
        assert ("PlanCancelled" in names) is (through >= ends)


def test_a_payment_on_the_due_date_is_on_time() -> None:
    """The day before, on the day: nothing is missed. The day after: missed, then settled on the same day."""
    for on, missed in ((D, []), (D + DAY, [("PaymentMissed", D + DAY, 1)])):
        assert deadlines(told(agreed(), pay(on)).timeline(on).outcomes) == missed
    plan = told(agreed(first_due_on=D), pay(D - DAY), on=D - DAY)
    assert deadlines(plan.timeline(D + 2 * DAY).outcomes) == []


def test_a_part_payment_stops_no_clock() -> None:
    """With one cent missing on the last day of grace, the plan is cancelled the day after."""
    for minor, status in ((9_999, "cancelled"), (10_000, "active"), (10_001, "active")):
        payment = RecordPayment(
            plan_id="P-1", reference="bank-1", amount=Money(minor, "USD"), paid_at=D + 19 * DAY, kind="regular"
        )
        assert told(agreed(), payment).position(D + 20 * DAY).status == status


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
    plan = told(agreed(grace_days=grace_days), on=due)
    assert [plan.position(max(due, last + shift * DAY)).cancelled_on for shift in (-1, 0, 1)] == [
        None,
        None,
        last + DAY,
    ]


# ---- in any zone


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, date, int, datetime]:
    """A zone, an opening on which the first installment is due, days of grace, and an instant near their end."""
    zone = draw(st.sampled_from(sorted(available_timezones())) | st.sampled_from(ZONES))
    on, grace_days = draw(st.dates(date(2005, 1, 1), date(2030, 12, 31))), draw(st.sampled_from(GRACES))
    midnight = datetime(on.year, on.month, on.day, tzinfo=UTC) + (grace_days + 1) * DAY
    seconds = draw(st.integers(-48 * 3600, 48 * 3600) | st.sampled_from([hour * 3600 for hour in range(-15, 15)]))
    return zone, on, grace_days, midnight + timedelta(seconds=seconds + draw(st.sampled_from([-1, 0, 0, 1])))


@given(moment=moments())
def test_a_plan_is_saved_if_and_only_if_the_local_date_is_within_grace(
    moment: tuple[str, date, int, datetime],
) -> None:
    """In any zone, whatever the date in UTC: saved on due date + grace and before, cancelled after."""
    zone, on, grace_days, paid_at = moment
    local = paid_at.astimezone(ZoneInfo(zone)).date()
    history = opened(agreed(grace_days=grace_days, schedule=EveryDays(365), zone=zone), on)
    if local < on:
        with pytest.raises(PaymentRefused, match="before the opening"):
            decide(history, pay(paid_at), NOTE)
    elif local <= on + grace_days * DAY:
        history += decide(history, pay(paid_at), NOTE)
        assert history[1].event.effective_on == local
        assert Plan(history).position(on + (grace_days + 1) * DAY).status == "active"
    else:
        with pytest.raises(PlanIsCancelled):
            decide(history, pay(paid_at), NOTE)
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
    second = datetime(last.year, last.month, last.day, 23, 59, 59, tzinfo=ZoneInfo(zone), fold=1).astimezone(UTC)
    history = opened(agreed(grace_days=grace_days, zone=zone), due)
    assert decide(history, pay(second), NOTE)[0].event.effective_on == last
    with pytest.raises(PlanIsCancelled) as refused:
        decide(history, pay(second + timedelta(seconds=1)), NOTE)
    assert refused.value.cancelled_on == last + DAY


def test_the_date_in_utc_decides_nothing() -> None:
    """In Mexico the last evening is tomorrow in UTC and still saves; in Kiribati tomorrow is the last day in UTC."""
    last = D + 19 * DAY
    evening = datetime(2023, 5, 30, 5, 59, 59, tzinfo=UTC)
    assert decide(opened(agreed(zone="America/Mexico_City")), pay(evening), NOTE)[0].event.effective_on == last
    small_hours = datetime(2023, 5, 29, 10, tzinfo=UTC)
    with pytest.raises(PlanIsCancelled):
        decide(opened(agreed(zone="Pacific/Kiritimati")), pay(small_hours), NOTE)
    just_before = small_hours - timedelta(seconds=1)
    assert decide(opened(agreed(zone="Pacific/Kiritimati")), pay(just_before), NOTE)[0].event.effective_on == last


@given(zone=st.sampled_from(ZONES), grace_days=st.sampled_from(GRACES), on=st.dates(date(2020, 1, 1)))
def test_no_zone_changes_a_deadline(zone: str, grace_days: int, on: date) -> None:
    """Deadlines are civil dates: the same dates in every zone."""
    on = min(on, date(2030, 1, 1))
    here, there = (told(agreed(grace_days=grace_days, zone=name), on=on) for name in (zone, "UTC"))
    for shift in range(grace_days + 3):
        assert standing(here.position(on + shift * DAY)) == standing(there.position(on + shift * DAY))


# ---- several open installments


WEEKLY = agreed(schedule=EveryDays(7))


@pytest.mark.parametrize(
    ("shift", "missed", "days_past_due"),
    [(0, 0, 0), (1, 1, 1), (7, 1, 7), (8, 2, 8), (14, 2, 14), (15, 3, 15), (19, 3, 19)],
)
def test_the_installment_whose_grace_ends_first_speaks_for_the_plan(
    shift: int, missed: int, days_past_due: int
) -> None:
    """However many are open, days past due and end of grace are those of the first; each is missed the day after."""
    plan, on = told(WEEKLY), D + shift * DAY
    position = plan.position(on)
    assert position.days_past_due == days_past_due
    assert position.grace_ends_on == (D + 19 * DAY if missed else None)
    assert deadlines(plan.timeline(on).outcomes) == [
        ("PaymentMissed", D + (7 * i + 1) * DAY, i + 1) for i in range(missed)
    ]


def test_the_installment_whose_grace_ends_first_cancels_the_plan() -> None:
    """Once number 1 is settled in grace, number 2 is counted from its own due date and cancels in its turn."""
    plan = told(WEEKLY, pay(D + 19 * DAY))
    assert standing(plan.position(D + 19 * DAY)) == ("in_grace", 12, 7)
    assert standing(plan.position(D + 26 * DAY)) == ("in_grace", 19, 0)
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
def test_an_untouched_plan_is_cancelled_by_its_first_open_installment(
    grace_days: int, gaps: list[int], paid: int
) -> None:
    """Whatever the distances, the oldest open due date decides; all due dates before that day are missed in turn."""
    due = [D + sum(gaps[:index]) * DAY for index in range(len(gaps))]
    lines = ExplicitSchedule(tuple((day, 10_000) for day in due))
    terms = agreed(grace_days=grace_days, count=len(gaps), schedule=lines)
    paid = min(paid, len(gaps) - 1)
    plan = told(terms, *([pay(D, installments=paid)] if paid else []))
    ends = due[paid] + (grace_days + 1) * DAY
    assert deadlines(plan.timeline(ends + 100 * DAY).outcomes) == [
        *[("PaymentMissed", day + DAY, paid + i) for i, day in enumerate(due[paid:], 1) if day < ends],
        ("PlanCancelled", ends, paid + 1),
    ]


# ---- chargebacks


@pytest.mark.parametrize("grace_days", GRACES)
@pytest.mark.parametrize("after", [0, 1, 5, 10, 25])
def test_after_a_chargeback_the_clock_starts_on_its_date(grace_days: int, after: int) -> None:
    """Charged back on X, at or after the due date: missed on X+1, cancelled on the day after X and grace."""
    x = D + after * DAY
    plan = told(agreed(grace_days=grace_days, schedule=EveryDays(365)), pay(D), charge_back(x))
    assert standing(plan.position(x)) == ("active", 0, None)
    for day in range(1, grace_days + 1):
        assert standing(plan.position(x + day * DAY)) == ("in_grace", day, grace_days - day)
    ends = x + (grace_days + 1) * DAY
    for later in (ends, ends + DAY):
        assert plan.position(later).cancelled_on == ends
        assert deadlines(plan.timeline(later).outcomes) == [("PaymentMissed", x + DAY, 1), ("PlanCancelled", ends, 1)]


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
    plan = told(agreed(), pay(D), charge_back(x))
    position = plan.position(x + shift * DAY)
    assert standing(position) == expected
    assert position.next_installment is not None
    assert position.next_installment.due_on == D
    missed = [outcome for outcome in plan.timeline(x + DAY).outcomes if isinstance(outcome, PaymentMissed)]
    assert missed == [PaymentMissed(x + DAY, 1, due_on=D, grace_ends_on=x + 19 * DAY)]


@pytest.mark.parametrize(("shift", "clock"), [(-1, D), (0, D), (1, D + DAY)])
def test_charged_back_before_its_due_date_an_installment_keeps_its_clock(shift: int, clock: date) -> None:
    """The day before the due date and on it the clock is the due date; the day after, it is the chargeback's."""
    plan = told(agreed(first_due_on=D), pay(D - 5 * DAY), charge_back(D + shift * DAY), on=D - 5 * DAY)
    assert plan.position(clock).status == "active"
    assert plan.position(clock + DAY).days_past_due == 1
    assert plan.position(clock + 20 * DAY).cancelled_on == clock + 20 * DAY


def test_a_chargeback_reopens_the_youngest_and_an_older_clock_may_end_later() -> None:
    """Money left settles oldest first: number 2 reopens; its clock of X ends after that of number 3, not yet paid."""
    terms = agreed(schedule=EveryDays(7))
    plan = told(terms, pay(D, "bank-1"), pay(D + 7 * DAY, "bank-2"), charge_back(D + 16 * DAY, "bank-1"))
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


def test_with_equal_clocks_the_lowest_number_speaks_and_cancels() -> None:
    """Two installments reopened on one day share a clock: both are missed, in order, and the first one cancels."""
    plan = told(agreed(schedule=EveryDays(7)), pay(D, installments=2), charge_back(D + 10 * DAY))
    ends = D + 30 * DAY
    assert plan.timeline(D + 11 * DAY).state.overdue == plan.opened.lines[0]
    assert deadlines(plan.timeline(ends).outcomes) == [
        ("PaymentMissed", D + 11 * DAY, 1),
        ("PaymentMissed", D + 11 * DAY, 2),
        ("PaymentMissed", D + 15 * DAY, 3),
        ("PaymentMissed", D + 22 * DAY, 4),
        ("PlanCancelled", ends, 1),
    ]


def test_each_chargeback_starts_the_clock_anew() -> None:
    """Missed, paid in grace and charged back, an installment is missed anew and counts from the later chargeback."""
    x, y = D + 10 * DAY, D + 25 * DAY
    plan = told(
        agreed(schedule=EveryDays(365)),
        pay(D + 2 * DAY),
        charge_back(x),
        pay(x + 14 * DAY, "bank-2"),
        charge_back(y, "bank-2"),
    )
    assert [plan.position(y + shift * DAY).days_past_due for shift in (0, 1, 19)] == [0, 1, 19]
    assert deadlines(plan.timeline(y + 20 * DAY).outcomes) == [
        ("PaymentMissed", D + DAY, 1),
        ("PaymentMissed", x + DAY, 1),
        ("PaymentMissed", y + DAY, 1),
        ("PlanCancelled", y + 20 * DAY, 1),
    ]


@pytest.mark.parametrize("shift", [0, 1, 19, 20, 40])
def test_on_a_cancelled_plan_no_clock_starts(shift: int) -> None:
    """A chargeback after a cancellation takes back what was credited and leaves the day of the cancellation."""
    request = CancelPlan(plan_id="P-1", reference="crm-1", on=D + 2 * DAY, reason="asked")
    plan = told(agreed(), pay(D), request, charge_back(D + 5 * DAY))
    position = plan.position(D + (5 + shift) * DAY)
    assert (position.status, position.cancelled_on) == ("cancelled", D + 2 * DAY)
    assert (position.shares_credited, position.shares_promised, position.shares_forfeited) == (0, 0, 400)
    assert deadlines(plan.timeline(D + 60 * DAY).outcomes) == [("PlanCancelled", D + 2 * DAY, None)]


# ---- deadlines come first


def test_on_the_day_of_the_cancellation_the_deadline_comes_before_any_fact() -> None:
    """Whatever is dated on the day after grace, a request or a payment, finds the plan cancelled."""
    history, ends = opened(agreed()), D + 20 * DAY
    request = CancelPlan(plan_id="P-1", reference="crm-1", on=ends, reason="asked")
    commands: tuple[Command, ...] = (pay(ends), request)
    for command in commands:
        with pytest.raises(PlanIsCancelled):
            decide(history, command, NOTE)
    assert decide(history, CancelPlan(plan_id="P-1", reference="crm-1", on=ends - DAY, reason="asked"), NOTE)


def test_the_facts_of_a_day_count_in_the_order_in_which_they_were_recorded() -> None:
    """Two payments of one day settle in recorded order, whatever they are called; a request after them finds them."""
    request = CancelPlan(plan_id="P-1", reference="a request", on=D, reason="asked")
    plan = told(agreed(), pay(D, "z"), pay(D, "m"), request)
    settled = [outcome for outcome in plan.timeline(D).outcomes if isinstance(outcome, InstallmentSettled)]
    assert [(outcome.number, outcome.payment) for outcome in settled] == [(1, "z"), (2, "m")]
    assert (plan.position(D).status, plan.position(D).shares_credited) == ("cancelled", 100)
    with pytest.raises(PlanIsCancelled):
        told(agreed(), request, pay(D, "z"))


def test_a_payment_recorded_late_but_dated_within_grace_undoes_the_cancellation() -> None:
    """Recorded after the cancellation was: dated on the last day it saves the plan, dated the day after it cannot."""
    history = opened(agreed())
    history += decide(history, ClosePlan(plan_id="P-1", through=D + 40 * DAY), NOTE)
    assert Plan(history).position(D + 40 * DAY).status == "cancelled"
    for shift in (18, 19):
        saved = Plan((*history, *decide(history, pay(D + shift * DAY), NOTE)))
        assert saved.position(D + 20 * DAY).status == "active"
    with pytest.raises(PlanIsCancelled):
        decide(history, pay(D + 20 * DAY), NOTE)


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
