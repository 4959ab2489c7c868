"""The options that commands share: the ledger's location, dates and instants, JSON, the progress bar."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

import attrs
from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from ledger.books import columns
from ledger.dates import EndOfDay, Known
from ledger.errors import InvalidArgument
from ledger.errors.excerpt import visible
from ledger.service import Ledger
from ledger.service.options import CommandOptions
from ledger.telemetry import Progress


class Interrupted(Exception):
    """An interrupt during long work; says what is kept."""


class UsageError(Exception):
    """A command line that asks for what a command does not do."""


DEFAULT_DB = "sqlite:///ledger.db"
"""The database without `--db` and `LEDGER_DB`."""


@attrs.frozen
class LedgerLocation:
    """The location of a ledger, as `--db`, `--name` and `--views` give it; `stated` says whether the database is."""

    url: str
    name: str
    views: str | None
    stated: bool = True

    def open(self) -> Ledger:
        """Open an existing ledger: a mistyped name is an error, not an empty ledger."""
        return Ledger.open(self.url, name=self.name, views=self.views, create=False)

    def create(self) -> Ledger:
        """Open the ledger, and create it if it does not exist."""
        return Ledger.open(self.url, name=self.name, views=self.views)


def _converter(read: Callable[[str], Any]) -> Callable[..., Any]:
    """Return a converter of an option's text by a reader of the columns of a book."""

    def convert(_: Any, tokens: Sequence[Any]) -> Any:
        try:
            return read(tokens[0].value)
        except InvalidArgument as error:
            raise ValueError(f"expected {error.expected}") from None

    return convert


Location = Annotated[LedgerLocation, Parameter(parse=False)]
Day = Annotated[date, Parameter(converter=_converter(columns.civil_date))]
AsOf = Annotated[date | None, Parameter(name="--as-of", converter=_converter(columns.civil_date))]
DayOrInstant = Annotated[date | datetime, Parameter(converter=_converter(columns.date_or_instant))]
Instant = Annotated[datetime | None, Parameter(converter=_converter(columns.instant))]
KnownAt = Annotated[date | datetime | None, Parameter(name="--known-at", converter=_converter(columns.date_or_instant))]
KeepRefused = Annotated[bool, Parameter(name="--keep-refused", negative="", show_default=False)]
DryRun = Annotated[bool, Parameter(name="--dry-run", negative="", show_default=False)]
NewEpoch = Annotated[bool, Parameter(name="--new-epoch", negative="", show_default=False)]
AsJson = Annotated[bool, Parameter(name="--json", negative="", show_default=False)]


def known_by(at: date | datetime | None) -> Known | None:
    """Return the instant of `--known-at`; of a date, its end in the time zone of each plan."""
    return at if at is None or isinstance(at, datetime) else EndOfDay(at)


@dataclass(frozen=True, kw_only=True)
class QuestionOptions:
    """The dates of a question, and the form of its answer.

    Parameters
    ----------
    as_of
        The day, such as 2024-06-30; default: the day of --known-at, else today, in the plan's time zone.
    known_at
        As the ledger knew it at this instant, such as 2024-06-30T12:00:00+00:00, or at the end of this day.
    json
        Print JSON instead of a table.
    """

    as_of: AsOf = None
    known_at: KnownAt = None
    json: AsJson = False

    @property
    def known(self) -> Known | None:
        """The instant; of a date, its end in the time zone of each plan."""
        return known_by(self.known_at)

    def when(self) -> str:
        """Return the end of a title: the two dates."""
        at = self.known.isoformat() if isinstance(self.known, datetime) else self.known
        known = f", as known at {at}" if at else ""
        return f" on {self.as_of}{known}" if self.as_of else known or " today"


Asked = Annotated[QuestionOptions, Parameter(name="*")]
NOW = QuestionOptions()


@dataclass(frozen=True, kw_only=True)
class RecordingOptions:
    """The options that every command shares.

    Parameters
    ----------
    actor
        Who records it.
    correlation
        An id of your own, kept beside the events.
    recorded_at
        The instant of recording, such as 2024-06-30T12:00:00+00:00; default: now.
    dry_run
        Record nothing; show what would be recorded.
    json
        Print JSON instead of tables.
    """

    actor: str | None = None
    correlation: str | None = None
    recorded_at: Instant = None
    dry_run: DryRun = False
    json: AsJson = False

    def metadata(self) -> CommandOptions:
        """Return the options of the command itself."""
        return {
            "actor": self.actor,
            "correlation": self.correlation,
            "recorded_at": self.recorded_at,
            "dry_run": self.dry_run,
        }


Recording = Annotated[RecordingOptions, Parameter(name="*")]
RECORDED_NOW = RecordingOptions()


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """Show progress on standard error, apart from the printed results."""
    shown = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Bar(
        *shown, console=console, transient=True, disable=not console.is_terminal or console.is_dumb_terminal
    ) as bar:
        task = bar.add_task(visible(title), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
