"""A projection of a service's own: a table of hers, caught up exactly once, rebuilt, verified, versioned."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import Index, InvalidArgument, Ledger, NotCaughtUp, PlanTable, Projection, StoreUnavailable, TotalsTable
from ledger.events import PaymentMade
from ledger.plan import Plan
from ledger.readmodel import runner
from tests.examples import OPENED_ON, open_plan, pay
from tests.raw_sql import change, names


def _payments(plan: Plan) -> Mapping[str, Sequence[Sequence[Any]]]:
    """Return a row for each payment of a plan: whose it was, when, and how much."""
    rows = [
        (plan.plan_id, fact.reference, plan.opened.partner, fact.effective_on, fact.amount.minor)
        for fact in plan.facts
        if isinstance(fact, PaymentMade)
    ]
    return {"payments": rows}


def _by_partner(rows: Sequence[Sequence[Any]]) -> Mapping[tuple[Any, ...], Sequence[int]]:
    sums: dict[tuple[Any, ...], list[int]] = {}
    for _, _, partner, paid_on, minor in rows:
        found = sums.setdefault((partner, paid_on), [0, 0])
        found[0] += 1
        found[1] += minor
    return sums


RECEIPTS = Projection(
    name="receipts",
    version=1,
    tables=(
        PlanTable(
            name="payments",
            columns={"plan_id": str, "reference": str, "partner": str | None, "paid_on": date, "minor": int},
            key=("plan_id", "reference"),
            indexes=(Index(columns=("reference",)),),
        ),
    ),
    rows=_payments,
    totals=(
        TotalsTable(
            name="by_partner",
            key={"partner": str, "paid_on": date},
            measures=("payments", "minor"),
            of="payments",
            totals=_by_partner,
        ),
    ),
)

_COUNT = "SELECT COUNT(*) FROM {payments}"


def _open(url: str, name: str, projection: Projection = RECEIPTS, **options: Any) -> Ledger:
    return Ledger.open(url, name=name, projections=[projection], **options)


def test_it_is_filled_from_the_past_and_kept_caught_up(shared_url: str, name: str) -> None:
    """Registered on a ledger that has plans already, it has all of them; new events come to it when it is asked."""
    with Ledger.open(shared_url, name=name) as before:
        open_plan(before)
        pay(before, OPENED_ON, "bank-1")
        assert len(before.overdue(as_of=date(2023, 5, 20))) == 1
    with _open(shared_url, name) as ledger:
        receipts = ledger.read_model("receipts")
        assert receipts.query("SELECT reference, paid_on, minor FROM {payments}") == [("bank-1", "2023-04-10", 15_000)]
        paid = pay(ledger, date(2023, 5, 10), "bank-2")
        assert receipts.query("SELECT plan_id FROM {payments} WHERE reference = ?", ("bank-2",)) == [("P-1",)]
        assert receipts.query("SELECT SUM(minor) FROM {by_partner} WHERE partner = ?", ("N-3",)) == [(30_000,)]
        assert receipts.reached == paid[-1].sequence == ledger.wait(paid[-1].sequence, projection="receipts")
        assert [one.name for one in ledger.status().read_models] == ["periods_1", "receipts_1"]
        assert ledger.status().problems == ()


def test_each_projection_has_its_own_checkpoint(shared_url: str, name: str) -> None:
    """One that lags holds up no other, and one that is rebuilt changes no other."""
    with _open(shared_url, name) as ledger:
        open_plan(ledger)
        ledger.read_model("receipts").query(_COUNT)
        pay(ledger, OPENED_ON, "bank-1")
        ledger.overdue(as_of=OPENED_ON)
        lags = {one.name: one.lag for one in ledger.status().read_models}
        assert (lags["periods_1"], lags["receipts_1"] > 0) == (0, True)
        assert ledger.rebuild(projection="receipts").differences == ()
        assert [(one.name, one.live) for one in ledger.status().read_models] == [
            ("periods_1", True),
            ("receipts_2", True),
        ]
        assert {table for table in names(ledger, views=True) if table.startswith("receipts")} == {
            "receipts_2_payments",
            "receipts_2_by_partner",
        }


@given(data=st.data())
def test_it_is_caught_up_exactly_once_in_any_steps(data: st.DataObject) -> None:
    """Asked after any events, it holds what a replay holds: no row is missing and none is doubled."""
    with _open("memory://", "books") as ledger:
        for number in range(3):
            open_plan(ledger, f"P-{number}")
        expected: Counter[str] = Counter()
        for number, plan in enumerate(data.draw(st.lists(st.integers(0, 2), max_size=12))):
            pay(ledger, OPENED_ON, f"bank-{number}", amount="1.00", plan_id=f"P-{plan}")
            expected[f"P-{plan}"] += 1
            if data.draw(st.booleans()):
                ledger.read_model("receipts").query(_COUNT)
        sql = "SELECT plan_id, COUNT(*) FROM {payments} GROUP BY plan_id ORDER BY plan_id"
        assert ledger.read_model("receipts").query(sql) == sorted(expected.items())
        assert ledger.verify(projection="receipts").differences == ()


def test_many_catch_it_up_at_once(shared_url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads ask through four nodes while payments arrive: every payment is in it once."""
    monkeypatch.setattr(runner, "_BATCH", 3)
    nodes = [_open(shared_url, name) for _ in range(4)]
    try:
        open_plan(nodes[0])

        def work(number: int) -> None:
            ledger = nodes[number % 4]
            pay(ledger, OPENED_ON, f"bank-{number}", amount="1.00")
            ledger.read_model("receipts").query(_COUNT)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(24)))
        assert nodes[0].read_model("receipts").query(_COUNT) == [(24,)]
        assert nodes[0].verify(projection="receipts").differences == ()
    finally:
        for node in nodes:
            node.close()


