"""Acts at somebody's discretion: allowed, and listed, each with its effect.

A reversal, a request to cancel, a reinstatement; a payment whose stated date brings what the day of its recording would
not have brought; and an opening under terms of its own.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Literal

import attrs

from ledger.dates import DAY, day_in
from ledger.errors import CorruptHistory
from ledger.events import (
    CancellationRequested,
    Fact,
    PaymentMade,
    PaymentReversed,
    PlanOpened,
    PlanReinstated,
    RecordedEvent,
)
from ledger.money import Money
from ledger.plan import Plan
from ledger.state import State
from ledger.timeline import timeline

ActKind = Literal["reinstatement", "request", "reversal", "back_dated", "own_terms"]

ACTS: Mapping[str, str] = {
    "reinstatement": "A cancelled plan was reinstated.",
    "request": "A plan was cancelled by request.",
    "reversal": "A payment was taken back: for error, or by chargeback.",
    "back_dated": "A payment was recorded late, and dated on the day of its recording it would have brought less or "
    "more: a plan cancelled meanwhile, a bonus lost.",
    "own_terms": "A plan was opened with days of grace or a policy of reinstatement that most plans do not have, or "
    "with a release that most plans of the same package do not have.",
}
"""Every kind of act, with its meaning."""


@attrs.frozen(kw_only=True)
class Effect:
    """The difference that an act makes to its plan on the date `as_of`: with it, less without it.

    Shares are whole. A payment that is back-dated is compared with itself on the day of its recording, an opening with
    the same plan under the usual terms.
    """

    as_of: date
    paid: Money
    unapplied: Money
    shares_credited: int
    shares_promised: int
    shares_forfeited: int
    bonus_credited: int
    bonus_promised: int


@attrs.frozen(kw_only=True)
class DiscretionaryAct:
    """An act that the rules leave to somebody: allowed, and for an auditor to look at.

    `actor` recorded it, and `approved_by` decided it, where that is recorded. `effective_on` is its date, `recorded_at`
    the instant at which it was recorded. `what` says it in words. `effect` is None where it cannot be derived.
    """

    kind: ActKind
    plan_id: str
    version: int
    sequence: int | None
    actor: str | None
    approved_by: str | None
    effective_on: date
    recorded_at: datetime
    what: str
    effect: Effect | None


def acts_of(plan: Plan, facts: Sequence[RecordedEvent], late: Sequence[RecordedEvent]) -> Iterator[DiscretionaryAct]:
    """Yield the discretionary acts among a plan's recorded facts, in recorded order; `plan` is its fold.

    `late` are those of the facts that were recorded on a later day than their own.
    """
    if not late and all(type(recorded.event) is PaymentMade for recorded in facts):
        return
    versions = {recorded.version for recorded in late}
    due = [line.due_on for line in plan.opened.lines]
    plain = not plan.reversals and not any(isinstance(one, PlanReinstated) for one in plan.payments.values())
    known: list[Fact] = []
    horizon = plan.opened.effective_on
    for recorded in facts:
        fact = recorded.event
        assert isinstance(fact, (PaymentMade, PaymentReversed, CancellationRequested, PlanReinstated)), fact
        kind = _kind(fact)
        if kind is not None:
            yield _act(kind, plan, recorded, fact)
        elif recorded.version in versions and _may_be_late(plan.opened, recorded, due, horizon, plain=plain):
            yield from _back_dated(plan, known, recorded)
        known.append(fact)
        horizon = max(horizon, fact.effective_on)


def _kind(fact: Fact) -> ActKind | None:
    if isinstance(fact, PaymentReversed):
        return "reversal"
    if isinstance(fact, CancellationRequested):
        return "request"
    return "reinstatement" if isinstance(fact, PlanReinstated) else None


def _may_be_late(
    opened: PlanOpened, recorded: RecordedEvent, due: Sequence[date], horizon: date, *, plain: bool
) -> bool:
    """Return whether something may have happened between a payment's date and the day of its recording."""
    on = recorded.event.effective_on
    today = day_in(opened.terms.timezone, recorded.recorded_at)
    if on < horizon or not plain:
        return True
    grace = opened.terms.grace_days * DAY
    return any(bisect_left(days, on) < bisect_left(days, today) for days in (due, [day + grace for day in due]))


