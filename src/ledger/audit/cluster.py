"""A cluster: processes on many machines, behind the scheduler of Dask. The only file that knows Dask.

Dask gives out the calls, and repeats those of a worker that is gone.
"""

import re
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

from ledger.audit.parallel import Workers
from ledger.errors import InvalidArgument, StoreUnavailable

_ADDRESS = re.compile(r"(tcp|tls)://[^\s@]+:[0-9]{1,5}")
_EXPECTED = "the address of a Dask scheduler, such as tls://scheduler.example:8786 or tcp://10.0.0.1:8786"

_PACKAGE = "installment-ledger"

_TIMEOUT = 30
"""Seconds in which a scheduler answers and has a worker."""

_RETRIES = 2
"""How often a call that fails, as when the database is away for a moment, is repeated."""


@contextmanager
def cluster(address: str) -> Iterator[Workers]:
    """Connect to a Dask scheduler, and yield its workers; they may come and go.

    `address` is "tcp://HOST:PORT" or "tls://HOST:PORT"; the certificates of the latter are in the configuration of
    Dask. Each worker needs this version of the library, and the driver of the database. Raises `InvalidArgument` for
    another address and without the extra `cluster`; `StoreUnavailable` if no scheduler or worker answers within 30
    seconds, if a worker has another version, or if the scheduler, or several workers in a row, are lost.
    """
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        raise InvalidArgument(argument="cluster", given=address, expected=_EXPECTED)
    client = _connected(address)
    try:
        _check_versions(client, address)
        executor = client.get_executor(pure=False, retries=_RETRIES)
        yield Workers(executor=executor, count=lambda: sum(client.nthreads().values()), kept=False)
    except CancelledError as error:
        raise _unavailable(address, "the scheduler was lost") from error
    except _library().KilledWorker as error:
        raise _unavailable(address, f"one part of the work has lost {error.allowed_failures + 1} workers") from error
    finally:
        client.close()


def _library() -> Any:
    try:
        import distributed  # noqa: PLC0415 - an extra
    except ImportError as error:
        expected = "a Python with the extra cluster: install installment-ledger[cluster]"
        raise InvalidArgument(argument="cluster", given="no package distributed", expected=expected) from error
    return distributed


def _connected(address: str) -> Any:
    try:
        client = _library().Client(address, timeout=_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise _unavailable(address, f"no scheduler answers ({error})") from error
    try:
        client.wait_for_workers(1, timeout=_TIMEOUT)
    except TimeoutError as error:
        client.close()
        raise _unavailable(address, f"it has no worker after {_TIMEOUT} seconds") from error
    return client


def _check_versions(client: Any, address: str) -> None:
    """Check that every worker has this version of the library."""
    found = client.get_versions(packages=[_PACKAGE])
    ours = found["client"]["packages"][_PACKAGE]
    for worker, about in sorted(found["workers"].items()):
        if (theirs := about["packages"][_PACKAGE]) != ours:
            has = f"has {_PACKAGE} {theirs}" if theirs else f"has no {_PACKAGE}"
            raise _unavailable(address, f"worker {worker} {has}, and this machine has {ours}")


def _unavailable(address: str, reason: str) -> StoreUnavailable:
    return StoreUnavailable(store=f"Cluster {address}", reason=reason, remedy="look at its scheduler and workers")
