"""A process that seals, and kills itself, for real, right before one of the steps that change the folder."""

import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.crash_worker import Location
from tests.seals import seal_here

_STEPS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir")
"""What the interpreter tells of before it does it: files opened to write or to wait for the disk, and so on."""


def run(pipe: Connection, location: Location, folder: Path, deadly: int | None) -> None:
    """Seal a ledger; tell of the beginning and, if it comes to its end, of the number of steps."""
    steps = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal steps
        if event in _STEPS and str(arguments[0]).startswith(str(folder)):
            steps += 1
            if steps == deadly:
                os.kill(os.getpid(), signal.SIGKILL)

    with location.open() as ledger:
        pipe.send("begun")
        sys.addaudithook(count)
        seal_here(ledger, folder)
        pipe.send(steps)
