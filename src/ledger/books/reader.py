"""Reading a book: CSV files become commands in the order of recording, and malformed rows with the reason for each.

A malformed row is reported with its file, line, column and the expected form. The rows of all files are merged. A file
that cannot be used at all refuses the whole book, before anything is recorded: see `files`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

import attrs

from ledger.books import columns
from ledger.books.columns import Cells, Malformed
from ledger.books.external_sort import ExternalSort
from ledger.books.files import Line, Reading, check_headers, lines_of
from ledger.books.rejections import RefusedRow, file_order
from ledger.commands import CancelPlan, Command, Metadata, OpenPlan, RecordPayment, ReinstatePlan, ReversePayment
from ledger.dates import day_in, midnight
from ledger.errors import LedgerError
from ledger.telemetry import Progress
from ledger.terms import Closed, Monthly, PlanTerms, Reinstatement, Schedule

EXAMPLE = Path(__file__).parent / "example"
"""The bundled book: 400 plans with their payments, reversals and partners."""


@attrs.frozen
class BookRow:
    """A well-formed row: the command that it gives, its effective date, and the instant at which it was recorded.

    `raw` is the line as it stands in the file.
    """

    file: str
    line: int
    recorded_at: datetime
    effective_on: date
    command: Command
    raw: str

    @property
    def metadata(self) -> Metadata:
        """The metadata of the command; its correlation is the file and line."""
        return Metadata(recorded_at=self.recorded_at, correlation=f"{self.file}:{self.line}")

    def refused(self, error: LedgerError) -> RefusedRow:
        """Return the row as refused by a rule."""
        return RefusedRow(
            file=self.file,
            line=self.line,
            code=error.code,
            plan=self.command.plan_id,
            reason=str(error),
            row=self.raw,
        )


@attrs.frozen(kw_only=True)
class Book:
    """The contents of a folder: well-formed rows in the order of recording, and malformed ones by file and line.

    Most rows of a large book are in temporary files, so it takes little memory. `not_read` are the CSV files of the
    folder that belong to no book.
    """

    rows: ExternalSort[BookRow]
    malformed: ExternalSort[RefusedRow]
    not_read: tuple[str, ...] = ()


# ---- reading


def read_book(folder: Path, *, progress: Progress | None = None) -> Book:
    """Read a folder.

    Raises `UnusableFile` if it has no file of a book, or one that cannot be used at all: in another encoding, with
    other columns, under a name that is nearly one of a book. `progress` counts bytes.
    """
    not_read = check_headers(folder, {name: (file.required, file.optional) for name, file in _FILES.items()})
    reading = Reading.of(folder, [name for name in _FILES if (folder / name).is_file()], progress)
    rows: ExternalSort[BookRow] = ExternalSort(recording_order)
    malformed: ExternalSort[RefusedRow] = ExternalSort(file_order)
    zones: dict[str, str] = {}  # of the plans in this book
    for name in reading.names:
        if name == _PARTNERS:
            for row in _check_partners(reading):
                malformed.add(row)
            continue
        for read in _read_rows(reading, name, zones):
            if isinstance(read, BookRow):
                rows.add(read)
            else:
                malformed.add(read)
    return Book(rows=rows, malformed=malformed, not_read=not_read)


def recording_order(row: BookRow) -> tuple[datetime, date, int, int]:
    """Return the key by which rows are sorted: the instant of recording, the effective date, the file, the line."""
    return row.recorded_at, row.effective_on, _FILE_ORDER[row.file], row.line


def _read_rows(reading: Reading, name: str, zones: dict[str, str]) -> Iterator[BookRow | RefusedRow]:
    file = _FILES[name]
    assert file.command is not None, name
    for line in lines_of(reading, name):
        try:
            recorded_at, command = file.command(line.checked())
            yield BookRow(name, line.number, recorded_at, _effective_on(command, zones), command, line.raw)
        except (Malformed, LedgerError) as error:
            yield _malformed(name, line, error)


def _malformed(name: str, line: Line, error: Malformed | LedgerError) -> RefusedRow:
    plan = line.cells.by_column.get("plan_id", "") if isinstance(line.cells, Cells) else ""
    return RefusedRow(file=name, line=line.number, code=error.code, plan=plan, reason=str(error), row=line.raw)


def _effective_on(command: Command, zones: dict[str, str]) -> date:
    """Return the date from which a row counts, in the zone of its plan.

    The zone of a plan that is not in this book is unknown here: then the date is that of UTC. It decides only the order
    of rows recorded at the same instant.
    """
    match command:
        case OpenPlan(plan_id=plan_id, terms=terms, opened_at=opened_at):
            zones.setdefault(plan_id, terms.timezone)
            return _day(opened_at, terms.timezone)
        case RecordPayment(plan_id=plan_id, paid_at=paid_at):
            return _day(paid_at, zones.get(plan_id, "UTC"))
        case ReversePayment(on=date() as on) | CancelPlan(on=on) | ReinstatePlan(on=on):
            return on
    raise AssertionError(command)


def _day(given: date | datetime, zone: str) -> date:
    return day_in(zone, given) if isinstance(given, datetime) else given


def _check_partners(reading: Reading) -> Iterator[RefusedRow]:
    """Yield the malformed rows of the partners. Partners are not events: a plan carries its partner's id."""
    lines = list(lines_of(reading, _PARTNERS))
    known = {line.cells.by_column["partner_id"] for line in lines if isinstance(line.cells, Cells)}
    seen = set[str]()
    for line in lines:
        try:
            cells = line.checked()
            partner = cells.read("partner_id", columns.text)
            upline = cells.read("upline_id", columns.optional_text)
            if partner in seen:
                raise Malformed.cell("partner_id", partner, "each partner once")
            seen.add(partner)
            if upline is not None and (upline not in known or upline == partner):
                raise Malformed.cell("upline_id", upline, "another partner of this file")
        except Malformed as error:
            yield _malformed(_PARTNERS, line, error)


# ---- the files and their commands

_MONTHLY: Schedule = Monthly()
_CLOSED: Reinstatement = Closed()


def _plan(cells: Cells) -> tuple[datetime, Command]:
    price = cells.money("price")
    opened_at = cells.read("opened_at", columns.date_or_instant)
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
    recorded_at = opened_at if isinstance(opened_at, datetime) else midnight(terms.timezone, opened_at)
    return recorded_at, OpenPlan(
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
    """The columns of a file, and the reader that turns a row into its instant of recording and its command, if any."""

    required: Sequence[str]
    optional: Sequence[str]
    command: Callable[[Cells], tuple[datetime, Command]] | None


_PARTNERS = "partners.csv"


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
    _PARTNERS: _File(["partner_id", "upline_id"], [], None),
}
"""The files of a book. Rows recorded at the same instant and effective on the same date are applied in this order."""

_FILE_ORDER = {name: number for number, name in enumerate(_FILES)}
