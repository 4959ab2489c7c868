"""What is on the disk when a call returns: every event; rows of a read model can be derived again."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from ledger import Database, Ledger
from ledger.projections.builtin import PERIODS
from ledger.store import Quarantined
from ledger.store.group_commit import Pending
from ledger.store.sql import Cursor
from tests.examples import OPENED_ON, open_plan, pay, usd


def _transactions(statements: list[str]) -> list[str]:
    """Return, of each transaction with something in it, how its commit treats the disk."""
    begins = [index for index, statement in enumerate(statements) if statement.startswith("BEGIN")]
    return [statements[index - 1].rpartition(" ")[2] for index in begins if statements[index + 1] != "COMMIT"]


def _database(ledger: Ledger) -> Any:
    store: Any = ledger._store
    assert store.views._database is store._recorder.database
    return store._recorder.database


def test_sqlite_waits_for_the_disk_with_events_and_not_with_rows(tmp_path: Path) -> None:
    """A save does, before and after a catch-up; so does what makes a generation live."""
    statements: list[str] = []
    with Ledger.open(f"sqlite:///{tmp_path}/books.db") as ledger:
        with _database(ledger)._writers.lent() as connection:
            connection.set_trace_callback(statements.append)
        open_plan(ledger)
        assert _transactions(statements) == ["FULL"]
        ledger.portfolio(as_of=OPENED_ON)
        assert _transactions(statements)[-1] == "FULL"
        statements.clear()
        pay(ledger, OPENED_ON, "bank-1")
        ledger.portfolio(as_of=OPENED_ON)
        pay(ledger, OPENED_ON, "bank-2")
        assert _transactions(statements) == ["FULL", "NORMAL", "FULL"]


def test_a_group_with_an_event_in_it_waits_for_the_disk(tmp_path: Path) -> None:
    """Changes that are committed together are as durable as the one that needs it most."""

    def waits(cursor: Cursor) -> Any:
        cursor.execute("PRAGMA synchronous")
        return cursor.fetchall()[0][0]

    with Ledger.open(f"sqlite:///{tmp_path}/books.db") as ledger:
        database = _database(ledger)
        for durable in ([True, False], [False, True], [False, False], [True]):
            group = [Pending(waits, durable=one) for one in durable]
            database._commit(group)
            full, normal = 2, 1
            assert {one.result for one in group} == {full if any(durable) else normal}


def test_a_file_without_a_log_always_waits_for_the_disk(tmp_path: Path) -> None:
    """Without it a transaction that does not wait could break the file."""
    url, statements = f"sqlite:///{tmp_path}/books.db", list[str]()
    with Ledger.open(url) as ledger:
        open_plan(ledger)
        ledger.portfolio(as_of=OPENED_ON)
    with closing(sqlite3.connect(tmp_path / "books.db")) as connection:
        assert connection.execute("PRAGMA journal_mode = DELETE").fetchall() == [("delete",)]
    with Ledger.open(url, create=False) as ledger:
        with _database(ledger)._writers.lent() as connection:
            connection.set_trace_callback(statements.append)
        pay(ledger, OPENED_ON, "bank-1")
        ledger.portfolio(as_of=OPENED_ON)
    assert _transactions(statements) == ["FULL", "FULL"]


def test_postgresql_waits_for_the_disk_with_events_and_not_with_rows(postgres_url: str, name: str) -> None:
    """A column notes how the transaction that writes a row will be committed."""
    noted = "ADD COLUMN noted text DEFAULT current_setting('synchronous_commit')"
    with Ledger.open(postgres_url, name=name) as ledger:
        open_plan(ledger)
        ledger.portfolio(as_of=OPENED_ON)
        events, periods = f"{name}_events", f"{name}_{PERIODS.name}_1_periods"
        with psycopg.connect(postgres_url) as connection:
            for table in (events, periods):
                connection.execute(f"ALTER TABLE {table} {noted}".encode())
                connection.execute(f"UPDATE {table} SET noted = 'before'".encode())
        pay(ledger, OPENED_ON, "bank-1")
        ledger.portfolio(as_of=OPENED_ON)
        ledger.record_payment("P-1", reference="bank-2", amount=ledger.position("P-1").paid, paid_at=OPENED_ON)
        with psycopg.connect(postgres_url) as connection:
            found = [
                {one for (one,) in connection.execute(f"SELECT noted FROM {table}".encode())} - {"before"}
                for table in (events, periods)
            ]
        assert found == [{"on"}, {"off"}]


def test_rows_that_stay_are_not_written_again(shared_url: str, name: str) -> None:
    """A payment changes the plan's periods from the day before it on; what came earlier is left as it is."""
    written = "xmin::text" if shared_url.startswith("postgres") else "rowid"
    table = f"{name}_{PERIODS.name}_1_periods"
    sql = f"SELECT from_on, through_on, paid, {written} FROM {table} WHERE plan_id = 'P-1' ORDER BY from_on"
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)
        found = []
        for number in range(3):
            pay(ledger, OPENED_ON + number * timedelta(days=30), f"bank-{number}")
            ledger.portfolio(as_of=OPENED_ON)
            found.append(ledger._store.views.query(sql))
            open_plan(ledger, f"P-{number + 2}")  # its rows come last: SQLite gives no row the number of one before
            ledger.portfolio(as_of=OPENED_ON)
        before, after = found[1:]
        assert before[0] == after[0], "the first payment's period had ended before"
        assert set(before) & set(after) == {before[0]}
        assert ledger.verify().differences == ()


def test_plans_in_quarantine_are_not_moved_twice(shared_url: str, name: str) -> None:
    """Of two processes that release the same plan at the same checkpoint one does, and its sums are added once."""
    left_out = Quarantined("P-1", 1, "plan_opened.v1", "unreadable")
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)
        ledger.portfolio(as_of=OPENED_ON)
        views = ledger._store.views
        (live,) = views.generations()
        assert views.advance(live, live, changes=(), quarantine=[left_out])
        assert not views.advance(live, live, changes=(), quarantine=[left_out])
        (quarantining,) = views.generations()
        assert views.advance(quarantining, quarantining, changes=(), release=["P-1"])
        assert not views.advance(quarantining, quarantining, changes=(), release=["P-1"])


def test_a_read_model_that_was_restored_is_caught_up_again(tmp_path: Path) -> None:
    """An older copy of it under a running process: the process does not answer as if it had been there since."""
    views = tmp_path / "views.db"
    with Ledger.open(f"sqlite:///{tmp_path}/books.db", views=f"sqlite:///{views}") as ledger:
        open_plan(ledger)
        ledger.portfolio(as_of=OPENED_ON)
        with closing(sqlite3.connect(views)) as live, closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
            live.backup(copy)
            pay(ledger, OPENED_ON, "bank-1")
            assert ledger.portfolio(as_of=OPENED_ON)[0].paid == usd("150.00")
            copy.backup(live)
        assert ledger.portfolio(as_of=OPENED_ON)[0].paid == usd("150.00")
        assert ledger.verify().differences == ()


def test_many_ledgers_of_a_file_keep_few_files_open(tmp_path: Path) -> None:
    """Each has a lock of its own; what they keep open does not grow with their number."""
    with Database.open(f"sqlite:///{tmp_path}/books.db") as database:
        for number in range(60):
            ledger = database.ledger(f"books_{number}")
            open_plan(ledger)
            assert ledger.portfolio(as_of=OPENED_ON)[0].plans == 1
        opened = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        assert sum(str(tmp_path) in file for file in opened) < 40
