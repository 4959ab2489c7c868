"""Where every plan stands on a date: from the read model, or from the events as they were known at an instant."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime

from ledger.dates import day_in
from ledger.events import RecordedEvent
from ledger.plan import Plan, known
from ledger.projections.catch_up import ReadModel
from ledger.projections.phases import Phase, phase_on

Only = Mapping[str, str | None]
"""Columns of a phase and the values that they must have; None asks for any."""


def standing_now(model: ReadModel, *, as_of: date | None, now: datetime, only: Only) -> list[tuple[Phase, date]]:
    """Return each open plan's phase on the date, with the date, by plan id, as far as the model is caught up.

    `as_of` None is the day of `now` in the plan's own time zone.
    """
    days: dict[date, list[str]] = {}
    for zone in model.zones():
        days.setdefault(day_in(zone, now) if as_of is None else as_of, []).append(zone)
    return model.on(days, **only)


def standing_as_known(
    events: Iterable[RecordedEvent], *, known_at: datetime, as_of: date | None, now: datetime, only: Only
) -> list[tuple[Phase, date]]:
    """Return the same from events: as the ledger, all of whose events these are, knew it at `known_at`, inclusive."""
    histories: dict[str, list[RecordedEvent]] = {}
    for recorded in known(events, known_at):
        histories.setdefault(recorded.plan_id, []).append(recorded)
    found = []
    for _, history in sorted(histories.items()):
        plan = Plan(history)
        day = day_in(plan.opened.terms.timezone, now) if as_of is None else as_of
        phase = phase_on(plan, day)
        if phase and all(value in (None, getattr(phase, column)) for column, value in only.items()):
            found.append((phase, day))
    return found
