"""Where a ledger may be: views in another database, many ledgers in one, a schema per issuer, newer schemas."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from ledger import Ledger, StoreUnavailable
from tests import crash_worker, workers
from tests.crash_worker import Location, answers
from tests.examples import OPENED_ON, open_plan, pay, usd
from tests.processes import forked
from tests.raw_sql import change, names

_VIEWS = {"checkpoints", "quarantine", "periods_1_periods", "periods_1_closings", "periods_1_totals"}


def _in_schema(url: str, schema: str) -> str:
    """Return the URL of a schema of its own in the same database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
    return f"{url}&options={quote(f'-csearch_path={schema}')}"


@pytest.fixture
def database(tmp_path: Path, name: str, request: pytest.FixtureRequest) -> Callable[[str, str], str]:
    """Makes the URL of an empty database of a kind, under a name."""

    def make(kind: str, called: str) -> str:
        if kind == "memory":
            return "memory://"
        if kind == "sqlite":
            return f"sqlite:///{tmp_path}/{called}.db"
        server = str(request.getfixturevalue("postgres_url"))
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}_{called} TEMPLATE template0".encode())
        return server.replace("/postgres?", f"/{name}_{called}?")

    return make


KINDS = [
    ("sqlite", "sqlite"),
    ("sqlite", "postgres"),
    ("postgres", "sqlite"),
    ("postgres", "postgres"),
    ("memory", "sqlite"),
]


@pytest.mark.parametrize(("kind", "views"), KINDS)
def test_views_may_be_in_another_database(database: Callable[[str, str], str], kind: str, views: str) -> None:
    """Lists are right and the ledger's database holds no table of a view; a rebuild stays in the other one."""
    url, elsewhere = database(kind, "ledger"), database(views, "views")
    with Ledger.open(url, views=elsewhere) as ledger, Ledger.open("memory://") as plain:
        for one in (ledger, plain):
            one.execute_all(crash_worker.bulk()[:30])
            assert one.balances(as_of=OPENED_ON)
            pay(one, OPENED_ON, "bank-1", plan_id="Q-21")
        assert answers(ledger) == answers(plain)
        assert ledger.verify().differences == ()
        assert names(ledger, views=True) == _VIEWS
        if kind != "memory":
            assert names(ledger) == {"epochs", "events"}
        assert ledger.rebuild().differences == ()
        assert answers(ledger) == answers(plain)
        assert names(ledger, views=True) == {table.replace("1", "2") for table in _VIEWS}
        assert ledger.status().problems == ()


@pytest.mark.parametrize("views", ["sqlite", "postgres"])
def test_a_ledger_that_was_restored_from_an_older_backup_wants_a_new_epoch(
    database: Callable[[str, str], str], tmp_path: Path, views: str
) -> None:
    """Views that have read what the ledger no longer has are refused with what to do, and named, until it begins."""
    url, elsewhere, backup = database("sqlite", "ledger"), database(views, "views"), tmp_path / "backup"
    with Ledger.open(url, views=elsewhere) as ledger:
        open_plan(ledger)
        ledger.overdue()
    shutil.copy(tmp_path / "ledger.db", backup)
    with Ledger.open(url, views=elsewhere) as ledger:
        pay(ledger, OPENED_ON, "bank-1")
        reached = ledger.wait(ledger._store.last_sequence())
    shutil.copy(backup, tmp_path / "ledger.db")
    with Ledger.open(url, views=elsewhere) as ledger:
        for ask in (ledger.overdue, ledger.portfolio, ledger.verify, ledger.rebuild, lambda: ledger.wait(1)):
            with pytest.raises(
                StoreUnavailable, match=f"read up to {reached}, and the ledger ends at 1; after a restore"
            ):
                ask()
        (problem,) = ledger.status().problems
        assert f"read up to {reached}, and the ledger ends at 1" in problem
        ledger.begin_epoch()
        assert ledger.portfolio(as_of=OPENED_ON)[0].paid.minor == 0
        assert ledger.status().problems == ()
        assert ledger.verify().differences == ()


def test_views_that_were_lost_want_a_rebuild(database: Callable[[str, str], str]) -> None:
    """A checkpoint without its rows is what a partial restore leaves: refused, and repaired by a rebuild."""
    url, elsewhere = database("sqlite", "ledger"), database("postgres", "views")
    with Ledger.open(url, views=elsewhere) as ledger:
        open_plan(ledger)
        ledger.overdue()
        change(ledger, "DELETE FROM ledger_periods_1_totals", views=True)
    with Ledger.open(url, views=elsewhere) as ledger:
        with pytest.raises(StoreUnavailable, match="its rows are missing; rebuild it"):
            ledger.portfolio()
        assert ledger.rebuild().differences == ()
        assert ledger.portfolio(as_of=OPENED_ON)[0].plans == 1


# ---- schemas


