"""Rendering of rows: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC
from fractions import Fraction
from typing import Any, TextIO

from ledger.books.importer import ImportReport
from ledger.cli.tables import Column, Table
from ledger.errors.excerpt import visible
from ledger.events import RecordedEvent
from ledger.money import Money
from ledger.projections.balances import BalanceRow
from ledger.projections.overdue import OverdueRow
from ledger.projections.payments import PaymentRow
from ledger.projections.portfolio import PortfolioRow
from ledger.projections.statement import StatementLine
from ledger.receipt import ReceiptRow
from ledger.state.position import Position
from ledger.terms.schedule import Installment
from ledger.values import to_dict


def say(text: str, *, file: TextIO | None = None) -> None:
    """Print a line of text, with every character visible."""
    print(visible(text), file=file or sys.stdout)


def print_json(rows: Any) -> None:
    """Print rows as JSON, with characters that do not print as escapes of JSON."""
    print("\n".join(map(_escaped, to_json(rows).splitlines())))


def print_json_line(value: Any) -> None:
    """Print a value as JSON in one line."""
    print(_escaped(json.dumps(to_dict(value), ensure_ascii=False)))


def _escaped(line: str) -> str:
    """Return a line of JSON in which only printable characters stand for themselves; its value is the same."""
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in line)


def to_json(rows: Any) -> str:
    """Return rows as JSON, as `to_dict` writes them."""
    return json.dumps(to_dict(rows), indent=2, ensure_ascii=False)


def overdue_table(rows: Sequence[OverdueRow], *, title: str) -> Table:
    """Return the overdue list, the most urgent first. Ids, dates and the amount stay in the row longest."""
    columns = (
        Column("Plan"),
        Column("Investor"),
        Column("Partner"),
        Column("No.", number=True, leaves=2, below="installment"),
        Column("Due", leaves=5, below="due"),
        Column("Days past due", number=True, leaves=3, below="days past due"),
        Column("Days left", number=True, leaves=4, below="days left"),
        Column("Grace ends", leaves=8, below="grace ends"),
        Column("Amount due", number=True, leaves=9, below="amount due"),
        Column("Shares at stake", number=True, leaves=1, below="shares at stake"),
    )
    return Table(
        title,
        columns,
        [
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
        ],
    )


def balances_table(rows: Sequence[BalanceRow], *, title: str) -> Table:
    """Return the share balances."""
    columns = (
        Column("Investor"),
        Column("Plans", number=True, leaves=1, below="plans"),
        Column("Credited", number=True, below="credited"),
        Column("Promised", number=True, below="promised"),
        Column("Forfeited", number=True, leaves=4, below="forfeited"),
        Column("Bonus credited", number=True, leaves=3, below="bonus credited"),
        Column("Bonus promised", number=True, leaves=2, below="bonus promised"),
    )
    return Table(
        title,
        columns,
        [
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
        ],
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
        ("Received, not allocated", *(f"{row.unallocated:,}" for row in rows)),
        ("Cancelled plans hold", *("" for _ in rows)),
        ("  of the money paid", *(_percent(row.cancelled_share_of_paid) for row in rows)),
        ("  of the prices", *(_percent(row.cancelled_share_of_price) for row in rows)),
        ("  of the plans", *(_percent(row.cancelled_share_of_plans) for row in rows)),
    ]
    return Table(title, (Column(""), *(Column(row.currency, number=True) for row in rows)), figures if rows else [])


def receipts_table(rows: Sequence[ReceiptRow], *, title: str) -> Table:
    """Return money received and not applied at once, with what remains of it and why."""
    columns = (
        Column("Received"),
        Column("Reference"),
        Column("Plan"),
        Column("Amount", number=True, leaves=2, below="amount"),
        Column("Remaining", number=True),
        Column("Reason", text=True, leaves=3, below="reason", narrowest=30),
    )
    return Table(
        title,
        columns,
        [
            (
                str(row.received_on),
                row.reference,
                row.plan_id or "",
                f"{row.received:,}",
                f"{row.remaining:,}",
                row.reason,
            )
            for row in rows
        ],
    )


def payments_table(rows: Sequence[PaymentRow], *, title: str) -> Table:
    """Return payments, with how and when each was taken back."""
    columns = (
        Column("Reference"),
        Column("Plan"),
        Column("Investor"),
        Column("Date"),
        Column("Amount", number=True),
        Column("Kind", leaves=1, below="kind"),
        Column("Reversal", leaves=3, below="reversal"),
        Column("Reversed on", leaves=2, below="reversed on"),
    )
    return Table(
        title,
        columns,
        [
            (
                row.reference,
                row.plan_id,
                row.investor,
                str(row.effective_on),
                f"{row.amount:,}",
                row.kind.replace("_", " "),
                row.reversal or "",
                str(row.reversed_on or ""),
            )
            for row in rows
        ],
    )


def statement_table(lines: Sequence[StatementLine], *, title: str) -> Table:
    """Return a plan's history in words, with running balances; they are the first to leave the row."""
    columns = (
        Column("Date"),
        Column("Description", text=True, narrowest=40),
        Column("Money", number=True, leaves=7, below="money"),
        Column("Shares", number=True, leaves=6, below="shares"),
        Column("Bonus", number=True, leaves=5, below="bonus"),
        Column("Paid", number=True, leaves=4, below="paid"),
        Column("Unapplied", number=True, leaves=3, below="unapplied"),
        Column("Shares held", number=True, leaves=2, below="shares held"),
        Column("Bonus held", number=True, leaves=1, below="bonus held"),
    )
    return Table(
        title,
        columns,
        [
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
        ],
        balances=True,
    )


