"""Mixed load: threads that pay beside threads that ask for the overdue list, on one ledger."""

import gc
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from itertools import count
from statistics import median, quantiles
from time import perf_counter

from benchmarks.common import Effort, Result, equal
from benchmarks.databases import Databases
from benchmarks.ours import Ours
from benchmarks.workload import OPENED_ON

THREADS = 40

_UNPAID = 20
"""Plans without a payment: the rows of the list."""

_PAID = 4_000
"""Plans that are paid, an installment at a time and in turn."""

_AS_OF = OPENED_ON + timedelta(days=5)
"""A day on which the unpaid plans are in grace, and no other."""

Latencies = Mapping[str, Sequence[float]]
"""Seconds of each operation, by its kind."""


def mixed(databases: Databases, effort: Effort, *, database: str) -> Result:
    """Payments and overdue lists by 40 threads, half of them each; before that in each round, each kind by itself.

    The operations by themselves give the time that the same operations need one kind after the other: `apart` is their
    rate. `p99_to_p50` is that of the kind of operation for which it is greater. Every list is complete.
    """
    target = databases.open(database, "mixed")
    with closing(target.ours()) as ours, closing(target.stock()), closing(target.floor()):
        ours.seed([0] * _UNPAID + [1] * _PAID)
        target.settle()
        number = count(_PAID)
        operations: dict[str, Callable[[], object]] = {
            "pay": lambda: _pay(ours, next(number)),
            "ask": lambda: _ask(ours),
        }
        rates, aparts, tails = list[float](), list[float](), list[float]()
        for turn in range(effort.long_rounds + 1):
            apart: dict[str, float] = {}
            for kind, operation in operations.items():
                _ask(ours)  # what was paid before is caught up with now
                apart[kind] = _rate(_run({kind: operation}, effort))
            found = _run(operations, effort)
            if turn:
                done = sum(map(len, found[1].values()))
                rates.append(_rate(found))
                aparts.append(done / sum(len(of_kind) / apart[kind] for kind, of_kind in found[1].items()))
                tails.append(max(quantiles(of_kind, n=100)[98] / median(of_kind) for of_kind in found[1].values()))
    return Result(f"mixed/{database}", median(rates), apart=median(aparts), p99_to_p50=median(tails))


def _pay(ours: Ours, number: int) -> None:
    """Pay the next installment of the plan whose turn it is; no thread pays a plan that another is paying."""
    ours.pay(_UNPAID + number % _PAID, number // _PAID + 1)


def _ask(ours: Ours) -> None:
    equal("mixed", "rows of the list", ours.overdue(_AS_OF), _UNPAID)


def _run(operations: Mapping[str, Callable[[], object]], effort: Effort) -> tuple[float, Latencies]:
    """Repeat operations in threads for some seconds; return the seconds that passed, and those of each operation."""
    latencies: dict[str, list[float]] = {kind: [] for kind in operations}
    gc.collect()
    begun = perf_counter()

    def work(kind: str) -> None:
        while (started := perf_counter()) < begun + effort.seconds_mixed:
            operations[kind]()
            latencies[kind].append(perf_counter() - started)

    with ThreadPoolExecutor(THREADS) as pool:
        kinds = [kind for kind in operations for _ in range(THREADS // len(operations))]
        for one in [pool.submit(work, kind) for kind in kinds]:
            one.result()
    return perf_counter() - begun, latencies


def _rate(found: tuple[float, Latencies]) -> float:
    seconds, latencies = found
    return sum(map(len, latencies.values())) / seconds
