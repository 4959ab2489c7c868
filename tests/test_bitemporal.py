"""Two times: as of an effective date (valid time), and as known at a recorded instant (transaction time), inclusive.

Source: RULES.md section 1.
"""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import CommandRefused, EndOfDay, InvalidArgument, Ledger, PlanNotFound
from ledger.cli.app import main
from ledger.commands import Command, Metadata
from ledger.dates import day_in
from ledger.decide import decide
from ledger.events import RecordedEvent
from ledger.plan import Plan, known
from ledger.timeline import timeline
from tests import examples
from tests.attempts import attempts_with_closings, clock_readings
from tests.examples import OPENED_ON, TERMS, open_plan, usd
from tests.plans import (
    DAY,
    TEN,
    D,
    attempt,
    cancel,
    charge_back,
    close,
    days_up_to_horizon,
    opening,
    pay,
    plan_after,
    record,
    recorded_by,
    recorded_outcomes,
    reinstate,
)
from tests.strategies import one_in, opened_in

MICROSECOND = timedelta(microseconds=1)


# ---- as of a date


@one_in(6)
@given(commands=attempts_with_closings())
def test_no_answer_depends_on_later_facts(commands: list[Command]) -> None:
    """As of a date, a plan is as if no fact effective later existed."""
    events = recorded_by(attempt(commands))
    plan, opened = Plan(events), opened_in(events)
    for day in days_up_to_horizon(events):
        effective = [fact for fact in plan.facts if fact.effective_on <= day]
        assert plan.timeline(day) == timeline(opened, effective, day)


@one_in(6)
@given(commands=attempts_with_closings())
def test_a_command_changes_no_answer_before_its_date(commands: list[Command]) -> None:
    """A fact recorded today about a date leaves every earlier date unchanged."""
    events: tuple[RecordedEvent, ...] = ()
    for attempted in attempt(commands):
        if events and attempted.events:
            on = attempted.events[0].event.effective_on
            before, after = Plan(events), Plan((*events, *attempted.events))
            for day in [day for day in days_up_to_horizon(events) if day < on]:
                assert before.position(day) == after.position(day)
                assert recorded_outcomes(events, day) == recorded_outcomes((*events, *attempted.events), day)
        events += attempted.events


def test_a_fact_counts_from_its_effective_date() -> None:
    """A payment is not there the day before its date; it is on the day, and the day after."""
    plan = plan_after(pay(D))
    assert [plan.position(D + shift * DAY).settled for shift in (-1, 0, 1)] == [0, 1, 1]


def test_today_is_the_day_in_the_plans_own_zone() -> None:
    """Without `as_of` each plan is shown on today's date in its own time zone."""
    clock = datetime(2023, 4, 10, 22, 30, tzinfo=UTC)  # the 11th in Moscow, the 10th in Mexico City
    with Ledger.open("memory://", clock=lambda: clock) as books:
        for plan_id, zone in [("P-1", "Europe/Moscow"), ("P-2", "America/Mexico_City")]:
            terms = attrs.evolve(TERMS, timezone=zone)
            books.open_plan(plan_id, investor="I-1", partner=None, terms=terms, opened_at=OPENED_ON)
        assert [row.plan_id for row in books.overdue()] == ["P-1"]
        assert [books.position(plan_id).as_of.day for plan_id in ("P-1", "P-2")] == [11, 10]
        (row,) = books.portfolio()
        assert (row.as_of, row.plans, row.active, row.in_grace) == (date(2023, 4, 11), 2, 1, 1)


# ---- as known at an instant


@one_in(6)
@given(data=st.data())
def test_the_knowledge_at_an_instant_is_a_prefix(data: st.DataObject) -> None:
    """As known at an instant, inclusive, a plan is the result of the commands by then, and of no later one."""
    commands = data.draw(attempts_with_closings())
    readings = data.draw(clock_readings(commands))
    attempts = attempt(commands, readings)
    events = recorded_by(attempts)
    assert [event.recorded_at for event in events] == sorted(event.recorded_at for event in events)
    for length in range(1, len(attempts) + 1):
        prefix = recorded_by(attempts[:length])
        latest = prefix[-1].recorded_at
        if any(event.recorded_at == latest for event in recorded_by(attempts[length:])):
            continue  # recorded at the same instant
        assert tuple(known(events, latest)) == prefix
        assert tuple(known(events, latest - MICROSECOND)) == tuple(
            event for event in prefix if event.recorded_at < latest
        )
        assert recorded_by(attempt(commands[:length], readings)) == prefix
        day = data.draw(st.sampled_from(days_up_to_horizon(prefix)))
        assert Plan(known(events, latest)).position(day) == Plan(prefix).position(day)


