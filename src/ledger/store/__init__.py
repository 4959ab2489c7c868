"""Stores: where a ledger keeps its events and views. The only folder that knows eventsourcing and drivers."""

from ledger.store.port import Change as Change
from ledger.store.port import Insert as Insert
from ledger.store.port import Query as Query
from ledger.store.port import Row as Row
from ledger.store.port import Statement as Statement
from ledger.store.port import Store as Store
from ledger.store.port import Tables as Tables
from ledger.store.port import Value as Value
from ledger.store.port import View as View


def open_store(url: str, name: str, *, create: bool = True, views: str | None = None) -> Store:
    """Open the store that a URL names: `memory://`, `sqlite:///PATH` or `postgresql://…`; import only that one.

    `views` names another database for the tables of views. Raises `InvalidArgument` for another URL and for a name that
    is no plain lower-case word, `StoreUnavailable` if the database cannot be opened, or, without `create`, if there is
    no such ledger in it.
    """
    from ledger.store.opening import open_at

    return open_at(url, name, create=create, views=views)
