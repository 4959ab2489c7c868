"""The commands that ask: lists, positions and statements, as of a date and as known at an instant; and the events."""

import sys
from collections.abc import Callable, Sequence
from datetime import date
from typing import TypeVar

from ledger.cli import rendering
from ledger.cli.options import NOW, AsJson, Asked, Location, QuestionOptions
from ledger.cli.rendering import counted
from ledger.cli.tables import Table, print_table
from ledger.errors import InvalidArgument
from ledger.errors.arguments import whole
from ledger.events import PLAN, RECEIPT, StreamKind
from ledger.readmodel.listing import Listing
from ledger.service import Ledger
from ledger.state import Status

T = TypeVar("T")


def overdue(*, partner: str | None = None, asked: Asked = NOW, location: Location) -> None:
    """List the plans in grace, the most urgent first.

    Parameters
    ----------
    partner
        Only the plans of this partner.
    """
    with location.open() as ledger:
        rows = ledger.overdue(partner=partner, as_of=asked.as_of, known_at=asked.known)
        _check_known(ledger, rows, partner=partner)
    show(rows, rendering.overdue_table, counted(len(rows), "overdue plan"), asked)


def balances(*, investor: str | None = None, asked: Asked = NOW, location: Location) -> None:
    """Show each investor's shares: credited, promised and forfeited.

    Parameters
    ----------
    investor
        Only this investor.
    """
    with location.open() as ledger:
        rows = ledger.balances(investor=investor, as_of=asked.as_of, known_at=asked.known)
        _check_known(ledger, rows, investor=investor)
    show(rows, rendering.balances_table, counted(len(rows), "share balance"), asked)


def portfolio(*, asked: Asked = NOW, location: Location) -> None:
    """Count the plans by status, and show the percentages in cancelled ones."""
    with location.open() as ledger:
        rows = ledger.portfolio(as_of=asked.as_of, known_at=asked.known)
    show(rows, rendering.portfolio_table, "Portfolio", asked)


def statement(plan: str, *, asked: Asked = NOW, location: Location) -> None:
    """Show a plan's history in words, with running balances.

    Parameters
    ----------
    plan
        The plan's id.
    """
    with location.open() as ledger:
        lines = ledger.statement(plan, as_of=asked.as_of, known_at=asked.known)
    show(lines, rendering.statement_table, f"Statement of plan {plan}", asked)


def position(plan: str, *, asked: Asked = NOW, location: Location) -> None:
    """Show the position of a plan.

    Parameters
    ----------
    plan
        The plan's id.
    """
    with location.open() as ledger:
        found = ledger.position(plan, as_of=asked.as_of, known_at=asked.known)
    if asked.json:
        rendering.print_json(found)
    else:
        of = f"Plan {plan} of investor {found.investor}" + (f", partner {found.partner}" if found.partner else "")
        print_table(rendering.position_table([found], headings=[f"{found.price:,}"], title=of))


def positions(
    *,
    investor: str | None = None,
    partner: str | None = None,
    status: Status | None = None,
    asked: Asked = NOW,
    location: Location,
) -> None:
    """Show the positions of all plans, or of one investor, partner or status.

    Parameters
    ----------
    investor
        Only the plans of this investor.
    partner
        Only the plans of this partner.
    status
        Only the plans that are active, in grace, cancelled or completed.
    """
    with location.open() as ledger:
        rows = ledger.positions(
            investor=investor, partner=partner, status=status, as_of=asked.as_of, known_at=asked.known
        )
        _check_known(ledger, rows, investor=investor, partner=partner)
    show(rows, rendering.positions_table, counted(len(rows), "plan"), asked)


def payments(
    *,
    reference: str | None = None,
    plan: str | None = None,
    investor: str | None = None,
    json: AsJson = False,
    location: Location,
) -> None:
    """List recorded payments, whatever became of them: those with a reference in any plan, of a plan or an investor.

    Parameters
    ----------
    reference
        Only payments with this reference.
    plan
        Only payments of this plan.
    investor
        Only payments of this investor's plans.
    json
        Print JSON instead of a table.
    """
    with location.open() as ledger:
        rows = ledger.payments(reference=reference, plan_id=plan, investor=investor)
        if not rows and plan is not None:
            ledger.history(plan, limit=1)  # raises `PlanNotFound`
        _check_known(ledger, rows, investor=investor)
    if json:
        rendering.print_json(rows)
    else:
        print_table(rendering.payments_table(rows, title=counted(len(rows), "payment")))
    _name_left_out(rows)


def history(plan: str, *, receipt: bool = False, json: AsJson = False, location: Location) -> None:
    """List a plan's events, oldest first, with both times, actor, correlation and key.

    Parameters
    ----------
    plan
        The plan's id; with --receipt the reference of money that was received.
    receipt
        List the events of money that was received and not applied.
    json
        Print JSON instead of a table.
    """
    kind: StreamKind = RECEIPT if receipt else PLAN
    with location.open() as ledger:
        found = ledger.history(plan, kind=kind)
    if json:
        rendering.print_json(found)
    else:
        title = f"{counted(len(found), 'event')} of {kind} {plan}"
        print_table(rendering.events_table(found, title=title, plans=False))


def events(*, after: int = 0, limit: int = 1_000, json: AsJson = False, location: Location) -> None:
    """List the ledger's events in the order of their sequence, with both times, actor, correlation and key.

    Parameters
    ----------
    after
        Only events with a higher sequence.
    limit
        The largest number of events; standard error says how to continue.
    json
        Print JSON instead of a table.
    """
    whole("--limit", limit, minimum=1)
    with location.open() as ledger:
        found = list(ledger.events(after=after, limit=limit + 1))
    shown = found[:limit]
    if json:
        rendering.print_json(shown)
    else:
        print_table(rendering.events_table(shown, title=counted(len(shown), "event"), plans=True))
    if len(found) > limit:
        rendering.say(f"there are more: continue with --after {shown[-1].sequence}", file=sys.stderr)


_NO_DAY_IS_LATER = date.max


def _check_known(
    ledger: Ledger, rows: Sequence[object], *, investor: str | None = None, partner: str | None = None
) -> None:
    """Refuse an investor or partner that no plan names: an empty list would look like an answer."""
    if rows or not (investor or partner):
        return
    for option, given in (("investor", investor), ("partner", partner)):
        if given is None:
            continue
        names = (given, None) if option == "investor" else (None, given)
        found = ledger.positions(as_of=_NO_DAY_IS_LATER, investor=names[0], partner=names[1], limit=1)
        if not found and not found.quarantined:
            expected = f"the {option} of a plan in this ledger"
            raise InvalidArgument(argument=f"--{option}", given=given, expected=expected)


def show(rows: Sequence[T], table: Callable[..., Table], subject: str, asked: QuestionOptions) -> None:
    """Print rows as a table or as JSON, and on standard error the plans that they leave out."""
    if asked.json:
        rendering.print_json(rows)
    else:
        print_table(table(rows, title=f"{subject}{asked.when()}"))
    _name_left_out(rows)


def _name_left_out(rows: Sequence[object]) -> None:
    """Name on standard error the plans that a list leaves out."""
    for plan in rows.quarantined if isinstance(rows, Listing) else ():
        left_out = f"left out: plan {plan.plan_id}, version {plan.version} ({plan.event}): {plan.reason}"
        rendering.say(left_out, file=sys.stderr)
