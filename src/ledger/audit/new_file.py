"""A file that is there whole or not at all: written under another name beside, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from ledger.errors import InvalidArgument


@contextmanager
def new_file(path: Path, *, argument: str) -> Iterator[IO[bytes]]:
    """Yield a file that gets its name when the block ends; after an error nothing is left of it.

    Raises `InvalidArgument`, naming the argument that gave the path, for one that exists or cannot be written.
    """
    try:
        if os.path.lexists(path):
            raise FileExistsError
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                path.open("x").close()  # fails if somebody made it meanwhile
                Path(file.name).replace(path)
            finally:
                Path(file.name).unlink(missing_ok=True)
    except FileExistsError:
        expected = "a new file; one that exists is not replaced"
        raise InvalidArgument(argument=argument, given=str(path), expected=expected) from None
    except OSError as error:
        expected = f"a new file in a folder that can be written ({error.strerror or error})"
        raise InvalidArgument(argument=argument, given=str(path), expected=expected) from error
