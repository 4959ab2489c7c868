"""Late knowledge (RULES.md section 10): back-dated payments, reversals for error, voidings, unapplied money.

A fact recorded late counts in the order of the dates; the difference to the recorded outcomes is recorded.
"""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import EndOfDay, Ledger, PlanIsCancelled, ReferenceConflict
from ledger.commands import ClosePlan, Command
from ledger.decide import decide, fact_of
from ledger.events import (
    Event,
    Fact,
    InstallmentSettled,
    Outcome,
    OutcomeVoided,
    PaymentReversed,
    PlanCancelled,
    PromoApplied,
)
from ledger.plan import Plan, known
from ledger.terms import DoublePayment
from ledger.timeline import timeline
from tests import examples
from tests.attempts import attempts_with_closings
from tests.examples import OPENED_ON, open_plan, usd
from tests.plans import (
    DAY,
    DUE,
    TEN,
    D,
    attempt,
    cancel,
    charge_back,
    close,
    days_around,
    days_up_to_horizon,
    kinds,
    pay,
    plan_after,
    record,
    recorded_by,
    recorded_by_last,
    reinstate,
    reverse,
)
from tests.strategies import METADATA, History, histories, one_in

# ---- what was known


def test_what_was_known_at_an_instant_or_by_the_end_of_a_day_is_a_prefix() -> None:
    """Inclusive; a day ends in the plan's own time zone, and in UTC for a history without its opening."""
    at = [datetime(2023, 5, day, 20, 59, 59, tzinfo=UTC) for day in (8, 9, 9, 10)]  # a second to midnight in Moscow
    history = [
        attrs.evolve(event, recorded_at=when) for event, when in zip(record(pay(D), charge_back(D)), at, strict=False)
    ]
    assert known(history, None) == known(iter(history), at[3]) == history
    for when, count in zip(at, (1, 3, 3, 4), strict=True):
        assert known(history, when) == history[:count]
        assert known(history, when - timedelta(microseconds=1)) == [one for one in history if one.recorded_at < when]
    for later, counts in ((0, (0, 1, 3, 4)), (1, (0, 0, 1, 3)), (4 * 3_600, (0, 0, 1, 3))):
        moved = [attrs.evolve(one, recorded_at=one.recorded_at + timedelta(seconds=later)) for one in history]
        for day, count in zip((7, 8, 9, 10), counts, strict=True):
            assert known(moved, EndOfDay(date(2023, 5, day))) == moved[:count]
    assert known(history[1:], EndOfDay(date(2023, 5, 9))) == history[1:3]
    after = [attrs.evolve(one, recorded_at=one.recorded_at + timedelta(hours=1)) for one in history]
    assert known(after[1:], EndOfDay(date(2023, 5, 9))) == after[1:3]
    assert known([], at[0]) == known([], EndOfDay(D)) == known([], None) == []


# ---- back-dated payments


def test_a_payment_recorded_late_but_dated_within_grace_undoes_the_cancellation() -> None:
    """Recorded after the cancellation: dated on the last day of grace it saves the plan, a day later it is refused."""
    history = record(close(D + 40 * DAY))
    assert Plan(history).position(D + 40 * DAY).status == "cancelled"
    for shift in (18, 19):
        saved = Plan((*history, *decide(history, pay(D + shift * DAY), METADATA)))
        assert saved.position(D + 20 * DAY).status == "active"
    with pytest.raises(PlanIsCancelled):
        decide(history, pay(D + 20 * DAY), METADATA)


def test_a_back_dated_payment_voids_the_cancellation() -> None:
    """The cancellation is void from its own date, because of the payment, which settles on its own date."""
    events = recorded_by_last(close(D + 25 * DAY), pay(D + 19 * DAY, "late"))
    assert events[1:] == [
        OutcomeVoided(D + 20 * DAY, voids=3, shares=0, because=4),
        InstallmentSettled(D + 19 * DAY, 1, 2_300, "late"),
    ]


def test_a_back_dated_payment_is_a_correction_and_no_reinstatement() -> None:
    """The ledger shows a plan that was never cancelled; the voiding names the cancellation and the payment."""
    last_day, cancelled_on = date(2023, 5, 29), date(2023, 5, 30)
    with Ledger.open("memory://") as books:
        open_plan(books)
        examples.pay(books, OPENED_ON, "bank-1")
        books.close_books(through=cancelled_on)
        assert books.position("P-1", as_of=cancelled_on).status == "cancelled"
        late = examples.pay(books, last_day, "bank-2")
        assert kinds(late) == ["PaymentMade", "OutcomeVoided", "InstallmentSettled"]
        voiding = late[1].event
        assert isinstance(voiding, OutcomeVoided)
        assert isinstance(books.history("P-1")[voiding.voids - 1].event, PlanCancelled)
        assert (voiding.effective_on, voiding.because) == (cancelled_on, late[0].version)
        assert books.position("P-1", as_of=cancelled_on).status == "active"


