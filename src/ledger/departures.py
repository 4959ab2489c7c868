"""Recorded against derived outcomes: what to void, what to add, and the invariant.

The invariant (RULES.md section 1): for every date up to a plan's horizon, the latest effective date among its recorded
events, the recorded outcomes effective by then, less those voided from by then, equal the derived ones.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import attrs

from ledger.events.outcomes import Outcome, OutcomeVoided, shares_of
from ledger.state import Timeline


@attrs.define
class RecordedOutcome:
    """An outcome as it stands in the plan's stream: its version, and the voiding in force, if any."""

    version: int
    outcome: Outcome
    void: OutcomeVoided | None = None
    void_version: int | None = None

    @property
    def until(self) -> date | None:
        """The date from which the outcome no longer holds; None: it holds."""
        return self.void.effective_on if self.void else None

    @property
    def held(self) -> bool:
        """Whether there is a day on which the outcome holds."""
        return self.until is None or self.until > self.outcome.effective_on


def difference(
    recorded: Iterable[RecordedOutcome],
    derived: Timeline,
    *,
    because: int,
    reversal_versions: Mapping[str, int],
    next_version: int,
) -> tuple[Outcome | OutcomeVoided, ...]:
    """Return what brings the record in line with what is derived: voidings, then outcomes.

    `because` is the version of the newly known fact, `reversal_versions` those of the chargebacks by their payment's
    reference, `next_version` the one that the first returned event will have. An outcome that is new and ended already
    is followed by its own voiding.
    """
    missing = dict.fromkeys(derived.outcomes)
    events: list[Outcome | OutcomeVoided] = []
    for item in recorded:
        follows = item.outcome in missing
        ended_by = derived.ended.get(item.outcome)
        until = ended_by.effective_on if ended_by else None if follows else item.outcome.effective_on
        missing.pop(item.outcome, None)
        if until == item.until:
            continue
        shares = shares_of(item.outcome)
        if item.void is not None and item.void_version is not None:
            events.append(OutcomeVoided(item.void.effective_on, item.void_version, -shares, because))
        if until is not None:
            cause = reversal_versions[ended_by.reference] if ended_by else because
            events.append(OutcomeVoided(until, item.version, shares, cause))
    ended: list[OutcomeVoided] = []
    for outcome in missing:
        events.append(outcome)
        if (ended_by := derived.ended.get(outcome)) is not None:
            version, cause = next_version + len(events) - 1, reversal_versions[ended_by.reference]
            ended.append(OutcomeVoided(ended_by.effective_on, version, shares_of(outcome), cause))
    return (*events, *ended)


def violations(recorded: Iterable[RecordedOutcome], derived: Timeline, *, horizon: date) -> Iterator[str]:
    """Yield, in words, where the record departs from what is derived, up to and including the horizon."""
    expected = dict.fromkeys(outcome for outcome in derived.outcomes if outcome.effective_on <= horizon)
    for item in recorded:
        if not item.held:
            continue
        if item.outcome not in expected:
            yield f"version {item.version} records {_named(item.outcome)}, which does not follow from the facts"
            continue
        del expected[item.outcome]
        until = ended_by.effective_on if (ended_by := derived.ended.get(item.outcome)) else None
        if item.until != until:
            yield f"version {item.version}, {_named(item.outcome)}, ends on {item.until}; from the facts: {until}"
    for outcome in expected:
        yield f"{_named(outcome)} follows from the facts and is not recorded"


def _named(outcome: Outcome) -> str:
    return f"{type(outcome).__name__} of {outcome.effective_on}"
