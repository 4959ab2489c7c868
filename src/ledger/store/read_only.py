"""An SQLite file that is only read: it does not change, and nothing is left beside it.

SQLite itself creates a `-wal` and a `-shm` file to read a file in write-ahead logging, and leaves them. So a file that
nobody has open is read as immutable, and a copy of what a crash left is read somewhere else.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any, TypeVar

from eventsourcing.persistence import InterfaceError

from ledger.errors import StoreUnavailable
from ledger.store.errors import unavailable
from ledger.store.sql import Connected, Cursor, library_errors
from ledger.store.sqlite import SqliteReading, SqliteRecorder

T = TypeVar("T")

MODE = "?mode=ro"
"""The end of the URL of a file that is only read."""


class ReadOnlyDatabase(SqliteReading):
    """A file as it was when it was opened or, where others have it open and write, as they leave it.

    A reader waits up to `timeout` seconds for a checkpoint of somebody who writes.
    """

    def __init__(self, label: str, path: Path, *, timeout: float) -> None:
        self._label = label
        self._timeout = timeout
        self._path = path
        self._wal = path.with_name(f"{path.name}-wal")
        self._shm = path.with_name(f"{path.name}-shm")
        self._copy: TemporaryDirectory[str] | None = None
        self._idle: list[sqlite3.Connection] = []
        self._closed = Event()
        in_use = self._wal.exists() and self._shm.exists()  # or was, before a crash
        self._immutable = not (in_use or self._logged())
        if self._logged() and not in_use:
            path = self._copied()  # SQLite would create what is missing beside it
        self._uri = f"{path.absolute().as_uri()}?{'immutable=1' if self._immutable else 'mode=ro'}"
        self._opened = self._state()

    def _copied(self) -> Path:
        self._copy = TemporaryDirectory(prefix="installment-ledger-")
        copy = Path(self._copy.name, "copy.db")
        shutil.copyfile(self._path, copy)
        shutil.copyfile(self._wal, copy.with_name("copy.db-wal"))
        return copy

    def _state(self) -> tuple[int, int, int, bool]:
        found = self._path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns, self._logged()

    def _logged(self) -> bool:
        """Return whether there is a log, with something in it."""
        return self._wal.exists() and self._wal.stat().st_size > 0

    def _check_unchanged(self) -> None:
        """Raise `StoreUnavailable` if a file that is read as immutable has been written to."""
        if self._immutable and self._state() != self._opened:
            reason = "it has been written to since it was opened"
            raise StoreUnavailable(store=self._label, reason=reason, remedy="open it again")

    def read_only(self, prefix: str) -> bool:
        del prefix
        return True

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with library_errors(sqlite3.Error), self._connection() as connection:
            yield connection

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if self._closed.is_set():
            raise InterfaceError("it is closed")
        self._check_unchanged()
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = sqlite3.connect(
                self._uri, uri=True, timeout=self._timeout, isolation_level=None, check_same_thread=False
            )
        try:
            yield connection
            self._check_unchanged()
        finally:
            self._idle.append(connection)
            if self._closed.is_set():
                self._close_idle()

    def settle(self) -> None:
        """Wait for nobody: only a writer could."""

    # ---- writing, which is refused

    def write(self, change: Callable[[Cursor], T], *, durable: bool = True) -> T:
        del change, durable
        raise self._refusal()

    def create(self, change: Callable[[Cursor], T]) -> T:
        del change
        raise self._refusal()

    def insert(self, cursor: Cursor, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        del cursor, table, columns, rows
        raise self._refusal()

    def exclusive(self, name: str, *, table: str) -> AbstractContextManager[Callable[[], bool]]:
        del name, table
        raise self._refusal()

    def _refusal(self) -> StoreUnavailable:
        reason = "it was opened to be read only"
        return StoreUnavailable(store=self._label, reason=reason, remedy=f"open it without {MODE}")

    # ---- closing

    def close(self) -> None:
        """Refuse further calls, and close the connections that are not in use; the others close when they are done."""
        self._closed.set()
        self._close_idle()
        if self._copy is not None:
            self._copy.cleanup()

    def _close_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().close()


def connect(path: str, *, timeout: float) -> Connected:
    """Connect to the file at `path`, which must be there."""
    label = f"SQLite file {path}, read only"
    with unavailable(label):
        if not Path(path).exists():
            raise FileNotFoundError("the file does not exist")
        return Connected(label, ReadOnlyDatabase(label, Path(path), timeout=timeout), SqliteRecorder)
