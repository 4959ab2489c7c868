"""The alignment of sealed leaves with stored events, in the order of both, with little of either in memory.

A removed or an inserted event shifts all that follow. So where the two differ, the nearest place is looked for at which
they agree again; what lies before it is a gap.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

import attrs

from ledger.audit.seal.index import Name

T = TypeVar("T")

_WINDOWS = (16, 256, 4_096, 65_536, 1_048_576)
"""Items of both sides among which the next agreement is looked for; the next larger ones if there is none."""


class Leaf(NamedTuple):
    """A leaf as it was sealed: its number from 0, and its hash, None where that is lost."""

    number: int
    hash: bytes | None


class Found(NamedTuple):
    """A stored event: the hash of its leaf, its sequence, its name, its tag."""

    hash: bytes
    sequence: int
    name: Name
    tag: str


@attrs.frozen
class Match:
    """A leaf and the event that it stands for."""

    leaf: Leaf
    event: Found


@attrs.frozen
class Gap:
    """Leaves and events between two matches, neither of which stands in its order on the other side."""

    leaves: list[Leaf]
    events: list[Found]


class Ahead(Generic[T]):
    """An iterator that can be looked into ahead of its next item."""

    def __init__(self, source: Iterable[T]) -> None:
        self._source = iter(source)
        self.items: deque[T] = deque()

    def reach(self, number: int) -> int:
        """Have so many items ready, or all that are left; return how many are."""
        while len(self.items) < number:
            try:
                self.items.append(next(self._source))
            except StopIteration:
                break
        return len(self.items)

    def take(self, number: int) -> list[T]:
        """Return the next items, which are ready, and go on after them."""
        return [self.items.popleft() for _ in range(number)]


def align(leaves: Ahead[Leaf], events: Ahead[Found]) -> Iterator[Match | Gap]:
    """Yield matches and gaps until the leaves are at their end; events that follow stay where they are."""
    while leaves.reach(1):
        if events.reach(1) and leaves.items[0].hash == events.items[0].hash:
            yield Match(leaves.items.popleft(), events.items.popleft())
        else:
            missing, extra = _next_agreement(leaves, events)
            yield Gap(leaves.take(missing), events.take(extra))


def _next_agreement(leaves: Ahead[Leaf], events: Ahead[Found]) -> tuple[int, int]:
    """Return how many leaves and how many events lie before the nearest pair of equal hashes."""
    left = right = 0
    for window in _WINDOWS:
        left, right = min(leaves.reach(window), window), min(events.reach(window), window)
        places: dict[bytes | None, int] = {}
        for place, leaf in enumerate(islice(leaves.items, left)):
            places.setdefault(leaf.hash, place)
        ahead = enumerate(islice(events.items, right))
        pairs = ((places[one.hash], place) for place, one in ahead if one.hash in places)
        nearest = min(pairs, key=_distance, default=None)
        if nearest is not None:
            return nearest
        if left < window and right < window:
            break
    return left, min(left, right)


def _distance(pair: tuple[int, int]) -> tuple[int, int]:
    """Return the key by which the nearest pair is found: of two that are equally near, the more even one."""
    return sum(pair), abs(pair[0] - pair[1])
