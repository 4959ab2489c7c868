"""The recorded consequences of a command against those that it owes: pairs, and what has no counterpart."""

from collections.abc import Iterable, Sequence

import attrs

from ledger.audit.examination.stored import Lost
from ledger.events import InstallmentSettled, Outcome, OutcomeVoided, PaymentMissed, PromoApplied, RecordedEvent
from ledger.events.codec import CURRENT

Consequence = Outcome | OutcomeVoided

_TAGS = {shape: tag for tag, shape in CURRENT.items()}


@attrs.define
class Matched:
    """Consequences of a command, by counterpart.

    `pairs` are those recorded as owed or with other content, in recorded order; `unfounded` are recorded and not owed,
    `missing` are owed and not recorded, unless a `lost` version may have held them: then they are `assumed`.
    """

    pairs: list[tuple[RecordedEvent, Consequence]]
    unfounded: list[RecordedEvent]
    missing: list[Consequence]
    assumed: list[tuple[Lost, Consequence]]

    def misplaced(self, owed: Sequence[Consequence]) -> RecordedEvent | None:
        """Return the first recorded event that is not in the order in which they are owed, if all are as owed."""
        order = [event for event in owed if any(event == expected for _, expected in self.pairs)]
        for (recorded, expected), due in zip(self.pairs, order, strict=False):
            if expected != due:
                return recorded
        return None


def match(owed: Sequence[Consequence], recorded: Sequence[RecordedEvent], lost: list[Lost]) -> Matched:
    """Pair what is recorded with what is owed: equal ones first, then those about the same thing.

    Takes the versions that held what is assumed out of `lost`.
    """
    missing, unpaired = [*owed], list[RecordedEvent]()
    pairs: list[tuple[RecordedEvent, Consequence]] = []
    for one in recorded:
        if one.event in missing:
            missing.remove(one.event)
            pairs.append((one, one.event))
        else:
            unpaired.append(one)
    unfounded: list[RecordedEvent] = []
    for one in unpaired:
        counterpart = _counterpart(one, missing)
        if counterpart is None:
            unfounded.append(one)
        else:
            missing.remove(counterpart)
            pairs.append((one, counterpart))
    assumed = list(_assumed(missing, lost))
    for version, event in assumed:
        missing.remove(event)
        lost.remove(version)
    return Matched(sorted(pairs, key=lambda pair: pair[0].version), unfounded, missing, assumed)


def _counterpart(recorded: RecordedEvent, owed: Iterable[Consequence]) -> Consequence | None:
    """Return what is owed about the same thing: the installment, promotion or voided event, or the only one."""
    same = [event for event in owed if type(event) is type(recorded.event)]
    subject = _subject(recorded.event)
    for event in same:
        if _subject(event) == subject:
            return event
    return same[0] if same else None


def _subject(event: object) -> object:
    match event:
        case InstallmentSettled(number=number) | PaymentMissed(number=number):
            return number
        case PromoApplied(code=code):
            return code
        case OutcomeVoided(voids=voids):
            return voids
    return None


def _assumed(missing: Iterable[Consequence], lost: Sequence[Lost]) -> Iterable[tuple[Lost, Consequence]]:
    free = [*lost]
    for event in missing:
        held = next((one for one in free if one.tag in (None, _TAGS[type(event)])), None)
        if held is not None:
            free.remove(held)
            yield held, event


def differences(expected: object, found: object) -> tuple[str, str]:
    """Return the fields in which two events of a class differ, in words: as expected, and as found."""
    names = [
        field.name
        for field in attrs.fields(type(expected))  # type: ignore[arg-type]  # events are attrs classes
        if getattr(expected, field.name) != getattr(found, field.name)
    ]
    return described(expected, names), described(found, names)


def described(event: object, names: Sequence[str] | None = None) -> str:
    """Return an event in words, with these of its fields: all but empty ones."""
    fields = [field.name for field in attrs.fields(type(event))] if names is None else names  # type: ignore[arg-type]
    shown = [(name, getattr(event, name)) for name in fields]
    words = ", ".join(f"{name} {_shown(value)}" for name, value in shown if names is not None or value is not None)
    return f"{type(event).__name__}: {words}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return f"{len(value)} lines: " + "; ".join(f"{line.number} on {line.due_on}" for line in value)
    return f"{value:,}" if isinstance(value, int) else str(value)
