"""THE invariant: whatever was recorded, in whatever order it became known, is what the facts come to, at every date."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, cast

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ledger.commands import (
    CancelPlan,
    Change,
    ClosePlan,
    Command,
    Metadata,
    OpenPlan,
    RecordPayment,
    ReinstatePlan,
    ReversePayment,
)
from ledger.decide import decide
from ledger.errors import CorruptHistory, LedgerError, ReferenceConflict
from ledger.events import (
    Event,
    Fact,
    InstallmentSettled,
    Outcome,
    OutcomeVoided,
    PaymentMade,
    PaymentMissed,
    PaymentReversed,
    PlanCancelled,
    PlanCompleted,
    PlanOpened,
    PromoApplied,
    RecordedEvent,
)
from ledger.money import Money
from ledger.plan import Plan, known
from ledger.service import Ledger
from ledger.terms import Closed, EveryDays, FullCover, Monthly, PackageBonus, PerUnit, PlanTerms, Portion
from ledger.timeline import timeline
from tests.strategies import RECORDED_AT, changes, days, histories, openings

DAY = timedelta(days=1)
D = date(2023, 5, 10)
NOTE = Metadata(recorded_at=RECORDED_AT, actor="decider")
HALF = settings(max_examples=max(1, settings().max_examples // 2))
FEW = settings(max_examples=max(1, settings().max_examples // 6))
"""For the properties beside THE invariant: making a story up takes longer than checking it."""


# ---- stories: what was attempted, and what came of it


@attrs.frozen
class Told:
    """One command of a story: the events that it recorded, or the error with which it was refused."""

    command: Command
    batch: tuple[RecordedEvent, ...]
    error: LedgerError | None


def tell(commands: Iterable[Command], notes: Iterable[Metadata] | None = None) -> list[Told]:
    """Decide one command after the other on what was recorded before it."""
    events: tuple[RecordedEvent, ...] = ()
    story = []
    given_notes = None if notes is None else iter(notes)
    for command in commands:
        try:
            batch = decide(events, command, NOTE if given_notes is None else next(given_notes))
        except LedgerError as error:
            story.append(Told(command, (), error))
        else:
            events += batch
            story.append(Told(command, batch, None))
    return story


def recorded_by(story: Iterable[Told]) -> tuple[RecordedEvent, ...]:
    """Return everything that a story recorded, oldest first."""
    return tuple(event for told in story for event in told.batch)


@st.composite
def attempts(draw: st.DrawFn, *, longest: int = 8) -> list[Command]:
    """An opening and commands on the plan, some of which will be refused; closings are not among them.

    Installments that are paid more or less in time, told in any order, then anything, then perhaps a reinstatement that
    fits, and anything again.
    """
    opening = draw(openings())
    opened = opened_in(decide((), opening, NOTE))
    commands: list[Command] = draw(_paid_lines(opened))
    paid: list[RecordPayment | ReinstatePlan] = [line for line in commands if isinstance(line, RecordPayment)]
    commands += [draw(changes(opened, 100 + number, paid)) for number in range(draw(st.integers(0, longest // 2)))]
    commands = [opening, *commands]
    if draw(st.booleans()):
        commands += draw(_reinstatement(recorded_by(tell(commands))))
    known_money = [command for command in commands if isinstance(command, (RecordPayment, ReinstatePlan))]
    more = draw(st.integers(0, longest // 2))
    return commands + [draw(changes(opened, 200 + number, known_money)) for number in range(more)]


@st.composite
def _paid_lines(draw: st.DrawFn, opened: PlanOpened) -> list[Command]:
    """Payments of the first few installments, near their due dates, in the order in which they became known."""
    payments: list[Command] = []
    for line in opened.lines[: draw(st.integers(0, len(opened.lines)))]:
        shift = draw(st.sampled_from([0, 0, 0, -3, -1, 1, opened.terms.grace_days, opened.terms.grace_days + 1]))
        payments.append(
            RecordPayment(
                plan_id="P-1",
                reference=f"line-{line.number}",
                amount=Money(line.amount, opened.terms.price.currency),
                paid_at=max(opened.effective_on, line.due_on + shift * DAY),
                kind="regular",
            )
        )
    return draw(st.permutations(payments)) if draw(st.booleans()) else payments


@st.composite
def _reinstatement(draw: st.DrawFn, events: tuple[RecordedEvent, ...]) -> list[Command]:
    """A reinstatement that covers everything overdue, if the plan ends up cancelled."""
    state = Plan(events).timeline(date(2033, 1, 1)).state
    if state.cancelled_on is None:
        return []
    on = state.cancelled_on + draw(st.integers(0, 60)) * DAY
    overdue = [line.amount for line in state.lines[state.settled :] if line.due_on < on] or [1]
    decision = ReinstatePlan(
        plan_id="P-1",
        reference="revival",
        on=on,
        amount=Money(sum(overdue), opened_in(events).terms.price.currency),
        approved_by="head of sales",
        reason="the investor came back",
        revised_shares=None,
    )
    return [decision]


@st.composite
def attempts_with_closings(draw: st.DrawFn) -> list[Command]:
    """The same with closings among them, through days around the due dates and deadlines."""
    commands = draw(attempts())
    opened = decide((), commands[0], NOTE)[0].event
    assert isinstance(opened, PlanOpened)
    for _ in range(draw(st.integers(0, 3))):
        closing = ClosePlan(plan_id="P-1", through=draw(days(opened)))
        commands.insert(draw(st.integers(1, len(commands))), closing)
    return commands


def opened_in(events: Sequence[RecordedEvent]) -> PlanOpened:
    """Return the opening, the first event of a plan."""
    opened = events[0].event
    assert isinstance(opened, PlanOpened)
    return opened


def facts_in(events: Iterable[RecordedEvent]) -> list[Fact]:
    """Return the facts after the opening, as they were recorded."""
    return [recorded.event for recorded in events if isinstance(recorded.event, Fact)]


def horizon_of(events: Iterable[RecordedEvent]) -> date:
    """Return the latest effective date among recorded events."""
    return max(recorded.event.effective_on for recorded in events)


def marks(events: Sequence[RecordedEvent]) -> list[date]:
    """Return the dates up to the horizon on which something is effective, and the days around them."""
    first, last = events[0].event.effective_on, horizon_of(events)
    around = {recorded.event.effective_on + shift * DAY for recorded in events for shift in (-1, 0, 1)}
    return sorted(day for day in around if first <= day <= last)


def recorded_side(events: Iterable[RecordedEvent], on: date) -> Counter[Event]:
    """Return the recorded outcomes effective by then, less those voided from by then.

    A voided `OutcomeVoided` counts as not there. This is RULES.md section 1 read off the raw events, and nothing else.
    """
    events = list(events)
    voidings = {recorded.version: recorded.event for recorded in events if isinstance(recorded.event, OutcomeVoided)}
    not_there = {voiding.voids for voiding in voidings.values()}
    gone = {
        voiding.voids
        for version, voiding in voidings.items()
        if version not in not_there and voiding.effective_on <= on
    }
    return Counter(
        recorded.event
        for recorded in events
        if isinstance(recorded.event, Outcome) and recorded.event.effective_on <= on and recorded.version not in gone
    )


def derived_side(events: Sequence[RecordedEvent], on: date) -> Counter[Event]:
    """Return the outcomes that the facts come to."""
    return Counter[Event](timeline(opened_in(events), facts_in(events), on).holding())


def shares_in(events: Iterable[RecordedEvent], on: date) -> int:
    """Sum shares from what is recorded by a date: credited by outcomes, less taken back by voidings."""
    total = 0
    for recorded in events:
        event = recorded.event
        if event.effective_on <= on and isinstance(event, (InstallmentSettled, PlanCompleted, PromoApplied)):
            total += event.shares
        elif event.effective_on <= on and isinstance(event, OutcomeVoided):
            total -= event.shares
    return total


# ---- the invariant


@given(commands=attempts_with_closings())
def test_after_every_command_the_record_is_what_the_facts_come_to(commands: list[Command]) -> None:
    """At every date up to the horizon, recorded outcomes less voided ones are the derived ones."""
    events: tuple[RecordedEvent, ...] = ()
    for told in tell(commands):
        if told.batch:
            events += told.batch
            for day in marks(events):
                assert recorded_side(events, day) == derived_side(events, day)


@HALF
@given(commands=attempts_with_closings())
def test_shares_can_be_summed_without_the_rules(commands: list[Command]) -> None:
    """At every date up to the horizon, recorded shares less voided ones are what the position says was credited."""
    events = recorded_by(tell(commands))
    plan = Plan(events)
    for day in marks(events):
        position = plan.position(day)
        assert shares_in(events, day) == position.shares_credited + position.bonus_credited


@FEW
@given(commands=attempts_with_closings())
def test_the_checker_agrees_after_every_command(commands: list[Command]) -> None:
    """What `Plan.check` looks at is that invariant: it finds nothing in what commands recorded."""
    events: tuple[RecordedEvent, ...] = ()
    for told in tell(commands):
        events += told.batch
        plan = Plan(events)
        plan.check(plan.timeline(plan.horizon))
        plan.check(plan.timeline(plan.horizon + 400 * DAY))


@HALF
@given(data=st.data())
def test_the_checker_finds_every_touched_outcome(data: st.DataObject) -> None:
    """An outcome or a voiding in force that says another day, or an outcome with other shares, is found."""
    events = recorded_by(tell(data.draw(attempts_with_closings())))
    voided = {recorded.event.voids for recorded in events if isinstance(recorded.event, OutcomeVoided)}
    in_force = [
        at
        for at, recorded in enumerate(events)
        if isinstance(recorded.event, (Outcome, OutcomeVoided))
        and recorded.version not in voided
        and not (isinstance(recorded.event, OutcomeVoided) and recorded.event.voids in _voidings(events))
    ]
    assume(in_force)
    at = data.draw(st.sampled_from(in_force))
    event = cast(Any, events[at].event)
    touched: list[Any] = [attrs.evolve(event, effective_on=event.effective_on + DAY)]
    if isinstance(event, (InstallmentSettled, PlanCompleted, PromoApplied)):
        touched.append(attrs.evolve(event, shares=event.shares + 1))
    for other in touched:
        edited = [*events[:at], attrs.evolve(events[at], event=other), *events[at + 1 :]]
        plan = Plan(edited)
        with pytest.raises(CorruptHistory):
            plan.check(plan.timeline(plan.horizon))
        with pytest.raises(CorruptHistory):
            decide(edited, ClosePlan(plan_id="P-1", through=plan.horizon), NOTE)


def _voidings(events: Iterable[RecordedEvent]) -> set[int]:
    return {recorded.version for recorded in events if isinstance(recorded.event, OutcomeVoided)}


# ---- what one command records


@FEW
@given(commands=attempts_with_closings())
def test_within_one_command_the_order_is_fact_voidings_outcomes(commands: list[Command]) -> None:
    """First the fact, then voidings of what was recorded, then outcomes, then the voidings of those very outcomes."""
    for told in tell(commands):
        if not told.batch:
            continue
        first = told.batch[0].version
        kinds = []
        for recorded in told.batch:
            event = recorded.event
            if isinstance(event, OutcomeVoided):
                assert event.voids < recorded.version
                kinds.append("voiding" if event.voids < first else "voiding of its own")
            else:
                kinds.append("outcome" if isinstance(event, Outcome) else "fact")
        order = ["fact", "voiding", "outcome", "voiding of its own"]
        assert kinds == sorted(kinds, key=order.index)
        assert kinds.count("fact") == (0 if isinstance(told.command, ClosePlan) else 1)
        if isinstance(told.command, ClosePlan):
            assert set(kinds) == {"outcome"}


@FEW
@given(commands=attempts_with_closings())
def test_an_envelope_is_the_commands(commands: list[Command]) -> None:
    """Versions count on without a gap; key, actor and instant are those of the command."""
    version = 0
    for told in tell(commands):
        for recorded in told.batch:
            version += 1
            assert (recorded.plan_id, recorded.version, recorded.sequence) == ("P-1", version, 0)
            assert (recorded.actor, recorded.correlation, recorded.recorded_at) == ("decider", None, RECORDED_AT)
            match told.command:
                case OpenPlan():
                    key = "P-1"
                case ClosePlan(through=through):
                    key = through.isoformat()
                case Change(reference=reference):
                    key = reference
            assert recorded.key == key


@FEW
@given(commands=attempts_with_closings())
def test_a_voiding_names_its_cause(commands: list[Command]) -> None:
    """`because` is the newly known fact, or for what had held until then the chargeback of that very date."""
    events: dict[int, Event] = {}
    for told in tell(commands):
        events |= {recorded.version: recorded.event for recorded in told.batch}
        for recorded in told.batch:
            voiding = recorded.event
            if not isinstance(voiding, OutcomeVoided):
                continue
            voided, cause, new_fact = events[voiding.voids], events[voiding.because], told.batch[0].version
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


@FEW
@given(commands=attempts_with_closings())
def test_nothing_is_voided_twice_at_once(commands: list[Command]) -> None:
    """An outcome is voided by at most one voiding in force, and a voiding by at most one other."""
    in_force: dict[int, int] = {}
    for recorded in recorded_by(tell(commands)):
        if isinstance(recorded.event, OutcomeVoided):
            lifted = [target for target, version in in_force.items() if version == recorded.event.voids]
            if lifted:
                del in_force[lifted[0]]
            else:
                assert recorded.event.voids not in in_force
                in_force[recorded.event.voids] = recorded.version


# ---- closing is optional


def _refusals(story: Iterable[Told]) -> list[tuple[type[LedgerError] | None, str]]:
    return [
        (None if told.error is None else type(told.error), str(told.error))
        for told in story
        if not isinstance(told.command, ClosePlan)
    ]


def _same_answers(stories: Sequence[Sequence[Told]], dates: Iterable[date]) -> None:
    """Check that stories accepted the same and come to the same at every date."""
    plans = [Plan(recorded_by(story)) for story in stories]
    assert [_refusals(story) for story in stories] == [_refusals(stories[0])] * len(stories)
    assert [plan.facts for plan in plans] == [plans[0].facts] * len(plans)
    for day in dates:
        assert [plan.position(day) for plan in plans] == [plans[0].position(day)] * len(plans)
        assert [plan.timeline(day) for plan in plans] == [plans[0].timeline(day)] * len(plans)


@HALF
@given(data=st.data())
def test_closing_anywhere_changes_no_answer(data: st.DataObject) -> None:
    """Closed after every command, once at the end, or never: the same is accepted, refused and answered."""
    commands = data.draw(attempts())
    opened = opened_in(decide((), commands[0], NOTE))
    through = data.draw(st.lists(days(opened), min_size=len(commands), max_size=len(commands)))
    last = ClosePlan(plan_id="P-1", through=max(through))
    often = [
        step
        for command, day in zip(commands, through, strict=True)
        for step in (command, ClosePlan(plan_id="P-1", through=day))
    ]
    stories = [tell(commands), tell([*commands, last]), tell(often)]
    dates = {day for story in stories for day in marks(recorded_by(story))}
    _same_answers(stories, sorted(dates))


@FEW
@given(data=st.data())
def test_closing_daily_changes_no_answer(data: st.DataObject) -> None:
    """With a clock that closes every day before anything is learnt, the same is accepted, refused and answered."""
    commands = data.draw(attempts(longest=4))
    today = commands[0].opened_at if isinstance(commands[0], OpenPlan) else D
    assert type(today) is date
    daily: list[tuple[Command, Metadata]] = []
    never: list[tuple[Command, Metadata]] = []
    for command in commands:
        on = getattr(command, "opened_at", None) or getattr(command, "paid_at", None) or cast(Any, command).on
        learnt_on = max(today, on + data.draw(st.sampled_from([0, 0, 1, 5, 30])) * DAY)
        while today < learnt_on:
            if daily:
                daily.append((ClosePlan(plan_id="P-1", through=today), _at_noon(today)))
            today += DAY
        daily.append((command, _at_noon(today)))
        never.append((command, _at_noon(today)))
    stories = [tell(*zip(*steps, strict=True)) for steps in (never, daily)]
    dates = {day for story in stories for day in marks(recorded_by(story))}
    _same_answers(stories, sorted(dates))


def _at_noon(day: date) -> Metadata:
    return Metadata(recorded_at=datetime(day.year, day.month, day.day, 12, tzinfo=UTC), actor="decider")


@FEW
@given(data=st.data())
def test_closing_again_records_nothing(data: st.DataObject) -> None:
    """Closed through a day, a plan has nothing left to record through that day or an earlier one."""
    events = recorded_by(tell(data.draw(attempts())))
    through = data.draw(days(opened_in(events)))
    events += decide(events, ClosePlan(plan_id="P-1", through=through), NOTE)
    for earlier in (0, 1, 40):
        assert decide(events, ClosePlan(plan_id="P-1", through=through - earlier * DAY), NOTE) == ()


# ---- idempotence


@FEW
@given(history=histories())
def test_an_accepted_command_repeated_records_nothing(history: Any) -> None:
    """Said again, whenever, by whomever and in whatever course, the very same command records nothing."""
    again = Metadata(recorded_at=RECORDED_AT + 30 * DAY, actor="somebody else", correlation="second try")
    for command in (history.opening, *history.accepted):
        assert decide(history.events, command, NOTE) == ()
        assert decide(history.events, command, again) == ()


def other_contents(command: Command) -> list[tuple[Command, str]]:
    """Return the command with one argument changed at a time, and the name of that argument."""
    changed: dict[str, Any] = {}
    match command:
        case OpenPlan(investor=investor, opened_at=opened_at, terms=terms):
            changed = {"investor": f"{investor}-2", "partner": None, "opened_at": opened_at - DAY}
            return [
                *_evolved(command, changed),
                *(
                    (attrs.evolve(command, terms=attrs.evolve(terms, **{field: value})), f"terms.{field}")
                    for field, value in _other_terms(terms).items()
                ),
            ]
        case RecordPayment(amount=amount, paid_at=paid_at, kind=kind):
            other = "early_repayment" if kind == "regular" else "regular"
            changed = {"amount": Money(amount.minor + 1, amount.currency), "paid_at": paid_at + DAY, "kind": other}
        case ReversePayment(cause="error"):
            changed = {"cause": "chargeback"}
        case ReversePayment(on=date() as on):
            changed = {"cause": "error", "on": on + DAY}
        case CancelPlan(on=on, reason=reason):
            changed = {"on": on - DAY, "reason": f"{reason} again"}
        case ReinstatePlan(on=on, amount=amount, revised_shares=shares):
            changed = {
                "on": on + DAY,
                "amount": Money(amount.minor, "EUR"),
                "approved_by": "somebody else",
                "reason": "another",
                "revised_shares": 1 if shares is None else None,
            }
    return _evolved(command, changed)


def _evolved(command: Command, changed: dict[str, Any]) -> list[tuple[Command, str]]:
    return [(attrs.evolve(command, **{field: value}), field) for field, value in changed.items()]


def _other_terms(terms: PlanTerms) -> dict[str, Any]:
    zone = "UTC" if terms.timezone != "UTC" else "Europe/Moscow"
    return {
        "shares": terms.shares + 1,
        "timezone": zone,
        "grace_days": terms.grace_days + 1,
        "stacking": "compound" if terms.stacking != "compound" else "additive",
        "promos": (*terms.promos, PackageBonus(code="one more", rate_bp=1)),
        "reinstatement": Closed() if terms.reinstatement != Closed() else FullCover(),
    }


@FEW
@given(data=st.data())
def test_one_argument_changed_is_a_conflict_that_names_it(data: st.DataObject) -> None:
    """The same key with other content: a conflict with the field, what was recorded and what was given."""
    history = data.draw(histories())
    command = data.draw(st.sampled_from((history.opening, *history.accepted)))
    for other, field in other_contents(command):
        with pytest.raises(ReferenceConflict) as caught:
            decide(history.events, other, NOTE)
        conflict = caught.value
        assert conflict.field == field
        assert conflict.recorded != conflict.given
        name = field.removeprefix("terms.")
        source = other.terms if isinstance(other, OpenPlan) and name != field else other
        assert conflict.given == getattr(source, name)
        assert conflict.reference == getattr(command, "reference", "P-1")
        assert f"recorded with {field} " in str(conflict)


@FEW
@given(data=st.data())
def test_a_key_taken_by_another_kind_of_command_is_a_conflict(data: st.DataObject) -> None:
    """A payment, a reinstatement and a cancellation share their references: the kind itself is what differs."""
    history = data.draw(histories())
    opened = history.opened
    keyed = [command for command in history.accepted if not isinstance(command, ReversePayment)]
    assume(keyed)
    command = cast(Any, data.draw(st.sampled_from(keyed)))
    reference, on = command.reference, opened.effective_on
    amount = Money(1, opened.terms.price.currency)
    others: list[Command] = [
        CancelPlan(plan_id="P-1", reference=reference, on=on, reason="asked"),
        RecordPayment(plan_id="P-1", reference=reference, amount=amount, paid_at=on, kind="regular"),
        ReinstatePlan(
            plan_id="P-1",
            reference=reference,
            on=on,
            amount=amount,
            approved_by="head",
            reason="asked",
            revised_shares=None,
        ),
    ]
    for other in others:
        if type(other) is not type(command):
            with pytest.raises(ReferenceConflict) as caught:
                decide(history.events, other, NOTE)
            assert caught.value.field == "command"


# ---- conservation


@HALF
@given(commands=attempts_with_closings())
def test_shares_and_money_are_conserved_at_every_date(commands: list[Command]) -> None:
    """Credited, promised and forfeited are the package; paid and outstanding the price; all money is accounted for."""
    events = recorded_by(tell(commands))
    plan, opened = Plan(events), opened_in(events)
    taken_back = {fact.reference: fact.effective_on for fact in plan.facts if isinstance(fact, PaymentReversed)}
    for day in [*marks(events), horizon_of(events) + 100 * DAY]:
        position = plan.position(day)
        shares = (position.shares_credited, position.shares_promised, position.shares_forfeited)
        money = (position.paid.minor, position.outstanding.minor, position.unapplied.minor)
        assert min(*shares, *money, position.bonus_credited, position.bonus_promised) >= 0
        assert sum(shares) == opened.terms.shares
        assert money[0] + money[1] == opened.terms.price.minor
        standing = sum(
            payment.amount.minor
            for reference, payment in plan.payments.items()
            if payment.effective_on <= day < taken_back.get(reference, date.max)
        )
        assert money[0] + money[2] == standing <= opened.terms.price.minor
        assert (position.status == "completed") == (position.outstanding.minor == 0)


# ---- as of, and as known at


@FEW
@given(commands=attempts_with_closings())
def test_no_answer_depends_on_what_is_effective_later(commands: list[Command]) -> None:
    """As of a date, a plan stands as if no later fact existed."""
    events = recorded_by(tell(commands))
    plan, opened = Plan(events), opened_in(events)
    for day in marks(events):
        cut = [fact for fact in plan.facts if fact.effective_on <= day]
        assert plan.timeline(day) == timeline(opened, cut, day)


@FEW
@given(commands=attempts_with_closings())
def test_a_command_changes_no_answer_before_its_date(commands: list[Command]) -> None:
    """What becomes known today about a date leaves every earlier date as it was."""
    events: tuple[RecordedEvent, ...] = ()
    for told in tell(commands):
        if events and told.batch:
            on = told.batch[0].event.effective_on
            before, after = Plan(events), Plan((*events, *told.batch))
            for day in [day for day in marks(events) if day < on]:
                assert before.position(day) == after.position(day)
                assert recorded_side(events, day) == recorded_side((*events, *told.batch), day)
        events += told.batch


@st.composite
def clocks(draw: st.DrawFn, commands: Sequence[Command]) -> list[Metadata]:
    """An instant for each command, from a clock that mostly goes on and sometimes steps back."""
    steps = st.sampled_from([-5_000, -1, 0, 0, 1, 3_600, 86_400, 864_000])
    instants, now = [], RECORDED_AT
    for _ in commands:
        now += timedelta(seconds=draw(steps))
        instants.append(Metadata(recorded_at=now, actor="decider"))
    return instants


@FEW
@given(data=st.data())
def test_what_was_known_at_an_instant_is_a_prefix(data: st.DataObject) -> None:
    """As known at an instant, inclusive, a plan is what the commands by then had made of it, whatever came after."""
    commands = data.draw(attempts_with_closings())
    notes = data.draw(clocks(commands))
    story = tell(commands, notes)
    events = recorded_by(story)
    assert [event.recorded_at for event in events] == sorted(event.recorded_at for event in events)
    for length in range(1, len(story) + 1):
        so_far = recorded_by(story[:length])
        latest = so_far[-1].recorded_at
        if any(event.recorded_at == latest for event in recorded_by(story[length:])):
            continue  # learnt at the same instant
        assert tuple(known(events, latest)) == so_far
        assert tuple(known(events, latest - timedelta(microseconds=1))) == tuple(
            event for event in so_far if event.recorded_at < latest
        )
        assert recorded_by(tell(commands[:length], notes)) == so_far
        day = data.draw(st.sampled_from(marks(so_far)))
        assert Plan(known(events, latest)).position(day) == Plan(so_far).position(day)


@FEW
@given(data=st.data())
def test_an_instant_that_steps_back_is_raised(data: st.DataObject) -> None:
    """An event is recorded at its command's instant, or at the plan's latest if that is later."""
    commands = data.draw(attempts_with_closings())
    notes = data.draw(clocks(commands))
    latest = None
    for told, metadata in zip(tell(commands, notes), notes, strict=True):
        expected = metadata.recorded_at if latest is None else max(latest, metadata.recorded_at)
        assert {event.recorded_at for event in told.batch} <= {expected}
        latest = told.batch[-1].recorded_at if told.batch else latest


# ---- dry decisions


@FEW
@given(commands=attempts_with_closings())
def test_deciding_is_pure(commands: list[Command]) -> None:
    """Decided twice, a command comes to the same and leaves the history as it was."""
    events: list[RecordedEvent] = []
    for told in tell(commands):
        before = list(events)
        if told.error is None:
            assert decide(events, told.command, NOTE) == told.batch
        else:
            with pytest.raises(type(told.error)) as again:
                decide(events, told.command, NOTE)
            assert str(again.value) == str(told.error)
        assert events == before
        events += told.batch


def test_a_dry_run_records_nothing_and_tells_what_would_be_recorded() -> None:
    """Dry, every command returns what it would record; done, the same with its sequences."""
    with Ledger.open("memory://", clock=lambda: RECORDED_AT) as ledger:
        opening = partial(ledger.open_plan, "P-1", investor="I-1", partner="N-1", terms=ten(), opened_at=D)
        payment = partial(ledger.record_payment, "P-1", reference="bank-1", amount=Money(20_000, "USD"), paid_at=D)
        chargeback = partial(ledger.reverse_payment, "P-1", reference="bank-1", cause="chargeback", on=D + 40 * DAY)
        closing = partial(ledger.close_books, through=D + 50 * DAY)
        request = partial(ledger.cancel_plan, "P-1", reference="crm-1", on=D + 51 * DAY, reason="asked")
        decision = partial(
            ledger.reinstate_plan,
            "P-1",
            reference="bank-2",
            on=D + 60 * DAY,
            amount=Money(20_000, "USD"),
            approved_by="head of sales",
            reason="asked",
        )
        for command in (opening, payment, chargeback, closing, request, decision):
            before = list(ledger.events())
            dry = command(dry_run=True)
            assert list(ledger.events()) == before
            assert {event.sequence for event in dry} == {0}
            done = command()
            assert [attrs.evolve(event, sequence=0) for event in done] == list(dry)
            assert list(ledger.events()) == [*before, *done]


# ---- named examples


def ten(**changed: Any) -> PlanTerms:
    """Return 1,000 USD in 10 × 100 from 10 May 2023, 2,300 of 34,000 shares each."""
    terms = PlanTerms(
        price=Money.of("1000.00", "USD"),
        shares=34_000,
        installments=10,
        schedule=Monthly(),
        first_due_on=D,
        release=PerUnit("23"),
        timezone="Europe/Moscow",
        reinstatement=FullCover(),
    )
    return attrs.evolve(terms, **changed)


OPENING = OpenPlan(plan_id="P-1", investor="I-1", partner="N-1", terms=ten(), opened_at=D - 30 * DAY)


def pay(on: date, reference: str, installments: int = 1) -> RecordPayment:
    """Return a payment of so many installments."""
    amount = Money(10_000 * installments, "USD")
    return RecordPayment(plan_id="P-1", reference=reference, amount=amount, paid_at=on, kind="regular")


def reverse(reference: str, on: date | None = None) -> ReversePayment:
    """Return a chargeback on this day, or without one a reversal for error."""
    return ReversePayment(plan_id="P-1", reference=reference, cause="error" if on is None else "chargeback", on=on)


def close(through: date) -> ClosePlan:
    """Return a closing."""
    return ClosePlan(plan_id="P-1", through=through)


def last_batch(*commands: Command) -> list[Event]:
    """Return what the last of these commands recorded, none of them refused."""
    story = tell((OPENING, *commands))
    assert [told.error for told in story] == [None] * len(story)
    return [recorded.event for recorded in story[-1].batch]


def test_a_back_dated_payment_undoes_the_cancellation() -> None:
    """Dated in grace and recorded after the cancellation: the cancellation is void from its own date, because of it."""
    batch = last_batch(close(D + 25 * DAY), pay(D + 19 * DAY, "late"))
    assert batch[1:] == [
        OutcomeVoided(D + 20 * DAY, voids=3, shares=0, because=4),
        InstallmentSettled(D + 19 * DAY, 1, 2_300, "late"),
    ]


def test_a_cancellation_that_was_undone_holds_again_when_the_payment_was_an_error() -> None:
    """The voiding is voided; the cancellation recorded first holds again and is not recorded twice."""
    batch = last_batch(close(D + 25 * DAY), pay(D + 19 * DAY, "late"), reverse("late"))
    assert batch == [
        PaymentReversed(effective_on=D + 19 * DAY, reference="late", cause="error"),
        OutcomeVoided(D + 20 * DAY, voids=5, shares=0, because=7),
        OutcomeVoided(D + 19 * DAY, voids=6, shares=2_300, because=7),
    ]


def test_a_voiding_of_a_voiding_gives_shares_back() -> None:
    """What another payment settled meanwhile is void; with it gone, the voiding's shares come back, negative."""
    story = (pay(D, "bank-1"), pay(D + 10 * DAY, "bank-2"), pay(D + 5 * DAY, "between"), reverse("between"))
    assert last_batch(*story[:-1]) == [
        PaymentMade(
            effective_on=D + 5 * DAY, reference="between", amount=Money(10_000, "USD"), kind="regular", paid_at=None
        ),
        OutcomeVoided(D + 10 * DAY, voids=5, shares=2_300, because=6),
        InstallmentSettled(D + 5 * DAY, 2, 2_300, "between"),
        InstallmentSettled(D + 10 * DAY, 3, 2_300, "bank-2"),
    ]
    assert last_batch(*story) == [
        PaymentReversed(effective_on=D + 5 * DAY, reference="between", cause="error"),
        OutcomeVoided(D + 10 * DAY, voids=7, shares=-2_300, because=10),
        OutcomeVoided(D + 5 * DAY, voids=8, shares=2_300, because=10),
        OutcomeVoided(D + 10 * DAY, voids=9, shares=2_300, because=10),
    ]