def positions_table(rows: Sequence[Position], *, title: str) -> Table:
    """Return the positions of many plans. Ids, status, the next due date and money stay in the row longest."""
    columns = (
        Column("Plan"),
        Column("Investor"),
        Column("Partner"),
        Column("Status"),
        Column("Next due", leaves=8, below="next due"),
        Column("Paid", number=True, leaves=10, below="paid"),
        Column("Outstanding", number=True, leaves=9, below="outstanding"),
        Column("Unapplied", number=True, leaves=7, below="unapplied"),
        Column("Credited", number=True, leaves=6, below="shares credited"),
        Column("Promised", number=True, leaves=5, below="promised"),
        Column("Forfeited", number=True, leaves=4, below="forfeited"),
        Column("Bonus credited", number=True, leaves=3, below="bonus credited"),
        Column("Bonus promised", number=True, leaves=2, below="bonus promised"),
    )
    return Table(
        title,
        columns,
        [
            (
                row.plan_id,
                row.investor,
                row.partner or "",
                row.status.replace("_", " "),
                str(row.next_installment.due_on) if row.next_installment and row.status != "cancelled" else "",
                f"{row.paid:,}",
                f"{row.outstanding:,}",
                f"{row.unapplied:,}" if row.unapplied.minor else "",
                f"{row.shares_credited:,}",
                f"{row.shares_promised:,}" if row.shares_promised else "",
                f"{row.shares_forfeited:,}" if row.shares_forfeited else "",
                f"{row.bonus_credited:,}" if row.bonus_credited else "",
                f"{row.bonus_promised:,}" if row.bonus_promised else "",
            )
            for row in rows
        ],
    )


def position_table(positions: Sequence[Position], *, headings: Sequence[str], title: str) -> Table:
    """Return the figures of one plan, a column per position: one, or the plan before and after a command."""
    figures = [_figures(position) for position in positions]
    rows = [(name, *(one[name] for one in figures)) for name in figures[0] if any(one[name] for one in figures)]
    return Table(title, (Column(""), *(Column(heading, number=True) for heading in headings)), rows)


