"""Reading only: every query is answered, nothing of the database changes, and nothing is left beside a file."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from ledger import Database, Ledger, PlanNotFound, StoreUnavailable
from tests.examples import OPENED_ON, open_plan, pay, usd

DAY = date(2023, 4, 15)
FAR = datetime(2025, 7, 1, tzinfo=UTC)
PLANS = ("P-1", "P-2", "P-3")


def _fill(ledger: Ledger) -> None:
    for plan_id in PLANS:
        open_plan(ledger, plan_id)
    pay(ledger, OPENED_ON, "bank-1")
    pay(ledger, OPENED_ON + timedelta(days=3), "bank-2")
    money = usd("7.00")
    ledger.receive_unallocated("b-9", amount=money, received_at=OPENED_ON, reason="unknown payer", recorded_at=FAR)


def _answers(ledger: Ledger) -> dict[str, Any]:
    """Return what a ledger answers to every query."""
    asked: dict[str, Any] = {"as_of": DAY}
    lists: dict[str, Any] = {
        name: getattr(ledger, name)(**asked)
        for name in ("positions", "overdue", "balances", "portfolio", "receipts", "unallocated")
    }
    return lists | {
        "page": ledger.positions(**asked, limit=2).next,
        "past": ledger.positions(known_at=FAR, investor="I-7", **asked),
        "position": ledger.position("P-1", **asked),
        "statement": ledger.statement("P-1", **asked),
        "history": ledger.history("P-1"),
        "events": list(ledger.events()),
        "payments": ledger.payments(reference="bank-2"),
        "recorded": ledger.recorded("P-1", key="bank-1"),
        "due": ledger.close_books(through=DAY, dry_run=True, recorded_at=FAR),
        "sequence": ledger.status().last_sequence,
        "wait": ledger.wait(ledger.status().last_sequence),
        "verified": (ledger.verify().plans, ledger.verify().differences),
    }


def _files(folder: Path) -> dict[str, tuple[str, int]]:
    """Return the digest and the time of change of every file in a folder."""
    found = sorted(path for path in folder.iterdir() if path.is_file())
    return {
        path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in found
        if not path.name.endswith("-shm")  # SQLite's locks, where others have the file open
    } | {path.name: ("", 0) for path in found if path.name.endswith("-shm")}


def _change(ledger: Ledger) -> list[str]:
    """Return the errors of everything that would change a ledger."""
    errors: list[str] = []
    changes: list[Callable[[], Any]] = [
        lambda: open_plan(ledger, "P-new"),
        lambda: pay(ledger, OPENED_ON, "bank-9"),
        lambda: ledger.close_books(through=DAY),
    ]
    for change in changes:
        with pytest.raises(StoreUnavailable) as caught:
            change()
        errors.append(str(caught.value))
    return errors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for the evidence and nothing else."""
    path = tmp_path / "evidence, copy 1?"
    path.mkdir()
    return path


@pytest.mark.parametrize("read_model", ["none", "behind", "caught up"])
def test_a_file_is_read_and_does_not_change(folder: Path, read_model: str) -> None:
    """Whatever its read model has reached, every query is answered from the events; not a byte of the file changes."""
    url = f"sqlite:///{folder}/books.db"
    with Ledger.open(url) as books:
        if read_model == "behind":
            books.overdue()
        _fill(books)
        if read_model == "caught up":
            books.overdue()
            books.payments()
    before = _files(folder)
    assert before.keys() - {"books.db-ledger.periods", "books.db-ledger.payments"} == {"books.db"}  # beside its locks
    with Ledger.open("memory://") as plain:
        _fill(plain)
        expected = _answers(plain)
    for _ in range(2):
        with Ledger.open(f"{url}?mode=ro") as evidence:
            assert _answers(evidence) == expected
            for error in _change(evidence):
                assert error.endswith("books.db, read only: it was opened to be read only; open it without ?mode=ro.")
            assert _files(folder) == before
        assert _files(folder) == before


