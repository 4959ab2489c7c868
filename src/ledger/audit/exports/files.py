"""Files and folders that are there whole or not at all: written under another name beside, then renamed."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, mkdtemp
from typing import IO

from ledger.errors import InvalidArgument


@contextmanager
def new_file(path: Path, *, argument: str = "--to") -> Iterator[IO[bytes]]:
    """Yield a file that gets its name when the block ends; after an error nothing is left of it.

    Raises `InvalidArgument`, naming the argument that gave the path, for one that exists or cannot be written.
    """
    with _new(path, argument), NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            path.open("x").close()  # fails if somebody made it meanwhile
            Path(file.name).replace(path)
        finally:
            Path(file.name).unlink(missing_ok=True)


def write_file(path: Path, text: Iterable[str]) -> None:
    """Write text to a new file, in UTF-8. Raises as `new_file` does."""
    with new_file(path) as file:
        file.writelines(part.encode() for part in text)


def write_folder(path: Path, fill: Callable[[Path], None], *, argument: str = "--to") -> None:
    """Let `fill` write into a new folder. Raises as `new_file` does."""
    with _new(path, argument):
        folder = Path(mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
        try:
            fill(folder)
            if path.exists():
                raise FileExistsError
            folder.rename(path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _new(path: Path, argument: str) -> Iterator[None]:
    """Turn the errors of a path into ones that name its argument; refuse one that exists before anything is written."""
    try:
        if os.path.lexists(path):
            raise FileExistsError
        yield
    except FileExistsError:
        expected = "a new path; one that exists is not replaced"
        raise InvalidArgument(argument=argument, given=str(path), expected=expected) from None
    except OSError as error:
        expected = f"a new path in a folder that can be written ({error.strerror or error})"
        raise InvalidArgument(argument=argument, given=str(path), expected=expected) from error
