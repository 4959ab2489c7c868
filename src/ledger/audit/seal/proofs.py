"""Proofs: that an event was sealed, and that a later seal continues an earlier one. Neither needs the ledger to verify.

As JSON a proof has its `type`, the signed checkpoint (or both) as text, and hashes in base64.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ledger.audit.seal.base64_text import decoded, encoded
from ledger.audit.seal.checkpoint import SignedCheckpoint
from ledger.audit.seal.errors import SealRefused
from ledger.audit.seal.folder import CHECKPOINT, CHECKPOINTS, SealFolder
from ledger.audit.seal.hashing import event_hash
from ledger.audit.seal.keys import VerifierKey
from ledger.audit.seal.leaf import leaf
from ledger.audit.seal.merkle import (
    SIZE,
    Subtree,
    consistency_path,
    inclusion_path,
    is_consistent,
    is_included,
    leaf_hash,
)
from ledger.audit.seal.tiles import WIDTH, Tile, subtrees, tile_at
from ledger.errors import InvalidArgument
from ledger.events import PLAN
from ledger.store import EventReader, RawEvent

_AUDIT = "find out more with `audit --seal`"


def prove_inclusion(
    reader: EventReader, folder: Path, *, stream_id: str, version: int, kind: str = PLAN, size: int | None = None
) -> dict[str, Any]:
    """Return the proof that an event, as it is stored, is in the seal: in its latest checkpoint, or that of `size`.

    `stream_id` is the id of a plan or, with the kind "receipt", the reference of money. Raises `SealRefused` if the
    event is not stored, was not sealed by then, or if the tiles are damaged.
    """
    at = SealFolder(folder)
    head = _checkpoint(at, size)
    event = next((one for one in _history(reader, kind, stream_id) if one.version == version), None)
    if event is None:
        raise SealRefused(
            subject=f"{kind.capitalize()} {stream_id}",
            reason=f"it has no version {version}",
            remedy="check id and version with `history`",
        )
    hashed, checkpoint = event_hash(event), head.checkpoint
    index = _index(at, hashed, checkpoint.size)
    if index is None:
        reason = f"{kind} {stream_id} version {version}, as it is stored, is none of its {checkpoint.size:,} leaves"
        raise at.refused(reason, "if it was recorded after that, seal again; else it was changed: " + _AUDIT)
    path = inclusion_path(_tree(at, checkpoint.size), index, checkpoint.size)
    proof = {
        "type": "inclusion",
        "event": {
            "kind": event.kind,
            "stream_id": event.stream_id,
            "version": event.version,
            "tag": event.tag,
            "state": event.state.decode(),
        },
        "leaf_hash": encoded(hashed),
        "index": index,
        "size": checkpoint.size,
        "path": [encoded(one) for one in path],
        "checkpoint": head.note.decode(),
    }
    return _sound(at, proof)


def prove_consistency(folder: Path, *, earlier: int, size: int | None = None) -> dict[str, Any]:
    """Return the proof that the latest checkpoint, or that of `size`, continues the one of `earlier` leaves.

    Raises `SealRefused` if there is no checkpoint of such a size, or if the tiles are damaged.
    """
    at = SealFolder(folder)
    before, head = _checkpoint(at, earlier), _checkpoint(at, size)
    if earlier > head.checkpoint.size:
        raise at.refused(f"{earlier:,} leaves are more than {head.checkpoint.size:,}", "name the smaller size first")
    path = consistency_path(_tree(at, head.checkpoint.size), earlier, head.checkpoint.size)
    proof = {
        "type": "consistency",
        "earlier_size": earlier,
        "size": head.checkpoint.size,
        "path": [encoded(one) for one in path],
        "earlier_checkpoint": before.note.decode(),
        "checkpoint": head.note.decode(),
    }
    return _sound(at, proof)


def _history(reader: EventReader, kind: str, stream_id: str) -> Sequence[RawEvent]:
    return reader.raw_histories([stream_id], kind=kind)[stream_id]


def _checkpoint(at: SealFolder, size: int | None) -> SignedCheckpoint:
    """Return the latest checkpoint, or that of a size. Raises `SealRefused`."""
    name = CHECKPOINT if size is None else f"{CHECKPOINTS}/{size}"
    note = at.read(name)
    found = None if note is None else SignedCheckpoint.parse(note)
    if note is None:
        sizes = at.sizes()
        known = f"it has those of {', '.join(map(str, sizes[-10:]))} leaves" if sizes else "seal first"
        raise at.refused(f"there is no {name}", known)
    if found is None or (size is not None and found.checkpoint.size != size):
        raise at.refused(f"{name} is no signed checkpoint of that size", _AUDIT)
    return found


def _tree(at: SealFolder, size: int) -> Subtree:
    def read(tile: Tile) -> bytes:
        found = at.tile(tile)
        if found is None:
            raise at.refused(f"{tile.path} is missing or has another length", _AUDIT)
        return found

    return subtrees(read, size)


def _index(at: SealFolder, hashed: bytes, size: int) -> int | None:
    """Return the index of the leaf with this hash; None if there is none."""
    for number in range((size + WIDTH - 1) // WIDTH):
        hashes = at.tile(tile_at(0, number, size)) or b""
        place = hashes.find(hashed)
        while place >= 0 and place % SIZE:
            place = hashes.find(hashed, place + 1)
        if place >= 0:
            return number * WIDTH + place // SIZE
    return None


def _sound(at: SealFolder, proof: dict[str, Any]) -> dict[str, Any]:
    """Return a proof that holds, signatures apart. Raises `SealRefused` for one out of damaged tiles."""
    if (problem := _problem(proof, None)) is not None:
        raise at.refused(f"its tiles give no proof: {problem}", _AUDIT)
    return proof


# ---- verifying


def read_proof(file: Path) -> dict[str, Any]:
    """Return a proof from a file, not verified yet. Raises `InvalidArgument` for a file that is no JSON object."""
    expected = "a proof, the JSON that `prove` prints"
    try:
        proof = json.loads(file.read_bytes())
    except OSError as error:
        expected = f"{expected} ({error.strerror or error})"
        raise InvalidArgument(argument="proof", given=str(file), expected=expected) from error
    except (ValueError, RecursionError):
        proof = None
    if not isinstance(proof, dict):
        raise InvalidArgument(argument="proof", given=str(file), expected=expected)
    return proof


def verify_proof(proof: Mapping[str, Any], *, key: VerifierKey) -> None:
    """Verify a proof of inclusion or consistency. Raises `SealRefused`, with the part that does not hold.

    Of a proof of inclusion, `event` is then what was sealed, byte by byte. `key` has to be known beforehand.
    """
    if (problem := _problem(proof, key)) is not None:
        raise SealRefused(subject="Proof", reason=problem, remedy="do not rely on it")


def _problem(proof: Mapping[str, Any], key: VerifierKey | None) -> str | None:
    """Return why a proof does not hold; None if it does. Without a key signatures are not verified."""
    try:
        if proof["type"] == "inclusion":
            return _inclusion_problem(proof, key)
        if proof["type"] == "consistency":
            return _consistency_problem(proof, key)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"a field is missing or malformed ({type(error).__name__}: {error})"
    return f"{proof['type']!r} is neither 'inclusion' nor 'consistency'"


def _inclusion_problem(proof: Mapping[str, Any], key: VerifierKey | None) -> str | None:
    head, event = _signed(proof["checkpoint"], key), proof["event"]
    stored = RawEvent(0, event["kind"], event["stream_id"], event["version"], event["tag"], event["state"].encode())
    hashed, index = leaf_hash(leaf(stored)), proof["index"]
    if encoded(hashed) != proof["leaf_hash"]:
        return "the event does not have this leaf hash"
    if not isinstance(index, int) or proof["size"] != head.checkpoint.size:
        return "index or size are not those of the checkpoint"
    path = _path(proof)
    if is_included(hashed, index=index, size=head.checkpoint.size, root=head.checkpoint.root, path=path):
        return None
    return "the path does not lead from the leaf to the root of the checkpoint"


def _consistency_problem(proof: Mapping[str, Any], key: VerifierKey | None) -> str | None:
    before, after = _signed(proof["earlier_checkpoint"], key).checkpoint, _signed(proof["checkpoint"], key).checkpoint
    if (proof["earlier_size"], proof["size"], before.origin) != (before.size, after.size, after.origin):
        return "sizes or origins are not those of the checkpoints"
    consistent = is_consistent(
        earlier=before.size, earlier_root=before.root, size=after.size, root=after.root, path=_path(proof)
    )
    return None if consistent else "the path does not lead to the roots of both checkpoints"


def _path(proof: Mapping[str, Any]) -> list[bytes]:
    path = [decoded(one) for one in proof["path"]]
    hashes = [one for one in path if one is not None and len(one) == SIZE]
    return hashes if len(hashes) == len(path) else _malformed("path")


def _signed(note: str, key: VerifierKey | None) -> SignedCheckpoint:
    found = SignedCheckpoint.parse(note.encode())
    if found is None:
        _malformed("checkpoint")
    if key is not None and not found.signed_by(key):
        raise ValueError(f"the checkpoint is not signed by {key}")
    return found


def _malformed(field: str) -> NoReturn:
    raise ValueError(field)
