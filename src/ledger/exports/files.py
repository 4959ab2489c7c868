"""Files and folders that are there whole or not at all: written under another name beside, then renamed."""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile, mkdtemp

from ledger.errors import InvalidArgument


def write_file(path: Path, text: Iterable[str]) -> None:
    """Write text to a new file. Raises `InvalidArgument` for a path that exists or cannot be written."""
    _check_new(path)
    try:
        with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-", encoding="utf-8", delete=False) as file:
            try:
                file.writelines(text)
                file.flush()
                os.fsync(file.fileno())
                _check_new(path)
                Path(file.name).rename(path)
            finally:
                Path(file.name).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write into a new folder. Raises `InvalidArgument` for a path that exists or cannot be written."""
    _check_new(path)
    try:
        folder = Path(mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
        try:
            fill(folder)
            _check_new(path)
            folder.rename(path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _check_new(path: Path) -> None:
    if path.exists():
        raise InvalidArgument(argument="--to", given=str(path), expected="a path that does not exist yet")


def _unwritable(path: Path, error: OSError) -> InvalidArgument:
    reason = error.strerror or type(error).__name__
    return InvalidArgument(argument="--to", given=str(path), expected=f"a path that can be written ({reason})")