def test_a_back_dated_payment_can_void_a_missed_payment() -> None:
    """Recorded as missed, paid on the due date after all: void from its own date; paid the day after, it stays."""
    assert recorded_by_last(close(D + 2 * DAY), pay(D, "late"))[1:] == [
        OutcomeVoided(D + DAY, voids=2, shares=0, because=3),
        InstallmentSettled(D, 1, 2_300, "late"),
    ]
    stays = recorded_by_last(close(D + 2 * DAY), pay(D + DAY, "late"))
    assert stays[1:] == [InstallmentSettled(D + DAY, 1, 2_300, "late")]


@one_in(4)
@given(history=histories(), data=st.data())
def test_between_days_the_order_of_recording_decides_nothing(history: History, data: st.DataObject) -> None:
    """Facts come to the same in any order of recording that keeps the facts of one day in theirs."""
    plan = Plan(history.events)
    of_day: dict[date, list[Fact]] = defaultdict(list)
    for fact in plan.facts:
        of_day[fact.effective_on].append(fact)
    days = data.draw(st.permutations([fact.effective_on for fact in plan.facts]))
    shuffled = [of_day[day].pop(0) for day in days]
    for day in days_up_to_horizon(history.events):
        assert timeline(plan.opened, shuffled, day) == plan.timeline(day)


# ---- reversals for error


@one_in(4)
@given(history=histories(), data=st.data())
def test_a_payment_reversed_for_error_was_never_made(history: History, data: st.DataObject) -> None:
    """At every date the plan is as if the payment, and a reinstatement that it made, had never been recorded."""
    plan = Plan(history.events)
    reversible = sorted(plan.payments.keys() - plan.reversals.keys())
    if not reversible:
        return
    reference = data.draw(st.sampled_from(reversible))
    (reversed_event, *_) = decide(history.events, reverse(reference), METADATA)
    fact = reversed_event.event
    assert isinstance(fact, PaymentReversed)
    assert fact.effective_on == plan.payments[reference].effective_on
    others = [other for other in plan.facts if other.reference != reference]
    for day in days_around([fact.effective_on, plan.horizon], first=history.opened.effective_on):
        assert timeline(plan.opened, [*plan.facts, fact], day) == timeline(plan.opened, others, day)


def test_an_error_leaves_its_statement_line_and_its_reference() -> None:
    """Under any stated date the error is effective from the payment's date; its reference stays used."""
    with Ledger.open("memory://") as books:
        open_plan(books)
        examples.pay(books, OPENED_ON, "bank-1")
        examples.pay(books, D, "bank-2")
        events = books.reverse_payment(
            "P-1", reference="bank-2", cause="error", on=date(2023, 7, 1), recorded_at=examples.RECORDED_AT
        )
        assert events[0].event.effective_on == D
        assert books.reverse_payment("P-1", reference="bank-2", cause="error") == ()
        assert [books.position("P-1", as_of=D + shift * DAY).settled for shift in (-1, 0, 1)] == [1, 1, 1]
        (line,) = [line for line in books.statement("P-1", as_of=D) if "bank-2" in line.text]
        assert (line.money, line.shares, line.paid) == (None, 0, usd("150.00"))
        with pytest.raises(ReferenceConflict):
            examples.pay(books, D, "bank-2", amount="149.00")


@pytest.mark.parametrize("first", [reverse(), charge_back(D + DAY)], ids=["error", "chargeback"])
@pytest.mark.parametrize("second", [reverse(), charge_back(D + DAY)], ids=["error", "chargeback"])
def test_a_payment_is_reversed_at_most_once(first: Command, second: Command) -> None:
    """Reversed again in the same way is a repeat, in the other way a conflict; the money is taken back once."""
    history = record(pay(D), first)
    if first == second:
        assert decide(history, second, METADATA) == ()
    else:
        with pytest.raises(ReferenceConflict) as caught:
            decide(history, second, METADATA)
        assert caught.value.field == "cause"


def test_a_payment_reversed_for_error_never_earned_anything() -> None:
    """An error was never made: its award is void from its own date."""
    terms = attrs.evolve(TEN, promos=(DoublePayment(code="double", rate_bp=50, base="package", credit="at_once"),))
    plan = plan_after(pay(D, installments=2), reverse(), terms=terms)
    assert isinstance(plan.facts[-1], PaymentReversed)
    assert not [outcome for outcome in plan.timeline(D).holding() if isinstance(outcome, PromoApplied)]
    assert plan.position(D).bonus_credited == 0


# ---- voidings


