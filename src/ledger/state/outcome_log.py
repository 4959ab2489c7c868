"""The outcomes that a derivation has produced so far, and the chargebacks that ended some. No rule is here."""

from collections.abc import Mapping
from itertools import islice

from ledger.events.facts import PaymentReversed
from ledger.events.outcomes import Outcome


class OutcomeLog:
    """The outcomes in the order in which they took effect, and the chargebacks that ended some.

    An ended outcome is known by its identity: on the same day an equal one may take effect again.
    """

    def __init__(self) -> None:
        self._outcomes: list[Outcome] = []
        self._ended: dict[int, tuple[Outcome, PaymentReversed]] = {}
        self._reported = 0, 0

    def add(self, outcome: Outcome) -> None:
        """Add an outcome."""
        self._outcomes.append(outcome)

    def end(self, outcome: Outcome, by: PaymentReversed) -> None:
        """End an outcome, the very one that was added, from the day of the chargeback on."""
        self._ended[id(outcome)] = outcome, by

    def latest(self) -> tuple[tuple[Outcome, ...], Mapping[Outcome, PaymentReversed]]:
        """Return the outcomes that were added, and the chargebacks that ended others, since the last call."""
        added, ended = self._reported
        self._reported = len(self._outcomes), len(self._ended)
        return tuple(self._outcomes[added:]), dict(islice(self._ended.values(), ended, None)) if self._ended else {}

    def held(self) -> tuple[tuple[Outcome, ...], Mapping[Outcome, PaymentReversed]]:
        """Return the outcomes that hold, or held for at least a day, and the chargebacks that ended some of them."""
        if not self._ended:
            return tuple(self._outcomes), {}
        never = {key for key, (outcome, by) in self._ended.items() if by.effective_on <= outcome.effective_on}
        ended = {outcome: by for key, (outcome, by) in self._ended.items() if key not in never}
        return tuple(outcome for outcome in self._outcomes if id(outcome) not in never), ended
