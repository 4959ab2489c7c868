"""The command that compares the ledger with the bank: reconcile."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ledger.audit.reconcile import Mapping, Matched, Reconciliation, read_statement
from ledger.audit.reconcile import reconcile as compare
from ledger.cli import rendering
from ledger.cli.evidence import could_not_run, reading
from ledger.cli.options import AsJson, Day, KnownAt, Location, known_by
from ledger.cli.rendering import counted
from ledger.cli.tables import Column, Table, print_table
from ledger.errors.arguments import whole

_MOST_DAYS = 366


@dataclass(frozen=True, kw_only=True)
class MappingOptions:
    """The columns of the bank's file, and the forms of its dates and amounts.

    Parameters
    ----------
    reference_column
        The column of the reference; rows without one are matched by plan, amount and date.
    plan_column
        The column of the plan's id, if there is one.
    date_column
        The column of the date.
    amount_column
        The column of the amount, below zero where money was taken back.
    currency_column
        The column of the currency.
    currency
        The currency of all rows, where there is no such column.
    date_format
        The form of dates, such as %d.%m.%Y; default: 2024-06-30.
    decimal_comma
        Amounts are written 1.234,50 instead of 1,234.50.
    """

    reference_column: str = "reference"
    plan_column: str = "plan_id"
    date_column: str = "date"
    amount_column: str = "amount"
    currency_column: str = "currency"
    currency: str | None = None
    date_format: str | None = None
    decimal_comma: Annotated[bool, Parameter(negative="", show_default=False)] = False

    def mapping(self) -> Mapping:
        """Return the mapping. Raises `InvalidArgument`."""
        return Mapping(**vars(self))


Columns = Annotated[MappingOptions, Parameter(name="*")]
_DEFAULT = MappingOptions()


def reconcile(
    file: Path,
    *,
    columns: Columns = _DEFAULT,
    window: int = 3,
    from_: Annotated[Day | None, Parameter(name="--from")] = None,
    through: Day | None = None,
    known_at: KnownAt = None,
    json: AsJson = False,
    location: Location,
) -> int:
    """Compare the bank's rows with the money in the ledger: matched, missing here or there, different, doubled.

    Exit code 0 if all is matched, 1 if not, 2 if it could not run.

    Parameters
    ----------
    file
        The bank's CSV file, in UTF-8, with commas, semicolons, tabs or bars.
    window
        The number of days by which the dates of both sides may differ.
    from_
        The first day of the period; default: the first of the file.
    through
        The last day of the period; default: the last of the file.
    known_at
        As the ledger knew it at this instant, such as 2024-06-30T12:00:00+00:00, or at the end of this day.
    json
        Print JSON instead of tables.
    """
    with could_not_run():
        whole("--window", window, minimum=0, maximum=_MOST_DAYS)
        rows, malformed = read_statement(file, columns.mapping())
        with reading(location) as reader:
            found = compare(
                reader,
                rows,
                malformed,
                window=window,
                from_on=from_,
                through_on=through,
                known_at=known_by(known_at),
            )
    if json:
        rendering.print_json(found)
    else:
        _print(found, file)
    return 0 if found.reconciled else 1


def _print(found: Reconciliation, file: Path) -> None:
    counts = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in found.counts.items() if count)
    period = f", {found.from_on} to {found.through_on}" if found.from_on else ""
    rendering.say(f"{file}{period}: {counts or 'no rows'}.")
    for row in found.malformed:
        rendering.say(f"{file}, line {row.line}: {row.reason}")
    others = [row for row in found.rows if row.kind != "matched"]
    if others:
        rendering.say("")
        print_table(_rows_table(others))
    differing = [day for day in found.days if day.difference.minor]
    if differing and not found.reconciled:  # matched money may have other dates on either side
        columns = (Column("Date"), *(Column(name, number=True) for name in ("Bank", "Ledger", "Difference")))
        cells = [(str(day.on), f"{day.there:,}", f"{day.here:,}", f"{day.difference:,}") for day in differing]
        print_table(Table(f"{counted(len(differing), 'day')} with other sums", columns, cells))


def _rows_table(rows: list[Matched]) -> Table:
    columns = (
        Column("Row", number=True),
        Column("Kind"),
        Column("Reference", leaves=3, below="reference"),
        Column("Plan", leaves=4, below="plan"),
        Column("Bank", leaves=5, below="bank"),
        Column("Ledger", leaves=6, below="ledger"),
        Column("Reason", text=True, leaves=1, below="reason", narrowest=30),
    )
    return Table("What is not matched", columns, list(_cells(rows)))


def _cells(rows: list[Matched]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        there, here = row.there, row.here
        plan = (here and here.plan_id) or (there and there.plan_id) or ""
        candidates = ", ".join(f"{one.plan_id or 'no plan'} {one.reference}" for one in row.candidates)
        yield (
            str(there.line) if there else "",
            row.kind.replace("_", " "),
            (there and there.reference) or (here and here.reference) or "",
            plan,
            f"{there.on} {there.amount:,}" if there else "",
            f"{here.on} {here.amount:,}" if here else "",
            row.reason + (f": {candidates}" if candidates else ""),
        )
