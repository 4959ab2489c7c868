"""One function per range of streams, called in other processes, on this machine or on others, its results in order.

Nothing of scheduling, or of repeating lost work, is here: an executor does both. The processes read the ledger from its
address, and return plain values.
"""

import atexit
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from functools import cache
from multiprocessing import get_context
from typing import TypeVar

import attrs

from ledger.errors import InvalidArgument, StoreUnavailable, arguments
from ledger.events import PLAN
from ledger.replay import id_pages
from ledger.store import EventReader, Head, Partition, ReaderAddress, open_reader

P = TypeVar("P")
R = TypeVar("R")

Work = Callable[[EventReader, P], R]
"""A pure function of a part of a ledger; it can be pickled, and so can the part and the result."""

STREAMS = 1_000
"""Streams of a part."""

_FEW = 2_000
"""Plans up to which the start of processes costs more than it saves."""

_AHEAD = 3
"""Parts per worker that are given out before their turn: memory does not grow with the ledger."""


@attrs.frozen(kw_only=True)
class Workers:
    """Other processes, to which an executor gives calls.

    `count` returns the calls that run at a time at the moment. `kept`: the processes end with the work, and keep the
    ledger open until then; others open it for each part, and check that it is the very same.
    """

    executor: Executor
    count: Callable[[], int]
    kept: bool


@contextmanager
def workers_for(reader: EventReader, *, processes: int | None, workers: Workers | None) -> Iterator[Workers | None]:
    """Yield the workers that are given, else new processes; None where this process does the work alone.

    `processes`: None for as many as there are processors where that is worth it. A ledger in memory has none. Raises
    `StoreUnavailable` if one of them ends before its work is done.
    """
    if processes is not None:
        arguments.whole("processes", processes, minimum=1)
    if workers is None and (number := _number(reader, processes)) > 1:
        with _processes(number, reader.label) as made:
            yield made
    else:
        yield workers


def _number(reader: EventReader, processes: int | None) -> int:
    try:
        reader.address()
    except InvalidArgument:  # in memory
        return 1
    if processes is None:
        return (os.cpu_count() or 1) if reader.count() > _FEW else 1
    return processes


@contextmanager
def _processes(number: int, label: str) -> Iterator[Workers]:
    pool = ProcessPoolExecutor(number, mp_context=get_context("spawn"), initializer=_begin)
    try:
        with _interrupts_held():  # while a process starts, an interrupt is this one's alone
            for _ in range(number):
                pool.submit(_nothing)
        yield Workers(executor=pool, count=lambda: number, kept=True)
    except BrokenProcessPool as error:
        reason = "a process ended before its work was done"
        raise StoreUnavailable(store=label, reason=reason, remedy="try again, in one process") from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back inside the block; processes that start in it never get it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _nothing() -> None:
    """Do nothing: to be given a call makes a process start."""


def ranges(reader: EventReader, *, kind: str = PLAN, streams: int) -> Iterator[Partition]:
    """Yield ranges of so many streams, in the order of their ids; together they hold all that are there now."""
    after = ""
    for ids in id_pages(reader, kind=kind, page=streams):
        yield Partition(after, ids[-1])
        after = ids[-1]


def each(reader: EventReader, work: Work[P, R], parts: Iterable[P], *, workers: Workers | None) -> Iterator[R]:
    """Yield the results for the parts, in their order; when nobody asks for more, those not begun are left.

    Raises `StoreUnavailable`, also where a worker finds another ledger at the address.
    """
    if workers is None:
        yield from (work(reader, part) for part in parts)
        return
    address = reader.address()
    head = None if workers.kept else reader.head(address.through)
    waiting: deque[Future[R]] = deque()
    try:
        for part in parts:
            waiting.append(workers.executor.submit(_work, work, part, address, head))
            while len(waiting) > _AHEAD * workers.count():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


# ---- in the workers


def _work(work: Work[P, R], part: P, address: ReaderAddress, head: Head | None) -> R:
    """Return the result for a part; `head` is that of the ledger which is meant."""
    if head is None:
        return work(_kept(address), part)
    with open_reader(address) as reader:
        _check_same(reader, head)
        return work(reader, part)


def _check_same(reader: EventReader, head: Head) -> None:
    """Check that it is the same ledger, and no copy of another time: a path means another file on each machine."""
    found = reader.head(reader.through)
    if (found.ledger, found.epoch, found.mark) != (head.ledger, head.epoch, head.mark):
        reason = "a worker finds another ledger, or another state of it, at this address"
        remedy = "use an address at which every worker finds the same database"
        raise StoreUnavailable(store=reader.label, reason=reason, remedy=remedy)


_open = ExitStack()
"""In a process that ends with its work: the readers that it keeps open."""


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that started it ends it
    atexit.register(_open.close)


@cache
def _kept(address: ReaderAddress) -> EventReader:
    return _open.enter_context(open_reader(address))