def _figures(position: Position) -> dict[str, str]:
    following = position.next_installment
    return {
        "As of": str(position.as_of),
        "Status": position.status.replace("_", " "),
        "Paid": f"{position.paid:,}",
        "Outstanding": f"{position.outstanding:,}",
        "Unapplied": f"{position.unapplied:,}",
        "Installments settled": str(position.settled),
        "Next installment": str(following.number) if following else "",
        "  due": str(following.due_on) if following else "",
        "  missing": f"{following.missing:,}" if following else "",
        "Days past due": str(position.days_past_due),
        "Grace ends": str(position.grace_ends_on or ""),
        "Cancelled": str(position.cancelled_on or ""),
        "Completed": str(position.completed_on or ""),
        "Shares credited": f"{position.shares_credited:,}",
        "  promised": f"{position.shares_promised:,}",
        "  forfeited": f"{position.shares_forfeited:,}",
        "Bonus credited": f"{position.bonus_credited:,}",
        "  promised on completion": f"{position.bonus_promised:,}",
    }


def events_table(events: Sequence[RecordedEvent], *, title: str, plans: bool) -> Table:
    """Return recorded events with both times, actor, correlation and key; `plans`: those of several plans."""
    columns = (
        *((Column("Sequence", number=True), Column("Plan")) if plans else ()),
        Column("Version", number=True),
        Column("Effective"),
        Column("Recorded at (UTC)"),
        Column("Event", text=True, narrowest=22),
        Column("Key", leaves=4, below="key"),
        Column("Actor", leaves=3, below="actor"),
        Column("Correlation", leaves=2, below="correlation"),
        *(() if plans else (Column("Sequence", number=True, leaves=1, below="sequence"),)),
    )
    return Table(title, columns, [_event_cells(event, plans=plans) for event in events])


def _event_cells(recorded: RecordedEvent, *, plans: bool) -> tuple[str, ...]:
    sequence = str(recorded.sequence) if recorded.sequence else ""
    return (
        *((sequence, recorded.stream_id) if plans else ()),
        str(recorded.version),
        str(recorded.event.effective_on),
        recorded.recorded_at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="seconds"),
        described(recorded),
        recorded.key,
        recorded.actor or "",
        recorded.correlation or "",
        *(() if plans else (sequence,)),
    )


_SHOWN = ("number", "reference", "amount", "cause", "kind", "code", "voids", "shares", "shares_forfeited", "reason")
"""The fields of an event that its line in a table shows, where it has them."""


def described(recorded: RecordedEvent) -> str:
    """Return an event in one line: its type and what tells it from others of that type."""
    event, parts = recorded.event, [type(recorded.event).__name__]
    for name in _SHOWN:
        value = getattr(event, name, None)
        if value is None or value == recorded.key or (name == "shares" and not value):
            continue
        words = f"{value:,}" if isinstance(value, (int, Money)) and name not in ("number", "voids") else str(value)
        parts.append(f"{words} {name.replace('_', ' ')}" if name.startswith("shares") else _word(name, words))
    return " ".join(parts)


def _word(name: str, words: str) -> str:
    return f"version {words}" if name == "voids" else words


def schedule_table(lines: Sequence[Installment], currency: str, *, title: str) -> Table:
    """Return the installments of a schedule, with the running total of each figure."""
    columns = (
        Column("No.", number=True),
        Column("Due"),
        Column("Amount", number=True),
        Column("Shares", number=True, leaves=3, below="shares"),
        Column("Paid by then", number=True, leaves=2, below="paid by then"),
        Column("Shares credited by then", number=True, leaves=1, below="shares credited by then"),
    )
    rows, paid, shares = [], 0, 0
    for line in lines:
        paid, shares = paid + line.amount, shares + line.shares
        amounts = f"{Money(line.amount, currency):,}", f"{line.shares:,}", f"{Money(paid, currency):,}", f"{shares:,}"
        rows.append((str(line.number), str(line.due_on), *amounts))
    return Table(title, columns, rows)


def report_text(report: ImportReport) -> str:
    """Return the counts of an import, in one line."""
    kept = [(report.kept, "kept as received and not applied")] if report.kept else []
    counts = (report.recorded, "recorded"), (report.repeated, "repeated"), *kept, (len(report.refused), "refused")
    return "Rows: " + ", ".join(f"{count:,} {state}" for count, state in counts) + "."


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is 1."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _percent(fraction: Fraction) -> str:
    tenths = round(fraction * 1000)
    return f"{tenths // 10}.{tenths % 10} %"
