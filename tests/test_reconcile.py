"""Reconciliation: one to one, with a reason, the same in whatever order the rows come; ambiguous is no match."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import Ledger, Money
from ledger.audit.reconcile import BankRow, Booked, Mapping, Matched, match, read_statement
from ledger.books.importer import import_book
from ledger.books.reader import EXAMPLE, read_book
from ledger.cli.app import main
from tests.examples import OPENED_ON, RECORDED_AT, TERMS, open_plan, pay, usd
from tests.raw_sql import change
from tests.strategies import one_in

DAY = timedelta(days=1)
ON = date(2023, 5, 10)


def row(
    line: int, amount: str = "150.00", *, reference: str | None = None, plan: str | None = None, on: date = ON
) -> BankRow:
    return BankRow(line=line, reference=reference, plan_id=plan, on=on, amount=usd(amount))


def money(reference: str, amount: str = "150.00", *, plan: str | None = "P-1", on: date = ON) -> Booked:
    kind: Any = "chargeback" if amount.startswith("-") else "payment"
    return Booked(kind=kind, plan_id=plan, reference=reference, on=on, amount=usd(amount))


def told(found: list[Matched]) -> list[tuple[str, int | None, str | None]]:
    """Return the kind of each result, with the line and the reference here."""
    return [
        (one.kind, one.there.line if one.there else None, one.here.reference if one.here else None) for one in found
    ]


# ---- by reference


@pytest.mark.parametrize(("days", "kind"), [(2, "matched"), (3, "matched"), (4, "different")])
def test_a_reference_matches_within_the_window(days: int, kind: str) -> None:
    """The bank's date may be another by as many days as the window has."""
    (one,) = match([row(2, reference="a")], [money("a", on=ON + days * DAY)], window=3)
    assert (one.kind, one.differs) == (kind, () if kind == "matched" else ("date",))


def test_what_differs_is_named() -> None:
    """The plan, if the bank states it; the amount; the date."""
    (one,) = match([row(2, "150.00", reference="a", plan="P-2")], [money("a", "151.00", on=ON + 9 * DAY)], window=3)
    assert (one.kind, one.differs) == ("different", ("plan", "amount", "date"))
    assert one.reason == "the reference is the same, the plan and the amount and the date differ"


def test_a_doubled_row_is_told_from_a_missing_one() -> None:
    """Twice in the statement, once here; a month later it is other money."""
    rows = [row(2, reference="a"), row(3, reference="a"), row(4, reference="a", on=ON + 31 * DAY)]
    assert told(match(rows, [money("a")], window=3)) == [
        ("matched", 2, "a"),
        ("doubled", 3, None),
        ("missing_here", 4, None),
    ]


def test_money_booked_twice_is_doubled() -> None:
    """In two plans under one reference, and the bank has it once: the stated plan decides which."""
    here = [money("a"), money("a", plan="P-2")]
    found = match([row(2, reference="a", plan="P-2")], here, window=3)
    assert told(found) == [("matched", 2, "a"), ("doubled", None, "a")]
    assert found[0].here == here[1]
    assert found[1].reason == "the ledger has 'a' twice, the bank once"


def test_money_and_its_chargeback_share_a_reference() -> None:
    """They are told apart by direction."""
    found = match(
        [row(2, reference="a"), row(3, "-150.00", reference="a", on=ON + 40 * DAY)],
        [money("a"), money("a", "-150.00", on=ON + 41 * DAY)],
        window=3,
    )
    assert [one.kind for one in found] == ["matched", "matched"]


# ---- by plan, amount and date


def test_without_a_reference_the_nearest_date_counts() -> None:
    """A stated plan must be the plan; the nearest amount is taken, the other stays."""
    here = [money("a", on=ON - 2 * DAY), money("b", on=ON + DAY), money("c", plan="P-2")]
    found = match([row(2, plan="P-1")], here, window=3)
    assert told(found) == [("matched", 2, "b"), ("missing_there", None, "a"), ("missing_there", None, "c")]
    assert found[0].reason == "by plan and amount, 1 day apart"


def test_what_could_be_another_is_ambiguous() -> None:
    """Two plans paid the same on one day, and the bank names neither: no guess, and no money is missing."""
    found = match([row(2)], [money("a"), money("b", plan="P-2")], window=3)
    assert told(found) == [("ambiguous", 2, None)]
    assert [one.reference for one in found[0].candidates] == ["a", "b"]
    assert found[0].reason == "1 row and 2 amounts here fit each other"


