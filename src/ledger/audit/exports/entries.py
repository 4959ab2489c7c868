"""Double entry: from a stream's recorded events to balanced entries, one per event. Pure, and without the rules.

Nothing is derived from terms. An entry is the difference that its event makes to the figures of the plan, which are
read off recorded facts and outcomes in the order of their dates: a cancelled plan promises nothing, money that arrives
on it is unapplied, a voided outcome is taken back. The figures are those of the ledger up to the plan's horizon.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from operator import itemgetter
from typing import Literal, NamedTuple

from ledger.audit.exports.accounts import NOTHING, Amounts
from ledger.discrepancies import RecordedOutcome
from ledger.events import (
    AllocationReversed,
    CancellationRequested,
    InstallmentSettled,
    MoneyAllocated,
    MoneyReceived,
    MoneyReturned,
    Outcome,
    OutcomeVoided,
    PaymentMade,
    PaymentMissed,
    PaymentReversed,
    PlanCancelled,
    PlanCompleted,
    PlanOpened,
    PlanReinstated,
    PromoApplied,
    RecordedEvent,
    ScheduleRevised,
)
from ledger.plan import Plan
from ledger.receipt import Receipt
from ledger.state.funds import Funds


class Entry(NamedTuple):
    """A recorded event and the amounts that it adds to the accounts; an event that moves nothing adds `NOTHING`."""

    recorded: RecordedEvent
    amounts: Amounts


class _Standing(NamedTuple):
    """The recorded outcomes in force, added up. `package` is the package's shares after any revision.

    `missed` are the installments missed and not settled since.
    """

    status: Literal["active", "cancelled", "completed"]
    package: int
    credited: int = 0
    bonus: int = 0
    missed: frozenset[int] = frozenset()


_Order = tuple[date, int, int, int]
"""The order in which events count: the day; deadlines, facts, events that cancel out; the fact; the version."""

_DEADLINES, _FACTS, _CANCELLING_OUT = 0, 1, 2

_Moment = tuple[_Order, RecordedEvent, RecordedEvent | None, RecordedOutcome | None]
"""An event with its order; the event that cancels it out, if one does; and the outcome that it records or voids."""


def plan_entries(plan: Plan, history: Sequence[RecordedEvent]) -> list[Entry]:
    """Return the entries of a plan's whole history, by date; within a day in the order in which events count.

    `plan` is the fold of that history.
    """
    walk = _Walk(plan)
    return [entry for moment in sorted(_moments(plan, history), key=itemgetter(0)) for entry in walk.entries(moment)]


def _moments(plan: Plan, history: Sequence[RecordedEvent]) -> Iterator[_Moment]:
    """Yield the events of a plan, each with the order in which it counts."""
    facts: dict[str, int] = {}
    reinstated: dict[date, int] = {}
    voids: dict[int, list[RecordedEvent]] = {}
    roots: dict[int, int] = {}
    for recorded in history:
        event, version = recorded.event, recorded.version
        if isinstance(event, OutcomeVoided):
            roots[version] = root = roots.get(event.voids, event.voids)
            voids.setdefault(root, []).append(recorded)
        elif isinstance(event, (PaymentMade, PlanReinstated, CancellationRequested)):
            facts[event.reference] = version
            if isinstance(event, PlanReinstated):
                reinstated[event.effective_on] = version
    errors = {one.reference: version for one, version in _errors(plan)}
    for recorded in history:
        event, version = recorded.event, recorded.version
        if isinstance(event, (PlanOpened, CancellationRequested)):
            yield (event.effective_on, _FACTS, version, version), recorded, None, None
        elif isinstance(event, (PaymentMade, PlanReinstated)):
            by = errors.get(event.reference)
            yield (event.effective_on, _FACTS, version, version), recorded, history[by - 1] if by else None, None
        elif isinstance(event, PaymentReversed) and event.cause == "chargeback":
            yield (event.effective_on, _FACTS, version, version), recorded, None, None
    for item in plan.outcomes:
        yield from _of_outcome(item, history[item.version - 1], voids.get(item.version, []), facts, reinstated)


def _errors(plan: Plan) -> Iterator[tuple[PaymentReversed, int]]:
    for fact, version in zip(plan.facts, plan.fact_versions, strict=True):
        if isinstance(fact, PaymentReversed) and fact.cause == "error":
            yield fact, version


def _of_outcome(
    item: RecordedOutcome,
    recorded: RecordedEvent,
    voids: list[RecordedEvent],
    facts: dict[str, int],
    reinstated: dict[date, int],
) -> Iterator[_Moment]:
    """Yield an outcome and its voidings: the last one is in force if there is an odd number, the others cancel out."""
    outcome = item.outcome
    for at in range(0, len(voids) - 1, 2):
        order = (voids[at].event.effective_on, _CANCELLING_OUT, 0, voids[at].version)
        yield order, voids[at], voids[at + 1], item
    void = item.void
    if void is not None and item.until == outcome.effective_on:
        yield (outcome.effective_on, _CANCELLING_OUT, 0, item.version), recorded, void, item
        return
    yield _order(item, facts, reinstated), recorded, None, item
    if void is not None:
        assert isinstance(void.event, OutcomeVoided)
        yield (void.event.effective_on, _FACTS, void.event.because, void.version), void, None, item


def _settled_for_hours(plan: Plan) -> dict[tuple[int, date], set[int]]:
    """Return, by version and date of a chargeback, the installments that its payment had settled on that very day.

    Such a settlement never held at the end of a day, and yet the installment's days past due count anew from then on.
    """
    found: dict[tuple[int, date], set[int]] = {}
    for item in plan.outcomes:
        outcome, void = item.outcome, item.void
        if void is not None and isinstance(outcome, InstallmentSettled) and item.until == outcome.effective_on:
            assert isinstance(void.event, OutcomeVoided)
            found.setdefault((void.event.because, outcome.effective_on), set()).add(outcome.number)
    return found


def _order(item: RecordedOutcome, facts: dict[str, int], reinstated: dict[date, int]) -> _Order:
    """Return when an outcome in force counts: after its fact, or after the reinstatement that revived the money."""
    outcome, version = item.outcome, item.version
    if isinstance(outcome, PaymentMissed) or (isinstance(outcome, PlanCancelled) and outcome.request is None):
        return outcome.effective_on, _DEADLINES, 0, version
    if isinstance(outcome, PlanCancelled):
        return outcome.effective_on, _FACTS, facts.get(outcome.request or "", version), version
    fact = max(facts.get(outcome.payment, version), reinstated.get(outcome.effective_on, 0))
    return outcome.effective_on, _FACTS, fact, version


class _Walk:
    """A plan's figures, from one event to the next."""

    def __init__(self, plan: Plan) -> None:
        terms = plan.opened.terms
        self._price = terms.price.minor
        self._shares = terms.shares
        self._settled_for_hours = _settled_for_hours(plan) if plan.reversals else {}
        self._funds = Funds()
        self._standing = _Standing("active", terms.shares)
        self._figures = NOTHING

    def entries(self, moment: _Moment) -> Iterator[Entry]:
        """Yield the entry of an event and, where another one cancels it out, that of the other."""
        _, recorded, cancelled_by, item = moment
        if cancelled_by is None:
            self._apply(recorded, item)
            before, self._figures = self._figures, self._now()
            yield Entry(recorded, self._figures.less(before))
            return
        amounts = self._tried(recorded, item)
        yield Entry(recorded, amounts)
        yield Entry(cancelled_by, amounts.negated())

    def _apply(self, recorded: RecordedEvent, item: RecordedOutcome | None) -> None:
        event = recorded.event
        if item is not None:
            self._standing = _changed(self._standing, item, by=recorded)
        elif isinstance(event, PaymentReversed):
            self._funds.return_payment(event.reference, event.effective_on)
            cured = self._settled_for_hours.get((recorded.version, event.effective_on), set())
            self._standing = self._standing._replace(missed=self._standing.missed - cured)
        elif isinstance(event, (PaymentMade, PlanReinstated)):
            revived = self._standing.status == "cancelled" and isinstance(event, PlanReinstated)
            if isinstance(event, PlanReinstated) and revived:
                package = min(self._standing.package, event.revised_shares or self._standing.package)
                self._standing = self._standing._replace(status="active", package=package, missed=frozenset())
            applied = self._standing.status == "active"
            self._funds.receive(event.reference, event.amount.minor, event.effective_on, applied=applied)
            for _ in self._funds.apply_waiting() if revived else ():
                pass

    def _tried(self, recorded: RecordedEvent, item: RecordedOutcome | None) -> Amounts:
        """Return the amounts of an event that another one cancels out; the figures stay as they are."""
        if item is not None:
            standing, self._standing = self._standing, _changed(self._standing, item, by=recorded)
            amounts = self._now().less(self._figures)
            self._standing = standing
            return amounts
        assert isinstance(recorded.event, (PaymentMade, PlanReinstated))
        minor = recorded.event.amount.minor
        if self._standing.status == "active":
            return Amounts(cash=minor, receivable=-minor)
        return Amounts(cash=minor, unapplied=-minor)

    def _now(self) -> Amounts:
        """Return the figures after all events so far."""
        now, funds = self._standing, self._funds
        promised = 0 if now.status == "cancelled" else now.package - now.credited
        grace = now.status == "active" and bool(now.missed)
        return Amounts(  # by position, in half the time
            self._price - funds.paid,
            funds.paid + funds.unapplied,
            -funds.unapplied,
            0,
            -self._price,
            promised,
            now.credited,
            self._shares - now.credited - promised,
            -self._shares,
            now.bonus,
            -now.bonus,
            int(now.status == "active" and not grace),
            int(grace),
            int(now.status == "cancelled"),
            int(now.status == "completed"),
            -1,
        )


