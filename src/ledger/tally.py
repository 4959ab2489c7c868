"""What the timeline keeps on its way: the money standing on a plan, and the outcomes brought. No rule is here."""

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import islice

from ledger.events.facts import PaymentReversed
from ledger.events.outcomes import Outcome


class Purse:
    """The money standing on a plan, in minor units: applied to installments, or waiting as unapplied."""

    def __init__(self) -> None:
        self.paid = 0
        self.unapplied = 0
        self.peak = 0
        self.peak_on = date.min
        self._applied: dict[str, int] = {}
        self._waiting: dict[str, int] = {}

    @property
    def standing(self) -> int:
        """Everything that was paid and not taken back."""
        return self.paid + self.unapplied

    def receive(self, reference: str, amount: int, on: date, *, applied: bool) -> None:
        """Add a payment."""
        if applied:
            self._applied[reference] = amount
            self.paid += amount
        else:
            self._waiting[reference] = amount
            self.unapplied += amount
        standing = self.paid + self.unapplied
        if standing > self.peak:
            self.peak, self.peak_on = standing, on

    def return_payment(self, reference: str) -> bool:
        """Take a payment out, and tell whether it was applied."""
        if reference in self._waiting:
            self.unapplied -= self._waiting.pop(reference)
            return False
        self.paid -= self._applied.pop(reference)
        return True

    def apply_waiting(self) -> Iterator[str]:
        """Apply what waits, in the order in which it came, yielding each payment's reference once it is applied."""
        while self._waiting:
            reference = next(iter(self._waiting))
            amount = self._waiting.pop(reference)
            self._applied[reference] = amount
            self.paid, self.unapplied = self.paid + amount, self.unapplied - amount
            yield reference


class Chronicle:
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
