"""The commands for money that no plan takes: list it, receive it, allocate it to a plan, return it."""

from collections.abc import Sequence

from ledger.cli import rendering
from ledger.cli.options import AsJson, AsOf, Day, DryRun, KnownAt, Location
from ledger.cli.queries import show, when
from ledger.cli.rendering import counted
from ledger.events import MoneyAllocated, RecordedEvent
from ledger.money import Money


def unallocated(*, as_of: AsOf = None, known_at: KnownAt = None, json: AsJson = False, location: Location) -> None:
    """List money that was received and neither allocated to a plan nor returned.

    Parameters
    ----------
    as_of
        The day, such as 2024-06-30; default: the day of --known-at, else today, in each receipt's time zone.
    known_at
        As the ledger knew it at this instant, such as 2024-06-30T12:00:00+00:00, or at the end of this day.
    json
        Print JSON instead of a table.
    """
    with location.open() as ledger:
        rows = ledger.unallocated(as_of=as_of, known_at=known_at)
    title = f"{counted(len(rows), 'receipt')} with money not allocated{when(as_of, known_at)}"
    show(rows, rendering.receipts_table, title, json=json)


def receive(
    reference: str,
    *,
    amount: str,
    currency: str,
    on: Day,
    reason: str,
    plan: str | None = None,
    actor: str | None = None,
    dry_run: DryRun = False,
    json: AsJson = False,
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
    actor
        The person who records it.
    dry_run
        Only show what would be recorded.
    json
        Print JSON instead of text.
    """
    with location.open() as ledger:
        events = ledger.receive_unallocated(
            reference,
            amount=Money.of(amount, currency),
            received_at=on,
            reason=reason,
            plan_id=plan,
            actor=actor,
            dry_run=dry_run,
        )
    _report(events, f"{Money.of(amount, currency):,} received under {reference}", dry_run=dry_run, json=json)


def allocate(
    reference: str,
    *,
    plan: str,
    amount: str | None = None,
    currency: str | None = None,
    payment: str | None = None,
    paid_on: Day | None = None,
    actor: str | None = None,
    dry_run: DryRun = False,
    json: AsJson = False,
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
    actor
        The person who records it.
    dry_run
        Only show what would be recorded.
    json
        Print JSON instead of text.
    """
    with location.open() as ledger:
        events = ledger.allocate(
            reference,
            plan_id=plan,
            amount=None if amount is None else Money.of(amount, currency or ""),
            payment_reference=payment,
            paid_at=paid_on,
            actor=actor,
            dry_run=dry_run,
        )
    made = [event.event for event in events if isinstance(event.event, MoneyAllocated)]
    done = f"{made[0].amount:,} of {reference} allocated to plan {plan}" if made else ""
    _report(events, done, dry_run=dry_run, json=json)


def return_(
    reference: str,
    *,
    amount: str,
    currency: str,
    on: Day,
    reason: str,
    return_reference: str | None = None,
    actor: str | None = None,
    dry_run: DryRun = False,
    json: AsJson = False,
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
    actor
        The person who records it.
    dry_run
        Only show what would be recorded.
    json
        Print JSON instead of text.
    """
    with location.open() as ledger:
        events = ledger.return_unallocated(
            reference,
            amount=Money.of(amount, currency),
            on=on,
            reason=reason,
            return_reference=return_reference,
            actor=actor,
            dry_run=dry_run,
        )
    _report(events, f"{Money.of(amount, currency):,} of {reference} returned", dry_run=dry_run, json=json)


def _report(events: Sequence[RecordedEvent], done: str, *, dry_run: bool, json: bool) -> None:
    if json:
        print(rendering.to_json({"recorded": not dry_run and bool(events), "events": events}))
    elif not events:
        print("Recorded before: nothing was recorded again.")
    else:
        print(f"{'Not recorded, a dry run: ' if dry_run else ''}{done}.")
