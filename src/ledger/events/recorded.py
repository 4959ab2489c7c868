"""The envelope: in which stream, where, when, by whom and under which key an event was recorded."""

from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

import attrs

from ledger.errors import InvalidArgument, arguments
from ledger.events.facts import Fact, PlanOpened
from ledger.events.outcomes import Outcome, OutcomeVoided
from ledger.events.receipts import ReceiptEvent

Event = PlanOpened | Fact | Outcome | OutcomeVoided | ReceiptEvent

PLAN: Final = "plan"
"""The kind of the streams that hold plans."""

RECEIPT: Final = "receipt"
"""The kind of the streams that hold money received and not applied to a plan."""

StreamKind = Literal["plan", "receipt"]

KINDS: Final = (PLAN, RECEIPT)
"""Every kind of stream that this library writes and reads."""


class Stream(NamedTuple):
    """The identity of a stream: two kinds may use the same id."""

    kind: str
    id: str


@attrs.frozen(kw_only=True)
class RecordedEvent:
    """An event as the ledger keeps it.

    `kind` and `stream_id` name its stream: for a plan the kind is "plan" and the id the plan's, for a receipt "receipt"
    and the reference of the money. `version` counts 1, 2,
    … in the stream; `sequence` increases in the ledger, with gaps, and is 0 for an event that is not stored (a dry
    run). `recorded_at` is UTC and never decreases within a stream. `key` is the command's idempotency key: the plan id
    for an opening, the payment's reference for a reversal or an allocation, the date for a closing, else the command's
    own reference.
    """

    kind: str = PLAN
    stream_id: str
    version: int
    sequence: int = 0
    recorded_at: datetime
    actor: str | None
    correlation: str | None
    key: str
    event: Event

    def __attrs_post_init__(self) -> None:
        if self.kind not in KINDS:
            arguments.one_of("kind", self.kind, KINDS)
        if self.version < 1 or self.sequence < 0:
            arguments.whole("version", self.version, minimum=1)
            arguments.whole("sequence", self.sequence, minimum=0)
        if self.recorded_at.tzinfo is not UTC:
            raise InvalidArgument(argument="recorded_at", given=self.recorded_at, expected="an instant in UTC")

    @property
    def plan_id(self) -> str:
        """The id of the plan whose stream this is. Raises `AttributeError` for a stream of another kind."""
        if self.kind != PLAN:
            raise AttributeError(f"an event of {self.kind} {self.stream_id} has no plan_id")
        return self.stream_id

    @property
    def stream(self) -> Stream:
        """The stream that holds the event."""
        return Stream(self.kind, self.stream_id)

    def at(self, sequence: int) -> "RecordedEvent":
        """Return the event as stored at a sequence."""
        return self._changed(sequence, self.recorded_at)

    def stamped(self, recorded_at: datetime) -> "RecordedEvent":
        """Return the event as recorded at an instant, in UTC."""
        return self._changed(self.sequence, recorded_at)

    def _changed(self, sequence: int, recorded_at: datetime) -> "RecordedEvent":
        return RecordedEvent(  # quicker than attrs.evolve
            kind=self.kind,
            stream_id=self.stream_id,
            version=self.version,
            sequence=sequence,
            recorded_at=recorded_at,
            actor=self.actor,
            correlation=self.correlation,
            key=self.key,
            event=self.event,
        )
