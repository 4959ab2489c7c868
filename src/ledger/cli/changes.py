"""The commands that change one plan: open, pay, reverse, cancel, reinstate; and preview, which needs no ledger.

With `--dry-run` each shows the events that it would record and the plan before and after, and records nothing.
"""

from collections.abc import Callable, Sequence
from datetime import date

from ledger.cli import rendering
from ledger.cli.options import (
    RECORDED_NOW,
    AsJson,
    Day,
    DayOrInstant,
    Location,
    Recording,
    RecordingOptions,
    UsageError,
)
from ledger.cli.rendering import counted
from ledger.cli.tables import print_table
from ledger.cli.terms_options import Terms, money
from ledger.errors import PlanNotFound
from ledger.events import RecordedEvent
from ledger.events.facts import PaymentKind, ReversalCause
from ledger.plan import Plan
from ledger.service import Ledger
from ledger.state.position import Position
from ledger.terms.schedule import schedule


def open_(
    plan: str,
    *,
    investor: str,
    partner: str | None = None,
    opened_at: DayOrInstant,
    terms: Terms,
    recording: Recording = RECORDED_NOW,
    location: Location,
) -> None:
    """Open a plan.

    Parameters
    ----------
    plan
        The plan's id.
    investor
        The investor's id.
    partner
        The partner's id, if there is one.
    opened_at
        A date in the plan's zone, or an instant: 2023-04-10T12:00:00+03:00.
    """
    stated = terms.terms()
    _execute(
        location,
        plan,
        lambda ledger: ledger.open_plan(
            plan, investor=investor, partner=partner, terms=stated, opened_at=opened_at, **recording.metadata()
        ),
        recording,
    )


def pay(
    plan: str,
    *,
    reference: str,
    amount: str,
    currency: str,
    paid_at: DayOrInstant,
    kind: PaymentKind = "regular",
    recording: Recording = RECORDED_NOW,
    location: Location,
) -> None:
    """Record a payment.

    Parameters
    ----------
    plan
        The plan's id.
    reference
        The payment's reference: the command with the same one is recorded once.
    amount
        In major units of the currency: 150.00.
    currency
        A code of ISO 4217: USD.
    paid_at
        A date in the plan's zone, or an instant: 2023-04-10T12:00:00+03:00.
    kind
        Whether the payer marked it as early repayment.
    """
    paid = money("--amount", amount, currency)
    _execute(
        location,
        plan,
        lambda ledger: ledger.record_payment(
            plan, reference=reference, amount=paid, paid_at=paid_at, kind=kind, **recording.metadata()
        ),
        recording,
    )


def reverse(
    plan: str,
    *,
    reference: str,
    cause: ReversalCause,
    on: Day | None = None,
    recording: Recording = RECORDED_NOW,
    location: Location,
) -> None:
    """Take a payment back: by error it was never made, by chargeback it is gone from a date on.

    Parameters
    ----------
    plan
        The plan's id.
    reference
        The payment's reference.
    cause
        The reason why it is taken back.
    on
        The date of a chargeback.
    """
    if cause == "chargeback" and on is None:
        raise UsageError("--on is missing: state the date of the chargeback")
    _execute(
        location,
        plan,
        lambda ledger: ledger.reverse_payment(plan, reference=reference, cause=cause, on=on, **recording.metadata()),
        recording,
    )


def cancel(
    plan: str, *, reference: str, on: Day, reason: str, recording: Recording = RECORDED_NOW, location: Location
) -> None:
    """Cancel a plan by request.

    Parameters
    ----------
    plan
        The plan's id.
    reference
        The reference of the request.
    on
        The date of the cancellation, which may lie in the past.
    reason
        The reason, in words.
    """
    _execute(
        location,
        plan,
        lambda ledger: ledger.cancel_plan(plan, reference=reference, on=on, reason=reason, **recording.metadata()),
        recording,
    )


def reinstate(
    plan: str,
    *,
    reference: str,
    on: Day,
    amount: str,
    currency: str,
    approved_by: str,
    reason: str,
    revised_shares: int | None = None,
    recording: Recording = RECORDED_NOW,
    location: Location,
) -> None:
    """Reinstate a cancelled plan with a payment.

    Parameters
    ----------
    plan
        The plan's id.
    reference
        The payment's reference.
    on
        The date of the reinstatement.
    amount
        In major units of the currency: 150.00.
    currency
        A code of ISO 4217: USD.
    approved_by
        Who approved it: somebody else than the actor.
    reason
        The reason, in words.
    revised_shares
        The package's shares from now on, where not everything overdue is covered.
    """
    paid = money("--amount", amount, currency)
    _execute(
        location,
        plan,
        lambda ledger: ledger.reinstate_plan(
            plan,
            on=on,
            reference=reference,
            amount=paid,
            approved_by=approved_by,
            reason=reason,
            revised_shares=revised_shares,
            **recording.metadata(),
        ),
        recording,
    )


def preview(*, opened_on: Day, terms: Terms, json: AsJson = False) -> None:
    """Show the schedule that terms produce. Needs no ledger and records nothing.

    Parameters
    ----------
    opened_on
        The date of the opening.
    json
        Print JSON instead of a table.
    """
    stated = terms.terms()
    lines = schedule(stated, opened_on)
    if json:
        rendering.print_json(lines)
        return
    rest = stated.shares - sum(line.shares for line in lines)
    title = f"{counted(stated.shares, 'share')} for {stated.price:,} in {counted(stated.installments, 'installment')}"
    print_table(rendering.schedule_table(lines, stated.price.currency, title=title))
    rendering.say(f"The last installment also credits the completion tranche: {counted(rest, 'share')}.")


def _execute(
    location: Location,
    plan_id: str,
    command: Callable[[Ledger], Sequence[RecordedEvent]],
    recording: RecordingOptions,
) -> None:
    """Execute a command and show the events, and the plan before and after them on one date."""
    with location.open() as ledger:
        events = command(ledger)
        history, as_of = _as_recorded(ledger, plan_id)
    before = history[: events[0].version - 1] if events else history
    after = [*before, *events]
    as_of = as_of or after[0].event.effective_on  # a plan that is not opened yet
    positions = [Plan(one).position(as_of) for one in (before, after) if one]
    if recording.json:
        shown = {"recorded": bool(events) and not recording.dry_run, "events": events, "position": positions[-1]}
        rendering.print_json(shown)
    elif not events:
        rendering.say("Nothing to record: this very command was recorded before.")
    else:
        _show(plan_id, events, positions, dry_run=recording.dry_run)


def _as_recorded(ledger: Ledger, plan_id: str) -> tuple[Sequence[RecordedEvent], date | None]:
    """Return a plan's events and its date of today; none for a plan that is not opened."""
    try:
        return ledger.history(plan_id), ledger.position(plan_id).as_of
    except PlanNotFound:
        return (), None


def _show(plan_id: str, events: Sequence[RecordedEvent], positions: Sequence[Position], *, dry_run: bool) -> None:
    said = "Would record" if dry_run else "Recorded"
    title = f"{said} {counted(len(events), 'event')} of plan {plan_id}"
    print_table(rendering.events_table(events, title=title, plans=False))
    headings = ("Before", "After")[-len(positions) :]
    print_table(rendering.position_table(positions, headings=headings, title=f"Plan {plan_id}"))
    if dry_run:
        rendering.say("Nothing is recorded. The same command without --dry-run records it.")
