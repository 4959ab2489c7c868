"""Signed notes, in which transparency logs publish their checkpoints.

A note is text, an empty line, and one line for each signature: an em dash, the name of the key, and in base64 the key's
id of four bytes with the signature of the text. Source: https://c2sp.org/signed-note.
"""

import re
from collections.abc import Sequence

import attrs

from ledger.audit.seal.base64_text import decoded

_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]{1,200}")
_ID = 4
"""Bytes of the id of a key."""


@attrs.frozen
class Signature:
    """One signature of a note: the name and the id of its key, and the bytes of the signature."""

    name: str
    key_id: bytes
    signature: bytes


def is_key_name(name: str) -> bool:
    """Return whether a key may have this name: 1 to 200 characters without space or plus."""
    return _NAME.fullmatch(name) is not None


def split_note(note: bytes) -> tuple[bytes, Sequence[Signature]] | None:
    """Return the text of a note and its signatures; None for bytes that are no signed note."""
    text, empty, lines = note.rpartition(b"\n\n")
    if not empty or not lines.endswith(b"\n") or any(byte < ord(" ") and byte != ord("\n") for byte in note):
        return None
    try:
        note.decode()
    except UnicodeDecodeError:
        return None
    found = [_signature(line) for line in lines.decode()[:-1].split("\n")]
    signatures = [one for one in found if one is not None]
    return (text + b"\n", signatures) if len(signatures) == len(found) else None


def _signature(line: str) -> Signature | None:
    dash, _, rest = line.partition(" ")
    name, _, encoded_signature = rest.partition(" ")
    data = decoded(encoded_signature)
    if dash != "—" or not is_key_name(name) or data is None or len(data) <= _ID:
        return None
    return Signature(name, data[:_ID], data[_ID:])
