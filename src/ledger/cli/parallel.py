"""The options of a command whose work is done in several processes, on this machine or on a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from ledger.audit.cluster import cluster
from ledger.audit.parallel import Workers
from ledger.cli.options import UsageError


@dataclass(frozen=True, kw_only=True)
class ParallelOptions:
    """Where the work is done.

    Parameters
    ----------
    processes
        The number of processes; default: as many as there are processors, for more than a few plans.
    cluster
        The scheduler of a Dask cluster that does the work, such as tls://host:8786 (extra cluster).
    """

    processes: int | None = None
    cluster: str | None = None

    @contextmanager
    def workers(self) -> Iterator[Workers | None]:
        """Connect to the cluster, if one is stated."""
        if self.cluster is None:
            yield None
            return
        if self.processes is not None:
            raise UsageError("--processes are those of this machine: give it, or --cluster")
        with cluster(self.cluster) as workers:
            yield workers


Parallel = Annotated[ParallelOptions, Parameter(name="*")]
HERE = ParallelOptions()
