"""Where every plan stands on a date: from the read model, or from the events as they were known at an instant."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from ledger.dates import day_in
from ledger.events import RecordedEvent
from ledger.plan import Plan, known
from ledger.projections.periods import Period, period_on
from ledger.readmodel.tables import Rows

Only = Mapping[str, str | None]
"""Columns of a period and the values that they must have; None asks for any."""


def days_of(rows: Rows, *, as_of: date | None, now: datetime) -> Mapping[date, Sequence[str]]:
    """Return the day that is asked for, with the time zones of the plans for which it is that day.

    `as_of` None is the day of `now` in the plan's own time zone.
    """
    days: dict[date, list[str]] = {}
    for zone in rows.zones():
        days.setdefault(day_in(zone, now) if as_of is None else as_of, []).append(zone)
    return days


def standing_as_known(
    events: Iterable[RecordedEvent], *, known_at: datetime, as_of: date | None, now: datetime, only: Only
) -> list[tuple[Period, date]]:
    """Return each open plan's period on the date, with the date, by plan id, from all events of the ledger.

    They count as the ledger knew them at `known_at`, inclusive.
    """
    histories: dict[str, list[RecordedEvent]] = {}
    for recorded in known(events, known_at):
        histories.setdefault(recorded.plan_id, []).append(recorded)
    found = []
    for _, history in sorted(histories.items()):
        plan = Plan(history)
        day = day_in(plan.opened.terms.timezone, now) if as_of is None else as_of
        period = period_on(plan, day)
        if period and all(value in (None, getattr(period, column)) for column, value in only.items()):
            found.append((period, day))
    return found
