"""Processes that tests start: the environment of a program, and forks of one that has imported everything.

A fork starts in no time: its parent has opened nothing.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any

import attrs

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["__main__", "tests.crash_worker", "tests.workers"])

TIMEOUT = 60
"""Seconds after which something that should happen at once counts as never."""

_SETTINGS = (
    *("LEDGER_DB", "LEDGER_VIEWS"),
    *("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES"),
    *("CI", "BUILD_NUMBER", "PYTEST_ADDOPTS"),
)
"""Variables that change the output of a command: the ledger's, the terminal's, and those that pytest reads."""


def plain_environment() -> dict[str, str]:
    """Return the environment without the settings of whoever runs the tests: a program prints the same for all."""
    return {name: value for name, value in os.environ.items() if name not in _SETTINGS}


@attrs.frozen(eq=False)
class Forked:
    """A running process, and the pipe through which it tells."""

    process: Any
    pipe: Connection

    def receive(self, seconds: float = TIMEOUT) -> Any:
        """Return the next thing that the process tells. Raises `TimeoutError`, or `EOFError` if it has gone."""
        if not self.pipe.poll(seconds):
            raise TimeoutError(f"process {self.process.pid} is silent")
        return self.pipe.recv()

    def send(self, what: Any) -> None:
        """Tell the process something."""
        self.pipe.send(what)

    def kill(self) -> int:
        """Kill the process, which is not asked, and return its exit code."""
        self.process.kill()
        return self.end()

    def end(self) -> int:
        """Wait for the process's end and return its exit code."""
        self.process.join(TIMEOUT)
        return int(self.process.exitcode)


@cache
def _start_server() -> None:
    """Start the process that others are forked from, with the path of this one: what it cannot import is slow."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    try:
        forkserver.ensure_running()
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before


def fork(target: Callable[..., None], *arguments: Any) -> Forked:
    """Start a process that runs `target` with its end of the pipe and the arguments."""
    _start_server()
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    return Forked(process, ours)


@contextmanager
def forked(target: Callable[..., None], *arguments: Any, times: int = 1) -> Iterator[list[Forked]]:
    """Run processes, each with its number before the arguments; kill those that are left."""
    running = [fork(target, number, *arguments) for number in range(times)]
    try:
        yield running
    finally:
        for one in running:
            one.kill()
            one.pipe.close()


def until(condition: Callable[[], Any], seconds: float = TIMEOUT) -> Any:
    """Return what the condition returns as soon as it is true. Raises `TimeoutError`."""
    ends = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > ends:
            raise TimeoutError("it has not come to be")
        time.sleep(0.005)
    return found
