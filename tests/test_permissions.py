"""The files of a ledger: the owner alone may read and write them, unless somebody decides otherwise."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger import Ledger
from tests.examples import OPENED_ON, open_plan, pay

pytestmark = pytest.mark.skipif(os.name == "nt", reason="permissions of this kind are those of POSIX")


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _modes(folder: Path) -> dict[str, str]:
    return {path.name: f"{stat.S_IMODE(path.stat().st_mode):o}" for path in folder.iterdir()}


def _use(folder: Path) -> dict[str, str]:
    """Work with a ledger whose views are in another file, and return the modes of all files while it is open."""
    folder.mkdir(exist_ok=True)
    with Ledger.open(f"sqlite:///{folder}/books.db", views=f"sqlite:///{folder}/views.db") as ledger:
        open_plan(ledger)
        pay(ledger, OPENED_ON, "bank-1")
        ledger.overdue(as_of=OPENED_ON)
        with ledger._store.views.leader_lock() as leads:
            assert leads()
            return _modes(folder)


def test_files_are_created_for_the_owner_alone(tmp_path: Path) -> None:
    """Databases, their logs and their locks are readable and writable by the owner only, however open the umask is."""
    with _umask(0o000):
        modes = _use(tmp_path / "books")
    logs = {f"{name}-{log}" for name in ("books.db", "views.db") for log in ("wal", "shm")}
    assert logs < modes.keys()
    assert modes.keys() - {"books.db", "views.db"} - logs  # the lock, and its journal
    assert set(modes.values()) == {"600"}


def test_a_database_that_is_opened_to_a_group_keeps_its_permissions(tmp_path: Path) -> None:
    """Permissions that somebody gave a database stay, and its logs and locks have the same."""
    folder = tmp_path / "books"
    _use(folder)
    for path in folder.iterdir():
        path.chmod(0o660) if path.name in {"books.db", "views.db"} else path.unlink()
    with _umask(0o077):
        modes = _use(folder)
    assert set(modes.values()) == {"660"}
