"""Chance from a seed, in whole numbers: the same on every machine and in every process."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from random import Random
from typing import TypeVar

T = TypeVar("T")

_ALL = 10_000


class Dice:
    """A stream of chance of its own for each name: one more plan changes nothing about the others."""

    def __init__(self, seed: int, *names: object) -> None:
        self._random = Random("/".join(map(str, (seed, *names))))  # noqa: S311 - it must be repeatable

    def happens(self, basis_points: int) -> bool:
        """Return True with this chance."""
        return self._random.randrange(_ALL) < basis_points

    def between(self, least: int, most: int) -> int:
        """Return a whole number, both ends included; `least` if `most` is below it."""
        return self._random.randrange(least, max(least, most) + 1)

    def weighted(self, weights: Mapping[T, int]) -> T:
        """Return a key with a chance in proportion to its weight."""
        names = list(weights)
        sums = list(accumulate(weights.values()))
        at = self._random.randrange(sums[-1])
        return next(name for name, total in zip(names, sums, strict=True) if at < total)

    def one_of(self, options: Sequence[T]) -> T:
        """Return one of some options."""
        return options[self._random.randrange(len(options))]
