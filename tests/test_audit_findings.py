"""A planted error of each kind, by hand-written SQL in a real database: found with its place, and nothing else."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import attrs
import psycopg
import pytest

from ledger import Ledger, PartialCover
from ledger.audit import KINDS, audit
from ledger.audit.examination.kinds import SECTIONS
from ledger.audit.packs.pack import pack
from tests.examples import OPENED_ON, TERMS, usd

DAY = timedelta(days=1)
DUE = [date(2023 + month // 12, month % 12 + 1, 10) for month in range(3, 23)]
"""The due dates of the example plan, from 2023-04-10."""

Found = tuple[str, str | None, int | None]
"""Kind, plan or receipt, version."""


def _noon(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def fill(ledger: Ledger) -> None:
    """Record five plans and a receipt.

    P-1 settles three installments, the last by two payments and at instants; the books are closed when it has missed
    the next. P-2 pays twice, and the second payment is charged back. P-3 is cancelled and reinstated. P-4 is cancelled
    by request, and P-5 pays everything at once. R-1 is allocated to P-1 in part, and returned in part.
    """
    terms = attrs.evolve(TERMS, reinstatement=PartialCover(1))

    def known(day: date) -> dict[str, Any]:
        return {"actor": "clerk", "recorded_at": _noon(day)}

    def pay(plan_id: str, day: date, amount: str = "150.00") -> None:
        ledger.record_payment(
            plan_id, reference=f"{plan_id}-{day}-{amount}", amount=usd(amount), paid_at=_noon(day, 9), **known(day)
        )

    for number in range(1, 6):
        ledger.open_plan(
            f"P-{number}", investor="I-1", partner=None, terms=terms, opened_at=_noon(OPENED_ON, 9), **known(OPENED_ON)
        )
    pay("P-5", DUE[0], "3000.00")
    for plan_id in ("P-1", "P-2", "P-3"):
        pay(plan_id, DUE[0])
    ledger.cancel_plan("P-4", reference="crm-1", on=DUE[0] + DAY, reason="moved away", **known(DUE[0] + DAY))
    for plan_id in ("P-1", "P-2"):
        pay(plan_id, DUE[1])
    ledger.close_books(through=DUE[1] + 20 * DAY, **known(DUE[1] + 20 * DAY))
    ledger.reinstate_plan(
        "P-3",
        on=DUE[1] + 25 * DAY,
        reference="bank-9",
        amount=usd("150.00"),
        approved_by="head",
        reason="illness",
        **known(DUE[1] + 25 * DAY),
    )
    pay("P-1", DUE[2], "100.00")
    pay("P-1", DUE[2] + DAY, "50.00")
    ledger.close_books(through=DUE[3] + DAY, **known(DUE[3] + DAY))
    reversed_on = DUE[3] + 2 * DAY
    ledger.reverse_payment(
        "P-2", reference=f"P-2-{DUE[1]}-150.00", cause="chargeback", on=reversed_on, **known(reversed_on)
    )
    day = DUE[3] + 3 * DAY
    ledger.receive_unallocated("R-1", amount=usd("70.00"), received_at=day, reason="unknown payer", **known(day))
    ledger.allocate("R-1", plan_id="P-1", amount=usd("10.00"), **known(day))
    ledger.return_unallocated("R-1", amount=usd("5.00"), on=day, reason="sent back", **known(day))
    pay("P-3", day, "1.00")


@attrs.frozen
class Books:
    """The tables of a ledger, as somebody sees them who goes past the library; `run` takes SQL with `?`."""

    run: Callable[..., list[Any]]
    table: str

    def versions(self, stream: str, tag: str) -> list[int]:
        """Return the versions of a stream's events with a tag."""
        sql = f"SELECT version FROM {self.table} WHERE stream_id = ? AND tag = ? ORDER BY version"
        return [version for (version,) in self.run(sql, stream, f"{tag}.v1")]

    def last(self, stream: str) -> int:
        """Return the last version of a stream."""
        ((version,),) = self.run(f"SELECT max(version) FROM {self.table} WHERE stream_id = ?", stream)
        return int(version)

    def state(self, stream: str, version: int) -> dict[str, Any]:
        """Return a stored event."""
        sql = f"SELECT state FROM {self.table} WHERE stream_id = ? AND version = ?"
        ((state,),) = self.run(sql, stream, version)
        found: dict[str, Any] = json.loads(bytes(state))
        return found

    def store(self, stream: str, version: int, state: bytes) -> None:
        """Replace a stored event."""
        self.run(f"UPDATE {self.table} SET state = ? WHERE stream_id = ? AND version = ?", state, stream, version)

    def edit(self, stream: str, version: int, *path: str | int, to: Any) -> None:
        """Change one field of a stored event, in the ledger's own form."""
        state: Any = self.state(stream, version)
        part = state
        for step in path[:-1]:
            part = part[step]
        part[path[-1]] = to
        self.store(stream, version, _canonical(state))

    def add(self, stream: str, tag: str, like: int, *, key: str | None = None, **event: Any) -> int:
        """Add an event to a stream, in the envelope of another one; return its version."""
        state, version = self.state(stream, like), self.last(stream) + 1
        envelope = {**state, "event": event, "key": state["key"] if key is None else key}
        sql = f"INSERT INTO {self.table} (kind, stream_id, version, tag, state) VALUES (?, ?, ?, ?, ?)"
        kind = "receipt" if stream.startswith("R") else "plan"
        self.run(sql, kind, stream, version, f"{tag}.v1", _canonical(envelope))
        return version

    def delete(self, stream: str, version: int) -> None:
        """Delete an event."""
        self.run(f"DELETE FROM {self.table} WHERE stream_id = ? AND version = ?", stream, version)


