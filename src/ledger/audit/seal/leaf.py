"""The leaf of an event in the seal's tree: what is hashed, byte by byte."""

from struct import Struct

from ledger.store import RawEvent

_length = Struct(">Q").pack  # of eight bytes, big-endian


def leaf(event: RawEvent) -> bytes:
    """Return the bytes that stand for a stored event.

    The kind of its stream, the id of the stream, the version, the tag and the exact stored bytes, each preceded by its
    length in 8 bytes, big-endian. Text is UTF-8, the version decimal. Instant, actor, correlation and key are in the
    stored bytes. The sequence is not a part: the rank of the leaf in the order of sequence is its index, so that a
    ledger restored with other sequences has the same root.
    """
    _, kind, stream_id, version, tag, state = event
    one, two, three, four = kind.encode(), stream_id.encode(), b"%d" % version, tag.encode()
    return b"".join(
        (
            _length(len(one)),
            one,
            _length(len(two)),
            two,
            _length(len(three)),
            three,
            _length(len(four)),
            four,
            _length(len(state)),
            state,
        )
    )
