"""Backups of SQLite files by SQLite's own online copy: complete as of one instant, however busy the file is."""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import quote

from ledger.errors import InvalidArgument, StoreUnavailable
from ledger.store.errors import shown
from ledger.telemetry import Progress

_PAGES_PER_STEP = 10_000
_TIMEOUT = 60
"""Seconds to wait for other processes."""


def copy(url: str, to: str, *, progress: Progress | None) -> int:
    """Copy the file that a URL names to a new file, and return its size in bytes."""
    source, target = Path(_path(url)), Path(to)
    if os.path.lexists(target):
        raise InvalidArgument(argument="file", given=to, expected="a new file; one that exists is not replaced")
    if not source.is_file():
        raise _unavailable(source, "the file does not exist")
    try:
        with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}-", delete=False) as file:
            copied = Path(file.name)
        try:
            _copy(source, copied, progress)
            target.open("x").close()  # fails if somebody made it meanwhile
            copied.replace(target)
        finally:
            for name in (copied, Path(f"{copied}-journal"), Path(f"{copied}-wal"), Path(f"{copied}-shm")):
                name.unlink(missing_ok=True)
    except sqlite3.Error as error:
        raise _unavailable(source, str(error)) from error
    except OSError as error:
        raise StoreUnavailable(
            store=f"File {to}",
            reason=error.strerror or str(error),
            remedy="name a new file in a folder that can be written",
        ) from error
    return target.stat().st_size


def _path(url: str) -> str:
    if url.startswith(("postgresql://", "postgres://")):
        raise InvalidArgument(
            argument="url",
            given=shown(url),
            expected="sqlite:///PATH (for PostgreSQL use pg_dump)",
        )
    if not re.fullmatch(r"sqlite:///(?!:memory:|file:).+", url, re.DOTALL):
        raise InvalidArgument(argument="url", given=shown(url), expected="sqlite:///PATH")
    return url.removeprefix("sqlite:///")


def _copy(source: Path, copied: Path, progress: Progress | None) -> None:
    """Copy all pages within one read transaction of the source, so that its writers do not begin the copy anew."""
    with (
        closing(sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True, timeout=_TIMEOUT)) as reader,
        closing(sqlite3.connect(copied)) as writer,
    ):
        reader.execute("BEGIN")
        reader.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()

        def report(_status: int, remaining: int, total: int) -> None:
            if progress is not None:
                progress(total - remaining, total)

        reader.backup(writer, pages=_PAGES_PER_STEP, progress=report)
        ((found,),) = writer.execute("PRAGMA quick_check(1)").fetchall()
        if found != "ok":
            raise sqlite3.DatabaseError(f"the copy is damaged ({found})")
    with copied.open("rb") as file:
        os.fsync(file.fileno())


def _unavailable(source: Path, reason: str) -> StoreUnavailable:
    return StoreUnavailable(store=f"SQLite file {source}", reason=reason, remedy="check that it is a ledger's file")
