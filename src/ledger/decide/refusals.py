"""The refusals: a fact that the rules forbid on the plan as it is just before it. Each raises a `CommandRefused`.

They judge facts and not commands, so that an audit can ask the same of what is recorded.
"""

from datetime import date, datetime, timedelta

from ledger.dates import day_in
from ledger.errors import (
    CommandRefused,
    Overpayment,
    PaymentRefused,
    PlanIsCancelled,
    PlanIsCompleted,
    ReinstatementRefused,
)
from ledger.events import CancellationRequested, Fact, PaymentMade, PaymentReversed, PlanReinstated
from ledger.money import Money
from ledger.plan import Plan
from ledger.state import Snapshot
from ledger.terms import Closed, PartialCover, PlanTerms
from ledger.terms.schedule import redated


def refuse_ahead(plan_id: str, act: str, on: date, zone: str, recorded_at: datetime) -> None:
    """Refuse an opening or a closing dated after the day of its recording. Source: RULES.md section 1."""
    if on > (today := day_in(zone, recorded_at)):
        reason = f"the {act} is dated {on}, after {today}, the day of its recording in {zone}"
        raise CommandRefused(plan_id=plan_id, reason=reason, remedy="record it on that day or later")


def refuse_day(fact: Fact, plan: Plan, recorded_at: datetime) -> None:
    """Refuse a fact dated after the day of its recording, or before the opening. Source: RULES.md sections 1 and 5."""
    on, opened = fact.effective_on, plan.opened
    if on > (today := day_in(opened.terms.timezone, recorded_at)):
        reason = f"{fact.reference!r} is dated {on}, after {today}, the day of its recording"
        raise _refusal(fact, plan, reason, "record it on that day or later")
    if on < opened.effective_on:
        reason = f"{fact.reference!r} is dated {on}, before the opening on {opened.effective_on}"
        raise _refusal(fact, plan, reason, "check the plan and the date")


def refuse(fact: Fact, plan: Plan, before: Snapshot, actor: str | None) -> None:
    """Refuse a fact that the rules forbid on the plan as it is just `before` it; `actor` records it."""
    match fact:
        case PaymentMade():
            _refuse_currency(fact, plan)
            _refuse_ended(fact, "payment", plan, before)
        case CancellationRequested():
            _refuse_ended(fact, "request", plan, before)
        case PaymentReversed():
            paid_on = plan.payments[fact.reference].effective_on
            if fact.effective_on < paid_on:
                reason = f"payment {fact.reference!r} of {paid_on} cannot be charged back on {fact.effective_on}"
                raise _refusal(fact, plan, reason, "check the payment and the date")
            if fact.cause == "chargeback" and (date.max - fact.effective_on).days <= plan.opened.terms.grace_days:
                reason = f"after a chargeback on {fact.effective_on} its grace would run beyond the year 9999"
                raise _refusal(fact, plan, reason, "check the date")
        case PlanReinstated():
            _refuse_currency(fact, plan)
            _refuse_reinstatement(fact, plan, before, actor)


def refuse_overpayment(fact: PaymentMade | PlanReinstated, plan: Plan, *, held: int, on: date) -> None:
    """Refuse money with which more than the price would be held at once, on a day. Source: RULES.md section 5."""
    price = plan.opened.terms.price
    if held <= price.minor:
        return
    most = Money(fact.amount.minor - (held - price.minor), price.currency)
    raise Overpayment(
        plan_id=plan.plan_id,
        reference=fact.reference,
        reason=f"with {fact.reference!r} {Money(held, price.currency)} would stand on {on}, "
        f"more than its price of {price}",
        remedy=f"pay at most {most}" if most.minor > 0 else "nothing is left to pay",
        price=price.minor,
        standing=held,
        currency=price.currency,
        on=on,
    )


def _refusal(fact: Fact, plan: Plan, reason: str, remedy: str) -> CommandRefused:
    """Return the refusal that is the fact's own."""
    if isinstance(fact, CancellationRequested):
        return CommandRefused(plan_id=plan.plan_id, reason=reason, remedy=remedy)
    refused = ReinstatementRefused if isinstance(fact, PlanReinstated) else PaymentRefused
    return refused(plan_id=plan.plan_id, reference=fact.reference, reason=reason, remedy=remedy)


