"""Question: which plans are asked about, on which dates, as known when, and which page of the answer."""

from datetime import date, datetime

import attrs

from ledger.dates import Known, civil_date, day_of
from ledger.errors import arguments
from ledger.projections.periods import Period
from ledger.readmodel.listing import Page
from ledger.readmodel.periods import Day, PeriodTables
from ledger.state import Status


@attrs.frozen(kw_only=True)
class Question:
    """The plans that are asked about, and the dates: each plan has a date of its own where `as_of` is None.

    That is the day of `known_at` or, where that is None too and everything recorded is asked for, the day of `now`, the
    instant of the question, in the plan's time zone. Source: RULES.md section 1.
    """

    as_of: date | None
    known_at: Known | None
    now: datetime
    investor: str | None = None
    partner: str | None = None
    status: Status | None = None
    page: Page = attrs.field(factory=Page)

    def __attrs_post_init__(self) -> None:
        arguments.make_plain(self, "investor", "partner", "status")
        if self.as_of is not None:
            object.__setattr__(self, "as_of", civil_date("as_of", self.as_of))
        arguments.optional_text("investor", self.investor)
        arguments.optional_text("partner", self.partner)
        if self.status is not None:
            arguments.one_of("status", self.status, ("active", "in_grace", "cancelled", "completed"))

    def day(self, zone: str) -> date:
        """Return the date that is asked about in a time zone."""
        return day_of(self.known_at or self.now, zone) if self.as_of is None else self.as_of

    def days(self, tables: PeriodTables) -> list[Day]:
        """Return the dates that are asked about, with the time zones for whose plans each is the date."""
        if self.as_of is not None:
            return [Day(self.as_of)]
        days: dict[date, list[str]] = {}
        for zone in tables.zones():
            days.setdefault(self.day(zone), []).append(zone)
        return [Day(day, zones) for day, zones in days.items()]

    def filters(self) -> dict[str, str | None]:
        """Return the columns that select the plans."""
        return {"investor": self.investor, "partner": self.partner, "status": self.status}

    def selects(self, period: Period) -> bool:
        """Return whether a plan in this period is asked about."""
        return all(value in (None, getattr(period, column)) for column, value in self.filters().items())
