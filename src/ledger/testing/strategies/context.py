"""The scene of an act: a plan as far as the next command needs to know it, and the commands of acts on it."""

from bisect import bisect_right
from datetime import date, datetime, timedelta
from itertools import accumulate

from ledger.commands import (
    CancelPlan,
    ClosePlan,
    Command,
    OpenPlan,
    RecordPayment,
    ReinstatePlan,
    ReversePayment,
)
from ledger.dates import DAY, midnight
from ledger.events import PlanOpened, ScheduleRevised
from ledger.events.facts import ReversalCause
from ledger.money import Money
from ledger.plan import Plan
from ledger.terms import PartialCover
from ledger.testing.strategies import faulty
from ledger.testing.strategies.actions import Act


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


def command_of(act: Act, scene: Scene, number: int, plan: Plan | None) -> Command | None:  # noqa: PLR0911 - one return for each kind
    """Return the command of an act; None where the plan has no place for it."""
    match act.kind:
        case "pay":
            return payment_of(act, scene, number)
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


def payment_of(act: Act, scene: Scene, number: int) -> RecordPayment:
    """Return the payment of an act."""
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
    on = scene.paid[reference][0] + timedelta(days=act.days)  # for an error the day states nothing
    cause: ReversalCause = "error" if act.kind == "reverse" else "chargeback"
    return ReversePayment(plan_id=scene.plan_id, reference=reference, cause=cause, on=on)


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
