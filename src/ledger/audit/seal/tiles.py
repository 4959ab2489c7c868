"""Tiles: the hashes of a tree in files of 256, as transparency logs publish them.

The tile (level, number) holds the hashes of the perfect subtrees with 256^level leaves, from 256 × number on. Its path
is `tile/LEVEL/NUMBER`, and `tile/LEVEL/NUMBER.p/WIDTH` while it holds fewer than 256.
Source: https://c2sp.org/tlog-tiles.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from ledger.audit.seal.merkle import EMPTY_ROOT, SIZE, Subtree, fold, perfect_root

WIDTH = 256
"""Hashes in a full tile."""

HEIGHT = 8
"""Levels of the tree that a tile spans."""


class Tile(NamedTuple):
    """The place of a tile, and how many hashes it holds."""

    level: int
    number: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """The path of its file: `tile/0/x001/234`, or `tile/0/x001/234.p/5` for a partial one."""
        return f"tile/{self.level}/{numbered(self.number)}" + ("" if self.width == WIDTH else f".p/{self.width}")

    @property
    def full(self) -> "Tile":
        """The same tile when it has all its hashes."""
        return Tile(self.level, self.number)


def numbered(number: int) -> str:
    """Return a number as elements of a path: three digits each, all but the last after an `x`: `x001/x234/067`."""
    path = f"{number % 1000:03}"
    while number := number // 1000:
        path = f"x{number % 1000:03}/{path}"
    return path


def levels(size: int) -> int:
    """Return the number of levels that have tiles in a tree of this size."""
    return max(1, (size.bit_length() + HEIGHT - 1) // HEIGHT) if size else 0


def hashes_at(level: int, size: int) -> int:
    """Return how many hashes a level has in a tree of this size."""
    return size >> (HEIGHT * level)


def tile_at(level: int, number: int, size: int) -> Tile:
    """Return a tile as it stands in a tree of this size."""
    return Tile(level, number, min(WIDTH, hashes_at(level, size) - number * WIDTH))


def edge(size: int) -> Iterator[Tile]:
    """Yield the partial tiles of a tree of this size, from the lowest level up; a level without one is left out."""
    for level in range(levels(size)):
        number, width = divmod(hashes_at(level, size), WIDTH)
        if width:
            yield Tile(level, number, width)


def root_from_edge(hashes: Callable[[Tile], bytes], size: int) -> bytes:
    """Return the root of a tree of this size from the hashes in its partial tiles."""
    tail: bytes | None = None
    for tile in edge(size):
        tail = fold(hashes(tile), tail)
    return EMPTY_ROOT if tail is None else tail


def subtrees(read: Callable[[Tile], bytes], size: int) -> Subtree:
    """Return the subtrees of a tree of this size, out of its tiles; a few tiles are kept in memory."""
    kept = lru_cache(maxsize=64)(read)

    def subtree(height: int, index: int) -> bytes:
        level, within = divmod(height, HEIGHT)
        number, first = divmod(index << within, WIDTH)
        hashes = kept(tile_at(level, number, size))
        return perfect_root(hashes[first * SIZE : (first + (1 << within)) * SIZE])

    return subtree