def test_a_chargeback_voids_from_its_date() -> None:
    """What rested on the money held until the chargeback and ends with it, because of it."""
    batch = last_batch(pay(D, "bank-1", 2), reverse("bank-1", D + 3 * DAY))
    assert batch[1:] == [
        OutcomeVoided(D + 3 * DAY, voids=4, shares=2_300, because=5),
        OutcomeVoided(D + 3 * DAY, voids=3, shares=2_300, because=5),
    ] or batch[1:] == [
        OutcomeVoided(D + 3 * DAY, voids=3, shares=2_300, because=5),
        OutcomeVoided(D + 3 * DAY, voids=4, shares=2_300, because=5),
    ]


def test_what_now_ends_with_an_old_chargeback_names_that_chargeback() -> None:
    """With a payment gone as an error, a chargeback recorded before ends another outcome, and is named as the cause."""
    story = (
        pay(D, "bank-1"),
        pay(D + 10 * DAY, "bank-2"),
        pay(D + 12 * DAY, "bank-3"),
        reverse("bank-1", D + 20 * DAY),
        reverse("bank-3"),
    )
    assert last_batch(*story[:-1])[1:] == [OutcomeVoided(D + 20 * DAY, voids=7, shares=2_300, because=8)]
    assert last_batch(*story)[1:] == [
        OutcomeVoided(D + 20 * DAY, voids=5, shares=2_300, because=8),
        OutcomeVoided(D + 20 * DAY, voids=9, shares=-2_300, because=10),
        OutcomeVoided(D + 12 * DAY, voids=7, shares=2_300, because=10),
    ]


