"""Commands with a fault, one for each way in which a command can be wrong. On some plans a fault is none."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import attrs

from ledger.commands import (
    CancelPlan,
    ClosePlan,
    Command,
    OpenPlan,
    RecordPayment,
    ReinstatePlan,
    ReversePayment,
)
from ledger.dates import DAY
from ledger.money import Money
from ledger.plan import Plan
from ledger.terms import EveryDays, ExplicitRelease, ExplicitSchedule, Monthly, PerUnit, Portion

_ACTOR = "decider"
_OTHER_PLAN = "refused"


def command(wrong: str, opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    """Return the command with this fault, or None where the plan has no place for it."""
    return _COMMANDS[wrong](opening, plan, reference)


# ---- openings


def _other_investor(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    return attrs.evolve(opening, investor="somebody else")


def _other_terms(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    return attrs.evolve(opening, terms=attrs.evolve(opening.terms, shares=opening.terms.shares + 1))


def _other_item(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    """Change one item of a list in the terms."""
    terms = opening.terms
    if isinstance(terms.schedule, ExplicitSchedule):
        *first, (due_on, amount) = terms.schedule.lines
        changed = attrs.evolve(terms, schedule=ExplicitSchedule((*first, (due_on + DAY, amount))))
        if len(first) == 0:
            changed = attrs.evolve(changed, first_due_on=None)
    elif isinstance(terms.release, ExplicitRelease) and any(terms.release.shares):
        changed = attrs.evolve(terms, release=ExplicitRelease((0,) * terms.installments))
    elif terms.promos:
        changed = attrs.evolve(terms, promos=terms.promos[:-1])
    else:
        changed = attrs.evolve(terms, schedule=EveryDays(29))
    return attrs.evolve(opening, terms=changed)


def _other_release(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    release = PerUnit("0") if not isinstance(opening.terms.release, PerUnit) else Portion("0")
    return attrs.evolve(opening, terms=attrs.evolve(opening.terms, release=release))


def _terms(opening: OpenPlan, **changed: Any) -> Command:
    return attrs.evolve(opening, plan_id=_OTHER_PLAN, terms=attrs.evolve(opening.terms, **changed))


def _lines_missing(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    lines = tuple((line.due_on, line.amount) for line in plan.opened.lines)
    return _terms(opening, schedule=ExplicitSchedule(lines[:-1]), first_due_on=None)


def _lines_of_other_price(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    lines = tuple((line.due_on, line.amount + 1) for line in plan.opened.lines)
    return _terms(opening, schedule=ExplicitSchedule(lines), first_due_on=None)


def _lines_of_other_day(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    lines = tuple((line.due_on, line.amount) for line in plan.opened.lines)
    return _terms(opening, schedule=ExplicitSchedule(lines), first_due_on=lines[0][0] + DAY)


def _release_of_other_count(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    return _terms(opening, release=ExplicitRelease((0,) * (opening.terms.installments + 1)))


def _release_of_too_much(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    more = (*(0,) * (opening.terms.installments - 1), opening.terms.shares + 1)
    return _terms(opening, release=ExplicitRelease(more))


def _due_before_opening(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    due = plan.opened.effective_on - DAY
    return attrs.evolve(
        opening,
        plan_id=_OTHER_PLAN,
        terms=attrs.evolve(opening.terms, schedule=Monthly(), rounding_unit=1, first_due_on=due, release=Portion("0")),
    )


def _nothing_left(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    unit = opening.terms.price.minor
    return _terms(opening, schedule=Monthly(), installments=2, rounding_unit=unit, release=Portion("0"))


def _beyond_the_calendar(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    return _terms(
        opening, schedule=Monthly(), installments=1, first_due_on=date(9999, 12, 31), release=Portion("0"), grace_days=1
    )


def _opened_ahead(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    terms = attrs.evolve(opening.terms, schedule=Monthly(), first_due_on=None, rounding_unit=1, release=Portion("0"))
    price = Money(100 * terms.installments, terms.price.currency)
    return attrs.evolve(
        opening, plan_id=_OTHER_PLAN, terms=attrs.evolve(terms, price=price), opened_at=date(9000, 1, 1)
    )


# ---- changes


def _pay(plan: Plan, reference: str, on: date, *, minor: int = 1, currency: str | None = None) -> RecordPayment:
    amount = Money(minor, currency or plan.opened.terms.price.currency)
    return RecordPayment(plan_id=plan.plan_id, reference=reference, amount=amount, paid_at=on, kind="regular")


def _other_currency(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    currency = "EUR" if plan.opened.terms.price.currency != "EUR" else "USD"
    return _pay(plan, reference, plan.opened.effective_on, currency=currency)


def _before_opening(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    return _pay(plan, reference, plan.opened.effective_on - DAY)


def _ahead(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    return _pay(plan, reference, date(9000, 1, 1))


def _too_much(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    return _pay(plan, reference, plan.opened.effective_on, minor=plan.opened.terms.price.minor + 1)


def _after_all(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    return _pay(plan, reference, plan.horizon)


def _reference_of_other_content(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    for payment in plan.payments.values():
        return _pay(plan, payment.reference, payment.effective_on, minor=payment.amount.minor + 1)
    return None


def _reference_of_other_kind(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    for request in plan.requests.values():
        return _pay(plan, request.reference, request.effective_on)
    for payment in plan.payments.values():
        on = payment.effective_on
        return CancelPlan(plan_id=plan.plan_id, reference=payment.reference, on=on, reason="asked by the investor")
    return None


def _reversed_again(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    for reversal in plan.reversals.values():
        cause, on = ("error", None) if reversal.cause == "chargeback" else ("chargeback", reversal.effective_on)
        return ReversePayment(plan_id=plan.plan_id, reference=reversal.reference, cause=cause, on=on)  # type: ignore[arg-type]  # both are causes
    return _pay(plan, reference, plan.opened.effective_on, minor=plan.opened.terms.price.minor * 2)


def _unknown_payment(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    return ReversePayment(plan_id=plan.plan_id, reference=reference, cause="error", on=None)


def _charged_back_before(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    for payment in plan.payments.values():
        if payment.effective_on > plan.opened.effective_on and payment.reference not in plan.reversals:
            on = payment.effective_on - DAY
            return ReversePayment(plan_id=plan.plan_id, reference=payment.reference, cause="chargeback", on=on)
    return None


def _cancelled_after_all(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    return CancelPlan(plan_id=plan.plan_id, reference=reference, on=plan.horizon, reason="asked by the investor")


def _cancelled_before_opening(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    on = plan.opened.effective_on - DAY
    return CancelPlan(plan_id=plan.plan_id, reference=reference, on=on, reason="asked by the investor")


def _closed_ahead(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    return ClosePlan(plan_id=plan.plan_id, through=date(9000, 1, 1))


def _unknown_plan(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
    return attrs.evolve(_pay(plan, reference, plan.horizon), plan_id=_OTHER_PLAN)


def _reinstate(plan: Plan, reference: str, on: date, *, minor: int, **changed: Any) -> ReinstatePlan:
    decision = ReinstatePlan(
        plan_id=plan.plan_id,
        reference=reference,
        on=on,
        amount=Money(minor, plan.opened.terms.price.currency),
        approved_by="head of sales",
        reason="the investor came back",
        revised_shares=None,
    )
    return attrs.evolve(decision, **changed)


def _reinstated(wrong: str) -> Callable[[OpenPlan, Plan, str], Command | None]:
    """Return the maker of a reinstatement with a fault that shows on a cancelled plan."""

    def make(opening: OpenPlan, plan: Plan, reference: str) -> Command | None:
        last = plan.opened.lines[-1].due_on + (plan.opened.terms.grace_days + 1) * DAY
        state = plan.timeline(max(plan.horizon, last)).state
        on = max(plan.horizon, state.cancelled_on or plan.horizon)
        needed = sum(line.amount for line in state.lines[state.settled :]) - state.lines[0].amount + state.missing
        full = max(1, needed)
        if wrong == "approved by its actor":
            return _reinstate(plan, reference, on, minor=full, approved_by=_ACTOR)
        if wrong == "covers too little":
            return _reinstate(plan, reference, on, minor=1)
        return _reinstate(plan, reference, on, minor=full, revised_shares=state.package + 1)

    return make


_COMMANDS: Mapping[str, Callable[[OpenPlan, Plan, str], Command | None]] = {
    "paid too much": _too_much,
    "paid before the opening": _before_opening,
    "paid after all": _after_all,
    "paid ahead": _ahead,
    "paid in another currency": _other_currency,
    "paid under the reference of another payment": _reference_of_other_content,
    "known under the reference of another command": _reference_of_other_kind,
    "paid on an unknown plan": _unknown_plan,
    "reversed again, otherwise": _reversed_again,
    "reversed, and never paid": _unknown_payment,
    "charged back before it was paid": _charged_back_before,
    "cancelled after all": _cancelled_after_all,
    "cancelled before the opening": _cancelled_before_opening,
    "closed ahead": _closed_ahead,
    "approved by its actor": _reinstated("approved by its actor"),
    "covers too little": _reinstated("covers too little"),
    "revised upwards": _reinstated("revised upwards"),
    "opened by another investor": _other_investor,
    "opened under other terms": _other_terms,
    "opened with another item": _other_item,
    "opened with another release": _other_release,
    "opened ahead": _opened_ahead,
    "opened with a line missing": _lines_missing,
    "opened with lines of another price": _lines_of_other_price,
    "opened with lines of another day": _lines_of_other_day,
    "opened with a release of another count": _release_of_other_count,
    "opened with a release of too much": _release_of_too_much,
    "opened with a due date before it": _due_before_opening,
    "opened with nothing left for the last": _nothing_left,
    "opened beyond the calendar": _beyond_the_calendar,
}

COMMANDS = tuple(_COMMANDS)
"""The faults, by name, the simplest first."""

RARE = (
    "known under the reference of another command",
    "reversed again, otherwise",
    "charged back before it was paid",
    "opened with another item",
    "approved by its actor",
    "revised upwards",
    "opened beyond the calendar",
)
"""The faults for which few plans have a place, and one that few plans reach."""
