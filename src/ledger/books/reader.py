"""A book: a folder of CSV files with plans, payments, reversals, cancellations, reinstatements and partners.

Rows are applied in the order in which they were recorded, whatever file they stand in. A row that cannot be read is
refused with its file, line, column and what was expected; a row that the rules refuse, with their sentence. Nothing is
lost: every row is recorded, repeated, or refused with a reason.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import attrs

from ledger.books import columns
from ledger.books.columns import Cells, Malformed
from ledger.books.external_sort import ExternalSort
from ledger.commands import CancelPlan, Command, OpenPlan, RecordPayment, ReinstatePlan, ReversePayment
from ledger.errors import InvalidArgument, LedgerError
from ledger.terms import Closed, Monthly, PlanTerms, Reinstatement, Schedule

EXAMPLE = Path(__file__).parent / "example"
"""The bundled book: 400 plans with their payments, reversals and partners."""


@attrs.frozen
class Row:
    """A row that could be read: what it asks for, and when the ledger learnt of it."""

    file: str
    line: int
    recorded_at: datetime
    command: Command


@attrs.frozen
class RefusedRow:
    """A row that was not recorded, and why."""

    file: str
    line: int
    reason: str


@attrs.frozen(kw_only=True)
class Book:
    """What a folder holds: rows in the order in which they were recorded, and rows that cannot be read.

    The rows of a large book wait in temporary files: a book takes little memory, however long it is.
    """

    rows: ExternalSort[Row]
    malformed: tuple[RefusedRow, ...]


# ---- reading


def read_book(folder: Path) -> Book:
    """Read every file of a book that is there. Raises `InvalidArgument` if none is, or one cannot be opened."""
    names = [name for name in (*_FILES, _PARTNERS) if (folder / name).is_file()]
    if not names:
        expected = f"a folder with {', '.join(_FILES)} or {_PARTNERS}"
        raise InvalidArgument(argument="folder", given=str(folder), expected=expected)
    rows: ExternalSort[Row] = ExternalSort(in_recorded_order)
    malformed: list[RefusedRow] = []
    for name in names:
        for row in _check_partners(folder) if name == _PARTNERS else _read_rows(folder, name):
            if isinstance(row, Row):
                rows.add(row)
            else:
                malformed.append(row)
    return Book(rows=rows, malformed=tuple(malformed))


def in_recorded_order(row: Row) -> tuple[datetime, int, int]:
    """Return the key by which rows are applied: when they were recorded, then their files' order, then the line."""
    return row.recorded_at, _ORDER[row.file], row.line


def _read_rows(folder: Path, name: str) -> Iterator[Row | RefusedRow]:
    required, optional, reader = _FILES[name]
    for line, cells in _lines(folder / name, required, optional):
        try:
            if isinstance(cells, Malformed):
                raise cells
            recorded_at, command = reader(cells)
        except (Malformed, LedgerError) as error:
            yield RefusedRow(name, line, str(error))
        else:
            yield Row(name, line, recorded_at, command)


def _check_partners(folder: Path) -> Iterator[RefusedRow]:
    """Yield the partners that cannot be read. Partners are no events: the ledger records them with their plans."""
    lines = list(_lines(folder / _PARTNERS, _PARTNER_COLUMNS, ()))
    known = {cells.by_column["partner_id"] for _, cells in lines if isinstance(cells, Cells)}
    seen = set[str]()
    for line, cells in lines:
        try:
            if isinstance(cells, Malformed):
                raise cells
            partner = cells.read("partner_id", columns.text)
            upline = cells.read("upline_id", columns.optional_text)
            if partner in seen:
                raise Malformed.cell("partner_id", partner, "each partner once")
            seen.add(partner)
            if upline is not None and (upline not in known or upline == partner):
                raise Malformed.cell("upline_id", upline, "another partner of this file")
        except Malformed as error:
            yield RefusedRow(_PARTNERS, line, str(error))


def _lines(path: Path, required: Sequence[str], optional: Sequence[str]) -> Iterator[tuple[int, Cells | Malformed]]:
    """Yield each line of a CSV file as cells by column, or as the reason why it cannot be read.

    A line is a row: a quote that is left open spoils its own line only.
    """
    header: list[str] | None = None
    for line, written in enumerate(_written(path), 1):
        try:
            (cells,) = csv.reader([written], strict=True)
            if header is None:
                _check_header(cells, required, optional)
                header = cells
            elif cells:
                yield line, _by_column(header, cells)
        except (csv.Error, ValueError) as error:
            yield line, Malformed(f"the line is not CSV in UTF-8 ({error})")
        except Malformed as error:
            yield line, error
            if header is None:
                return
    if header is None:
        yield 1, Malformed(f"the file is empty; expected the columns {', '.join(required)}")


