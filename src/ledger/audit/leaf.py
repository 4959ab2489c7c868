"""The leaf of an event in the seal's tree: what is hashed, byte by byte."""

from struct import Struct

from ledger.store import RawEvent

_LENGTH = Struct(">Q")
"""Eight bytes, big-endian."""


def leaf(event: RawEvent) -> bytes:
    """Return the bytes that stand for a stored event.

    The kind of its stream, the id of the stream, the version, the tag and the exact stored bytes, each preceded by its
    length in 8 bytes, big-endian. Text is UTF-8, the version decimal. Instant, actor, correlation and key are in the
    stored bytes. The sequence is not a part: the rank of the leaf in the order of sequence is its index, so that a
    ledger restored with other sequences has the same root.
    """
    _, kind, stream_id, version, tag, state = event
    first, second, third, fourth = kind.encode(), stream_id.encode(), b"%d" % version, tag.encode()
    length = _LENGTH.pack
    return b"".join(  # written out: it is done for every event
        (
            *(length(len(first)), first, length(len(second)), second, length(len(third)), third),
            *(length(len(fourth)), fourth, length(len(state)), state),
        )
    )
