"""The command that hands the books to other programs: export; and the opening of a ledger that is only read."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ledger.books.files import UnusableFile
from ledger.cli import rendering
from ledger.cli.options import AsJson, KnownAt, LedgerLocation, Location, known_by, progress_bar
from ledger.cli.rendering import counted
from ledger.errors import LedgerError
from ledger.exports import Form
from ledger.exports import export as write
from ledger.store import EventReader, open_store

_READ_ONLY = "?mode=ro"


class CouldNotRun(UnusableFile):
    """A command with findings could not be carried out: exit code 2, since 1 means that something was found."""

    def __str__(self) -> str:
        return self.expected


@contextmanager
def reading(location: LedgerLocation) -> Iterator[EventReader]:
    """Open the events of an existing ledger, of an SQLite file so that not a byte changes, as they are now."""
    url = location.url
    if url.startswith("sqlite:///") and "?" not in url:
        url += _READ_ONLY
    with closing(open_store(url, location.name, create=False)) as store:
        yield store.at(store.last_sequence())


@contextmanager
def could_not_run() -> Iterator[None]:
    """Turn an error into exit code 2, with the same sentence."""
    try:
        yield
    except UnusableFile:
        raise
    except LedgerError as error:
        raise CouldNotRun(argument="", given=None, expected=str(error)) from error


To = Annotated[Path, Parameter(name="--to")]


def export(form: Form, *, to: To, known_at: KnownAt = None, json: AsJson = False, location: Location) -> None:
    """Write the whole ledger as double entry, one transaction per event, for other programs to check and add up.

    hledger, beancount, csv and jsonl are written to a file, parquet to a folder (extra audit).

    Parameters
    ----------
    form
        hledger, beancount, csv, jsonl or parquet.
    to
        A path that does not exist yet.
    known_at
        As the ledger knew it at this instant, such as 2024-06-30T12:00:00+00:00, or at the end of this day.
    json
        Print JSON instead of text.
    """
    with reading(location) as reader, progress_bar(f"Writing {to}") as progress:
        written = write(reader, form, to, known_at=known_by(known_at), progress=progress)
    if json:
        rendering.print_json({"to": str(to), "form": form, "exported": written})
        return
    receipts = f" and {counted(written.receipts, 'receipt')}" if written.receipts else ""
    events = f"{counted(written.events, 'event')} of {counted(written.plans, 'plan')}{receipts}"
    rendering.say(f"{events}, up to sequence {written.through:,}, written to {to}.")
