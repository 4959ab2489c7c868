"""The hashes of stored events, whatever somebody has put into their columns."""

from collections.abc import Sequence

from ledger.audit.seal.leaf import leaf
from ledger.audit.seal.merkle import SIZE, leaf_hash, leaf_hashes
from ledger.store import RawEvent

_NO_LEAF = TypeError, AttributeError, UnicodeError

NONE = bytes(SIZE)
"""Stands for the hash of an event that has none."""


def event_hash(event: RawEvent) -> bytes:
    """Return the hash of an event's leaf; `NONE` if its columns hold other types than a ledger writes.

    SQLite stores a text where bytes are declared: `replace(state, …)` makes one.
    """
    try:
        return leaf_hash(leaf(event))
    except _NO_LEAF:
        return NONE


def event_hashes(events: Sequence[RawEvent]) -> bytes:
    """Return the concatenated hashes of events."""
    try:
        return leaf_hashes(map(leaf, events))
    except _NO_LEAF:
        return b"".join(map(event_hash, events))
