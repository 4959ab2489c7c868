"""Restatements: two answers to one question, and the facts learnt between them, whose differences add up."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import Ledger, Money
from ledger.audit.restate import Restatement, restate_many, restate_plan
from ledger.audit.restate.answers import Numbers, added
from ledger.audit.restate.one_plan import position_answer
from ledger.commands import Metadata
from ledger.dates import DAY, EndOfDay, Known
from ledger.decide import decide
from ledger.errors import InvalidArgument, PlanNotFound
from ledger.events import RecordedEvent
from ledger.plan import Plan, known
from ledger.projections.balances import BalanceRow
from ledger.projections.portfolio import PortfolioRow
from ledger.store import LAST, EventReader, ReaderAddress, open_reader
from tests.examples import TERMS, usd
from tests.raw_sql import change
from tests.strategies import History, histories, one_in

NOON = datetime(2023, 6, 1, 12, tzinfo=UTC)


def recorded_hourly(history: History, start: datetime) -> tuple[RecordedEvent, ...]:
    """Return the events of a history, its commands recorded five hours after each other."""
    events: tuple[RecordedEvent, ...] = ()
    for number, command in enumerate((history.opening, *history.accepted)):
        at = start + timedelta(hours=5 * number)
        events += decide(events, command, Metadata(recorded_at=at, actor="decider"))
    return events


def check_sum(found: Restatement) -> None:
    """Check that the differences, taken in order, lead from one answer to the other."""
    assert added(found.before.numbers, *(one.difference for one in found.learnt)) == added(found.after.numbers)
    assert sorted(found.learnt, key=lambda one: (one.fact.recorded_at, one.fact.sequence)) == [*found.learnt]


@one_in(3)
@given(history=histories(), data=st.data())
def test_the_differences_of_a_plan_add_up(history: History, data: st.DataObject) -> None:
    """Between any two moments, on any day: both answers are those that were given, and each fact is taken in once."""
    events = recorded_hourly(history, datetime(2035, 1, 1, tzinfo=UTC))
    instants = sorted({one.recorded_at for one in events})
    horizon = Plan(events).horizon
    days = [one.event.effective_on for one in events] + [horizon + 20 * DAY]
    as_of = data.draw(st.sampled_from([day for day in days if day >= history.opened.effective_on]))
    first, then = sorted(data.draw(st.tuples(*[st.sampled_from([instants[0] - DAY, *instants])] * 2)))
    if then < instants[0]:
        with pytest.raises(PlanNotFound):
            restate_plan(events, as_of=as_of, known_at=first, then=then)
        return
    found = restate_plan(events, as_of=as_of, known_at=first, then=then)
    check_sum(found)
    for answer, moment in ((found.before, first), (found.after, then)):
        if prefix := known(events, moment):
            assert answer == position_answer(Plan(prefix), as_of)
        else:
            assert (answer.status, answer.numbers) == (None, {})
    facts = Plan(events).fact_versions
    learnt = [one.fact.version for one in found.learnt if one.fact.version > 1]
    assert learnt == [version for version in facts if first < events[version - 1].recorded_at <= then]
    before = found.before.status
    for one in found.learnt:
        assert one.status_before == before
        before = one.status_after
    assert before == found.after.status


# ---- many plans, in real databases


@pytest.fixture(scope="module")
def moments() -> list[datetime]:
    """The instants of recording, an hour apart."""
    return [NOON + timedelta(hours=number) for number in range(12)]


@pytest.fixture
def book(shared_url: str, name: str, moments: list[datetime]) -> Iterator[tuple[Ledger, EventReader]]:
    """Plans of two investors and two currencies, a chargeback, an error, a closing, a receipt; and a reader of them."""
    with Ledger.open(shared_url, name=name) as ledger, open_reader(ReaderAddress(shared_url, name, LAST)) as reader:
        at = iter(moments)
        euros = attrs.evolve(TERMS, price=Money.of("3000.00", "EUR"), promos=())
        opened = date(2023, 4, 10)

        def paid(plan_id: str, reference: str, on: date, amount: str = "150.00") -> None:
            ledger.record_payment(plan_id, reference=reference, amount=usd(amount), paid_at=on, recorded_at=next(at))

        for plan_id, investor, terms in (("P-1", "I-1", TERMS), ("P-2", "I-2", TERMS), ("P-3", "I-2", euros)):
            ledger.open_plan(
                plan_id, investor=investor, partner="N-1", terms=terms, opened_at=opened, recorded_at=next(at)
            )
        paid("P-1", "bank-1", opened)
        paid("P-2", "bank-2", opened, "300.00")
        ledger.reverse_payment("P-2", reference="bank-2", cause="chargeback", on=date(2023, 5, 2), recorded_at=next(at))
        ledger.receive_unallocated(
            "bank-7", amount=usd("25.00"), received_at=date(2023, 5, 1), reason="no such plan", recorded_at=next(at)
        )
        ledger.reverse_payment("P-1", reference="bank-1", cause="error", recorded_at=next(at))
        ledger.close_books(through=date(2023, 5, 31), recorded_at=next(at))
        paid("P-2", "bank-3", date(2023, 5, 3), "600.00")
        paid("P-1", "bank-4", date(2023, 4, 29), "150.00")
        yield ledger, reader


AS_OF = date(2023, 5, 20)


def summed(rows: Sequence[PortfolioRow]) -> dict[str, dict[str, int]]:
    """Return the sums of a portfolio, by currency."""
    return added(
        {
            row.currency: {
                **{name: getattr(row, name) for name in ("plans", "active", "in_grace", "cancelled", "completed")},
                **{name: getattr(row, name).minor for name in ("paid", "paid_in_cancelled", "unallocated")},
            }
            for row in rows
        }
    )


def shares(rows: Sequence[BalanceRow]) -> dict[str, int]:
    """Return the sums of share balances."""
    return {name: total for name in SHARES if (total := sum(getattr(row, name) for row in rows))}


SHARES = ("shares_credited", "shares_promised", "shares_forfeited", "bonus_credited", "bonus_promised")


def test_the_answers_are_the_portfolio_and_the_balances(
    book: tuple[Ledger, EventReader], moments: list[datetime]
) -> None:
    """Between every two moments, of all plans and of one investor: as the lists said then, and as they say now."""
    ledger, reader = book
    for first in range(-1, 12, 3):
        for then in (*range(max(first, 0), 12, 4), None):
            known_first = moments[0] - DAY if first < 0 else moments[first]
            known_then = None if then is None else moments[then]
            for investor in (None, "I-2"):
                found = restate_many(reader, as_of=AS_OF, known_at=known_first, then=known_then, investor=investor)
                check_sum(found)
                for answer, known_at in ((found.before, known_first), (found.after, known_then)):
                    check_lists(ledger, answer.numbers, investor, known_at)


def check_lists(ledger: Ledger, numbers: Numbers, investor: str | None, known_at: datetime | None) -> None:
    """Check numbers against the lists of the ledger."""
    balances = ledger.balances(investor=investor, as_of=AS_OF, known_at=known_at)
    held = added(*({"": {name: named.get(name, 0) for name in SHARES}} for named in numbers.values()))
    assert held.get("", {}) == shares(balances)
    if investor is None:
        expected = summed(ledger.portfolio(as_of=AS_OF, known_at=known_at))
        for currency, named in numbers.items():
            left = {
                name: number for name, number in named.items() if name not in SHARES and not name.startswith("price")
            }
            assert left == expected.get(currency, {})


def test_each_fact_makes_its_difference(book: tuple[Ledger, EventReader], moments: list[datetime]) -> None:
    """The error cancels P-1; the payment of 29 April, learnt last, brings it back; the closing is no fact."""
    _, reader = book
    found = restate_many(reader, as_of=AS_OF, known_at=moments[5], partner="N-1")
    assert [(one.fact.stream_id, one.fact.key, one.status_before, one.status_after) for one in found.learnt] == [
        ("P-1", "bank-1", "in_grace", "cancelled"),
        ("P-2", "bank-3", "in_grace", "active"),
        ("P-1", "bank-4", "cancelled", "in_grace"),
    ]
    assert [one.difference["USD"].get("paid", 0) for one in found.learnt] == [-15_000, 60_000, 15_000]
    assert (found.learnt[0].through, found.partner, found.known_then) == (5, "N-1", None)
    receipt = restate_many(reader, as_of=AS_OF, known_at=moments[5], then=moments[6]).learnt
    assert [(one.fact.stream_id, one.difference) for one in receipt] == [("bank-7", {"USD": {"unallocated": 2_500}})]


def test_the_end_of_a_day_is_a_moment(book: tuple[Ledger, EventReader], moments: list[datetime]) -> None:
    """In the zone of each plan: Moscow's 1 June ends at 21:00 UTC, that of money without a plan at midnight UTC."""
    _, reader = book
    first: Known = EndOfDay(date(2023, 6, 1))
    found = restate_many(reader, as_of=AS_OF, known_at=first)
    assert found.known_first == date(2023, 6, 1)
    assert {one.fact.recorded_at for one in found.learnt} == {moments[10], moments[9]}


