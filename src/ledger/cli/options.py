"""What the commands of the command line share: the database, how options are read, how progress is shown."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Annotated, Any

import attrs
from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from ledger.books import columns
from ledger.errors import InvalidArgument
from ledger.service import Ledger
from ledger.telemetry import Progress


@attrs.frozen
class Database:
    """Where the ledger is, as the command line names it."""

    url: str
    name: str
    views: str | None

    def open(self) -> Ledger:
        """Open the ledger, which has to be there: a mistyped name is not an empty ledger."""
        return Ledger.open(self.url, name=self.name, views=self.views, create=False)

    def create(self) -> Ledger:
        """Open the ledger, and create what is missing."""
        return Ledger.open(self.url, name=self.name, views=self.views)


def _reader(read: Callable[[str], Any]) -> Callable[..., Any]:
    """Return a converter that reads an option as the columns of a book are read."""

    def convert(_: Any, tokens: Sequence[Any]) -> Any:
        try:
            return read(tokens[0].value)
        except InvalidArgument as error:
            raise ValueError(f"expected {error.expected}") from None

    return convert


Db = Annotated[Database, Parameter(parse=False)]
Day = Annotated[date, Parameter(converter=_reader(columns.day))]
AsOf = Annotated[date | None, Parameter(name="--as-of", converter=_reader(columns.day))]
KnownAt = Annotated[datetime | None, Parameter(name="--known-at", converter=_reader(columns.moment))]
AsJson = Annotated[bool, Parameter(name="--json", negative="")]


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """Show progress on standard error, where it does not mix with what is printed."""
    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Bar(*shown, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def count(number: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
