"""A sorted collection that takes little memory, however much is in it: what is too much goes to temporary files."""

import heapq
import pickle
from collections.abc import Callable, Collection, Iterator
from tempfile import TemporaryFile
from typing import IO, Any, Generic, TypeVar

T = TypeVar("T")

_IN_MEMORY = 100_000
"""Items that are kept in memory; more are written to a file, in order, and merged when they are read."""


class ExternalSort(Collection[T], Generic[T]):
    """Items in the order of `key`, items of the same key as they were added. The files are gone when it is."""

    def __init__(self, key: Callable[[T], Any], *, in_memory: int = _IN_MEMORY) -> None:
        self._key = key
        self._in_memory = in_memory
        self._runs: list[IO[bytes]] = []
        self._latest: list[T] = []
        self._count = 0

    def add(self, item: T) -> None:
        """Add an item."""
        self._latest.append(item)
        self._count += 1
        if len(self._latest) >= self._in_memory:
            self._latest.sort(key=self._key)
            run = TemporaryFile()  # noqa: SIM115 - it lives as long as the external_sort
            for one in self._latest:
                pickle.dump(one, run)
            self._runs.append(run)
            self._latest = []

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        """Yield the items in order. One iteration at a time."""
        self._latest.sort(key=self._key)
        return heapq.merge(*map(_read, self._runs), self._latest, key=self._key)

    def __contains__(self, item: object) -> bool:
        return any(item == one for one in self)

    def close(self) -> None:
        """Remove the files."""
        for run in self._runs:
            run.close()
        self._runs, self._latest, self._count = [], [], 0

    def __del__(self) -> None:
        self.close()


def _read(run: IO[bytes]) -> Iterator[Any]:
    run.seek(0)
    while True:
        try:
            yield pickle.load(run)  # noqa: S301 - this process wrote it
        except EOFError:
            return
