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
from ledger.decide.consequences import Consequences
from ledger.decide.refusals import refuse_ahead, refuse_day
from ledger.errors import (
    LedgerError,
    PaymentNotFound,
    PlanNotFound,
    ReferenceConflict,
)
from ledger.events import (
    CancellationRequested,
    Event,
    Fact,
    MoneyReceived,
    PaymentMade,
    PaymentReversed,
    PlanOpened,
    PlanReinstated,
    RecordedEvent,
)
from ledger.money import Money
from ledger.plan import Plan
from ledger.terms import ExplicitRelease, ExplicitSchedule, PlanTerms
from ledger.terms.schedule import installments

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
            _check_opening(command, plan)
            return True
        return isinstance(command, Change) and _is_recorded(command, fact_of(command, plan), plan)
    except LedgerError:
        return False


class Decider:
    """Decides the commands on one plan, one after another, each as if the ones before it had been recorded."""

    def __init__(self, history: Sequence[RecordedEvent]) -> None:
        self._plan: Plan | None = None
        self._consequences: Consequences | None = None
        if history:
            self._begin(history)

    @property
    def version(self) -> int:
        """The number of the plan's events."""
        return 0 if self._plan is None else self._plan.version

    def decide(self, command: Command, metadata: Metadata) -> tuple[RecordedEvent, ...]:
        """Return the events that the command records. Raises as `decide` does, and then nothing has changed."""
        plan = self._plan
        if isinstance(command, OpenPlan):
            events = _open(command, metadata) if plan is None else _check_opening(command, plan)
        elif plan is None:
            raise PlanNotFound(plan_id=command.plan_id)
        elif isinstance(command, ClosePlan):
            events = self._close(plan, command, metadata)
        else:
            assert isinstance(command, Change), command
            events = self._change(plan, command, metadata)
        if plan is None:
            self._begin(events)
        else:
            for recorded in events:
                plan.apply(recorded)
        return events

    def _begin(self, history: Sequence[RecordedEvent]) -> None:
        self._plan = Plan(history)
        self._consequences = Consequences(self._plan)

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
        assert self._plan is not None
        reversal = self._plan.reversals.get(reference)
        return reversal is not None and reversal.cause == "error"

    def _close(self, plan: Plan, command: ClosePlan, metadata: Metadata) -> tuple[RecordedEvent, ...]:
        recorded_at = max(metadata.decided_at, plan.recorded_at)
        refuse_ahead(command.plan_id, "closing", command.through, plan.opened.terms.timezone, recorded_at)
        assert self._consequences is not None
        outcomes = self._consequences.due(command.through)
        return recorded_events(
            command, outcomes, metadata, key=command.through.isoformat(), after=plan.version, recorded_at=recorded_at
        )

    def _change(self, plan: Plan, command: Change, metadata: Metadata) -> tuple[RecordedEvent, ...]:
        fact = fact_of(command, plan)
        if _is_recorded(command, fact, plan):
            return ()
        recorded_at = max(metadata.decided_at, plan.recorded_at)
        refuse_day(fact, plan, recorded_at)
        assert self._consequences is not None
        events = (fact, *self._consequences.of(fact, actor=metadata.actor))
        return recorded_events(
            command, events, metadata, key=command.reference, after=plan.version, recorded_at=recorded_at
        )


# ---- the fact of a command


def _open(command: OpenPlan, metadata: Metadata) -> tuple[RecordedEvent, ...]:
    opened = opening(command)
    refuse_ahead(command.plan_id, "opening", opened.effective_on, opened.terms.timezone, metadata.decided_at)
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


def _check_opening(command: OpenPlan, plan: Plan) -> tuple[()]:
    """Return the events of a repeated opening, none; raise `ReferenceConflict` if the plan was opened otherwise."""
    opened = opening(command, repeats=plan.opened)
    _compare(command.plan_id, command.plan_id, plan.opened, opened, dated="opened_at")
    _compare(command.plan_id, command.plan_id, plan.opened.terms, opened.terms, prefix="terms.")
    return ()


def _is_recorded(command: Change, fact: Fact, plan: Plan) -> bool:
    """Return whether the command's fact is recorded already; raise `ReferenceConflict` if it is with other content."""
    recorded = _recorded_fact(command, plan)
    if recorded is None:
        return False
    dated = "paid_at" if isinstance(command, RecordPayment) else "on"
    _compare(command.plan_id, command.reference, recorded, fact, dated=dated)
    return True


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
    if before is None or type(recorded) is not type(given):
        return None, None
    pairs = enumerate(zip_longest(before, after or (), fillvalue="none"), 1)
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


# ---- events


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
