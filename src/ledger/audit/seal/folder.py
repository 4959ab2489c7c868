"""The folder of a seal: what lies where in it, read as it stands and written so that a kill leaves a whole one.

    checkpoint             the latest signed checkpoint
    checkpoints/SIZE       every signed checkpoint, by its size in leaves
    tile/LEVEL/NUMBER      the hashes of the tree
    index/NUMBER           the names of the sealed events, 4,096 lines each
    key.pub                the verifier key

A file is written under another name, then renamed. Everything that a checkpoint needs is on the disk before it.
"""

import fcntl
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from ledger.audit.seal.errors import SealRefused
from ledger.audit.seal.merkle import SIZE
from ledger.audit.seal.tiles import WIDTH, Tile, edge

CHECKPOINT = "checkpoint"
CHECKPOINTS = "checkpoints"
KEY = "key.pub"
_LOCK = ".lock"
_NEW = ".new"
"""Where a file is written before it gets its name; there is one writer at a time."""

_WAITING = 16
"""Threads that wait for the disk, which takes many files at a time, while others are written."""

_AHEAD = 128
"""Files that are written and perhaps not on the disk yet, at most: each is open."""


class SealFolder:
    """The folder of a seal. Reading answers with None where a file is missing; `SealRefused` if it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: deque[Future[None]] = deque()
        self._made: set[Path] = set()

    def __str__(self) -> str:
        return f"Seal {self.path}"

    # ---- reading

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if there is none of that name."""
        try:
            return (self.path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise self.refused(f"{name} cannot be read ({error.strerror})", "check its permissions") from error

    def tile(self, tile: Tile) -> bytes | None:
        """Return the hashes of a tile, those of a partial one also out of the full one; None if they are not there."""
        found = self.read(tile.path)
        if found is None and tile.width < WIDTH:
            found = self.read(tile.full.path)
            found = found[: tile.width * SIZE] if found is not None and len(found) == WIDTH * SIZE else None
        return found if found is not None and len(found) == tile.width * SIZE else None

    def sizes(self) -> list[int]:
        """Return the sizes of the checkpoints that are kept, in their order."""
        try:
            names = [one.name for one in (self.path / CHECKPOINTS).iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self.refused(f"{CHECKPOINTS} cannot be read ({error.strerror})", "check its permissions") from error
        return sorted(int(name) for name in names if name.isdecimal() and str(int(name)) == name)

    def is_seal(self) -> bool:
        """Return whether anything of a seal is there."""
        return any((self.path / name).exists() for name in (CHECKPOINT, CHECKPOINTS, "tile"))

    def refused(self, reason: str, remedy: str) -> SealRefused:
        """Return the error of a folder that cannot be used like this."""
        return SealRefused(subject=str(self), reason=reason, remedy=remedy)

    # ---- writing

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only process that writes here, inside this block; the lock of a killed one is free at once."""
        with self._errors("name a folder that this user can write"):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR, 0o644)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise self.refused("another process is sealing into it", "wait until that has ended") from None
            with (
                self._errors("make room or check permissions, then seal again: it goes on where it ended"),
                ThreadPoolExecutor(_WAITING) as self._disk,
            ):
                yield
        finally:
            os.close(lock)

    @contextmanager
    def _errors(self, remedy: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self.refused(f"it cannot be written ({error.strerror})", remedy) from error

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all; it is on the disk after the next `sync`."""
        path = self.path / name
        if path.parent not in self._made:
            self._make(path.parent)
        file = os.open(self.path / _NEW, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
        try:
            _write(file, content)
            (self.path / _NEW).rename(path)
        except BaseException:
            os.close(file)
            raise
        self._waiting.append(self._disk.submit(_sync, file))
        while len(self._waiting) > _AHEAD:
            self._waiting.popleft().result()

    def _make(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        while folder != self.path.parent and folder not in self._made:
            self._made.add(folder)
            folder = folder.parent

    def sync(self) -> None:
        """Wait until all that was written is on the disk, the entries of its folders too."""
        while self._waiting:
            self._waiting.popleft().result()
        for folder in (*self._made, self.path):
            _sync(os.open(folder, os.O_RDONLY))

    def remove_partial(self, before: int, after: int) -> None:
        """Remove the partial tiles of a tree of `before` leaves that are full in one of `after`."""
        for tile in edge(before):
            folder = (self.path / tile.path).parent
            if (after >> (8 * tile.level)) >= (tile.number + 1) * WIDTH and folder.is_dir():
                for one in folder.iterdir():
                    one.unlink()
                folder.rmdir()


def _write(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]


def _sync(file: int) -> None:
    """Wait until a file is on the disk, and close it."""
    try:
        os.fsync(file)
    finally:
        os.close(file)
