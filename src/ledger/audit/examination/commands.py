"""The commands of a plan, as its stream shows them: a fact with its consequences, or a closing with its outcomes."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import get_args

import attrs

from ledger.audit.examination.kinds import Findings
from ledger.audit.examination.stored import Lost, Slot
from ledger.events import (
    CancellationRequested,
    PaymentMade,
    PaymentReversed,
    PlanReinstated,
    ReceiptEvent,
    RecordedEvent,
)
from ledger.events.codec import CURRENT
from ledger.events.outcomes import Outcome, OutcomeVoided

FACTS = (PaymentMade, PaymentReversed, CancellationRequested, PlanReinstated)

_FACTS, _OUTCOMES = frozenset(FACTS), frozenset((*get_args(Outcome), OutcomeVoided))

_CONSEQUENCES = frozenset(tag for tag, shape in CURRENT.items() if shape in _OUTCOMES)
"""The tags of outcomes and voidings: to lose one loses no fact."""


@attrs.define
class Recorded:
    """A command as it is recorded: its `fact`, or the day `through` which books were closed; and what follows it.

    `lost` are versions among the consequences that cannot be read.
    """

    key: str
    fact: RecordedEvent | None
    through: date | None
    events: list[RecordedEvent]
    lost: list[Lost]


def commands(slots: Sequence[Slot], findings: Findings) -> Iterator[Recorded | Lost]:
    """Yield the commands after an opening; a version that may have been a fact comes as itself, and ends them.

    Reports consequences that are not recorded as their command is.
    """
    command: Recorded | None = None
    for index, slot in enumerate(slots):
        if isinstance(slot, Lost):
            if not _is_consequence(slot, slots[index + 1 :], command):
                yield from () if command is None else (command,)
                yield slot
                return
            command = command or Recorded("", None, None, [], [])
            command.lost.append(slot)
            continue
        begun = _begun(slot, command, findings)
        if begun is not None:
            yield from () if command is None else (command,)
            command = begun
    if command is not None:
        yield command


def _begun(slot: RecordedEvent, command: Recorded | None, findings: Findings) -> Recorded | None:
    """Return the command that an event begins; None, when it belongs to the one before or to none."""
    kind = type(slot.event)
    if kind in _FACTS:
        return Recorded(slot.key, slot, None, [], [])
    if kind not in _OUTCOMES:
        _report_misplaced(slot, findings)
        return None
    begun = Recorded(slot.key, None, _day(slot.key), [], []) if command is None or _begins(slot, command) else None
    into = begun or command
    assert into is not None
    _check_envelope(slot, into, findings)
    into.events.append(slot)
    return begun


def _is_consequence(lost: Lost, after: Sequence[Slot], command: Recorded | None) -> bool:
    """Return whether a lost version was certainly no fact: by its tag, or within a command that goes on after it."""
    if lost.tag is not None:
        return lost.tag in _CONSEQUENCES
    following = next((slot for slot in after if isinstance(slot, RecordedEvent)), None)
    return (
        command is not None
        and following is not None
        and following.key == command.key
        and not isinstance(following.event, FACTS)
    )


def _begins(slot: RecordedEvent, command: Recorded) -> bool:
    """Return whether an outcome begins a closing: its key is another date, or neither its key nor its envelope fits.

    The reference of a fact may read like the date of the closing that follows it.
    """
    alike = command.fact or (command.events[-1] if command.events else None)
    fits = alike is None or _alike(slot, alike)
    if slot.key != command.key:
        return not fits or _day(slot.key) is not None
    return not fits and command.fact is not None and _day(slot.key) is not None


def _day(key: str) -> date | None:
    try:
        day = date.fromisoformat(key)
    except ValueError:
        return None
    return day if day.isoformat() == key else None


def _alike(one: RecordedEvent, other: RecordedEvent) -> bool:
    """Return whether two events were recorded by one command, as far as their envelopes say."""
    return one.recorded_at == other.recorded_at and one.actor == other.actor and one.correlation == other.correlation


def _check_envelope(slot: RecordedEvent, command: Recorded, findings: Findings) -> None:
    """Compare a consequence with its fact or, in a closing, with the outcome before it."""
    first = command.fact or (command.events[-1] if command.events else None)
    if slot.key != command.key or (command.fact is None and command.through is None):
        expected = repr(command.key) if command.key != slot.key else "the reference of a fact, or the date of a closing"
        findings.add(
            "key_mismatch", version=slot.version, sequence=slot.sequence, expected=expected, found=repr(slot.key)
        )
    if first is not None and not _alike(slot, first):
        expected, found = (
            f"{one.recorded_at.isoformat()}, actor {one.actor}, correlation {one.correlation}" for one in (first, slot)
        )
        findings.add("command_split", version=slot.version, sequence=slot.sequence, expected=expected, found=found)


def _report_misplaced(slot: RecordedEvent, findings: Findings) -> None:
    expected = "an event of a plan" if isinstance(slot.event, ReceiptEvent) else "one opening, as version 1"
    findings.add(
        "opening_misplaced",
        version=slot.version,
        sequence=slot.sequence,
        expected=expected,
        found=type(slot.event).__name__,
    )
