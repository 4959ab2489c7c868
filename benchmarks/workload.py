"""The work: plans of 20 installments with four promotions, paid on time, with 0 to 19 payments already recorded."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import islice

from ledger import (
    DoublePayment,
    EarlyRepayment,
    Ledger,
    Money,
    OnTimeBonus,
    PackageBonus,
    PerUnit,
    PlanTerms,
    RecordedEvent,
)
from ledger.events.codec import Codec
from ledger.terms.schedule import installments

INVESTOR, PARTNER = "I-7", "N-3"
OPENED_ON = date(2023, 4, 10)
TERMS = PlanTerms(
    price=Money.of("3000.00", "USD"),
    shares=351_000,
    installments=20,
    rounding_unit=100,
    first_due_on=OPENED_ON,
    release=PerUnit("49"),
    timezone="Europe/Moscow",
    promos=(
        OnTimeBonus(code="on_time", rate_bp=500, standard="within_grace"),
        PackageBonus(code="spring", rate_bp=1000),
        DoublePayment(code="double", rate_bp=50, base="package", credit="at_once"),
        EarlyRepayment(code="early", rate_bp=100, base="released", credit="on_completion"),
    ),
)
LINES = installments("P-0", TERMS, opened_on=OPENED_ON)

LATE = 5
"""Days after the due date on which a late payer pays, within grace: each payment follows a missed installment."""

_RECORDED = time(12, 34, 56, 123456, UTC)
"""Time of day of the template's recordings: with microseconds, so that rows are as long as real ones."""

_TOGETHER = 100
"""Plans filled in one transaction: psycopg's pipeline, through which the library inserts, hangs on half a megabyte."""

StoredRow = tuple[str, bytes]
"""Topic and state."""


def plan_id(plan: int) -> str:
    """Return the id under which ours and the floor keep the plan with this number."""
    return f"P-{plan:06d}"


def reference(number: int) -> str:
    """Return the reference of a plan's payment, numbered from 1."""
    return f"bank-{number}"


def recorded_at(day: date) -> datetime:
    """Return the instant of the day at which the workload's commands are recorded."""
    return datetime.combine(day, _RECORDED)


def paid_before(plan: int) -> int:
    """Return the number of payments that a plan has before the measurement: from 0 to 19, 9.5 on average.

    So payments are measured on plans of every age, and one in twenty completes its plan.
    """
    return plan % len(LINES)


def by_month(payments: Sequence[int], *, first: int = 0) -> Iterator[tuple[int, Sequence[int]]]:
    """Yield the commands that give each plan its number of payments: 0 (open) or a payment's number, and some plans.

    The plans are numbered from `first`. The order is that of the business: everybody's first payment comes before
    anybody's second.
    """
    for command in range(max(payments, default=-1) + 1):
        plans = [plan for plan, paid in enumerate(payments, first) if paid >= command]
        yield from ((command, plans[begin : begin + _TOGETHER]) for begin in range(0, len(plans), _TOGETHER))


def whole_histories(plans: range, *, together: int = 2_000) -> Iterator[list[tuple[int, int]]]:
    """Yield the commands that give every plan its whole history, as pairs of command and plan, in chunks.

    Command 0 opens a plan, the others are its payments by number. The order is that of the business, as in `by_month`.
    """
    commands = ((command, plan) for command in range(len(LINES) + 1) for plan in plans)
    while some := list(islice(commands, together)):
        yield some


@cache
def recorded(late: int = 0) -> tuple[tuple[RecordedEvent, ...], ...]:
    """Return one plan as ours records it, from opening to completion: the events of each command.

    Each payment is so many days late.
    """
    with Ledger.open("memory://") as ledger:
        commands = [
            ledger.open_plan(
                plan_id(0),
                investor=INVESTOR,
                partner=PARTNER,
                terms=TERMS,
                opened_at=OPENED_ON,
                recorded_at=recorded_at(OPENED_ON),
            )
        ]
        for line in LINES:
            paid_on = line.due_on + timedelta(days=late)
            events = ledger.record_payment(
                plan_id(0),
                reference=reference(line.number),
                amount=Money(line.amount, TERMS.price.currency),
                paid_at=paid_on,
                recorded_at=recorded_at(paid_on),
            )
            commands.append(events)
    return tuple(commands)


@cache
def stored() -> tuple[tuple[StoredRow, ...], ...]:
    """Return the same plan as the rows that ours stores; the floor writes and reads them."""
    codec = Codec()
    return tuple(tuple(codec.encode(event) for event in command) for command in recorded())
