"""Queries of a large book, and closing books of several sizes: on SQLite, without stock and floor."""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from random import Random
from statistics import median
from time import perf_counter

from benchmarks.common import Effort, Result, equal
from benchmarks.databases import Databases
from benchmarks.generated_book import DAYS, TODAY, Book, investor_id, partner_id
from benchmarks.measure import interleaved
from ledger import Ledger
from ledger.projections.builtin import PERIODS
from ledger.readmodel.runner import Runner
from ledger.store import open_store

SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}
"""Plans of a book, by the size in the names of its steps."""

_NAME = "book"

_DUE = 1_000
"""Plans that become overdue on each of the days."""

_WARM_UP = 5
_DAY = timedelta(days=1)


def overdue(databases: Databases, effort: Effort, *, size: str) -> Result:
    """Overdue list of one partner, on the days of two months."""
    step, dice = f"overdue/{size}", Random(1)
    with _ledger(databases, size) as (book, ledger):
        partner = partner_id(book.partners // 2)
        expected = [plan.plan_id for plan in ledger.positions(partner=partner, as_of=TODAY, status="in_grace")]
        for plan in ledger.positions(partner=partner, as_of=TODAY):
            equal(step, f"the status of {plan.plan_id}", plan.status == "in_grace", plan.plan_id in expected)
        listed = sorted(row.plan_id for row in ledger.overdue(partner=partner, as_of=TODAY))
        equal(step, f"the overdue plans of {partner}", expected, listed)

        def ask() -> int:
            wanted, day = partner_id(dice.randrange(book.partners)), TODAY - dice.randrange(60) * _DAY
            return len(ledger.overdue(partner=wanted, as_of=day))

        return Result(step, _rate(ask, effort.queries))


def balance(databases: Databases, effort: Effort, *, size: str) -> Result:
    """Share balance of one investor, on the days of three years."""
    step, dice = f"balance/{size}", Random(2)
    with _ledger(databases, size) as (book, ledger):
        investors = book.plans // 2  # there are a few more
        investor = investor_id(investors // 2)
        (row,) = ledger.balances(investor=investor, as_of=TODAY)
        credited = sum(plan.shares_credited for plan in ledger.positions(investor=investor, as_of=TODAY))
        equal(step, f"the shares of {investor}", row.shares_credited, credited)

        def ask() -> int:
            wanted, day = investor_id(dice.randrange(investors)), TODAY - dice.randrange(1_000) * _DAY
            return len(ledger.balances(investor=wanted, as_of=day))

        return Result(step, _rate(ask, effort.queries))


def portfolio(databases: Databases, effort: Effort, *, size: str) -> Result:
    """Portfolio totals, on the days of three years."""
    step, dice = f"portfolio/{size}", Random(3)
    with _ledger(databases, size) as (book, ledger):
        equal(step, "the plans", book.plans, sum(row.plans for row in ledger.portfolio(as_of=TODAY)))

        def ask() -> int:
            return len(ledger.portfolio(as_of=TODAY - dice.randrange(1_000) * _DAY))

        return Result(step, _rate(ask, effort.queries))


def close(databases: Databases, *, size: str) -> Result:
    """Close the books through the next day, on which the same number of plans become overdue in books of every size."""
    step = f"close/{size}"
    with _ledger(databases, size) as (_, ledger):

        def before(_name: str, _round: int) -> None:
            ledger.portfolio(as_of=TODAY)  # catches up with the last closing

        def work(number: int) -> int:
            events = ledger.close_books(through=TODAY + number * _DAY)
            equal(step, "plans closed", _DUE, len({event.plan_id for event in events}), len(events))
            return len(events)

        rates = interleaved({"ours": work}, rounds=DAYS - 1, before=before)
    return Result(step, rates["ours"])


def _rate(query: Callable[[], int], queries: int) -> float:
    """Return the rate of the median query, per second."""
    seconds = []
    for _ in range(_WARM_UP + queries):
        started = perf_counter()
        query()
        seconds.append(perf_counter() - started)
    return 1 / median(seconds[_WARM_UP:])


@contextmanager
def _ledger(databases: Databases, size: str) -> Iterator[tuple[Book, Ledger]]:
    """Open the book of a size; the first step of a run that needs it generates it."""
    book, path = Book(SIZES[size], due=_DUE), databases.folder / f"book-{size}.db"
    url = f"sqlite:///{path}"
    if not path.exists():
        with closing(open_store(url, _NAME)) as store:
            started = perf_counter()
            events = sum(len(store.append(save)) for save in book.saves())
            appended = perf_counter()
            Runner(store, PERIODS).catch_up()
            caught_up = perf_counter()
        timing = (
            f"{events:,} events appended in {appended - started:,.0f} s, caught up in {caught_up - appended:,.0f} s"
        )
        print(f"a book of {book.plans:,} plans: {timing}", file=sys.stderr, flush=True)
    with Ledger.open(url, name=_NAME) as ledger:
        yield book, ledger
