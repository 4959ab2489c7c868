"""CSV files of others: rows with the number of their line, any columns beside those that are read, any separator."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from ledger.books.columns import Cells, Malformed
from ledger.books.files import UnusableFile

SEPARATORS = (",", ";", "\t", "|")


@attrs.define(kw_only=True)
class UnusableRow(UnusableFile):
    """A malformed row of a file that is used whole or not at all: `argument` is its place, `expected` says why."""

    def __str__(self) -> str:
        return f"{self.argument}: {self.expected}."


@attrs.frozen
class Row:
    """A row: the number of its last line, and its cells by column or the reason why it is malformed."""

    line: int
    cells: Cells | Malformed


@attrs.frozen
class CsvFile:
    """A CSV file whose first line names its columns, in UTF-8."""

    path: Path
    separator: str
    columns: tuple[str, ...]

    @classmethod
    def open(cls, path: Path, *, required: Sequence[str], allowed: Sequence[str] | None = None) -> "CsvFile":
        """Look at the first line: it tells the separator. Raises `UnusableFile`.

        `allowed` are the other columns that there may be; None: any.
        """
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                first = file.readline()
        except OSError as error:
            raise _unusable(path, f"unreadable ({error.strerror})", "a file that can be read") from None
        except UnicodeDecodeError:
            raise _unusable(path, "not in UTF-8", "CSV in UTF-8") from None
        separator = max(SEPARATORS, key=first.count)
        columns = tuple(name.strip() for name in next(csv.reader([first], delimiter=separator), ()))
        for name in required:
            if name not in columns:
                raise _unusable(path, f"without the column {name!r}", f"the columns {', '.join(required)}")
        for name in columns:
            if columns.count(name) > 1:
                raise _unusable(path, f"with the column {name!r} twice", "columns with names of their own")
            if allowed is not None and name not in (*required, *allowed):
                raise _unusable(path, f"with the unknown column {name!r}", f"one of {', '.join((*required, *allowed))}")
        return cls(path, separator, columns)

    def rows(self) -> Iterator[Row]:
        """Yield the rows after the first line; empty lines are left out."""
        with self.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file, delimiter=self.separator, strict=True)
            next(reader)
            while True:
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield Row(reader.line_num, Malformed(f"the line is not CSV ({error})"))
                    continue
                if cells:
                    yield Row(reader.line_num, self._by_column(cells))

    def _by_column(self, cells: Sequence[str]) -> Cells | Malformed:
        if len(cells) != len(self.columns):
            return Malformed(f"the line has {len(cells)} columns; expected {len(self.columns)}")
        by_column = {column: cell.strip() for column, cell in zip(self.columns, cells, strict=True)}
        for column, cell in by_column.items():
            if not cell.isprintable():
                given = cell.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
                return Malformed.cell(column, given, "printable text in UTF-8")
        return Cells(by_column)


def _unusable(path: Path, found: str, expected: str) -> UnusableFile:
    return UnusableFile(argument=str(path), given=found, expected=expected)
