"""The caller's transaction: a service's own row and the ledger's events are recorded together, or not at all."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from datetime import date
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, MetaData, create_engine, text
from sqlalchemy.orm import Session

from ledger import (
    ConcurrentChange,
    Database,
    InvalidArgument,
    Ledger,
    Overpayment,
    PlanNotFound,
    ReferenceConflict,
    StoreUnavailable,
)
from ledger.commands import Metadata, RecordPayment
from tests.examples import OPENED_ON, RECORDED_AT, open_plan, pay, usd

_ORDERS = "CREATE TABLE IF NOT EXISTS {table} (reference TEXT PRIMARY KEY)"


@attrs.frozen
class Service:
    """A service with a table of its own beside a ledger, and a way to its connections."""

    ledger: Ledger
    table: str
    connect: Callable[[], AbstractContextManager[Any]]

    def save(self, connection: Any, reference: str) -> None:
        """Insert a row of the service's own."""
        connection.execute(f"INSERT INTO {self.table} VALUES ('{reference}')")

    def rows(self) -> list[str]:
        """Return the rows that are committed."""
        with self.connect() as connection:
            found = connection.execute(f"SELECT reference FROM {self.table} ORDER BY reference").fetchall()
        return [row[0] for row in found]


@pytest.fixture
def service(shared_url: str, name: str) -> Iterator[Service]:
    """A service on each database, with one plan."""

    def connect() -> AbstractContextManager[Any]:
        if shared_url.startswith("sqlite"):
            return closing(sqlite3.connect(shared_url.removeprefix("sqlite:///"), timeout=30))
        return closing(psycopg.connect(shared_url))

    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)
        made = Service(ledger, f"{name}_orders", connect)
        with connect() as connection:
            connection.execute(_ORDERS.format(table=made.table))
            connection.commit()
        yield made


def test_a_commit_records_both(service: Service) -> None:
    """Inside, the ledger sees its own events; outside, nobody does before the commit, and everybody after it."""
    with service.connect() as connection:
        service.save(connection, "order-1")
        inside = service.ledger.within(connection)
        paid = pay(inside, OPENED_ON, "bank-1")
        assert [event.sequence > 0 for event in paid] == [True, True]
        assert inside.position("P-1", as_of=OPENED_ON).paid == usd("150.00")
        assert pay(inside, OPENED_ON, "bank-1") == ()
        assert len(inside.history("P-1")) == 3
        if isinstance(connection, psycopg.Connection):  # in SQLite the writer's lock is the caller's
            assert len(service.ledger.history("P-1")) == 1
        connection.commit()
    assert service.rows() == ["order-1"]
    assert service.ledger.history("P-1")[1:] == paid
    assert service.ledger.wait(paid[-1].sequence) == paid[-1].sequence
    assert service.ledger.portfolio(as_of=OPENED_ON)[0].paid == usd("150.00")


def test_a_rollback_records_neither(service: Service) -> None:
    """What was recorded inside is gone with the row, and the same command may be recorded afterwards."""
    with service.connect() as connection:
        service.save(connection, "order-1")
        pay(service.ledger.within(connection), OPENED_ON, "bank-1")
        connection.rollback()
    assert service.rows() == []
    assert len(service.ledger.history("P-1")) == 1
    assert len(pay(service.ledger, OPENED_ON, "bank-1")) == 2
    assert service.ledger.verify().differences == ()


def test_a_refusal_leaves_the_transaction_usable(service: Service) -> None:
    """Refused, in conflict or unknown: the caller's row and other commands are committed all the same."""
    with service.connect() as connection:
        inside = service.ledger.within(connection)
        service.save(connection, "order-1")
        pay(inside, OPENED_ON, "bank-1")
        with pytest.raises(Overpayment):
            pay(inside, OPENED_ON, "bank-2", amount="3000.00")
        with pytest.raises(ReferenceConflict):
            pay(inside, OPENED_ON, "bank-1", amount="1.00")
        with pytest.raises(PlanNotFound):
            pay(inside, OPENED_ON, "bank-1", plan_id="P-9")
        service.save(connection, "order-2")
        pay(inside, OPENED_ON, "bank-3")
        connection.commit()
    assert service.rows() == ["order-1", "order-2"]
    assert [event.key for event in service.ledger.history("P-1")] == ["P-1", "bank-1", "bank-1", "bank-3", "bank-3"]


