"""Refused rows, and the file that lists them: written anew by each import, and over nothing but its own kind."""

import csv
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile

import attrs

_COLUMNS = ("file", "line", "code", "plan", "reason", "row")
_HEADER = ",".join(_COLUMNS)


@attrs.frozen(kw_only=True)
class RefusedRow:
    """A row that was not recorded: its error's code and reason, the plan where one is named, the line as it stands."""

    file: str
    line: int
    code: str
    plan: str
    reason: str
    row: str


def file_order(row: RefusedRow) -> tuple[str, int]:
    """Return the key by which refused rows are sorted: the file, the line."""
    return row.file, row.line


def is_rejections(path: Path) -> bool:
    """Return whether a file is one that `write_rejections` wrote: a regular file with its columns."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_HEADER) + 1).rstrip(b"\r\n") == _HEADER.encode()
    except OSError:
        return False


def write_rejections(path: Path, refused: Iterable[RefusedRow]) -> None:
    """Write the refused rows to a CSV file: a new one, or one of its own kind, which is replaced whole.

    Raises `FileExistsError` for any other file, and `OSError` where the file cannot be written.
    """
    with NamedTemporaryFile(
        "w",
        dir=path.parent,
        prefix=f".{path.name}-",
        encoding="utf-8",
        errors="backslashreplace",
        newline="",
        delete=False,
    ) as file:
        try:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_COLUMNS)
            writer.writerows([getattr(row, column) for column in _COLUMNS] for row in refused)
            file.close()
            if not is_rejections(path):
                path.open("x").close()  # fails if the file exists, whoever made it meanwhile
            Path(file.name).replace(path)
        finally:
            Path(file.name).unlink(missing_ok=True)


def remove_rejections(path: Path) -> None:
    """Remove the file of an earlier import, if it is one."""
    if is_rejections(path):
        path.unlink()
