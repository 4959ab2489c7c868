"""The restatement of one plan: the numbers of its position."""

from collections.abc import Iterable
from datetime import date

from ledger.audit.restate.answers import Answer, Restatement, moment, moments
from ledger.audit.restate.new_facts import NOTHING, learn
from ledger.dates import Known, civil_date
from ledger.errors import PlanNotFound
from ledger.events import RecordedEvent
from ledger.plan import Plan


def restate_plan(
    history: Iterable[RecordedEvent], *, as_of: date, known_at: Known, then: Known | None = None
) -> Restatement:
    """Restate a plan, its events oldest first, on a date: as known at one moment, and at a later one or by now.

    The numbers are those of its `Position`: money in minor units, shares, installments settled, days past due. Raises
    `PlanNotFound` if nothing of it was known at the later moment, or it was opened after `as_of`, `CorruptHistory`,
    `InvalidArgument`. Source: RULES.md sections 1 and 10.
    """
    as_of, (first, second) = civil_date("as_of", as_of), moments(known_at, then)
    events = list(history)
    plan = Plan(())
    learning = learn(
        events, first=first, then=second, as_of=as_of, fold=plan, measure=lambda: position_answer(plan, as_of)
    )
    if learning.after is NOTHING:
        plan_id = events[0].stream_id if events else ""
        opened_on = events[0].event.effective_on if plan.version else None
        raise PlanNotFound(plan_id=plan_id, known_at=moment(second), as_of=as_of, opened_on=opened_on)
    return Restatement(
        plan_id=plan.plan_id,
        as_of=as_of,
        known_first=moment(first) or as_of,
        known_then=moment(second),
        before=learning.before,
        after=learning.after,
        learnt=tuple(learning.learnt),
    )


def position_answer(plan: Plan, as_of: date) -> Answer:
    """Return the numbers and the status of a plan on a date; nothing before its opening."""
    if as_of < plan.opened.effective_on:
        return NOTHING
    position = plan.position(as_of)
    numbers = {
        "paid": position.paid.minor,
        "outstanding": position.outstanding.minor,
        "unapplied": position.unapplied.minor,
        "settled": position.settled,
        "days_past_due": position.days_past_due,
        "shares_credited": position.shares_credited,
        "shares_promised": position.shares_promised,
        "shares_forfeited": position.shares_forfeited,
        "bonus_credited": position.bonus_credited,
        "bonus_promised": position.bonus_promised,
    }
    return Answer(status=position.status, numbers={position.price.currency: numbers})
