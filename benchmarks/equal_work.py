"""Proof that the stock plan does the job: ours and stock record the same histories and agree on every event."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from benchmarks.stock import open_plan
from benchmarks.stock_plan import PaymentRejected, Plan
from benchmarks.workload import INVESTOR, LINES, OPENED_ON, PARTNER, TERMS, plan_id
from ledger import CommandRefused, Ledger, Money, RecordedEvent, ReferenceConflict

REGULAR_AMOUNT = LINES[0].amount
DUE = [line.due_on for line in LINES]
GRACE = timedelta(days=TERMS.grace_days)
DAY = timedelta(days=1)


class UnequalWork(Exception):
    """The sides did not do the same work, so a comparison of their times would mean nothing."""


@dataclass(frozen=True)
class Pay:
    """A payment of some regular installments at once."""

    reference: str
    on: date
    installments: int = 1
    kind: Literal["regular", "early_repayment"] = "regular"


@dataclass(frozen=True)
class Close:
    """Record the outcomes that have come due by the end of a day."""

    through: date


Command = Pay | Close

Recorded = list[tuple[str, str, int]] | None
"""Name, date and shares of each event that a command recorded, sorted; None if it was refused."""


def _in_time(*numbers: int) -> list[Command]:
    return [Pay(f"bank-{number}", DUE[number - 1]) for number in numbers]


HISTORIES: dict[str, list[Command]] = {
    "in time, then once too often": [*_in_time(*range(1, 21)), Pay("bank-21", DUE[-1])],
    "on the last day of grace": [Pay(f"late-{i}", due_on + GRACE) for i, due_on in enumerate(DUE)],
    "a day too late": [*_in_time(1, 2), Pay("late", DUE[2] + GRACE + DAY)],
    "closed, cancelled, then paid": [*_in_time(1), Close(DUE[1] + DAY), Close(DUE[3]), Pay("late", DUE[3])],
    "two installments at a time": [Pay(f"bank-{i}", DUE[i], installments=2) for i in range(0, 20, 2)],
    "five in time, then all the rest early": [*_in_time(*range(1, 6)), Pay("rest", DUE[5], 15, "early_repayment")],
    "early twice, then to the end": [
        Pay("early-1", DUE[0], 3, "early_repayment"),
        Pay("early-2", DUE[3], 5, "early_repayment"),
        *_in_time(*range(9, 21)),
    ],
    "more than the price": [*_in_time(*range(1, 20)), Pay("much", DUE[19], installments=2), *_in_time(20)],
    "the same payment again, and another under its reference": [
        *_in_time(1, 2, 2),
        Pay("bank-2", DUE[1], installments=2),
    ],
    "before the opening": [Pay("bank-1", OPENED_ON - DAY), *_in_time(1)],
}


def check_equal_work() -> None:
    """Raise `UnequalWork` if ours and stock disagree about an event, a date, a share or a refusal."""
    for name, history in HISTORIES.items():
        ours, stock = _ours(history), _stock(history)
        for command, by_ours, by_stock in zip(history, ours, stock, strict=True):
            if by_ours != by_stock:
                raise UnequalWork(f"{name}: {command} recorded {by_ours} in ours and {by_stock} in stock")


def _ours(history: Sequence[Command]) -> list[Recorded]:
    with Ledger.open("memory://") as ledger:
        ledger.open_plan(plan_id(0), investor=INVESTOR, partner=PARTNER, terms=TERMS, opened_at=OPENED_ON)
        return [_recorded_by_ours(ledger, command) for command in history]


def _recorded_by_ours(ledger: Ledger, command: Command) -> Recorded:
    events: tuple[RecordedEvent, ...]
    try:
        if isinstance(command, Close):
            events = ledger.close_books(through=command.through)
        else:
            amount = Money(command.installments * REGULAR_AMOUNT, TERMS.price.currency)
            events = ledger.record_payment(
                plan_id(0), reference=command.reference, amount=amount, paid_at=command.on, kind=command.kind
            )
    except (CommandRefused, ReferenceConflict):
        return None
    return sorted(_summary(recorded.event, recorded.event.effective_on.isoformat()) for recorded in events)


def _stock(history: Sequence[Command]) -> list[Recorded]:
    plan = open_plan()
    plan.collect_events()
    return [_recorded_by_stock(plan, command) for command in history]


def _recorded_by_stock(plan: Plan, command: Command) -> Recorded:
    try:
        if isinstance(command, Close):
            plan.pass_deadlines(command.through)
        else:
            plan.pay(
                reference=command.reference,
                amount={"currency": TERMS.price.currency, "minor": command.installments * REGULAR_AMOUNT},
                kind=command.kind,
                paid_on=command.on,
            )
    except PaymentRejected:
        return None
    events: Sequence[Any] = plan.collect_events()
    return sorted(_summary(event, event.effective_on) for event in events)


def _summary(event: Any, effective_on: str) -> tuple[str, str, int]:
    return type(event).__name__, effective_on, getattr(event, "shares", 0)