@pytest.mark.parametrize("endings", [("", "-wal"), ("", "-wal", "-shm"), ("", "-shm")])
def test_what_a_crash_or_a_copy_left_is_read_whole(folder: Path, tmp_path: Path, endings: tuple[str, ...]) -> None:
    """A file with its log beside it, as a killed process or a backup leaves them: nothing is added and nothing lost."""
    with Ledger.open(f"sqlite:///{tmp_path}/books.db") as books:
        _fill(books)
        expected = list(books.events())
        if "-wal" not in endings:
            books._store.views.query("PRAGMA wal_checkpoint(TRUNCATE)")
        for ending in endings:
            shutil.copy(tmp_path / f"books.db{ending}", folder / f"books.db{ending}")
    before = _files(folder)
    assert before.keys() == {f"books.db{ending}" for ending in endings}
    with Ledger.open(f"sqlite:///{folder}/books.db?mode=ro") as evidence:
        assert list(evidence.events()) == expected
        assert len(evidence.positions(as_of=DAY)) == 3
    assert _files(folder) == before


def test_a_file_that_others_write_is_read_as_they_leave_it(folder: Path) -> None:
    """Opened while another process writes, it shows what was recorded when it is asked."""
    url = f"sqlite:///{folder}/books.db"
    with Ledger.open(url) as books:
        _fill(books)
        expected = _answers(books)
        beside = set(_files(folder))
        with Ledger.open(f"{url}?mode=ro") as reader:
            assert _answers(reader) == expected
            pay(books, OPENED_ON, "bank-9", plan_id="P-2")
            assert _answers(reader) == _answers(books)
            assert len(reader.history("P-2")) > 1
        assert set(_files(folder)) == beside


def test_a_file_that_is_written_to_after_all_is_not_read_further(folder: Path) -> None:
    """What nobody had open is read as immutable: once it has changed, the reader says so instead of mixing both."""
    url = f"sqlite:///{folder}/books.db"
    with Ledger.open(url) as books:
        _fill(books)
    with Ledger.open(f"{url}?mode=ro") as reader:
        assert len(reader.positions(as_of=DAY)) == 3
        with Ledger.open(url) as books:
            open_plan(books, "P-9")
        with pytest.raises(StoreUnavailable, match="it has been written to since it was opened; open it again"):
            reader.positions(as_of=DAY)
    with Ledger.open(f"{url}?mode=ro") as reader:
        assert len(reader.positions(as_of=DAY)) == 4


def test_ledgers_of_a_shared_database_are_read_only_too(folder: Path) -> None:
    """Each has read models of its own in memory; without catching up, those of the file answer."""
    url = f"sqlite:///{folder}/books.db"
    for name in ("one", "two"):
        with Ledger.open(url, name=name) as books:
            _fill(books)
            books.overdue()
            open_plan(books, f"P-{name}")
    before = _files(folder)
    with Database.open(f"{url}?mode=ro") as database:
        for name in ("one", "two"):
            assert [one.plan_id for one in database.ledger(name).positions(as_of=DAY)] == [*PLANS, f"P-{name}"]
            assert len(database.ledger(name, catch_up=False).positions(as_of=DAY)) == 3
            assert len(database.ledger(name).positions(as_of=DAY)) == 4
    assert _files(folder) == before


def test_without_catching_up_the_files_own_read_model_answers(folder: Path) -> None:
    """`catch_up=False` reads the read model as it is, to compare it with the events; it is not written either."""
    url = f"sqlite:///{folder}/books.db"
    with Ledger.open(url) as books:
        _fill(books)
        expected = books.overdue(as_of=DAY)
        reached = books.status().last_sequence
        open_plan(books, "P-9")
    before = _files(folder)
    with Ledger.open(f"{url}?mode=ro", catch_up=False) as evidence:
        assert evidence.overdue(as_of=DAY) == expected
        verification = evidence.verify()
        assert (verification.reached, verification.differences) == (reached, ())
        with pytest.raises(StoreUnavailable, match="opened to be read only"):
            evidence.rebuild()
    assert _files(folder) == before