def test_a_version_that_is_taken_leaves_the_transaction_usable(service: Service) -> None:
    """An append that comes too late is a conflict; the row before it and the one after it are committed."""
    (opened,) = service.ledger.history("P-1")
    late = attrs.evolve(opened, sequence=0)
    with service.connect() as connection:
        service.save(connection, "order-1")
        inside = service.ledger.within(connection)
        with pytest.raises(ConcurrentChange):
            inside._store.append([attrs.evolve(late, stream_id="P-2"), late])
        service.save(connection, "order-2")
        connection.commit()
    assert service.rows() == ["order-1", "order-2"]
    with pytest.raises(PlanNotFound):
        service.ledger.history("P-2")


@pytest.mark.parametrize("level", [psycopg.IsolationLevel.REPEATABLE_READ, psycopg.IsolationLevel.SERIALIZABLE])
def test_a_version_taken_after_the_callers_snapshot_ends_at_once(
    level: psycopg.IsolationLevel, postgres_url: str, name: str
) -> None:
    """The transaction cannot see the event that took the version: no second attempt, and it stays usable."""
    with Ledger.open(postgres_url, name=name) as ledger, psycopg.connect(postgres_url) as connection:
        connection.isolation_level = level
        open_plan(ledger)
        inside = ledger.within(connection)
        assert len(inside.history("P-1")) == 1
        paid = pay(ledger, OPENED_ON, "bank-1")
        opened = [attrs.evolve(event, sequence=0, stream_id="P-2") for event in ledger.history("P-1")[:1]]
        old = "another connection has written since the transaction began; roll it back, and begin another"
        for late in (paid, [*opened, *paid]):
            with pytest.raises(StoreUnavailable, match=old):
                inside._store.append(late)
        appends: list[int] = []
        append = inside._store.append
        inside._store.append = lambda events, **more: appends.append(1) or append(events, **more)  # type: ignore[method-assign, func-returns-value]
        with pytest.raises(StoreUnavailable, match=old):
            pay(inside, OPENED_ON, "bank-2")
        assert appends == [1]
        inside._store.append(opened)
        connection.commit()
        assert [event.version for event in ledger.history("P-2")] == [1]
        assert ledger.history("P-1")[1:] == paid


def test_a_ledger_of_a_shared_database_records_in_a_callers_transaction(service: Service, shared_url: str) -> None:
    """Closing the ledger of the transaction leaves both the transaction and the database open."""
    name = service.table.removesuffix("_orders")
    with Database.open(shared_url, connections=2) as database, service.connect() as connection:
        ledger = database.ledger(name)
        service.save(connection, "order-1")
        with ledger.within(connection) as inside:
            paid = pay(inside, OPENED_ON, "bank-1")
            assert inside.history("P-1")[1:] == paid
        connection.commit()
        assert ledger.history("P-1")[1:] == paid
    assert service.rows() == ["order-1"]


def test_a_payment_of_another_meanwhile_is_decided_again(service: Service) -> None:
    """Another node pays between two commands of the transaction: the second is decided on what it recorded."""
    with service.connect() as connection:
        inside = service.ledger.within(connection)
        if isinstance(connection, psycopg.Connection):
            assert inside.position("P-1", as_of=OPENED_ON).paid.minor == 0
            pay(service.ledger, OPENED_ON, "bank-other")
        pay(inside, OPENED_ON, "bank-1")
        connection.commit()
    versions = [event.version for event in service.ledger.history("P-1")]
    assert versions == list(range(1, len(versions) + 1))


