"""Payments by several processes at once, each on plans of its own."""

import gc
from collections.abc import Mapping
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Barrier
from types import TracebackType
from typing import Self

from benchmarks import workload
from benchmarks.common import SIDES, Effort, Result, equal, opened
from benchmarks.databases import Database, Databases
from benchmarks.measure import interleaved
from benchmarks.sides import Side

_TIMEOUT = 120
"""Seconds for which processes wait for one another; one that fails has printed its error before."""


def pay_together(databases: Databases, effort: Effort, *, database: str, writers: int) -> Result:
    """Payments as in the step of one process, by several that start together; counted together."""
    step = f"pay/{database}/{writers}"
    target = databases.open(database, f"pay_{writers}")
    plans = (effort.long_rounds + 1) * writers * effort.payments
    written: dict[str, list[int]] = {name: [] for name in SIDES}
    with (
        opened(target, [workload.paid_before(plan) for plan in range(plans)]) as sides,
        _Writers(target, writers) as pool,
    ):

        def before(name: str, number: int) -> None:
            pool.prepare(name, first=number * writers * effort.payments, payments=effort.payments)

        def work(_round: int) -> int:
            rows = pool.pay()
            written[pool.side] += rows
            return len(rows)

        rates = interleaved(dict.fromkeys(SIDES, work), rounds=effort.long_rounds, before=before)
        equal(step, "rows of each payment", *written.values())
        equal(step, "shares credited", sides.ours.credited(range(plans)), sides.stock.credited(range(plans)))
    return Result(step, rates["ours"], rates["stock"], rates["floor"])


class _Writers:
    """The processes, each with all three sides opened."""

    def __init__(self, database: Database, count: int) -> None:
        self.side = ""
        context = get_context("spawn")
        self._start = context.Barrier(count + 1, timeout=_TIMEOUT)
        self._pipes: list[Connection] = []
        self._processes: list[SpawnProcess] = []
        for _ in range(count):
            here, there = context.Pipe()
            process = context.Process(target=_write, args=(database, there, self._start), daemon=True)
            process.start()
            there.close()  # so that the end of the process ends the pipe
            self._pipes.append(here)
            self._processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(_TIMEOUT)

    def prepare(self, side: str, *, first: int, payments: int) -> None:
        """Assign plans to each process, and wait until all are ready."""
        self.side = side
        for number, pipe in enumerate(self._pipes):
            begin = first + number * payments
            pipe.send((side, range(begin, begin + payments)))
        for pipe in self._pipes:
            pipe.recv()

    def pay(self) -> list[int]:
        """Start all processes; return the number of rows of each payment, in the order of the plans."""
        self._start.wait()
        return [rows for pipe in self._pipes for rows in pipe.recv()]


def _write(database: Database, orders: Connection, start: Barrier) -> None:
    """Pay the ordered plans until the orders end: the work of a process."""
    with (
        closing(database.ours()) as ours,
        closing(database.stock(create=False)) as stock,
        closing(database.floor()) as floor,
    ):
        sides: Mapping[str, Side] = {"ours": ours, "stock": stock, "floor": floor}
        while True:
            try:
                name, plans = orders.recv()
            except EOFError:
                return
            gc.collect()
            orders.send(None)
            start.wait()
            orders.send([sides[name].pay(plan, workload.paid_before(plan) + 1) for plan in plans])
