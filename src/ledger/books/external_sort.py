"""A sorted collection of any size in little memory: sorted runs in temporary files, merged when they are read."""

import heapq
import pickle
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from tempfile import TemporaryFile, gettempdir
from typing import IO, Any, Generic, TypeVar

from ledger.errors import StoreUnavailable

T = TypeVar("T")

_IN_MEMORY = 20_000
"""Items kept in memory; when there are so many, they are written to a file as a sorted run."""


_BLOCK = 100
"""Items written together: what they share is written once. So many of each run are in memory when it is read."""


class ExternalSort(Collection[T], Generic[T]):
    """Items in the order of `key`; items of the same key keep the order in which they were added."""

    def __init__(self, key: Callable[[T], Any], *, in_memory: int = _IN_MEMORY) -> None:
        self._key = key
        self._in_memory = in_memory
        self._runs: list[IO[bytes]] = []
        self._latest: list[T] = []
        self._count = 0

    def add(self, item: T) -> None:
        """Add an item. Raises `StoreUnavailable` if the temporary folder is full."""
        self._latest.append(item)
        self._count += 1
        if len(self._latest) >= self._in_memory:
            self._latest.sort(key=self._key)
            with temporary_files():
                run = TemporaryFile()  # noqa: SIM115 - open as long as the collection
                self._runs.append(run)
                for block in chunks(self._latest, _BLOCK):
                    pickle.dump(block, run)
                run.flush()
            self._latest = []

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        """Yield the items in order. One iteration at a time."""
        self._latest.sort(key=self._key)
        return heapq.merge(*map(_read, self._runs), self._latest, key=self._key)

    def __contains__(self, item: object) -> bool:
        return any(item == other for other in self)

    def close(self) -> None:
        """Remove the files."""
        for run in self._runs:
            with suppress(OSError):  # a full folder: what could not be written goes with the file
                run.close()
        self._runs, self._latest, self._count = [], [], 0

    def __del__(self) -> None:
        self.close()


@contextmanager
def temporary_files() -> Iterator[None]:
    """Raise an error of the temporary folder as `StoreUnavailable`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "free space in it, or name another one in TMPDIR"
        raise StoreUnavailable(store=f"Temporary folder {_temporary_folder()}", reason=reason, remedy=remedy) from error


def _temporary_folder() -> str:
    try:
        return gettempdir()
    except OSError:
        return "of the system"


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield items in lists of this size, the last one shorter; no more than one list is in memory."""
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk


def _read(run: IO[bytes]) -> Iterator[Any]:
    run.seek(0)
    while True:
        try:
            yield from pickle.load(run)  # noqa: S301 - this process wrote it
        except EOFError:
            return