@pytest.mark.parametrize("shift", [-1, 1])
def test_the_checker_knows_the_day_on_which_an_outcome_ended(shift: int) -> None:
    """A voiding the day before the chargeback, or the day after it, does not follow from the facts; on it, it does."""
    events = recorded_by(tell((OPENING, pay(D, "bank-1"), reverse("bank-1", D + 3 * DAY))))
    voiding = events[-1].event
    assert voiding == OutcomeVoided(D + 3 * DAY, voids=3, shares=2_300, because=4)
    Plan(events).check(Plan(events).timeline(D + 3 * DAY))
    moved = attrs.evolve(events[-1], event=attrs.evolve(voiding, effective_on=D + (3 + shift) * DAY))
    plan = Plan([*events[:-1], moved])
    with pytest.raises(CorruptHistory, match=f"ends on {D + (3 + shift) * DAY}; from the facts: {D + 3 * DAY}"):
        plan.check(plan.timeline(plan.horizon))


def test_an_outcome_that_is_new_and_over_is_followed_by_its_own_voiding() -> None:
    """An earlier payment becomes known: the later one settled number 2 instead, until the chargeback long recorded."""
    story = (pay(D, "bank-1"), reverse("bank-1", D + 5 * DAY), pay(D - DAY, "bank-0"))
    events = recorded_by(tell((OPENING, *story)))
    assert [recorded.event for recorded in events[-6:]] == [
        events[5].event,
        OutcomeVoided(D + 5 * DAY, voids=5, shares=-2_300, because=6),
        OutcomeVoided(D, voids=3, shares=2_300, because=6),
        InstallmentSettled(D - DAY, 1, 2_300, "bank-0"),
        InstallmentSettled(D, 2, 2_300, "bank-1"),
        OutcomeVoided(D + 5 * DAY, voids=10, shares=2_300, because=4),
    ]


