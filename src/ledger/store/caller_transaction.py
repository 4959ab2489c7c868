"""The caller's transaction: what a ledger inside it does without, and the connection behind a wrapper."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import ismethod
from typing import Any, NoReturn, TypeVar, cast

from ledger.errors import InvalidArgument, StoreUnavailable
from ledger.store.port import Generation, Query, Value, Values

C = TypeVar("C")


class NoViews:
    """The view store of a caller's transaction: lists are answered from recorded, that is committed, events."""

    def __init__(self, label: str, prefix: str) -> None:
        self.label = label
        self.prefix = prefix
        self.text = "TEXT"

    def generations(self, projection: str | None = None) -> list[Generation]:
        self._refuse()

    def create(self, generation: Generation, statements: Sequence[str]) -> None:
        self._refuse()

    def advance(self, before: Generation, after: Generation, **_: Any) -> bool:
        self._refuse()

    def checkpoint(self, generation: Generation, query: Query) -> Generation:
        self._refuse()

    def quarantine(self, generation: Generation, *, limit: int) -> NoReturn:
        self._refuse()

    def promote(self, generation: Generation, *, over: Generation | None, last: int) -> bool:
        self._refuse()

    def drop(self, generation: Generation) -> None:
        self._refuse()

    def query(self, sql: str, parameters: Values = ()) -> list[tuple[Value, ...]]:
        self._refuse()

    @contextmanager
    def snapshot(self) -> Iterator[Query]:
        self._refuse()
        yield  # type: ignore[unreachable]  # a context manager is a generator

    @contextmanager
    def leader_lock(self) -> Iterator[Callable[[], bool]]:
        self._refuse()
        yield  # type: ignore[unreachable]

    @contextmanager
    def catch_up_lock(self, projection: str) -> Iterator[Callable[[], bool]]:
        self._refuse()
        yield  # type: ignore[unreachable]

    def _refuse(self) -> NoReturn:
        reason = "lists are answered from committed events, not inside a caller's transaction"
        raise StoreUnavailable(store=self.label, reason=reason, remedy="ask the ledger itself after the commit")


def driver_connection(connection: object) -> object:
    """Return the driver's own connection behind SQLAlchemy's session, connection or pool proxy; else the same.

    SQLAlchemy's own transaction is begun where there is none: it commits no other.
    """
    if ismethod(lend := getattr(connection, "connection", None)):
        connection = lend()  # a session, which has begun
    if ismethod(begin := getattr(connection, "begin", None)) and not cast(Any, connection).in_transaction():
        begin()
    proxy = getattr(connection, "connection", connection)
    return getattr(proxy, "driver_connection", proxy)


def lender(connection: object, kind: type[C], expected: str) -> Callable[[], C]:
    """Return a function that returns the driver's own connection of the caller's transaction at that time.

    A session of SQLAlchemy has another one after each commit. Raises `InvalidArgument` where it is not of that kind.
    """

    def lend() -> C:
        found = driver_connection(connection)
        if not isinstance(found, kind):
            raise refused(connection, expected)
        return found

    lend()
    return lend


def refused(connection: object, expected: str) -> InvalidArgument:
    """Return the error for a connection that is not as expected: it is named by its class."""
    kind = type(connection)
    given = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    return InvalidArgument(argument="connection", given=given, expected=expected)


def commits_by_itself(connection: object) -> InvalidArgument:
    """Return the error for a connection in no transaction, which would commit each statement by itself."""
    return refused(connection, "one in a transaction; this one commits by itself: begin a transaction first")
