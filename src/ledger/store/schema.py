"""The schema of a ledger's tables: created and brought up to date explicitly, one process at a time.

Each ledger in a database has a version. A newer one than this library knows is refused; missing tables are created
where the caller allows it: by `installment-ledger migrate`, or on opening for embedded use.
"""

from collections.abc import Iterable, Mapping, Sequence

from eventsourcing.persistence import OperationalError

from ledger.errors import StoreUnavailable
from ledger.store.errors import unavailable
from ledger.store.sql import Cursor, Database

VERSION = 3
"""The version that this library reads and writes. Earlier ones were never released."""

_TABLE = "installment_ledger_schema"


def version(database: Database, name: str) -> int:
    """Return the version of a ledger's tables; 0 if there is no such ledger. Raises `OperationalError`."""
    if _TABLE not in database.tables(_TABLE):
        return 0
    found = database.query(f"SELECT version FROM {_TABLE} WHERE ledger = ?", (name,))
    stored = found[0][0] if found else 0
    if not isinstance(stored, int):
        raise OperationalError(f"the schema version of the ledger {name!r} is {stored!r}, which is no number")
    return stored


def prepare(
    database: Database, label: str, name: str, tables: Mapping[str, str], *, create: bool, begin: Sequence[str] = ()
) -> None:
    """Make sure that the ledger's tables are those that this library knows; create what is missing.

    `tables` maps their names to the statements that create them; `begin` are statements that fill them, where they are
    empty. Raises `StoreUnavailable` for a newer version and,
    without `create`, for what is missing.
    """
    with unavailable(label):
        found, complete = version(database, name), _complete(database, tables)
        if create and found in (0, VERSION) and not (found and complete):
            database.create(lambda cursor: _create(database, cursor, name, [*tables.values(), *begin]))
            found, complete = version(database, name), _complete(database, tables)
    if found > VERSION:
        reason = f"the ledger {name!r} has schema version {found}, and this library knows {VERSION}"
        raise StoreUnavailable(store=label, reason=reason, remedy="upgrade installment-ledger on this machine")
    if 0 < found < VERSION:
        reason = f"the ledger {name!r} has schema version {found}, of a library that was never released"
        raise StoreUnavailable(store=label, reason=reason, remedy="import its book into a new ledger")
    if found == 0 or not complete:
        reason = f"there is no ledger {name!r} in it" if found == 0 else f"tables of the ledger {name!r} are missing"
        remedy = "check the URL and the name, or create it with `installment-ledger migrate`"
        raise StoreUnavailable(store=label, reason=reason, remedy=remedy)


def _complete(database: Database, tables: Iterable[str]) -> bool:
    return all(table in database.tables(table) for table in tables)


def _create(database: Database, cursor: Cursor, name: str, statements: Iterable[str]) -> None:
    """Create what is missing: everything, or what a restore of the events alone has left out."""
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE} (ledger TEXT PRIMARY KEY, version INTEGER NOT NULL)")
    insert = f"INSERT INTO {_TABLE} (ledger, version) VALUES (?, ?) ON CONFLICT (ledger) DO NOTHING"
    cursor.execute(database.sql(insert), (name, VERSION))
    for statement in statements:
        cursor.execute(statement)
