"""The decision: commands on a recorded plan become events, or refusals. Pure, like everything below it.

A command's fact is added to what is recorded, the timeline is derived again, and the fact is returned with the
difference: first the fact, then voidings, then outcomes (RULES.md section 1).
"""

from collections.abc import Sequence
from datetime import date, datetime

import attrs

from ledger.commands import Change, ClosePlan, Command, Metadata, OpenPlan
from ledger.dates import day_in
from ledger.departures import difference
from ledger.errors import CommandRefused, Overpayment, PlanNotFound, ReferenceConflict
from ledger.events import (
    Event,
    Fact,
    Outcome,
    OutcomeVoided,
    PaymentMade,
    PaymentReversed,
    PlanOpened,
    PlanReinstated,
    RecordedEvent,
)
from ledger.events.outcomes import shares_of
from ledger.money import Money
from ledger.plan import Plan
from ledger.state import HighWaterMark
from ledger.terms import PlanTerms
from ledger.timeline import Derivation, timeline

_NOT_COMPARED = ("paid_at", "opened_at", "lines", "terms")
"""The civil date stands for an instant, the terms for their lines; terms are compared field by field."""


def decide(history: Sequence[RecordedEvent], command: Command, metadata: Metadata) -> tuple[RecordedEvent, ...]:
    """Return the events that the command records; none if this very command was recorded before.

    `history` is the plan as recorded. Raises `CommandRefused`, `ReferenceConflict`, `NotFound`, and `CorruptHistory` if
    what is recorded does not follow from its own facts.
    """
    return Decider(history).decide(command, metadata)


class Decider:
    """Decides the commands on one plan, one after another, each as if the ones before it had been recorded.

    The decider keeps a derivation at the plan's latest day: a fact that comes in the order of the days costs one step,
    only one that is recorded late a new derivation.
    """

    def __init__(self, history: Sequence[RecordedEvent]) -> None:
        self._plan = Plan(history) if history else None
        self._derivation: Derivation | None = None

    def decide(self, command: Command, metadata: Metadata) -> tuple[RecordedEvent, ...]:
        """Return the events that the command records. Raises as `decide` does, and then nothing has changed."""
        plan = self._plan
        if isinstance(command, OpenPlan):
            events = _open(plan, command, metadata)
        elif plan is None:
            raise PlanNotFound(plan_id=command.plan_id)
        elif isinstance(command, ClosePlan):
            events = self._close(plan, command, metadata)
        else:
            assert isinstance(command, Change), command
            events = self._change(plan, command, metadata)
        if plan is None:
            self._plan = Plan(events)
        else:
            for recorded in events:
                plan.apply(recorded)
        return events

    def _close(self, plan: Plan, command: ClosePlan, metadata: Metadata) -> tuple[RecordedEvent, ...]:
        recorded_at = max(metadata.recorded_at, plan.recorded_at)
        _refuse_ahead(command.plan_id, "closing", command.through, plan.opened.terms.timezone, recorded_at)
        self._advance(plan, max(plan.horizon, command.through))
        assert self._derivation is not None
        outcomes, _ = self._derivation.log.news()
        return _recorded(plan, outcomes, command.through.isoformat(), metadata, recorded_at)

    def _change(self, plan: Plan, command: Change, metadata: Metadata) -> tuple[RecordedEvent, ...]:
        fact = command.fact(plan)
        if (recorded := command.recorded(plan)) is not None:
            _compare(command.plan_id, command.reference, recorded, fact, dated=command.dated)
            return ()
        recorded_at = max(metadata.recorded_at, plan.recorded_at)
        _check_day(plan, command, fact.effective_on, recorded_at)
        in_order = self._advance(plan, fact.effective_on)
        never_made = isinstance(fact, PaymentReversed) and fact.cause == "error"
        late = not in_order or never_made
        brought = self._step_back(plan, command, fact, metadata) if late else self._step(plan, command, fact, metadata)
        return _recorded(plan, (fact, *brought), command.reference, metadata, recorded_at)

    def _advance(self, plan: Plan, on: date) -> bool:
        """Derivation to this day and tell whether that was possible: a fact of a later day may have led further.

        Whoever begins to derivation finds out whether what is recorded follows from the facts. Raises `CorruptHistory`.
        """
        if self._derivation is None or self._derivation.today > max(on, plan.horizon):
            self._derivation = Derivation(plan.opened, plan.facts, through=plan.horizon)
            self._derivation.log.news()  # which is recorded
            plan.check(self._derivation.timeline())
        if on < self._derivation.today:
            return False
        self._derivation.pass_deadlines(on)
        return True

    def _step(self, plan: Plan, command: Change, fact: Fact, metadata: Metadata) -> Sequence[Outcome | OutcomeVoided]:
        """Return what a fact in the order of the days brings: voidings of what a chargeback ended, then outcomes."""
        derivation = self._derivation
        assert derivation is not None
        command.check(plan, fact, derivation, metadata.actor)
        if isinstance(fact, (PaymentMade, PlanReinstated)):
            _check_standing(
                plan, command, fact, HighWaterMark(fact.effective_on, derivation.funds.standing + fact.amount.minor)
            )
        derivation.take(fact)
        outcomes, ended = derivation.log.news()
        if any(outcome in plan.by_outcome for outcome in outcomes):  # it was voided, and holds again
            return self._difference(plan, command, fact)
        voided = sorted((plan.by_outcome[outcome] for outcome in ended), key=lambda item: item.version)
        version = plan.version + 1
        return [
            *(OutcomeVoided(fact.effective_on, item.version, shares_of(item.outcome), version) for item in voided),
            *outcomes,
        ]

    def _step_back(
        self, plan: Plan, command: Change, fact: Fact, metadata: Metadata
    ) -> Sequence[Outcome | OutcomeVoided]:
        """Return what a fact brings that is learnt of late: the difference that it makes."""
        command.check(plan, fact, Derivation(plan.opened, plan.facts, through=fact.effective_on), metadata.actor)
        return self._difference(plan, command, fact)

    def _difference(self, plan: Plan, command: Change, fact: Fact) -> Sequence[Outcome | OutcomeVoided]:
        self._derivation = None
        derived = timeline(plan.opened, [*plan.facts, fact], max(plan.horizon, fact.effective_on))
        if isinstance(fact, (PaymentMade, PlanReinstated)):
            _check_standing(plan, command, fact, derived.highest)
        version = plan.version + 1
        return difference(
            plan.outcomes,
            derived,
            because=version,
            reversal_versions={**plan.reversal_versions, command.reference: version},
            next_version=version + 1,
        )


