"""The signed checkpoint: origin, size and root of a tree at one moment. Source: https://c2sp.org/tlog-checkpoint."""

import re
from typing import Self

import attrs

from ledger.audit.seal.base64_text import decoded, encoded
from ledger.audit.seal.keys import SignerKey, VerifierKey
from ledger.audit.seal.merkle import SIZE
from ledger.audit.seal.note import Signature, split_note

_LINES = re.compile(rb"(?P<origin>[^\n]+)\n(?P<size>0|[1-9][0-9]{0,17})\n(?P<root>[A-Za-z0-9+/=]+)\n(?:[^\n]+\n)*")


@attrs.frozen
class Checkpoint:
    """A tree at one moment: the `origin` that sealed it, the `size` in leaves, the `root` of 32 bytes."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the text that is signed: three lines."""
        return f"{self.origin}\n{self.size}\n{encoded(self.root)}\n"

    def signed(self, key: SignerKey) -> bytes:
        """Return the checkpoint as a note signed with a key."""
        return key.sign(self.text()).encode()


@attrs.frozen
class SignedCheckpoint:
    """A checkpoint as it was read: its bytes, and the signatures in them, not yet verified."""

    checkpoint: Checkpoint
    note: bytes
    signed: bytes
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, note: bytes) -> Self | None:
        """Return the checkpoint in a signed note; None for bytes that are none."""
        found = split_note(note)
        lines = _LINES.fullmatch(found[0]) if found else None
        if found is None or lines is None:
            return None
        root = decoded(lines["root"].decode())
        if root is None or len(root) != SIZE:
            return None
        checkpoint = Checkpoint(lines["origin"].decode(), int(lines["size"]), root)
        return cls(checkpoint, note, found[0], tuple(found[1]))

    def signed_by(self, key: VerifierKey) -> bool | None:
        """Return whether the key's signature verifies; None if there is no signature of this key and origin."""
        of_key = [one for one in self.signatures if key.made(one)]
        if not of_key or self.checkpoint.origin != key.name:
            return None
        return all(key.verifies(self.signed, one) for one in of_key)
