"""Deciding one command after another is deciding each on the recorded history; a refused fact has consequences too."""

from datetime import date
from typing import Any, cast

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.commands import Change, ClosePlan, Command, Metadata
from ledger.decide import Decider, decide, fact_of
from ledger.decide.consequences import Consequences
from ledger.errors import CommandRefused, CorruptHistory, LedgerError, Overpayment, PlanIsCancelled
from ledger.events import Event, Fact, InstallmentSettled, PlanOpened, RecordedEvent
from ledger.money import Money
from ledger.plan import Plan
from tests.attempts import attempts_with_closings
from tests.plans import DAY, DUE, D, attempt, cancel, charge_back, pay, pay_each, record
from tests.strategies import RECORDED_AT, changes, days, one_in, openings


def _outcome(decided: tuple[RecordedEvent, ...] | LedgerError) -> object:
    return (type(decided), str(decided)) if isinstance(decided, LedgerError) else decided


@given(data=st.data())
def test_a_kept_decider_decides_as_one_that_reads_the_whole_history(data: st.DataObject) -> None:
    """A decider that keeps the plan returns the same events and the same refusals, command by command."""
    metadata = Metadata(recorded_at=RECORDED_AT, actor="decider")
    opening = data.draw(openings())
    decider = Decider(())
    history = list(decider.decide(opening, metadata))
    opened = history[0].event
    assert isinstance(opened, PlanOpened)
    assert tuple(history) == decide((), opening, metadata)
    paid: list[object] = []
    for number in range(data.draw(st.integers(1, 14))):
        command: Command = data.draw(changes(opened, number, paid))  # type: ignore[arg-type]  # filled below
        if data.draw(st.integers(0, 4)) == 0:
            command = ClosePlan(plan_id="P-1", through=data.draw(days(opened)))
        kept, read = _attempt(decider, command, metadata), _attempt(Decider(history), command, metadata)
        assert _outcome(kept) == _outcome(read)
        if not isinstance(read, LedgerError):
            history += read
            paid += [command] if hasattr(command, "amount") else []


def _attempt(decider: Decider, command: Command, metadata: Metadata) -> tuple[RecordedEvent, ...] | LedgerError:
    try:
        return decider.decide(command, metadata)
    except LedgerError as error:
        return error


# ---- the consequences of a fact that is refused


def followed_by(history: tuple[RecordedEvent, ...], *events: Event) -> Plan:
    """Return the plan after more events, without asking whether they are allowed."""
    numbered = enumerate(events, history[-1].version + 1)
    return Plan([*history, *(attrs.evolve(history[-1], version=version, event=event) for version, event in numbered)])


@one_in(3)
@given(commands=attempts_with_closings())
def test_a_refused_fact_counts_for_whoever_collects_the_refusals(commands: list[Command]) -> None:
    """An audit reads what should not have been recorded, and what would follow: the record agrees with the facts."""
    history: tuple[RecordedEvent, ...] = ()
    for attempted in attempt(commands):
        if isinstance(attempted.error, CommandRefused) and isinstance(attempted.command, Change):
            fact = fact_of(attempted.command, Plan(history))
            _check_counts(history, fact)
        elif attempted.events and isinstance(attempted.events[0].event, Fact):
            kept, refused = Consequences(Plan(history)), list[CommandRefused]()
            fact, *owed = (recorded.event for recorded in attempted.events)  # type: ignore[assignment]
            assert list(kept.of(fact, actor="decider", refused=refused)) == owed
            assert refused == []
        history += attempted.events


def _check_counts(history: tuple[RecordedEvent, ...], fact: Fact) -> None:
    kept, refused = Consequences(Plan(history)), list[CommandRefused]()
    first: CommandRefused | None = None
    try:
        kept.of(fact, actor="decider")
    except CommandRefused as error:
        first = error
    else:
        kept = Consequences(Plan(history))  # the fact is refused for its date, which is judged elsewhere
    owed = kept.of(fact, actor="decider", refused=refused)
    assert [(type(error), str(error)) for error in refused[:1]] == ([(type(first), str(first))] if first else [])
    try:
        plan = followed_by(history, fact, *owed)
    except CorruptHistory:
        assert refused  # no record can hold that fact
    else:
        plan.check(plan.timeline(plan.horizon))


@pytest.mark.parametrize("late", [False, True])
def test_the_refusals_of_a_fact_are_collected(*, late: bool) -> None:
    """In the order of the days and recorded late alike: money that is not taken, and money of which a part settles."""
    after = [charge_back(D + 3 * DAY, "bank-0")] if late else []
    ended = Plan(record(pay(D, "bank-0"), cancel(D + DAY), *after))
    refused: list[CommandRefused] = []
    assert list(Consequences(ended).of(fact_of(pay(D + DAY, "more"), ended), actor=None, refused=refused)) == []
    assert [type(error) for error in refused] == [PlanIsCancelled]
    paid = Plan(record(*pay_each(DUE[:9]), *([pay(DUE[9], "bank-10")] if late else [])))
    fact = fact_of(pay(DUE[8] + DAY, "more", minor=1), paid)
    refused.clear()
    owed = Consequences(paid).of(fact, actor=None, refused=refused)
    (error,) = refused
    assert isinstance(error, Overpayment)
    assert (error.on, error.standing) == ((DUE[9], 110_001) if late else (DUE[8] + DAY, 100_001))
    assert InstallmentSettled(DUE[8] + DAY, 10, 2_300, "more") in owed


@pytest.mark.parametrize(
    ("minor", "later", "excess"),
    [
        (10_000, pay(DUE[6] + DAY, "in time", 3), None),
        (10_001, pay(DUE[6] + DAY, "in time", 3), (100_001, DUE[6] + DAY)),
        (40_001, pay(DUE[6] + DAY, "in time", 3), (130_001, DUE[6] + DAY)),
        (40_000, charge_back(DUE[6] + DAY, "first"), None),
        (40_001, charge_back(DUE[6] + DAY, "first"), (100_001, DUE[6])),
    ],
)
def test_what_stood_before_a_late_payment_is_not_its_fault(
    minor: int, later: Command, excess: tuple[int, date] | None
) -> None:
    """1,500.00 stood by a payment that should not have been recorded, until it was charged back long before."""
    events = record(pay(D, "first", 6), pay(D + DAY, "x", 4), charge_back(D + 5 * DAY, "x"), later)
    at = next(number for number, one in enumerate(events) if one.key == "x")
    edited = attrs.evolve(events[at], event=attrs.evolve(cast(Any, events[at].event), amount=Money(90_000, "USD")))
    plan = Plan([*events[:at], edited, *events[at + 1 :]])
    refused: list[CommandRefused] = []
    late = attrs.evolve(pay(DUE[6], "late"), amount=Money(minor, "USD"))
    Consequences(plan).of(fact_of(late, plan), actor=None, refused=refused)
    assert [(error.standing, error.on) for error in refused if isinstance(error, Overpayment)] == (
        [excess] if excess else []
    )
    assert len(refused) == (1 if excess else 0)
