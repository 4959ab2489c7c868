"""The calendar of a market's disturbances: partners on leave, our own outages, clocks that step back."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import attrs

from ledger.testing.simulation.parameters import Market
from ledger.testing.simulation.seeded import Dice

_YEAR_HOURS = 365 * 24
_MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@attrs.frozen
class Span:
    """A time from an instant to another, the end excluded."""

    begins: datetime
    ends: datetime

    def holds(self, instant: datetime) -> bool:
        """Return whether an instant lies in it."""
        return self.begins <= instant < self.ends


class Disturbances:
    """When rows wait, and by how much our clock is slow: from the seed alone."""

    def __init__(self, market: Market, *, seed: int, begins: datetime, years: int) -> None:
        self._market, self._seed, self._begins, self._years = market, seed, begins, years
        ours = market.operations
        self.outages = self._spans("outages", ours.outages_a_year, ours.outage_hours)
        self.clock_steps = self._spans("clock", ours.clock_steps_a_year, 6)
        self._leaves: dict[str, Sequence[Span]] = {}

    def arrival(self, instant: datetime, partner: str | None) -> datetime:
        """Return when a row reaches us: after its partner's leave, and after our own outage."""
        if partner is not None:
            instant = _after(self._leaves_of(partner), instant)
        return _after(self.outages, instant)

    def shown(self, instant: datetime) -> datetime:
        """Return the instant that our clock shows: while it is wrong, one before."""
        if any(span.holds(instant) for span in self.clock_steps):
            return instant - self._market.operations.clock_step_minutes * _MINUTE
        return instant

    def clock_is_wrong_near(self, instant: datetime) -> bool:
        """Return whether the clock is wrong within a day of an instant."""
        day = 24 * HOUR
        return any(span.begins - day <= instant < span.ends + day for span in self.clock_steps)

    def _leaves_of(self, partner: str) -> Sequence[Span]:
        if partner not in self._leaves:
            partners = self._market.partners
            self._leaves[partner] = self._spans(f"leave/{partner}", partners.leaves_a_year, 24 * partners.leave_days)
        return self._leaves[partner]

    def _spans(self, name: str, a_year: int, hours: int) -> Sequence[Span]:
        dice = Dice(self._seed, name)
        begins = sorted(dice.between(0, self._years * _YEAR_HOURS) for _ in range(a_year * self._years))
        return [Span(self._begins + at * HOUR, self._begins + (at + dice.between(1, hours)) * HOUR) for at in begins]


def _after(spans: Sequence[Span], instant: datetime) -> datetime:
    for span in spans:
        if span.holds(instant):
            instant = span.ends
    return instant
