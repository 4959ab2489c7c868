"""Database: ledgers that share the connections to one database."""

from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from ledger.projections.projection import Projection
from ledger.service import Ledger, utc_now
from ledger.store import CONNECTIONS, TIMEOUT, StoreFactory, open_database


class Database:
    """An open database with any number of ledgers, which share its connections. It may be shared by threads.

    Closing one of its ledgers leaves the others open; closing the database closes all of them.
    """

    def __init__(self, stores: StoreFactory) -> None:
        self._stores = stores

    @classmethod
    def open(
        cls,
        url: str,
        *,
        connections: int = CONNECTIONS,
        timeout: float = TIMEOUT,
        create: bool = True,
        views: str | None = None,
    ) -> Self:
        """Open a database: `memory://`, `sqlite:///PATH` or `postgresql://…`.

        All its ledgers together use up to `connections` connections, and no thread. `timeout`, `create` and `views` are
        those of `Ledger.open`. Raises `InvalidArgument`, and `StoreUnavailable` if the database cannot be opened.
        """
        return cls(open_database(url, connections=connections, timeout=timeout, create=create, views=views))

    def ledger(
        self,
        name: str = "ledger",
        *,
        projections: Sequence[Projection] = (),
        catch_up: bool = True,
        clock: Callable[[], datetime] = utc_now,
    ) -> Ledger:
        """Return the ledger of this name; the options are those of `Ledger.open`. Raises as that does."""
        store = self._stores.store(name, catch_up=catch_up)
        return Ledger(store, projections=projections, catch_up=catch_up, clock=clock)

    def close(self) -> None:
        """Release the connections of all ledgers. Closing twice is allowed."""
        self._stores.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
