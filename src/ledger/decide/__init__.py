"""The decision: a command on a recorded plan becomes events, or is refused. Pure, like everything below it.

A command's fact is added to the recorded ones, the outcomes are derived again, and the fact is returned with the
corrections of the record: first the fact, then voidings, then outcomes (RULES.md section 1).
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from itertools import zip_longest

import attrs

from ledger.commands import (
    AnyCommand,
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
from ledger.dates import day_in
from ledger.discrepancies import Discrepancy, discrepancies
from ledger.errors import (
    CommandRefused,
    LedgerError,
    Overpayment,
    PaymentNotFound,
    PaymentRefused,
    PlanIsCancelled,
    PlanIsCompleted,
    PlanNotFound,
    ReferenceConflict,
    ReinstatementRefused,
)
from ledger.events import (
    CancellationRequested,
    Event,
    Fact,
    MoneyReceived,
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
from ledger.state import Snapshot
from ledger.terms import Closed, ExplicitRelease, ExplicitSchedule, PartialCover, PlanTerms
from ledger.terms.schedule import installments, redated
from ledger.timeline import Derivation

_NOT_COMPARED = ("paid_at", "opened_at", "lines", "terms")
"""The civil date stands for an instant, the terms for their lines; terms are compared field by field."""


def decide(history: Sequence[RecordedEvent], command: Command, metadata: Metadata) -> tuple[RecordedEvent, ...]:
    """Return the events that the command records; none if this very command was recorded before.

    `history` is the plan as recorded. Raises `CommandRefused`, `ReferenceConflict`, `NotFound`, and `CorruptHistory` if
    the recorded outcomes do not follow from the recorded facts.
    """
    return Decider(history).decide(command, metadata)


def repeats(plan: Plan, command: Command) -> bool:
    """Return whether this very command was recorded on the plan before, so that it would record nothing."""
    try:
        if isinstance(command, OpenPlan):
            _open(plan, command, Metadata(recorded_at=plan.recorded_at))
            return True
        if not isinstance(command, Change) or (recorded := _recorded_fact(command, plan)) is None:
            return False
        dated = "paid_at" if isinstance(command, RecordPayment) else "on"
        _compare(command.plan_id, command.reference, recorded, fact_of(command, plan), dated=dated)
    except LedgerError:
        return False
    return True


class Decider:
    """Decides the commands on one plan, one after another, each as if the ones before it had been recorded.

    The decider keeps a derivation at the plan's latest day: a fact in the order of the days costs one step, only one
    that is recorded late a new derivation.
    """

    def __init__(self, history: Sequence[RecordedEvent]) -> None:
        self._plan = Plan(history) if history else None
        self._derivation: Derivation | None = None

    @property
    def version(self) -> int:
        """The number of the plan's events."""
        return 0 if self._plan is None else self._plan.version

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

    def recorded(self, at: datetime) -> None:
        """Note the instant at which the latest event was recorded in the end."""
        assert self._plan is not None
        self._plan.recorded_at = at

    def paid_on(self, reference: str) -> date:
        """Return the date of a recorded payment."""
        assert self._plan is not None
        return self._plan.payments[reference].effective_on

    def reversed_for_error(self, reference: str) -> bool:
        """Return whether a payment was reversed for error."""
        reversal = None if self._plan is None else self._plan.reversals.get(reference)
        return reversal is not None and reversal.cause == "error"

    def _close(self, plan: Plan, command: ClosePlan, metadata: Metadata) -> tuple[RecordedEvent, ...]:
        recorded_at = max(metadata.decided_at, plan.recorded_at)
        _refuse_ahead(command, "closing", command.through, plan.opened.terms.timezone, recorded_at)
        outcomes, _ = self._derived(plan, through=max(plan.horizon, command.through)).latest()
        return recorded_events(
            command, outcomes, metadata, key=command.through.isoformat(), after=plan.version, recorded_at=recorded_at
        )

    def _change(self, plan: Plan, command: Change, metadata: Metadata) -> tuple[RecordedEvent, ...]:
        fact = fact_of(command, plan)
        if (recorded := _recorded_fact(command, plan)) is not None:
            dated = "paid_at" if isinstance(command, RecordPayment) else "on"
            _compare(command.plan_id, command.reference, recorded, fact, dated=dated)
            return ()
        recorded_at = max(metadata.decided_at, plan.recorded_at)
        _refuse_day(command, fact.effective_on, plan.opened, recorded_at)
        derivation = self._derived(plan, through=fact.effective_on)
        never_made = isinstance(fact, PaymentReversed) and fact.cause == "error"
        if derivation.on > fact.effective_on or never_made:
            outcomes = self._derive_again(plan, command, fact, metadata.actor)
        else:
            outcomes = _step(derivation, plan, command, fact, metadata.actor)
        events = (fact, *outcomes)
        return recorded_events(
            command, events, metadata, key=command.reference, after=plan.version, recorded_at=recorded_at
        )

    def _derive_again(
        self, plan: Plan, command: Change, fact: Fact, actor: str | None
    ) -> Sequence[Outcome | OutcomeVoided]:
        """Return the voidings and outcomes of a fact that is recorded late: everything is derived again."""
        before = Derivation.run(plan.opened, plan.facts, through=fact.effective_on)
        _refuse(command, fact, plan, before.snapshot(), actor)
        derivation = Derivation.run(plan.opened, [*plan.facts, fact], through=max(plan.horizon, fact.effective_on))
        derived = derivation.timeline()
        if isinstance(fact, (PaymentMade, PlanReinstated)):
            _refuse_overpayment(command, fact, plan, held=derived.most_held, on=derived.most_held_on)
        derivation.latest()  # all of it is recorded with the fact
        self._derivation = derivation
        return _corrections(discrepancies(plan.outcomes, derived.outcomes, derived.ended), plan)

    def _derived(self, plan: Plan, *, through: date) -> Derivation:
        """Return the derivation at the end of a day, or of a later one up to which outcomes are recorded already.

        The first call finds out whether the recorded outcomes follow from the facts. Raises `CorruptHistory`.
        """
        derivation = self._derivation
        if derivation is None or derivation.on > max(through, plan.horizon):
            derivation = Derivation.run(plan.opened, plan.facts, through=plan.horizon)
            derivation.latest()  # all of it is recorded
            plan.check(derivation.timeline())
            self._derivation = derivation
        if derivation.on < through:
            derivation.advance(through)
        return derivation


