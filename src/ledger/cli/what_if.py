"""The command that asks for other terms: what-if."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from ledger.audit.what_if import Comparison, Departure, OtherTerms, Totals, WhatIf
from ledger.audit.what_if.partitioned import what_if_in_parts
from ledger.audit.what_if.terms_file import READERS, read_terms
from ledger.cli import rendering
from ledger.cli.evidence import could_not_run, reading
from ledger.cli.options import NOW, Asked, Location, UsageError, progress_bar
from ledger.cli.parallel import HERE, Parallel
from ledger.cli.rendering import counted
from ledger.cli.tables import Column, Table, print_table
from ledger.cli.terms_options import read
from ledger.service import utc_now
from ledger.state.position import Position


def what_if(
    *,
    grace_days: str | None = None,
    release: str | None = None,
    promos: str | None = None,
    stacking: str | None = None,
    reinstatement: str | None = None,
    terms: Path | None = None,
    parallel: Parallel = HERE,
    asked: Asked = NOW,
    location: Location,
) -> int:
    """Show the difference that other terms make to the same facts: plans, money and shares; nothing is recorded.

    Exit code 1 if a plan was left out, as its history cannot be read or cannot have such terms; 2 if it could not run.

    Parameters
    ----------
    grace_days
        Days after a due date that still count.
    release
        per_unit:RATE, portion:FRACTION or explicit:a,b,…
    promos
        A list with ; between, as in plans.csv; empty: none.
    stacking
        additive, exclusive or compound.
    reinstatement
        closed, full_cover or partial_cover:MINIMUM.
    terms
        A CSV file with plan_id and columns of these names, for single plans.
    """
    given = {
        "grace_days": grace_days,
        "release": release,
        "promos": promos,
        "stacking": stacking,
        "reinstatement": reinstatement,
    }
    with could_not_run():
        stated: dict[str, Any] = {
            name: read(f"--{name.replace('_', '-')}", value, READERS[name])
            for name, value in given.items()
            if value is not None
        }
        by_plan = None if terms is None else read_terms(terms)
        if not stated and by_plan is None:
            raise UsageError("state the terms to compare with, such as --grace-days 30, or --terms FILE")
        with reading(location) as reader, parallel.workers() as workers, progress_bar("Comparing") as progress:
            found = what_if_in_parts(
                reader,
                other=OtherTerms(**stated),
                by_plan=by_plan,
                as_of=asked.as_of,
                known_at=asked.known,
                now=utc_now(),
                processes=parallel.processes,
                workers=workers,
                progress=progress,
            )
    if asked.json:
        rendering.print_json(found)
    else:
        _print(found, asked.when())
    for one in found.left_out:
        rendering.say(f"left out: {one.reason}", file=sys.stderr)
    return 1 if found.left_out else 0


def _print(found: WhatIf, when: str) -> None:
    if not found.comparisons:
        rendering.say(f"No plans to compare{when}.")
    for comparison in found.comparisons:
        print_table(_totals_table(comparison, title=f"{_summary(comparison)}{when}"))
    if found.departures:
        print_table(_departures_table(found.departures))
    if any(one.refused for one in found.departures):
        print_table(_refused_table(found.departures))


def _summary(one: Comparison) -> str:
    return f"{counted(one.departed, 'plan')} of {one.plans:,} in {one.currency} would have gone another way"


def _totals_table(one: Comparison, *, title: str) -> Table:
    columns = (Column(""), *(Column(name, number=True) for name in ("As agreed", "Otherwise", "Difference")))
    rows = [("Plans active", *_three(one, "active"))]
    for label, name in _FIGURES.items():
        if any(getattr(totals, name) for totals in (one.agreed, one.otherwise)):
            rows.append((label, *_three(one, name)))
    rows.append(("Facts refused", "", f"{one.refused:,}", ""))
    rows.append(("  with money", "", f"{one.refused_money:,}", ""))
    return Table(title, columns, rows)


_FIGURES = {
    "  in grace": "in_grace",
    "  cancelled": "cancelled",
    "  completed": "completed",
    "Paid": "paid",
    "Unapplied": "unapplied",
    "Shares credited": "shares_credited",
    "  promised": "shares_promised",
    "  forfeited": "shares_forfeited",
    "Bonus credited": "bonus_credited",
    "  promised on completion": "bonus_promised",
}
assert {*_FIGURES.values(), "active"} == {field.name for field in attrs.fields(Totals)}


def _three(one: Comparison, name: str) -> tuple[str, str, str]:
    agreed, otherwise = getattr(one.agreed, name), getattr(one.otherwise, name)
    return f"{agreed:,}", f"{otherwise:,}", _difference(agreed, otherwise)


def _difference(agreed: Any, otherwise: Any) -> str:
    """Return a difference with its sign; nothing for none."""
    if agreed == otherwise:
        return ""
    sign = "+" if otherwise > agreed else ""
    return f"{sign}{otherwise - agreed:,}"


def _departures_table(departures: Sequence[Departure]) -> Table:
    columns = (
        Column("Plan"),
        Column("Departs"),
        Column("As agreed"),
        Column("Otherwise"),
        Column("Paid", number=True, leaves=6, below="paid"),
        Column("Unapplied", number=True, leaves=5, below="unapplied"),
        Column("Credited", number=True, leaves=4, below="credited"),
        Column("Promised", number=True, leaves=2, below="promised"),
        Column("Forfeited", number=True, leaves=3, below="forfeited"),
        Column("Bonus", number=True, leaves=1, below="bonus"),
    )
    names = ("paid", "unapplied", "shares_credited", "shares_promised", "shares_forfeited", "bonus_credited")
    rows = [
        (
            one.plan_id,
            str(one.departs_on or ""),
            _standing(one.agreed),
            _standing(one.otherwise),
            *(_difference(getattr(one.agreed, name), getattr(one.otherwise, name)) for name in names),
        )
        for one in departures
    ]
    return Table("The plans that depart, with the differences", columns, rows)


def _standing(one: Position) -> str:
    """Return a status with the date on which it began, if it ended the plan."""
    since = one.cancelled_on or one.completed_on
    return f"{one.status.replace('_', ' ')}{f' {since}' if since else ''}"


def _refused_table(departures: Sequence[Departure]) -> Table:
    columns = (
        Column("Plan"),
        Column("Version", number=True, leaves=2, below="version"),
        Column("Date"),
        Column("Reference"),
        Column("Amount", number=True),
        Column("Reason", text=True, leaves=1, below="reason", narrowest=30),
    )
    return Table(
        "The facts that would have been refused; their money is unapplied", columns, list(_refused(departures))
    )


def _refused(departures: Sequence[Departure]) -> Iterator[tuple[str, ...]]:
    for plan in departures:
        for one in plan.refused:
            amount = "" if one.amount is None else f"{one.amount:,}"
            yield plan.plan_id, str(one.version), str(one.on), one.reference, amount, one.reason