def test_what_cannot_be_compared_is_refused(book: tuple[Ledger, EventReader], moments: list[datetime]) -> None:
    """A later moment first, also where one is the end of a day; an investor or partner of no plan."""
    _, reader = book
    days = EndOfDay(date(2023, 6, 2)), EndOfDay(date(2023, 6, 1))
    for first, then in ((moments[2], moments[1]), days, (days[0], moments[0])):
        with pytest.raises(InvalidArgument, match="expected a moment after the first"):
            restate_many(reader, as_of=AS_OF, known_at=first, then=then)
    with pytest.raises(InvalidArgument, match="the investor of a plan in this ledger"):
        restate_many(reader, as_of=AS_OF, known_at=moments[0], investor="I-9")
    with pytest.raises(InvalidArgument, match="the partner of a plan in this ledger"):
        restate_many(reader, as_of=AS_OF, known_at=moments[0], partner="N-9")


def test_a_plan_that_cannot_be_read_is_named(shared_url: str, name: str) -> None:
    """The others are restated."""
    with Ledger.open(shared_url, name=name) as ledger:
        for plan_id in ("P-1", "P-2"):
            ledger.open_plan(
                plan_id, investor="I-1", partner=None, terms=TERMS, opened_at=date(2023, 4, 10), recorded_at=NOON
            )
        change(ledger, "UPDATE books_events SET tag = 'plan_opened.v9' WHERE stream_id = 'P-1'")
    with open_reader(ReaderAddress(shared_url, name, LAST)) as reader:
        found = restate_many(reader, as_of=AS_OF, known_at=NOON - DAY)
    assert [one.plan_id for one in found.quarantined] == ["P-1"]
    assert found.after.numbers["USD"]["plans"] == 1