def test_a_payment_found_later_makes_a_missed_payment_never_missed() -> None:
    """Recorded as missed, paid on the due date after all: the outcome is void from its own date."""
    batch = last_batch(close(D + 2 * DAY), pay(D, "late"))
    assert batch[1:] == [
        OutcomeVoided(D + DAY, voids=2, shares=0, because=3),
        InstallmentSettled(D, 1, 2_300, "late"),
    ]
    kept = last_batch(close(D + 2 * DAY), pay(D + DAY, "late"))
    assert kept[1:] == [InstallmentSettled(D + DAY, 1, 2_300, "late")]


def test_closing_once_after_an_outage_records_what_daily_closing_would() -> None:
    """Three months without a clock: one closing records the same outcomes, each on its own day."""
    opening = attrs.evolve(OPENING, terms=ten(schedule=EveryDays(7)))
    daily = tell([opening, *(close(D + shift * DAY) for shift in range(-20, 91))])
    once = tell([opening, close(D + 90 * DAY)])
    assert [event.event for event in recorded_by(daily)] == [event.event for event in recorded_by(once)]
    assert [(type(event.event), event.event.effective_on) for event in recorded_by(once)[1:]] == [
        (PaymentMissed, D + DAY),
        (PaymentMissed, D + 8 * DAY),
        (PaymentMissed, D + 15 * DAY),
        (PlanCancelled, D + 20 * DAY),
    ]