def _changed(now: _Standing, item: RecordedOutcome, *, by: RecordedEvent) -> _Standing:
    """Return the outcomes in force after an outcome was recorded, or a voiding of it."""
    return _without(now, item.outcome) if isinstance(by.event, OutcomeVoided) else _with(now, item.outcome)


def _with(now: _Standing, outcome: Outcome) -> _Standing:
    match outcome:
        case InstallmentSettled(number=number, shares=shares):
            return now._replace(credited=now.credited + shares, missed=now.missed - {number})
        case PaymentMissed(number=number):
            return now._replace(missed=now.missed | {number})
        case PromoApplied(shares=shares):
            return now._replace(bonus=now.bonus + shares)
        case PlanCancelled():
            return now._replace(status="cancelled")
        case PlanCompleted(shares=shares):
            credited = now.credited + shares
            return now._replace(status="completed", credited=credited, package=credited)
        case ScheduleRevised(shares=package):
            return now._replace(package=package, missed=frozenset())
    raise AssertionError(outcome)


def _without(now: _Standing, outcome: Outcome) -> _Standing:
    """Return the outcomes in force after one was taken back: a missed installment stays missed until it is settled."""
    match outcome:
        case InstallmentSettled(shares=shares):
            return now._replace(credited=now.credited - shares)
        case PromoApplied(shares=shares):
            return now._replace(bonus=now.bonus - shares)
        case PlanCompleted(shares=shares):
            return now._replace(status="active", credited=now.credited - shares)
    return now


# ---- receipts


def receipt_entries(history: Iterable[RecordedEvent]) -> list[Entry]:
    """Return the entries of a receipt's whole history, by date. Raises `CorruptHistory`.

    Money that is allocated leaves the receipt; the entry of the payment brings it to the plan.
    """
    events = list(history)
    receipt = Receipt(events)
    entries = [Entry(recorded, _received(receipt, recorded)) for recorded in events]
    return sorted(entries, key=lambda entry: entry.recorded.event.effective_on)


def _received(receipt: Receipt, recorded: RecordedEvent) -> Amounts:
    match recorded.event:
        case MoneyReceived(amount=amount):
            return Amounts(cash=amount.minor, unallocated=-amount.minor)
        case AllocationReversed(plan_id=plan_id, payment=payment):
            minor = receipt.allocations[plan_id, payment].amount.minor
            return Amounts(cash=minor, unallocated=-minor)
        case MoneyAllocated(amount=amount) | MoneyReturned(amount=amount):
            return Amounts(cash=-amount.minor, unallocated=amount.minor)
    raise AssertionError(recorded.event)
