"""Listing: the rows of an answer, whole or a page at a time.

A page begins after a cursor, the sort key of the last row before it, and not at a number of rows: rows that come or go
meanwhile neither repeat nor hide others.
"""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import attrs

from ledger.errors import InvalidArgument, arguments
from ledger.store import LAST, Quarantined

T = TypeVar("T")

Key = tuple[str, ...]
"""The values by which the rows of an answer are sorted; dates as ISO text."""

_LONGEST = LAST - 1
"""No page is longer: one more row is read to know whether another page follows."""


class Listing(tuple[T, ...]):  # noqa: SLOT001 - a tuple cannot have slots that hold something
    """The rows of an answer: a tuple that also names the plans that it leaves out, since they cannot be read.

    `quarantined` is empty in a ledger that is whole. `next` is the cursor of the page after this one, to be passed as
    `after`; None if this is the last. A listing equals a tuple of the same rows.
    """

    quarantined: tuple[Quarantined, ...]
    next: str | None

    def __new__(
        cls, rows: Iterable[T] = (), *, quarantined: Iterable[Quarantined] = (), next: str | None = None
    ) -> "Listing[T]":
        """Make a listing of rows."""
        listing = super().__new__(cls, rows)
        listing.quarantined = tuple(quarantined)
        listing.next = next
        return listing


@attrs.frozen
class Page:
    """The page that is asked for: up to `limit` rows (None: all) after the cursor `after` (None: from the first on)."""

    limit: int | None = None
    after: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.limit is not None:
            arguments.whole("limit", self.limit, minimum=1, maximum=_LONGEST)

    def key(self, *, columns: int) -> Key:
        """Return the sort key after which the page begins: `columns` values, each "" for the first page."""
        return ("",) * columns if self.after is None else _decoded(self.after, columns)

    def read(self) -> int | None:
        """Return how many rows have to be read: one more than the page has, to know whether another follows."""
        return None if self.limit is None else self.limit + 1

    def cut(self, rows: Sequence[T], key: Callable[[T], Key]) -> tuple[Sequence[T], str | None]:
        """Return the rows of the page, from rows that are sorted by their key, and the cursor of the next page."""
        if self.after is not None and rows:
            after = self.key(columns=len(key(rows[0])))
            rows = [row for row in rows if key(row) > after]
        if self.limit is None or len(rows) <= self.limit:
            return rows, None
        return rows[: self.limit], _encoded(key(rows[self.limit - 1]))


def _encoded(key: Key) -> str:
    return urlsafe_b64encode(json.dumps(key, ensure_ascii=False).encode()).decode().rstrip("=")


def _decoded(cursor: str, columns: int) -> Key:
    """Return the sort key that a cursor stands for. Raises `InvalidArgument` for what is no cursor of this list."""
    try:
        values = json.loads(urlsafe_b64decode(f"{cursor}==".encode("ascii")))
    except (ValueError, TypeError, AttributeError, RecursionError, binascii.Error):
        values = None
    if not (
        isinstance(cursor, str)
        and isinstance(values, list)
        and len(values) == columns
        and all(isinstance(value, str) and value.isprintable() for value in values)
    ):
        expected = "the `next` of an earlier page of the same list"
        raise InvalidArgument(argument="after", given=cursor, expected=expected)
    return tuple(values)
