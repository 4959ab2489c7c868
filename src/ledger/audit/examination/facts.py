"""The checks of one plan's facts by themselves: keys, dates, schedules. No outcome is derived here."""

from collections.abc import Sequence
from datetime import date, datetime

from ledger.audit.examination.commands import FACTS
from ledger.audit.examination.kinds import Findings
from ledger.dates import day_in, timezone, tzdata_version
from ledger.errors import InvalidArgument, TermsRefused
from ledger.events import PaymentMade, PlanOpened, RecordedEvent
from ledger.terms.schedule import Installment, installments

_EDGES = (date.min.year, date.max.year)
"""The years in which an instant may be on a day that no calendar has, in some time zone."""


def check_facts(events: Sequence[RecordedEvent], zone: str | None, findings: Findings) -> list[RecordedEvent]:
    """Report keys that are not those of the content, and dates that are not those of their instants in the zone.

    Returns the facts, without the opening, that were recorded on a later day than their own.
    """
    late: list[RecordedEvent] = []
    at: datetime | None = None
    today: date | None = None
    for recorded in events:
        stated = _stated(recorded)
        if stated is None:
            if zone is not None and recorded.recorded_at.year in _EDGES:
                day_of(recorded, recorded.recorded_at, zone, findings)
            continue
        key, instant = stated
        if recorded.key != key:
            _report_key(recorded, key, findings)
        if zone is None:
            continue
        if recorded.recorded_at != at:
            at, today = recorded.recorded_at, day_of(recorded, recorded.recorded_at, zone, findings)
        if today is not None and recorded.event.effective_on > today:
            _report_ahead(recorded, today, findings)
        elif today is not None and recorded.event.effective_on < today and recorded.version > 1:
            late.append(recorded)
        if instant is not None:
            check_day(recorded, instant, zone, findings)
    return late


def _stated(recorded: RecordedEvent) -> tuple[str, datetime | None] | None:
    """Return the key that follows from a fact's content, and its instant if one is stated; None for an outcome."""
    event = recorded.event
    if isinstance(event, FACTS):
        return event.reference, event.paid_at if isinstance(event, PaymentMade) else None
    return (recorded.stream_id, event.opened_at) if isinstance(event, PlanOpened) else None


def check_terms(opening: RecordedEvent, findings: Findings) -> None:
    """Report a schedule that is not the one which the terms produce. Source: RULES.md sections 3 and 4."""
    opened = opening.event
    assert isinstance(opened, PlanOpened)
    try:
        lines = installments(opening.stream_id, opened.terms, opened_on=opened.effective_on)
    except TermsRefused as error:
        _report_schedule("schedule_mismatch", opening, "terms that give a schedule", error.reason, findings)
        return
    if lines == opened.lines and opened.terms.first_due_on == lines[0].due_on:
        return
    if opened.terms.first_due_on != lines[0].due_on:
        expected, found = f"first_due_on {lines[0].due_on}", str(opened.terms.first_due_on)
        _report_schedule("schedule_mismatch", opening, expected, found, findings)
    for due, line in zip(lines, opened.lines, strict=False):
        if (due.due_on, due.amount) != (line.due_on, line.amount):
            _report_schedule("schedule_mismatch", opening, _dated(due), _dated(line), findings)
            break
    for due, line in zip(lines, opened.lines, strict=False):
        if due.shares != line.shares:
            expected, found = (f"installment {one.number}: {one.shares:,} shares" for one in (due, line))
            _report_schedule("release_mismatch", opening, expected, found, findings)
            break


def check_closing(first: RecordedEvent, through: date, zone: str, findings: Findings) -> None:
    """Report books that were closed through a day that had not come. Source: RULES.md section 1."""
    today = day_of(first, first.recorded_at, zone, findings)
    if today is not None and through > today:
        findings.add(
            "dated_ahead",
            version=first.version,
            sequence=first.sequence,
            expected=f"books closed through {today}, the day of the recording, or earlier",
            found=f"closed through {through}",
        )


def check_day(recorded: RecordedEvent, at: datetime, zone: str, findings: Findings) -> None:
    """Report a date that is not the day of its instant. Source: RULES.md section 1."""
    day = day_of(recorded, at, zone, findings)
    if day is not None and day != recorded.event.effective_on:
        findings.add(
            "date_mismatch",
            version=recorded.version,
            sequence=recorded.sequence,
            expected=f"{day}, the day of {at.isoformat()} in {zone} (tzdata {tzdata_version()})",
            found=str(recorded.event.effective_on),
        )


def day_of(recorded: RecordedEvent, at: datetime, zone: str, findings: Findings) -> date | None:
    """Return the day of an instant of an event; None for one beyond the calendar, which is reported once."""
    try:
        return day_in(zone, at)
    except InvalidArgument as error:
        expected, found = error.expected, at.isoformat()
    if all((one.expected, one.found) != (expected, found) for one in findings.found):
        findings.add(
            "date_mismatch", version=recorded.version, sequence=recorded.sequence, expected=expected, found=found
        )
    return None


def known_zone(recorded: RecordedEvent, zone: str, findings: Findings) -> bool:
    """Report a time zone that this machine does not know; return whether it does."""
    try:
        timezone("timezone", zone)
    except InvalidArgument:
        findings.add(
            "zone_unknown",
            version=recorded.version,
            sequence=recorded.sequence,
            expected=f"a time zone of the IANA database (tzdata {tzdata_version()})",
            found=zone,
        )
        return False
    return True


def _report_key(slot: RecordedEvent, expected: str, findings: Findings) -> None:
    findings.add(
        "key_mismatch", version=slot.version, sequence=slot.sequence, expected=repr(expected), found=repr(slot.key)
    )


def _report_ahead(slot: RecordedEvent, today: date, findings: Findings) -> None:
    findings.add(
        "dated_ahead",
        version=slot.version,
        sequence=slot.sequence,
        expected=f"{today}, the day of its recording, or earlier",
        found=str(slot.event.effective_on),
    )


def _report_schedule(kind: str, opening: RecordedEvent, expected: str, found: str, findings: Findings) -> None:
    findings.add(kind, version=opening.version, sequence=opening.sequence, expected=expected, found=found)


def _dated(line: Installment) -> str:
    return f"installment {line.number}: {line.amount:,} minor units on {line.due_on}"
