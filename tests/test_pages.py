"""Pages: every list in parts, by a cursor; the parts together are the list."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import InvalidArgument, Ledger, Listing, PlanNotFound
from ledger.events import RecordedEvent
from ledger.projections.builtin import PERIODS
from ledger.readmodel.periods import Day, PeriodTables, Seek
from ledger.readmodel.runner import Runner
from ledger.readmodel.tables import Tables
from tests.examples import OPENED_ON, RECORDED_AT, TERMS, pay, usd
from tests.strategies import one_in
from tests.test_read_model import FAR, ledgers

IDS = ("Z-1", "a-1", "B-2", "b 1", "é-1", "E-1", "_x", "P-10", "P-9", "ä", "z", "日本", "Å", "p-9")
"""A locale sorts them in another order than their code points."""


Ask = Callable[..., Any]


def _pages(ask: Ask, limit: int, **asked: Any) -> Iterator[Listing[Any]]:
    after = None
    while True:
        page = ask(**asked, limit=limit, after=after)
        yield page
        if (after := page.next) is None:
            return


def _together(ask: Ask, limit: int, **asked: Any) -> list[Any]:
    pages = list(_pages(ask, limit, **asked))
    assert {len(page) for page in pages[:-1]} <= {limit}
    assert 0 < len(pages[-1]) <= limit or len(pages) == 1
    return [row for page in pages for row in page]


def _lists(ledger: Ledger) -> Sequence[Ask]:
    return (ledger.positions, ledger.overdue, ledger.balances, ledger.portfolio, ledger.receipts, ledger.unallocated)


def _fill(ledger: Ledger, recorded_at: datetime = RECORDED_AT) -> None:
    """Open plans of three investors in three time zones; some are in grace, of them some to the same day."""
    zones = ("Europe/Moscow", "America/Mexico_City", "Pacific/Auckland")
    for number, plan_id in enumerate(IDS):
        terms = attrs.evolve(TERMS, timezone=zones[number % 3], grace_days=19 + number % 2)
        ledger.open_plan(
            plan_id,
            investor=IDS[-1 - number // 3],
            partner=f"N-{number % 2}",
            terms=terms,
            opened_at=OPENED_ON,
            recorded_at=recorded_at,
        )
        if number % 5 == 0:
            ledger.record_payment(
                plan_id, reference="bank-1", amount=usd("150.00"), paid_at=OPENED_ON, recorded_at=recorded_at
            )


@one_in(4)
@given(data=st.data())
def test_pages_together_are_the_list(data: st.DataObject) -> None:
    """At any date, as known at any time, whatever the length of the pages: no row twice, none left out, same order."""
    events = data.draw(ledgers())
    dates = sorted({event.event.effective_on + timedelta(days=shift) for event in events for shift in (0, 1, 19)})
    asked = {"as_of": data.draw(st.sampled_from(dates)), "known_at": data.draw(st.sampled_from([None, FAR]))}
    limit = data.draw(st.integers(1, 4))
    with Ledger.open("memory://") as ledger:
        ledger._store.append(events)
        for ask in _lists(ledger):
            assert _together(ask, limit, **asked) == [*ask(**asked)]


@pytest.mark.parametrize("limit", [1, 2, 5, len(IDS), 100])
def test_every_store_sorts_as_python_does(url: str, name: str, limit: int) -> None:
    """Pages of today, in three time zones, are in the order of code points in every database."""
    now = datetime(2023, 4, 11, 3, tzinfo=UTC)  # the 10th in Mexico City, the 11th elsewhere
    with Ledger.open(url, name=name, clock=lambda: now) as ledger:
        _fill(ledger, now)
        assert [position.plan_id for position in _together(ledger.positions, limit)] == sorted(IDS)
        urgency = [(row.grace_ends_on, row.plan_id) for row in _together(ledger.overdue, limit)]
        assert (len(urgency), urgency) == (len(IDS) - 3 - 4, sorted(urgency))
        investors = [row.investor for row in _together(ledger.balances, limit)]
        assert investors == sorted(IDS[-5:])
        for ask in _lists(ledger):
            assert _together(ask, limit) == [*ask()]
        of: Any = {"investor": IDS[-1]}
        assert _together(ledger.positions, limit, **of) == [*ledger.positions(**of)] != []
        assert _together(ledger.overdue, limit, partner="N-1") == [*ledger.overdue(partner="N-1")] != []


def test_the_locale_of_a_database_sorts_nothing(postgres_url: str, name: str) -> None:
    """Every column of text in PostgreSQL is sorted by code points, and so are its indexes."""
    with Ledger.open(postgres_url, name=name) as ledger:
        _fill(ledger)
        ledger.overdue()
        sql = (
            "SELECT DISTINCT collation_name::text FROM information_schema.columns "
            "WHERE data_type = 'text' AND left(table_name, ?) = ?"
        )
        table = f"{name}_periods_1"
        assert ledger._store.views.query(sql, (len(table), table)) == [("C",)]


def test_a_cursor_names_a_row_and_not_a_number(ledger: Ledger) -> None:
    """A plan that leaves the list, or joins it, between two pages neither repeats nor hides another one."""
    _fill(ledger)
    day = OPENED_ON + timedelta(days=5)
    whole = [row.plan_id for row in ledger.overdue(as_of=day)]
    first = ledger.overdue(as_of=day, limit=3)
    for plan_id in (whole[0], whole[4]):
        ledger.record_payment(
            plan_id, reference="late", amount=usd("150.00"), paid_at=OPENED_ON, recorded_at=RECORDED_AT
        )
    second = ledger.overdue(as_of=day, limit=100, after=first.next)
    assert [row.plan_id for row in second] == [whole[3], *whole[5:]]
    assert (second.next, len(first)) == (None, 3)


def test_a_page_reads_no_more_rows_than_it_has(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database limits the rows: one more than the page has, or the plans of one more investor."""
    _fill(ledger)
    day = OPENED_ON + timedelta(days=1)
    ledger.overdue(as_of=day)
    read: list[int] = []
    views = type(ledger._store.views)
    query = views.query

    def counted(self: Any, sql: str, parameters: Any = ()) -> Any:
        rows = query(self, sql, parameters)
        read.append(len(rows) if "_periods" in sql else 0)
        return rows

    monkeypatch.setattr(views, "query", counted)
    ledger.overdue(as_of=day, limit=2)
    assert sum(read) == 3
    read.clear()
    ledger.balances(as_of=day, limit=1)
    assert 1 < sum(read) <= 6
    asked = _replayed(monkeypatch, ledger)
    assert [row.plan_id for row in ledger.positions(as_of=day, limit=2)] == sorted(IDS)[:2] == asked