@one_in(6)
@given(commands=attempts_with_closings())
def test_within_one_command_the_order_is_fact_voidings_outcomes(commands: list[Command]) -> None:
    """First the fact, then voidings of recorded outcomes, then outcomes, then the voidings of those very outcomes."""
    for attempted in attempt(commands):
        if not attempted.events:
            continue
        first = attempted.events[0].version
        parts = []
        for recorded in attempted.events:
            event = recorded.event
            if isinstance(event, OutcomeVoided):
                assert event.voids < recorded.version
                parts.append("voiding" if event.voids < first else "voiding of its own")
            else:
                parts.append("outcome" if isinstance(event, Outcome) else "fact")
        order = ["fact", "voiding", "outcome", "voiding of its own"]
        assert parts == sorted(parts, key=order.index)
        assert parts.count("fact") == (0 if isinstance(attempted.command, ClosePlan) else 1)
        if isinstance(attempted.command, ClosePlan):
            assert set(parts) == {"outcome"}


@one_in(6)
@given(commands=attempts_with_closings())
def test_a_voiding_names_its_cause(commands: list[Command]) -> None:
    """`because` is the newly known fact, or for outcomes that had held until then the chargeback of that very date."""
    events: dict[int, Event] = {}
    for attempted in attempt(commands):
        events |= {recorded.version: recorded.event for recorded in attempted.events}
        for recorded in attempted.events:
            voiding = recorded.event
            if not isinstance(voiding, OutcomeVoided):
                continue
            voided, cause, new_fact = events[voiding.voids], events[voiding.because], attempted.events[0].version
            if isinstance(voided, OutcomeVoided):
                assert voiding.because == new_fact
                assert (voiding.effective_on, voiding.shares) == (voided.effective_on, -voided.shares)
                continue
            chargeback = isinstance(cause, PaymentReversed) and cause.cause == "chargeback"
            if voiding.effective_on > voided.effective_on:
                assert chargeback
                assert cause.effective_on == voiding.effective_on
            else:
                assert voiding.effective_on == voided.effective_on
                assert voiding.because == new_fact


@one_in(6)
@given(commands=attempts_with_closings())
def test_nothing_is_voided_twice_at_once(commands: list[Command]) -> None:
    """An outcome is voided by at most one voiding in force, and a voiding by at most one other."""
    in_force: dict[int, int] = {}
    for recorded in recorded_by(attempt(commands)):
        if isinstance(recorded.event, OutcomeVoided):
            lifted = [target for target, version in in_force.items() if version == recorded.event.voids]
            if lifted:
                del in_force[lifted[0]]
            else:
                assert recorded.event.voids not in in_force
                in_force[recorded.event.voids] = recorded.version


def test_a_voided_cancellation_holds_again_when_the_payment_was_an_error() -> None:
    """The voiding is voided; the cancellation recorded first holds again and is not recorded twice."""
    assert recorded_by_last(close(D + 25 * DAY), pay(D + 19 * DAY, "late"), reverse("late")) == [
        PaymentReversed(effective_on=D + 19 * DAY, reference="late", cause="error"),
        OutcomeVoided(D + 20 * DAY, voids=5, shares=0, because=7),
        OutcomeVoided(D + 19 * DAY, voids=6, shares=2_300, because=7),
    ]


def test_a_voiding_of_a_voiding_gives_shares_back() -> None:
    """A settlement is void because of another payment; with that payment gone, its shares come back negative."""
    commands = (pay(D, "bank-1"), pay(D + 10 * DAY, "bank-2"), pay(D + 5 * DAY, "between"), reverse("between"))
    assert recorded_by_last(*commands[:-1]) == [
        fact_of(commands[2], plan_after()),
        OutcomeVoided(D + 10 * DAY, voids=5, shares=2_300, because=6),
        InstallmentSettled(D + 5 * DAY, 2, 2_300, "between"),
        InstallmentSettled(D + 10 * DAY, 3, 2_300, "bank-2"),
    ]
    assert recorded_by_last(*commands) == [
        PaymentReversed(effective_on=D + 5 * DAY, reference="between", cause="error"),
        OutcomeVoided(D + 10 * DAY, voids=7, shares=-2_300, because=10),
        OutcomeVoided(D + 5 * DAY, voids=8, shares=2_300, because=10),
        OutcomeVoided(D + 10 * DAY, voids=9, shares=2_300, because=10),
    ]