def test_what_is_alike_is_matched_in_any_pairing() -> None:
    """Twice the same amount in a plan on a day, and twice at the bank."""
    found = match([row(2, plan="P-1"), row(3, plan="P-1")], [money("a"), money("b")], window=0)
    assert told(found) == [("matched", 2, "a"), ("matched", 3, "b")]
    assert found[0].reason == "by plan and amount, on the same day, one of 2 alike"
    third = match([row(2, plan="P-1"), row(3, plan="P-1"), row(4, plan="P-1")], [money("a"), money("b")], window=0)
    assert [one.kind for one in third] == ["ambiguous"] * 3


DAYS = st.integers(0, 6).map(lambda days: ON + days * DAY)
AMOUNTS = st.sampled_from(["150.00", "150.00", "99.50", "-150.00"])
PLANS = st.sampled_from(["P-1", "P-2"])
REFERENCES = st.sampled_from(["a", "b", "c", "d"])


@st.composite
def statements(draw: st.DrawFn) -> tuple[list[BankRow], list[Booked]]:
    """Few values, so that much is alike."""
    rows = [
        row(line, draw(AMOUNTS), reference=draw(st.none() | REFERENCES), plan=draw(st.none() | PLANS), on=draw(DAYS))
        for line in range(2, 2 + draw(st.integers(0, 7)))
    ]
    here = [
        money(draw(REFERENCES), draw(AMOUNTS), plan=draw(PLANS), on=draw(DAYS)) for _ in range(draw(st.integers(0, 7)))
    ]
    return rows, here


@one_in(2)
@given(statements(), st.integers(0, 4), st.randoms(use_true_random=False))
def test_every_row_and_all_money_is_told_once_in_whatever_order_it_comes(
    sides: tuple[list[BankRow], list[Booked]], window: int, random: Any
) -> None:
    """No row is matched twice, no money is, what matched fits, and the order of the file decides nothing."""
    rows, here = sides
    found = match(rows, here, window=window)
    assert Counter(one.there for one in found if one.there) == Counter(rows)
    told_here = Counter(one.here for one in found if one.here)
    candidates = {candidate for one in found for candidate in one.candidates}
    assert not told_here - Counter(here)
    assert all(one in candidates for one in Counter(here) - told_here)
    for one in found:
        if one.kind == "matched":
            assert one.there is not None
            assert one.here is not None
            assert one.there.amount == one.here.amount
            assert abs(one.there.on - one.here.on) <= window * DAY
            assert one.there.plan_id in (None, one.here.plan_id)
            assert one.there.reference in (None, one.here.reference)
    mixed_rows, mixed_here = random.sample(rows, len(rows)), random.sample(here, len(here))
    again = match(mixed_rows, mixed_here, window=window)
    assert Counter(one.kind for one in again) == Counter(one.kind for one in found)


# ---- the file


def read(tmp_path: Path, text: str, **mapping: Any) -> tuple[list[BankRow], list[str]]:
    file = tmp_path / "bank.csv"
    file.write_text(text, encoding="utf-8")
    rows, malformed = read_statement(file, Mapping(**mapping))
    return rows, [f"{one.line}: {one.reason}" for one in malformed]


def test_columns_dates_and_amounts_are_mapped(tmp_path: Path) -> None:
    """A file as a bank of the continent writes it, with columns that nobody asked for."""
    text = '\ufeffBuchungstag;Betrag;Zweck;Saldo\n10.05.2023;"1.234,50";"a;\nb";0,00\n11.05.2023;-1 000,5;;0,00\n'
    rows, malformed = read(
        tmp_path,
        text.replace("\nb", "b"),
        date_column="Buchungstag",
        amount_column="Betrag",
        reference_column="Zweck",
        currency="EUR",
        date_format="%d.%m.%Y",
        decimal_comma=True,
    )
    assert malformed == []
    assert [(one.line, one.reference, one.on, one.amount) for one in rows] == [
        (2, "a;b", ON, Money(123_450, "EUR")),
        (3, None, ON + DAY, Money(-100_050, "EUR")),
    ]


