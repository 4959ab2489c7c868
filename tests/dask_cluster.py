"""A Dask cluster on this machine: a scheduler and workers as the programs that one starts by hand, and real kills."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distributed import Client

from tests.processes import TIMEOUT, until


class DaskCluster:
    """A running scheduler and its workers, which write the most verbose log of Dask to files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        about = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(about))
        until(lambda: about.exists() and about.read_text())
        self.address = str(json.loads(about.read_text())["address"])
        dask: Any = Client  # its methods have no types
        self.client = dask(self.address, timeout=TIMEOUT, set_as_default=False)

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {"DASK_LOGGING__DISTRIBUTED": "debug"}
        with (self.folder / f"{len(self._started)}.log").open("wb") as log:
            command = (sys.executable, "-m", "dask", *command, "--no-dashboard")
            process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        self._started.append(process)
        return process

    def need(self, workers: int) -> None:
        """Start what is missing of so many workers, of one thread each, and wait until there are just so many."""
        for name, process in [*self._workers.items()]:
            if process.poll() is not None:
                del self._workers[name]
        while len(self._workers) < workers:
            name = f"worker-{len(self._started)}"
            options = "--no-nanny", "--nthreads", "1", "--local-directory", str(self.folder)
            self._workers[name] = self._start("worker", self.address, "--name", name, *options)
        until(lambda: self._names() == self._workers.keys())

    def _names(self) -> set[str]:
        return {worker["name"] for worker in self._information().values()}

    def _information(self) -> dict[str, dict[str, str]]:
        workers: dict[str, dict[str, str]] = self.client.scheduler_info(n_workers=-1)["workers"]
        return workers

    @contextmanager
    def killed_at_half(self) -> Iterator[Callable[[int, int], None]]:
        """Yield a function to be told of progress: at half of the work it stops a worker, which is killed at work.

        It is killed when it holds a call that it has not answered, which the stopped one no longer can.
        """
        address, name = next((address, worker["name"]) for address, worker in self._information().items())
        process = self._workers[name]
        killed: list[Future[None]] = []

        def kill() -> None:
            try:
                until(lambda: self.client.processing()[address])
            finally:
                process.kill()
                process.wait(TIMEOUT)

        def progress(done: int, total: int) -> None:
            if done * 2 >= total and not killed:
                process.send_signal(signal.SIGSTOP)
                killed.append(thread.submit(kill))

        with ThreadPoolExecutor(1) as thread:
            yield progress
        (one,) = killed
        one.result()
        assert process.returncode == -signal.SIGKILL

    def log(self) -> str:
        """Return the logs of all processes."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def close(self) -> None:
        """End all processes."""
        self.client.close()
        for process in reversed(self._started):
            process.kill()
            process.wait(TIMEOUT)


@contextmanager
def dask_cluster(folder: Path) -> Iterator[DaskCluster]:
    """Yield a cluster without workers."""
    cluster = DaskCluster(folder)
    try:
        yield cluster
    finally:
        cluster.close()
