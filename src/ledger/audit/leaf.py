"""The leaf of an event in the seal's tree: what is hashed, byte by byte."""

from ledger.store import RawEvent


def leaf(event: RawEvent) -> bytes:
    """Return the bytes that stand for a stored event.

    The kind of its stream, the id of the stream, the version, the tag and the exact stored bytes, each preceded by its
    length in 8 bytes, big-endian. Text is UTF-8, the version decimal. Instant, actor, correlation and key are in the
    stored bytes. The sequence is not a part: the rank of the leaf in the order of sequence is its index, so that a
    ledger restored with other sequences has the same root.
    """
    parts = (event.kind.encode(), event.stream_id.encode(), b"%d" % event.version, event.tag.encode(), event.state)
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)
