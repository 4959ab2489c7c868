"""Stores: where a ledger keeps its events and read models. The only folder that knows eventsourcing and drivers."""

import re

from ledger.errors import InvalidArgument, StoreUnavailable
from ledger.store.port import Row as Row
from ledger.store.port import Statement as Statement
from ledger.store.port import Store as Store
from ledger.store.port import Tables as Tables
from ledger.store.port import Value as Value

_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")


def open_store(url: str, name: str, *, create: bool = True) -> Store:
    """Open the store that a URL names: `memory://`, `sqlite:///PATH` or `postgresql://…`; import only that one.

    Raises `InvalidArgument` for another URL and for a name that is no plain lower-case word, `StoreUnavailable` if the
    database cannot be opened, or, without `create`, if there is no such ledger in it.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        expected = "a lower-case word of at most 30 letters, digits and underscores"
        raise InvalidArgument(argument="name", given=name, expected=expected)
    if url == "memory://":
        from ledger.store.memory import open_memory

        return open_memory(name)
    if isinstance(url, str) and url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        from ledger.store.sqlite import open_sqlite

        return open_sqlite(url.removeprefix("sqlite:///"), name, create=create)
    if isinstance(url, str) and url.startswith(("postgresql://", "postgres://")):
        try:
            from ledger.store.postgres import open_postgres
        except ImportError as error:
            raise StoreUnavailable(
                store="PostgreSQL",
                reason=f"its driver is not installed ({error})",
                remedy="install installment-ledger[postgres]",
            ) from error
        return open_postgres(url, name, create=create)
    expected = "memory://, sqlite:///PATH or postgresql://user@host/database"
    raise InvalidArgument(argument="url", given=url, expected=expected)