def test_read_models_of_a_file_may_be_kept_elsewhere(folder: Path, tmp_path: Path) -> None:
    """`views` names a database of the reader's own: derived once, the lists are there the next time."""
    url, views = f"sqlite:///{folder}/books.db", f"sqlite:///{tmp_path}/views.db"
    with Ledger.open(url) as books:
        _fill(books)
    before = _files(folder)
    for _ in range(2):
        with Ledger.open(f"{url}?mode=ro", views=views) as evidence:
            assert len(evidence.overdue(as_of=DAY)) == 2
            assert [one.lag for one in evidence.status().read_models] == [0]
    assert _files(folder) == before


def test_only_a_ledger_that_is_there_can_be_read(folder: Path) -> None:
    """A missing file is not created, nor is a ledger of another name."""
    with pytest.raises(StoreUnavailable, match="the file does not exist"):
        Ledger.open(f"sqlite:///{folder}/books.db?mode=ro")
    assert _files(folder) == {}
    with Ledger.open(f"sqlite:///{folder}/books.db") as books:
        open_plan(books)
    before = _files(folder)
    with pytest.raises(StoreUnavailable, match="there is no ledger 'other' in it"):
        Ledger.open(f"sqlite:///{folder}/books.db?mode=ro", name="other")
    assert _files(folder) == before


def test_a_reader_may_be_shared_by_threads(folder: Path) -> None:
    """Eight threads ask at once, each over a connection of its own; closed under them, it refuses further calls."""
    url = f"sqlite:///{folder}/books.db"
    with Ledger.open(url) as books:
        _fill(books)
        expected = books.position("P-1", as_of=DAY)
    reader = Ledger.open(f"{url}?mode=ro")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: reader.position("P-1", as_of=DAY), range(100)))
    reader.close()
    assert found == [expected] * 100
    with pytest.raises(StoreUnavailable, match="it is closed"):
        reader.position("P-1")


@pytest.fixture
def auditor(postgres_url: str, name: str) -> Iterator[str]:
    """The URL of a role that may read the tables that a ledger called `name` has by now, and nothing else."""
    role = f"auditor_{name}"
    with Ledger.open(postgres_url, name=name) as books:
        _fill(books)
        books.overdue()
        open_plan(books, "P-9")  # the read model is behind
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for statement in (
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
            f"CREATE ROLE {role} LOGIN",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
        ):
            connection.execute(statement.encode())
        yield postgres_url.replace("postgres:@", f"{role}:@")
        for statement in (f"DROP OWNED BY {role}", f"DROP ROLE {role}"):
            connection.execute(statement.encode())


def test_a_role_with_select_answers_every_query(auditor: str, postgres_url: str, name: str) -> None:
    """A PostgreSQL role that may only read derives the lists in memory; its commands are refused by the server."""
    with Ledger.open(auditor, name=name) as reader, Ledger.open(postgres_url, name=name, catch_up=False) as owner:
        stale = owner.status().read_models
        with Ledger.open(postgres_url, name=name, views="memory://") as plain:
            assert _answers(reader) == _answers(plain)
        assert len(reader.positions(as_of=DAY)) == 4
        for error in _change(reader):
            assert "permission denied" in error
        assert owner.status().read_models == stale
    with Ledger.open(auditor, name=name, catch_up=False) as reader:
        assert len(reader.positions(as_of=DAY)) == 3
    with pytest.raises(StoreUnavailable, match="no ledger 'other'"):
        Ledger.open(auditor, name="other")


def test_a_session_that_is_read_only_answers_every_query(postgres_url: str, name: str) -> None:
    """So does a session that is set to be read only, as on a replica."""
    with Ledger.open(postgres_url, name=name) as books:
        _fill(books)
        option = quote("-c default_transaction_read_only=on")
        with Ledger.open(f"{postgres_url}&options={option}", name=name) as reader:
            assert _answers(reader) == _answers(books)
            with pytest.raises(PlanNotFound):
                reader.position("P-9")
