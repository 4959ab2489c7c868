"""Rendering of rows: tables for people, JSON for programs."""

import json
from collections.abc import Iterable, Sequence
from fractions import Fraction
from textwrap import wrap
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ledger.books.importer import ImportReport
from ledger.projections.balances import BalanceRow
from ledger.projections.overdue import OverdueRow
from ledger.projections.portfolio import PortfolioRow
from ledger.projections.statement import StatementLine
from ledger.values import to_dict

_WIDTH_WITHOUT_TERMINAL = 120
_NARROWEST_TEXT = 24
"""Characters below which a column of text is not wrapped."""


def to_json(rows: Any) -> str:
    """Return rows as JSON, as `to_dict` writes them."""
    return json.dumps(to_dict(rows), indent=2, ensure_ascii=False)


def overdue_table(rows: Sequence[OverdueRow], *, title: str) -> Table:
    """Return the overdue list, the most urgent first."""
    columns = ("Plan", "Investor", "Partner", "#No.", "Due", "#Days past due", "#Days left", "Grace ends")
    return _table(
        title,
        (*columns, "#Amount due", "#Shares at stake"),
        (
            (
                row.plan_id,
                row.investor,
                row.partner or "",
                str(row.number),
                str(row.due_on),
                str(row.days_past_due),
                str(row.days_left),
                str(row.grace_ends_on),
                f"{row.amount_due:,}",
                f"{row.shares_at_stake:,}",
            )
            for row in rows
        ),
    )


def balances_table(rows: Sequence[BalanceRow], *, title: str) -> Table:
    """Return the share balances."""
    shares = ("#Credited", "#Promised", "#Forfeited", "#Bonus credited", "#Bonus promised")
    return _table(
        title,
        ("Investor", "#Plans", *shares),
        (
            (
                row.investor,
                str(row.plans),
                f"{row.shares_credited:,}",
                f"{row.shares_promised:,}",
                f"{row.shares_forfeited:,}",
                f"{row.bonus_credited:,}",
                f"{row.bonus_promised:,}",
            )
            for row in rows
        ),
    )


def portfolio_table(rows: Sequence[PortfolioRow], *, title: str) -> Table:
    """Return the portfolio, a column per currency: few currencies, many figures."""
    figures: list[tuple[str, ...]] = [
        ("As of", *(str(row.as_of) for row in rows)),
        ("Plans", *(f"{row.plans:,}" for row in rows)),
        ("  active", *(f"{row.active:,}" for row in rows)),
        ("  in grace", *(f"{row.in_grace:,}" for row in rows)),
        ("  cancelled", *(f"{row.cancelled:,}" for row in rows)),
        ("  completed", *(f"{row.completed:,}" for row in rows)),
        ("Paid", *(f"{row.paid:,}" for row in rows)),
        ("  of which in cancelled plans", *(f"{row.paid_in_cancelled:,}" for row in rows)),
        ("Cancelled plans hold", *("" for _ in rows)),
        ("  of the money paid", *(_percent(row.cancelled_share_of_paid) for row in rows)),
        ("  of the prices", *(_percent(row.cancelled_share_of_price) for row in rows)),
        ("  of the plans", *(_percent(row.cancelled_share_of_plans) for row in rows)),
    ]
    return _table(title, ("", *(f"#{row.currency}" for row in rows)), figures)


def statement_table(lines: Sequence[StatementLine], *, title: str) -> Table:
    """Return a plan's history in words, with running balances."""
    return _table(
        title,
        ("Date", "~Description", "#Money", "#Shares", "#Bonus", "#Paid", "#Unapplied", "#Shares held", "#Bonus held"),
        (
            (
                str(line.on),
                line.text,
                "" if line.money is None else f"{line.money:,}",
                f"{line.shares:+,}" if line.shares else "",
                f"{line.bonus:+,}" if line.bonus else "",
                f"{line.paid:,}",
                f"{line.unapplied:,}" if line.unapplied.minor else "",
                f"{line.shares_credited:,}",
                f"{line.bonus_credited:,}" if line.bonus_credited else "",
            )
            for line in lines
        ),
    )


def report_text(report: ImportReport) -> str:
    """Return the counts of an import, in one line."""
    counts = (report.recorded, "recorded"), (report.repeated, "repeated"), (len(report.refused), "refused")
    return "Rows: " + ", ".join(f"{count:,} {state}" for count, state in counts) + "."


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is 1."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def print_table(table: Table) -> None:
    """Print a table. Nothing is cut off: a table wider than the terminal closes its gaps, then runs over the edge."""
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH_WITHOUT_TERMINAL
    if _narrowest(console, table) > console.width:
        table.padding = 0
    console.width = max(console.width, _narrowest(console, table))
    console.print(table)
    console.print()


def _narrowest(console: Console, table: Table) -> int:
    return Measurement.get(console, console.options.update(width=10_000), table).minimum


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table without its empty columns; `#` before a column's name means numbers, `~` text that may wrap."""
    cells = list(rows)
    table = Table(title=Text(f"{title}\n"), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.show_edge = table.pad_edge = False
    shown = [number for number in range(len(columns)) if not cells or any(row[number] for row in cells)]
    for number in shown:
        kind, name = columns[number][:1], columns[number].lstrip("#~")
        if kind == "~":
            table.add_column(name, min_width=_NARROWEST_TEXT)
        else:
            width = max(cell_len(text) for text in (*name.split(), *(row[number] for row in cells), " "))
            table.add_column("\n".join(wrap(name, width)), justify="right" if kind == "#" else "left", width=width)
    for row in cells:
        table.add_row(*(Text(row[number]) for number in shown))
    return table


def _percent(fraction: Fraction) -> str:
    tenths = round(fraction * 1000)
    return f"{tenths // 10}.{tenths % 10} %"
