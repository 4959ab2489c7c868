"""Importing with the money of refused payments kept: nothing is nowhere, nothing counts twice."""

import json
from datetime import date, datetime
from pathlib import Path

import pytest

from ledger import Ledger, Money
from ledger.books.importer import ImportReport, import_book
from ledger.books.reader import EXAMPLE, BookRow, read_book
from ledger.cli.app import main
from ledger.commands import RecordPayment
from ledger.events import MoneyReturned, PaymentMade
from tests.examples import usd

PLANS = (
    "plan_id,investor_id,partner_id,opened_at,price,currency,shares,installments,rounding_unit,release,timezone,"
    "grace_days,promos,reinstatement\n"
)
PLAN = "{},I-1,N-1,2023-04-10T12:00:00+03:00,300.00,USD,3000,3,100,per_unit:5,Europe/Moscow,19,,full_cover\n"
PAYMENTS = "reference,plan_id,amount,currency,paid_at,kind,recorded_at\n"
LATE = "late,P-1,100.00,USD,2023-06-10,regular,2023-06-10T12:00:00+00:00\n"
"""Dated after the cancellation of a plan that is not paid."""


def write(folder: Path, *, plans: str = "", payments: str = "", reinstatements: str = "", reversals: str = "") -> Path:
    """Write a small book."""
    (folder / "reversals.csv").write_text("reference,plan_id,cause,effective_on,recorded_at\n" + reversals)
    (folder / "plans.csv").write_text(PLANS + plans)
    (folder / "payments.csv").write_text(PAYMENTS + payments)
    header = "reference,plan_id,amount,currency,effective_on,approved_by,reason,recorded_at\n"
    (folder / "reinstatements.csv").write_text(header + reinstatements)
    return folder


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    """Return the rows recorded, repeated, kept and refused."""
    return report.recorded, report.repeated, report.kept, len(report.refused)


def remaining(ledger: Ledger) -> dict[str, str]:
    """Return what remains of the money received, by reference."""
    return {row.reference: str(row.remaining) for row in ledger.unallocated()}


def test_the_money_of_the_bundled_book_is_all_there(ledger: Ledger) -> None:
    """Of its refused rows 299 are payments, of 46,720.00 USD; the bank took one back. Again it records nothing."""
    book = read_book(EXAMPLE)
    report = import_book(ledger, book, keep_refused=True)
    assert counts(report) == (4_051, 16, 299, 0)
    rows = ledger.receipts()
    assert (len(rows), sum(row.received.minor for row in rows)) == (299, 46_720_00)
    (taken_back,) = [row for row in rows if row.returned.minor]
    assert (taken_back.reference, str(taken_back.returned)) == ("P-00005-009", "68.00 USD")
    rows = ledger.unallocated()
    assert (len(rows), sum(row.remaining.minor for row in rows)) == (298, 46_652_00)
    assert {row.code for row in rows} == {"plan_is_cancelled"}
    (portfolio,) = ledger.portfolio(as_of=date(2024, 6, 30))
    assert portfolio.unallocated == Money(46_652_00, "USD")
    by_payment = {(one.plan_id, one.reference): one.amount.minor for one in map(_payment, book.rows) if one}
    made = [event.event.amount.minor for event in ledger.events() if isinstance(event.event, PaymentMade)]
    assert sum(by_payment.values()) == sum(made) + 46_720_00
    for keep_refused in (True, False):
        last = ledger._store.last_sequence()
        again = import_book(ledger, book, keep_refused=keep_refused)
        assert counts(again) == (0, 4_366, 0, 0)
        assert ledger._store.last_sequence() == last
    assert ledger.verify().differences == ()


def _payment(row: BookRow) -> RecordPayment | None:
    return row.command if isinstance(row.command, RecordPayment) else None