def _back_dated(plan: Plan, known: Sequence[Fact], recorded: RecordedEvent) -> Iterator[DiscretionaryAct]:
    """Yield the act of a payment if on the day of its recording the plan differs by the payment's date."""
    fact, opened = recorded.event, plan.opened
    assert isinstance(fact, PaymentMade), fact
    today = day_in(opened.terms.timezone, recorded.recorded_at)
    in_time = attrs.evolve(fact, effective_on=today)
    states = _states(plan, [*known, fact], [*known, in_time], today)
    if states is not None and _comparable(states[0]) == _comparable(states[1]):
        return
    as_of = max(plan.horizon, today)
    moved = [in_time if one is fact else one for one in plan.facts if one.reference != fact.reference or one is fact]
    kept = [one for one in plan.facts if one.reference != fact.reference or one is fact]
    yield _described("back_dated", plan, recorded, fact, _difference(plan, kept, moved, as_of))


def _states(plan: Plan, facts: Sequence[Fact], others: Sequence[Fact], as_of: date) -> list[State] | None:
    """Return the states of two sets of facts; None where no outcomes can follow, as from an edited history."""
    try:
        with plan.deriving():
            return [timeline(plan.opened, some, as_of).state for some in (facts, others)]
    except CorruptHistory:
        return None


def _difference(plan: Plan, facts: Sequence[Fact], others: Sequence[Fact], as_of: date) -> Effect | None:
    states = _states(plan, facts, others, as_of)
    return None if states is None else effect(plan, as_of, *states)


def _comparable(state: State) -> tuple[object, ...]:
    return (
        *(state.status, state.paid, state.unapplied, state.package, state.shares_credited, state.shares_promised),
        *(state.bonus_credited, state.bonus_promised),
    )


def _act(kind: ActKind, plan: Plan, recorded: RecordedEvent, fact: Fact) -> DiscretionaryAct:
    if isinstance(fact, PaymentReversed):
        others = [one for one in plan.facts if one is not fact]
    else:
        others = [one for one in plan.facts if one.reference != fact.reference]
    return _described(kind, plan, recorded, fact, _difference(plan, plan.facts, others, plan.horizon))


def _described(
    kind: ActKind, plan: Plan, recorded: RecordedEvent, fact: Fact, difference: Effect | None
) -> DiscretionaryAct:
    return DiscretionaryAct(
        kind=kind,
        plan_id=plan.plan_id,
        version=recorded.version,
        sequence=recorded.sequence or None,
        actor=recorded.actor,
        approved_by=fact.approved_by if isinstance(fact, PlanReinstated) else None,
        effective_on=fact.effective_on,
        recorded_at=recorded.recorded_at,
        what=_words(fact),
        effect=difference,
    )


def effect(plan: Plan, as_of: date, with_it: State, without: State) -> Effect:
    """Return the difference of two states of a plan on a date."""
    currency = plan.opened.terms.price.currency
    return Effect(
        as_of=as_of,
        paid=Money(with_it.paid - without.paid, currency),
        unapplied=Money(with_it.unapplied - without.unapplied, currency),
        shares_credited=with_it.shares_credited - without.shares_credited,
        shares_promised=with_it.shares_promised - without.shares_promised,
        shares_forfeited=with_it.shares_forfeited - without.shares_forfeited,
        bonus_credited=with_it.bonus_credited - without.bonus_credited,
        bonus_promised=with_it.bonus_promised - without.bonus_promised,
    )


def _words(fact: Fact) -> str:
    match fact:
        case PaymentMade(reference=reference, amount=amount):
            return f"payment {reference} of {amount:,}"
        case PaymentReversed(reference=reference, cause=cause):
            return f"payment {reference} reversed, {cause}"
        case CancellationRequested(reference=reference, reason=reason):
            return f"request {reference} to cancel: {reason}"
        case PlanReinstated(reference=reference, amount=amount, reason=reason):
            return f"reinstated with {reference} of {amount:,}: {reason}"
    raise AssertionError(fact)
