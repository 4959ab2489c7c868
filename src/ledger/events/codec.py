"""Canonical JSON of recorded events, under stable tags and versions.

An event is decoded through its constructor and must re-encode to the very bytes that were stored, so an edited,
truncated or padded one is refused and named. Keys are sorted; dates are ISO 8601, instants UTC; rates are strings.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from ledger.errors import CorruptHistory, WrittenByNewerVersion, arguments
from ledger.events.facts import CancellationRequested, PaymentMade, PaymentReversed, PlanOpened, PlanReinstated
from ledger.events.outcomes import (
    InstallmentSettled,
    OutcomeVoided,
    PaymentMissed,
    PlanCancelled,
    PlanCompleted,
    PromoApplied,
    ScheduleRevised,
)
from ledger.events.receipts import AllocationReversed, MoneyAllocated, MoneyReceived, MoneyReturned
from ledger.events.recorded import KINDS as KINDS_OF_STREAMS
from ledger.events.recorded import PLAN, Event, RecordedEvent
from ledger.events.upcasters import RETIRED, Retired
from ledger.terms import KINDS

CURRENT: Mapping[str, type[Any]] = {
    "plan_opened.v1": PlanOpened,
    "payment_made.v1": PaymentMade,
    "payment_reversed.v1": PaymentReversed,
    "cancellation_requested.v1": CancellationRequested,
    "plan_reinstated.v1": PlanReinstated,
    "installment_settled.v1": InstallmentSettled,
    "payment_missed.v1": PaymentMissed,
    "promo_applied.v1": PromoApplied,
    "plan_cancelled.v1": PlanCancelled,
    "plan_completed.v1": PlanCompleted,
    "schedule_revised.v1": ScheduleRevised,
    "outcome_voided.v1": OutcomeVoided,
    "money_received.v1": MoneyReceived,
    "money_allocated.v1": MoneyAllocated,
    "allocation_reversed.v1": AllocationReversed,
    "money_returned.v1": MoneyReturned,
}
"""Every event that is written today, by its tag."""

NOT_CANONICAL = "its bytes are not those that this ledger writes"
"""The reason of bytes that decode, and would be stored otherwise."""

E = TypeVar("E")

StoredRow: TypeAlias = tuple[int, str, str, int, str, bytes]
"""An event as it is stored: sequence, kind of stream, stream, version, tag and state."""


class Stored(msgspec.Struct, Generic[E], frozen=True, kw_only=True):
    """The stored form: the envelope and the event. Plan, version, sequence and tag have columns."""

    recorded_at: datetime
    actor: str | None
    correlation: str | None
    key: str
    event: E


def _part_of_terms(base: type[Any], value: Any) -> Any:
    """Decode a part of terms by its kind: msgspec knows no unions of attrs classes."""
    if not isinstance(value, dict):
        raise TypeError(f"expected an object with the kind of {base.__name__.lower()}")
    try:
        return _known_part(base, tuple(value.items()))  # type: ignore[arg-type]  # a class is hashable
    except TypeError:
        return _part(base, value)  # it has a list: explicit lines and releases are too varied to be kept


@lru_cache(maxsize=1024)
def _known_part(base: Hashable, items: tuple[tuple[str, Any], ...]) -> Any:
    """Decode once what many plans share. 1, True and 1.0 are one key here: re-encoding tells them apart."""
    return _part(base, dict(items))


def _part(base: Any, value: Mapping[str, Any]) -> Any:
    kind = value.get("kind")
    shape = KINDS[base].get(kind) if isinstance(kind, str) else None
    if shape is None:
        unknown = _UnknownKind if isinstance(kind, str) else ValueError
        raise unknown(f"unknown kind {kind!r} of {base.__name__.lower()}")
    return msgspec.convert(value, shape)


class _UnknownKind(Exception):
    """A kind that a newer version may know. No ValueError: msgspec would turn that into an error of its own."""


def recorded_at_of(state: bytes) -> str:
    """Return the instant of recording in an event's stored form, as text; "" where it has none."""
    found = state.rpartition(b'"recorded_at":"')[2] if b'"recorded_at":"' in state else b""
    return found.removesuffix(b'"}').decode(errors="replace")


def _enveloped(row: StoredRow, stored: Stored[Any], event: Event) -> RecordedEvent:
    sequence, kind, stream_id, version, _, _ = row
    return RecordedEvent(
        kind=kind,
        stream_id=stream_id,
        version=version,
        sequence=sequence,
        recorded_at=stored.recorded_at,
        actor=stored.actor,
        correlation=stored.correlation,
        key=stored.key,
        event=event,
    )


def intact(decoded: Iterable[RecordedEvent | CorruptHistory]) -> Iterator[RecordedEvent]:
    """Yield events up to the first that could not be decoded. Raises its error."""
    for one in decoded:
        if isinstance(one, CorruptHistory):
            raise one
        yield one