def _step(
    derivation: Derivation, plan: Plan, command: Change, fact: Fact, actor: str | None
) -> Sequence[Outcome | OutcomeVoided]:
    """Return the voidings and outcomes of a fact in the order of the days: the derivation goes one step further."""
    before = derivation.snapshot()
    _refuse(command, fact, plan, before, actor)
    if isinstance(fact, (PaymentMade, PlanReinstated)):
        _refuse_overpayment(command, fact, plan, held=before.held + fact.amount.minor, on=fact.effective_on)
    derivation.apply(fact)
    outcomes, ended = derivation.latest()
    changed = plan.changed(outcomes, ended)
    return _corrections(discrepancies(changed, outcomes, ended), plan) if changed else outcomes


# ---- the fact of a command


def _open(plan: Plan | None, command: OpenPlan, metadata: Metadata) -> tuple[RecordedEvent, ...]:
    opened = opening(command, repeats=None if plan is None else plan.opened)
    if plan is not None:
        _compare(command.plan_id, command.plan_id, plan.opened, opened, dated="opened_at")
        _compare(command.plan_id, command.plan_id, plan.opened.terms, opened.terms, prefix="terms.")
        return ()
    _refuse_ahead(command, "opening", opened.effective_on, opened.terms.timezone, metadata.decided_at)
    recorded_at = metadata.decided_at
    return recorded_events(command, (opened,), metadata, key=command.plan_id, after=0, recorded_at=recorded_at)


def opening(command: OpenPlan, *, repeats: PlanOpened | None = None) -> PlanOpened:
    """Return the opening, with the schedule that the terms produce. Raises `TermsRefused`."""
    opened_on, opened_at = day_and_instant(command.terms.timezone, command.opened_at, repeats)
    lines = installments(command.plan_id, command.terms, opened_on=opened_on)
    return PlanOpened(
        effective_on=opened_on,
        investor=command.investor,
        partner=command.partner,
        terms=attrs.evolve(command.terms, first_due_on=lines[0].due_on),
        lines=lines,
        opened_at=opened_at,
    )


