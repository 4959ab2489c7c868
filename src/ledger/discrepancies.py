"""Discrepancies: where the recorded outcomes differ from those that follow from the facts.

The invariant (RULES.md section 1): for every date up to a plan's horizon, the latest effective date among its recorded
events, the recorded outcomes effective by then, less those voided from by then, equal the derived ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import attrs

from ledger.events.facts import PaymentReversed
from ledger.events.outcomes import Outcome
from ledger.events.recorded import RecordedEvent


@attrs.define
class RecordedOutcome:
    """An outcome in the plan's stream: its version, and the voiding in force, if any."""

    version: int
    outcome: Outcome
    void: RecordedEvent | None = None

    @property
    def until(self) -> date | None:
        """The date from which the outcome does not hold: its own if it never did; None while it holds."""
        return max(self.void.event.effective_on, self.outcome.effective_on) if self.void else None


class Discrepancy(NamedTuple):
    """An outcome on which the record and the facts disagree; `recorded` is None where it is not recorded.

    `until` is the date from which the outcome does not hold by the facts: its own if it does not follow from them, that
    of the chargeback `ended_by`, or None: it holds.
    """

    outcome: Outcome
    recorded: RecordedOutcome | None
    until: date | None
    ended_by: PaymentReversed | None

    def __str__(self) -> str:
        item, never = self.recorded, self.outcome.effective_on
        name = f"{type(self.outcome).__name__} of {never}"
        if item is None or item.until == never:
            return f"{name} follows from the facts and is not recorded"
        if self.until == never:
            return f"version {item.version} records {name}, which does not follow from the facts"
        return f"version {item.version}, {name}, ends on {item.until}; from the facts: {self.until}"


def discrepancies(
    recorded: Sequence[RecordedOutcome], derived: Sequence[Outcome], ended: Mapping[Outcome, PaymentReversed]
) -> Iterator[Discrepancy]:
    """Yield where the record departs from the facts: recorded outcomes by version, then those that are not recorded.

    `derived` are the outcomes that follow from the facts, `ended` those that a chargeback has ended.
    """
    agreed = 0  # outcomes, from the first on, that are recorded as they are derived: mostly all
    for item, outcome in zip(recorded, () if ended else derived, strict=False):
        if item.void is not None or item.outcome != outcome:
            break
        agreed += 1
    unrecorded = dict.fromkeys((*derived[agreed:], *ended))
    for item in recorded[agreed:]:
        outcome, ended_by = item.outcome, ended.get(item.outcome)
        until = ended_by.effective_on if ended_by else None
        if outcome in unrecorded:
            del unrecorded[outcome]
        else:
            until = outcome.effective_on
        if item.until != until:
            yield Discrepancy(outcome, item, until, ended_by)
    for outcome in unrecorded:
        ended_by = ended.get(outcome)
        yield Discrepancy(outcome, None, ended_by.effective_on if ended_by else None, ended_by)
