"""The money standing on a plan: applied to installments, or unapplied. No rule is here."""

from collections.abc import Iterator
from datetime import date


class Funds:
    """The money standing on a plan, in minor units: applied to installments, or waiting as unapplied."""

    def __init__(self) -> None:
        self.paid = 0
        self.unapplied = 0
        self.highest = 0
        self.highest_on = date.min
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
        if standing > self.highest:
            self.highest, self.highest_on = standing, on

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
