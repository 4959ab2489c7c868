"""Checking a seal: the ledger against its leaves, the tiles against the root, the root against older checkpoints."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import attrs

from ledger.audit.finding import Finding
from ledger.audit.seal.base64_text import encoded
from ledger.audit.seal.checkpoint import SignedCheckpoint
from ledger.audit.seal.comparing import Comparison, stored_events
from ledger.audit.seal.errors import SealRefused
from ledger.audit.seal.folder import CHECKPOINT, CHECKPOINTS, KEY, SealFolder
from ledger.audit.seal.index import Index
from ledger.audit.seal.keys import VerifierKey
from ledger.audit.seal.tiles import WIDTH, edge, hashes_at
from ledger.audit.seal.trusted import TrustedTiles
from ledger.errors import InvalidArgument
from ledger.store import EventReader
from ledger.telemetry import Progress

_TILES = "seal.md section 3"
_CHECKPOINTS = "seal.md section 4"


@attrs.frozen
class _Head:
    """A checkpoint that was read: its place in words, and whether the key has signed it."""

    where: str
    found: SignedCheckpoint
    trusted: bool
    kept_here: bool

    @property
    def size(self) -> int:
        return self.found.checkpoint.size


def check_seal(
    reader: EventReader,
    folder: Path,
    *,
    key: VerifierKey | None = None,
    witnesses: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Iterator[Finding]:
    """Yield everything that is wrong between a ledger and its seal, each thing with its place; nothing if all is well.

    Events recorded after the last checkpoint are no findings. `key` should come from somewhere else than the folder;
    without it signatures are verified with the key that lies there. `witnesses` are older checkpoints of the same seal
    that somebody else has kept. Raises `SealRefused` if there is no seal in the folder or a file cannot be read, and
    `StoreUnavailable`.
    """
    at = SealFolder(folder)
    if not at.is_seal():
        raise at.refused("there is no seal in it", "check the path, or begin one with `seal`")
    check = _Check(at, witnesses)
    yield from check.key(key)
    yield from check.heads()
    latest = check.latest()
    if latest is None:
        return
    yield from check.rolled_back(latest)
    tiles = TrustedTiles(at, latest.found.checkpoint)
    events = stored_events(reader.at(reader.last_sequence()))
    yield from Comparison(tiles, Index(at), events, progress).findings()
    yield from check.tiles(tiles, latest)
    yield from check.history(tiles)


class _Check:
    """The parts of a check, apart from the events."""

    def __init__(self, at: SealFolder, witnesses: Sequence[Path]) -> None:
        self._at = at
        self._witnesses = witnesses
        self._key: VerifierKey | None = None
        self._heads: list[_Head] = []

    def key(self, given: VerifierKey | None) -> Iterator[Finding]:
        """Choose the key, and compare it with the one in the folder."""
        self._key, here = given, None
        content = self._at.read(KEY)
        with suppress(InvalidArgument, UnicodeDecodeError):
            here = None if content is None else VerifierKey.parse(content.decode())
        if here is None or content != f"{here}\n".encode():
            found = "no such file" if content is None else "something else"
            yield _finding("seal_key", expected=f"a verifier key in {KEY}", found=found)
        elif given is not None and here != given:
            yield _finding("seal_key", expected=str(given), found=f"{here} in {KEY}")
        self._key = given or here

    # ---- checkpoints

    def heads(self) -> Iterator[Finding]:
        """Read the checkpoints, and verify their signatures."""
        for size in self._at.sizes():  # first: a seal that is being made writes the latest one before its copy
            where = f"{CHECKPOINTS}/{size}"
            yield from self._head(where, self._at.read(where), size=size)
        yield from self._head(CHECKPOINT, self._at.read(CHECKPOINT))
        for path in self._witnesses:
            try:
                note = path.read_bytes()
            except OSError as error:
                reason = f"it cannot be read ({error.strerror})"
                raise SealRefused(subject=f"Witness {path}", reason=reason, remedy="check the path") from error
            yield from self._head(str(path), note, kept_here=False)

    def _head(
        self, where: str, note: bytes | None, *, size: int | None = None, kept_here: bool = True
    ) -> Iterator[Finding]:
        found = None if note is None else SignedCheckpoint.parse(note)
        if found is None:
            shown = "no such file" if note is None else "something else"
            yield _finding("seal_checkpoint", expected=f"a signed checkpoint in {where}", found=shown)
            return
        if size is not None and found.checkpoint.size != size:
            shown = f"one of {found.checkpoint.size:,}"
            yield _finding("seal_checkpoint", expected=f"a checkpoint of {size:,} leaves in {where}", found=shown)
        signed = None if self._key is None else found.signed_by(self._key)
        if signed is None and self._key is not None:
            keys = ", ".join(f"{one.name}+{one.key_id.hex()}" for one in found.signatures)
            expected = f"{where} of the origin {self._key.name!r}, signed with {self._key}"
            yield _finding(
                "seal_key", expected=expected, found=f"origin {found.checkpoint.origin!r}, signed with {keys}"
            )
        elif signed is False:
            expected = f"a signature of {self._key} in {where} that verifies"
            yield _finding("seal_signature", expected=expected, found="one that does not")
        self._heads.append(_Head(where, found, bool(signed), kept_here))

    def latest(self) -> _Head | None:
        """Return the checkpoint of the most leaves in the folder; if none is signed, of those that have their tiles."""
        here = [one for one in self._heads if one.kept_here and (one.trusted or self._has_edge(one))]
        return max((one for one in here if one.trusted), key=_size, default=max(here, key=_size, default=None))

    def _has_edge(self, head: _Head) -> bool:
        """Return whether the last tiles of a tree are there; without that its size may be any number."""
        return all(self._at.tile(tile) is not None for tile in edge(head.size))

    def rolled_back(self, latest: _Head) -> Iterator[Finding]:
        """Check that no checkpoint, here or kept elsewhere, has more leaves than the latest."""
        for one in self._heads:
            if one.where == CHECKPOINT and one.size < latest.size:
                yield _truncated(one.size, latest)
            elif one.trusted and not one.kept_here and one.size > latest.size:
                yield _truncated(latest.size, one)

    def history(self, tiles: TrustedTiles) -> Iterator[Finding]:
        """Check that every checkpoint is one of the same tree, and that partial tiles of earlier ones are its tiles."""
        agreed = 0
        for one in sorted(self._heads, key=_size):
            root = tiles.root_at(one.size) if one.size <= tiles.size else None
            if root == one.found.checkpoint.root:
                agreed = one.size
            elif root is not None:
                expected = f"the root {encoded(one.found.checkpoint.root)} of {one.where} over {one.size:,} leaves"
                between = f"they agree up to leaf {agreed:,}" if agreed else "no earlier checkpoint agrees"
                shown = f"{encoded(root)}: other events were sealed; {between}"
                yield _finding("seal_inconsistent", expected=expected, found=shown)
        for size in sorted({one.size for one in self._heads if one.kept_here and one.size < tiles.size}):
            yield from self._partial(tiles, size)

    # ---- tiles

    def tiles(self, tiles: TrustedTiles, latest: _Head) -> Iterator[Finding]:
        """Yield the tiles that are not what the root proves."""
        if not tiles.leads:
            expected = f"tiles that lead to the root {encoded(latest.found.checkpoint.root)} of {latest.where}"
            yield _finding("seal_inconsistent", rule=_TILES, expected=expected, found="tiles that lead elsewhere")
        damaged = (tile for tile in tiles.lowest() if tile.width == WIDTH and not tiles.is_proved(tile))
        altered = {*tiles.altered, *damaged}
        for tile in sorted(altered):
            found = "no tile of that length" if self._at.tile(tile) is None else "others"
            yield _finding(
                "seal_tile", rule=_TILES, expected=f"the hashes that the root proves in {tile.path}", found=found
            )

    def _partial(self, tiles: TrustedTiles, size: int) -> Iterator[Finding]:
        """Check the partial tiles of an earlier checkpoint: there until they are full, with what they held."""
        for tile in edge(size):
            stored, proved = self._at.read(tile.path), tiles.read(tile)
            full = hashes_at(tile.level, tiles.size) >= (tile.number + 1) * WIDTH
            if stored is None and not full:
                expected = f"the tile {tile.path} of the checkpoint of {size:,} leaves"
                yield _finding("seal_tile", rule=_TILES, expected=expected, found="no such file")
            elif stored is not None and proved is not None and stored != proved:
                expected = f"the hashes that the root proves in {tile.path}"
                yield _finding("seal_tile", rule=_TILES, expected=expected, found="others")


def _size(head: _Head) -> int:
    return head.size


def _truncated(size: int, longer: _Head) -> Finding:
    expected = f"{longer.size:,} leaves, as in {longer.where}"
    return _finding("seal_truncated", expected=expected, found=f"a latest checkpoint of {size:,} leaves")


def _finding(kind: str, *, expected: str, found: str, rule: str = _CHECKPOINTS) -> Finding:
    return Finding(kind=kind, rule=rule, expected=expected, found=found)