def test_pages_are_read_from_indexes(tmp_path: Path) -> None:
    """No page of positions or balances sorts, or goes through the rows before it."""
    with Ledger.open(f"sqlite:///{tmp_path}/books.db") as ledger:
        _fill(ledger)
        views = ledger._store.views
        asked: list[tuple[str, Any]] = []

        def noted(sql: str, parameters: Any) -> Any:
            asked.append((sql, parameters))
            return views.query(sql, parameters)

        tables = PeriodTables(Tables(views, PERIODS, Runner(ledger._store, PERIODS).catch_up(), noted))
        for seek in (Seek(["plan_id"], ["P-9"], 3), Seek(["investor"], ["I"], 3, whole=True)):
            assert tables.on([Day(OPENED_ON)], {}, seek)
        for sql, parameters in asked:
            steps = [str(step[-1]) for step in views.query(f"EXPLAIN QUERY PLAN {sql}", parameters)]
            assert not [step for step in steps if step.startswith("SCAN") and "keys" not in step], steps
            assert not [step for step in steps if "B-TREE" in step], steps


def _replayed(monkeypatch: pytest.MonkeyPatch, ledger: Ledger) -> list[str]:
    """Return a list that is filled with the ids of the plans whose histories are read."""
    asked: list[str] = []
    for base in type(ledger._store).__mro__[:-1]:
        if histories := vars(base).get("raw_histories"):

            def noted(self: Any, stream_ids: Sequence[str], *, read: Any = histories, **kind: Any) -> Any:
                asked.extend(stream_ids)
                return read(self, stream_ids, **kind)

            monkeypatch.setattr(base, "raw_histories", noted)
    return asked


