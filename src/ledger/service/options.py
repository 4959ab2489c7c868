"""Options: the keyword arguments that commands have in common, and lists."""

from datetime import date, datetime
from typing import TypedDict

from ledger.dates import Known


class CommandOptions(TypedDict, total=False):
    """What every command takes besides its own arguments."""

    actor: str | None
    recorded_at: datetime | None
    correlation: str | None
    dry_run: bool


class ListOptions(TypedDict, total=False):
    """What every list takes besides its own arguments: the dates, and the page."""

    as_of: date | None
    known_at: Known | None
    limit: int | None
    after: str | None
