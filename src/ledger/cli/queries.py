"""The commands that ask: overdue list, balances, portfolio, statement; each as of a date and as known at an instant."""

import sys
from collections.abc import Callable, Sequence
from datetime import date
from typing import TypeVar

from rich.table import Table

from ledger.cli import rendering
from ledger.cli.options import AsJson, AsOf, KnownAt, Location
from ledger.cli.rendering import counted
from ledger.dates import EndOfDay, Known
from ledger.listing import Listing

T = TypeVar("T")


def overdue(
    *,
    partner: str | None = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    json: AsJson = False,
    location: Location,
) -> None:
    """List the plans in grace, the most urgent first.

    Parameters
    ----------
    partner
        Only the plans of this partner.
    as_of
        The day, such as 2024-06-30; default: the day of --known-at, else today, in each plan's time zone.
    known_at
        As the ledger knew it at this instant, such as 2024-06-30T12:00:00+00:00, or at the end of this day.
    json
        Print JSON instead of a table.
    """
    with location.open() as ledger:
        rows = ledger.overdue(partner=partner, as_of=as_of, known_at=known_at)
    _show(rows, rendering.overdue_table, f"{counted(len(rows), 'overdue plan')}{_when(as_of, known_at)}", json=json)


def balances(
    *,
    investor: str | None = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    json: AsJson = False,
    location: Location,
) -> None:
    """Show each investor's shares: credited, promised and forfeited.

    Parameters
    ----------
    investor
        Only this investor.
    as_of
        The day, such as 2024-06-30; default: the day of --known-at, else today, in each plan's time zone.
    known_at
        As the ledger knew it at this instant, such as 2024-06-30T12:00:00+00:00, or at the end of this day.
    json
        Print JSON instead of a table.
    """
    with location.open() as ledger:
        rows = ledger.balances(investor=investor, as_of=as_of, known_at=known_at)
    _show(rows, rendering.balances_table, f"{counted(len(rows), 'share balance')}{_when(as_of, known_at)}", json=json)


def portfolio(*, as_of: AsOf = None, known_at: KnownAt = None, json: AsJson = False, location: Location) -> None:
    """Count the plans by status, and show the percentages in cancelled ones.

    Parameters
    ----------
    as_of
        The day, such as 2024-06-30; default: the day of --known-at, else today, in each plan's time zone.
    known_at
        As the ledger knew it at this instant, such as 2024-06-30T12:00:00+00:00, or at the end of this day.
    json
        Print JSON instead of a table.
    """
    with location.open() as ledger:
        rows = ledger.portfolio(as_of=as_of, known_at=known_at)
    _show(rows, rendering.portfolio_table, f"Portfolio{_when(as_of, known_at)}", json=json)


def statement(
    plan: str, *, as_of: AsOf = None, known_at: KnownAt = None, json: AsJson = False, location: Location
) -> None:
    """Show a plan's history in words, with running balances.

    Parameters
    ----------
    plan
        The plan's id.
    as_of
        The last day, such as 2024-06-30; default: the day of --known-at, else today, in the plan's time zone.
    known_at
        As the ledger knew it at this instant, such as 2024-06-30T12:00:00+00:00, or at the end of this day.
    json
        Print JSON instead of a table.
    """
    with location.open() as ledger:
        lines = ledger.statement(plan, as_of=as_of, known_at=known_at)
    _show(lines, rendering.statement_table, f"Statement of plan {plan}{_when(as_of, known_at)}", json=json)


def _show(rows: Sequence[T], table: Callable[..., Table], title: str, *, json: bool) -> None:
    if json:
        print(rendering.to_json(rows))
    else:
        rendering.print_table(table(rows, title=title))
    for plan in rows.quarantined if isinstance(rows, Listing) else ():
        print(f"left out: plan {plan.plan_id}, version {plan.version} ({plan.event}): {plan.reason}", file=sys.stderr)


def _when(as_of: date | None, known_at: Known | None) -> str:
    """Return the end of a title: the two dates of the question."""
    at = f"{known_at}" if isinstance(known_at, EndOfDay) else known_at and known_at.isoformat()
    known = f", as known at {at}" if at else ""
    return f" on {as_of}{known}" if as_of else known or " today"
