"""Strategies: commands in the order in which they are attempted, some of which will be refused."""

from collections.abc import Sequence
from datetime import date, timedelta

import attrs
from hypothesis import assume, reject
from hypothesis import strategies as st

from ledger.commands import Command, Metadata, RecordPayment, ReinstatePlan, ReversePayment
from ledger.decide import decide
from ledger.errors import LedgerError
from ledger.events import PlanOpened, RecordedEvent
from ledger.money import Money
from ledger.plan import Plan
from ledger.terms import FullCover
from tests.plans import DAY, attempt, cancel, charge_back, close, recorded_by, reverse
from tests.strategies import METADATA, RECORDED_AT, changes, days, opened_in, openings


@st.composite
def attempts(draw: st.DrawFn, *, longest: int = 8) -> list[Command]:
    """An opening and changes of the plan; closings are not among them.

    Installments paid more or less in time and recorded in any order, then any changes, then perhaps a reinstatement
    that fits, and any changes again.
    """
    opening = draw(openings())
    opened = opened_in(decide((), opening, METADATA))
    commands: list[Command] = draw(_payments_near_due_dates(opened))
    paid: list[RecordPayment | ReinstatePlan] = [command for command in commands if isinstance(command, RecordPayment)]
    commands += [draw(changes(opened, 100 + number, paid)) for number in range(draw(st.integers(0, longest // 2)))]
    commands = [opening, *commands]
    if draw(st.booleans()):
        commands += draw(fitting_reinstatements(recorded_by(attempt(commands))))
    paid = [command for command in commands if isinstance(command, (RecordPayment, ReinstatePlan))]
    more = draw(st.integers(0, longest // 2))
    return commands + [draw(changes(opened, 200 + number, paid)) for number in range(more)]


@st.composite
def attempts_with_closings(draw: st.DrawFn) -> list[Command]:
    """The same with closings among them, through days around the due dates and deadlines."""
    commands = draw(attempts())
    opened = opened_in(decide((), commands[0], METADATA))
    for _ in range(draw(st.integers(0, 3))):
        commands.insert(draw(st.integers(1, len(commands))), close(draw(days(opened))))
    return commands


@st.composite
def _payments_near_due_dates(draw: st.DrawFn, opened: PlanOpened) -> list[Command]:
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
def fitting_reinstatements(
    draw: st.DrawFn, events: Sequence[RecordedEvent], *, earliest: date = date.min
) -> list[ReinstatePlan]:
    """A reinstatement that covers everything overdue, if the plan ends up cancelled; else nothing."""
    state = Plan(events).timeline(date(2033, 1, 1)).state
    if state.cancelled_on is None:
        return []
    on = max(earliest, state.cancelled_on + draw(st.integers(0, 60)) * DAY)
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


@attrs.frozen
class Reinstated:
    """A plan as recorded just before a reinstatement, the decision, and the plan as recorded after it."""

    before: tuple[RecordedEvent, ...]
    decision: ReinstatePlan
    after: tuple[RecordedEvent, ...]


@st.composite
def reinstated_plans(draw: st.DrawFn, *, requests: bool = True) -> Reinstated:
    """A plan that was cancelled because grace ended, or by request if `requests`, and was reinstated after that."""
    opening = draw(openings())
    opening = attrs.evolve(opening, terms=attrs.evolve(opening.terms, reinstatement=FullCover()))
    opened = opened_in(decide((), opening, METADATA))
    commands: list[Command] = [opening, *draw(_payments_near_due_dates(opened))]
    paid = [command for command in commands if isinstance(command, RecordPayment)]
    commands += [draw(reversals(paid)) for _ in range(draw(st.integers(0, 2)) if paid else 0)]
    if requests and draw(st.booleans()):
        commands.append(cancel(draw(days(opened))))
    before = recorded_by(attempt(commands))
    decisions = draw(fitting_reinstatements(before, earliest=Plan(before).horizon))
    assume(decisions)
    decision, shares = decisions[0], opened.terms.shares
    if draw(st.booleans()):
        released = sum(line.shares for line in opened.lines)
        decision = attrs.evolve(decision, revised_shares=draw(st.integers(max(1, released), shares)))
    try:
        recorded = decide(before, decision, METADATA)
    except LedgerError:
        reject()
    return Reinstated(before, decision, (*before, *recorded))


@st.composite
def reversals(draw: st.DrawFn, paid: Sequence[RecordPayment]) -> ReversePayment:
    """The reversal of one of these payments, for error or by a chargeback some days after it."""
    payment = draw(st.sampled_from(paid))
    if draw(st.booleans()):
        return reverse(payment.reference)
    return charge_back(payment.paid_at + draw(st.integers(0, 40)) * DAY, payment.reference)


@st.composite
def clock_readings(draw: st.DrawFn, commands: Sequence[Command]) -> list[Metadata]:
    """Metadata for each command, from a clock that mostly goes on and sometimes steps back."""
    steps = st.sampled_from([-5_000, -1, 0, 0, 1, 3_600, 86_400, 864_000])
    readings, now = [], RECORDED_AT
    for _ in commands:
        now += timedelta(seconds=draw(steps))
        readings.append(Metadata(recorded_at=now, actor="decider"))
    return readings
