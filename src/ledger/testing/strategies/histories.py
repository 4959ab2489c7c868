"""Strategies for that which happens to plans: commands, facts, whole histories, and books of several plans."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import accumulate
from typing import Any

import attrs

from ledger.commands import (
    CancelPlan,
    ClosePlan,
    Command,
    Metadata,
    OpenPlan,
    RecordPayment,
    ReinstatePlan,
    ReversePayment,
)
from ledger.dates import DAY, midnight
from ledger.decide import Decider, fact_of
from ledger.errors import LedgerError, PlanIsCancelled
from ledger.events import Fact, PlanOpened, RecordedEvent, ScheduleRevised
from ledger.money import Money
from ledger.plan import Plan
from ledger.terms import Closed, PartialCover
from ledger.testing.strategies import faulty
from ledger.testing.strategies._hypothesis import st
from ledger.testing.strategies.acts import TROUBLE, Act, Trouble, acts
from ledger.testing.strategies.agreed import FIRST_DAY, LAST_DAY, between, chosen, openings, terms
from ledger.testing.strategies.recorded import Attempt, Book, History

ACTOR = "decider"
_NOON = time(12, tzinfo=UTC)


def known_by(day: date, at_the_earliest: datetime) -> datetime:
    """Return the instant at which something of this day is recorded: noon after it, when it has come everywhere."""
    return max(at_the_earliest, datetime.combine(day + DAY, _NOON))


class Scene:
    """A plan in the making, as far as the next command needs to know it: what is paid, and what is due next."""

    def __init__(self, opened: PlanOpened, *, plan_id: str) -> None:
        self.opened, self.plan_id = opened, plan_id
        self.due = [line.due_on for line in opened.lines]
        self.owed = [0, *accumulate(line.amount for line in opened.lines)]
        self.paid: dict[str, tuple[date, int]] = {}

    @classmethod
    def of(cls, plan: Plan) -> "Scene":
        """Return the scene after all that is recorded on a plan."""
        scene = cls(plan.opened, plan_id=plan.plan_id)
        for payment in plan.payments.values():
            if payment.reference not in plan.reversals:
                scene.paid[payment.reference] = payment.effective_on, payment.amount.minor
        for item in plan.outcomes:
            if isinstance(item.outcome, ScheduleRevised) and item.void is None:
                scene.redate(item.outcome)
        return scene

    def redate(self, revised: ScheduleRevised) -> None:
        """Take the due dates of a reinstatement."""
        for line in revised.lines:
            self.due[line.number - 1] = line.due_on

    def record(self, fact: object) -> None:
        """Take in what a command has recorded."""
        if isinstance(fact, ScheduleRevised):
            self.redate(fact)
        elif hasattr(fact, "amount"):
            self.paid[fact.reference] = fact.effective_on, fact.amount.minor  # type: ignore[attr-defined]  # a payment
        elif hasattr(fact, "cause"):
            self.paid.pop(getattr(fact, "reference", ""), None)

    @property
    def standing(self) -> int:
        """The money that was paid and not taken back, in minor units."""
        return sum(amount for _, amount in self.paid.values())

    def next_line(self) -> int:
        """Return the index of the line that the next payment settles, the last one where all are settled."""
        return min(bisect_right(self.owed, self.standing), len(self.due)) - 1

    def day(self, act: Act) -> date:
        """Return the day of an act, not before the opening."""
        since = self.due[self.next_line()]
        since += timedelta(days=self.opened.terms.grace_days if act.from_grace else 0)
        return max(self.opened.effective_on, since + timedelta(days=act.days))

    def amount(self, act: Act) -> int:
        """Return the money of an act: of the line next to pay, of several, of a part of it."""
        line, paid = self.next_line(), self.standing
        count = {"two": 2, "three": 3, "all": len(self.due)}.get(act.span, 1)
        whole = self.owed[min(line + count, len(self.due))] - (paid if act.span != "half" else self.owed[line])
        return max(1, {"half": whole // 2, "less": whole - 1, "more": whole + 1}.get(act.span, whole))


@st.composite
def commands(
    draw: st.DrawFn,
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
    return _command(act, scene, number, known) or _pay(Act("pay"), scene, number)


def _troubles(trouble: Collection[Trouble]) -> frozenset[Trouble]:
    return frozenset(chosen("trouble", trouble, TROUBLE)) if trouble else frozenset()


def _acts(trouble: Collection[Trouble], closings: bool, instants: bool, sizes: tuple[int, int]) -> "_Acts":  # noqa: FBT001 - two callers
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


def _command(act: Act, scene: Scene, number: int, plan: Plan | None) -> Command | None:
    """Return the command of an act; None where the plan has no place for it."""
    match act.kind:
        case "pay":
            return _pay(act, scene, number)
        case "pay twice" if scene.paid:
            on, amount = list(scene.paid.values())[-1]
            return _payment(scene, number, on=on, minor=amount)
        case "close":
            return ClosePlan(plan_id=scene.plan_id, through=scene.day(act))
        case "cancel":
            on = scene.day(act)
            return CancelPlan(plan_id=scene.plan_id, reference=f"crm-{number}", on=on, reason="asked by the investor")
        case "reverse" | "charge back" if scene.paid:
            return _reversal(act, scene)
        case "reinstate":
            return _guessed(act, scene, number) if plan is None else _reinstatement(act, scene, number, plan)
        case "refused" if plan is not None:
            opening = OpenPlan(
                plan_id=plan.plan_id,
                investor=plan.opened.investor,
                partner=plan.opened.partner,
                terms=plan.opened.terms,
                opened_at=plan.opened.opened_at or plan.opened.effective_on,
            )
            return faulty.command(act.wrong, opening, plan, f"bank-{number}")
    return None


def _pay(act: Act, scene: Scene, number: int) -> RecordPayment:
    on: date | datetime = scene.day(act)
    if act.at_midnight:
        on = midnight(scene.opened.terms.timezone, on + DAY) - timedelta(seconds=1)
    return _payment(scene, number, on=on, minor=scene.amount(act), early=act.early)


def _payment(scene: Scene, number: int, *, on: date, minor: int, early: bool = False) -> RecordPayment:
    return RecordPayment(
        plan_id=scene.plan_id,
        reference=f"bank-{number}",
        amount=Money(minor, scene.opened.terms.price.currency),
        paid_at=on,
        kind="early_repayment" if early else "regular",
    )


def _reversal(act: Act, scene: Scene) -> ReversePayment:
    reference = list(scene.paid)[-1 - act.pick % len(scene.paid)]
    if act.kind == "reverse":
        return ReversePayment(plan_id=scene.plan_id, reference=reference, cause="error", on=None)
    on = scene.paid[reference][0] + timedelta(days=act.days)
    return ReversePayment(plan_id=scene.plan_id, reference=reference, cause="chargeback", on=on)


def _reinstatement(act: Act, scene: Scene, number: int, plan: Plan) -> ReinstatePlan | None:
    """Return a decision about a plan that is cancelled by the last deadline at the latest; None if it is not."""
    last = max(scene.due[-1], *(on for on, _ in scene.paid.values()), plan.horizon)
    ended = plan.timeline(last + timedelta(days=plan.opened.terms.grace_days + 1)).state
    if ended.cancelled_on is None:
        return None
    on = ended.cancelled_on + timedelta(days=act.days)
    overdue = [line.amount for line in ended.lines[ended.settled :] if line.due_on < on] or [1]
    overdue[0] += ended.missing - ended.lines[ended.settled].amount if overdue != [1] else 0
    policy = plan.opened.terms.reinstatement
    least = policy.minimum if isinstance(policy, PartialCover) else 1
    count = {"one": least, "half": 1, "three": 3}.get(act.span, len(overdue))
    minor = sum(overdue[:count]) // (2 if act.span == "half" else 1) + (act.span == "more")
    released = sum(line.shares for line in ended.lines)
    revised = (None, ended.package, max(1, released), max(1, (released + ended.package) // 2))[act.pick]
    return ReinstatePlan(
        plan_id=scene.plan_id,
        reference=f"bank-{number}",
        on=on,
        amount=Money(max(1, minor), plan.opened.terms.price.currency),
        approved_by="head of sales",
        reason="the investor came back",
        revised_shares=revised,
    )


def _guessed(act: Act, scene: Scene, number: int) -> ReinstatePlan:
    """Return a decision about a plan of which only the payments are known: it fits if grace ended for its next line."""
    released = sum(line.shares for line in scene.opened.lines)
    package = scene.opened.terms.shares
    return ReinstatePlan(
        plan_id=scene.plan_id,
        reference=f"bank-{number}",
        on=scene.day(act._replace(days=act.days + 1, from_grace=True)),
        amount=Money(scene.amount(act), scene.opened.terms.price.currency),
        approved_by="head of sales",
        reason="the investor came back",
        revised_shares=(None, package, max(1, released), max(1, (released + package) // 2))[act.pick],
    )


@st.composite
def facts(
    draw: st.DrawFn, plan: Plan | None = None, *, kinds: Collection[type[Any]] | None = None, **domain: Any
) -> Fact:
    """A fact of a plan: a payment, a reversal, a request or a reinstatement, of the classes in `kinds`.

    Without a plan it is one of a random history; the other arguments are those of `histories`. With one it is a fact
    that might be recorded on it next, whether or not the rules allow it.
    """
    wanted = tuple(kinds) if kinds is not None else ()
    if plan is None:
        found = draw(histories(**domain).map(lambda history: history.plan.facts).filter(bool))
        matching = [fact for fact in found if not wanted or isinstance(fact, wanted)]
        return draw(st.sampled_from(matching)) if matching else draw(st.nothing())
    command = draw(commands(plan, trouble=_CHANGES, closings=False))
    return fact_of(command, plan)  # type: ignore[arg-type]  # no trouble of these opens or closes a plan


_CHANGES: tuple[Trouble, ...] = ("late", "reversed", "charged back", "cancelled", "reinstated")


class Writer:
    """Writes one history: decides each command on what is recorded so far, at an instant that fits its day."""

    def __init__(self, opening: OpenPlan, trouble: frozenset[Trouble]) -> None:
        self._orderly, self._keeps_refused = "late" not in trouble, "refused" in trouble
        self._reinstates = "reinstated" in trouble and not isinstance(opening.terms.reinstatement, Closed)
        self._cancelled_on: date | None = None
        self._decider = Decider(())
        self._now = datetime.min.replace(tzinfo=UTC)
        self._last_day = date.min
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
        elif (fitting := self._fitting(act)) and (
            command := _command(fitting, self.scene, number, self.plan)
        ):
            self.attempt(self._in_order(command) if self._orderly else command)

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

    def attempt(self, command: Command) -> None:
        """Decide a command; keep it with its events, and with its error where refused ones are kept."""
        day = _day_of(command)
        at = known_by(day, self._now) if day < _FAR_AHEAD else self._now
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
        self._now, self._last_day = at, max(self._last_day, day)
        if events and isinstance(command, (RecordPayment, ReinstatePlan, CancelPlan)):
            self._cancelled_on = command.on if isinstance(command, CancelPlan) else None
        for recorded in events if len(self.attempts) > 1 else ():
            self.plan.apply(recorded)
            self.scene.record(recorded.event)

    def _in_order(self, command: Command) -> Command:
        """Return the command on its own day or, where something later is recorded already, on the day of that."""
        if isinstance(command, RecordPayment) and _day_of(command) < self._last_day:
            return attrs.evolve(command, paid_at=self._last_day)
        if isinstance(command, (CancelPlan, ReinstatePlan)):
            return attrs.evolve(command, on=max(command.on, self._last_day))
        return command


_FAR_AHEAD = date(9000, 1, 1)
_AS_BEFORE = -40
"""The days of an act that is attempted on a plan that takes no payment too."""



def _day_of(command: Command) -> date:
    """Return the day of a command as a calendar anywhere may have it: that of its instant in UTC."""
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
    return day.date() if isinstance(day, datetime) else day


@st.composite
def histories(
    draw: st.DrawFn,
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
    "refused", which are left out otherwise. `closings` allows closings of the books, `instants` payments whose instant is
    known instead of their date. The plan is `opening`, or opens
    from `first` to `last` under terms narrowed by the other arguments, which are those of `terms`. A failing example
    shrinks to few commands on a plan of one installment, opened on the first day of a month. Raises `InvalidArgument`
    for an unknown word.
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
    draw: st.DrawFn, *, plans: int | tuple[int, int] = (1, 4), longest: int = 8, investors: int = 2, **domain: Any
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
        ids = {"plan_id": f"P-{number}", "investor": investor, "partner": partner}
        made.append(draw(histories(longest=longest, **ids, **domain)))
    return Book(tuple(made))


_PARTNERS = st.sampled_from(["N-1", "N-2", None])
