"""The spool: a sorted list, however little of it may stay in memory."""

import tracemalloc
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.book import EXAMPLE, read_book
from ledger.importing import import_book
from ledger.service import Ledger
from ledger.spool import Spool


@given(items=st.lists(st.tuples(st.integers(0, 9), st.integers())), in_memory=st.integers(1, 12))
def test_a_spool_is_a_sorted_list(items: list[tuple[int, int]], in_memory: int) -> None:
    """Whatever fits into memory, the items come in the order of the key, and equal ones as they were added; twice."""
    spool: Spool[tuple[int, int]] = Spool(itemgetter(0), in_memory=in_memory)
    for item in items:
        spool.add(item)
    for _ in range(2):
        assert list(spool) == sorted(items, key=itemgetter(0))
    assert len(spool) == len(items)
    assert all(item in spool for item in items)
    assert (99, 99) not in spool
    spool.close()
    assert list(spool) == []


def test_what_is_too_much_leaves_the_memory() -> None:
    """A hundred thousand items of a kilobyte take the memory of the thousand that may stay."""
    tracemalloc.start()
    spool: Spool[tuple[int, str]] = Spool(itemgetter(0), in_memory=1_000)
    for number in range(30_000):
        spool.add((-number, str(number).zfill(1_000)))
    assert sum(len(text) for _, text in spool) == 30_000_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6_000_000


def test_a_book_that_does_not_fit_is_imported_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled book, of which only a hundred rows may stay in memory, comes to the same events and refusals."""
    with Ledger.open("memory://") as whole, Ledger.open("memory://") as spooled:
        expected = import_book(whole, read_book(EXAMPLE))
        monkeypatch.setattr(Spool.__init__, "__kwdefaults__", {"in_memory": 100})
        assert import_book(spooled, read_book(EXAMPLE)) == expected
        assert list(spooled.events()) == list(whole.events())
