"""The commands for money that no plan takes: list, receive, allocate to a plan and take that back, return."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from ledger.cli import rendering
from ledger.cli.options import NOW, RECORDED_NOW, Asked, Day, Location, Recording, RecordingOptions
from ledger.cli.queries import show
from ledger.cli.rendering import counted
from ledger.cli.terms_options import money
from ledger.events import MoneyAllocated, RecordedEvent


def unallocated(*, all_: Annotated[bool, Parameter("--all")] = False, asked: Asked = NOW, location: Location) -> None:
    """List money that was received and neither allocated to a plan nor returned.

    Parameters
    ----------
    all_
        All money that was received like this, whatever became of it.
    """
    with location.open() as ledger:
        ask = ledger.receipts if all_ else ledger.unallocated
        rows = ask(as_of=asked.as_of, known_at=asked.known)
    subject = counted(len(rows), "receipt") + ("" if all_ else " with money not allocated")
    show(rows, rendering.receipts_table, subject, asked)


def receive(
    reference: str,
    *,
    amount: str,
    currency: str,
    on: Day,
    reason: str,
    plan: str | None = None,
    recording: Recording = RECORDED_NOW,
    location: Location,
) -> None:
    """Keep money that no plan takes, as received and not applied.

    Parameters
    ----------
    reference
        The reference of the money, such as the bank gave it.
    amount
        The amount in major units, such as 150.00.
    currency
        Its currency, such as USD.
    on
        The day on which it was received.
    reason
        The reason why no plan takes it.
    plan
        The plan that the payer stated.
    """
    received = money("--amount", amount, currency)
    with location.open() as ledger:
        events = ledger.receive_unallocated(
            reference,
            amount=received,
            received_at=on,
            reason=reason,
            plan_id=plan,
            **recording.metadata(),
        )
    _report(events, f"{received:,} received under {reference}", recording)


def allocate(
    reference: str,
    *,
    plan: str,
    amount: str | None = None,
    currency: str | None = None,
    payment: str | None = None,
    paid_on: Day | None = None,
    recording: Recording = RECORDED_NOW,
    location: Location,
) -> None:
    """Make a payment of a plan from money that was received: both are recorded, or neither.

    Parameters
    ----------
    reference
        The reference under which the money was received.
    plan
        The plan's id.
    amount
        The amount in major units; default: all that remains or, where the plan takes less, the most that it takes.
    currency
        The currency of a stated amount, such as USD.
    payment
        The payment's reference, for a further part for the same plan; default: that of the money.
    paid_on
        The day of the payment; default: that on which the money was received.
    """
    part = None if amount is None else money("--amount", amount, currency or "")
    with location.open() as ledger:
        events = ledger.allocate(
            reference,
            plan_id=plan,
            amount=part,
            payment_reference=payment,
            paid_at=paid_on,
            **recording.metadata(),
        )
    made = [event.event for event in events if isinstance(event.event, MoneyAllocated)]
    done = f"{made[0].amount:,} of {reference} allocated to plan {plan}" if made else ""
    _report(events, done, recording)


def reverse_allocation(
    reference: str,
    *,
    plan: str,
    payment: str | None = None,
    recording: Recording = RECORDED_NOW,
    location: Location,
) -> None:
    """Reverse the payment of an allocation for error: its money remains to be allocated again, to any plan.

    Parameters
    ----------
    reference
        The reference under which the money was received.
    plan
        The plan to which it was allocated.
    payment
        The payment's reference; default: that of the money.
    """
    with location.open() as ledger:
        events = ledger.reverse_allocation(reference, plan_id=plan, payment_reference=payment, **recording.metadata())
    _report(events, f"the allocation of {reference} to plan {plan} is reversed", recording)


def return_(
    reference: str,
    *,
    amount: str,
    currency: str,
    on: Day,
    reason: str,
    return_reference: str | None = None,
    recording: Recording = RECORDED_NOW,
    location: Location,
) -> None:
    """Record that money which was received left the ledger: sent back to its payer, or taken back by the bank.

    Parameters
    ----------
    reference
        The reference under which the money was received.
    amount
        The amount in major units, such as 150.00.
    currency
        Its currency, such as USD.
    on
        The day on which it left.
    reason
        The reason.
    return_reference
        The reference of the return, for a further one of the same money; default: that of the money.
    """
    returned = money("--amount", amount, currency)
    with location.open() as ledger:
        events = ledger.return_unallocated(
            reference,
            amount=returned,
            on=on,
            reason=reason,
            return_reference=return_reference,
            **recording.metadata(),
        )
    _report(events, f"{returned:,} of {reference} returned", recording)


def _report(events: Sequence[RecordedEvent], done: str, recording: RecordingOptions) -> None:
    if recording.json:
        rendering.print_json({"recorded": not recording.dry_run and bool(events), "events": events})
    elif not events:
        rendering.say("Recorded before: nothing was recorded again.")
    else:
        rendering.say(f"{'Not recorded, a dry run: ' if recording.dry_run else ''}{done}.")
