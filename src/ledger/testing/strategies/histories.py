"""Strategies for that which happens to plans: commands, facts, whole histories, and books of several plans."""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Any

import attrs

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
from ledger.dates import DAY, day_in
from ledger.decide import Decider, decide, fact_of
from ledger.errors import LedgerError, PlanIsCancelled
from ledger.events import (
    CancellationRequested,
    Fact,
    PaymentMade,
    PaymentReversed,
    PlanOpened,
    PlanReinstated,
    RecordedEvent,
)
from ledger.events.facts import ReversalCause
from ledger.plan import Plan
from ledger.terms import Closed
from ledger.testing.strategies._hypothesis import st
from ledger.testing.strategies.actions import TROUBLE, Act, Trouble, acts
from ledger.testing.strategies.context import Scene, command_of, payment_of
from ledger.testing.strategies.plan_terms import FIRST_DAY, LAST_DAY, between, chosen, openings, terms
from ledger.testing.strategies.recorded import Attempt, Book, History

ACTOR = "decider"
_NOON = time(12, tzinfo=UTC)


@st.composite
def commands(
    draw: st.DrawFn,
    /,
    plan: Plan | PlanOpened,
    *,
    trouble: Collection[Trouble] = TROUBLE,
    closings: bool = True,
    instants: bool = True,
    number: int | None = None,
    paid: Mapping[str, tuple[date, int]] | None = None,
    plan_id: str = "P-1",
) -> Command:
    """One more command on a plan, which a ledger may refuse: a payment mostly, near a due date or a deadline.

    `plan` is a plan as recorded, or the opening of one: then `paid` names its payments with day and amount, and
    `plan_id` its id. `number` makes the new reference, such as `bank-4`; without it the plan's version does.
    """
    scene = Scene.of(plan) if isinstance(plan, Plan) else Scene(plan, plan_id=plan_id)
    scene.paid |= paid or {}
    known = plan if isinstance(plan, Plan) else None
    if number is None:
        number = 1 if known is None else known.version
    (act,) = draw(_acts(trouble, closings, instants, (1, 1)))
    return command_of(act, scene, number, known) or payment_of(Act("pay"), scene, number)


def _troubles(trouble: Collection[Trouble]) -> frozenset[Trouble]:
    return frozenset(chosen("trouble", trouble, TROUBLE)) if trouble else frozenset()


def _acts(trouble: Collection[Trouble], closings: bool, instants: bool, sizes: tuple[int, int]) -> "_Acts":  # noqa: FBT001 - two callers, by position
    return _lists_of_acts(_troubles(trouble), closings, instants, sizes)


