"""Sums beyond 64 bits are exact or refused, never rounded; dates at the end of the calendar are refused in time."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import partial
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import (
    EveryDays,
    Ledger,
    Money,
    PartialCover,
    PaymentRefused,
    PlanTable,
    PlanTerms,
    Portion,
    Projection,
    ReinstatementRefused,
    StoreUnavailable,
    TotalsTable,
)
from ledger.commands import Metadata, OpenPlan
from ledger.decide import decide
from ledger.plan import Plan
from ledger.projections.totals import MEASURES, Total, _parted, joined
from tests.crash_worker import renamed
from tests.examples import OPENED_ON, RECORDED_AT, TERMS, open_plan, usd
from tests.plans import DAY

LARGEST = 10**15
PLANS = 9_300
"""So many plans of the largest price are more than 64 bits can count."""


@given(
    st.lists(st.lists(st.integers(-LARGEST, LARGEST), min_size=8, max_size=8).map(lambda row: Total(*row)), min_size=1)
)
def test_totals_in_two_columns_add_up(totals: list[Total]) -> None:
    """The sums of the parts are those of the wholes, also of changes downwards."""
    sums = [sum(column) for column in zip(*map(_parted, totals), strict=True)]
    assert joined(sums) == Total(*map(sum, zip(*totals, strict=True)))
    assert len(sums) == len(MEASURES)


def test_a_portfolio_beyond_64_bits_is_exact(shared_url: str, name: str) -> None:
    """Of 9,300 plans of the largest odd price: to the cent, and its shares are exact fractions."""
    price = LARGEST - 1
    terms = PlanTerms(
        price=Money(price, "USD"), shares=LARGEST, installments=1, release=Portion("0"), timezone="Europe/Moscow"
    )
    opening = OpenPlan(plan_id="P", investor="I-1", partner=None, terms=terms, opened_at=OPENED_ON)
    history = decide((), opening, Metadata(recorded_at=RECORDED_AT))
    with Ledger.open(shared_url, name=name) as ledger:
        ledger._store.append([event for number in range(PLANS) for event in renamed(history, f"P-{number}")])
        for plan_id in ("P-1", "P-2"):
            ledger.record_payment(plan_id, reference="b", amount=Money(price, "USD"), paid_at=OPENED_ON)
        for day in (OPENED_ON, date(2024, 1, 1)):
            (row,) = ledger.portfolio(as_of=day)
            assert (row.plans, row.paid.minor, row.completed) == (PLANS, 2 * price, 2)
        assert row.cancelled_share_of_price == Fraction(PLANS - 2, PLANS)


def _huge(plan: Plan) -> Mapping[str, Sequence[Sequence[Any]]]:
    number = int(plan.plan_id.removeprefix("P-"))
    return {"sizes": [(plan.plan_id, 2**62 if number < 4 else 2**number)]}


def _all(rows: Sequence[Sequence[Any]]) -> Mapping[tuple[Any, ...], Sequence[int]]:
    return {("all",): [size for _, size in rows]}


SIZES = Projection(
    name="sizes",
    version=1,
    tables=(PlanTable(name="sizes", columns={"plan_id": str, "size": int}),),
    rows=_huge,
)


def test_a_plan_whose_number_no_column_holds_is_left_out(shared_url: str, name: str) -> None:
    """Of a projection of one's own: that plan is named, the others are answered, and it is so after each event."""
    with Ledger.open(shared_url, name=name, projections=[SIZES]) as ledger:
        for number in (1, 64, 5, 70):
            open_plan(ledger, f"P-{number}")
            ledger.read_model("sizes").query("SELECT 1")
        model = ledger.read_model("sizes")
        assert model.query("SELECT plan_id FROM {sizes} ORDER BY plan_id") == [("P-1",), ("P-5",)]
        left_out = model.quarantined()
        assert [one.plan_id for one in left_out] == ["P-64", "P-70"]
        assert {one.reason for one in left_out} == {"a number has more than 64 bits"}
        assert len(ledger.positions(as_of=OPENED_ON)) == 4


