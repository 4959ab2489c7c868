"""Group commit: the changes that wait for a database with one writer are made by one thread, in one transaction."""

from collections.abc import Callable, Sequence
from threading import Event, Lock
from typing import Any

from eventsourcing.persistence import OperationalError

from ledger.store.sql import Cursor

Change = Callable[[Cursor], Any]

_TOGETHER = 100
"""Changes of a transaction, at most."""


class Pending:
    """A change that waits, then its result or its error."""

    def __init__(self, change: Change, *, durable: bool) -> None:
        self.change = change
        self.durable = durable
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = False
        self.called = Event()  # done, or to be the next leader


class GroupCommit:
    """Collects changes. The thread that finds no other at work leads: it makes its own and all that wait."""

    def __init__(self, commit: Callable[[Sequence[Pending]], None], *, timeout: float) -> None:
        """Take the function that makes changes in a transaction and sets the result or the error of each."""
        self._commit = commit
        self._timeout = timeout
        self._guard = Lock()
        self._waiting: list[Pending] = []
        self._led = False

    def make(self, change: Change, *, durable: bool) -> Any:
        """Make a change and return its result. Raises what it raises, and nothing of it is kept then."""
        mine = Pending(change, durable=durable)
        with self._guard:
            self._waiting.append(mine)
            leads, self._led = not self._led, True
        if not leads and not mine.called.wait(self._timeout) and not self._withdrawn(mine):
            mine.called.wait()
        if not mine.done and mine.error is None:
            self._lead(mine)
        if mine.error is not None:
            raise mine.error
        return mine.result

    def _withdrawn(self, mine: Pending) -> bool:
        """Withdraw a change that has waited too long, unless its turn has come after all."""
        with self._guard:
            if mine not in self._waiting or mine.called.is_set():
                return False
            self._waiting.remove(mine)
        seconds = f"{self._timeout:g} seconds"
        mine.error = OperationalError(f"other threads of this process were writing to it for {seconds}")
        return True

    def _lead(self, mine: Pending) -> None:
        """Make what waits, then call the next leader, if there is one."""
        with self._guard:
            self._waiting.remove(mine)
            group = [mine, *self._waiting[: _TOGETHER - 1]]
            del self._waiting[: _TOGETHER - 1]
        try:
            self._commit(group)
        except BaseException as error:
            for one in group:
                one.error = one.error or OperationalError(f"the change was not made: {error}")
            raise
        finally:
            for one in group:
                one.done = True
                one.called.set()
            with self._guard:
                self._led = bool(self._waiting)
                if self._waiting:
                    self._waiting[0].called.set()