def test_a_civil_date_stands_for_its_instant() -> None:
    """A payment said again with the instant of the same day in the plan's zone is the same payment; of another, not."""
    events = recorded_by(tell((OPENING, pay(D, "bank-1"))))
    moscow = timedelta(hours=3)
    midnight = datetime(D.year, D.month, D.day, tzinfo=UTC) - moscow
    for instant, same in ((midnight, True), (midnight + DAY - timedelta(seconds=1), True), (midnight + DAY, False)):
        again = attrs.evolve(pay(D, "bank-1"), paid_at=instant)
        if same:
            assert decide(events, again, NOTE) == ()
        else:
            with pytest.raises(ReferenceConflict) as caught:
                decide(events, again, NOTE)
            assert (caught.value.field, caught.value.recorded, caught.value.given) == ("paid_at", D, D + DAY)


def test_a_reversal_for_error_is_the_same_whatever_date_it_states() -> None:
    """An error is effective from the payment's own date: a stated date is no content of it."""
    events = recorded_by(tell((OPENING, pay(D, "bank-1"), reverse("bank-1"))))
    stated = ReversePayment(plan_id="P-1", reference="bank-1", cause="error", on=D + 7 * DAY)
    assert decide(events, stated, NOTE) == ()
    with pytest.raises(ReferenceConflict) as caught:
        decide(events, reverse("bank-1", D + 7 * DAY), NOTE)
    assert caught.value.field == "cause"


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("price", Money.of("1000.00", "EUR")),
        ("price", Money.of("1000.01", "USD")),
        ("installments", 11),
        ("rounding_unit", 2),
        ("release", Portion("1/2")),
        ("schedule", EveryDays(30)),
        ("first_due_on", D + DAY),
        *_other_terms(ten()).items(),
    ],
)
def test_an_opening_under_other_terms_is_a_conflict_that_names_the_term(field: str, other: object) -> None:
    """The plan id is the key of an opening, and each of the terms is its content."""
    changed = attrs.evolve(OPENING, terms=ten(**{field: other}))
    with pytest.raises(ReferenceConflict) as caught:
        decide(recorded_by(tell([OPENING])), changed, NOTE)
    assert (caught.value.field, caught.value.recorded, caught.value.given) == (
        f"terms.{field}",
        getattr(OPENING.terms, field),
        other,
    )


