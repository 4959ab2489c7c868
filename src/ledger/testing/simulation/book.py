"""A market as a book: the CSV files that `import` reads, plan by plan, so that memory does not grow with the book."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ledger.audit.exports.files import write_folder
from ledger.money import Money
from ledger.telemetry import Progress
from ledger.testing.calls import Call
from ledger.testing.simulation.behaviour import Life
from ledger.testing.simulation.parameters import Market
from ledger.testing.simulation.stream import Stream

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "plans.csv": (
        *("plan_id", "investor_id", "partner_id", "opened_at", "price", "currency", "shares", "installments"),
        *("rounding_unit", "release", "timezone", "grace_days", "promos", "schedule", "stacking", "reinstatement"),
    ),
    "payments.csv": ("reference", "plan_id", "amount", "currency", "paid_at", "kind", "recorded_at"),
    "reversals.csv": ("reference", "plan_id", "cause", "effective_on", "recorded_at"),
    "cancellations.csv": ("reference", "plan_id", "effective_on", "reason", "recorded_at"),
    "reinstatements.csv": (
        *("reference", "plan_id", "amount", "currency", "effective_on", "approved_by", "reason", "revised_shares"),
        "recorded_at",
    ),
    "partners.csv": ("partner_id", "upline_id"),
}
"""The files of the book, with their columns."""

_FILES = {
    "pay": "payments.csv",
    "reverse": "reversals.csv",
    "cancel": "cancellations.csv",
    "reinstate": "reinstatements.csv",
}
"""The file of each call but the opening."""


def write_book(stream: Stream, folder: Path, *, progress: Progress | None = None) -> Mapping[str, int]:
    """Write the market as a book in a new folder; return the number of rows of each file. `progress` counts plans.

    The folder is there whole or not at all. Raises `InvalidArgument` for one that exists or cannot be made.
    """
    counts = dict.fromkeys(_COLUMNS, 0)
    write_folder(folder, lambda unfinished: _write(stream, unfinished, counts, progress), argument="book")
    return counts


def _write(stream: Stream, folder: Path, counts: dict[str, int], progress: Progress | None) -> None:
    with ExitStack() as files:
        writers: dict[str, csv.DictWriter[str]] = {}
        for name, columns in _COLUMNS.items():
            file = files.enter_context((folder / name).open("w", encoding="utf-8", newline=""))
            writers[name] = csv.DictWriter(file, columns, lineterminator="\n", restval="")
            writers[name].writeheader()
        for name, row in _rows(stream, progress):
            writers[name].writerow(row)
            counts[name] += 1


def _rows(stream: Stream, progress: Progress | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number in range(1, stream.partners + 1):
        upline = f"N-{number // 2:04d}" if number > 1 else ""
        yield "partners.csv", {"partner_id": f"N-{number:04d}", "upline_id": upline}
    for number, life in enumerate(stream.lives(), 1):
        yield "plans.csv", _plan(stream.market, life)
        for row in sorted(stream.rows_of(life, number)):
            if row.call.name != "open":
                yield _FILES[row.call.name], _cells(row.call, life)
        if progress is not None:
            progress(number, stream.plans)


def _plan(market: Market, life: Life) -> Mapping[str, Any]:
    package = market.packages[life.package]
    return {
        "plan_id": life.plan_id,
        "investor_id": life.investor,
        "partner_id": life.partner or "",
        "opened_at": life.opened_on.isoformat(),
        "timezone": life.terms.timezone,
        **{name: getattr(package, name) for name in ("price", "currency", "shares", "installments", "rounding_unit")},
        **{name: getattr(package, name) for name in ("release", "grace_days", "promos", "schedule", "stacking")},
        "reinstatement": package.reinstatement,
    }


def _cells(call: Call, life: Life) -> Mapping[str, Any]:
    """Return the cells of a row: amounts in major units, times in ISO 8601."""
    given = dict(call.arguments)
    if "amount" in given:
        money = Money(given["amount"]["minor"], given["amount"]["currency"])
        given |= {"amount": str(money.major), "currency": money.currency}
    if "on" in given:
        on = given.pop("on")
        given["effective_on"] = life.opened_on if on is None else on  # required, and ignored: the payment's day counts
    cells = {name: value for name, value in given.items() if value is not None}
    times = {name: value.isoformat() for name, value in cells.items() if isinstance(value, (date, datetime))}
    return {"plan_id": call.plan_id, **cells, **times}