def test_every_reason_to_keep(tmp_path: Path) -> None:
    """Cancelled, completed, unknown, overpaid; a malformed row and one before the opening are not kept."""
    payments = LATE + (
        "all,P-2,300.00,USD,2023-04-10,regular,2023-04-10T12:00:00+00:00\n"
        "more,P-2,1.00,USD,2023-04-11,regular,2023-04-11T12:00:00+00:00\n"
        "lost,P-404,7.00,USD,2023-04-11T22:30:00+00:00,regular,2023-04-12T12:00:00+00:00\n"
        "over,P-3,300.01,USD,2023-04-11T22:30:00+00:00,regular,2023-04-12T12:00:00+00:00\n"
        "soon,P-3,1.00,USD,2023-04-09,regular,2023-04-12T12:00:00+00:00\n"
    )
    folder = write(tmp_path, plans="".join(map(PLAN.format, ("P-1", "P-2", "P-3"))), payments=payments)
    with Ledger.open("memory://") as ledger:
        assert counts(import_book(ledger, read_book(folder), keep_refused=True)) == (4, 0, 4, 1)
        assert {row.reference: (row.plan_id, row.code, str(row.received_on)) for row in ledger.unallocated()} == {
            "late": ("P-1", "plan_is_cancelled", "2023-06-10"),
            "more": ("P-2", "plan_is_completed", "2023-04-11"),
            "lost": ("P-404", "plan_not_found", "2023-04-11"),
            "over": ("P-3", "overpayment", "2023-04-12"),
        }
        (lost,) = [event for event in ledger.events() if event.stream == ("receipt", "lost")]
        assert (lost.correlation, lost.recorded_at) == (
            "payments.csv:5",
            datetime.fromisoformat("2023-04-12T12:00:00+00:00"),
        )


BACK = "late,P-1,{},{},2023-06-20T12:00:00+00:00\n"


@pytest.mark.parametrize(("cause", "on"), [("chargeback", "2023-06-12"), ("error", "2023-06-10")])
@pytest.mark.parametrize("together", [True, False])
def test_a_reversal_of_kept_money_takes_it_back(tmp_path: Path, cause: str, on: str, *, together: bool) -> None:
    """In the same import or a later one, however often; without kept money it is refused as ever."""
    book = {"plans": PLAN.format("P-1"), "payments": LATE}
    reversals = BACK.format(cause, "2023-06-12") + "none,P-1,error,2023-06-12,2023-06-20T12:00:00+00:00\n"
    with Ledger.open("memory://") as ledger:
        if together:
            folder = write(tmp_path, **book, reversals=reversals)
            assert counts(import_book(ledger, read_book(folder), keep_refused=True)) == (2, 0, 1, 1)
        else:
            folder = write(tmp_path, **book)
            assert counts(import_book(ledger, read_book(folder), keep_refused=True)) == (1, 0, 1, 0)
            folder = write(tmp_path, reversals=reversals)
            assert counts(import_book(ledger, read_book(folder))) == (1, 0, 0, 1)
        assert ledger.unallocated() == ()
        (row,) = ledger.receipts()
        assert (str(row.returned), row.reference) == ("100.00 USD", "late")
        (returned,) = [event for event in ledger.events() if isinstance(event.event, MoneyReturned)]
        assert str(returned.event.effective_on) == on
        last = ledger._store.last_sequence()
        folder = write(tmp_path, **book, reversals=reversals)
        assert counts(import_book(ledger, read_book(folder))) == (0, 3, 0, 1)
        assert ledger._store.last_sequence() == last
    with Ledger.open("memory://") as ledger:
        assert counts(import_book(ledger, read_book(folder))) == (1, 0, 0, 3)