def test_an_opening_on_another_day_is_a_conflict_that_names_the_day() -> None:
    """Also where the first due date is left to be the opening date: what the caller changed is `opened_at`."""
    opening = attrs.evolve(OPENING, terms=ten(first_due_on=None))
    with pytest.raises(ReferenceConflict) as caught:
        decide(recorded_by(tell([opening])), attrs.evolve(opening, opened_at=D - 29 * DAY), NOTE)
    assert caught.value.field == "opened_at"


# ---- histories that no ledger has recorded

SOUND = recorded_by(tell((OPENING, pay(D, "bank-1"), reverse("bank-1", D + 3 * DAY))))
"""1 the opening, 2 the payment, 3 what it settled, 4 its chargeback, 5 the voiding of 3."""


def after(event: Event) -> list[RecordedEvent]:
    """Return the sound history with one more event at its end."""
    return [*SOUND, attrs.evolve(SOUND[-1], version=len(SOUND) + 1, event=event)]


def with_event(at: int, **changed: Any) -> list[RecordedEvent]:
    """Return the sound history with something changed in one of its events."""
    event = attrs.evolve(cast(Any, SOUND[at].event), **changed)
    return [*SOUND[:at], attrs.evolve(SOUND[at], event=event), *SOUND[at + 1 :]]


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        ([*SOUND[:2], *SOUND[3:]], "version 3 is missing before it"),
        ([*SOUND, SOUND[-1]], "version 6 is missing before it"),
        ([attrs.evolve(SOUND[1], version=1)], "a plan begins with its opening, and is opened once"),
        (after(SOUND[0].event), "a plan begins with its opening, and is opened once"),
        (
            [*SOUND[:-1], attrs.evolve(SOUND[-1], recorded_at=RECORDED_AT - timedelta(microseconds=1))],
            "it was recorded before the event that precedes it",
        ),
        (with_event(2, effective_on=D - 31 * DAY), "it is effective before the opening"),
        (with_event(3, reference="bank-2"), "it reverses 'bank-2', which is no payment standing on that date"),
        (with_event(3, effective_on=D - DAY), "it reverses 'bank-1', which is no payment standing on that date"),
        (after(SOUND[3].event), "it reverses 'bank-1', which is no payment standing on that date"),
        (after(SOUND[1].event), "the reference 'bank-1' is taken"),
        (with_event(1, amount=Money(10_000, "EUR")), "its amount is not in USD"),
        (with_event(4, voids=2), "version 2 is no outcome that it could void"),
        (with_event(4, voids=7), "version 7 is no outcome that it could void"),
        (with_event(4, shares=2_299), "version 3 is voided already, or credits other shares"),
        (after(SOUND[4].event), "version 3 is voided already, or credits other shares"),
        (
            after(OutcomeVoided(D + 3 * DAY, voids=5, shares=2_300, because=4)),
            "version 5 is voided already, or credits other shares",
        ),
        (after(SOUND[2].event), "does not follow from the facts"),
        (with_event(2, payment="bank-2"), "does not follow from the facts"),
        (SOUND[:2], "InstallmentSettled of 2023-05-10 follows from the facts and is not recorded"),
        (SOUND[:4], "ends on None; from the facts: 2023-05-13"),
    ],
)
def test_a_history_that_no_ledger_has_recorded_is_found(history: Sequence[RecordedEvent], reason: str) -> None:
    """The fold, or the check after it, says at which event of which plan it stumbled; and so does every command."""

    def fold_and_check() -> None:
        plan = Plan(history)
        plan.check(plan.timeline(plan.horizon))

    def command() -> None:
        decide(history, close(D + 3 * DAY), NOTE)

    for stumble in (fold_and_check, command):
        with pytest.raises(CorruptHistory) as caught:
            stumble()
        assert reason in caught.value.reason
        assert caught.value.plan_id == "P-1"
        assert 1 <= caught.value.version <= len(SOUND) + 1


def test_a_sound_history_is_found_sound() -> None:
    """The history that these are made from passes."""
    Plan(SOUND).check(Plan(SOUND).timeline(D + 3 * DAY))
    assert decide(SOUND, close(D + 3 * DAY), NOTE) == ()
