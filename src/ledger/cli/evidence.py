"""The opening of a ledger as evidence: it is read and never changed, or the command could not run (exit code 2)."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import parse_qsl, quote, urlencode

from ledger.books.files import UnusableFile
from ledger.cli.options import LedgerLocation, UsageError
from ledger.errors import LedgerError
from ledger.service import Ledger
from ledger.store import EventReader, open_store

_SQLITE, _READ_ONLY = "sqlite:///", "?mode=ro"
_SESSION = "-c default_transaction_read_only=on"


class CouldNotRun(UsageError):
    """A command about evidence that cannot be read: it says nothing about what is in it."""


@contextmanager
def evidence(location: LedgerLocation) -> Iterator[Ledger]:
    """Open an existing ledger to read it: with the read models as they are, in a file or session that cannot write.

    Every error of the ledger within the block means that the command could not run.
    """
    try:
        views = None if location.views is None else read_only(location.views)
        with Ledger.open(read_only(location.url), name=location.name, views=views, create=False, catch_up=False) as one:
            yield one
    except LedgerError as error:
        raise CouldNotRun(str(error)) from error


@contextmanager
def reading(location: LedgerLocation) -> Iterator[EventReader]:
    """Open the events of an existing ledger as they are now, in a file or session that cannot write."""
    with closing(open_store(read_only(location.url), location.name, create=False)) as store:
        yield store.at(store.last_sequence())


@contextmanager
def could_not_run() -> Iterator[None]:
    """Turn an error of the ledger into one that means that the command could not run, with the same sentence."""
    try:
        yield
    except UnusableFile:
        raise
    except LedgerError as error:
        raise CouldNotRun(str(error)) from error


def read_only(url: str) -> str:
    """Return the URL of a database that is only read: one that is none is refused where it is opened."""
    if url.startswith(_SQLITE) and not url.endswith(_READ_ONLY):
        return url + _READ_ONLY
    if url.startswith(("postgresql://", "postgres://")):
        address, _, query = url.partition("?")
        settings = dict(parse_qsl(query, keep_blank_values=True))
        settings["options"] = f"{settings.get('options', '')} {_SESSION}".strip()
        return f"{address}?{urlencode(settings, quote_via=quote)}"
    return url
