"""The decision: a command on a recorded history becomes events, or a refusal. Pure, like everything below it.

The command's fact is added to what is recorded, the timeline is derived again, and the fact is returned with the
difference: first the fact, then voidings, then outcomes (RULES.md section 1).
"""

from collections.abc import Sequence
from datetime import date, datetime

import attrs

from ledger.commands import Change, ClosePlan, Command, Note, OpenPlan
from ledger.dates import day_in
from ledger.difference import difference
from ledger.errors import CommandRefused, Overpayment, PlanNotFound, ReferenceConflict
from ledger.events import Event, Fact, PaymentMade, PlanOpened, PlanReinstated, RecordedEvent
from ledger.money import Money
from ledger.plan import Plan
from ledger.state import Peak
from ledger.terms import PlanTerms
from ledger.timeline import timeline


def decide(history: Sequence[RecordedEvent], command: Command, note: Note) -> tuple[RecordedEvent, ...]:
    """Return the events that the command records; none if this very command was recorded before.

    `history` is the plan as recorded. Raises `CommandRefused`, `ReferenceConflict`, `NotFound`, and `CorruptHistory` if
    what is recorded does not follow from its own facts.
    """
    plan = Plan(history) if history else None
    if isinstance(command, OpenPlan):
        return _open(plan, command, note)
    if plan is None:
        raise PlanNotFound(plan_id=command.plan_id)
    if isinstance(command, ClosePlan):
        return _close(plan, command, note)
    assert isinstance(command, Change), command
    return _change(plan, command, note)


def _open(plan: Plan | None, command: OpenPlan, note: Note) -> tuple[RecordedEvent, ...]:
    opened = command.fact()
    if plan is not None:
        _compare(command.plan_id, command.plan_id, plan.opened.terms, opened.terms, prefix="terms.")
        _compare(command.plan_id, command.plan_id, plan.opened, opened, dated="opened_at")
        return ()
    _refuse_ahead(command.plan_id, "opening", opened.effective_on, opened.terms.timezone, note.recorded_at)
    first = timeline(opened, (), opened.effective_on)
    events = (opened, *first.outcomes)
    return _recorded(command.plan_id, 1, events, command.plan_id, note)


def _close(plan: Plan, command: ClosePlan, note: Note) -> tuple[RecordedEvent, ...]:
    recorded_at = max(note.recorded_at, plan.recorded_at)
    _refuse_ahead(command.plan_id, "closing", command.through, plan.opened.terms.timezone, recorded_at)
    derived = plan.timeline(max(plan.horizon, command.through))
    plan.check(derived)
    recorded = {item.outcome for item in plan.outcomes}
    events = [outcome for outcome in derived.outcomes if outcome not in recorded]
    return _recorded(plan.plan_id, plan.version + 1, events, command.through.isoformat(), note, not_before=recorded_at)


def _change(plan: Plan, command: Change, note: Note) -> tuple[RecordedEvent, ...]:
    fact = command.fact(plan)
    if (recorded := command.recorded(plan)) is not None:
        _compare(command.plan_id, command.reference, recorded, fact, dated=command.dated)
        return ()
    recorded_at, on = max(note.recorded_at, plan.recorded_at), fact.effective_on
    zone = plan.opened.terms.timezone
    if on > (today := day_in(zone, recorded_at)):
        command.refuse(
            f"{command.reference!r} is dated {on}, after {today}, the day of its recording", "date it by then"
        )
    if on < plan.opened.effective_on:
        reason = f"{command.reference!r} is dated {on}, before the opening on {plan.opened.effective_on}"
        command.refuse(reason, "date it on the opening day or later")
    horizon = max(plan.horizon, on)
    standing = plan.timeline(horizon)
    plan.check(standing)
    before = standing.state if on == horizon else plan.timeline(on).state
    command.check(plan, fact, before, note.actor)
    derived = timeline(plan.opened, [*plan.facts, fact], horizon)
    if derived.peak.standing > plan.opened.terms.price.minor:
        raise _overpayment(plan, command, fact, derived.peak)
    version = plan.version + 1
    voids_and_outcomes = difference(
        plan.outcomes,
        derived,
        because=version,
        reversal_versions={**plan.reversal_versions, command.reference: version},
        next_version=version + 1,
    )
    events = (fact, *voids_and_outcomes)
    return _recorded(plan.plan_id, version, events, command.reference, note, not_before=recorded_at)


def _compare(
    plan_id: str,
    reference: str,
    recorded: Fact | PlanOpened | PlanTerms,
    given: Fact | PlanOpened | PlanTerms,
    *,
    dated: str = "",
    prefix: str = "",
) -> None:
    """Raise `ReferenceConflict` naming the first field in which a repeated command differs from the recorded one."""
    if type(recorded) is not type(given):
        kinds = type(recorded).__name__, type(given).__name__
        raise ReferenceConflict(
            plan_id=plan_id, reference=reference, field="command", recorded=kinds[0], given=kinds[1]
        )
    for field in sorted(attrs.fields(type(recorded)), key=lambda field: field.name == "effective_on"):
        before, after = getattr(recorded, field.name), getattr(given, field.name)
        if before != after and field.name not in ("paid_at", "opened_at", "lines"):  # the civil date decides
            name = dated if field.name == "effective_on" else prefix + field.name
            raise ReferenceConflict(plan_id=plan_id, reference=reference, field=name, recorded=before, given=after)


def _refuse_ahead(plan_id: str, what: str, on: date, zone: str, recorded_at: datetime) -> None:
    """Refuse what is dated after the day of its recording. Source: RULES.md section 1."""
    if on > (today := day_in(zone, recorded_at)):
        reason = f"the {what} is dated {on}, after {today}, the day of its recording in {zone}"
        raise CommandRefused(plan_id=plan_id, reason=reason, remedy="date it by then")


def _overpayment(plan: Plan, command: Change, fact: Fact, peak: Peak) -> Overpayment:
    """Return the refusal of money with which more than the price would stand. Source: RULES.md section 5."""
    price = plan.opened.terms.price
    assert isinstance(fact, (PaymentMade, PlanReinstated)), fact
    standing = Money(peak.standing, price.currency)
    most = Money(fact.amount.minor - (peak.standing - price.minor), price.currency)
    return Overpayment(
        plan_id=plan.plan_id,
        reference=command.reference,
        reason=f"with {command.reference!r} {standing} would stand on {peak.on}, more than its price of {price}",
        remedy=f"pay at most {most}" if most.minor > 0 else "nothing is left to pay",
        price=price.minor,
        standing=peak.standing,
        currency=price.currency,
        on=peak.on,
    )


def _recorded(
    plan_id: str,
    version: int,
    events: Sequence[Event],
    key: str,
    note: Note,
    *,
    not_before: datetime | None = None,
) -> tuple[RecordedEvent, ...]:
    """Put the events of a command into their envelopes, numbered from `version`."""
    return tuple(
        RecordedEvent(
            plan_id=plan_id,
            version=version + index,
            recorded_at=note.recorded_at if not_before is None else not_before,
            actor=note.actor,
            correlation=note.correlation,
            key=key,
            event=event,
        )
        for index, event in enumerate(events)
    )
