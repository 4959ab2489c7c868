"""The schema of a ledger's tables: created and brought up to date explicitly, one process at a time.

Each ledger in a database has a version. A newer one than this library knows is refused; an older or missing one is
brought up to date where the caller allows it: by `installment-ledger migrate`, or on opening for embedded use.
"""

from collections.abc import Sequence

from ledger.errors import StoreUnavailable
from ledger.store.recording import unavailable
from ledger.store.sql import Cursor, Database

VERSION = 1
"""What this library reads and writes."""

_TABLE = "installment_ledger_schema"


def version(database: Database, name: str) -> int:
    """Return the version of a ledger's tables; 0 if there is no such ledger."""
    if not database.has_table(_TABLE):
        return 0
    found = database.query(f"SELECT version FROM {_TABLE} WHERE ledger = ?", (name,))
    return int(found[0][0]) if found else 0


def prepare(database: Database, label: str, name: str, tables: Sequence[str], *, create: bool) -> None:
    """Make sure that the ledger's tables are those that this library knows; create them if they are missing.

    Raises `StoreUnavailable` for a newer version and, without `create`, for a missing one.
    """
    with unavailable(label):
        found = _prepared(database, name, tables, create=create)
    if found == 0:
        reason = f"there is no ledger {name!r} in it"
        remedy = "check the URL and the name, or create it with `installment-ledger migrate`"
        raise StoreUnavailable(store=label, reason=reason, remedy=remedy)
    if found > VERSION:
        reason = f"the ledger {name!r} has schema version {found}, and this library knows {VERSION}"
        raise StoreUnavailable(store=label, reason=reason, remedy="upgrade installment-ledger on this machine")


def _prepared(database: Database, name: str, tables: Sequence[str], *, create: bool) -> int:
    """Create the tables if they are missing and may be; return their version, 0 if they are not there."""
    found = version(database, name)
    if found == 0 and create:
        insert = f"INSERT INTO {_TABLE} (ledger, version) VALUES (?, ?) ON CONFLICT (ledger) DO NOTHING RETURNING 1"

        def change(cursor: Cursor) -> None:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE} (ledger TEXT PRIMARY KEY, version INTEGER NOT NULL)")
            cursor.execute(database.sql(insert), (name, VERSION))
            if cursor.fetchall():  # otherwise another process was faster, and has committed
                for statement in tables:
                    cursor.execute(statement)

        database.create(change)
        found = version(database, name)
    return found