@cache
def _lists_of_acts(trouble: frozenset[Trouble], closings: bool, instants: bool, sizes: tuple[int, int]) -> "_Acts":  # noqa: FBT001 - as the cache has it
    """Choose rows of the table: a byte each, all of them one draw. Whole numbers would be small more often than not."""
    rows, (shortest, longest) = acts(trouble, closings=closings, instants=instants), sizes
    chosen_by = [rows[byte * len(rows) >> 8] for byte in range(256)]
    some = st.binary(min_size=shortest, max_size=longest)
    more = st.binary(min_size=max(shortest, longest // 2), max_size=longest)
    return (some | more).map(lambda drawn: [chosen_by[byte] for byte in drawn])


_Acts = st.SearchStrategy[list[Act]]


_ACTS_OF_FACTS: Mapping[type[Any], tuple[str, ...]] = {
    PaymentMade: ("pay",),
    PaymentReversed: ("reverse", "charge back"),
    CancellationRequested: ("cancel",),
    PlanReinstated: ("reinstate",),
}
FACTS = tuple(_ACTS_OF_FACTS)
"""The facts that may follow an opening."""


@cache
def _acts_of(fact: type[Any]) -> st.SearchStrategy[Act]:
    rows = acts(frozenset(TROUBLE), closings=False, instants=True)
    return st.sampled_from(list(dict.fromkeys(act for act in rows if act.kind in _ACTS_OF_FACTS[fact])))


@st.composite
def facts(draw: st.DrawFn, /, plan: Plan | None = None, *, kinds: Collection[type[Any]] = FACTS, **domain: Any) -> Fact:
    """A fact that might become known of a plan next, whether or not the rules allow it, of the classes in `kinds`.

    Without a plan it is that of a random history, narrowed by the other arguments, which are those of `histories`.
    Raises `InvalidArgument` for a class that is no fact.
    """
    kind = draw(st.sampled_from(chosen("kinds", kinds, FACTS)))
    plan = plan or draw(histories(**domain)).plan
    scene, act = Scene.of(plan), draw(_acts_of(kind))
    command = command_of(act, scene, plan.version, None)
    if command is None:  # there is no payment yet that it could reverse
        cause: ReversalCause = "error" if act.kind == "reverse" else "chargeback"
        return PaymentReversed(effective_on=scene.day(act), reference=f"bank-{plan.version}", cause=cause)
    assert isinstance(command, Change), command
    return fact_of(command, plan)


def known_by(day: date, at_the_earliest: datetime) -> datetime:
    """Return the instant at which something of this day is recorded: noon after it, when it has come everywhere."""
    return max(at_the_earliest, datetime.combine(day + DAY, _NOON))


class Writer:
    """Writes one history: decides each command on what is recorded so far, at an instant that fits its day."""

    def __init__(self, opening: OpenPlan, trouble: frozenset[Trouble]) -> None:
        self._orderly, self._keeps_refused = "late" not in trouble, "refused" in trouble
        self._reinstates = "reinstated" in trouble and not isinstance(opening.terms.reinstatement, Closed)
        self._cancelled_on: date | None = None
        self._decider = Decider(())
        self._now = datetime.min.replace(tzinfo=UTC)
        self._last_day = date.min
        self._zone = opening.terms.timezone
        self._events: list[RecordedEvent] = []
        self.attempts: list[Attempt] = []
        self.attempt(opening)
        recorded = self.attempts[0].events
        self.plan = Plan(recorded)
        self.scene = Scene.of(self.plan)

    def add(self, act: Act, number: int) -> None:
        """Attempt the command of an act, if the plan has a place for it."""
        if act.kind in ("repeat", "repeat opening"):
            commands = [attempt.command for attempt in self.attempts[: 1 if act.kind == "repeat opening" else None]]
            if act.at_midnight:
                commands = [one for one in commands if isinstance(getattr(one, "paid_at", None), datetime)] or commands
            self.attempt(commands[-1 - act.pick % len(commands)])
        elif (fitting := self._fitting(act)) and (command := command_of(fitting, self.scene, number, self.plan)):
            command = self._in_order(command) if self._orderly else command
            if act.kind != "refused" or self._is_refused(command):
                self.attempt(command)

    def _fitting(self, act: Act) -> Act | None:
        """Return the act or, for most payments on a plan found cancelled or paid, one that does something or none."""
        if act.kind != "pay" or act.days == _AS_BEFORE:
            return act
        if self._cancelled_on is None:
            return act if self.scene.standing < self.scene.owed[-1] else None
        if self._orderly or act.early or act.from_grace:
            return Act("reinstate", max(act.days, 0), span=act.span) if self._reinstates else None
        since = self.scene.due[self.scene.next_line()]
        return act._replace(days=(self._cancelled_on - DAY - since).days)

    def _recorded_at(self, command: Command) -> datetime:
        day = _day_of(command, self._zone)
        return known_by(day, self._now) if day < _FAR_AHEAD else self._now

    def _is_refused(self, command: Command) -> bool:
        """Return whether a command with a fault is refused: on some plans its fault is none."""
        history = self._events if command.plan_id == self.plan.plan_id else []
        try:
            decide(history, command, Metadata(recorded_at=self._recorded_at(command), actor=ACTOR))
        except LedgerError:
            return True
        return False

    def attempt(self, command: Command) -> None:
        """Decide a command; keep it with its events, and with its error where refused ones are kept."""
        day, at = _day_of(command, self._zone), self._recorded_at(command)
        metadata = Metadata(recorded_at=at, actor=ACTOR)
        decider = self._decider if not self.attempts or command.plan_id == self.plan.plan_id else Decider(())
        try:
            events = decider.decide(command, metadata)
        except LedgerError as error:
            if isinstance(error, PlanIsCancelled):
                self._cancelled_on = error.cancelled_on
            if self._keeps_refused:
                self.attempts.append(Attempt(command, metadata, (), error))
                self._now = at
            return
        self.attempts.append(Attempt(command, metadata, events))
        self._events += events
        self._now, self._last_day = at, max(self._last_day, day)
        if events and isinstance(command, (RecordPayment, ReinstatePlan, CancelPlan)):
            self._cancelled_on = command.on if isinstance(command, CancelPlan) else None
        for recorded in events if len(self.attempts) > 1 else ():
            self.plan.apply(recorded)
            self.scene.record(recorded.event)

    def _in_order(self, command: Command) -> Command:
        """Return the command on its own day or, where something later is recorded already, on the day of that."""
        if isinstance(command, RecordPayment) and _day_of(command, self._zone) < self._last_day:
            return attrs.evolve(command, paid_at=self._last_day)
        if isinstance(command, (CancelPlan, ReinstatePlan)):
            return attrs.evolve(command, on=max(command.on, self._last_day))
        return command


_FAR_AHEAD = date(9000, 1, 1)
_AS_BEFORE = -40
"""The days of an act that is attempted on a plan that takes no payment too."""


def _day_of(command: Command, zone: str) -> date:
    """Return the day of a command in the plan's zone."""
    match command:
        case OpenPlan(opened_at=day) | RecordPayment(paid_at=day) | ClosePlan(through=day):
            pass
        case CancelPlan(on=day) | ReinstatePlan(on=day):
            pass
        case ReversePayment(on=None):
            return date.min
        case ReversePayment(on=on):
            assert on is not None
            day = on
        case _:
            raise AssertionError(command)
    return day_in(zone, day) if isinstance(day, datetime) else day


@st.composite
def histories(
    draw: st.DrawFn,
    /,
    *,
    shortest: int = 0,
    longest: int = 14,
    trouble: Collection[Trouble] = TROUBLE,
    closings: bool = True,
    instants: bool = True,
    first: date = FIRST_DAY,
    last: date = LAST_DAY,
    plan_id: str = "P-1",
    investor: str = "I-1",
    partner: str | None = "N-1",
    opening: OpenPlan | None = None,
    **domain: Any,
) -> History:
    """A plan and the commands after its opening, decided one after another: `shortest` to `longest` are made up.

    Those that are refused are left out, unless refusals are wanted, and those for which the plan has no place.

    Without `trouble` every installment is paid in time and in order, as far as the history goes. Each word allows one
    kind of trouble: "late" payments, and facts recorded after later ones; commands or installments "doubled"; payments
    "reversed" for error or "charged back"; plans "cancelled" by request and "reinstated"; and commands that are
    "refused", which are left out otherwise. `closings` allows closings of the books, `instants` payments whose instant
    is known instead of their date. The plan is `opening`, or opens from `first` to `last` under terms narrowed by the
    other arguments, which are those of `terms`. A failing example shrinks to few commands on a plan of one installment,
    opened on the first day of a month. Raises `InvalidArgument` for an unknown word.
    """
    allowed = _troubles(trouble)
    if opening is None:
        opened_on = draw(openings(first, last))
        agreed = draw(terms(opened_on=opened_on, **domain))
        opening = OpenPlan(plan_id=plan_id, investor=investor, partner=partner, terms=agreed, opened_at=opened_on)
    writer = Writer(opening, allowed)
    for number, act in enumerate(draw(_acts(allowed, closings, instants, (shortest, longest))), 1):
        writer.add(act, number)
    return History(tuple(writer.attempts))


@st.composite
def books(
    draw: st.DrawFn, /, *, plans: int | tuple[int, int] = (1, 4), longest: int = 8, investors: int = 2, **domain: Any
) -> Book:
    """A book of plans `P-1`, `P-2`, …, whose commands become known in one order.

    `plans` is a number, or the least and the greatest; each plan has up to `longest` commands after its opening, and
    one of the investors. The other arguments are those of `histories`.
    """
    low, high = between("plans", plans, minimum=0, maximum=10_000)
    between("investors", investors, minimum=1, maximum=10_000)
    made = []
    for number in range(1, draw(st.integers(low, high)) + 1):
        investor, partner = f"I-{draw(st.integers(1, investors))}", draw(_PARTNERS)
        made.append(
            draw(histories(longest=longest, plan_id=f"P-{number}", investor=investor, partner=partner, **domain))
        )
    return Book(tuple(made))


_PARTNERS = st.sampled_from(["N-1", "N-2", None])
