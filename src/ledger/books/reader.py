"""Reading a book: CSV files become commands in the order of recording, and malformed rows with the reason for each.

A malformed row is reported with its file, line, column and the expected form. The rows of all files are merged.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import attrs

from ledger.books import columns
from ledger.books.columns import Cells, Malformed
from ledger.books.external_sort import ExternalSort
from ledger.commands import CancelPlan, Command, Metadata, OpenPlan, RecordPayment, ReinstatePlan, ReversePayment
from ledger.errors import InvalidArgument, LedgerError
from ledger.terms import Closed, Monthly, PlanTerms, Reinstatement, Schedule

EXAMPLE = Path(__file__).parent / "example"
"""The bundled book: 400 plans with their payments, reversals and partners."""


@attrs.frozen
class BookRow:
    """A well-formed row: the command that it gives, and the instant at which it was recorded."""

    file: str
    line: int
    recorded_at: datetime
    command: Command

    @property
    def metadata(self) -> Metadata:
        """The metadata of the command; its correlation is the file and line."""
        return Metadata(recorded_at=self.recorded_at, correlation=f"{self.file}:{self.line}")


@attrs.frozen
class RefusedRow:
    """A row that was not recorded, and the reason."""

    file: str
    line: int
    reason: str


@attrs.frozen(kw_only=True)
class Book:
    """The contents of a folder: well-formed rows in the order of recording, and malformed ones.

    Most rows of a large book are in temporary files, so it takes little memory.
    """

    rows: ExternalSort[BookRow]
    malformed: tuple[RefusedRow, ...]


# ---- reading


def read_book(folder: Path) -> Book:
    """Read a folder. Raises `InvalidArgument` if it has no file of a book, or one that cannot be opened."""
    names = [name for name in (*_FILES, _PARTNERS) if (folder / name).is_file()]
    if not names:
        expected = f"a folder with {', '.join(_FILES)} or {_PARTNERS}"
        raise InvalidArgument(argument="folder", given=str(folder), expected=expected)
    rows: ExternalSort[BookRow] = ExternalSort(recording_order)
    malformed: list[RefusedRow] = []
    for name in names:
        for row in _check_partners(folder) if name == _PARTNERS else _read_rows(folder, name):
            if isinstance(row, BookRow):
                rows.add(row)
            else:
                malformed.append(row)
    return Book(rows=rows, malformed=tuple(malformed))


def recording_order(row: BookRow) -> tuple[datetime, int, int]:
    """Return the key by which rows are sorted: the instant of recording, then the file, then the line."""
    return row.recorded_at, _FILE_ORDER[row.file], row.line


def _read_rows(folder: Path, name: str) -> Iterator[BookRow | RefusedRow]:
    file = _FILES[name]
    for line, cells in _lines(folder / name, file.required, file.optional):
        try:
            if isinstance(cells, Malformed):
                raise cells
            recorded_at, command = file.command(cells)
        except (Malformed, LedgerError) as error:
            yield RefusedRow(name, line, str(error))
        else:
            yield BookRow(name, line, recorded_at, command)


def _check_partners(folder: Path) -> Iterator[RefusedRow]:
    """Yield the malformed rows of the partners. Partners are not events: a plan carries its partner's id."""
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
    """Yield the number of each line of a CSV file with its cells by column, or with the reason why it is malformed.

    A line is a row, so a quote left open spoils only its own line.
    """
    header: list[str] | None = None
    for line, raw in enumerate(_raw_lines(path), 1):
        try:
            (cells,) = csv.reader([raw], strict=True)
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


def _raw_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, with surrogates for bytes that are not UTF-8."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            yield from file
    except OSError as error:
        expected = f"a file that can be read ({error.strerror})"
        raise InvalidArgument(argument="folder", given=str(path), expected=expected) from None


def _check_header(header: Sequence[str], required: Sequence[str], optional: Sequence[str]) -> None:
    """Raise `Malformed` for any doubt about the columns: a misspelt optional one would silently take its default."""
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


# ---- the files and their commands

_MONTHLY: Schedule = Monthly()
_CLOSED: Reinstatement = Closed()


def _plan(cells: Cells) -> tuple[datetime, Command]:
    price = cells.money("price")
    opened_at = cells.read("opened_at", columns.instant)
    terms = PlanTerms(
        price=price,
        shares=cells.read("shares", columns.whole),
        installments=cells.read("installments", columns.whole),
        rounding_unit=cells.read("rounding_unit", columns.whole),
        release=cells.read("release", columns.release),
        schedule=cells.optional("schedule", columns.schedule(price.currency), _MONTHLY),
        first_due_on=cells.optional("first_due_on", columns.civil_date, None),
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
    return cells.read("recorded_at", columns.instant), RecordPayment(
        plan_id=cells.read("plan_id", columns.text),
        reference=cells.read("reference", columns.text),
        amount=cells.money("amount"),
        paid_at=cells.read("paid_at", columns.date_or_instant),
        kind=cells.read("kind", columns.payment_kind),
    )


def _reversal(cells: Cells) -> tuple[datetime, Command]:
    return cells.read("recorded_at", columns.instant), ReversePayment(
        plan_id=cells.read("plan_id", columns.text),
        reference=cells.read("reference", columns.text),
        cause=cells.read("cause", columns.reversal_cause),
        on=cells.read("effective_on", columns.civil_date),
    )


def _cancellation(cells: Cells) -> tuple[datetime, Command]:
    return cells.read("recorded_at", columns.instant), CancelPlan(
        plan_id=cells.read("plan_id", columns.text),
        reference=cells.read("reference", columns.text),
        on=cells.read("effective_on", columns.civil_date),
        reason=cells.read("reason", columns.text),
    )


def _reinstatement(cells: Cells) -> tuple[datetime, Command]:
    return cells.read("recorded_at", columns.instant), ReinstatePlan(
        plan_id=cells.read("plan_id", columns.text),
        reference=cells.read("reference", columns.text),
        on=cells.read("effective_on", columns.civil_date),
        amount=cells.money("amount"),
        approved_by=cells.read("approved_by", columns.text),
        reason=cells.read("reason", columns.text),
        revised_shares=cells.optional("revised_shares", columns.whole, None),
    )


class _File(NamedTuple):
    """The columns of a file, and the reader that turns a row into its instant of recording and its command."""

    required: Sequence[str]
    optional: Sequence[str]
    command: Callable[[Cells], tuple[datetime, Command]]


_FILES: Mapping[str, _File] = {
    "plans.csv": _File(
        [
            *("plan_id", "investor_id", "partner_id", "opened_at", "price", "currency", "shares", "installments"),
            *("rounding_unit", "release", "timezone", "grace_days", "promos"),
        ],
        ["first_due_on", "schedule", "stacking", "reinstatement"],
        _plan,
    ),
    "payments.csv": _File(
        ["reference", "plan_id", "amount", "currency", "paid_at", "kind", "recorded_at"],
        [],
        _payment,
    ),
    "reversals.csv": _File(["reference", "plan_id", "cause", "effective_on", "recorded_at"], [], _reversal),
    "cancellations.csv": _File(["reference", "plan_id", "effective_on", "reason", "recorded_at"], [], _cancellation),
    "reinstatements.csv": _File(
        ["reference", "plan_id", "amount", "currency", "effective_on", "approved_by", "reason", "recorded_at"],
        ["revised_shares"],
        _reinstatement,
    ),
}
"""The files of a book; rows recorded at the same instant are applied in this order."""

_FILE_ORDER = {name: number for number, name in enumerate(_FILES)}

_PARTNERS = "partners.csv"
_PARTNER_COLUMNS = ("partner_id", "upline_id")