def test_verification_finds_a_row_that_was_changed_and_a_rebuild_mends_it(shared_url: str, name: str) -> None:
    """It is compared with a replay like the lists, table by table, totals too."""
    with _open(shared_url, name) as ledger:
        open_plan(ledger)
        pay(ledger, OPENED_ON, "bank-1")
        assert ledger.verify(projection="receipts").differences == ()
        change(ledger, "UPDATE books_receipts_1_payments SET minor = 1", views=True)
        change(ledger, "UPDATE books_receipts_1_by_partner SET payments = 7", views=True)
        found = ledger.verify(projection="receipts")
        assert found.generation == "receipts_1"
        assert found.differences == (
            "plan P-1, payments, bank-1: minor is 1, and 15000 in a replay",
            "by_partner of N-3, 2023-04-10: 7, 15000, and 1, 15000 in a replay",
        )
        assert ledger.rebuild(projection="receipts").differences == ()
        assert ledger.verify(projection="receipts").generation == "receipts_2"


# ---- versions


def _without_partner(plan: Plan) -> Mapping[str, Sequence[Sequence[Any]]]:
    return {"payments": [(row[0], row[1], row[4]) for row in _payments(plan)["payments"]]}


NEXT = Projection(
    name="receipts",
    version=2,
    tables=(
        PlanTable(
            name="payments", columns={"plan_id": str, "reference": str, "minor": int}, key=("plan_id", "reference")
        ),
    ),
    rows=_without_partner,
)


def test_a_lower_version_is_rebuilt_when_it_is_asked(shared_url: str, name: str) -> None:
    """The tables of version 1 give way to those of version 2, all of them; `status` says so before."""
    with _open(shared_url, name) as ledger:
        open_plan(ledger)
        pay(ledger, OPENED_ON, "bank-1")
        ledger.read_model("receipts").query(_COUNT)
    with _open(shared_url, name, NEXT, catch_up=False) as reader:
        (problem,) = reader.status().problems
        assert problem == "receipts_1: its tables have version 1 of 2; the next catch-up rebuilds it."
        with pytest.raises(NotCaughtUp):
            reader.read_model("receipts").query(_COUNT)
    with _open(shared_url, name, NEXT) as ledger:
        assert ledger.read_model("receipts").query("SELECT * FROM {payments}") == [("P-1", "bank-1", 15_000)]
        assert ledger.status().problems == ()
        tables = {table for table in names(ledger, views=True) if table.startswith("receipts")}
        assert tables == {"receipts_2_payments"}


def test_a_higher_version_is_refused_with_the_truth(shared_url: str, name: str) -> None:
    """A node with an older library neither reads tables that it does not know nor replaces them."""
    with _open(shared_url, name, NEXT) as ledger:
        open_plan(ledger)
        ledger.read_model("receipts").query(_COUNT)
    with _open(shared_url, name) as older:
        for call in (lambda: older.read_model("receipts").query(_COUNT), lambda: older.rebuild(projection="receipts")):
            with pytest.raises(StoreUnavailable, match="tables have version 2, and this library knows 1; upgrade"):
                call()
        (problem,) = older.status().problems
        assert "receipts_1: its tables have version 2, and this library knows 1" in problem
        assert older.overdue(as_of=OPENED_ON) == ()
        assert [one.name for one in older.status().read_models] == ["periods_1", "receipts_1"]


def test_other_tables_under_the_same_version_are_refused(shared_url: str, name: str) -> None:
    """Whoever changes a table without raising the version is told so; a rebuild on request mends it."""
    with _open(shared_url, name) as ledger:
        open_plan(ledger)
        ledger.read_model("receipts").query(_COUNT)
    with _open(shared_url, name, attrs.evolve(NEXT, version=1)) as ledger:
        with pytest.raises(StoreUnavailable, match="not those that version 1 declares here; raise its version"):
            ledger.read_model("receipts").query(_COUNT)
        assert "raise its version" in ledger.status().problems[0]
        assert ledger.rebuild(projection="receipts").differences == ()
        assert ledger.read_model("receipts").query(_COUNT) == [(0,)]