def fact_of(command: Change, plan: Plan) -> Fact:
    """Return the fact that the command adds to the plan. Raises `PaymentNotFound`."""
    match command:
        case RecordPayment():
            zone, repeats = plan.opened.terms.timezone, plan.payments.get(command.reference)
            paid_on, paid_at = day_and_instant(zone, command.paid_at, repeats)
            return PaymentMade(
                effective_on=paid_on,
                reference=command.reference,
                amount=command.amount,
                kind=command.kind,
                paid_at=paid_at,
            )
        case ReversePayment(reference=reference, cause=cause, on=on):
            payment = plan.payments.get(reference)
            if payment is None:
                raise PaymentNotFound(plan_id=command.plan_id, reference=reference)
            day = payment.effective_on if cause == "error" or on is None else on
            return PaymentReversed(effective_on=day, reference=reference, cause=cause)
        case CancelPlan():
            return CancellationRequested(effective_on=command.on, reference=command.reference, reason=command.reason)
        case ReinstatePlan():
            return PlanReinstated(
                effective_on=command.on,
                reference=command.reference,
                amount=command.amount,
                approved_by=command.approved_by,
                reason=command.reason,
                revised_shares=command.revised_shares,
            )
    raise AssertionError(command)


def day_and_instant(
    zone: str, given: date | datetime, recorded: PlanOpened | PaymentMade | PlanReinstated | MoneyReceived | None
) -> tuple[date, datetime | None]:
    """Return the civil date and the instant, if any, that a caller gave.

    The instant of the fact that is `recorded` under the same key has the date recorded with it: a newer time zone
    database may disagree about the date, and a repetition is none the less the same.
    """
    if not isinstance(given, datetime):
        return given, None
    match recorded:
        case PlanOpened(opened_at=at) | PaymentMade(paid_at=at) | MoneyReceived(received_at=at) if at == given:
            return recorded.effective_on, given
    return day_in(zone, given), given


# ---- repetitions


def _recorded_fact(command: Change, plan: Plan) -> Fact | None:
    """Return the fact recorded under the command's key, of whatever kind."""
    if isinstance(command, ReversePayment):
        return plan.reversals.get(command.reference)
    return plan.payments.get(command.reference) or plan.requests.get(command.reference)


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
            conflict = ReferenceConflict(plan_id=plan_id, reference=reference, field=name, recorded=before, given=after)
            if isinstance(given, (PlanOpened, PlanTerms)):
                conflict.remedy = "a plan stays as it was opened: repeat the opening as it is recorded"
            if isinstance(given, PlanTerms):
                conflict.item, conflict.items = _first_difference(before, after, given.price.currency)
            raise conflict


def _first_difference(
    recorded: object, given: object, currency: str
) -> tuple[int, tuple[object, object]] | tuple[None, None]:
    """Return the number of the first item in which two lists of the terms differ, and both items."""
    before, after = _items(recorded, currency), _items(given, currency)
    if before is None or after is None or type(recorded) is not type(given):
        return None, None
    pairs = enumerate(zip_longest(before, after, fillvalue="none"), 1)
    return next((number, pair) for number, pair in pairs if pair[0] != pair[1])


def _items(value: object, currency: str) -> Sequence[object] | None:
    match value:
        case ExplicitSchedule(lines=lines):
            return [f"{due_on}: {Money(amount, currency)}" for due_on, amount in lines]
        case ExplicitRelease(shares=shares):
            return shares
        case tuple():
            return value
    return None


# ---- refusals


def _refusal(command: Change, reason: str, remedy: str) -> CommandRefused:
    """Return the refusal that is the command's own."""
    if isinstance(command, CancelPlan):
        return CommandRefused(plan_id=command.plan_id, reason=reason, remedy=remedy)
    refused = ReinstatementRefused if isinstance(command, ReinstatePlan) else PaymentRefused
    return refused(plan_id=command.plan_id, reference=command.reference, reason=reason, remedy=remedy)


def _refuse_ahead(command: Command, act: str, on: date, zone: str, recorded_at: datetime) -> None:
    """Refuse an opening or a closing dated after the day of its recording. Source: RULES.md section 1."""
    if on > (today := day_in(zone, recorded_at)):
        reason = f"the {act} is dated {on}, after {today}, the day of its recording in {zone}"
        raise CommandRefused(plan_id=command.plan_id, reason=reason, remedy="record it on that day or later")


