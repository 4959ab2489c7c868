"""The envelope: where and when an event was recorded, by whom, under which key."""

from datetime import UTC, datetime

import attrs

from ledger import arguments
from ledger.errors import InvalidArgument
from ledger.events.facts import Fact, PlanOpened
from ledger.events.outcomes import Outcome, OutcomeVoided

Event = PlanOpened | Fact | Outcome | OutcomeVoided


@attrs.frozen(kw_only=True)
class RecordedEvent:
    """An event as the ledger keeps it.

    `version` counts 1, 2, … in the plan; `sequence` increases in the ledger, with gaps, and is 0 for an event that is
    not stored (a dry run). `recorded_at` is UTC and never decreases within a plan. `key` is the command's: the plan id
    for an opening, the payment's reference for a reversal, the date for a closing, else the command's own reference.
    """

    plan_id: str
    version: int
    sequence: int = 0
    recorded_at: datetime
    actor: str | None
    correlation: str | None
    key: str
    event: Event

    def __attrs_post_init__(self) -> None:
        if self.version < 1 or self.sequence < 0:
            arguments.whole("version", self.version, minimum=1)
            arguments.whole("sequence", self.sequence, minimum=0)
        if self.recorded_at.tzinfo is not UTC:
            raise InvalidArgument(argument="recorded_at", given=self.recorded_at, expected="an instant in UTC")

    def at(self, sequence: int) -> "RecordedEvent":
        """Return the event as stored at a sequence."""
        return RecordedEvent(
            plan_id=self.plan_id,
            version=self.version,
            sequence=sequence,
            recorded_at=self.recorded_at,
            actor=self.actor,
            correlation=self.correlation,
            key=self.key,
            event=self.event,
        )