def test_an_auditor_sees_the_knowledge_at_an_instant() -> None:
    """`known_at` cuts by the instant of recording, inclusive; `as_of` by the effective date."""
    with Ledger.open("memory://") as books:
        opened_at, paid_at = datetime(2023, 4, 10, 12, tzinfo=UTC), datetime(2023, 6, 1, 9, tzinfo=UTC)
        books.open_plan("P-1", investor="I-7", partner="N-3", terms=TERMS, opened_at=OPENED_ON, recorded_at=opened_at)
        books.record_payment(
            "P-1", reference="bank-1", amount=usd("150.00"), paid_at=date(2023, 4, 20), recorded_at=paid_at
        )
        day = date(2023, 5, 1)
        for known_at, status in [
            (paid_at - MICROSECOND, "cancelled"),
            (paid_at, "active"),
            (paid_at + MICROSECOND, "active"),
        ]:
            assert books.position("P-1", as_of=day, known_at=known_at).status == status
            assert books.positions(as_of=day, known_at=known_at)[0].status == status
            assert getattr(books.portfolio(as_of=day, known_at=known_at)[0], status) == 1
        assert len(books.overdue(as_of=date(2023, 4, 20), known_at=opened_at)) == 1
        assert books.overdue(as_of=date(2023, 4, 20), known_at=paid_at) == ()
        assert books.balances(as_of=day, known_at=opened_at)[0].shares_credited == 0
        with pytest.raises(PlanNotFound, match="not known at"):
            books.position("P-1", as_of=day, known_at=opened_at - timedelta(seconds=1))
        assert books.positions(as_of=day, known_at=opened_at - timedelta(seconds=1)) == ()


@one_in(6)
@given(data=st.data())
def test_asked_as_known_only_the_day_is_that_of_the_instant(data: st.DataObject) -> None:
    """Without `as_of`, `known_at` means the day of that instant in the plan's zone: every query, at every instant."""
    commands = data.draw(attempts_with_closings())
    events = recorded_by(attempt(commands, data.draw(clock_readings(commands))))
    instant = data.draw(st.sampled_from(sorted({event.recorded_at for event in events}))) + data.draw(
        st.sampled_from([timedelta(), MICROSECOND, timedelta(hours=9), timedelta(days=40)])
    )
    day = day_in(opened_in(events).terms.timezone, instant)
    with Ledger.open("memory://") as books:
        books._store.append(events)
        assert books.position("P-1", known_at=instant) == books.position("P-1", known_at=instant, as_of=day)
        assert books.statement("P-1", known_at=instant) == books.statement("P-1", known_at=instant, as_of=day)
        for question in (books.positions, books.overdue, books.balances, books.portfolio):
            assert question(known_at=instant) == question(known_at=instant, as_of=day)


def test_a_report_of_march_does_not_change() -> None:
    """Asked today as known in March, a plan is what it was in March, not what has become of it since."""
    clock = datetime(2024, 5, 1, tzinfo=UTC)
    with Ledger.open("memory://", clock=lambda: clock) as books:
        books.open_plan(
            "P-1",
            investor="I-1",
            partner=None,
            terms=TERMS,
            opened_at=date(2024, 3, 20),
            recorded_at=datetime(2024, 3, 20, 12, tzinfo=UTC),
        )
        in_march = datetime(2024, 3, 31, 12, tzinfo=UTC)
        assert books.position("P-1").status == books.positions()[0].status == "cancelled"
        for known_at in (in_march, EndOfDay(date(2024, 3, 31))):
            position = books.position("P-1", known_at=known_at)
            assert (position.status, position.as_of) == ("in_grace", date(2024, 3, 31))
            assert books.positions(known_at=known_at) == (position,)
            assert [row.days_past_due for row in books.overdue(known_at=known_at)] == [11]
            assert books.portfolio(known_at=known_at)[0].as_of == date(2024, 3, 31)
            assert books.statement("P-1", known_at=known_at)[-1].on == date(2024, 3, 21)


def test_the_end_of_a_day_is_that_of_each_plans_zone() -> None:
    """At one instant it is the next day for one plan and not for another: each has a day's end of its own."""
    at = datetime(2023, 4, 10, 22, 30, tzinfo=UTC)  # the 11th in Moscow, the 10th in Mexico City
    with Ledger.open("memory://", clock=lambda: at) as books:
        for plan_id, zone in [("P-1", "Europe/Moscow"), ("P-2", "America/Mexico_City")]:
            terms = attrs.evolve(TERMS, timezone=zone)
            books.open_plan(plan_id, investor="I-1", partner=None, terms=terms, opened_at=OPENED_ON)
        tenth, eleventh = EndOfDay(date(2023, 4, 10)), EndOfDay(date(2023, 4, 11))
        assert [row.plan_id for row in books.positions(known_at=tenth)] == ["P-2"]
        assert [row.plan_id for row in books.positions(known_at=eleventh)] == ["P-1", "P-2"]
        with pytest.raises(PlanNotFound, match="not known at the end of 2023-04-10"):
            books.position("P-1", known_at=tenth)
        assert books.position("P-1", known_at=eleventh, as_of=date(2023, 4, 10)).as_of == date(2023, 4, 10)
    with pytest.raises(InvalidArgument, match="day is .*expected a datetime.date"):
        EndOfDay(at)


