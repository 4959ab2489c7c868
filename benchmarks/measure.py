"""Measuring: the sides take turns, round by round, and the median round counts."""

import gc
from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter

Work = Callable[[int], int]
"""Does the round with this number, and returns the number of its operations."""

_BATCH = 10
"""Repetitions between two readings of the clock."""


Preparation = Callable[[str, int], object]
"""Prepares a side, by name, for the round with this number."""


def _nothing(_name: str, _round: int) -> None:
    """Prepare nothing."""


def interleaved(
    sides: Mapping[str, Work], *, rounds: int, before: Preparation = _nothing, after: Preparation = _nothing
) -> dict[str, float]:
    """Return each side's operations per second. Round 0 warms up and does not count.

    The preparation `before` and the work `after` a round are not measured. The garbage of one side is collected before
    the next one's clock starts.
    """
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, work in sides.items():
            before(name, number)
            gc.collect()
            started = perf_counter()
            operations = work(number)
            seconds = perf_counter() - started
            after(name, number)
            if number:
                rates[name].append(operations / seconds)
    return {name: median(of_side) for name, of_side in rates.items()}


def repeating(operation: Callable[[], object], *, seconds: float) -> Work:
    """Return the work of repeating one short operation for about this long."""

    def work(_round: int) -> int:
        ends, count = perf_counter() + seconds, 0
        while perf_counter() < ends:
            for _ in range(_BATCH):
                operation()
            count += _BATCH
        return count

    return work
