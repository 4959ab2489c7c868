"""Lists and what runs beside them: what a fresh pair of eyes found."""

from collections.abc import Iterator
from datetime import timedelta
from threading import Event, Timer
from time import monotonic

import attrs
import pytest

from ledger import CorruptHistory, InvalidArgument, Ledger, NotCaughtUp, PlanNotFound, StoreUnavailable
from ledger.readmodel import runner, verification
from ledger.readmodel.runner import ReadModel
from tests.examples import OPENED_ON, open_plan, pay

LATE = OPENED_ON + timedelta(days=5)


@pytest.fixture
def both(shared_url: str, name: str) -> Iterator[tuple[Ledger, Ledger]]:
    """A ledger, and a reader of it whose lists nobody brings on."""
    with (
        Ledger.open(shared_url, name=name) as ledger,
        Ledger.open(shared_url, name=name, catch_up=False) as behind,
    ):
        yield ledger, behind


def test_verifying_what_lags_by_whole_pages(both: tuple[Ledger, Ledger], monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans that the rows have not taken in yet are none of theirs, be they a page of them."""
    ledger, behind = both
    monkeypatch.setattr(verification, "_TOGETHER", 1)
    open_plan(ledger, "P-1")
    ledger.overdue()
    for number in (2, 3):
        open_plan(ledger, f"P-{number}")
    found = behind.verify()
    assert (found.plans, found.differences) == (1, ())


def test_positions_of_a_status_have_it_where_lists_lag(both: tuple[Ledger, Ledger]) -> None:
    """Positions are of the moment of the list that chose them, not of what was recorded since."""
    ledger, behind = both
    open_plan(ledger)
    ledger.overdue()
    pay(ledger, OPENED_ON, "bank-1", amount="3000.00")
    (position,) = behind.positions(status="in_grace", as_of=LATE)
    assert (position.status, position.paid.minor) == ("in_grace", 0)
    assert behind.positions(status="completed", as_of=LATE) == ()
    (position,) = ledger.positions(status="completed", as_of=LATE)
    assert position.status == "completed"


def test_rows_that_are_gone_are_asked_for_again(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verifying, and asking for the first time, while a rebuild ends: the rows that took over answer."""
    open_plan(ledger)
    model = ReadModel(ledger._store)
    model.catch_up()
    gone = model.live()
    assert ledger.rebuild().differences == ()
    live, views = model.live(), [gone]
    monkeypatch.setattr(ReadModel, "live", lambda _: views.pop() if views else live)
    assert model.verify().view == "periods_2"
    views.append(gone)
    model.check()
    assert views == []


def test_rows_that_are_filled_half_are_not_verified(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing yet that could be equal to a replay."""
    monkeypatch.setattr(runner, "_PLANS", 1)
    for number in range(3):
        open_plan(ledger, f"P-{number}")

    def cut_off(*_: int) -> None:
        raise KeyboardInterrupt

    model = ReadModel(ledger._store)
    with pytest.raises(KeyboardInterrupt):
        model.catch_up(cut_off)
    with pytest.raises(NotCaughtUp):
        model.verify()


def test_an_event_that_nobody_can_read_keeps_no_other_plan_from_being_closed(ledger: Ledger) -> None:
    """Closing goes on with what lists have taken in, and then raises the error."""
    open_plan(ledger, "P-1")
    ledger.overdue()
    open_plan(ledger, "P-2")
    ledger._store.append([attrs.evolve(event, version=2, sequence=0) for event in ledger.history("P-2")])
    with pytest.raises(CorruptHistory, match="P-2"):
        ledger.close_books(through=OPENED_ON + timedelta(days=20))
    assert [type(event.event).__name__ for event in ledger.history("P-1")][1:] == ["PaymentMissed", "PlanCancelled"]


def test_a_follower_that_waits_long_stops_soon(ledger: Ledger) -> None:
    """Whoever tells it to stop does not wait as long as it would have waited for news."""
    stop, begun = Event(), monotonic()
    Timer(0.2, stop.set).start()
    ledger.follow(stop=stop, every=3_600)
    assert monotonic() - begun < 10


def test_a_restore_of_the_events_alone_is_completed(shared_url: str, name: str) -> None:
    """Events are the ledger: from them alone `create` makes everything else anew; without it, the error says so."""
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)
        expected = ledger.overdue(as_of=LATE)
        lost = [f"{name}_checkpoints", *(f"{name}_periods_1{part}" for part in ("", "_plans", "_zones", "_totals"))]
        database = ledger._store.tables._database  # type: ignore[attr-defined]
        for table in lost:
            database.write(lambda cursor, table=table: cursor.execute(f"DROP TABLE {table}"))
    with pytest.raises(StoreUnavailable, match="tables of the ledger .* are missing; .*migrate"):
        Ledger.open(shared_url, name=name, create=False)
    with Ledger.open(shared_url, name=name) as ledger:
        assert ledger.overdue(as_of=LATE) == expected
        database = ledger._store.tables._database  # type: ignore[attr-defined]
        database.write(lambda cursor: cursor.execute("DELETE FROM installment_ledger_schema"))
    with Ledger.open(shared_url, name=name) as ledger:
        assert len(ledger.history("P-1")) == 1


def test_arguments_that_are_none(ledger: Ledger) -> None:
    """What no plan can be called is not found, what is no text or number is refused, and a password is not printed."""
    for unknown in ("\ud800", "\x00", "nobody", ""):
        with pytest.raises(PlanNotFound):
            ledger.position(unknown)
    with pytest.raises(InvalidArgument, match="plan_id"):
        ledger.history(["P-1"])  # type: ignore[arg-type]
    for timeout in (float("nan"), -1, "x"):
        with pytest.raises(InvalidArgument, match="timeout"):
            ledger.wait(1, timeout=timeout)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="max_lag"):
        ledger.status(max_lag="x")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="every"):
        ledger.follow(stop=Event(), every=1e10)
    with pytest.raises(InvalidArgument, match="memory://"):
        Ledger.open("sqlite:///:memory:")
    for url in ("postgresql://app:hunter2%@h/db", "postgresql+psycopg://app:hunter2@h/db"):
        with pytest.raises(InvalidArgument) as caught:
            Ledger.open(url)
        assert "hunter2" not in str(caught.value)
