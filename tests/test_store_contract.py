"""The contract of stores, run on ours: in memory, SQLite and PostgreSQL."""

import pytest

from ledger.testing.store_contract import *  # noqa: F403 - these are its tests and fixtures
from ledger.testing.store_contract import StoreUnderTest
from ledger.testing.store_contract import _promised as _promised  # noqa: PLC0414 - applies to the tests of this module, too
from tests import stores


@pytest.fixture
def ledger_store(url: str, monkeypatch: pytest.MonkeyPatch) -> StoreUnderTest:
    """Each of our stores in turn."""
    monkeypatch.setenv(stores.LOCATION, url)
    return StoreUnderTest("tests.stores:memory" if url == "memory://" else "tests.stores:database")
