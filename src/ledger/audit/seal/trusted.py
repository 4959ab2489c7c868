"""The tiles of a seal as its root proves them: which of the files are as they were written, and which were changed.

Every hash in a tile is proved by the tile above it, the tiles at the edge by the root. A changed tile is told from
changed events: it is what the tiles or the events below it do not add up to, while they add up to the root.
"""

from collections.abc import Sequence
from itertools import product

from ledger.audit.seal.checkpoint import Checkpoint
from ledger.audit.seal.folder import SealFolder
from ledger.audit.seal.merkle import SIZE, perfect_root, range_hash
from ledger.audit.seal.tiles import WIDTH, Tile, edge, hashes_at, levels, root_from_edge, subtrees, tile_at


class TrustedTiles:
    """The hashes of the tree under a checkpoint. `altered` are the tiles whose file is not what the root proves.

    Hashes above the leaves are kept in memory: 32 bytes for every 256 events. `leads` tells whether the tiles lead to
    the root at all.
    """

    def __init__(self, folder: SealFolder, checkpoint: Checkpoint) -> None:
        self.size = checkpoint.size
        self.altered: list[Tile] = []
        self._folder = folder
        self._root = checkpoint.root
        self._repaired: dict[int, bytes] = {}
        self._from_below = {level: self._derived(level) for level in range(1, levels(self.size))}
        self._edge: dict[int, bytes] = {}
        self.leads = self._find_edge()
        self._above: dict[int, list[bytes | None]] = {}
        for level in reversed(range(1, levels(self.size))):
            self._above[level] = self._proved(level)

    # ---- from the bottom up, and from the root down

    def _derived(self, level: int) -> list[bytes | None]:
        """Return the hashes of a level as the full tiles below give them; None where one is missing."""
        below = (self._folder.tile(Tile(level - 1, number)) for number in range(hashes_at(level, self.size)))
        return [None if one is None else perfect_root(one) for one in below]

    def _derived_tile(self, tile: Tile) -> list[bytes | None]:
        return self._from_below[tile.level][tile.number * WIDTH : tile.number * WIDTH + tile.width]

    def _find_edge(self, leaves: bytes | None = None) -> bool:
        """Find the partial tiles that lead to the root, each as it is stored or as it is derived from below.

        `leaves` are those of the lowest one if it may have been changed. Returns False if none lead there.
        """
        tiles = [*edge(self.size)]
        stored = {tile: self._folder.tile(tile) for tile in tiles}
        choices = [self._choices(tile, stored[tile], leaves) for tile in tiles]
        for chosen in product(*choices):
            hashes = dict(zip(tiles, chosen, strict=True))
            if root_from_edge(hashes.__getitem__, self.size) == self._root:
                self._edge = {tile.level: hashes[tile] for tile in tiles}
                self.altered += [tile for tile in tiles if hashes[tile] != stored[tile]]
                return True
        self._edge = {tile.level: found for tile in tiles if (found := stored[tile]) is not None}
        return False

    def _choices(self, tile: Tile, stored: bytes | None, leaves: bytes | None) -> list[bytes]:
        below = leaves
        if tile.level:
            hashes = [one for one in self._derived_tile(tile) if one is not None]
            below = b"".join(hashes) if len(hashes) == tile.width else None
        return [*dict.fromkeys(one for one in (stored, below) if one is not None)]

    def _proved(self, level: int) -> list[bytes | None]:
        """Return the hashes of a level as the level above proves them; as derived from below where they are lost."""
        proved: list[bytes | None] = []
        for number in range(hashes_at(level, self.size) // WIDTH):
            tile, expected = Tile(level, number), self._above[level + 1][number]
            stored = self._folder.tile(tile)
            if stored is not None and expected in (None, perfect_root(stored)):
                proved += _hashes(stored)
            else:
                self.altered.append(tile)
                proved += self._derived_tile(tile)
        at_edge = tile_at(level, hashes_at(level, self.size) // WIDTH, self.size)
        if at_edge.width:
            proved += _hashes(self._edge[level]) if level in self._edge else self._derived_tile(at_edge)
        return proved

    # ---- leaves

    def lowest(self) -> Sequence[Tile]:
        """Return the tiles of leaves."""
        return [tile_at(0, number, self.size) for number in range((self.size + WIDTH - 1) // WIDTH)]

    def is_proved(self, tile: Tile) -> bool:
        """Return whether the file of a tile of leaves is what the root proves."""
        if tile.width < WIDTH:
            return self.leads and tile not in self.altered
        expected = self._above[1][tile.number]
        return expected is None or expected == self._from_below[1][tile.number]

    def repair(self, tile: Tile, leaves: bytes) -> bool:
        """Take these hashes for a tile of leaves if the root proves them; return whether it does."""
        if len(leaves) != tile.width * SIZE:
            return False
        if tile.width < WIDTH:
            self.leads = self.leads or self._find_edge(leaves)
            proved = self.leads and self._edge[0] == leaves
        else:
            proved = perfect_root(leaves) == self._above[1][tile.number]
        if proved:
            self._repaired[tile.number] = leaves
        return proved

    def read(self, tile: Tile) -> bytes | None:
        """Return the first hashes of a tile as the root proves them, as far as that is known; None if they are lost."""
        start = tile.number * WIDTH
        if tile.level:
            hashes = [one for one in self._above[tile.level][start : start + tile.width] if one is not None]
            return b"".join(hashes) if len(hashes) == tile.width else None
        found = self._repaired.get(tile.number)
        if found is None:
            found = self._folder.tile(tile_at(0, tile.number, self.size))
        return None if found is None else found[: tile.width * SIZE]

    def root_at(self, size: int) -> bytes | None:
        """Return the root of the first `size` leaves; None where hashes for it are lost."""

        def read(tile: Tile) -> bytes:
            found = self.read(tile)
            if found is None:
                raise _LostError
            return found

        try:
            return range_hash(subtrees(read, size), 0, size)
        except _LostError:
            return None


class _LostError(Exception):
    """A hash that is needed is lost."""


def _hashes(content: bytes) -> list[bytes]:
    return [content[start : start + SIZE] for start in range(0, len(content), SIZE)]