def _refuse_currency(fact: PaymentMade | PlanReinstated, plan: Plan) -> None:
    if fact.amount.currency != (expected := plan.opened.terms.price.currency):
        reason = f"{fact.reference!r} is in {fact.amount.currency}, the plan in {expected}"
        raise _refusal(fact, plan, reason, f"pay in {expected}")


def _refuse_ended(fact: PaymentMade | CancellationRequested, act: str, plan: Plan, before: Snapshot) -> None:
    """Refuse a fact on a plan that was cancelled or completed by then. Source: RULES.md sections 5 and 6."""
    pays, on = isinstance(fact, PaymentMade), fact.effective_on
    if before.cancelled_on is not None:
        reason = f"{act} {fact.reference!r} is dated {on} and the plan was cancelled on {before.cancelled_on}"
        remedy = "nothing is left to cancel"
        if pays:
            closed = isinstance(plan.opened.terms.reinstatement, Closed)
            remedy = (
                "return the money: its terms allow no reinstatement"
                if closed
                else "reinstate the plan, or return the money"
            )
        raise PlanIsCancelled(plan_id=plan.plan_id, reason=reason, remedy=remedy, cancelled_on=before.cancelled_on)
    if before.completed_on is not None:
        reason = f"{act} {fact.reference!r} is dated {on} and the plan was completed on {before.completed_on}"
        remedy = "nothing is left to pay" if pays else "nothing is left to cancel"
        raise PlanIsCompleted(plan_id=plan.plan_id, reason=reason, remedy=remedy, completed_on=before.completed_on)


def _refuse_reinstatement(fact: PlanReinstated, plan: Plan, before: Snapshot, actor: str | None) -> None:
    """Refuse a decision that the policy or the plan does not allow. Source: RULES.md section 9."""
    terms: PlanTerms = plan.opened.terms
    policy, unsettled = terms.reinstatement, before.lines[before.settled :]
    if before.completed_on is not None:
        raise _refusal(fact, plan, f"it was completed on {before.completed_on}", "nothing is left to pay")
    if before.cancelled_on is None:
        reason = f"it is not cancelled on {fact.effective_on}"
        raise _refusal(fact, plan, reason, "record the money as an ordinary payment")
    if isinstance(policy, Closed):
        raise _refusal(fact, plan, "its terms do not allow a reinstatement", "leave it cancelled")
    if fact.approved_by == actor:
        raise _refusal(fact, plan, f"{actor!r} cannot approve what {actor!r} records", "let somebody else approve it")
    overdue = [count for count, line in enumerate(unsettled, 1) if line.due_on < fact.effective_on]
    demanded = min(policy.minimum, len(overdue)) if isinstance(policy, PartialCover) else len(overdue)
    if demanded and fact.amount.minor < (needed := _cost(before, overdue[demanded - 1])):
        reason = f"{fact.amount} do not cover {demanded} overdue installment{'s' * (demanded > 1)}"
        raise _refusal(fact, plan, reason, f"pay at least {Money(needed, terms.price.currency)}")
    covered = not overdue or fact.amount.minor >= _cost(before, overdue[-1])
    _refuse_revision(fact, plan, before, covered=covered)
    try:  # all lines: what is known later may reopen those that are settled
        last = redated(before.lines, terms.schedule, reinstated_on=fact.effective_on)[-1].due_on
        _ = last + timedelta(days=terms.grace_days + 1)
    except OverflowError:
        reason = "its schedule would run beyond the year 9999"
        raise _refusal(fact, plan, reason, "leave it cancelled") from None


def _refuse_revision(fact: PlanReinstated, plan: Plan, before: Snapshot, *, covered: bool) -> None:
    """Refuse a revised number of shares that the plan cannot have, or its absence where it is needed."""
    released = sum(line.shares for line in before.lines)
    if fact.revised_shares is None:
        if not covered:
            remedy = f"state revised_shares, from {released:,} to {before.package:,}"
            reason = "not everything overdue is covered, so the package must be revised"
            raise _refusal(fact, plan, reason, remedy)
    elif not released <= fact.revised_shares <= before.package:
        reason = f"a package of {before.package:,} shares cannot be revised to {fact.revised_shares:,}"
        remedy = f"state {released:,}, which its installments release, to {before.package:,}"
        raise _refusal(fact, plan, reason, remedy)


def _cost(before: Snapshot, lines: int) -> int:
    """Return the money that settles this many of the oldest unsettled lines, at least one, in minor units."""
    later = before.lines[before.settled + 1 : before.settled + lines]
    return before.missing + sum(line.amount for line in later)