def test_revived_money_that_is_revived_once_more_settles_what_it_settled() -> None:
    """A reinstatement was an error, and another one comes on the same day: the voiding of that settlement is voided."""
    on = DUE[2] + DAY
    commands = (
        pay(D),
        pay(D + 8 * DAY, "bank-2"),
        cancel(D + 4 * DAY),
        reinstate(on, "bank-8", 2),
        reverse("bank-8"),
        reinstate(on, "bank-9", 2),
    )
    before = record(*commands[:-1])
    assert [(before[index].event, before[index].version) for index in (11, 16)] == [
        (InstallmentSettled(on, 4, 2_300, "bank-2"), 12),
        (OutcomeVoided(on, voids=12, shares=2_300, because=14), 17),
    ]
    after = recorded_by_last(*commands)
    assert after[1:4] == [
        OutcomeVoided(on, voids=17, shares=-2_300, because=19),
        InstallmentSettled(on, 2, 2_300, "bank-9"),
        InstallmentSettled(on, 3, 2_300, "bank-9"),
    ]
    assert [type(event).__name__ for event in after[4:]] == ["ScheduleRevised"]


def test_an_outcome_that_is_new_and_over_is_followed_by_its_own_voiding() -> None:
    """With an earlier payment the later one settled number 2 instead, until the chargeback recorded long before."""
    events = record(pay(D, "bank-1"), charge_back(D + 5 * DAY, "bank-1"), pay(D - DAY, "bank-0"))
    assert [recorded.event for recorded in events[-6:]] == [
        events[5].event,
        OutcomeVoided(D + 5 * DAY, voids=5, shares=-2_300, because=6),
        OutcomeVoided(D, voids=3, shares=2_300, because=6),
        InstallmentSettled(D - DAY, 1, 2_300, "bank-0"),
        InstallmentSettled(D, 2, 2_300, "bank-1"),
        OutcomeVoided(D + 5 * DAY, voids=10, shares=2_300, because=4),
    ]


# ---- unapplied money


@pytest.mark.parametrize(("shift", "applied"), [(-1, True), (0, False), (1, False)])
def test_money_after_a_cancellation_found_late_is_unapplied(shift: int, *, applied: bool) -> None:
    """With the first payment gone for error, the plan was cancelled on D+20; money from that day on finds nothing."""
    on = D + (20 + shift) * DAY
    plan = plan_after(pay(D, "bank-1"), pay(on, "bank-2"), reverse("bank-1"))
    position = plan.position(D + 25 * DAY)
    assert position.status == ("active" if applied else "cancelled")
    assert (position.paid.minor, position.unapplied.minor) == ((10_000, 0) if applied else (0, 10_000))


@pytest.mark.parametrize(("shift", "applied"), [(-1, True), (0, True), (1, False)])
def test_money_after_a_request_dated_in_the_past_is_unapplied(shift: int, *, applied: bool) -> None:
    """Recorded after the payment, a request of 20 May leaves a payment of that day applied, and one of the next not."""
    requested_on = date(2023, 5, 20)
    plan = plan_after(pay(requested_on + shift * DAY), cancel(requested_on))
    position = plan.position(requested_on + DAY)
    assert (position.status, position.cancelled_on) == ("cancelled", requested_on)
    assert (position.paid.minor, position.unapplied.minor) == ((10_000, 0) if applied else (0, 10_000))


def test_unapplied_money_applies_again_when_the_plan_is_revived() -> None:
    """A payment found in grace undoes the cancellation: the unapplied money settles on its own date after all."""
    commands = [pay(D, "bank-1"), pay(DUE[1], "bank-2"), reverse("bank-1"), pay(D + 19 * DAY, "found")]
    before, after = plan_after(*commands[:-1]), plan_after(*commands)
    for day, unapplied in ((DUE[1] - DAY, 0), (DUE[1], 10_000), (DUE[1] + DAY, 10_000)):
        assert before.position(day).unapplied.minor == unapplied
        assert after.position(day).unapplied.minor == 0
    assert InstallmentSettled(DUE[1], 2, 2_300, "bank-2") in after.timeline(DUE[1]).holding()


@pytest.mark.parametrize(("shift", "unapplied"), [(-1, 10_000), (0, 0), (1, 0)])
def test_unapplied_money_charged_back_is_no_longer_unapplied(shift: int, unapplied: int) -> None:
    """Unapplied until the day before the chargeback, gone from that day on; nothing else changes."""
    on = DUE[1] + 9 * DAY
    commands = [pay(D, "bank-1"), pay(DUE[1], "bank-2"), reverse("bank-1")]
    before, after = plan_after(*commands), plan_after(*commands, charge_back(on, "bank-2"))
    position = after.position(on + shift * DAY)
    assert position.unapplied.minor == unapplied
    assert position == attrs.evolve(before.position(on + shift * DAY), unapplied=position.unapplied)


def test_unapplied_money_reversed_for_error_never_was_unapplied() -> None:
    """An error was never made, unapplied or not."""
    commands = [pay(D, "bank-1"), pay(DUE[1], "bank-2"), reverse("bank-1"), reverse("bank-2")]
    plan = plan_after(*commands)
    assert [plan.position(DUE[1] + shift * DAY).unapplied.minor for shift in (-1, 0, 1)] == [0, 0, 0]
