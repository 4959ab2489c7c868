"""The money held on a plan: applied to installments, or unapplied. No rule is here."""

from collections.abc import Iterator
from datetime import date


class Funds:
    """The money held on a plan, in minor units: applied to installments (`paid`), or waiting as `unapplied`."""

    def __init__(self) -> None:
        self.paid = 0
        self.unapplied = 0
        self._applied: dict[str, int] = {}
        self._waiting: dict[str, int] = {}
        self._on = date.min
        self._most = 0, date.min  # at the end of a day before `_on`

    def receive(self, reference: str, amount: int, on: date, *, applied: bool) -> None:
        """Add a payment on a day, which is not before that of any change so far."""
        self._end_days_before(on)
        if applied:
            self._applied[reference] = amount
            self.paid += amount
        else:
            self._waiting[reference] = amount
            self.unapplied += amount

    def return_payment(self, reference: str, on: date) -> bool:
        """Take a payment out on a day, and return whether it was applied."""
        self._end_days_before(on)
        if reference in self._waiting:
            self.unapplied -= self._waiting.pop(reference)
            return False
        self.paid -= self._applied.pop(reference)
        return True

    def applied(self) -> tuple[str, ...]:
        """Return the references of the payments that make up `paid`, in order of arrival."""
        return tuple(self._applied)

    def waiting(self) -> tuple[str, ...]:
        """Return the references of the unapplied payments, in order of arrival."""
        return tuple(self._waiting)

    def most_held(self) -> tuple[int, date]:
        """Return the largest sum of money held at the end of a day, and the first such day."""
        held = self.paid + self.unapplied
        return (held, self._on) if held > self._most[0] else self._most

    def _end_days_before(self, on: date) -> None:
        if on != self._on:
            self._most, self._on = self.most_held(), on

    def apply_waiting(self) -> Iterator[str]:
        """Apply the unapplied payments in order of arrival, yielding each one's reference once it is applied."""
        for reference in tuple(self._waiting):
            self._applied[reference] = amount = self._waiting.pop(reference)
            self.paid, self.unapplied = self.paid + amount, self.unapplied - amount
            yield reference
