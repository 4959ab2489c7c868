"""The external sort: a sorted list, however little of it may stay in memory."""

import subprocess
import sys
import tracemalloc
from operator import itemgetter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.books.external_sort import ExternalSort
from ledger.books.importer import import_book
from ledger.books.reader import EXAMPLE, read_book
from ledger.service import Ledger


@given(items=st.lists(st.tuples(st.integers(0, 9), st.integers())), in_memory=st.integers(1, 12))
def test_an_external_sort_is_a_sorted_list(items: list[tuple[int, int]], in_memory: int) -> None:
    """However much fits into memory, items come in the order of the key, equal ones as they were added; twice."""
    external_sort: ExternalSort[tuple[int, int]] = ExternalSort(itemgetter(0), in_memory=in_memory)
    for item in items:
        external_sort.add(item)
    for _ in range(2):
        assert list(external_sort) == sorted(items, key=itemgetter(0))
    assert len(external_sort) == len(items)
    assert all(item in external_sort for item in items)
    assert (99, 99) not in external_sort
    external_sort.close()
    assert list(external_sort) == []


def test_items_beyond_the_limit_leave_the_memory() -> None:
    """Thirty thousand items of a kilobyte take the memory of the thousand that may stay."""
    tracemalloc.start()
    external_sort: ExternalSort[tuple[int, str]] = ExternalSort(itemgetter(0), in_memory=1_000)
    for number in range(30_000):
        external_sort.add((-number, str(number).zfill(1_000)))
    assert sum(len(text) for _, text in external_sort) == 30_000_000
    assert all(number == -int(text) for number, text in external_sort)
    assert [number for number, _ in external_sort] == list(range(-29_999, 1))
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert highest < 6_000_000


def test_a_book_that_does_not_fit_is_imported_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled book, of which only a hundred rows may stay in memory, comes to the same events and refusals."""
    with Ledger.open("memory://") as whole, Ledger.open("memory://") as in_parts:
        expected = import_book(whole, read_book(EXAMPLE))
        monkeypatch.setattr(ExternalSort.__init__, "__kwdefaults__", {"in_memory": 100})
        report = import_book(in_parts, read_book(EXAMPLE))
        assert (report.recorded, report.repeated) == (expected.recorded, expected.repeated)
        assert list(report.refused) == list(expected.refused)
        assert list(in_parts.events()) == list(whole.events())


_FULL = """
import resource, signal
from operator import itemgetter
from ledger import Ledger, StoreUnavailable
from ledger.audit.examination.run import audit
from ledger.books.external_sort import ExternalSort
from tests.examples import open_plan

books = Ledger.open("memory://")
open_plan(books)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
external_sort = ExternalSort(itemgetter(0), in_memory=10)
for fill in (lambda: [external_sort.add((number,)) for number in range(20)], lambda: audit(books, processes=1)):
    try:
        fill()
    except StoreUnavailable as error:
        print(error)
external_sort.close()
"""


def test_a_full_temporary_folder_is_named() -> None:
    """An import and an audit end in a sentence that says what to free, and their files go."""
    root = Path(__file__).parent.parent
    run = subprocess.run([sys.executable, "-c", _FULL], cwd=root, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    for line in run.stdout.splitlines():
        assert line.startswith("Temporary folder /")
        assert line.endswith(": File too large; free space in it, or name another one in TMPDIR.")
    assert run.stdout.count("\n") == 2
