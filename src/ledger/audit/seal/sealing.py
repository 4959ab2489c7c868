"""Sealing: the events recorded since the last checkpoint become leaves, and a new checkpoint is signed over all."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from ledger.audit.seal.checkpoint import Checkpoint, SignedCheckpoint
from ledger.audit.seal.comparing import FIRST
from ledger.audit.seal.errors import SealRefused
from ledger.audit.seal.folder import CHECKPOINT, CHECKPOINTS, KEY, SealFolder
from ledger.audit.seal.growing import GrowingTree
from ledger.audit.seal.hashing import NONE, event_hash, event_hashes
from ledger.audit.seal.index import Index, IndexWriter, Name, lines
from ledger.audit.seal.keys import SignerKey
from ledger.audit.seal.merkle import SIZE
from ledger.audit.seal.tiles import WIDTH, Tile, tile_at
from ledger.events import PLAN
from ledger.store import EventReader, RawEvent
from ledger.telemetry import Progress

_PAGE = 4_096
"""Events in memory at a time, a multiple of those in a tile."""

_REMEDY = "seal nothing, and find out more with `audit --seal`"


@attrs.frozen(kw_only=True)
class Sealed:
    """A seal as it stands: its origin, its size in events, its root in hexadecimal, and how many events are new."""

    origin: str
    size: int
    root: str
    added: int


def seal(
    reader: EventReader, folder: Path, *, key: SignerKey, quick: bool = False, progress: Progress | None = None
) -> Sealed:
    """Extend the seal in a folder by the events recorded since it was last extended, and sign a checkpoint.

    Before that the stored events are compared with all that are sealed; with `quick`, only with the last 256 to 511.
    Where they differ nothing is written. Only events that every reader sees are sealed, so none can come to lie before
    them. Killed at any moment, the next call goes on. Raises `SealRefused`, also if the folder belongs to another key,
    was changed or cannot be written, and `StoreUnavailable`.
    """
    at = SealFolder(folder)
    with at.writing():
        latest = _latest(at, key)
        if latest is not None:
            _finish(at, latest)
        size = 0 if latest is None else latest.checkpoint.size
        tree = GrowingTree(size, lambda tile: _tile(at, tile), lambda tile, hashes: at.write(tile.path, hashes))
        if latest is not None and tree.root() != latest.checkpoint.root:
            raise at.refused("its tiles do not lead to the root of its checkpoint", _REMEDY)
        events = reader.at(reader.last_sequence())
        after = _check_sealed(at, events, size, quick=quick, progress=progress)
        _extend(at, events, tree, after, progress)
        checkpoint = Checkpoint(key.name, tree.size, tree.root())
        if latest is None or tree.size > size:
            _publish(at, tree, checkpoint, key, before=size)
        return Sealed(origin=key.name, size=tree.size, root=checkpoint.root.hex(), added=tree.size - size)


# ---- what is there


def _latest(at: SealFolder, key: SignerKey) -> SignedCheckpoint | None:
    """Return the checkpoint to go on from, which this key has signed; None if there is none yet."""
    note, sizes = at.read(CHECKPOINT), at.sizes()
    if note is None:
        if sizes:
            raise at.refused(f"{CHECKPOINT} is missing, and {CHECKPOINTS} has earlier ones", "restore it from a copy")
        return None
    found = SignedCheckpoint.parse(note)
    signed = None if found is None else found.signed_by(key.verifier)
    if found is None or signed is False:
        reason = "is no signed checkpoint" if found is None else "has a signature that does not verify"
        raise at.refused(f"{CHECKPOINT} {reason}", "restore it from a copy")
    if signed is None:
        reason = f"its checkpoint is of the origin {found.checkpoint.origin!r} and another key, not of {key.name!r}"
        raise at.refused(reason, "use the key that it was begun with, or another folder")
    if sizes and sizes[-1] > found.checkpoint.size:
        reason = f"{CHECKPOINT} has {found.checkpoint.size:,} leaves, an earlier one {sizes[-1]:,}"
        raise at.refused(reason, f"restore {CHECKPOINT} from a copy")
    return found


def _finish(at: SealFolder, latest: SignedCheckpoint) -> None:
    """Do what a kill kept from being done after the checkpoint was there."""
    size, sizes = latest.checkpoint.size, at.sizes()
    if size not in sizes:
        at.write(f"{CHECKPOINTS}/{size}", latest.note)
        at.sync()
    earlier = [one for one in sizes if one < size]
    at.remove_partial(earlier[-1] if earlier else 0, size)


def _tile(at: SealFolder, tile: Tile) -> bytes:
    """Return the hashes of a tile that has to be there. Raises `SealRefused`."""
    found = at.tile(tile)
    if found is None:
        raise at.refused(f"{tile.path} is missing or has another length", _REMEDY)
    return found


# ---- what is sealed


def _check_sealed(at: SealFolder, events: EventReader, size: int, *, quick: bool, progress: Progress | None) -> int:
    """Compare stored events with the leaves that are sealed; return the sequence of the last sealed one."""
    first = max(0, size // WIDTH * WIDTH - WIDTH)
    if quick and first:
        after = _sequence(events, Index(at).name(first - 1))
        if after is not None:
            try:
                return _compare(at, events, first, size, after=after)
            except SealRefused:
                pass  # compared from the beginning, the place of the first difference is known
    return _compare(at, events, 0, size, after=FIRST, progress=progress)


def _sequence(events: EventReader, name: Name | None) -> int | None:
    """Return the sequence of an event; None if it is not stored."""
    found = [] if name is None else events.raw_histories([name.stream_id], kind=name.kind)[name.stream_id]
    return next((one.sequence for one in found if name is not None and one.version == name.version), None)


def _compare(
    at: SealFolder, events: EventReader, first: int, size: int, *, after: int, progress: Progress | None = None
) -> int:
    """Compare the events after a sequence with the leaves from `first`, where a tile begins, up to `size`."""
    index = first
    while index < size:
        page = events.raw_events(after=after, limit=min(_PAGE, size - index))
        hashes = event_hashes(page)
        for start in range(0, max(len(page), 1), WIDTH):
            tile = tile_at(0, (index + start) // WIDTH, size)
            sealed = _tile(at, tile)
            if hashes[start * SIZE : (start + WIDTH) * SIZE] != sealed:
                raise _differs(at, index + start, sealed, page[start : start + tile.width])
        index, after = index + len(page), page[-1].sequence
        if progress is not None:
            progress(index, size)
    return after


def _differs(at: SealFolder, index: int, sealed: bytes, found: list[RawEvent]) -> SealRefused:
    """Return the error that names the first difference between the leaves of a tile and the events found."""
    offset = 0
    while offset < len(found) and event_hash(found[offset]) == sealed[offset * SIZE : (offset + 1) * SIZE]:
        offset += 1
    event = found[offset] if offset < len(found) else None
    name = Index(at).name(index + offset)
    here = "nothing" if event is None else f"{event.kind} {event.stream_id} version {event.version}"
    if name is not None and event is not None and name == (event.kind, event.stream_id, event.version):
        here = "it with other bytes"
    place = name if name is not None else event
    return SealRefused(
        subject=str(at),
        reason=f"the ledger no longer has what was sealed as leaf {index + offset:,}, {name or 'an unnamed event'}; "
        f"found {here}",
        remedy=_REMEDY,
        plan_id=place.stream_id if place is not None and place.kind == PLAN else None,
        receipt=place.stream_id if place is not None and place.kind != PLAN else None,
        version=None if place is None else place.version,
        sequence=None if event is None else event.sequence,
        index=index + offset,
    )


# ---- what is new


def _extend(at: SealFolder, events: EventReader, tree: GrowingTree, after: int, progress: Progress | None) -> None:
    """Append the events after a sequence to the tree and to the index."""
    index = IndexWriter(at, tree.size)
    for page in _pages(events, after):
        hashes = event_hashes(page)
        if NONE in hashes or any(event.version < 1 for event in page):
            _check_types(at, page)
        tree.extend(hashes)
        index.add(lines(page))
        if progress is not None:
            progress(tree.size, tree.size)
    index.end()


def _check_types(at: SealFolder, page: Sequence[RawEvent]) -> None:
    """Refuse an event that no ledger has written."""
    for event in page:
        if event.version < 1 or event_hash(event) == NONE:
            reason = (
                f"{event.kind} {event.stream_id} version {event.version} has columns of other types than are written"
            )
            raise at.refused(reason, "find out more with `audit`")


def _pages(events: EventReader, after: int) -> Iterator[list[RawEvent]]:
    while page := events.raw_events(after=after, limit=_PAGE):
        yield page
        after = page[-1].sequence


def _publish(at: SealFolder, tree: GrowingTree, checkpoint: Checkpoint, key: SignerKey, *, before: int) -> None:
    """Write what a checkpoint needs, wait until it is on the disk, and only then write the checkpoint."""
    for tile, hashes in tree.partial():
        at.write(tile.path, hashes)
    if at.read(KEY) is None:
        at.write(KEY, f"{key.verifier}\n".encode())
    at.sync()
    note = checkpoint.signed(key)
    for name in (CHECKPOINT, f"{CHECKPOINTS}/{checkpoint.size}"):
        at.write(name, note)
        at.sync()
    at.remove_partial(before, checkpoint.size)
