"""Plans decided command by command, without a store: short commands, their events, and the plan after them.

The plan of these examples costs 1,000.00 USD in ten monthly installments of 100.00; each releases 2,300 of 34,000
shares, and 11,000 are the completion tranche.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import attrs

from ledger.commands import (
    CancelPlan,
    ClosePlan,
    Command,
    Metadata,
    OpenPlan,
    RecordPayment,
    ReinstatePlan,
    ReversePayment,
)
from ledger.decide import decide
from ledger.errors import LedgerError
from ledger.events import Event, Outcome, OutcomeVoided, PaymentMissed, PlanCancelled, RecordedEvent
from ledger.events.facts import PaymentKind
from ledger.money import Money
from ledger.plan import Plan
from ledger.state.position import Position
from ledger.terms import FullCover, PerUnit, PlanTerms
from tests.examples import OPENED_ON
from tests.strategies import METADATA

DAY = timedelta(days=1)
DUE = tuple(date(2023 + month // 12, month % 12 + 1, 10) for month in range(4, 14))
"""The due dates of `TEN`, from 2023-05-10 to 2024-02-10."""

D = DUE[0]
"""The due date D of the table in RULES.md section 6."""


# ---- terms and commands


def agreed(count: int = 10, **changed: Any) -> PlanTerms:
    """Return terms of so many installments of 100.00 USD, 3,400 shares each, with some terms changed."""
    terms = PlanTerms(
        price=Money(10_000 * count, "USD"),
        shares=3_400 * count,
        installments=count,
        release=PerUnit("23"),
        timezone="Europe/Moscow",
        reinstatement=FullCover(),
    )
    return attrs.evolve(terms, **changed)


TEN = agreed(first_due_on=DUE[0])


def opening(terms: PlanTerms = TEN, on: date | datetime = OPENED_ON) -> OpenPlan:
    """Return the opening of a plan under these terms."""
    return OpenPlan(plan_id="P-1", investor="I-1", partner="N-1", terms=terms, opened_at=on)


def pay(
    on: date | datetime,
    reference: str = "bank-1",
    installments: int = 1,
    kind: PaymentKind = "regular",
    *,
    minor: int = 0,
) -> RecordPayment:
    """Return a payment of so many installments of 100.00 USD and so many cents more, or less."""
    amount = Money(10_000 * installments + minor, "USD")
    return RecordPayment(plan_id="P-1", reference=reference, amount=amount, paid_at=on, kind=kind)


def pay_each(dates: Iterable[date], *, first: int = 1) -> list[Command]:
    """Return a payment of one installment on each of these dates, with references counted from bank-`first`."""
    return [pay(on, f"bank-{number}") for number, on in enumerate(dates, first)]


def charge_back(on: date, reference: str = "bank-1") -> ReversePayment:
    """Return the chargeback of a payment."""
    return ReversePayment(plan_id="P-1", reference=reference, cause="chargeback", on=on)


def reverse(reference: str = "bank-1") -> ReversePayment:
    """Return the reversal of a payment for error."""
    return ReversePayment(plan_id="P-1", reference=reference, cause="error", on=None)


def cancel(on: date, reference: str = "crm-1") -> CancelPlan:
    """Return a request to cancel."""
    return CancelPlan(plan_id="P-1", reference=reference, on=on, reason="asked by the investor")


def reinstate(
    on: date,
    reference: str = "bank-9",
    installments: int = 1,
    *,
    minor: int = 0,
    revised_shares: int | None = None,
) -> ReinstatePlan:
    """Return the decision to reinstate, with a payment of so many installments and so many cents more, or less."""
    return ReinstatePlan(
        plan_id="P-1",
        reference=reference,
        on=on,
        amount=Money(10_000 * installments + minor, "USD"),
        approved_by="head of sales",
        reason="illness",
        revised_shares=revised_shares,
    )


def close(through: date) -> ClosePlan:
    """Return a closing."""
    return ClosePlan(plan_id="P-1", through=through)


# ---- deciding


@attrs.frozen
class Attempt:
    """A command with the events that it recorded, or the error with which it was refused."""

    command: Command
    events: tuple[RecordedEvent, ...]
    error: LedgerError | None


def attempt(commands: Iterable[Command], metadata: Iterable[Metadata] | None = None) -> list[Attempt]:
    """Decide each command on the events of the commands before it."""
    events: tuple[RecordedEvent, ...] = ()
    attempts = []
    each_metadata: Iterator[Metadata] | None = None if metadata is None else iter(metadata)
    for command in commands:
        try:
            recorded = decide(events, command, METADATA if each_metadata is None else next(each_metadata))
        except LedgerError as error:
            attempts.append(Attempt(command, (), error))
        else:
            events += recorded
            attempts.append(Attempt(command, recorded, None))
    return attempts


def recorded_by(attempts: Iterable[Attempt]) -> tuple[RecordedEvent, ...]:
    """Return all recorded events, oldest first."""
    return tuple(event for attempted in attempts for event in attempted.events)


def record(
    *commands: Command,
    terms: PlanTerms = TEN,
    opened_on: date | datetime = OPENED_ON,
    metadata: Metadata = METADATA,
) -> tuple[RecordedEvent, ...]:
    """Return the events of an opening and these commands, none of them refused."""
    events: tuple[RecordedEvent, ...] = ()
    for command in (opening(terms, opened_on), *commands):
        events += decide(events, command, metadata)
    return events


def recorded_by_last(*commands: Command, terms: PlanTerms = TEN, opened_on: date | datetime = OPENED_ON) -> list[Event]:
    """Return the events of the last command only."""
    before = record(*commands[:-1], terms=terms, opened_on=opened_on)
    return [recorded.event for recorded in decide(before, commands[-1], METADATA)]


def plan_after(*commands: Command, terms: PlanTerms = TEN, opened_on: date | datetime = OPENED_ON) -> Plan:
    """Return the plan after an opening and these commands, none of them refused."""
    return Plan(record(*commands, terms=terms, opened_on=opened_on))


# ---- reading what is recorded


def kinds(events: Iterable[RecordedEvent]) -> list[str]:
    """Return the names of the recorded events."""
    return [type(recorded.event).__name__ for recorded in events]


def deadlines(outcomes: Iterable[Outcome]) -> list[tuple[str, date, int | None]]:
    """Return the missed payments and cancellations among outcomes: name, effective date, installment."""
    return [
        (type(outcome).__name__, outcome.effective_on, outcome.number)
        for outcome in outcomes
        if isinstance(outcome, (PaymentMissed, PlanCancelled))
    ]


def overdue_figures(position: Position) -> tuple[str, int, int | None]:
    """Return the status, the days past due, and the days of grace left."""
    left = None if position.grace_ends_on is None else (position.grace_ends_on - position.as_of).days
    return position.status, position.days_past_due, left


def days_around(dates: Iterable[date], *, first: date, last: date = date.max) -> list[date]:
    """Return dates, the days before and the days after them, from the first to the last day, in order."""
    return sorted({day + shift * DAY for day in dates for shift in (-1, 0, 1) if first <= day + shift * DAY <= last})


def days_up_to_horizon(events: Sequence[RecordedEvent]) -> list[date]:
    """Return the dates up to the horizon on which something is effective, and the days around them."""
    dates = {recorded.event.effective_on for recorded in events}
    return days_around(dates, first=events[0].event.effective_on, last=max(dates))


def recorded_outcomes(events: Iterable[RecordedEvent], on: date) -> Counter[Event]:
    """Return the recorded outcomes effective by a date, less those voided from by then.

    A voided `OutcomeVoided` counts as not there. This is RULES.md section 1 read off the raw events, and nothing else.
    """
    events = list(events)
    voidings = {recorded.version: recorded.event for recorded in events if isinstance(recorded.event, OutcomeVoided)}
    voided_voidings = {voiding.voids for voiding in voidings.values()}
    voided = {
        voiding.voids
        for version, voiding in voidings.items()
        if version not in voided_voidings and voiding.effective_on <= on
    }
    return Counter(
        recorded.event
        for recorded in events
        if isinstance(recorded.event, Outcome) and recorded.event.effective_on <= on and recorded.version not in voided
    )
