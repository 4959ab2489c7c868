"""History files: JSON Lines, the first with the failure that the history shows, then a call or a question each."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import attrs

from ledger.books.files import UnusableFile
from ledger.errors import InvalidArgument
from ledger.testing.comparison import LedgerDiffers
from ledger.testing.simulation.observer import Entry
from ledger.testing.simulation.plain_calls import call_of, plain

FORMAT = "installment-ledger-history/1"


@attrs.frozen(kw_only=True)
class Failure:
    """A check that failed: its name, the call or question in words, what was expected and what was found.

    `seed` and `step` say where in a simulation: the step is the number of the call, counted from 1.
    """

    check: str
    call: str
    expected: str
    found: str
    seed: int | None = None
    step: int | None = None

    @classmethod
    def of(cls, error: LedgerDiffers, *, seed: int | None = None, step: int | None = None) -> "Failure":
        """Return the failure that an error tells of."""
        return cls(
            check=error.check,
            call=str(error.call),
            expected=error.expected,
            found=error.found,
            seed=seed,
            step=step,
        )


def write_history(path: Path, history: Sequence[Entry], failure: Failure) -> None:
    """Write a history file, whole or not at all; one that is there is replaced. Raises `UnusableFile`."""
    check_replaceable(path)
    lines: list[dict[str, Any]] = [{"format": FORMAT, **attrs.asdict(failure)}]
    for entry in history:
        batch = {} if entry.batch is None else {"batch": entry.batch}
        lines.append({**plain(entry.call), **batch})
    try:
        with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-", delete=False, encoding="utf-8") as file:
            try:
                file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
                file.flush()
                Path(file.name).replace(path)
            finally:
                Path(file.name).unlink(missing_ok=True)
    except OSError as error:
        raise _unusable(path, f"a file that can be written ({error.strerror or error})") from error


def check_replaceable(path: Path) -> None:
    """Raise `UnusableFile` if there is a file of another kind: it is never written over."""
    if path.exists():
        try:
            _header(path, path.read_text(encoding="utf-8").partition("\n")[0])
        except (OSError, UnicodeDecodeError, UnusableFile) as error:
            raise _unusable(path, "a new file, or a history to replace") from error
    elif not path.parent.is_dir():
        raise _unusable(path, "a file in a folder that exists")


def read_history(path: Path) -> tuple[list[Entry], Failure]:
    """Return a history and the failure that it shows. Raises `UnusableFile` that names the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise _unusable(path, f"a history file that can be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise _unusable(path, f"a history in UTF-8 ({error.reason})") from error
    header = _header(path, lines[0] if lines else "")
    entries: list[Entry] = []
    for number, line in enumerate(lines[1:], 2):
        try:
            data = json.loads(line)
            if not isinstance(data, dict):
                raise InvalidArgument(argument="line", given=data, expected="an object with a call")
            batch = data.get("batch")
            if not (batch is None or type(batch) is int):
                raise InvalidArgument(argument="batch", given=batch, expected="a whole number")
            entries.append(Entry(call_of(data), batch))
        except (json.JSONDecodeError, InvalidArgument) as error:
            raise _unusable(path, f"a call in line {number}: {error}") from error
    return entries, header


def _header(path: Path, line: str) -> Failure:
    expected = f"a history, whose first line has format {FORMAT}"
    try:
        data = json.loads(line)
    except json.JSONDecodeError as error:
        raise _unusable(path, expected) from error
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise _unusable(path, expected)
    try:
        return Failure(**data)
    except TypeError as error:
        raise _unusable(path, f"{expected}, and a failure") from error


def _unusable(path: Path, expected: str) -> UnusableFile:
    return UnusableFile(argument="history", given=str(path), expected=expected)
