"""A pool of connections: lent to one thread at a time, in the order of asking, in the process that opened it."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, local
from typing import Generic, TypeVar

from ledger.errors import StoreUnavailable

C = TypeVar("C")


class _Waiting(Generic[C]):
    """A thread in the queue, and what it is handed: an idle connection, or None, which permits it to make one."""

    def __init__(self) -> None:
        self.ready = Event()
        self.connection: C | None = None


class Pool(Generic[C]):
    """Up to `size` connections, made when they are needed. It starts no thread.

    A thread that holds a connection gets the same one again, so none waits for a second one while holding the first.
    """

    def __init__(
        self,
        label: str,
        connect: Callable[[], C],
        *,
        close: Callable[[C], None],
        usable: Callable[[C], bool],
        size: int,
        timeout: float,
        busy: str,
    ) -> None:
        """Take how to make, close and judge a connection; `busy` says, when none is free, who has them."""
        self._label = label
        self._connect = connect
        self._close = close
        self._usable = usable
        self._timeout = timeout
        self._busy = busy
        self._process = os.getpid()
        self._guard = Lock()
        self._idle: list[C] = []
        self._permits = size
        self._waiting = deque[_Waiting[C]]()
        self._closed = False
        self._thread = local()

    @property
    def held(self) -> C | None:
        """The connection that this thread holds."""
        held: C | None = getattr(self._thread, "connection", None)
        return held

    @contextmanager
    def lent(self) -> Iterator[C]:
        """Lend a connection: the one that this thread holds, an idle one, or a new one.

        Raises `StoreUnavailable` if none becomes free in time, if the pool is closed, and in a process that was forked
        from the one that opened it; whatever `connect` raises.
        """
        self.refuse_another_process()
        if (held := self.held) is not None:
            yield held
            return
        connection = self._take()
        self._thread.connection = connection
        try:
            yield connection
        finally:
            self._thread.connection = None
            self._give_back(connection)

    @contextmanager
    def lent_for_itself(self) -> Iterator[C]:
        """Lend a connection that this thread gets only here, as for a lock of a session."""
        self.refuse_another_process()
        connection = self._take()
        try:
            yield connection
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close what is idle, and the rest when it is given back; in another process than the opening one: nothing."""
        if os.getpid() != self._process:
            return  # the connections belong to the parent, which goes on using them
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
            waiting = list(self._waiting)
            self._waiting.clear()
        for one in waiting:
            one.ready.set()
        for connection in idle:
            self._close(connection)

    def _take(self) -> C:
        waiting: _Waiting[C] | None = None
        connection: C | None = None
        with self._guard:
            self._refuse_closed()
            if self._idle:
                connection = self._idle.pop()
            elif self._permits:
                self._permits -= 1
            else:
                waiting = _Waiting()
                self._waiting.append(waiting)
        if waiting is not None:
            connection = self._wait(waiting)
        if connection is not None:
            return connection
        try:
            return self._connect()
        except BaseException:
            self._pass_on(None)
            raise

    def _wait(self, waiting: _Waiting[C]) -> C | None:
        if not waiting.ready.wait(self._timeout):
            with self._guard:
                if waiting in self._waiting:
                    self._waiting.remove(waiting)
                    raise self._unavailable(f"{self._busy} for {self._timeout:g} seconds", "repeat the call later")
        with self._guard:
            if waiting.connection is None:
                self._refuse_closed()
        return waiting.connection

    def _give_back(self, connection: C) -> None:
        if self._usable(connection):
            self._pass_on(connection)
        else:
            self._close(connection)
            self._pass_on(None)

    def _pass_on(self, connection: C | None) -> None:
        """Give a connection, or the permit to make one, to the thread that has waited longest."""
        with self._guard:
            if self._waiting:
                first = self._waiting.popleft()
                first.connection = connection
                first.ready.set()
                return
            if connection is None:
                self._permits += 1
            elif not self._closed:
                self._idle.append(connection)
                return
        if connection is not None:
            self._close(connection)

    def refuse_another_process(self) -> None:
        """Refuse a process that was forked from the opening one: both would talk on the same connections."""
        if os.getpid() != self._process:
            raise self._unavailable("it was opened by another process", "open it after the fork, in each process")

    def _refuse_closed(self) -> None:
        if self._closed:
            raise self._unavailable("it is closed", "open it again")

    def _unavailable(self, reason: str, remedy: str) -> StoreUnavailable:
        return StoreUnavailable(store=self._label, reason=reason, remedy=remedy)


def retrying(timeout: float, *, interval: float = 0.1) -> Iterator[bool]:
    """Yield whether there is time for another attempt: at once, then every `interval` seconds, until the timeout."""
    ends = time.monotonic() + timeout
    while time.monotonic() < ends:
        yield True
        time.sleep(interval)
    yield False