class Codec:
    """Encodes recorded events, and decodes stored ones of every version that was ever written."""

    def __init__(self, current: Mapping[str, type[Any]] = CURRENT, retired: Mapping[str, Retired] = RETIRED) -> None:
        self._tags = {shape: tag for tag, shape in current.items()}
        self._retired = retired
        shapes = {**current, **{tag: old.shape for tag, old in retired.items()}}
        self._decoders = {
            tag: msgspec.json.Decoder(Stored[shape], dec_hook=_part_of_terms)  # type: ignore[valid-type]  # at run time
            for tag, shape in shapes.items()
        }
        encoder = msgspec.json.Encoder(order="sorted")
        self._encode, self._encode_lines = encoder.encode, encoder.encode_lines

    def encode(self, recorded: RecordedEvent) -> tuple[str, bytes]:
        """Return the tag of the event and its stored form."""
        stored = Stored(
            recorded_at=recorded.recorded_at,
            actor=recorded.actor,
            correlation=recorded.correlation,
            key=recorded.key,
            event=recorded.event,
        )
        return self._tags[type(recorded.event)], self._encode(stored)

    def decode(
        self, tag: str, state: bytes, *, kind: str = PLAN, stream_id: str, version: int, sequence: int
    ) -> RecordedEvent:
        """Return the event stored as `state`.

        Raises `CorruptHistory` for bytes that this library cannot have written, `WrittenByNewerVersion` for an event, a
        kind of stream or a kind of terms that it does not know.
        """
        decoder = self._decoders.get(tag)
        if decoder is None or kind not in KINDS_OF_STREAMS:
            reason = "unknown event" if decoder is None else f"unknown kind {kind!r} of stream"
            raise WrittenByNewerVersion(plan_id=stream_id, version=version, event=tag, reason=reason)
        try:
            stored, event = self._decoded(decoder, tag, state)
            return _enveloped((sequence, kind, stream_id, version, tag, state), stored, event)
        except _UnknownKind as error:
            raise WrittenByNewerVersion(plan_id=stream_id, version=version, event=tag, reason=str(error)) from None
        except (ValueError, TypeError, RecursionError) as error:  # msgspec's errors are ValueErrors too
            reason = str(error).replace(". - at ", " - at ").rstrip(".")
            raise CorruptHistory(plan_id=stream_id, version=version, event=tag, reason=reason) from error

    def decode_all(self, rows: Sequence[StoredRow]) -> list[RecordedEvent | CorruptHistory]:
        """Return for each stored event what `decode` returns or raises.

        The states of one tag are decoded together, and encoded again together, as lines. Encoded lines hold no line
        break, so equal bytes in as many lines prove every state. Where they differ, each is decoded alone.
        """
        decoded: list[RecordedEvent | CorruptHistory | None] = [None] * len(rows)
        by_tag: dict[str, list[int]] = {}
        for index, row in enumerate(rows):
            by_tag.setdefault(row[4], []).append(index)
        for tag, indexes in by_tag.items():
            with suppress(ValueError, TypeError):  # of an envelope
                for index, stored in zip(indexes, self._lines(tag, [rows[one][5] for one in indexes]), strict=False):
                    decoded[index] = _enveloped(rows[index], stored, stored.event)
        return [self._alone(row) if one is None else one for one, row in zip(decoded, rows, strict=True)]

    def _alone(self, row: StoredRow) -> RecordedEvent | CorruptHistory:
        sequence, kind, stream_id, version, tag, state = row
        try:
            return self.decode(tag, state, kind=kind, stream_id=stream_id, version=version, sequence=sequence)
        except CorruptHistory as error:
            return error

    def _lines(self, tag: str, states: Sequence[bytes]) -> Sequence[Any]:
        """Return the stored forms of one tag of today; none of them where one is not canonical."""
        decoder = None if tag in self._retired else self._decoders.get(tag)
        if decoder is None:
            return ()
        try:
            text = b"\n".join((*states, b""))
            stored = decoder.decode_lines(text)
        except (_UnknownKind, ValueError, TypeError, RecursionError):
            return ()
        return stored if len(stored) == len(states) and self._encode_lines(stored) == text else ()

    def _decoded(self, decoder: msgspec.json.Decoder[Any], tag: str, state: bytes) -> tuple[Any, Event]:
        """Return the stored form with its event as of today: by the rules of arguments or, where these refuse, by form.

        Which characters print and which time zones there are differs between machines; what is recorded does not.
        """
        try:
            return self._upcasted(decoder, tag, state)
        except ValueError:
            with arguments.decoding():
                return self._upcasted(decoder, tag, state)

    def _upcasted(self, decoder: msgspec.json.Decoder[Any], tag: str, state: bytes) -> tuple[Any, Event]:
        stored = decoder.decode(state)
        if self._encode(stored) != state:
            raise ValueError(NOT_CANONICAL)
        event = stored.event
        while tag in self._retired:
            event = self._retired[tag].upcast(event)
            tag = self._retired[tag].next_tag
        return stored, event
