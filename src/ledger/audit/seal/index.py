"""The index: the names of the sealed events in the order of their leaves, so that a removed one can be named.

A line is a JSON array without spaces: the kind of the stream, its id, the version. A file holds 4,096 lines; a longer
one replaces it until it is full. The index is no part of the tree: hashes alone tell whether anything is wrong.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from ledger.audit.seal.folder import SealFolder
from ledger.audit.seal.tiles import numbered
from ledger.store import RawEvent

LINES = 4_096
"""Lines in a full file."""

_encode = msgspec.json.Encoder().encode


class Name(NamedTuple):
    """The name of an event: the kind and the id of its stream, and its version in it."""

    kind: str
    stream_id: str
    version: int

    def __str__(self) -> str:
        return f"{self.kind} {self.stream_id} version {self.version}"


def line(kind: str, stream_id: str, version: int) -> bytes:
    """Return the line of an event, without its end."""
    return _encode((kind, stream_id, version))


def lines(events: Iterable[RawEvent]) -> list[bytes]:
    """Return the lines of events."""
    return [_encode(event[1:4]) for event in events]


_decode = msgspec.json.Decoder(tuple[str, str, int]).decode


def index_path(number: int) -> str:
    """Return the path of a file of the index: `index/000`."""
    return f"index/{numbered(number)}"


class Index:
    """The index of a seal, as it stands in the folder; a few files are kept in memory."""

    def __init__(self, folder: SealFolder) -> None:
        self._lines = lru_cache(maxsize=4)(lambda number: _split(folder.read(index_path(number))))

    def line(self, index: int) -> bytes | None:
        """Return the line of a leaf; None if it is missing."""
        number, offset = divmod(index, LINES)
        lines = self._lines(number)
        return lines[offset] if offset < len(lines) else None

    def name(self, index: int) -> Name | None:
        """Return the name of the event of a leaf; None if its line is missing or cannot be read."""
        found = self.line(index)
        try:
            return None if found is None else Name(*_decode(found))
        except msgspec.DecodeError:
            return None


def _split(content: bytes | None) -> list[bytes]:
    return [] if content is None else content.split(b"\n")[:-1]


class IndexWriter:
    """Writes the index from the leaf `size` on."""

    def __init__(self, folder: SealFolder, size: int) -> None:
        self._folder = folder
        self._number, kept = divmod(size, LINES)
        self._pending = _split(folder.read(index_path(self._number)))[:kept] if kept else []
        if len(self._pending) < kept:
            reason = f"{index_path(self._number)} is missing, or has lost lines"
            raise folder.refused(reason, "restore it from a copy")

    def add(self, lines: Sequence[bytes]) -> None:
        """Add lines, and write the files that are full."""
        self._pending += lines
        while len(self._pending) >= LINES:
            self._write(self._pending[:LINES])
            self._pending = self._pending[LINES:]
            self._number += 1

    def end(self) -> None:
        """Write the file that is not full."""
        if self._pending:
            self._write(self._pending)

    def _write(self, lines: list[bytes]) -> None:
        self._folder.write(index_path(self._number), b"\n".join(lines) + b"\n")