def test_all_or_none_of_a_batch(service: Service) -> None:
    """`execute_all` inside: an atomic batch with a refusal records nothing of it."""
    metadata = Metadata(recorded_at=RECORDED_AT)
    commands = [
        RecordPayment(plan_id="P-1", reference=f"bank-{amount}", amount=usd(amount), paid_at=OPENED_ON, kind="regular")
        for amount in ("150.00", "9000.00")
    ]
    with service.connect() as connection:
        inside = service.ledger.within(connection)
        with pytest.raises(Overpayment):
            inside.execute_all([(command, metadata) for command in commands], atomic=True)
        service.save(connection, "order-1")
        connection.commit()
    assert (service.rows(), len(service.ledger.history("P-1"))) == (["order-1"], 1)


def test_lists_are_asked_outside(service: Service) -> None:
    """A read model knows committed events only, and says so; other connections are refused by name."""
    with service.connect() as connection:
        inside = service.ledger.within(connection)
        for question in (inside.overdue, inside.balances, inside.portfolio, inside.positions, inside.verify):
            with pytest.raises(StoreUnavailable, match="ask the ledger itself after the commit"):
                question()
        connection.rollback()
    for wrong in ("a string", None, object()):
        with pytest.raises(InvalidArgument, match="Connection"):
            service.ledger.within(wrong)
    with Ledger.open("memory://") as memory, pytest.raises(InvalidArgument, match="memory"):
        memory.within(None)


def test_a_connection_that_commits_by_itself_is_refused(service: Service) -> None:
    """Without a transaction there is nothing to record together."""
    with service.connect() as connection:
        inside = service.ledger.within(connection)
        if isinstance(connection, psycopg.Connection):
            connection.autocommit = True
        else:
            connection.isolation_level = None
        with pytest.raises(InvalidArgument, match="begin a transaction first"):
            pay(inside, OPENED_ON, "bank-1")
        connection.execute("BEGIN")
        assert len(pay(inside, OPENED_ON, "bank-1")) == 2
        connection.execute("COMMIT")
    assert len(service.ledger.history("P-1")) == 3


def test_a_ledger_of_the_same_name_elsewhere_is_refused(shared_url: str, name: str, tmp_path: Path) -> None:
    """A connection to another database, such as that of the tests, neither answers nor records."""
    with ExitStack() as opened:
        if shared_url.startswith("sqlite"):
            other = f"{tmp_path}/other.db"
            opened.enter_context(Ledger.open(f"sqlite:///{other}", name=name))
            connection: Any = opened.enter_context(closing(sqlite3.connect(other)))
        else:
            connection = opened.enter_context(closing(psycopg.connect(shared_url)))
            connection.execute(f"CREATE SCHEMA {name}_other; SET search_path = {name}_other; COMMIT")
            in_schema = f"{shared_url}&options=-csearch_path%3D{name}_other"
            opened.enter_context(Ledger.open(in_schema, name=name))
        ledger = opened.enter_context(Ledger.open(shared_url, name=name))
        open_plan(ledger)
        for call in (open_plan, lambda inside: inside.position("P-1")):
            with pytest.raises(InvalidArgument, match="one to the database of this ledger"):
                call(ledger.within(connection))


def test_a_transaction_that_is_too_old_or_broken_says_so(service: Service) -> None:
    """In SQLite one that has read before another's commit, in PostgreSQL one with a failed statement."""
    with service.connect() as connection:
        inside = service.ledger.within(connection)
        if isinstance(connection, psycopg.Connection):
            with suppress(psycopg.Error):
                connection.execute("SELECT 1 / 0")
            expected = "an earlier statement of the transaction failed; roll it back, and begin another"
        else:
            connection.execute("BEGIN")
            connection.execute("SELECT * FROM sqlite_master").fetchall()
            expected = "another connection has written since the transaction began; roll it back, and begin another"
        pay(service.ledger, OPENED_ON, "bank-other")
        with pytest.raises(StoreUnavailable, match=expected):
            pay(inside, OPENED_ON, "bank-1")
        connection.rollback()
        pay(inside, OPENED_ON, "bank-1")
        connection.commit()
    assert service.ledger.history("P-1")[-1].key == "bank-1"


