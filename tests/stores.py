"""The factories of our own stores, for the contract of stores; the location is in the environment."""

import os

from ledger.store import Store, open_store

LOCATION = "LEDGER_STORE_UNDER_TEST"
"""The variable that holds the URL, for other processes too."""


def memory(name: str) -> Store:
    """Return a store in memory: nothing of it outlives the process."""
    return open_store("memory://", name)


memory.lacks = {"restart", "processes", "snapshots"}  # type: ignore[attr-defined]  # an attribute of a function


def database(name: str) -> Store:
    """Return a store in the database at the location: SQLite or PostgreSQL."""
    return open_store(os.environ[LOCATION], name)
