"""The errors of databases, as the ledger raises them, and URLs as they may be shown."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from eventsourcing.persistence import PersistenceError

from ledger.errors import StoreUnavailable


def without_password(url: object) -> object:
    """Return a URL as it may be shown."""
    return re.sub(r"(://[^:/@]*):[^/]*@", r"\1:***@", url) if isinstance(url, str) else url


@contextmanager
def unavailable(label: str, *also: type[Exception]) -> Iterator[None]:
    """Raise an error of the library or a driver as `StoreUnavailable`, in one sentence."""
    expected: tuple[type[Exception], ...] = (PersistenceError, sqlite3.Error, OSError, *also)
    try:
        yield
    except expected as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        remedy = "check that the database is there and can be written, then repeat the call"
        raise StoreUnavailable(store=label, reason=reason, remedy=remedy) from error