def test_malformed_rows_are_located(tmp_path: Path) -> None:
    """By line and column; the others are read."""
    text = (
        "date,amount,currency,reference\n"
        "2023-05-10,150.00,USD,a\n"
        "10.05.2023,150.00,USD,b\n"
        "2023-05-10,150.001,USD,c\n"
        "2023-05-10,0.00,USD,d\n"
        "2023-05-10,150.00,XXX,e\n"
        "2023-05-10,150.00\n"
        '2023-05-10,"1,150.00",USD,\x07\n'
        '2023-05-10,"1,150.00",USD,f\n'
    )
    rows, malformed = read(tmp_path, text)
    assert [one.reference for one in rows] == ["a", "f"]
    plain = "a plain amount with at most 2 decimals, such as '150.00'"
    assert malformed == [
        "3: column date is '10.05.2023'; expected a date such as 2024-06-30",
        f"4: column amount is '150.001'; expected an amount in USD such as 1,234.50 ({plain})",
        "5: column amount is '0.00'; expected an amount other than zero",
        "6: column currency is 'XXX'; expected a currency code of ISO 4217, such as 'USD'",
        "7: the line has 2 columns; expected 4",
        "8: column reference is '\\x07'; expected printable text in UTF-8",
    ]


# ---- the command


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["reconcile", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_money_counts_once_wherever_it_is(
    shared_url: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Payments, receipts and what became of them: an allocation is no second payment, an error never was one."""
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)
        pay(ledger, OPENED_ON, "bank-1")
        pay(ledger, OPENED_ON, "typo")
        ledger.reverse_payment("P-1", reference="typo", cause="error", recorded_at=RECORDED_AT)
        pay(ledger, OPENED_ON + DAY, "bank-2")
        ledger.reverse_payment(
            "P-1", reference="bank-2", cause="chargeback", on=OPENED_ON + 9 * DAY, recorded_at=RECORDED_AT
        )
        for reference in ("bank-3", "bank-4"):
            ledger.receive_unallocated(
                reference, amount=usd("200.00"), received_at=OPENED_ON, reason="no plan", recorded_at=RECORDED_AT
            )
        ledger.allocate("bank-3", plan_id="P-1", amount=usd("150.00"), payment_reference="b", recorded_at=RECORDED_AT)
        ledger.return_unallocated(
            "bank-4", amount=usd("200.00"), on=OPENED_ON + 5 * DAY, reason="asked", recorded_at=RECORDED_AT
        )
    bank = tmp_path / "bank.csv"
    lines = [
        "reference,date,amount,currency",
        f"bank-1,{OPENED_ON},150.00,USD",
        f"bank-2,{OPENED_ON + DAY},150.00,USD",
        f"bank-2,{OPENED_ON + 9 * DAY},-150.00,USD",
        f"bank-3,{OPENED_ON},200.00,USD",
        f"bank-4,{OPENED_ON},200.00,USD",
        f"bank-4,{OPENED_ON + 5 * DAY},-200.00,USD",
    ]
    bank.write_text("\n".join(lines))
    located = "--db", shared_url, "--name", name
    code, out, err = run(capsys, str(bank), *located)
    assert (code, err) == (0, "")
    assert out == f"{bank}, 2023-04-10 to 2023-04-19: 6 matched.\n"
    bank.write_text("\n".join([*lines[:1], *lines[2:], f"bank-9,{OPENED_ON},1.00,USD", "x"]))
    code, out, _ = run(capsys, str(bank), *located, "--json")
    found = json.loads(out)
    assert code == 1
    assert {kind: count for kind, count in found["counts"].items() if count} == {
        "matched": 5,
        "missing_here": 1,
        "missing_there": 1,
        "malformed": 1,
    }
    assert found["malformed"] == [{"line": 8, "reason": "the line has 1 columns; expected 4"}]
    assert [day["difference"]["amount"] for day in found["days"]] == ["-149.00", "0.00", "0.00", "0.00"]
    code, out, _ = run(capsys, str(bank), *located)
    assert code == 1
    assert "5 matched, 1 missing here, 1 missing there, 1 malformed." in out
    assert "1 day with other sums" in out


def test_the_bundled_book_against_its_own_payments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The import said it: 16 rows are repeated, and all that was refused is missing here or kept as a receipt."""
    url = f"sqlite:///{tmp_path}/books.db"
    with Ledger.open(url) as ledger:
        report = import_book(ledger, read_book(EXAMPLE), keep_refused=True)
        kept = len(ledger.receipts(as_of=date(2025, 1, 1)))
    code, out, _ = run(capsys, str(EXAMPLE / "payments.csv"), "--date-column", "paid_at", "--db", url, "--json")
    counts = json.loads(out)["counts"]
    assert code == 1
    assert (counts["doubled"], counts["different"], counts["ambiguous"], counts["malformed"]) == (16, 0, 0, 0)
    assert kept == report.kept > 200
    errors = sum(",error," in line for line in (EXAMPLE / "reversals.csv").read_text().splitlines())
    unkept = sum(one.file == "payments.csv" for one in report.refused)
    assert counts["missing_here"] == errors + unkept
    chargebacks = sum(",chargeback," in line for line in (EXAMPLE / "reversals.csv").read_text().splitlines())
    assert counts["missing_there"] == chargebacks  # they have a file of their own


def test_a_period_limits_both_sides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows outside are left out; money outside is not missing, and may still match within the window."""
    url = f"sqlite:///{tmp_path}/books.db"
    with Ledger.open(url) as ledger:
        open_plan(ledger)
        for days in (0, 1, 31):
            pay(ledger, OPENED_ON + days * DAY, f"bank-{days}")
    bank = tmp_path / "bank.csv"
    bank.write_text(f"date,amount,plan_id\n{OPENED_ON + 2 * DAY},150.00,P-1\n{OPENED_ON + 31 * DAY},150.00,P-1\n")
    period = "--currency", "USD", "--db", url, "--from", f"{OPENED_ON + 2 * DAY}", "--through", f"{OPENED_ON + 9 * DAY}"
    assert run(capsys, str(bank), *period)[:2] == (0, f"{bank}, 2023-04-12 to 2023-04-19: 1 matched.\n")
    assert run(capsys, str(bank), *period, "--window", "0")[0] == 1


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (None, (), "unreadable (No such file or directory)"),
        ("day,amount,currency\n", (), "expected the columns date, amount, currency"),
        ("date,amount\n", (), "without the column 'currency'"),
        ("date,amount,amount\n", ("--currency", "USD"), "with the column 'amount' twice"),
        ("date,amount\n", ("--currency", "usd"), "currency is 'usd'"),
        ("date,amount,currency\n", ("--window", "-1"), "--window is -1; expected a whole number from 0"),
        (
            "date,amount,currency\n2023-04-10,150.00,USD\n",
            ("--from", "2023-04-11"),
            "from is '2023-04-11'; expected a day up to 2023-04-10, the last of the period",
        ),
    ],
)
def test_what_could_not_run_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, options: tuple[str, ...], message: str
) -> None:
    """One sentence on standard error, nothing on standard output."""
    url = f"sqlite:///{tmp_path}/books.db"
    Ledger.open(url).close()
    bank = tmp_path / "bank.csv"
    if text is not None:
        bank.write_text(text)
    code, out, err = run(capsys, str(bank), *options, "--db", url)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_money_that_cannot_be_read_is_not_called_missing(
    shared_url: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A corrupt plan stops the comparison: exit code 2. An empty statement is nothing to compare."""
    bank = tmp_path / "bank.csv"
    bank.write_text(f"date,amount,currency\n{OPENED_ON},150.00,USD\n")
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger, terms=TERMS)
        change(ledger, "UPDATE books_events SET version = 7 WHERE stream_id = 'P-1'")
    located = "--db", shared_url, "--name", name
    code, _, err = run(capsys, str(bank), *located)
    assert (code, err[:26]) == (2, "error: Plan P-1, version 7")
    bank.write_text("date,amount,currency\n")
    assert run(capsys, str(bank), *located)[:2] == (0, f"{bank}: no rows.\n")


def test_what_the_ledger_learnt_later_is_not_there_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As known at an instant before the payment was recorded."""
    url, before = f"sqlite:///{tmp_path}/books.db", datetime(2024, 1, 1, tzinfo=UTC)
    with Ledger.open(url) as ledger:
        ledger.open_plan("P-1", investor="I", partner=None, terms=TERMS, opened_at=OPENED_ON, recorded_at=before)
        pay(ledger, OPENED_ON, "a")
    bank = tmp_path / "bank.csv"
    bank.write_text(f"reference,date,amount,currency\na,{OPENED_ON},150.00,USD\n")
    assert run(capsys, str(bank), "--db", url)[0] == 0
    assert run(capsys, str(bank), "--db", url, "--known-at", "2024-06-01")[0] == 1
