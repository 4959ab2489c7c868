"""The invariant (RULES.md section 1): up to the horizon, recorded outcomes less voided ones are the derived ones."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Any, cast

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger.commands import Command
from ledger.decide import decide
from ledger.discrepancies import Discrepancy, RecordedOutcome, discrepancies
from ledger.errors import CorruptHistory
from ledger.events import (
    Event,
    Fact,
    InstallmentSettled,
    MoneyReturned,
    Outcome,
    OutcomeVoided,
    PlanCompleted,
    PlanReinstated,
    PromoApplied,
    RecordedEvent,
)
from ledger.money import Money
from ledger.plan import Plan
from ledger.terms import PartialCover, PerUnit
from ledger.timeline import timeline
from tests.attempts import attempts_with_closings
from tests.examples import OPENED_ON
from tests.plans import (
    DAY,
    D,
    agreed,
    attempt,
    charge_back,
    close,
    days_up_to_horizon,
    pay,
    record,
    recorded_by,
    recorded_outcomes,
    reinstate,
)
from tests.strategies import METADATA, RECORDED_AT, one_in, opened_in


def derived_outcomes(events: Sequence[RecordedEvent], on: date) -> Counter[Event]:
    """Return the outcomes that the recorded facts come to by a date."""
    facts = [recorded.event for recorded in events if isinstance(recorded.event, Fact)]
    return Counter[Event](timeline(opened_in(events), facts, on).holding())


def recorded_shares(events: Iterable[RecordedEvent], on: date) -> int:
    """Return the shares recorded by a date: credited by outcomes, less taken back by voidings."""
    total = 0
    for recorded in events:
        event = recorded.event
        if event.effective_on <= on and isinstance(event, (InstallmentSettled, PlanCompleted, PromoApplied)):
            total += event.shares
        elif event.effective_on <= on and isinstance(event, OutcomeVoided):
            total -= event.shares
    return total


# ---- recorded against derived


@given(commands=attempts_with_closings())
def test_after_every_command_the_recorded_outcomes_are_the_derived_ones(commands: list[Command]) -> None:
    """At every date up to the horizon, recorded outcomes less voided ones are the derived ones."""
    events: tuple[RecordedEvent, ...] = ()
    for attempted in attempt(commands):
        if attempted.events:
            events += attempted.events
            for day in days_up_to_horizon(events):
                assert recorded_outcomes(events, day) == derived_outcomes(events, day)


@one_in(2)
@given(commands=attempts_with_closings())
def test_shares_can_be_summed_without_the_rules(commands: list[Command]) -> None:
    """At every date up to the horizon, recorded shares less voided ones are those credited by the position."""
    events = recorded_by(attempt(commands))
    plan = Plan(events)
    for day in days_up_to_horizon(events):
        position = plan.position(day)
        assert recorded_shares(events, day) == position.shares_credited + position.bonus_credited


@one_in(6)
@given(commands=attempts_with_closings())
def test_the_check_finds_nothing_in_recorded_commands(commands: list[Command]) -> None:
    """`Plan.check` examines that invariant: the events of any commands pass it, at the horizon and later."""
    events: tuple[RecordedEvent, ...] = ()
    for attempted in attempt(commands):
        events += attempted.events
        plan = Plan(events)
        plan.check(plan.timeline(plan.horizon))
        plan.check(plan.timeline(plan.horizon + 400 * DAY))


@one_in(2)
@given(data=st.data())
def test_the_check_finds_every_edited_outcome(data: st.DataObject) -> None:
    """An outcome or a voiding in force with another day, or an outcome with other shares, is found."""
    events = recorded_by(attempt(data.draw(attempts_with_closings())))
    voidings = {recorded.version for recorded in events if isinstance(recorded.event, OutcomeVoided)}
    voided = {recorded.event.voids for recorded in events if isinstance(recorded.event, OutcomeVoided)}
    in_force = [
        index
        for index, recorded in enumerate(events)
        if isinstance(recorded.event, (Outcome, OutcomeVoided))
        and recorded.version not in voided
        and not (isinstance(recorded.event, OutcomeVoided) and recorded.event.voids in voidings)
    ]
    assume(in_force)
    index = data.draw(st.sampled_from(in_force))
    event = cast(Any, events[index].event)
    variants: list[Any] = [attrs.evolve(event, effective_on=event.effective_on + DAY)]
    if isinstance(event, (InstallmentSettled, PlanCompleted, PromoApplied)):
        variants.append(attrs.evolve(event, shares=event.shares + 1))
    for variant in variants:
        edited = [*events[:index], attrs.evolve(events[index], event=variant), *events[index + 1 :]]
        plan = Plan(edited)
        with pytest.raises(CorruptHistory):
            plan.check(plan.timeline(plan.horizon))
        with pytest.raises(CorruptHistory):
            decide(edited, close(plan.horizon), METADATA)


@pytest.mark.parametrize("shift", [-1, 1])
def test_the_check_knows_the_day_on_which_an_outcome_ended(shift: int) -> None:
    """A voiding the day before the chargeback, or the day after it, does not follow from the facts; on it, it does."""
    events = record(pay(D), charge_back(D + 3 * DAY))
    voiding = events[-1].event
    assert voiding == OutcomeVoided(D + 3 * DAY, voids=3, shares=2_300, because=4)
    Plan(events).check(Plan(events).timeline(D + 3 * DAY))
    moved = attrs.evolve(events[-1], event=attrs.evolve(voiding, effective_on=D + (3 + shift) * DAY))
    plan = Plan([*events[:-1], moved])
    with pytest.raises(CorruptHistory, match=f"ends on {D + (3 + shift) * DAY}; from the facts: 2023-05-13"):
        plan.check(plan.timeline(plan.horizon))


# ---- histories that no ledger has recorded

SOUND = record(pay(D), charge_back(D + 3 * DAY))
"""1 the opening, 2 the payment, 3 its settlement, 4 its chargeback, 5 the voiding of 3."""


def followed_by(*events: Event) -> list[RecordedEvent]:
    """Return the sound history with more events at its end."""
    after = [attrs.evolve(SOUND[-1], version=version, event=event) for version, event in enumerate(events, 6)]
    return [*SOUND, *after]


VOIDED = OutcomeVoided(D + 3 * DAY, voids=3, shares=2_300, because=4)
BACK = OutcomeVoided(D + 3 * DAY, voids=5, shares=-2_300, because=4)


def edited_at(index: int, **changed: Any) -> list[RecordedEvent]:
    """Return the sound history with one of its events edited."""
    event = attrs.evolve(cast(Any, SOUND[index].event), **changed)
    return [*SOUND[:index], attrs.evolve(SOUND[index], event=event), *SOUND[index + 1 :]]


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        ([*SOUND[:2], *SOUND[3:]], "version 3 is missing before it"),
        ([*SOUND, SOUND[-1]], "version 6 is missing before it"),
        ([attrs.evolve(SOUND[1], version=1)], "a plan begins with its opening, and is opened once"),
        (followed_by(SOUND[0].event), "a plan begins with its opening, and is opened once"),
        (
            [*SOUND[:-1], attrs.evolve(SOUND[-1], recorded_at=RECORDED_AT - timedelta(microseconds=1))],
            "it was recorded before the event that precedes it",
        ),
        (edited_at(2, effective_on=OPENED_ON - DAY), "it is effective before the opening"),
        (edited_at(3, reference="bank-2"), "it reverses 'bank-2', which is no payment standing on that date"),
        (
            edited_at(3, effective_on=D - DAY),
            "it reverses 'bank-1', which is no payment standing on that date",
        ),
        (followed_by(SOUND[3].event), "it reverses 'bank-1', which is no payment standing on that date"),
        (followed_by(SOUND[1].event), "the reference 'bank-1' is taken"),
        (edited_at(1, amount=Money(10_000, "EUR")), "its amount is not in USD"),
        (edited_at(4, voids=2), "version 2 is no outcome that it could void"),
        (edited_at(4, voids=7), "version 7 is no outcome that it could void"),
        (edited_at(4, shares=2_299), "version 3 is voided already, or credits other shares"),
        (followed_by(SOUND[4].event), "version 3 is voided already, or credits other shares"),
        (
            followed_by(OutcomeVoided(D + 3 * DAY, voids=5, shares=2_300, because=4)),
            "version 5 is voided already, or credits other shares",
        ),
        (followed_by(BACK, BACK), "version 5 is voided already, or credits other shares"),
        (followed_by(BACK, VOIDED, BACK), "version 5 is voided already, or credits other shares"),
        (
            followed_by(MoneyReturned(effective_on=D, reference="x", amount=Money(1, "USD"), reason="x")),
            "it is an event of a receipt, not of a plan",
        ),
        (
            followed_by(SOUND[2].event),
            "version 6 records InstallmentSettled of 2023-05-10, which does not follow from the facts",
        ),
        (
            edited_at(2, payment="bank-2"),
            "version 3 records InstallmentSettled of 2023-05-10, which does not follow from the facts",
        ),
        (SOUND[:2], "InstallmentSettled of 2023-05-10 follows from the facts and is not recorded"),
        (SOUND[:4], "version 3, InstallmentSettled of 2023-05-10, ends on None; from the facts: 2023-05-13"),
    ],
)
def test_a_history_that_no_ledger_has_recorded_is_found(history: Sequence[RecordedEvent], reason: str) -> None:
    """The fold, or the check after it, names the plan, the event and the fault; and so does every command."""

    def fold_and_check() -> None:
        plan = Plan(history)
        plan.check(plan.timeline(plan.horizon))

    def command() -> None:
        decide(history, close(D + 3 * DAY), METADATA)

    for reading in (fold_and_check, command):
        with pytest.raises(CorruptHistory) as caught:
            reading()
        assert caught.value.reason == reason
        assert caught.value.plan_id == "P-1"
        names = {recorded.version: type(recorded.event).__name__ for recorded in history}
        assert caught.value.event == ("outcomes" if "the facts" in reason else names[caught.value.version])


def test_a_sound_history_passes_the_check() -> None:
    """The history that these are made from follows from its facts, and closing it adds nothing."""
    Plan(SOUND).check(Plan(SOUND).timeline(D + 3 * DAY))
    assert decide(SOUND, close(D + 3 * DAY), METADATA) == ()


def test_an_outcome_that_is_voided_although_it_follows_from_the_facts_is_found() -> None:
    """It holds by the facts and ends by the record; the one before it, which agrees, is not named."""
    settled, voiding = cast(Any, SOUND[2].event), SOUND[4]
    first, second = RecordedOutcome(3, settled), RecordedOutcome(6, attrs.evolve(settled, number=2), voiding)
    derived = (first.outcome, second.outcome)
    expected = Discrepancy(second.outcome, second, until=None, ended_by=None)
    assert list(discrepancies([first, second], derived, {})) == [expected]
    assert str(expected) == "version 6, InstallmentSettled of 2023-05-10, ends on 2023-05-13; from the facts: None"
    assert list(discrepancies([attrs.evolve(first, void=voiding)], derived[:1], {})) == [
        Discrepancy(first.outcome, attrs.evolve(first, void=voiding), until=None, ended_by=None)
    ]


def test_facts_from_which_no_outcomes_can_follow_are_corrupt_history() -> None:
    """The line of an opening was edited: it releases more than the package that a reinstatement has left."""
    on = D + 40 * DAY
    terms = agreed(1, release=PerUnit("0"), first_due_on=D)
    first, *others = record(reinstate(on, revised_shares=1), terms=terms)
    opened = opened_in([first])
    edited = attrs.evolve(opened, lines=(attrs.evolve(opened.lines[0], shares=7),))
    history = [attrs.evolve(first, event=edited), *others]
    plan = Plan(history)
    said = (
        f"Plan P-1, version {plan.version} (outcomes): no outcomes can follow from the facts: shares is -6; "
        "expected a whole number from 0; stop, and compare the stored history with a backup."
    )
    asked: list[Callable[[], object]] = [
        lambda: plan.position(on),
        lambda: plan.grounds(on),
        lambda: [*plan.steps(on)],
        lambda: decide(history, charge_back(on, "bank-9"), METADATA),
    ]
    for ask in asked:
        with pytest.raises(CorruptHistory) as error:
            ask()
        assert str(error.value) == said
    assert plan.position(on - DAY).status == "cancelled"


def test_a_decision_that_was_moved_to_the_end_of_the_calendar_is_corrupt_history() -> None:
    """What is left to pay would fall due beyond the year 9999: no question ends with an error of another kind."""
    on = D + 90 * DAY
    events = record(reinstate(on, revised_shares=10_000), terms=agreed(3, reinstatement=PartialCover(1)))
    history = [
        attrs.evolve(one, event=attrs.evolve(one.event, effective_on=date(9999, 12, 20)))
        if isinstance(one.event, PlanReinstated)
        else one
        for one in events
    ]
    plan = Plan(history)
    asked: list[Callable[[], object]] = [
        lambda: plan.position(date.max),
        lambda: plan.grounds(date.max),
        lambda: [*plan.steps(date.max)],
        lambda: decide(history, pay(on, "late"), METADATA),
    ]
    for ask in asked:
        with pytest.raises(CorruptHistory, match="no outcomes can follow from the facts"):
            ask()