def test_on_the_command_line_a_date_is_the_end_of_that_day(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--known-at 2023-04-11` is the end of the 11th in the plan's zone, and without `--as-of` the 11th is shown."""
    url = f"sqlite:///{tmp_path}/books.db"
    with Ledger.open(url) as books:
        for plan_id, hour in [("P-1", 20), ("P-2", 21)]:  # Moscow is three hours ahead
            at = datetime(2023, 4, 11, hour, 30, tzinfo=UTC)
            books.open_plan(plan_id, investor="I-1", partner=None, terms=TERMS, opened_at=OPENED_ON, recorded_at=at)
    assert main(["--db", url, "overdue", "--known-at", "2023-04-11", "--json"]) == 0
    assert [(row["plan_id"], row["days_past_due"]) for row in json.loads(capsys.readouterr().out)] == [("P-1", 1)]
    assert main(["--db", url, "overdue", "--known-at", "2023-04-11"]) == 0
    assert "1 overdue plan, as known at the end of 2023-04-11" in capsys.readouterr().out


# ---- the instant of recording


@one_in(6)
@given(data=st.data())
def test_an_instant_that_steps_back_is_raised(data: st.DataObject) -> None:
    """An event is recorded at its command's instant, or at the plan's latest if that is later."""
    commands = data.draw(attempts_with_closings())
    readings = data.draw(clock_readings(commands))
    latest = None
    for attempted, metadata in zip(attempt(commands, readings), readings, strict=True):
        expected = metadata.recorded_at if latest is None else max(latest, metadata.decided_at)
        assert {event.recorded_at for event in attempted.events} <= {expected}
        latest = attempted.events[-1].recorded_at if attempted.events else latest


def test_the_instant_of_recording_never_steps_back() -> None:
    """A command recorded by a clock that stepped back is recorded at the plan's latest instant."""
    with Ledger.open("memory://") as books:
        open_plan(books)
        events = books.record_payment(
            "P-1",
            reference="bank-2",
            amount=usd("1.00"),
            paid_at=OPENED_ON,
            recorded_at=datetime(2023, 4, 11, tzinfo=UTC),
        )
        assert {recorded.recorded_at for recorded in events} == {examples.RECORDED_AT}


RECORDED_EARLY = Metadata(recorded_at=datetime(2023, 4, 12, tzinfo=UTC))
COMMANDS: dict[str, Callable[[date], Command]] = {
    "payment": lambda on: pay(on, "bank-2"),
    "chargeback": charge_back,
    "cancellation": cancel,
    "closing": close,
    "reinstatement": reinstate,
}


@pytest.mark.parametrize(("zone", "today"), [("Europe/Moscow", D + DAY), ("America/Mexico_City", D)])
@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_recorded_before_its_day(name: str, zone: str, today: date) -> None:
    """Dated after the day of its recording in the plan's zone a fact or a closing is refused; on that day it is not."""
    terms = attrs.evolve(TEN, timezone=zone)
    cancelled = [cancel(OPENED_ON, "crm-0")] if name == "reinstatement" else []
    history = record(pay(OPENED_ON), *cancelled, terms=terms, metadata=RECORDED_EARLY)
    metadata = Metadata(recorded_at=datetime(2023, 5, 10, 21, 30, tzinfo=UTC))  # 00:30 in Moscow, 15:30 in Mexico City
    for day in (today - DAY, today):
        decide(history, COMMANDS[name](day), metadata)
    with pytest.raises(CommandRefused, match=f"is dated {today + DAY}, after {today}, the day of its recording"):
        decide(history, COMMANDS[name](today + DAY), metadata)


def test_no_plan_is_opened_before_its_day() -> None:
    """An opening may be dated on the day of its recording in the plan's zone, or earlier, and not later."""
    metadata = Metadata(recorded_at=datetime(2023, 4, 9, 21, 30, tzinfo=UTC))  # the 10th in Moscow
    for on in (OPENED_ON - DAY, OPENED_ON):
        assert decide((), opening(on=on), metadata)
    with pytest.raises(CommandRefused, match="the opening is dated 2023-04-11, after 2023-04-10"):
        decide((), opening(on=OPENED_ON + DAY), metadata)


def test_questions_may_look_ahead() -> None:
    """A date that has not come can be asked about: it shows the plan as it will be if nothing more happens."""
    with Ledger.open("memory://", clock=lambda: datetime(2023, 4, 10, 12, tzinfo=UTC)) as books:
        books.open_plan("P-1", investor="I-7", partner="N-3", terms=TERMS, opened_at=OPENED_ON)
        asked = [OPENED_ON, OPENED_ON + DAY, OPENED_ON + 20 * DAY, date(2050, 1, 1)]
        assert [books.position("P-1", as_of=day).status for day in asked] == [
            "active",
            "in_grace",
            "cancelled",
            "cancelled",
        ]
