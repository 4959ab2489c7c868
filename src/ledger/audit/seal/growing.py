"""A tree that grows at its right edge: in memory are only the hashes that are in no full tile yet."""

from collections.abc import Callable, Iterable

from ledger.audit.seal.merkle import SIZE, perfect_root
from ledger.audit.seal.tiles import WIDTH, Tile, edge, hashes_at, root_from_edge

_FULL = WIDTH * SIZE


class GrowingTree:
    """A tree of `size` leaves, whose full tiles are handed to `write` as soon as they are full."""

    def __init__(self, size: int, read: Callable[[Tile], bytes], write: Callable[[Tile, bytes], None]) -> None:
        self._size = size
        self._write = write
        self._edge = {tile.level: bytearray(read(tile)) for tile in edge(size)}

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._size

    def root(self) -> bytes:
        """Return the root."""
        return root_from_edge(lambda tile: bytes(self._edge[tile.level]), self._size)

    def partial(self) -> Iterable[tuple[Tile, bytes]]:
        """Return the partial tiles at the edge, with their hashes."""
        return [(tile, bytes(self._edge[tile.level])) for tile in edge(self._size)]

    def extend(self, leaves: bytes) -> None:
        """Append the concatenated hashes of leaves."""
        hashes = self._edge.setdefault(0, bytearray())
        number = hashes_at(0, self._size) // WIDTH
        hashes += leaves
        self._size += len(leaves) // SIZE
        for start in range(0, len(hashes) - _FULL + 1, _FULL):
            self._complete(Tile(0, number), bytes(hashes[start : start + _FULL]))
            number += 1
        del hashes[: len(hashes) // _FULL * _FULL]

    def _complete(self, tile: Tile, hashes: bytes) -> None:
        """Write a full tile, and append its root to the tile above it."""
        self._write(tile, hashes)
        above = self._edge.setdefault(tile.level + 1, bytearray())
        above += perfect_root(hashes)
        if len(above) == _FULL:
            self._complete(Tile(tile.level + 1, tile.number // WIDTH), bytes(above))
            above.clear()