def _canonical(state: Any) -> bytes:
    return json.dumps(state, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _payment(day: date, minor: int, currency: str = "USD", reference: str = "forged") -> dict[str, Any]:
    amount = {"minor": minor, "currency": currency}
    return {"effective_on": str(day), "reference": reference, "amount": amount, "kind": "regular", "paid_at": None}


# ---- planted errors: each returns what is to be found


def _settled(books: Books, stream: str = "P-1", nth: int = 0) -> int:
    return books.versions(stream, "installment_settled")[nth]


def unreadable_outcome(books: Books) -> Found:
    books.edit("P-1", _settled(books), "event", "shares", to=-999)
    return "event_unreadable", "P-1", _settled(books)


def unreadable_fact(books: Books) -> Found:
    version = books.versions("P-1", "payment_made")[1]
    books.store("P-1", version, b'{"actor":')
    return "event_unreadable", "P-1", version


def unreadable_opening(books: Books) -> Found:
    books.store("P-1", 1, b"\xff")
    return "event_unreadable", "P-1", 1


def unreadable_voiding(books: Books) -> Found:
    (version,) = books.versions("P-2", "outcome_voided")
    books.store("P-2", version, b"{}")
    return "event_unreadable", "P-2", version


def padded(books: Books) -> Found:
    books.store("P-1", 2, json.dumps(books.state("P-1", 2), sort_keys=True).encode())
    return "event_not_canonical", "P-1", 2


def newer(books: Books) -> Found:
    books.run(f"UPDATE {books.table} SET tag = 'payment_made.v9' WHERE stream_id = 'P-1' AND version = 2")
    return "event_of_newer_version", "P-1", 2


def unknown_stream(books: Books) -> Found:
    sql = (
        f"INSERT INTO {books.table} (kind, stream_id, version, tag, state) SELECT 'account', stream_id, version, tag, "
    )
    books.run(f"{sql} state FROM {books.table} WHERE stream_id = 'P-4'")
    return "stream_unknown", None, None


def key_of_a_fact(books: Books) -> Found:
    version = books.versions("P-1", "payment_made")[2]
    books.edit("P-1", version, "key", to="another")
    return "key_mismatch", "P-1", version


def key_of_an_opening(books: Books) -> Found:
    books.edit("P-4", 1, "key", to="P-9")
    return "key_mismatch", "P-4", 1


def key_of_an_outcome(books: Books) -> Found:
    books.edit("P-1", _settled(books), "key", to="another")
    return "key_mismatch", "P-1", _settled(books)


def key_of_a_closing(books: Books) -> Found:
    version = books.versions("P-1", "payment_missed")[-1]
    books.edit("P-1", version, "key", to="another")
    return "key_mismatch", "P-1", version


def another_actor(books: Books) -> Found:
    books.edit("P-1", _settled(books), "actor", to="somebody else")
    return "command_split", "P-1", _settled(books)


def deleted_outcome(books: Books) -> Found:
    version = _settled(books, "P-5", 5)
    books.delete("P-5", version)
    return "version_gap", "P-5", version


def deleted_fact(books: Books) -> Found:
    version = books.versions("P-1", "payment_made")[2]
    books.delete("P-1", version)
    return "version_gap", "P-1", version


def deleted_opening(books: Books) -> Found:
    books.delete("P-1", 1)
    return "version_gap", "P-1", 1


def second_opening(books: Books) -> Found:
    opening = books.state("P-4", 1)["event"]
    return "opening_misplaced", "P-4", books.add("P-4", "plan_opened", books.last("P-4"), key="P-4", **opening)


def earlier_instant(books: Books) -> Found:
    first, version = books.versions("P-4", "cancellation_requested")[0], books.versions("P-4", "plan_cancelled")[0]
    books.edit("P-4", 1, "recorded_at", to="2023-04-11T13:00:00Z")
    for changed in (first, version):
        books.edit("P-4", changed, "recorded_at", to="2023-04-11T12:30:00Z")
    return "time_decreasing", "P-4", first


def swapped_sequences(books: Books) -> Found:
    rows = books.run(f"SELECT version, sequence FROM {books.table} WHERE stream_id = 'P-4' AND version < 3")
    (one, first), (two, second) = sorted(rows)
    for version, sequence in ((one, -1), (two, first), (one, second)):
        sql = f"UPDATE {books.table} SET sequence = ? WHERE stream_id = 'P-4' AND version = ?"
        books.run(sql, sequence, version)
    return "sequence_order", "P-4", 2


def cut_off(books: Books) -> Found:
    books.delete("P-3", books.last("P-3"))  # the last event of the ledger, and a fact without outcomes
    return "sequence_counter", None, None


def removed_plan(books: Books) -> Found:
    for version in reversed(range(1, books.last("P-2") + 1)):
        books.delete("P-2", version)
    return "sequence_gap", None, None


def recorded_ahead(books: Books) -> Found:
    version = books.versions("P-1", "payment_made")[2]
    books.edit("P-1", version, "recorded_at", to=f"{DUE[2] - DAY}T12:00:00Z")
    return "dated_ahead", "P-1", version


def closed_ahead(books: Books) -> Found:
    version = books.versions("P-1", "payment_missed")[-1]
    books.edit("P-1", version, "key", to=str(DUE[3] + 2 * DAY))
    return "dated_ahead", "P-1", version


def before_the_opening(books: Books) -> Found:
    version = books.versions("P-1", "payment_made")[2]
    books.edit("P-1", version, "event", "effective_on", to=str(OPENED_ON - DAY))
    books.edit("P-1", version, "event", "paid_at", to=None)
    return "dated_before_opening", "P-1", version


def another_instant(books: Books) -> Found:
    version = books.versions("P-1", "payment_made")[2]
    books.edit("P-1", version, "event", "paid_at", to=f"{DUE[2]}T21:00:00Z")  # midnight in the plan's zone
    return "date_mismatch", "P-1", version


def another_instant_of_opening(books: Books) -> Found:
    books.edit("P-4", 1, "event", "opened_at", to=f"{OPENED_ON - DAY}T09:00:00Z")
    return "date_mismatch", "P-4", 1


def strange_zone(books: Books) -> Found:
    books.edit("P-4", 1, "event", "terms", "timezone", to="Europe/Atlantis")
    return "zone_unknown", "P-4", 1


def another_due_date(books: Books) -> Found:
    books.edit("P-4", 1, "event", "lines", 19, "due_on", to="2024-12-01")
    return "schedule_mismatch", "P-4", 1


def another_release(books: Books) -> Found:
    books.edit("P-4", 1, "event", "lines", 19, "shares", to=7_349)
    return "release_mismatch", "P-4", 1


def reference_again(books: Books) -> Found:
    reference = books.state("P-1", 2)["key"]
    payment = _payment(DUE[3], 100, reference=reference)
    return "reference_taken", "P-1", books.add("P-1", "payment_made", books.last("P-1"), key=reference, **payment)


def reversal_of_nothing(books: Books) -> Found:
    reversal = {"effective_on": str(DUE[3]), "reference": "none", "cause": "error"}
    return "reversal_unfounded", "P-1", books.add("P-1", "payment_reversed", books.last("P-1"), key="none", **reversal)


def reversed_on_another_day(books: Books) -> Found:
    reference = books.state("P-3", books.last("P-3"))["key"]
    reversal = {"effective_on": str(DUE[3]), "reference": reference, "cause": "error"}
    version = books.add("P-3", "payment_reversed", books.last("P-3"), key=reference, **reversal)
    return "reversal_unfounded", "P-3", version


def other_money(books: Books) -> Found:
    payment = _payment(DUE[3], 100, "EUR")
    return "currency_mismatch", "P-1", books.add("P-1", "payment_made", books.last("P-1"), key="forged", **payment)


def too_much(books: Books) -> Found:
    payment = _payment(DUE[3] + 3 * DAY, 1_000_000)
    return "overpayment", "P-1", books.add("P-1", "payment_made", books.last("P-1"), key="forged", **payment)


def paid_when_cancelled(books: Books) -> Found:
    payment = _payment(DUE[0] + DAY, 100)
    version = books.versions("P-4", "plan_cancelled")[0]
    return "fact_on_cancelled_plan", "P-4", books.add("P-4", "payment_made", version, key="forged", **payment)


def paid_when_completed(books: Books) -> Found:
    return (
        "fact_on_completed_plan",
        "P-5",
        books.add("P-5", "payment_made", books.last("P-5"), key="forged", **_payment(DUE[0], 100)),
    )


def closed_policy(books: Books) -> Found:
    books.edit("P-3", 1, "event", "terms", "reinstatement", to={"kind": "closed"})
    return "reinstatement_forbidden", "P-3", books.versions("P-3", "plan_reinstated")[0]


def approved_by_the_clerk(books: Books) -> Found:
    (version,) = books.versions("P-3", "plan_reinstated")
    books.edit("P-3", version, "event", "approved_by", to="clerk")
    return "approver_is_actor", "P-3", version


def outcome_cut_off(books: Books) -> Found:
    books.delete("P-4", books.last("P-4"))
    return "outcome_missing", "P-4", books.versions("P-4", "cancellation_requested")[0]


def outcome_made_up(books: Books) -> Found:
    settled: dict[str, Any] = {"effective_on": str(DUE[3]), "number": 4, "shares": 7_350, "payment": "none"}
    return "outcome_unfounded", "P-1", books.add("P-1", "installment_settled", books.last("P-1"), **settled)


def other_shares(books: Books) -> Found:
    books.edit("P-1", _settled(books), "event", "shares", to=9_999)
    return "outcome_differs", "P-1", _settled(books)


def other_day(books: Books) -> Found:
    books.edit("P-1", _settled(books, nth=2), "event", "effective_on", to=str(DUE[2]))
    return "outcome_differs", "P-1", _settled(books, nth=2)


def voiding_cut_off(books: Books) -> Found:
    books.delete("P-2", books.last("P-2"))
    return "voiding_missing", "P-2", books.versions("P-2", "payment_reversed")[0]


def voiding_made_up(books: Books) -> Found:
    last = books.last("P-1")
    voided: dict[str, Any] = {"effective_on": str(DUE[3]), "voids": _settled(books), "shares": 7_350, "because": last}
    return "voiding_unfounded", "P-1", books.add("P-1", "outcome_voided", last, **voided)


def another_cause(books: Books) -> Found:
    (version,) = books.versions("P-2", "outcome_voided")
    books.edit("P-2", version, "event", "because", to=2)
    return "voiding_differs", "P-2", version


def fewer_shares_taken_back(books: Books) -> Found:
    (version,) = books.versions("P-2", "outcome_voided")
    books.edit("P-2", version, "event", "shares", to=1)
    return "voiding_differs", "P-2", version


def swapped_outcomes(books: Books) -> Found:
    one, two = books.state("P-5", 3), books.state("P-5", 4)
    books.store("P-5", 3, _canonical(two))
    books.store("P-5", 4, _canonical(one))
    return "order_in_command", "P-5", 3


def larger_tranche(books: Books) -> Found:
    (version,) = books.versions("P-5", "plan_completed")
    books.edit("P-5", version, "event", "shares", to=books.state("P-5", version)["event"]["shares"] + 1)
    return "package_not_conserved", "P-5", version


def less_money(books: Books) -> Found:
    books.edit("P-1", 2, "event", "amount", "minor", to=14_999)
    return "money_not_conserved", "P-1", 3


def receipt_overspent(books: Books) -> Found:
    amount = {"minor": 999_999, "currency": "USD"}
    returned = {"effective_on": str(DUE[3] + 3 * DAY), "reference": "r", "amount": amount, "reason": "x"}
    return "receipt_overspent", "R-1", books.add("R-1", "money_returned", 3, key="r", **returned)


def other_allocation(books: Books) -> Found:
    books.edit("R-1", 2, "event", "amount", "minor", to=1_001)
    return "allocation_unfounded", "R-1", 2


def allocation_reversed_alone(books: Books) -> Found:
    event = {"effective_on": str(DUE[3] + 3 * DAY), "plan_id": "P-1", "payment": "R-1"}
    return "allocation_unfounded", "R-1", books.add("R-1", "allocation_reversed", 2, **event)


def row_of_a_read_model(books: Books) -> Found:
    periods = books.table.replace("events", "periods_1_periods")
    books.run(f"UPDATE {periods} SET shares_credited = shares_credited + 1 WHERE plan_id = 'P-1'")
    return "read_model_differs", "P-1", None


def value_of_a_read_model(books: Books) -> Found:
    """A value that is none of its column must not keep the other rows from being compared."""
    closings = books.table.replace("events", "periods_1_closings")
    books.run(f"UPDATE {closings} SET due_on = 'soon' WHERE plan_id = 'P-1'")
    return "read_model_differs", "P-1", None


def rows_of_no_plan(books: Books) -> Found:
    closings = books.table.replace("events", "periods_1_closings")
    books.run(f"INSERT INTO {closings} (plan_id, timezone, recorded_on) VALUES ('X-1', 'UTC', '2023-01-01')")
    return "read_model_differs", "X-1", None


def checkpoint_moved(books: Books) -> Found:
    checkpoints = books.table.replace("events", "checkpoints")
    books.run(f"UPDATE {checkpoints} SET sequence = sequence + 1000")
    return "read_model_ahead", None, None


Plant = Callable[[Books], Found]

CONSEQUENCES: dict[Plant, set[str]] = {
    too_much: {"outcome_missing", "money_not_conserved"},
    paid_when_completed: {"money_not_conserved"},
    outcome_made_up: {"money_not_conserved"},
    other_day: {"money_not_conserved"},
    voiding_cut_off: {"money_not_conserved"},
    larger_tranche: {"outcome_differs"},
    less_money: {"outcome_unfounded", "outcome_missing", "outcome_differs", "fact_on_cancelled_plan"},
    earlier_instant: {"time_decreasing"},
    rows_of_no_plan: {"read_model_differs"},
}
"""What an error brings with it: a sum that does not come out, or outcomes that no longer follow."""

PLANTS: Sequence[Plant] = [
    *(unreadable_outcome, unreadable_fact, unreadable_opening, unreadable_voiding, padded, newer, unknown_stream),
    *(key_of_a_fact, key_of_an_opening, key_of_an_outcome, key_of_a_closing, another_actor, deleted_outcome),
    *(deleted_fact, deleted_opening, second_opening, earlier_instant, swapped_sequences, cut_off, removed_plan),
    recorded_ahead,
    *(closed_ahead, before_the_opening, another_instant, another_instant_of_opening, strange_zone, another_due_date),
    *(another_release, reference_again, reversal_of_nothing, reversed_on_another_day, other_money, too_much),
    *(paid_when_cancelled, paid_when_completed, closed_policy, approved_by_the_clerk, outcome_cut_off),
    *(outcome_made_up, other_shares, other_day, voiding_cut_off, voiding_made_up, another_cause),
    *(fewer_shares_taken_back, swapped_outcomes, larger_tranche, less_money, receipt_overspent, other_allocation),
    *(allocation_reversed_alone, row_of_a_read_model, value_of_a_read_model, rows_of_no_plan, checkpoint_moved),
]

POSTGRES: Sequence[Plant] = [
    *(padded, other_shares, deleted_outcome, key_of_a_fact, unknown_stream, reference_again, swapped_sequences),
    *(other_allocation, row_of_a_read_model, value_of_a_read_model, rows_of_no_plan),
]


def _named(plant: Plant) -> str:
    return plant.__name__


def _found(ledger: Ledger) -> list[Found]:
    return [(one.kind, one.plan_id or one.receipt, one.version) for one in audit(ledger, processes=1).findings]


def _check(found: Sequence[Found], expected: Found, plant: Plant) -> None:
    assert expected in found
    others = [one for one in found if one != expected]
    assert {kind for kind, _, _ in others} <= CONSEQUENCES.get(plant, {expected[0]} if expected[1] is None else set())
    assert {place for _, place, _ in others} <= {expected[1], None}


# ---- in a file


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the plans, without and with read models."""
    folder = tmp_path_factory.mktemp("audit")
    with Ledger.open(f"sqlite:///{folder}/plain.db") as books:
        fill(books)
        books.overdue()
        books.payments()
    shutil.copy(folder / "plain.db", folder / "caught up.db")
    with closing(sqlite3.connect(folder / "plain.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM ledger_checkpoints")
    return folder


def _change(path: Path, plant: Plant) -> Found:
    connection = sqlite3.connect(path, isolation_level=None)

    def run(sql: str, *values: object) -> list[Any]:
        return connection.execute(sql, values).fetchall()

    try:
        return plant(Books(run, "ledger_events"))
    finally:
        connection.close()


def _with_read_model(plant: Plant) -> bool:
    return plant in (row_of_a_read_model, value_of_a_read_model, rows_of_no_plan, checkpoint_moved)


@pytest.mark.parametrize("plant", PLANTS, ids=_named)
def test_a_planted_error_is_found_in_its_place(template: Path, tmp_path: Path, plant: Plant) -> None:
    """Found by the kind that is expected, with plan and version; nothing else but what it brings with it."""
    path = tmp_path / "books.db"
    shutil.copy(template / ("caught up.db" if _with_read_model(plant) else "plain.db"), path)
    expected = _change(path, plant)
    with Ledger.open(f"sqlite:///{path}?mode=ro", catch_up=False) as evidence:
        _check(_found(evidence), expected, plant)


def test_every_kind_is_planted_and_has_its_section(template: Path, tmp_path: Path) -> None:
    """The table of planted errors leaves out no kind of finding of an audit."""
    planted: set[str] = set()
    for plant in PLANTS:
        path = tmp_path / f"{plant.__name__}.db"
        shutil.copy(template / ("caught up.db" if _with_read_model(plant) else "plain.db"), path)
        planted.add(_change(path, plant)[0])
    assert planted == SECTIONS.keys()
    assert SECTIONS.keys() <= KINDS.keys()


@pytest.mark.parametrize("name", ["plain.db", "caught up.db"])
def test_without_an_error_nothing_is_found(template: Path, name: str) -> None:
    """The same file as it was recorded is clean."""
    with Ledger.open(f"sqlite:///{template / name}?mode=ro", catch_up=False) as evidence:
        result = audit(evidence, processes=1)
    assert result.findings == ()
    assert result.summary.clean
    assert (result.summary.plans, result.summary.receipts, result.summary.unchecked) == (5, 1, ())
    assert result.summary.read_models == (() if name == "plain.db" else ("payments_1", "periods_1"))


def test_all_errors_are_found_at_once(template: Path, tmp_path: Path) -> None:
    """One broken plan hides no other, and one broken event no other of its plan."""
    path = tmp_path / "books.db"
    shutil.copy(template / "plain.db", path)
    plants = [unreadable_outcome, other_day, another_actor, swapped_outcomes, another_cause, approved_by_the_clerk]
    plants += [another_release, other_allocation, another_instant]
    expected = {_change(path, plant) for plant in plants}
    with Ledger.open(f"sqlite:///{path}?mode=ro", catch_up=False) as evidence:
        found = _found(evidence)
    assert expected - {("command_split", "P-1", 3)} <= set(found)
    assert len(found) <= len(expected)


def _lines(path: Path) -> Iterator[bytes]:
    with ZipFile(path) as archive, archive.open("events.jsonl") as lines:
        yield from lines


def beyond_the_calendar(books: Books) -> None:
    """No row of a read model follows from an instant that is on no day."""
    books.edit("P-3", books.last("P-3"), "recorded_at", to="9999-12-31T23:59:59Z")


def before_the_first_version(books: Books) -> None:
    """The plan with terms of its own has an event before its opening."""
    books.run(f"UPDATE {books.table} SET version = -5 WHERE stream_id = 'P-4' AND version = 3")


def id_of_two_lines(books: Books) -> None:
    """A plan with terms of its own has an id that no list of lines can hold."""
    books.run(f"UPDATE {books.table} SET stream_id = 'P' || char(10) || '4' WHERE stream_id = 'P-4'")


def text_for_bytes(books: Books) -> None:
    """What SQL makes of bytes in SQLite, unless it is told not to."""
    books.run(
        f"UPDATE {books.table} SET state = replace(state, '7350', '9999') WHERE stream_id = 'P-2' AND version = 3"
    )


def number_for_bytes(books: Books) -> None:
    books.run(f"UPDATE {books.table} SET state = 5 WHERE stream_id = 'P-2' AND version = 3")


def text_for_a_version(books: Books) -> None:
    books.run(f"UPDATE {books.table} SET version = 'three' WHERE stream_id = 'P-2' AND version = 3")


def fraction_for_a_version(books: Books) -> None:
    books.run(f"UPDATE {books.table} SET version = 3.5 WHERE stream_id = 'P-2' AND version = 3")


def bytes_for_ids(books: Books) -> None:
    books.run(f"UPDATE {books.table} SET stream_id = CAST(stream_id AS BLOB) WHERE stream_id = 'P-2'")


def ids_of_no_text(books: Books) -> None:
    books.run(f"UPDATE {books.table} SET stream_id = CAST(x'50ff' AS TEXT) WHERE stream_id = 'P-2'")


def a_tag_of_no_text(books: Books) -> None:
    books.run(f"UPDATE {books.table} SET tag = CAST(x'50ff' AS TEXT) WHERE stream_id = 'P-2' AND version = 3")


def a_kind_of_bytes(books: Books) -> None:
    books.run(f"UPDATE {books.table} SET kind = CAST(kind AS BLOB) WHERE stream_id = 'P-2' AND version = 3")


def table_without_a_column(books: Books) -> None:
    books.run(f"ALTER TABLE {books.table.replace('events', 'payments_1_payments')} DROP COLUMN kind")
    books.delete("P-4", 2)


def no_table(books: Books) -> None:
    books.run(f"DROP TABLE {books.table.replace('events', 'payments_1_payments')}")
    books.delete("P-4", 2)


def checkpoint_of_text(books: Books) -> None:
    books.run(f"UPDATE {books.table.replace('events', 'checkpoints')} SET sequence = 'x' WHERE projection = 'payments'")
    books.delete("P-4", 2)


def counter_of_text(books: Books) -> None:
    books.run("UPDATE sqlite_sequence SET seq = 'x'")
    books.delete("P-4", 2)


STRANGE: Sequence[Callable[[Books], None]] = [
    *(beyond_the_calendar, before_the_first_version, id_of_two_lines, text_for_bytes, number_for_bytes),
    *(text_for_a_version, fraction_for_a_version, bytes_for_ids, ids_of_no_text, a_tag_of_no_text, a_kind_of_bytes),
    *(table_without_a_column, no_table, checkpoint_of_text, counter_of_text),
]
"""What no ledger writes, and SQLite takes from whoever writes it."""


@pytest.mark.parametrize("plant", STRANGE, ids=lambda plant: plant.__name__)
def test_no_error_keeps_the_audit_from_its_end(template: Path, tmp_path: Path, plant: Callable[[Books], None]) -> None:
    """A changed row of P-1 is found beside it, and so are acts and summary; a pack holds it."""
    path = tmp_path / "books.db"
    shutil.copy(template / "caught up.db", path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        books = Books(lambda sql, *values: connection.execute(sql, values).fetchall(), "ledger_events")
        books.edit("P-4", 1, "event", "terms", "grace_days", to=3)
        plant(books)
        expected = row_of_a_read_model(books)
    with Ledger.open(f"sqlite:///{path}?mode=ro", catch_up=False) as evidence:
        result = audit(evidence, processes=1)
        packed = pack(evidence.store, tmp_path / "books.zip")
    assert packed.events == sum(1 for _ in _lines(tmp_path / "books.zip"))
    assert expected in [(one.kind, one.plan_id, one.version) for one in result.findings]
    assert [one for one in result.findings if one.plan_id not in ("P-1", None) or one.kind == "stream_unknown"]
    assert "periods_1" in result.summary.read_models


# ---- in PostgreSQL


@pytest.fixture
def books(postgres_url: str, name: str) -> Iterator[tuple[Ledger, Books]]:
    """A ledger with the plans and its read models, and its tables."""
    with Ledger.open(postgres_url, name=name) as ledger, psycopg.connect(postgres_url, autocommit=True) as connection:
        fill(ledger)
        ledger.overdue()

        def run(sql: str, *values: object) -> list[Any]:
            cursor = connection.execute(sql.replace("?", "%s").encode(), values)
            return cursor.fetchall() if cursor.description else []

        yield ledger, Books(run, f"{name}_events")


@pytest.mark.parametrize("plant", POSTGRES, ids=_named)
def test_a_planted_error_is_found_in_postgresql(books: tuple[Ledger, Books], plant: Plant) -> None:
    """As in a file; the rows of a read model that a changed event contradicts are reported too."""
    ledger, tables = books
    assert _found(ledger) == []
    expected = plant(tables)
    found = [one for one in _found(ledger) if one[0] != "read_model_differs" or expected[0] == "read_model_differs"]
    _check(found, expected, plant)
