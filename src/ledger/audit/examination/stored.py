"""The stored bytes of one stream: each event decoded, or lost, and its envelope compared with its neighbours."""

from collections.abc import Callable, Sequence
from datetime import datetime

import attrs

from ledger.audit.examination.kinds import Findings
from ledger.errors import CorruptHistory, InvalidArgument, WrittenByNewerVersion, arguments
from ledger.events import RecordedEvent
from ledger.events.codec import NOT_CANONICAL
from ledger.store import RawEvent

Decode = Callable[[Sequence[RawEvent]], Sequence[RecordedEvent | CorruptHistory]]
"""Decodes stored events, and has the error of each that cannot be read in its place."""


_LOST_IN_GAPS = 10_000
"""Versions in the gaps of a stream that are told apart: more than one command records."""


@attrs.frozen
class Lost:
    """A version that cannot be used: its tag, or None where no event has it."""

    version: int
    tag: str | None


Slot = RecordedEvent | Lost
"""A version of a stream, as far as it could be read."""


def read_stream(stored: Sequence[RawEvent], decode: Decode, findings: Findings) -> list[Slot]:
    """Return the versions of a stream from 1 to the last, and report what is missing or cannot be read.

    Of long gaps only the first versions are returned, as lost ones: a version can be changed to any number.
    """
    if stored:
        _check_id(stored[0], findings)
    slots: list[Slot] = []
    following, room = 1, _LOST_IN_GAPS
    for raw, decoded in zip(stored, decode(stored), strict=True):
        if raw.version > following:
            _report_gap(raw, first=following, findings=findings)
            lost = max(1, min(raw.version - following, room))
            room -= lost
            slots += [Lost(version, None) for version in range(following, following + lost)]
        following = max(following, raw.version + 1)
        if not isinstance(decoded, CorruptHistory):
            slots.append(decoded)
            continue
        _report_unreadable(raw, decoded, findings)
        if raw.version >= 1:
            slots.append(Lost(raw.version, raw.tag))
    return slots


def check_order(slots: Sequence[Slot], findings: Findings) -> list[Slot]:
    """Report instants and sequences that decrease; return the slots with instants that never do."""
    sequence = 0
    at: datetime | None = None
    ordered: Sequence[Slot] = slots
    for index, slot in enumerate(slots):
        if isinstance(slot, Lost):
            continue
        if slot.sequence <= sequence:
            findings.add(
                "sequence_order",
                version=slot.version,
                sequence=slot.sequence,
                expected=f"a sequence above {sequence}",
                found=str(slot.sequence),
            )
        if at is not None and slot.recorded_at < at:
            findings.add(
                "time_decreasing",
                version=slot.version,
                sequence=slot.sequence,
                expected=f"{at.isoformat()} or later",
                found=slot.recorded_at.isoformat(),
            )
            ordered = [*ordered]
            ordered[index] = attrs.evolve(slot, recorded_at=at)
            continue
        sequence, at = slot.sequence, slot.recorded_at
    return list(ordered)


def _check_id(first: RawEvent, findings: Findings) -> None:
    """Report a stream whose id no plan and no receipt can have."""
    try:
        with arguments.decoding():
            arguments.text("stream_id", first.stream_id)
    except InvalidArgument as error:
        findings.add(
            "stream_unknown",
            version=first.version,
            sequence=first.sequence,
            expected=f"an id that is {error.expected}",
            found=repr(first.stream_id),
        )


def _report_gap(raw: RawEvent, *, first: int, findings: Findings) -> None:
    missing = f"version {first}" if raw.version == first + 1 else f"versions {first} to {raw.version - 1}"
    findings.add(
        "version_gap", version=first, sequence=None, expected=missing, found=f"version {raw.version} is the next"
    )


def _report_unreadable(raw: RawEvent, error: CorruptHistory, findings: Findings) -> None:
    if isinstance(error, WrittenByNewerVersion):
        kind, expected = "event_of_newer_version", "an event that this version of the library knows"
    elif error.reason == NOT_CANONICAL:
        kind, expected = "event_not_canonical", "the bytes that the ledger writes for this event"
    else:
        kind, expected = "event_unreadable", f"canonical JSON of {raw.tag}"
    findings.add(
        kind,
        version=raw.version,
        sequence=raw.sequence,
        expected=expected,
        found=f"{raw.tag}: {error.reason}",
    )