# ---- arguments


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: attrs.evolve(RECEIPTS, name="Receipts"), "lower-case words"),
        (lambda: attrs.evolve(RECEIPTS, version=0), "version is 0"),
        (lambda: attrs.evolve(RECEIPTS, tables=()), "tables with names of their own"),
        (lambda: PlanTable(name="x", columns={"reference": str}), "plan_id"),
        (lambda: PlanTable(name="x", columns={"plan_id": str, "paid": float}), "int, str or date"),
        (lambda: PlanTable(name="x", columns={"plan_id": str}, key=("plan_id", "y")), "columns of the table"),
        (lambda: PlanTable(name="x; DROP", columns={"plan_id": str}), "lower-case words"),
        (lambda: Ledger.open("memory://", projections=[RECEIPTS, RECEIPTS]), "projections with names of their own"),
        (lambda: Ledger.open("memory://").read_model("receipts"), "a projection that the ledger was opened with"),
        (lambda: Ledger.open("memory://").rebuild(projection="x"), "a projection that the ledger was opened with"),
        (lambda: _open("memory://", "books").read_model("receipts").query("SELECT * FROM {lost}"), "payments"),
    ],
)
def test_what_is_no_projection_is_refused(make: Any, expected: str) -> None:
    """Names, types, keys and tables are checked where they are declared, in a sentence that says what is right."""
    with pytest.raises(InvalidArgument, match=expected):
        make()


# ---- names


def _one_table(projection: str, table: str = "rows") -> Projection:
    tables = (PlanTable(name=table, columns={"plan_id": str}),)
    return Projection(name=projection, version=1, tables=tables, rows=lambda plan: {table: [(plan.plan_id,)]})


@pytest.mark.parametrize("word", ["checkpoints", "quarantine", "leader", "installment_ledger_schema"])
def test_a_projection_may_have_any_name(shared_url: str, name: str, word: str) -> None:
    """Even that of a lock or of a table of the ledger: it is filled while a follower leads, and dropped alone."""
    with _open(shared_url, name, _one_table(word)) as ledger:
        open_plan(ledger)
        with ledger._store.views.leader_lock() as leads, ledger._store.views.catch_up_lock(word) as works:
            assert leads()
            assert works()
        assert ledger.read_model(word).query("SELECT plan_id FROM {rows}") == [("P-1",)]
        assert ledger.rebuild(projection=word).differences == ()
        assert ledger.read_model(word).query("SELECT plan_id FROM {rows}") == [("P-1",)]
        assert len(ledger.history("P-1")) == 1
        assert ledger.status().problems == ()


@pytest.mark.parametrize("word", ["events", "epochs", "checkpoints", "quarantine"])
def test_a_table_of_the_name_of_one_of_the_ledgers_is_refused(word: str) -> None:
    """It could be that of a ledger with a longer name."""
    with pytest.raises(InvalidArgument, match="are tables of the ledger itself"):
        _one_table("mine", word)


def test_a_ledger_whose_name_begins_like_a_generation_keeps_its_tables(shared_url: str) -> None:
    """`issuer_periods_1` lies beside the first generation of `issuer`, which a rebuild drops."""
    with Ledger.open(shared_url, name="issuer") as one, Ledger.open(shared_url, name="issuer_periods_1") as other:
        open_plan(one, "P-1")
        open_plan(other, "P-2")
        assert [len(ledger.positions(as_of=OPENED_ON)) for ledger in (one, other)] == [1, 1]
        assert one.rebuild().differences == ()
        assert [event.plan_id for event in other.events()] == ["P-2"]
        assert [row.plan_id for row in other.positions(as_of=OPENED_ON)] == ["P-2"]
        assert other.status().problems == ()


def test_names_that_a_database_would_cut_are_refused(shared_url: str, name: str) -> None:
    """Two tables whose names begin with the same 63 characters would be one in PostgreSQL."""
    with pytest.raises(InvalidArgument, match=r"names that are shorter by \d+ letters"):
        _open(shared_url, name, _one_table("p" * 30, "t" * 30))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM {payments}",
        " drop table {payments}",
        "INSERT INTO {payments} SELECT * FROM {payments}",
        "WITH gone AS (DELETE FROM {payments} RETURNING plan_id) SELECT * FROM gone",
        "/* a note */ DELETE FROM {payments} RETURNING plan_id",
        "SELECT 1; DELETE FROM {payments}",
        "",
    ],
)
def test_a_question_writes_nothing(url: str, name: str, statement: str) -> None:
    """Neither in the tables of the projection nor, by their names, in those of the ledger."""
    with _open(url, name) as ledger:
        open_plan(ledger)
        pay(ledger, OPENED_ON, "bank-1")
        receipts = ledger.read_model("receipts")
        for sql in (statement, statement.replace("{payments}", f"{name}_events")):
            with suppress(InvalidArgument, StoreUnavailable):
                receipts.query(sql)
            assert receipts.query(_COUNT) == [(1,)]
            assert len(ledger.history("P-1")) == 3
        assert ledger.verify(projection="receipts").differences == ()
