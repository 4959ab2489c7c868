"""Stores: where a ledger keeps its events and views. The only folder that knows eventsourcing and drivers."""

from contextlib import AbstractContextManager

from ledger.store.port import CONNECTIONS as CONNECTIONS
from ledger.store.port import LAST as LAST
from ledger.store.port import OWN_TABLES as OWN_TABLES
from ledger.store.port import TIMEOUT as TIMEOUT
from ledger.store.port import WHOLE as WHOLE
from ledger.store.port import Counter as Counter
from ledger.store.port import EventReader as EventReader
from ledger.store.port import EventWriter as EventWriter
from ledger.store.port import Generation as Generation
from ledger.store.port import Head as Head
from ledger.store.port import Insert as Insert
from ledger.store.port import Partition as Partition
from ledger.store.port import Quarantined as Quarantined
from ledger.store.port import Query as Query
from ledger.store.port import RawEvent as RawEvent
from ledger.store.port import ReaderAddress as ReaderAddress
from ledger.store.port import Stamp as Stamp
from ledger.store.port import Statement as Statement
from ledger.store.port import Store as Store
from ledger.store.port import StoreFactory as StoreFactory
from ledger.store.port import TableChange as TableChange
from ledger.store.port import Value as Value
from ledger.store.port import Values as Values
from ledger.store.port import ViewStore as ViewStore
from ledger.store.port import dropped as dropped
from ledger.telemetry import Progress


def open_store(
    url: str,
    name: str,
    *,
    create: bool = True,
    views: str | None = None,
    catch_up: bool = True,
    timeout: float = TIMEOUT,
) -> Store:
    """Open the store that a URL names: `memory://`, `sqlite:///PATH` or `postgresql://…`; import only that one.

    `views` names another database for the tables of projections. Where they cannot be written, as at
    `sqlite:///PATH?mode=ro`, they are made in memory, or, without `catch_up`, read as they are. `timeout` is the number
    of seconds that a call waits for a database that is away or locked. Raises `InvalidArgument` for another URL and for
    a name that is no plain lower-case word, `StoreUnavailable` if the database cannot be opened, or, without `create`,
    if there is no such ledger in it.
    """
    from ledger.store.opening import open_at

    return open_at(url, name, create=create, views=views, catch_up=catch_up, timeout=timeout)


def open_database(
    url: str, *, connections: int, timeout: float = TIMEOUT, create: bool = True, views: str | None = None
) -> StoreFactory:
    """Open the database that a URL names, for any number of ledgers that share up to so many connections.

    Raises as `open_store` does.
    """
    from ledger.store.opening import OpenDatabase

    return OpenDatabase(url, views=views, create=create, connections=connections, timeout=timeout)


def open_reader(address: ReaderAddress) -> AbstractContextManager[EventReader]:
    """Open a ledger's events as far as the address says, as in another process; nothing is created.

    Raises as `open_store` does.
    """
    from ledger.store.opening import open_reader_at

    return open_reader_at(address)


def back_up(url: str, to: str, *, progress: Progress | None = None) -> int:
    """Copy the SQLite file that a URL names to a new file, while it is in use; return the size of the copy in bytes.

    The copy is complete as of one instant. Raises `InvalidArgument` for another store and for a file that exists,
    `StoreUnavailable` if a file cannot be read or written.
    """
    from ledger.store.backup import copy

    return copy(url, to, progress=progress)