def _written(path: Path) -> Iterator[str]:
    """Yield the lines of a text file; bytes that are no UTF-8 come as surrogates."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            yield from file
    except OSError as error:
        expected = f"a file that can be read ({error.strerror})"
        raise InvalidArgument(argument="folder", given=str(path), expected=expected) from None


def _check_header(header: Sequence[str], required: Sequence[str], optional: Sequence[str]) -> None:
    """Refuse a file whose columns leave doubt: a misspelt optional column would silently mean its default."""
    expected = f"the columns {', '.join(required)}" + (f" and perhaps {', '.join(optional)}" if optional else "")
    for column in required:
        if column not in header:
            raise Malformed(f"column {column} is missing, so no line is read; expected {expected}, in UTF-8")
    for column in header:
        if column not in (*required, *optional) or header.count(column) > 1:
            twice = "stands twice" if header.count(column) > 1 else "is unknown"
            raise Malformed(f"column {column!r} {twice}, so no line is read; expected {expected}")


def _by_column(header: Sequence[str], cells: Sequence[str]) -> Cells:
    if len(cells) < len(header):
        missing = ", ".join(header[len(cells) :])
        raise Malformed(f"the line ends after {len(cells)} of {len(header)} columns; expected {missing} too")
    if len(cells) > len(header):
        raise Malformed(f"the line has {len(cells)} columns; expected {len(header)}")
    by_column = {column: cell.strip() for column, cell in zip(header, cells, strict=True)}
    for column, cell in by_column.items():
        if not cell.isprintable():
            given = cell.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            raise Malformed.cell(column, given, "printable text in UTF-8")
    return Cells(by_column)


# ---- what each file asks for

_MONTHLY: Schedule = Monthly()
_CLOSED: Reinstatement = Closed()


def _plan(cells: Cells) -> tuple[datetime, Command]:
    price = cells.money("price")
    opened_at = cells.read("opened_at", columns.moment)
    terms = PlanTerms(
        price=price,
        shares=cells.read("shares", columns.whole),
        installments=cells.read("installments", columns.whole),
        rounding_unit=cells.read("rounding_unit", columns.whole),
        release=cells.read("release", columns.release),
        schedule=cells.optional("schedule", columns.schedule(price.currency), _MONTHLY),
        first_due_on=cells.optional("first_due_on", columns.day, None),
        timezone=cells.read("timezone", columns.text),
        grace_days=cells.read("grace_days", columns.whole),
        promos=cells.read("promos", columns.promos),
        stacking=cells.optional("stacking", columns.stacking, "additive"),
        reinstatement=cells.optional("reinstatement", columns.reinstatement, _CLOSED),
    )
    return opened_at, OpenPlan(
        plan_id=cells.read("plan_id", columns.text),
        investor=cells.read("investor_id", columns.text),
        partner=cells.read("partner_id", columns.optional_text),
        terms=terms,
        opened_at=opened_at,
    )


def _payment(cells: Cells) -> tuple[datetime, Command]:
    return cells.read("recorded_at", columns.moment), RecordPayment(
        plan_id=cells.read("plan_id", columns.text),
        reference=cells.read("reference", columns.text),
        amount=cells.money("amount"),
        paid_at=cells.read("paid_at", columns.day_or_moment),
        kind=cells.read("kind", columns.payment_kind),
    )


def _reversal(cells: Cells) -> tuple[datetime, Command]:
    return cells.read("recorded_at", columns.moment), ReversePayment(
        plan_id=cells.read("plan_id", columns.text),
        reference=cells.read("reference", columns.text),
        cause=cells.read("cause", columns.reversal_cause),
        on=cells.read("effective_on", columns.day),
    )


def _cancellation(cells: Cells) -> tuple[datetime, Command]:
    return cells.read("recorded_at", columns.moment), CancelPlan(
        plan_id=cells.read("plan_id", columns.text),
        reference=cells.read("reference", columns.text),
        on=cells.read("effective_on", columns.day),
        reason=cells.read("reason", columns.text),
    )


def _reinstatement(cells: Cells) -> tuple[datetime, Command]:
    return cells.read("recorded_at", columns.moment), ReinstatePlan(
        plan_id=cells.read("plan_id", columns.text),
        reference=cells.read("reference", columns.text),
        on=cells.read("effective_on", columns.day),
        amount=cells.money("amount"),
        approved_by=cells.read("approved_by", columns.text),
        reason=cells.read("reason", columns.text),
        revised_shares=cells.optional("revised_shares", columns.whole, None),
    )


_FILES: Mapping[str, tuple[Sequence[str], Sequence[str], Callable[[Cells], tuple[datetime, Command]]]] = {
    "plans.csv": (
        [
            *("plan_id", "investor_id", "partner_id", "opened_at", "price", "currency", "shares", "installments"),
            *("rounding_unit", "release", "timezone", "grace_days", "promos"),
        ],
        ["first_due_on", "schedule", "stacking", "reinstatement"],
        _plan,
    ),
    "payments.csv": (["reference", "plan_id", "amount", "currency", "paid_at", "kind", "recorded_at"], [], _payment),
    "reversals.csv": (["reference", "plan_id", "cause", "effective_on", "recorded_at"], [], _reversal),
    "cancellations.csv": (["reference", "plan_id", "effective_on", "reason", "recorded_at"], [], _cancellation),
    "reinstatements.csv": (
        ["reference", "plan_id", "amount", "currency", "effective_on", "approved_by", "reason", "recorded_at"],
        ["revised_shares"],
        _reinstatement,
    ),
}
"""The files of a book, in the order in which rows of the same instant are applied: required and optional columns, and
what a row asks for."""

_ORDER = {name: place for place, name in enumerate(_FILES)}

_PARTNERS = "partners.csv"
_PARTNER_COLUMNS = ("partner_id", "upline_id")


def write_refused(path: Path, refused: Sequence[RefusedRow]) -> None:
    """Write the refused rows to a CSV file with file, line and reason."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "line", "reason"))
        writer.writerows((row.file, row.line, row.reason) for row in refused)
