"""Opening: from a URL to a store, and only to the one that it names."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

from ledger.errors import InvalidArgument, StoreUnavailable, arguments
from ledger.store import schema
from ledger.store.errors import check_characters, shown, unavailable
from ledger.store.events import Recorder, RecorderEvents, RecorderStore
from ledger.store.memory import MemoryRecorder
from ledger.store.port import CONNECTIONS, TIMEOUT, EventReader, ReaderAddress, Store
from ledger.store.sql import Connected, SqlRecorder, views_ddl
from ledger.store.views import SqlViewStore

_URLS = "memory://, sqlite:///PATH or postgresql://user@host/database"

_MANY = 10_000
"""Connections; no server has more."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")


class OpenDatabase:
    """A database that was reached, and that of the views if it is another: its ledgers share the connections."""

    def __init__(
        self, url: str, *, views: str | None, create: bool = True, connections: int = CONNECTIONS, timeout: float
    ) -> None:
        arguments.whole("connections", connections, minimum=2, maximum=_MANY)
        arguments.interval("timeout", timeout)
        arguments.instance("create", create, bool, "True or False")
        self._url = url
        self._create = create
        self._timeout = timeout
        self._kept: dict[str, RecorderStore] = {}  # of the ledgers with something in memory
        self._closing = ExitStack()
        self._events = self._views = None
        try:
            if url != "memory://":
                self._events = self._views = self._connected("url", url, connections)
            if views is not None:
                self._views = None if views == "memory://" else self._connected("views", views, connections)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the connections; no ledger of this database can be used afterwards."""
        self._closing.close()

    def store(self, name: str, *, catch_up: bool = True) -> RecorderStore:
        """Return the store of a ledger; closing it leaves the database open. Raises as `open_store` does."""
        name = _check_name(name)
        create, connected = self._create, self._views
        if self._events is not None and _read_only(self._events, name):
            create = False
            if connected is self._events and catch_up:
                connected = None  # they cannot be written there
        if connected is None and name in self._kept:
            return self._kept[name]
        recorder: Recorder = MemoryRecorder()
        if self._events is not None:
            ddl = partial(_ddl, views=name if connected is self._events else None)
            recorder = _prepared(self._events, name, ddl, create=create)
        label = "memory" if self._events is None else self._events.label
        views, close = self._view_store(connected, name), lambda: None
        store = RecorderStore(label, self._url, name, recorder, views, schema=schema.VERSION, close=close)
        if connected is None:
            self._kept[name] = store
        return store

    def _view_store(self, connected: Connected | None, name: str) -> SqlViewStore:
        """Return the store of a ledger's views in a database, or in memory of their own."""
        create = self._create
        if connected is None:
            from ledger.store.sqlite import connect_in_memory

            connected, create = connect_in_memory(timeout=self._timeout), True
            self._closing.callback(connected.database.close)
        if connected is not self._events:
            _prepared(connected, name, lambda _: views_ddl(name), create=create, part=" views")
        return SqlViewStore(connected.label, name, connected.database)

    def _connected(self, argument: str, url: str, connections: int) -> Connected:
        connected = _connect(argument, url, create=self._create, connections=connections, timeout=self._timeout)
        self._closing.callback(connected.database.close)
        return connected


def _ddl(recorder: SqlRecorder, *, views: str | None) -> dict[str, str]:
    return recorder.ddl() | ({} if views is None else views_ddl(views))


def _read_only(connected: Connected, name: str) -> bool:
    with unavailable(connected.label):
        return connected.database.read_only(name)


def open_at(url: str, name: str, *, create: bool, views: str | None, catch_up: bool, timeout: float) -> Store:
    """Open the ledger `name` at a URL, with its views there or in the database at another URL.

    Views that are to be caught up and cannot be written are made in memory.
    """
    name = _check_name(name)
    database = OpenDatabase(url, views=views, create=create, timeout=timeout)
    try:
        store = database.store(name, catch_up=catch_up)
    except BaseException:
        database.close()
        raise
    store.close = database.close
    return store


@contextmanager
def open_reader_at(address: ReaderAddress) -> Iterator[EventReader]:
    """Open the events at an address, as another process left it; nothing is created."""
    _check_name(address.name)
    connected = _connect("url", address.url, create=False, connections=CONNECTIONS, timeout=TIMEOUT)
    try:
        recorder = _prepared(connected, address.name, SqlRecorder.ddl, create=False)
        yield RecorderEvents(connected.label, address.url, address.name, recorder, through=address.through)
    finally:
        connected.database.close()


def _check_name(name: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        expected = "a lower-case word of at most 30 letters, digits and underscores"
        raise InvalidArgument(argument="name", given=name, expected=expected)
    return arguments.plain(name)


def _connect(argument: str, url: str, *, create: bool, connections: int, timeout: float) -> Connected:
    check_characters(argument, url, expected=_URLS)
    if isinstance(url, str) and re.fullmatch(r"sqlite:///(?!:memory:|file:).+", url, re.DOTALL):
        from ledger.store import read_only, sqlite

        path = url.removeprefix("sqlite:///")
        if path.endswith(read_only.MODE):
            return read_only.connect(path.removesuffix(read_only.MODE), timeout=timeout)
        return sqlite.connect(path, create=create, connections=connections, timeout=timeout)
    if isinstance(url, str) and url.startswith(("postgresql://", "postgres://")):
        try:
            from ledger.store import postgres
        except ImportError as error:
            raise StoreUnavailable(
                store="PostgreSQL",
                reason=f"its driver is not installed ({error})",
                remedy="install installment-ledger[postgres]",
            ) from error
        return postgres.connect(url, connections=connections, timeout=timeout)
    raise InvalidArgument(argument=argument, given=shown(url), expected=_URLS)


def _prepared(
    connected: Connected, name: str, ddl: Callable[[SqlRecorder], Mapping[str, str]], *, create: bool, part: str = ""
) -> SqlRecorder:
    """Return the recorder of a ledger whose tables are there and known; `part` names what is not the whole of it."""
    label, database, make = connected
    recorder = make(database, name)
    begin = () if part else (recorder.first_epoch(),)
    schema.prepare(database, label, name + part, ddl(recorder), create=create, begin=begin)
    return recorder
