"""The files of a book: which of a folder's files are read, in which form, and their lines.

A line is a row, so a quote left open spoils only its own line. Any doubt about a whole file (its encoding, separator,
columns or name) refuses the book: a misspelt optional column would silently take its default, a misspelt file would
silently be missing.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import attrs

from ledger.books.columns import Cells, Malformed
from ledger.books.rejections import is_rejections
from ledger.errors import InvalidArgument
from ledger.telemetry import Progress

_NEARLY = 0.88
"""Similarity from which a name is taken for a misspelt one."""

_LINES_PER_STEP = 5_000
"""Lines between two calls of progress."""

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}

Columns = tuple[Sequence[str], Sequence[str]]
"""The required and the optional columns of a file."""


@attrs.define(kw_only=True)
class UnusableFile(InvalidArgument):
    """A file or folder that cannot be used at all; nothing was recorded."""


@attrs.frozen
class Line:
    """A line of a file: its number, its text, and its cells by column or the reason why it is malformed."""

    number: int
    raw: str
    cells: Cells | Malformed

    def checked(self) -> Cells:
        """Return the cells. Raises `Malformed`."""
        if isinstance(self.cells, Malformed):
            raise self.cells
        return self.cells


@attrs.define
class Reading:
    """The reading of a folder, with the progress in bytes."""

    folder: Path
    names: Sequence[str]
    progress: Progress | None
    total: int
    done: int = 0

    @classmethod
    def of(cls, folder: Path, names: Sequence[str], progress: Progress | None) -> "Reading":
        """Begin to read files of a folder."""
        return cls(folder, names, progress, sum((folder / name).stat().st_size for name in names))

    def read_to(self, done: int) -> None:
        """Report the progress."""
        if self.progress is not None:
            self.progress(done, self.total)


def check_headers(folder: Path, expected: Mapping[str, Columns]) -> tuple[str, ...]:
    """Check the names and the first lines of all files; return the names of the CSV files that are not read.

    Raises `UnusableFile`.
    """
    names = [name for name in expected if (folder / name).is_file()]
    others = [path for path in sorted(_files(folder)) if path.name not in names and not is_rejections(path)]
    for path in others:
        if name := _meant(path.name, expected):
            raise UnusableFile(
                argument="file", given=str(path), expected=f"the name {name}, or a file without its name"
            )
    if not names:
        raise UnusableFile(argument="folder", given=str(folder), expected=f"a folder with {', '.join(expected)}")
    for name in names:
        _check_header(folder / name, *expected[name])
    return tuple(path.name for path in others)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the CSV files of a folder."""
    try:
        yield from (path for path in folder.iterdir() if path.suffix.lower() == ".csv")
    except OSError:
        return  # the folder is refused for what it does not have


def _meant(name: str, expected: Mapping[str, Columns]) -> str | None:
    """Return the file of a book that a name is nearly, or contains: `payment.csv`, `payments-2023.csv`."""
    lower = name.lower()
    contained = [known for known in expected if Path(known).stem in lower]
    return next(iter([*contained, *get_close_matches(lower, expected, n=1, cutoff=_NEARLY)]), None)


def _check_header(path: Path, required: Sequence[str], optional: Sequence[str]) -> None:
    """Raise `UnusableFile` for any doubt about the encoding, the separator or the columns."""
    expected = f"the columns {', '.join(required)}" + (f" and perhaps {', '.join(optional)}" if optional else "")
    try:
        with path.open("rb") as file:
            begins = file.read(2)
        raw = next(_raw_lines(path), None)
    except OSError as error:
        raise _unreadable(path, error) from None
    if begins in _UTF_16:
        raise _unusable(path, "in UTF-16", "UTF-8")
    if raw is None or not raw.strip():
        raise _unusable(path, "empty in its first line" if raw else "empty", expected)
    try:
        (header,) = csv.reader([raw], strict=True)
    except (csv.Error, ValueError) as error:
        raise _unusable(path, f"not CSV ({error})", f"{expected}, in UTF-8") from None
    problem = _problem(header, required, optional)
    for separator, name in _SEPARATORS.items():
        if problem and raw.count(separator) >= len(required) - 1 and separator in raw:
            raise _unusable(path, f"separated by {name}", "commas")
    if problem:
        raise _unusable(path, problem, f"{expected}, in UTF-8")


def _problem(header: Sequence[str], required: Sequence[str], optional: Sequence[str]) -> str | None:
    for column in required:
        if column not in header:
            return f"without the column {column}"
    for column in header:
        if column not in (*required, *optional):
            return f"with the unknown column {column[:100]!r}"
        if header.count(column) > 1:
            return f"with the column {column!r} twice"
    return None


def _unusable(path: Path, found: str, expected: str) -> UnusableFile:
    return UnusableFile(argument=str(path), given=found, expected=expected)


def _unreadable(path: Path, error: OSError) -> UnusableFile:
    return _unusable(path, f"unreadable ({error.strerror})", "a file that can be read")


def lines_of(reading: Reading, name: str) -> Iterator[Line]:
    """Yield the lines of a CSV file after the first, which names the columns; empty lines are left out."""
    header: list[str] | None = None
    done = reading.done
    for number, raw in enumerate(_raw_lines(reading.folder / name), 1):
        done += len(raw)
        if number % _LINES_PER_STEP == 0:
            reading.read_to(done)
        try:
            (cells,) = csv.reader([raw], strict=True)
            if header is None:
                header = cells
            elif cells:
                yield Line(number, raw.rstrip("\r\n"), _by_column(header, cells))
        except (csv.Error, ValueError) as error:
            yield Line(number, raw.rstrip("\r\n"), Malformed(f"the line is not CSV in UTF-8 ({error})"))
        except Malformed as error:
            yield Line(number, raw.rstrip("\r\n"), error)
    reading.done += (reading.folder / name).stat().st_size
    reading.read_to(reading.done)


def _raw_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, with surrogates for bytes that are not UTF-8."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            yield from file
    except OSError as error:
        raise _unreadable(path, error) from None


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