def _open(plan: Plan | None, command: OpenPlan, metadata: Metadata) -> tuple[RecordedEvent, ...]:
    opened = command.fact()
    if plan is not None:
        _compare(command.plan_id, command.plan_id, plan.opened, opened, dated="opened_at")
        _compare(command.plan_id, command.plan_id, plan.opened.terms, opened.terms, prefix="terms.")
        return ()
    _refuse_ahead(command.plan_id, "opening", opened.effective_on, opened.terms.timezone, metadata.recorded_at)
    return (
        RecordedEvent(
            stream_id=command.plan_id,
            version=1,
            recorded_at=metadata.recorded_at,
            actor=metadata.actor,
            correlation=metadata.correlation,
            key=command.plan_id,
            event=opened,
        ),
    )


def _check_day(plan: Plan, command: Change, on: date, recorded_at: datetime) -> None:
    """Refuse a fact dated after the day of its recording, or before the opening. Source: RULES.md sections 1 and 5."""
    if on > (today := day_in(plan.opened.terms.timezone, recorded_at)):
        reason = f"{command.reference!r} is dated {on}, after {today}, the day of its recording"
        command.refuse(reason, "date it by then")
    if on < plan.opened.effective_on:
        reason = f"{command.reference!r} is dated {on}, before the opening on {plan.opened.effective_on}"
        command.refuse(reason, "date it on the opening day or later")


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
        if before != after and field.name not in _NOT_COMPARED:
            name = dated if field.name == "effective_on" else prefix + field.name
            raise ReferenceConflict(plan_id=plan_id, reference=reference, field=name, recorded=before, given=after)


def _refuse_ahead(plan_id: str, what: str, on: date, zone: str, recorded_at: datetime) -> None:
    """Refuse what is dated after the day of its recording. Source: RULES.md section 1."""
    if on > (today := day_in(zone, recorded_at)):
        reason = f"the {what} is dated {on}, after {today}, the day of its recording in {zone}"
        raise CommandRefused(plan_id=plan_id, reason=reason, remedy="date it by then")


def _check_standing(plan: Plan, command: Change, fact: PaymentMade | PlanReinstated, highest: HighWaterMark) -> None:
    """Refuse money with which more than the price would stand at once. Source: RULES.md section 5."""
    price = plan.opened.terms.price
    if highest.standing <= price.minor:
        return
    standing = Money(highest.standing, price.currency)
    most = Money(fact.amount.minor - (highest.standing - price.minor), price.currency)
    raise Overpayment(
        plan_id=plan.plan_id,
        reference=command.reference,
        reason=f"with {command.reference!r} {standing} would stand on {highest.on}, more than its price of {price}",
        remedy=f"pay at most {most}" if most.minor > 0 else "nothing is left to pay",
        price=price.minor,
        standing=highest.standing,
        currency=price.currency,
        on=highest.on,
    )


def _recorded(
    plan: Plan, events: Sequence[Event], key: str, metadata: Metadata, recorded_at: datetime
) -> tuple[RecordedEvent, ...]:
    """Put the events of a command into their envelopes, numbered on from the plan's version."""
    return tuple(
        RecordedEvent(
            stream_id=plan.plan_id,
            version=version,
            recorded_at=recorded_at,
            actor=metadata.actor,
            correlation=metadata.correlation,
            key=key,
            event=event,
        )
        for version, event in enumerate(events, plan.version + 1)
    )
