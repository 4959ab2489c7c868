"""The money held on a plan: applied to installments, or unapplied. No rule is here."""

from collections.abc import Iterator
from datetime import date


class Funds:
    """The money held on a plan, in minor units: applied to installments (`paid`), or waiting as `unapplied`.

    `most` is the largest sum of both that was ever held, `most_on` the first day on which it was.
    """

    def __init__(self) -> None:
        self.paid = 0
        self.unapplied = 0
        self.most = 0
        self.most_on = date.min
        self._applied: dict[str, int] = {}
        self._waiting: dict[str, int] = {}

    def receive(self, reference: str, amount: int, on: date, *, applied: bool) -> None:
        """Add a payment."""
        if applied:
            self._applied[reference] = amount
            self.paid += amount
        else:
            self._waiting[reference] = amount
            self.unapplied += amount
        if (held := self.paid + self.unapplied) > self.most:
            self.most, self.most_on = held, on

    def return_payment(self, reference: str) -> bool:
        """Take a payment out, and return whether it was applied."""
        if reference in self._waiting:
            self.unapplied -= self._waiting.pop(reference)
            return False
        self.paid -= self._applied.pop(reference)
        return True

    def apply_waiting(self) -> Iterator[str]:
        """Apply the unapplied payments in order of arrival, yielding each one's reference once it is applied."""
        for reference in tuple(self._waiting):
            self._applied[reference] = amount = self._waiting.pop(reference)
            self.paid, self.unapplied = self.paid + amount, self.unapplied - amount
            yield reference