@pytest.mark.parametrize("at_once", [False, True])
def test_a_sum_that_no_column_holds_is_refused_in_a_sentence(shared_url: str, name: str, *, at_once: bool) -> None:
    """A projection of one's own whose sums overflow stops alone, with what to do; SQLite rounds nothing silently."""
    totals = TotalsTable(name="sums", key={"of": str}, measures=("size",), of="sizes", totals=_all)
    projection = attrs.evolve(SIZES, name="summed", totals=(totals,))
    with Ledger.open(shared_url, name=name, projections=[projection]) as ledger:
        model = ledger.read_model("summed")
        for number in range(2):
            open_plan(ledger, f"P-{number}")
            if not at_once and number == 0:
                assert model.query("SELECT size FROM {sums}") == [(2**62,)]
        with pytest.raises(StoreUnavailable, match="more than 64 bits; let its projection count in larger units"):
            model.query("SELECT size FROM {sums}")
        assert ledger.portfolio(as_of=OPENED_ON)[0].plans == 2


@pytest.mark.parametrize(
    ("on", "accepted"),
    [
        (date(9999, 12, 10), True),
        (date(9999, 12, 11), True),
        (date(9999, 12, 12), False),
        (date(9999, 12, 30), False),
        (date(9999, 12, 31), False),
    ],
)
def test_a_chargeback_at_the_end_of_the_calendar(on: date, *, accepted: bool) -> None:
    """The last one whose grace of 19 days ends in the year 9999 is accepted, a later one refused; no list stops."""
    now = datetime(9999, 12, 31, 12, tzinfo=UTC)
    with Ledger.open("memory://", clock=lambda: now) as books:
        for plan_id in ("P-1", "P-2"):
            books.open_plan(plan_id, investor="I", partner=None, terms=TERMS, opened_at=OPENED_ON)
            books.record_payment(plan_id, reference="all", amount=usd("3000.00"), paid_at=OPENED_ON)
        if accepted:
            assert books.reverse_payment("P-1", reference="all", cause="chargeback", on=on)
        else:
            with pytest.raises(PaymentRefused, match=f"chargeback on {on} its grace would run beyond the year 9999"):
                books.reverse_payment("P-1", reference="all", cause="chargeback", on=on)
        for as_of in (on, date.max - timedelta(days=1), date.max):
            assert len(books.positions(as_of=as_of)) == 2
            assert books.overdue(as_of=as_of).quarantined == ()
            assert books.position("P-1", as_of=as_of).plan_id == "P-1"
            assert books.statement("P-1", as_of=as_of)
        books.close_books(through=date.max)
        assert books.status().problems == ()


@pytest.mark.parametrize("paid_before", [usd("100.00"), usd("200.00")])
def test_a_reinstatement_at_the_end_of_the_calendar(paid_before: Money) -> None:
    """The last one whose schedule, re-dated in full, ends its grace in the year 9999 is accepted, a later one refused.

    A reversal known later leaves more to re-date than the decision saw, and finds a date for each.
    """
    now = datetime(9999, 12, 31, 12, tzinfo=UTC)
    terms = attrs.evolve(
        TERMS, price=usd("300.00"), installments=3, schedule=EveryDays(1), reinstatement=PartialCover(minimum=1)
    )
    last = date.max - timedelta(days=30 + 2 + 20)
    with Ledger.open("memory://", clock=lambda: now) as books:
        books.open_plan("P-1", investor="I", partner=None, terms=terms, opened_at=OPENED_ON)
        books.record_payment("P-1", reference="before", amount=paid_before, paid_at=OPENED_ON)
        decide = partial(
            books.reinstate_plan,
            reference="late",
            amount=usd("100.00"),
            approved_by="B",
            reason="asked",
            revised_shares=300_000,
        )
        with pytest.raises(ReinstatementRefused, match="its schedule would run beyond the year 9999"):
            decide("P-1", on=last + DAY)
        decide("P-1", on=last)
        books.reverse_payment("P-1", reference="before", cause="error")
        due = last + 30 * DAY
        assert books.position("P-1", as_of=last).settled == 1
        assert books.overdue(as_of=due + 19 * DAY)[0].grace_ends_on == due + 19 * DAY
        books.close_books(through=date.max)
        assert books.position("P-1", as_of=date.max).cancelled_on == due + 20 * DAY
        assert books.overdue(as_of=date.max).quarantined == ()
        assert books.status().problems == ()
