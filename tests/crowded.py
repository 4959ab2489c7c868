"""A program: an SQLite ledger in a folder with next to no room. Run as `python -m tests.crowded FOLDER`.

If `--limit` is given, no file may grow beyond a size; else the folder is on a small file system, which it fills.
"""

import resource
import sqlite3
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger, StoreUnavailable
from tests import crash_worker
from tests.crash_worker import histories
from tests.examples import OPENED_ON, open_plan, pay

_BLOCK = 4096


def _full(call: Callable[[], Any]) -> None:
    with pytest.raises(
        StoreUnavailable, match="^SQLite file .*(full|disk I/O).*; check that .* can be written"
    ) as caught:
        call()
    assert "\n" not in str(caught.value)


def _take_room(folder: Path, database: Path, *, limit: bool) -> None:
    if limit:
        wal = Path(f"{database}-wal")
        most = max(wal.stat().st_size, database.stat().st_size) + 2 * _BLOCK
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        return
    with (folder / "ballast").open("ab", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"x" * _BLOCK)
        except OSError:
            return


def _make_room(folder: Path, *, limit: bool) -> None:
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        (folder / "ballast").unlink()


def main(folder: Path, *, limit: bool) -> None:
    """Fill the disk, see that nothing is half-written, and go on when there is room again."""
    database = folder / "books.db"
    with Ledger.open(f"sqlite:///{database}") as ledger:
        open_plan(ledger)
        pay(ledger, OPENED_ON, "bank-0", amount="0.01")
        ledger.wait(2)
        _take_room(folder, database, limit=limit)
        paid = 0
        try:
            for number in count(1):
                paid = number
                pay(ledger, OPENED_ON, f"bank-{number}", amount="0.01")
        except StoreUnavailable:
            pass
        before = histories(ledger)
        assert len(before["P-1"]) == 1 + paid, "the one that failed is not there"
        _full(lambda: pay(ledger, OPENED_ON, f"bank-{paid}", amount="0.01"))
        _full(lambda: ledger.execute_all(crash_worker.bulk()))
        assert histories(ledger) == before
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
        _make_room(folder, limit=limit)
        assert [event.key for event in pay(ledger, OPENED_ON, f"bank-{paid}", amount="0.01")] == [f"bank-{paid}"]
        assert pay(ledger, OPENED_ON, f"bank-{paid}", amount="0.01") == ()
        assert all(isinstance(events, tuple) for events in ledger.execute_all(crash_worker.bulk()))
        ledger.wait(ledger._store.last_sequence())
        assert ledger.verify().differences == ()


if __name__ == "__main__":
    main(Path(sys.argv[1]), limit="--limit" in sys.argv)
