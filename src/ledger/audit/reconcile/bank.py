"""The bank's side: the rows of a CSV file, whose columns the caller maps."""

import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

import attrs

from ledger.audit.reconcile.csv_file import CsvFile
from ledger.books.columns import Cells, Malformed
from ledger.errors import InvalidArgument
from ledger.money import Money, currency

T = TypeVar("T")

_ISO = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})([T ].*)?")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")


@attrs.frozen(kw_only=True)
class BankRow:
    """A row of the bank: `amount` is above zero where money came in, below where it was taken back.

    `reference` and `plan_id` are None where the bank states none.
    """

    line: int
    reference: str | None
    plan_id: str | None
    on: date
    amount: Money


@attrs.frozen(kw_only=True)
class MalformedRow:
    """A row that cannot be read: its line, and the column with what was expected."""

    line: int
    reason: str


@attrs.frozen(kw_only=True)
class Mapping:
    """The columns of a file by their names, and the forms of dates and amounts.

    The columns of reference, plan and currency may be missing from the file. `currency` is that of all rows; None: the
    column states it. `date_format` is one of `strptime`; None: ISO 8601, of which the date counts as it is written.
    With `decimal_comma` an amount is written 1.234,50, without it 1,234.50; both may leave out the thousands.
    """

    reference_column: str = "reference"
    plan_column: str = "plan_id"
    date_column: str = "date"
    amount_column: str = "amount"
    currency_column: str = "currency"
    currency: str | None = None
    date_format: str | None = None
    decimal_comma: bool = False

    def __attrs_post_init__(self) -> None:
        if self.currency is not None:
            currency("currency", self.currency)


def read_statement(path: Path, mapping: Mapping) -> tuple[list[BankRow], list[MalformedRow]]:
    """Return the rows of a file and those that are malformed, each in the order of the file.

    Raises `UnusableFile` for a file that cannot be read or lacks a column.
    """
    states_currency = () if mapping.currency else (mapping.currency_column,)
    file = CsvFile.open(path, required=(mapping.date_column, mapping.amount_column, *states_currency))
    rows: list[BankRow] = []
    malformed: list[MalformedRow] = []
    for row in file.rows():
        try:
            if isinstance(row.cells, Malformed):
                raise row.cells
            rows.append(_row(row.line, row.cells, mapping))
        except Malformed as error:
            malformed.append(MalformedRow(line=row.line, reason=str(error)))
    return rows, malformed


def _row(line: int, cells: Cells, mapping: Mapping) -> BankRow:
    code = mapping.currency or cells.read(mapping.currency_column, lambda given: Money(0, given).currency)
    return BankRow(
        line=line,
        reference=cells.by_column.get(mapping.reference_column) or None,
        plan_id=cells.by_column.get(mapping.plan_column) or None,
        on=cells.read(mapping.date_column, _date(mapping.date_format)),
        amount=cells.read(mapping.amount_column, _amount(code, decimal_comma=mapping.decimal_comma)),
    )


def _date(form: str | None) -> Callable[[str], date]:
    def read(given: str) -> date:
        try:
            if form is not None:
                return datetime.strptime(given, form).date()  # noqa: DTZ007 - a civil date has no zone
            if found := _ISO.fullmatch(given):
                return date.fromisoformat(found[1])
        except ValueError:
            pass
        expected = "a date such as 2024-06-30" if form is None else f"a date in the form {form}"
        raise InvalidArgument(argument="cell", given=given, expected=expected)

    return read


def _amount(code: str, *, decimal_comma: bool) -> Callable[[str], Money]:
    """Return a reader of amounts: nothing is rounded, zero is refused."""
    example = "1.234,50" if decimal_comma else "1,234.50"

    def read(given: str) -> Money:
        plain = given.replace("\u00a0", "").replace(" ", "")
        if decimal_comma:
            plain = plain.translate(str.maketrans(".,", ",."))
        if _GROUPED.fullmatch(plain):
            plain = plain.replace(",", "")
        try:
            amount = Money.of(plain.removeprefix("+"), code)
        except InvalidArgument as error:
            expected = f"an amount in {code} such as {example} ({error.expected})"
            raise InvalidArgument(argument="cell", given=given, expected=expected) from None
        if not amount.minor:
            raise InvalidArgument(argument="cell", given=given, expected="an amount other than zero")
        return amount

    return read