@pytest.mark.parametrize("catch_up", [True, False])
def test_the_past_of_one_investor_touches_his_plans_only(
    shared_url: str, name: str, monkeypatch: pytest.MonkeyPatch, *, catch_up: bool
) -> None:
    """As known at an instant, only the plans of the investor or partner are replayed, and those opened since."""
    with Ledger.open(shared_url, name=name) as ledger:
        _fill(ledger)
        ledger.overdue()
    with Ledger.open(shared_url, name=name, catch_up=catch_up) as ledger:
        new = {"investor": "I-new", "partner": None, "terms": TERMS, "opened_at": OPENED_ON}
        ledger.open_plan("P-new", **new, recorded_at=RECORDED_AT)  # type: ignore[arg-type]  # typed one by one
        if catch_up:
            ledger.overdue()
        expected = [row for row in ledger.balances(known_at=FAR, as_of=OPENED_ON) if row.investor == IDS[-1]]
        asked = _replayed(monkeypatch, ledger)
        assert [*ledger.balances(investor=IDS[-1], known_at=FAR, as_of=OPENED_ON)] == expected
        assert sorted(asked) == sorted([*IDS[:3], *([] if catch_up else ["P-new"])])
        (row,) = ledger.balances(investor="I-new", known_at=FAR, as_of=OPENED_ON)
        assert row.plans == 1


def test_a_page_of_the_past_ends_when_it_is_full(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions as known at an instant are replayed from the cursor on, and no further than a page of plans."""
    monkeypatch.setattr("ledger.replay.PAGE", 2)
    _fill(ledger)
    ids = sorted(IDS)
    first = ledger.positions(known_at=FAR, as_of=OPENED_ON, limit=1)
    asked = _replayed(monkeypatch, ledger)
    second = ledger.positions(known_at=FAR, as_of=OPENED_ON, limit=1, after=first.next)
    assert ([row.plan_id for row in second], second.next is None) == (ids[1:2], False)
    assert ids[0] not in asked


def test_events_and_histories_have_pages(ledger: Ledger) -> None:
    """The cursor of a history is a version, that of the log a sequence: those of the last event of the page before."""
    _fill(ledger)
    for number in range(5):
        pay(ledger, OPENED_ON + timedelta(days=number), f"bank-{number + 2}", plan_id="Z-1")
    asks: list[tuple[Ask, str]] = [
        (lambda **page: ledger.history("Z-1", **page), "version"),
        (lambda **page: tuple(ledger.events(**page)), "sequence"),
    ]
    for ask, position in asks:
        whole: tuple[RecordedEvent, ...] = ask()
        pages, after = [], 0
        while page := ask(after=after, limit=3):
            pages.append(page)
            after = getattr(page[-1], position)
        assert [event for page in pages for event in page] == [*whole]
        assert {len(page) for page in pages[:-1]} == {3}
        assert ask(after=after) == ()
    with pytest.raises(PlanNotFound):
        ledger.history("P-404", after=3)


def test_a_page_that_cannot_be_is_refused(ledger: Ledger) -> None:
    """A limit is a whole number from 1, a cursor the `next` of a page of the same list."""
    _fill(ledger)
    foreign = ledger.overdue(as_of=date(2023, 4, 11), limit=1).next
    asks: list[Ask] = [*_lists(ledger), ledger.events, lambda **page: ledger.history("Z-1", **page)]
    for ask in asks:
        for limit in (0, -1, 1.0, True, "3", 2**63):
            with pytest.raises(InvalidArgument, match=r"^limit is .*expected a whole number"):
                ask(limit=limit)
    for ask in (one for one in _lists(ledger) if one != ledger.overdue):
        others = () if ask in (ledger.receipts, ledger.unallocated) else (foreign,)  # theirs is of the same form
        for after in ("", "P-1", "é", 3, b"x", "bm9uc2Vuc2U", "WyIAIl0", "W" * 100_000, *others):
            with pytest.raises(InvalidArgument, match=r"^after is .*expected the `next` of an earlier page"):
                ask(after=after)
    with pytest.raises(InvalidArgument, match=r"^after is"):
        ledger.history("Z-1", after=-1)


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_a_statement_comes_in_pages_too(ledger: Ledger, limit: int) -> None:
    """Page by page it is the whole, with the same running balances; a payment recorded late hides no later line."""
    _fill(ledger)
    plan_id, day = IDS[0], OPENED_ON + timedelta(days=60)
    whole = ledger.statement(plan_id, as_of=day)
    assert (len(whole) > 3, whole.next) == (True, None)
    pages = list(_pages(ledger.statement, limit, plan_id=plan_id, as_of=day))
    assert [line for page in pages for line in page] == [*whole]
    assert {len(page) for page in pages[:-1]} <= {limit}
    with pytest.raises(InvalidArgument, match="the `next` of an earlier page"):
        ledger.statement(plan_id, after="x")
    if pages[0].next:
        ledger.record_payment(plan_id, reference="late", amount=usd("1.00"), paid_at=OPENED_ON)
        rest = ledger.statement(plan_id, as_of=day, after=pages[0].next)
        assert {line.on for line in whole[limit:]} <= {line.on for line in rest}