def _refuse_day(command: Change, on: date, opened: PlanOpened, recorded_at: datetime) -> None:
    """Refuse a fact dated after the day of its recording, or before the opening. Source: RULES.md sections 1 and 5."""
    if on > (today := day_in(opened.terms.timezone, recorded_at)):
        reason = f"{command.reference!r} is dated {on}, after {today}, the day of its recording"
        raise _refusal(command, reason, "record it on that day or later")
    if on < opened.effective_on:
        reason = f"{command.reference!r} is dated {on}, before the opening on {opened.effective_on}"
        raise _refusal(command, reason, "check the plan and the date")


def _refuse(command: Change, fact: Fact, plan: Plan, before: Snapshot, actor: str | None) -> None:
    """Refuse a command that the rules forbid on the plan as it is just `before` the fact."""
    match command:
        case RecordPayment():
            _refuse_currency(command, command.amount, plan.opened.terms)
            _refuse_ended(command, "payment", fact.effective_on, plan.opened.terms, before)
        case CancelPlan():
            _refuse_ended(command, "request", fact.effective_on, plan.opened.terms, before)
        case ReversePayment():
            paid_on = plan.payments[command.reference].effective_on
            if fact.effective_on < paid_on:
                reason = f"payment {command.reference!r} of {paid_on} cannot be charged back on {fact.effective_on}"
                raise _refusal(command, reason, "check the payment and the date")
            if command.cause == "chargeback" and (date.max - fact.effective_on).days <= plan.opened.terms.grace_days:
                reason = f"after a chargeback on {fact.effective_on} its grace would run beyond the year 9999"
                raise _refusal(command, reason, "check the date")
        case ReinstatePlan():
            _refuse_currency(command, command.amount, plan.opened.terms)
            _refuse_reinstatement(command, plan.opened.terms, before, actor)


def _refuse_currency(command: Change, amount: Money, terms: PlanTerms) -> None:
    if amount.currency != (expected := terms.price.currency):
        reason = f"{command.reference!r} is in {amount.currency}, the plan in {expected}"
        raise _refusal(command, reason, f"pay in {expected}")


def _refuse_ended(command: Change, act: str, on: date, terms: PlanTerms, before: Snapshot) -> None:
    """Refuse a fact on a plan that was cancelled or completed by then. Source: RULES.md sections 5 and 6."""
    pays = isinstance(command, RecordPayment)
    if before.cancelled_on is not None:
        reason = f"{act} {command.reference!r} is dated {on} and the plan was cancelled on {before.cancelled_on}"
        remedy = "nothing is left to cancel"
        if pays:
            closed = isinstance(terms.reinstatement, Closed)
            remedy = (
                "return the money: its terms allow no reinstatement"
                if closed
                else "reinstate the plan, or return the money"
            )
        raise PlanIsCancelled(plan_id=command.plan_id, reason=reason, remedy=remedy, cancelled_on=before.cancelled_on)
    if before.completed_on is not None:
        reason = f"{act} {command.reference!r} is dated {on} and the plan was completed on {before.completed_on}"
        remedy = "nothing is left to pay" if pays else "nothing is left to cancel"
        raise PlanIsCompleted(plan_id=command.plan_id, reason=reason, remedy=remedy, completed_on=before.completed_on)


def _refuse_overpayment(
    command: Change, fact: PaymentMade | PlanReinstated, plan: Plan, *, held: int, on: date
) -> None:
    """Refuse money with which more than the price would be held at once, on a day. Source: RULES.md section 5."""
    price = plan.opened.terms.price
    if held <= price.minor:
        return
    most = Money(fact.amount.minor - (held - price.minor), price.currency)
    raise Overpayment(
        plan_id=command.plan_id,
        reference=command.reference,
        reason=f"with {command.reference!r} {Money(held, price.currency)} would stand on {on}, "
        f"more than its price of {price}",
        remedy=f"pay at most {most}" if most.minor > 0 else "nothing is left to pay",
        price=price.minor,
        standing=held,
        currency=price.currency,
        on=on,
    )