def test_rows_are_read_as_text_whatever_the_caller_reads(tmp_path: Path) -> None:
    """A connection with factories of its own keeps them."""
    with Ledger.open(f"sqlite:///{tmp_path}/books.db") as ledger:
        open_plan(ledger)
        with closing(sqlite3.connect(tmp_path / "books.db")) as connection:
            connection.row_factory, connection.text_factory = sqlite3.Row, bytes
            paid = pay(ledger.within(connection), OPENED_ON, "bank-1")
            assert connection.execute("SELECT 'x'").fetchone()[0] == b"x"
            connection.commit()
        assert ledger.history("P-1")[1:] == paid


def test_a_sqlalchemy_session_lends_its_connection(shared_url: str, name: str) -> None:
    """A session, or a connection, of SQLAlchemy: its transaction is the ledger's."""
    engine = create_engine(shared_url.replace("postgresql://", "postgresql+psycopg://"))
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)
        with Session(engine) as session:
            session.execute(text(_ORDERS.format(table=f"{name}_orders")))
            session.execute(text(f"INSERT INTO {name}_orders VALUES ('order-1')"))
            pay(ledger.within(session), OPENED_ON, "bank-1")
            session.commit()
        with engine.connect() as connection:
            connection.execute(text(f"INSERT INTO {name}_orders VALUES ('order-2')"))
            pay(ledger.within(connection), date(2023, 5, 10), "bank-2")
            connection.rollback()
        with Session(engine) as session:
            assert session.execute(text(f"SELECT * FROM {name}_orders")).fetchall() == [("order-1",)]
        assert [event.key for event in ledger.history("P-1")] == ["P-1", "bank-1", "bank-1"]
    engine.dispose()


@pytest.mark.parametrize("opened", [Session, Engine.connect])
def test_sqlalchemy_commits_what_only_the_ledger_has_begun(shared_url: str, name: str, opened: Any) -> None:
    """Its `commit` does nothing outside a transaction of its own: the ledger begins one, again after each commit."""
    engine = create_engine(shared_url.replace("postgresql://", "postgresql+psycopg://"))
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)
        with opened(engine) as lending:
            inside = ledger.within(lending)
            for number, end in enumerate((lending.commit, lending.rollback, lending.commit)):
                pay(inside, OPENED_ON, f"bank-{number}", amount="1.00")
                end()
            assert [event.key for event in ledger.history("P-1")] == ["P-1", "bank-0", "bank-2"]
            pay(inside, OPENED_ON, "bank-3", amount="1.00")
            with lending.begin_nested() as savepoint:
                pay(inside, OPENED_ON, "bank-4", amount="1.00")
                savepoint.rollback()
            pay(inside, OPENED_ON, "bank-4", amount="2.00")
            lending.commit()
        assert ledger.position("P-1", as_of=OPENED_ON).paid == usd("5.00")
    engine.dispose()


def test_alembic_leaves_the_ledgers_tables_alone(shared_url: str, name: str) -> None:
    """With the recipe of the documentation, autogenerate proposes nothing about them; without it, to drop them."""
    engine = create_engine(shared_url.replace("postgresql://", "postgresql+psycopg://"))

    def include_name(table: str | None, kind: str, _: Any) -> bool:
        return kind != "table" or not str(table).startswith((f"{name}_", "installment_ledger_"))

    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)
        ledger.overdue()
        proposals = []
        for options in ({"include_name": include_name}, {}):
            with engine.connect() as connection:
                context = MigrationContext.configure(connection, opts=options)
                changes = compare_metadata(context, MetaData())
            proposals.append({change[1].name for change in changes if change[0] == "remove_table"})
    kept_out, all_tables = ({table for table in found if table.startswith(name)} for found in proposals)
    assert kept_out == set()
    assert f"{name}_events" in all_tables
    engine.dispose()
