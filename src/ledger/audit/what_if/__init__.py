"""What if: the facts of a ledger under other terms, compared with what happened, plan by plan and in all.

The facts stay as they are and in the order in which they were recorded; each is judged by the decision's own refusals
on the facts before it. Money that would have been refused is counted as unapplied, a refused request not at all. A
comparison of one partition is a pure function, and comparisons add up, so any number of processes can share the work.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from datetime import date, datetime
from functools import reduce
from operator import add
from typing import Any, Literal, Self

import attrs

from ledger.dates import Known, day_of
from ledger.decide.refusals import refuse
from ledger.errors import CommandRefused, TermsRefused
from ledger.events import CancellationRequested, Fact, PaymentMade, PaymentMissed, PaymentReversed, PlanOpened
from ledger.events.facts import PlanReinstated
from ledger.money import Money
from ledger.plan import Plan
from ledger.replay import replay
from ledger.state import State, Step, Timeline
from ledger.state.position import Position, position
from ledger.store import WHOLE, EventReader, Partition
from ledger.terms import PlanTerms, Promo, Reinstatement, Release
from ledger.terms.schedule import installments
from ledger.timeline import Derivation, steps, timeline


@attrs.frozen(kw_only=True)
class OtherTerms:
    """Terms in place of those that were agreed; None leaves a term as it was agreed."""

    grace_days: int | None = None
    release: Release | None = None
    promos: tuple[Promo, ...] | None = None
    stacking: Literal["additive", "exclusive", "compound"] | None = None
    reinstatement: Reinstatement | None = None

    def changed(self) -> dict[str, Any]:
        """Return the terms that are stated."""
        return {name: value for name, value in attrs.asdict(self, recurse=False).items() if value is not None}

    def overridden_by(self, other: Self | None) -> "OtherTerms":
        """Return these terms with those that another one states in their place."""
        return self if other is None else attrs.evolve(self, **other.changed())

    def opening(self, plan_id: str, opened: PlanOpened) -> PlanOpened:
        """Return the opening of a plan under these terms. Raises `TermsRefused`, and `InvalidArgument` for bad values.

        Due dates and amounts stay as agreed, whatever the release is.
        """
        terms: PlanTerms = attrs.evolve(opened.terms, **self.changed())
        return attrs.evolve(opened, terms=terms, lines=installments(plan_id, terms, opened_on=opened.effective_on))


@attrs.frozen(kw_only=True)
class WouldBeRefused:
    """A recorded fact that the other terms would have refused; `amount` is its money, None of a request."""

    version: int
    reference: str
    on: date
    amount: Money | None
    code: str
    reason: str


@attrs.frozen(kw_only=True)
class Departure:
    """A plan that goes another way under the other terms.

    `departs_on` is the first date on which status, money or shares differ (in grace counts as active, and a bonus that
    is only promised does not count); None if none does and only a fact would have been refused. `agreed` and
    `otherwise` are its positions on the date of the comparison.
    """

    plan_id: str
    departs_on: date | None
    agreed: Position
    otherwise: Position
    refused: tuple[WouldBeRefused, ...]


@attrs.frozen(kw_only=True)
class Totals:
    """All plans of a currency on a date: counts by status, money, and shares as in `Position`."""

    active: int
    in_grace: int
    cancelled: int
    completed: int
    paid: Money
    unapplied: Money
    shares_credited: int
    shares_promised: int
    shares_forfeited: int
    bonus_credited: int
    bonus_promised: int

    @classmethod
    def of(cls, one: Position) -> Self:
        """Return the totals of one plan."""
        return cls(
            active=int(one.status == "active"),
            in_grace=int(one.status == "in_grace"),
            cancelled=int(one.status == "cancelled"),
            completed=int(one.status == "completed"),
            **{name: getattr(one, name) for name in _SUMMED},
        )

    def __add__(self, other: "Totals") -> "Totals":
        """Return the totals of both."""
        names = [field.name for field in attrs.fields(Totals)]
        return Totals(**{name: getattr(self, name) + getattr(other, name) for name in names})


_SUMMED = tuple(
    field.name for field in attrs.fields(Totals) if field.name not in ("active", "in_grace", "cancelled", "completed")
)


@attrs.frozen(kw_only=True)
class Comparison:
    """All plans of a currency: how many there are and depart, the facts refused with their money, and both totals."""

    currency: str
    plans: int
    departed: int
    refused: int
    refused_money: Money
    agreed: Totals
    otherwise: Totals

    def __add__(self, other: "Comparison") -> "Comparison":
        """Return the comparison of both sets of plans, which have the same currency."""
        names = [field.name for field in attrs.fields(Comparison) if field.name != "currency"]
        added = {name: getattr(self, name) + getattr(other, name) for name in names}
        return Comparison(currency=self.currency, **added)


@attrs.frozen(kw_only=True)
class LeftOut:
    """A plan that is in no comparison: its history cannot be read, or the other terms cannot be its terms."""

    plan_id: str
    reason: str


@attrs.frozen(kw_only=True)
class WhatIf:
    """The result: comparisons by currency, departures by plan id, and the plans left out. Results add up."""

    comparisons: tuple[Comparison, ...] = ()
    departures: tuple[Departure, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def __add__(self, other: "WhatIf") -> "WhatIf":
        """Return the result of both partitions, in whatever order they are added."""
        by_currency: dict[str, list[Comparison]] = {}
        for one in (*self.comparisons, *other.comparisons):
            by_currency.setdefault(one.currency, []).append(one)
        return WhatIf(
            comparisons=tuple(reduce(add, found) for _, found in sorted(by_currency.items())),
            departures=tuple(sorted((*self.departures, *other.departures), key=lambda one: one.plan_id)),
            left_out=tuple(sorted((*self.left_out, *other.left_out), key=lambda one: one.plan_id)),
        )


def what_if(
    reader: EventReader,
    *,
    other: OtherTerms,
    by_plan: Mapping[str, OtherTerms] | None = None,
    as_of: date | None,
    known_at: Known | None,
    now: datetime,
    within: Partition = WHOLE,
) -> WhatIf:
    """Compare the plans of a partition with themselves under other terms, as of a date and as known at an instant.

    `by_plan` states terms of single plans, over the `other` ones. Without `as_of` the date is the day of `known_at`,
    else of `now`, in the plan's zone; plans opened later are left out without a word. The plans of a page are in memory
    at a time, and all departures.
    """
    pages: list[WhatIf] = []
    for page in replay(reader, within=within, known_at=known_at):
        results: list[WhatIf] = []
        for plan_id, plan, error in page:
            if plan is None:
                results.append(WhatIf(left_out=(LeftOut(plan_id=plan_id, reason=str(error)),)))
                continue
            day = as_of or day_of(known_at or now, plan.opened.terms.timezone)
            if plan.opened.effective_on <= day:
                results.append(compared(plan, other.overridden_by((by_plan or {}).get(plan_id)), day))
        pages.append(summed(results))
    return summed(pages)


def summed(results: Sequence[WhatIf]) -> WhatIf:
    """Return the sum of results; of none, an empty one."""
    sums = [*results] or [WhatIf()]
    while len(sums) > 1:  # in pairs: the time grows with the number of departures, not with its square
        sums = [reduce(add, sums[at : at + 2]) for at in range(0, len(sums), 2)]
    return sums[0]


def compared(plan: Plan, other: OtherTerms, as_of: date) -> WhatIf:
    """Compare one plan on a date, which is not before its opening."""
    try:
        opened = other.opening(plan.plan_id, plan.opened)
    except TermsRefused as error:
        return WhatIf(left_out=(LeftOut(plan_id=plan.plan_id, reason=str(error)),))
    facts, refused = _judged(plan, opened)
    refused = [one for one in refused if one.on <= as_of]
    agreed, otherwise = plan.timeline(as_of), timeline(opened, facts, as_of)
    departs_on = None
    if _differ(agreed, otherwise):
        departs_on = _first_difference(plan.steps(as_of), steps(opened, facts, as_of))
    positions = [position(plan.plan_id, plan.opened, one.state, as_of) for one in (agreed, otherwise)]
    departs = departs_on is not None or bool(refused)
    nothing = Money(0, plan.opened.terms.price.currency)
    comparison = Comparison(
        currency=nothing.currency,
        plans=1,
        departed=int(departs),
        refused=len(refused),
        refused_money=sum((one.amount for one in refused if one.amount is not None), nothing),
        agreed=Totals.of(positions[0]),
        otherwise=Totals.of(positions[1]),
    )
    departure = Departure(
        plan_id=plan.plan_id,
        departs_on=departs_on,
        agreed=positions[0],
        otherwise=positions[1],
        refused=tuple(refused),
    )
    return WhatIf(comparisons=(comparison,), departures=(departure,) if departs else ())


# ---- facts


def _judged(plan: Plan, opened: PlanOpened) -> tuple[list[Fact], list[WouldBeRefused]]:
    """Return the facts that count under another opening, in recorded order, and those that would have been refused.

    A refused request does not count; the money of a refused reinstatement counts as a payment, which finds the plan
    cancelled and stays unapplied, as a refused payment does.
    """
    judged = copy(plan)
    judged.opened = opened
    derivation = Derivation(opened)
    facts: list[Fact] = []
    refused: list[WouldBeRefused] = []
    for fact, version in zip(plan.facts, plan.fact_versions, strict=True):
        on, latest = fact.effective_on, derivation.on
        late = on < latest or (isinstance(fact, PaymentReversed) and fact.cause == "error")
        if late:
            derivation = Derivation.run(opened, facts, through=on)
        else:
            derivation.advance(on)
        counting, refusal = _counting(fact, judged, derivation)
        if refusal is not None:
            refused.append(_would_be_refused(fact, version, refusal))
        if counting is not None:
            facts.append(counting)
        if late:
            derivation = Derivation.run(opened, facts, through=latest)
        elif counting is not None:
            derivation.apply(counting)
    return facts, refused


def _counting(fact: Fact, judged: Plan, before: Derivation) -> tuple[Fact | None, CommandRefused | None]:
    """Return a fact as it counts, and its refusal.

    Where the plan is not cancelled at all, a reinstatement is an ordinary payment. Source: RULES.md section 9.
    """
    snapshot = before.snapshot()
    if isinstance(fact, PlanReinstated) and snapshot.cancelled_on is None:
        return fact, None
    try:
        refuse(fact, judged, snapshot, None)
    except CommandRefused as refusal:
        if isinstance(fact, PlanReinstated):
            return _as_payment(fact), refusal
        return (None if isinstance(fact, CancellationRequested) else fact), refusal
    return fact, None


def _as_payment(fact: PlanReinstated) -> PaymentMade:
    return PaymentMade(
        effective_on=fact.effective_on, reference=fact.reference, amount=fact.amount, kind="regular", paid_at=None
    )


def _would_be_refused(fact: Fact, version: int, refusal: CommandRefused) -> WouldBeRefused:
    return WouldBeRefused(
        version=version,
        reference=fact.reference,
        on=fact.effective_on,
        amount=fact.amount if isinstance(fact, (PaymentMade, PlanReinstated)) else None,
        code=refusal.code,
        reason=refusal.reason,
    )


# ---- differences


def _differ(agreed: Timeline, otherwise: Timeline) -> bool:
    """Return whether two timelines may differ on any day; a missed payment alone changes nothing."""
    if _figures(agreed.state) != _figures(otherwise.state) or len(agreed.ended) != len(otherwise.ended):
        return True
    both = zip(_consequences(agreed), _consequences(otherwise), strict=False)
    return any(mine != theirs for mine, theirs in both)


def _consequences(one: Timeline) -> Iterator[object]:
    """Yield the outcomes with their ends, and at last None."""
    for outcome in one.outcomes:
        if not isinstance(outcome, PaymentMissed):
            yield outcome, one.ended.get(outcome)
    yield None


def _first_difference(agreed: Iterator[Step], otherwise: Iterator[Step]) -> date | None:
    """Return the first day at whose end the figures differ."""
    mine, theirs = _by_day(agreed), _by_day(otherwise)
    here = there = None
    for day in sorted({*mine, *theirs}):
        here, there = mine.get(day, here), theirs.get(day, there)
        if here != there:
            return day
    return None


def _by_day(found: Iterator[Step]) -> dict[date, tuple[object, ...]]:
    return {step.state.on: _figures(step.state) for step in found}


def _figures(state: State) -> tuple[object, ...]:
    return (
        "active" if state.status == "in_grace" else state.status,
        state.settled,
        state.paid,
        state.unapplied,
        state.shares_credited,
        state.shares_promised,
        state.shares_forfeited,
        state.bonus_credited,
    )