def _refuse_reinstatement(command: ReinstatePlan, terms: PlanTerms, before: Snapshot, actor: str | None) -> None:
    """Refuse a decision that the policy or the plan does not allow. Source: RULES.md section 9."""
    policy, unsettled = terms.reinstatement, before.lines[before.settled :]
    if isinstance(policy, Closed):
        raise _refusal(command, "its terms do not allow a reinstatement", "leave it cancelled")
    if command.approved_by == actor:
        raise _refusal(command, f"{actor!r} cannot approve what {actor!r} records", "let somebody else approve it")
    if before.cancelled_on is None:
        raise _refusal(command, f"it is not cancelled on {command.on}", "record the money as an ordinary payment")
    overdue = [count for count, line in enumerate(unsettled, 1) if line.due_on < command.on]
    demanded = min(policy.minimum, len(overdue)) if isinstance(policy, PartialCover) else len(overdue)
    if demanded and command.amount.minor < (needed := _cost(before, overdue[demanded - 1])):
        reason = f"{command.amount} do not cover {demanded} overdue installments"
        raise _refusal(command, reason, f"pay at least {Money(needed, terms.price.currency)}")
    covered = not overdue or command.amount.minor >= _cost(before, overdue[-1])
    _refuse_revision(command, before, covered=covered)
    try:
        redated(unsettled, terms.schedule, reinstated_on=command.on)
    except OverflowError:
        raise _refusal(command, "its schedule would run beyond the year 9999", "leave it cancelled") from None


def _refuse_revision(command: ReinstatePlan, before: Snapshot, *, covered: bool) -> None:
    """Refuse a revised number of shares that the plan cannot have, or its absence where it is needed."""
    released = sum(line.shares for line in before.lines)
    if command.revised_shares is None:
        if not covered:
            remedy = f"state revised_shares, from {released:,} to {before.package:,}"
            raise _refusal(command, "not everything overdue is covered, so the package must be revised", remedy)
    elif not released <= command.revised_shares <= before.package:
        reason = f"a package of {before.package:,} shares cannot be revised to {command.revised_shares:,}"
        raise _refusal(command, reason, f"state {released:,}, which its installments release, to {before.package:,}")


def _cost(before: Snapshot, lines: int) -> int:
    """Return the money that settles this many of the oldest unsettled lines, at least one, in minor units."""
    later = before.lines[before.settled + 1 : before.settled + lines]
    return before.missing + sum(line.amount for line in later)


# ---- events


def _corrections(found: Iterable[Discrepancy], plan: Plan) -> tuple[Outcome | OutcomeVoided, ...]:
    """Return the events that correct the record after a new fact, the plan's next event: voidings, then outcomes.

    A new outcome that has ended already is followed, after all others, by its own voiding.
    """
    fact = plan.version + 1

    def void(version: int, on: date, shares: int, by: PaymentReversed | None = None) -> OutcomeVoided:
        because = fact if by is None else plan.reversal_versions.get(by.reference, fact)
        return OutcomeVoided(on, version, shares, because)

    events: list[Outcome | OutcomeVoided] = []
    endings: list[OutcomeVoided] = []
    for discrepancy in found:
        item, until, shares = discrepancy.recorded, discrepancy.until, shares_of(discrepancy.outcome)
        if item is None:
            events.append(discrepancy.outcome)
            if until is not None:
                endings.append(void(fact + len(events), until, shares, discrepancy.ended_by))
            continue
        if item.void is not None:
            events.append(void(item.void.version, item.void.event.effective_on, -shares))
        if until is not None:
            events.append(void(item.version, until, shares, discrepancy.ended_by))
    return (*events, *endings)


def recorded_events(
    command: AnyCommand, events: Iterable[Event], metadata: Metadata, *, key: str, after: int, recorded_at: datetime
) -> tuple[RecordedEvent, ...]:
    """Return the events of a command on its first stream, in their envelopes, numbered on `after` a version."""
    stream = command.streams[0]
    return tuple(
        RecordedEvent(
            kind=stream.kind,
            stream_id=stream.id,
            version=version,
            recorded_at=recorded_at,
            actor=metadata.actor,
            correlation=metadata.correlation,
            key=key,
            event=event,
        )
        for version, event in enumerate(events, after + 1)
    )