def test_money_that_was_allocated_meanwhile_is_not_taken_back(tmp_path: Path) -> None:
    """The row is refused with what remains: the allocation has to be reversed first."""
    folder = write(tmp_path, plans=PLAN.format("P-1") + PLAN.format("P-2"), payments=LATE)
    with Ledger.open("memory://") as ledger:
        import_book(ledger, read_book(folder), keep_refused=True)
        ledger.allocate("late", plan_id="P-2", amount=usd("40.00"), paid_at=date(2023, 4, 10))
        folder = write(tmp_path, reversals=BACK.format("chargeback", "2023-06-12"))
        (refused,) = import_book(ledger, read_book(folder)).refused
        assert "60.00 USD remain, less than 100.00 USD; return at most 60.00 USD" in refused.reason
        ledger.reverse_allocation("late", plan_id="P-2")
        assert counts(import_book(ledger, read_book(folder))) == (1, 0, 0, 0)
        assert ledger.unallocated() == ()


def test_a_plan_that_takes_the_payment_later_takes_the_money_that_was_kept(tmp_path: Path) -> None:
    """A late row saves the plan in the next import: the payment is an allocation, with or without the option."""
    with Ledger.open("memory://") as ledger:
        folder = write(tmp_path, plans=PLAN.format("P-1"), payments=LATE)
        assert counts(import_book(ledger, read_book(folder), keep_refused=True)) == (1, 0, 1, 0)
        assert counts(import_book(ledger, read_book(folder))) == (0, 2, 0, 0)
        saving = "first,P-1,200.00,USD,2023-04-20,regular,2023-07-01T12:00:00+00:00\n"
        folder = write(tmp_path, plans=PLAN.format("P-1"), payments=LATE + saving)
        assert counts(import_book(ledger, read_book(folder))) == (2, 1, 0, 0)
        assert remaining(ledger) == {}
        assert ledger.position("P-1", as_of=date(2023, 6, 10)).paid == usd("300.00")
        assert counts(import_book(ledger, read_book(folder), keep_refused=True)) == (0, 3, 0, 0)


def test_money_that_was_dealt_with_by_hand_is_not_offered_again(tmp_path: Path) -> None:
    """Of 300.01 the plan took 300.00 and 0.01 was sent back: the row is repeated, and a changed one conflicts."""
    over = "over,P-3,300.01,USD,2023-04-11,regular,2023-04-12T12:00:00+00:00\n"
    with Ledger.open("memory://") as ledger:
        folder = write(tmp_path, plans=PLAN.format("P-3"), payments=over)
        assert counts(import_book(ledger, read_book(folder), keep_refused=True)) == (1, 0, 1, 0)
        ledger.allocate("over", plan_id="P-3")
        assert remaining(ledger) == {"over": "0.01 USD"}
        ledger.return_unallocated("over", amount=usd("0.01"), on=date(2023, 4, 12), reason="sent back")
        for keep_refused in (True, False):
            report = import_book(ledger, read_book(folder), keep_refused=keep_refused)
            assert counts(report) == (0, 2, 0, 0)
        folder = write(tmp_path, plans=PLAN.format("P-3"), payments=over.replace("300.01", "300.02"))
        (refused,) = import_book(ledger, read_book(folder), keep_refused=True).refused
        assert refused.reason.startswith("Receipt over is recorded with amount 300.01 USD, not 300.02 USD;")
        assert ledger.position("P-3", as_of=date(2023, 4, 11)).paid == usd("300.00")


def test_a_reference_of_two_plans_gives_two_receipts(tmp_path: Path) -> None:
    """References are unique in a plan only: the second receipt has its plan's id before it, at every import."""
    payments = LATE + LATE.replace("P-1", "P-2").replace("100.00", "90.00")
    plans = PLAN.format("P-1") + PLAN.format("P-2")
    with Ledger.open("memory://") as ledger:
        folder = write(tmp_path, plans=plans, payments=payments)
        assert counts(import_book(ledger, read_book(folder), keep_refused=True)) == (2, 0, 2, 0)
        assert remaining(ledger) == {"late": "100.00 USD", "P-2/late": "90.00 USD"}
        assert counts(import_book(ledger, read_book(folder), keep_refused=True)) == (0, 4, 0, 0)
        again = "r-2,P-2,200.00,USD,2023-06-10,chief,agreed,2023-06-10T11:00:00+00:00\n"
        folder = write(tmp_path, plans=plans, payments=payments, reinstatements=again)
        assert counts(import_book(ledger, read_book(folder))) == (2, 3, 0, 0)
        assert remaining(ledger) == {"late": "100.00 USD"}
        payments_made = [event.event for event in ledger.history("P-2") if isinstance(event.event, PaymentMade)]
        assert [payment.reference for payment in payments_made] == ["late"]


