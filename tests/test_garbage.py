"""The garbage collector rests while many events are recorded or read, and works again afterwards."""

import gc
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ledger import Ledger, garbage
from ledger.books.importer import import_book
from ledger.books.reader import EXAMPLE, read_book
from tests.examples import OPENED_ON, open_plan, pay


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """Switch the collector on, and leave it on."""
    gc.enable()
    yield
    gc.enable()


def test_the_collector_rests_within_and_works_afterwards() -> None:
    """Nested pauses end with the outermost one."""
    with garbage.paused():
        assert not gc.isenabled()
        with garbage.paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_error_ends_the_pause() -> None:
    """Work that fails leaves the collector as it was."""
    with pytest.raises(LookupError), garbage.paused():
        raise LookupError
    assert gc.isenabled()


def test_a_collector_that_the_caller_has_switched_off_stays_off() -> None:
    """Only a pause of ours ends with us."""
    gc.disable()
    with garbage.paused():
        assert not gc.isenabled()
    assert not gc.isenabled()


def test_it_rests_while_a_book_is_imported_and_not_while_a_payment_is_recorded() -> None:
    """The clock is read in the middle of either; it sees whether the collector works."""
    works: list[bool] = []

    def clock() -> datetime:
        works.append(gc.isenabled())
        return datetime.now(UTC)

    with Ledger.open("memory://", clock=clock) as ledger:
        open_plan(ledger)
        pay(ledger, OPENED_ON, "bank-1")
        assert all(works)
        works.clear()
        import_book(ledger, read_book(EXAMPLE))
    assert works.count(False) > works.count(True)
    assert gc.isenabled()
