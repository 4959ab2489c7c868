"""Closing the books: recording the outcomes that have come due, on the plans that have any."""

from datetime import date

from ledger.command_handler import CommandHandler
from ledger.commands import ClosePlan, Metadata
from ledger.dates import day_in
from ledger.errors import CommandRefused, LedgerError
from ledger.events import RecordedEvent
from ledger.readmodel.tables import Rows
from ledger.telemetry import Progress

_TOGETHER = 500
"""Plans that are closed in one transaction."""


def closings(rows: Rows, *, through: date, metadata: Metadata) -> list[ClosePlan]:
    """Return the commands that close the plans with something to record by the end of the day `through`.

    Raises `CommandRefused` if that day has not come in the time zone of every plan.
    """
    for zone in rows.zones():
        today = day_in(zone, metadata.recorded_at)
        if through > today and (plan_id := rows.recorded_before(through, zone)) is not None:
            reason = f"the closing is dated {through}, after {today}, the day of its recording in {zone}"
            raise CommandRefused(plan_id=plan_id, reason=reason, remedy=f"close through {today}")
    return [ClosePlan(plan_id=plan_id, through=through) for plan_id in rows.due(through)]


def close(
    handler: CommandHandler, commands: list[ClosePlan], metadata: Metadata, *, dry_run: bool, progress: Progress | None
) -> tuple[RecordedEvent, ...]:
    """Close plans, some hundreds in a transaction, and return what was recorded.

    A closing that was cut off goes on where it stopped when it is called again. Raises the first error of a plan that
    cannot be closed after all others are.
    """
    recorded: list[RecordedEvent] = []
    errors: list[LedgerError] = []
    for begin in range(0, len(commands), _TOGETHER):
        some = commands[begin : begin + _TOGETHER]
        for events in handler.execute([(command, metadata) for command in some], dry_run=dry_run):
            if isinstance(events, LedgerError):
                errors.append(events)
            else:
                recorded += events
        if progress is not None:
            progress(begin + len(some), len(commands))
    if errors:
        raise errors[0]
    return tuple(recorded)