@pytest.mark.parametrize("part", ["ledger", "views"])
@pytest.mark.parametrize("create", [True, False])
def test_a_newer_schema_is_refused_with_what_to_do(
    shared_url: str, name: str, tmp_path: Path, part: str, *, create: bool
) -> None:
    """A ledger, or views, that a newer library has brought up to date are not touched by this one."""
    views = f"sqlite:///{tmp_path}/views.db"
    with Ledger.open(shared_url, name=name, views=views) as ledger:
        open_plan(ledger)
        whose = name if part == "ledger" else f"{name} views"
        sql = "UPDATE installment_ledger_schema SET version = 99 WHERE ledger = ?"
        change(ledger, sql, whose, views=part == "views")
    with pytest.raises(StoreUnavailable, match="schema version 99, and this library knows .*; upgrade") as caught:
        Ledger.open(shared_url, name=name, views=views, create=create)
    assert f"'{whose}'" in str(caught.value)


def test_without_create_nothing_is_created(shared_url: str, name: str, tmp_path: Path) -> None:
    """A ledger, or views, that are not there are not made by mistake."""
    views = f"sqlite:///{tmp_path}/views.db"
    with pytest.raises(StoreUnavailable, match="there is no ledger|does not exist"):
        Ledger.open(shared_url, name=name, create=False)
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)
    with pytest.raises(StoreUnavailable, match="does not exist"):
        Ledger.open(shared_url, name=name, views=views, create=False)
    assert not (tmp_path / "views.db").exists()
    with Ledger.open(shared_url, name=name, create=False) as ledger:
        assert len(ledger.balances(as_of=OPENED_ON)) == 1


# ---- many in one


def test_a_schema_for_each_issuer(postgres_url: str, name: str) -> None:
    """The same name in two schemas of one database: two ledgers, which share neither plans nor locks nor followers."""
    urls = [_in_schema(postgres_url, f"{name}_{issuer}") for issuer in ("a", "b")]
    with ExitStack() as stack:
        one, two = (stack.enter_context(Ledger.open(url, catch_up=False)) for url in urls)
        open_plan(one)
        (opened,) = open_plan(two)
        paid = pay(two, OPENED_ON, "bank-1")
        assert (opened.sequence, len(one.history("P-1")), len(two.history("P-1"))) == (1, 1, 3)
        with one._store.views.leader_lock() as leads, two._store.views.leader_lock() as also:
            assert (leads(), also()) == (True, True)
        stack.enter_context(forked(workers.follow, Location(urls[1], "ledger"), 300.0))
        for projection in ("periods", "payments"):
            assert two.wait(paid[-1].sequence, projection=projection) == paid[-1].sequence
        assert [(model.live, model.reached) for model in one.status().read_models] == [(False, 0)]
        assert two.portfolio(as_of=OPENED_ON)[0].paid == usd("150.00")
        assert names(two) == {"epochs", "events", *_VIEWS, "payments_1_payments"}


def test_many_ledgers_in_one_database(shared_url: str, name: str) -> None:
    """Ten named ledgers side by side: each has its own plans, lists, rebuilds and health."""
    with ExitStack() as stack:
        ledgers = [stack.enter_context(Ledger.open(shared_url, name=f"{name}_{number}")) for number in range(10)]
        for number, ledger in enumerate(ledgers):
            open_plan(ledger)
            for payment in range(number):
                pay(ledger, OPENED_ON, f"bank-{payment}", amount="1.00")
        assert ledgers[3].portfolio()
        ledgers[3].rebuild()
        for number, ledger in enumerate(ledgers):
            assert ledger.portfolio(as_of=OPENED_ON)[0].paid.minor == 100 * number
            assert ledger.status().last_sequence == ledger.history("P-1")[-1].sequence == number + 1
            assert [model.name for model in ledger.status().read_models] == [
                "periods_2" if number == 3 else "periods_1"
            ]


# ---- restores


def test_a_restore_of_the_events_alone_is_completed(shared_url: str, name: str) -> None:
    """Events are the ledger: from them alone `create` makes everything else anew; without it, the error says so."""
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)
        expected = ledger.overdue(as_of=date(2023, 4, 15))
        for table in _VIEWS:
            change(ledger, f"DROP TABLE books_{table}", views=True)
    with pytest.raises(StoreUnavailable, match="tables of the ledger .* are missing; .*migrate"):
        Ledger.open(shared_url, name=name, create=False)
    with Ledger.open(shared_url, name=name) as ledger:
        assert ledger.overdue(as_of=date(2023, 4, 15)) == expected
        change(ledger, "DELETE FROM installment_ledger_schema")
    with Ledger.open(shared_url, name=name) as ledger:
        assert len(ledger.history("P-1")) == 1


def test_a_schema_that_was_never_released_is_refused(shared_url: str, name: str) -> None:
    """Version 1 came before the first release: its ledgers are imported again."""
    with Ledger.open(shared_url, name=name) as ledger:
        change(ledger, "UPDATE installment_ledger_schema SET version = 1 WHERE ledger = ?", name)
    with pytest.raises(StoreUnavailable, match="schema version 1, .* never released; import its book into a new"):
        Ledger.open(shared_url, name=name)
