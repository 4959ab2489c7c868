"""Opening: from a URL to a store, and only to the one that it names."""

import re
from collections.abc import Callable, Mapping

from ledger.errors import InvalidArgument, StoreUnavailable
from ledger.store import schema
from ledger.store.port import Store
from ledger.store.recording import RecorderStore, without_password
from ledger.store.sql import Connected, SqlRecorder
from ledger.store.tables import TrackedTables

_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")


def open_at(url: str, name: str, *, create: bool, views: str | None) -> Store:
    """Open the ledger `name` at a URL, with its views there or in the database at another URL."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        expected = "a lower-case word of at most 30 letters, digits and underscores"
        raise InvalidArgument(argument="name", given=name, expected=expected)
    if url == "memory://":
        return _open_memory(name, create=create, views=views)
    connected = _connect("url", url, create=create)
    recorder = _prepared(connected, name, SqlRecorder.ddl, create=create)
    if views is None:
        tables, close = TrackedTables(connected.label, name, recorder), recorder.database.close
    else:
        try:
            tables, close_tables = _open_tables(views, name, create=create)
        except BaseException:
            recorder.database.close()
            raise
        close = _both(recorder.database.close, close_tables)
    return RecorderStore(connected.label, recorder, tables, schema=schema.VERSION, close=close)


def _open_memory(name: str, *, create: bool, views: str | None) -> Store:
    from ledger.store.memory import PlanRecorder

    tables, close = _open_tables("memory://" if views is None else views, name, create=create)
    return RecorderStore("memory", PlanRecorder(), tables, schema=schema.VERSION, close=close)


def _open_tables(url: str, name: str, *, create: bool) -> tuple[TrackedTables, Callable[[], None]]:
    """Open the tables of a ledger's views; the ledger itself is elsewhere."""
    if url == "memory://":
        from ledger.store.sqlite import connect_in_memory

        connected, create = connect_in_memory(), True
    else:
        connected = _connect("views", url, create=create)
    recorder = _prepared(connected, name, SqlRecorder.checkpoints_ddl, create=create, part=" views")
    return TrackedTables(connected.label, name, recorder), recorder.database.close


def _connect(argument: str, url: str, *, create: bool) -> Connected:
    if isinstance(url, str) and re.fullmatch(r"sqlite:///(?!:memory:|file:).+", url, re.DOTALL):
        from ledger.store import sqlite

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
    expected = "memory://, sqlite:///PATH or postgresql://user@host/database"
    raise InvalidArgument(argument=argument, given=without_password(url), expected=expected)


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
