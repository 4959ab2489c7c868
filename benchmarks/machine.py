"""The environment of a run: commit, machine, versions, date."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def environment(databases: Iterable[str]) -> list[str]:
    """Return the facts to show below a table or a picture, the commit first; `databases` are those of the run."""
    return [
        f"commit {_commit()}",
        f"{datetime.now(UTC):%Y-%m-%d}",
        f"{os.cpu_count()} x {_processor()}",
        f"{platform.system()} {platform.machine()}",
        f"{platform.python_implementation()} {platform.python_version()}",
        f"eventsourcing {version('eventsourcing')}",
        *databases,
    ]


def _commit() -> str:
    """Return the commit of this checkout, marked if files differ from it; outside of one, the installed version."""
    git, here = shutil.which("git"), Path(__file__).parent
    if git is not None:
        command = [git, "describe", "--always", "--exclude=*", "--dirty"]
        described = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
        if described.returncode == 0:
            return described.stdout.strip()
    return f"of release {version('installment-ledger')}"


def _processor() -> str:
    cpus = Path("/proc/cpuinfo")
    if cpus.exists():
        for line in cpus.read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.processor() or "unknown CPU"
