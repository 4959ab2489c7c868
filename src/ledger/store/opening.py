"""Opening: from a URL to a store, and only to the one that it names."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from ledger import arguments
from ledger.errors import InvalidArgument, StoreUnavailable
from ledger.store import schema
from ledger.store.errors import check_characters, shown, unavailable
from ledger.store.events import RecorderEvents, RecorderStore
from ledger.store.port import EventReader, ReaderAddress, Store
from ledger.store.sql import Connected, SqlRecorder, views_ddl
from ledger.store.views import SqlViewStore

_URLS = "memory://, sqlite:///PATH or postgresql://user@host/database"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")


def open_at(url: str, name: str, *, create: bool, views: str | None, catch_up: bool) -> Store:
    """Open the ledger `name` at a URL, with its views there or in the database at another URL.

    Views that are to be caught up and cannot be written are made in memory.
    """
    name = _check_name(name)
    if url == "memory://":
        from ledger.store.memory import MemoryRecorder

        view_store, close = _open_views("memory://" if views is None else views, name, create=create)
        return RecorderStore("memory", url, name, MemoryRecorder(), view_store, schema=schema.VERSION, close=close)
    connected = _connect("url", url, create=create)
    create_events = create
    if _read_only(connected, name):
        create_events, views = False, "memory://" if views is None and catch_up else views
    if views is None:
        recorder = _prepared(connected, name, lambda recorder: recorder.ddl() | views_ddl(name), create=create_events)
        view_store, close = SqlViewStore(connected.label, name, recorder.database), recorder.database.close
    else:
        recorder = _prepared(connected, name, SqlRecorder.ddl, create=create_events)
        try:
            view_store, close_views = _open_views(views, name, create=create)
        except BaseException:
            recorder.database.close()
            raise
        close = _both(recorder.database.close, close_views)
    return RecorderStore(connected.label, url, name, recorder, view_store, schema=schema.VERSION, close=close)


@contextmanager
def open_reader_at(address: ReaderAddress) -> Iterator[EventReader]:
    """Open the events at an address, as another process left it; nothing is created."""
    _check_name(address.name)
    connected = _connect("url", address.url, create=False)
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


def _open_views(url: str, name: str, *, create: bool) -> tuple[SqlViewStore, Callable[[], None]]:
    """Open the store of a ledger's views; the ledger itself is elsewhere."""
    if url == "memory://":
        from ledger.store.sqlite import connect_in_memory

        connected, create = connect_in_memory(), True
    else:
        connected = _connect("views", url, create=create)
    recorder = _prepared(connected, name, lambda _: views_ddl(name), create=create, part=" views")
    return SqlViewStore(connected.label, name, recorder.database), recorder.database.close


def _read_only(connected: Connected, name: str) -> bool:
    try:
        with unavailable(connected.label):
            return connected.database.read_only(name)
    except BaseException:
        connected.database.close()
        raise


def _connect(argument: str, url: str, *, create: bool) -> Connected:
    check_characters(argument, url, expected=_URLS)
    if isinstance(url, str) and re.fullmatch(r"sqlite:///(?!:memory:|file:).+", url, re.DOTALL):
        from ledger.store import read_only, sqlite

        if url.endswith(read_only.MODE):
            return read_only.connect(url.removeprefix("sqlite:///").removesuffix(read_only.MODE))
        return sqlite.connect(url.removeprefix("sqlite:///"), create=create)
    if isinstance(url, str) and url.startswith(("postgresql://", "postgres://")):
        try:
            from ledger.store import postgres
        except ImportError as error:
            raise StoreUnavailable(
                store="PostgreSQL",
                reason=f"its driver is not installed ({error})",
                remedy="install installment-ledger[postgres]",
            ) from error
        return postgres.connect(url)
    raise InvalidArgument(argument=argument, given=shown(url), expected=_URLS)


def _prepared(
    connected: Connected, name: str, ddl: Callable[[SqlRecorder], Mapping[str, str]], *, create: bool, part: str = ""
) -> SqlRecorder:
    """Return the recorder of a ledger whose tables are there and known; `part` names what is not the whole of it."""
    label, database, make = connected
    try:
        recorder = make(database, name)
        schema.prepare(database, label, name + part, ddl(recorder), create=create)
    except BaseException:
        database.close()
        raise
    return recorder


def _both(one: Callable[[], None], other: Callable[[], None]) -> Callable[[], None]:
    def close() -> None:
        try:
            one()
        finally:
            other()

    return close
