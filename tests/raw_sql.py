"""Tables as somebody sees them who goes past the library."""

from collections.abc import Sequence
from typing import Any

from ledger import Ledger
from ledger.store.sql import Database


def _database(ledger: Ledger, *, views: bool) -> Database:
    store: Any = ledger._store
    database: Database = store.views._database if views else store._recorder.database
    return database


def change(ledger: Ledger, sql: str, *values: object, views: bool = False) -> None:
    """Run a statement on the ledger's database, or on that of its views; the ledger is called `books` in it."""
    database = _database(ledger, views=views)
    statement = database.sql(sql.replace("books_", f"{ledger._store.views.prefix}_"))
    database.write(lambda cursor: cursor.execute(statement, values))


def change_each(ledger: Ledger, sql: str, rows: Sequence[Sequence[object]]) -> None:
    """Run a statement on the ledger's database for each row of values, in one transaction."""
    database = _database(ledger, views=False)
    statement = database.sql(sql.replace("books_", f"{ledger._store.views.prefix}_"))
    database.write(lambda cursor: cursor.executemany(statement, rows))


def names(ledger: Ledger, *, views: bool = False) -> set[str]:
    """Return the tables of a ledger, without what their names begin with."""
    database = _database(ledger, views=views)
    if database.sql("?") == "?":
        rows = database.query("SELECT name FROM sqlite_master WHERE type = 'table'")
    else:
        rows = database.query("SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()")
    prefix = f"{ledger._store.views.prefix}_"
    return {name.removeprefix(prefix) for (name,) in rows if name.startswith(prefix)}
