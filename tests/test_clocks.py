"""Clocks that step backwards, on one machine and between machines: time stands still rather than run back."""

from collections.abc import Iterator
from contextlib import ExitStack, nullcontext, suppress
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import CommandRefused, Ledger, LedgerError, Overpayment, PlanNotFound, PlanTerms
from ledger.events import RecordedEvent
from ledger.plan import Plan
from tests.examples import OPENED_ON, TERMS, usd

NOON = datetime(2023, 6, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that somebody sets."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def _open_plan(ledger: Ledger, plan_id: str, terms: PlanTerms = TERMS) -> None:
    ledger.open_plan(plan_id, investor="I-7", partner="N-3", terms=terms, opened_at=OPENED_ON)


def _pay(ledger: Ledger, reference: str, on: date = OPENED_ON, plan_id: str = "P-1") -> tuple[RecordedEvent, ...]:
    return ledger.record_payment(plan_id, reference=reference, amount=usd("150.00"), paid_at=on)


def _check_never_back(ledger: Ledger) -> None:
    last: dict[str, datetime] = {}
    for event in ledger.events():
        assert event.recorded_at >= last.get(event.plan_id, event.recorded_at)
        last[event.plan_id] = event.recorded_at


@settings(max_examples=settings().max_examples // 4)
@given(
    jumps=st.lists(st.tuples(st.integers(-10, 10), st.sampled_from(["P-1", "P-2"])), min_size=1, max_size=12),
    through=st.integers(-5, 5),
)
def test_a_clock_that_jumps_about_stops_nothing(jumps: list[tuple[int, str]], through: int) -> None:
    """Whatever days the clock jumps, commands go on, time never runs back in a plan, and what was known is a prefix."""
    clock = Clock()
    with Ledger.open("memory://", clock=clock) as ledger:
        for plan_id in ("P-1", "P-2"):
            _open_plan(ledger, plan_id)
        instants = {NOON}
        for number, (days, plan_id) in enumerate(jumps):
            clock.now += timedelta(days=days, hours=days)
            instants.add(clock.now)
            assert _pay(ledger, f"bank-{number}", plan_id=plan_id)
        _check_never_back(ledger)
        day = (clock.now + timedelta(days=through)).date()
        with suppress(CommandRefused) if through > 0 else nullcontext():  # it may lie ahead, else it never does
            assert all(event.event.effective_on <= day for event in ledger.close_books(through=day))
        _check_never_back(ledger)
        for instant in instants:
            _check_known(ledger, instant)


def _check_known(ledger: Ledger, instant: datetime) -> None:
    """Positions, lists and history agree about what was known at an instant: the first events of each plan."""
    as_of = date(2023, 9, 1)
    positions = {position.plan_id: position for position in ledger.positions(as_of=as_of, known_at=instant)}
    for plan_id in ("P-1", "P-2"):
        history = ledger.history(plan_id)
        known = tuple(event for event in history if event.recorded_at <= instant)
        assert known == history[: len(known)]
        if known:
            assert positions[plan_id] == Plan(known).position(as_of)
        else:
            with pytest.raises(PlanNotFound):
                ledger.position(plan_id, known_at=instant)
    paid = sum(position.paid.minor for position in positions.values())
    assert sum(row.paid.minor for row in ledger.portfolio(as_of=as_of, known_at=instant)) == paid
    in_grace = {position.plan_id for position in positions.values() if position.status == "in_grace"}
    assert {row.plan_id for row in ledger.overdue(as_of=as_of, known_at=instant)} == in_grace


@pytest.fixture
def nodes(shared_url: str, name: str) -> Iterator[tuple[Ledger, Ledger]]:
    """Two nodes on one ledger, the second with a clock that is three days behind."""
    with ExitStack() as stack:
        ahead = stack.enter_context(Ledger.open(shared_url, name=name, clock=Clock(NOON)))
        behind = stack.enter_context(Ledger.open(shared_url, name=name, clock=Clock(NOON - timedelta(days=3))))
        yield ahead, behind


def test_nodes_whose_clocks_differ_record_in_turns(nodes: tuple[Ledger, Ledger]) -> None:
    """A node that is days behind records on at the instant of the event before, with the dates that it is told."""
    ahead, behind = nodes
    _open_plan(ahead, "P-1")
    for number in range(3):
        _pay(ahead, f"bank-on-time-{number}")
    for number in range(4):
        paid = _pay((ahead, behind)[number % 2], f"bank-{number}", on=NOON.date())
        assert {event.recorded_at for event in paid} == {NOON}
    _check_never_back(ahead)
    assert behind.position("P-1", known_at=NOON, as_of=NOON.date()) == ahead.position("P-1", as_of=NOON.date())
    with pytest.raises(PlanNotFound):
        behind.position("P-1", known_at=NOON - timedelta(seconds=1))


def test_a_node_that_is_behind_closes_what_others_have_seen_end(nodes: tuple[Ledger, Ledger]) -> None:
    """A day that has come for every plan is closed, whatever the clock of the closing node says; a later one is not."""
    ahead, behind = nodes
    _open_plan(ahead, "P-1")
    with pytest.raises(CommandRefused, match="close through 2023-05-29"):
        behind.close_books(through=NOON.date() + timedelta(days=1))
    closed = behind.close_books(through=NOON.date() - timedelta(days=1))
    assert {event.recorded_at for event in closed} == {NOON}
    assert closed
    assert ahead.close_books(through=NOON.date() - timedelta(days=1)) == ()


def test_a_clock_set_back_years_is_no_excuse(shared_url: str, name: str) -> None:
    """With a clock at 1970 payments, refusals and repetitions are those of the plan's own time."""
    clock = Clock()
    with Ledger.open(shared_url, name=name, clock=clock) as ledger:
        _open_plan(ledger, "P-1")
        clock.now = datetime(1970, 1, 1, tzinfo=UTC)
        assert _pay(ledger, "bank-1")
        assert _pay(ledger, "bank-1") == ()
        with pytest.raises(Overpayment):
            ledger.record_payment("P-1", reference="bank-2", amount=usd("9000.00"), paid_at=OPENED_ON)
        with pytest.raises(LedgerError, match="after 2023-06-01"):
            _pay(ledger, "bank-3", on=date(2023, 6, 2))
        assert ledger.overdue(as_of=date(2023, 5, 20), known_at=NOON) == ledger.overdue(as_of=date(2023, 5, 20))
        assert ledger.balances() == (), "in 1970 there was no plan yet"
