"""The outcomes that a derivation has produced so far, and the chargebacks that ended some. No rule is here."""

from collections.abc import Mapping
from itertools import islice

from ledger.events.facts import PaymentReversed
from ledger.events.outcomes import Outcome


class OutcomeLog:
    """The outcomes in the order in which they took effect, known by index, and the chargebacks that ended some."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self._ended: dict[int, PaymentReversed] = {}
        self._told = 0, 0

    def add(self, outcome: Outcome) -> int:
        """Add an outcome and return its index."""
        self.outcomes.append(outcome)
        return len(self.outcomes) - 1

    def end(self, index: int, by: PaymentReversed) -> Outcome:
        """End an outcome from the day of the chargeback on, and return it."""
        self._ended[index] = by
        return self.outcomes[index]

    def news(self) -> tuple[tuple[Outcome, ...], tuple[Outcome, ...]]:
        """Return what was brought, and what was ended, since the last call."""
        brought, ended = self._told
        self._told = len(self.outcomes), len(self._ended)
        news = tuple(self.outcomes[brought:])
        return news, tuple(self.outcomes[index] for index in islice(self._ended, ended, None)) if self._ended else ()

    def held(self) -> tuple[tuple[Outcome, ...], Mapping[Outcome, PaymentReversed]]:
        """Return the outcomes that hold, or held for at least a day, and the chargebacks that ended some of them."""
        if not self._ended:
            return tuple(self.outcomes), {}
        held = [
            (outcome, by)
            for index, outcome in enumerate(self.outcomes)
            if (by := self._ended.get(index)) is None or by.effective_on > outcome.effective_on
        ]
        return tuple(outcome for outcome, _ in held), {outcome: by for outcome, by in held if by is not None}
