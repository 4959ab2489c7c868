"""Reads beside writes: forty threads share one ledger, and half of them pay while the other half ask for lists."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median, quantiles
from threading import Barrier, Lock
from time import perf_counter

from benchmarks import workload
from benchmarks.common import Effort, Result, equal
from benchmarks.databases import Databases
from benchmarks.measure import interleaved
from benchmarks.workload import LINES, PARTNER

_THREADS = 40

_ASKED_ON = LINES[10].due_on + timedelta(days=1)
"""The day of the lists: plans with ten payments are overdue then, one in twenty at first."""

Operation = Callable[[], object]


@dataclass
class _Measured:
    """The seconds of every operation of one kind, over all rounds that count."""

    payments: list[float] = field(default_factory=list)
    lists: list[float] = field(default_factory=list)

    def weighted_mean(self, payments: float, lists: float) -> float:
        """Return the mean of two rates, weighted by the operations of each kind."""
        count = len(self.payments) + len(self.lists)
        return (payments * len(self.payments) + lists * len(self.lists)) / count

    def tail(self) -> float:
        """Return the 99th percentile as a multiple of the median, for the kind for which that is larger."""
        return max(quantiles(one, n=100)[98] / median(one) for one in (self.payments, self.lists))


def mixed(databases: Databases, effort: Effort, *, database: str) -> Result:
    """Payments and overdue lists at once; the floor is the mean of both rates when each has all threads alone."""
    step, plans = f"mixed/{database}", effort.plans_mixed
    with closing(databases.open(database, "mixed").ours()) as ours:
        ours.seed([workload.paid_before(plan) for plan in range(plans)])
        payments, lock = _payments(plans), Lock()

        def pay() -> object:
            with lock:
                plan, number = next(payments)
            return ours.pay(plan, number)

        def ask() -> object:
            return ours.overdue(partner=PARTNER, as_of=_ASKED_ON)

        half, together = _THREADS // 2, _Measured()

        def both(number: int) -> int:
            seconds = _run([*[pay] * half, *[ask] * half], effort.seconds_mixed)
            if number:
                together.payments += [one for thread in seconds[:half] for one in thread]
                together.lists += [one for thread in seconds[half:] for one in thread]
            return sum(map(len, seconds))

        rates = interleaved(
            {
                "payments": lambda _: sum(map(len, _run([pay] * _THREADS, effort.seconds_mixed))),
                "lists": lambda _: sum(map(len, _run([ask] * _THREADS, effort.seconds_mixed))),
                "mixed": both,
            },
            rounds=effort.long_rounds,
            before=lambda *_: ask(),  # lists alone have no payments of the round before to catch up with
        )
        equal(step, "lists without a row", False, ask() == 0)
    alone = together.weighted_mean(rates["payments"], rates["lists"])
    return Result(step, rates["mixed"], floor=alone, tail=together.tail())


def _payments(plans: int) -> Iterator[tuple[int, int]]:
    """Yield the payments that these plans have left, by plan and number, one plan after another in turn."""
    for turn in range(len(LINES)):
        for plan in range(plans):
            if (number := workload.paid_before(plan) + 1 + turn) <= len(LINES):
                yield plan, number


def _run(operations: Sequence[Operation], seconds: float) -> list[list[float]]:
    """Repeat each operation in a thread of its own for about this long; return the seconds of each, by thread."""
    start = Barrier(len(operations))

    def repeat(operation: Operation) -> list[float]:
        start.wait()
        took, ends = [], perf_counter() + seconds
        while (began := perf_counter()) < ends:
            operation()
            took.append(perf_counter() - began)
        return took

    with ThreadPoolExecutor(len(operations)) as threads:
        return list(threads.map(repeat, operations))