def test_money_whose_receipt_would_have_too_long_a_reference_stays_refused(tmp_path: Path) -> None:
    """The reference is another plan's, and with the plan's id before it longer than a reference may be."""
    plan, reference = "P" * 120, "r" * 120
    payments = LATE.replace("late", reference) + LATE.replace("late", reference).replace("P-1", plan)
    folder = write(tmp_path, plans=PLAN.format("P-1") + PLAN.format(plan), payments=payments)
    with Ledger.open("memory://") as ledger:
        report = import_book(ledger, read_book(folder), keep_refused=True)
        assert counts(report) == (2, 0, 1, 1)
        (refused,) = report.refused
        assert refused.line == 3
        assert "was cancelled on" in refused.reason


# ---- on the command line


def test_the_command_line_keeps_lists_allocates_and_returns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From an import to the last cent; a dry run records nothing, and a repetition says so."""
    monkeypatch.chdir(tmp_path)
    folder = write(
        tmp_path,
        plans=PLAN.format("P-3"),
        payments="over,P-3,300.01,USD,2023-04-11,regular,2023-04-12T12:00:00+00:00\n",
    )

    def run(*arguments: str, code: int = 0) -> str:
        assert main(["--db", f"sqlite:///{tmp_path}/books.db", *arguments]) == code
        output = capsys.readouterr()
        return " ".join((output.out + output.err).split())

    assert run("import", str(folder), "--keep-refused") == (
        "Rows: 1 recorded, 0 repeated, 1 kept as received and not applied, 0 refused."
    )
    assert json.loads(run("import", str(folder), "--json"))["kept"] == 0
    assert not (tmp_path / "rejected.csv").exists()
    shown = run("unallocated", "--as-of", "2023-04-30")
    assert "1 receipt with money not allocated on 2023-04-30" in shown
    assert "2023-04-11 over P-3 300.01 USD 300.01 USD" in shown
    dry = run("allocate", "over", "--plan", "P-3", "--dry-run")
    assert dry == "Not recorded, a dry run: 300.00 USD of over allocated to plan P-3."
    assert run("allocate", "over", "--plan", "P-3", "--actor", "clerk") == "300.00 USD of over allocated to plan P-3."
    assert run("allocate", "over", "--plan", "P-3") == "Recorded before: nothing was recorded again."
    assert run("allocate", "over", "--plan", "P-3", "--payment", "rest", "--amount", "1.00", code=1).startswith(
        "error: --currency is ''; expected a currency code"
    )
    (row,) = json.loads(run("unallocated", "--json"))
    assert (row["remaining"], row["plan_id"]) == ({"minor": 1, "currency": "USD", "amount": "0.01"}, "P-3")
    assert "Received, not allocated 0.01 USD" in run("portfolio", "--as-of", "2023-04-30")
    rest = ["--amount", "0.01", "--currency", "USD", "--on", "2023-05-01", "--reason", "sent back"]
    assert run("return", "over", *rest) == "0.01 USD of over returned."
    unknown = ["--amount", "5.00", "--currency", "USD", "--on", "2023-05-01", "--reason", "no plan was stated"]
    assert run("receive", "b-1", *unknown) == "5.00 USD received under b-1."
    assert "no plan was stated" in run("unallocated")
