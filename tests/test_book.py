"""Books: the bundled one whole, and one with every kind of bad row."""

import csv
import re
import shutil
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ledger import InvalidArgument, Ledger
from ledger.audit import verify as reference_model
from ledger.books.files import UnusableFile
from ledger.books.importer import import_book
from ledger.books.reader import EXAMPLE, read_book
from ledger.books.rejections import RefusedRow, remove_rejections, write_rejections
from ledger.plan import Plan
from tests.reference_words import facts_of, report_of, terms_of

PLANS = (
    "plan_id,investor_id,partner_id,opened_at,price,currency,shares,installments,rounding_unit,release,timezone,"
    "grace_days,promos"
)
PAYMENTS = "reference,plan_id,amount,currency,paid_at,kind,recorded_at"
PLAN = "P-1,I-1,N-1,2023-04-10T12:00:00+03:00,3000.00,USD,351000,20,100,per_unit:49,Europe/Moscow,19,on_time:500"


def _book(folder: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        raw = content if isinstance(content, bytes) else content.encode()
        (folder / f"{name}.csv").write_bytes(raw)
    return folder


def _import(folder: Path) -> tuple[Ledger, dict[tuple[str, int], str], tuple[int, int, int]]:
    ledger = Ledger.open("memory://")
    report = import_book(ledger, read_book(folder))
    reasons = {(row.file, row.line): row.reason for row in report.refused}
    return ledger, reasons, (report.recorded, report.repeated, len(report.refused))


# ---- the bundled book


def test_the_bundled_book_is_imported_whole_and_only_once(ledger: Ledger) -> None:
    """Every row is recorded, repeated or refused with a reason; importing it again records nothing."""
    book = read_book(EXAMPLE)
    assert (len(book.rows), len(book.malformed)) == (4_366, 0)
    seen: list[tuple[int, int]] = []
    report = import_book(ledger, book, progress=lambda done, total: seen.append((done, total)))
    assert (report.recorded, report.repeated, len(report.refused)) == (4_050, 16, 300)
    assert seen[-1] == (4_366, 4_366)
    recorded = ledger._store.last_sequence()
    again = import_book(ledger, book)
    assert (again.recorded, again.repeated, list(again.refused)) == (0, 4_066, list(report.refused))
    assert ledger._store.last_sequence() == recorded
    (row,) = ledger.portfolio(as_of=date(2024, 6, 30))
    assert (row.plans, row.active, row.in_grace, row.cancelled, row.completed) == (400, 116, 9, 156, 119)


def test_refused_rows_of_the_bundled_book_are_dated_after_a_cancellation() -> None:
    """The book's refused rows are payments after a cancellation, with both dates, and the reversal of one of them."""
    report = import_book(Ledger.open("memory://"), read_book(EXAMPLE))
    *payments, reversal = report.refused
    for row in payments:
        assert row.file == "payments.csv"
        words = row.reason.split("is dated ")[1]
        dated, cancelled = words[:10], words.split("cancelled on ")[1][:10]
        assert date.fromisoformat(dated) >= date.fromisoformat(cancelled)
    assert reversal.reason == "Plan P-00005 has no payment 'P-00005-009'; check the reference."
    assert any("'P-00005-009'" in row.reason for row in payments)


def test_every_plan_of_the_bundled_book_agrees_with_the_reference_model() -> None:
    """On three days of the book every plan is as derived day by day, and its record follows from its facts."""
    with Ledger.open("memory://") as ledger:
        import_book(ledger, read_book(EXAMPLE))
        for plan_id in [position.plan_id for position in ledger.positions(as_of=date(2024, 6, 30))]:
            history = ledger.history(plan_id)
            plan, facts = Plan(history), facts_of(history)
            plan.check(plan.timeline(plan.horizon))
            terms, opened_on = terms_of(plan.opened), plan.opened.effective_on
            for as_of in (date(2022, 12, 31), date(2023, 12, 31), date(2024, 6, 30)):
                if as_of >= opened_on:
                    report = report_of(plan.opened, plan.timeline(as_of), as_of)
                    assert report == reference_model.derive(terms, opened_on, facts, as_of)


def test_rows_are_applied_in_the_order_in_which_they_were_recorded(tmp_path: Path) -> None:
    """A book split into lines in any order is the same book: `recorded_at` decides."""
    shutil.copytree(EXAMPLE, tmp_path / "book")
    payments = (tmp_path / "book" / "payments.csv").read_text().splitlines(keepends=True)
    (tmp_path / "book" / "payments.csv").write_text("".join([payments[0], *reversed(payments[1:])]))
    turned, straight = read_book(tmp_path / "book").rows, read_book(EXAMPLE).rows
    assert [row.recorded_at for row in turned] == [row.recorded_at for row in straight]
    assert Counter(row.command for row in turned) == Counter(row.command for row in straight)


def test_late_rows_revive_a_plan_and_refused_rows_are_offered_again(tmp_path: Path) -> None:
    """A payment refused on a cancelled plan is recorded once a later row undoes the cancellation."""
    folder = _book(
        tmp_path,
        plans=f"{PLANS}\n{PLAN}\n",
        payments=f"{PAYMENTS}\n"
        "b-3,P-1,150.00,USD,2023-06-09,regular,2023-06-09T12:00:00+00:00\n"
        "b-2,P-1,150.00,USD,2023-05-10,regular,2023-07-02T12:00:00+00:00\n"
        "b-1,P-1,150.00,USD,2023-04-20,regular,2023-07-01T12:00:00+00:00\n",
    )
    ledger, reasons, counts = _import(folder)
    assert (reasons, counts) == ({}, (4, 0, 0))
    assert ledger.position("P-1", as_of=date(2023, 6, 9)).settled == 3
    assert [item.recorded_at.month for item in ledger.history("P-1") if item.key == "b-3"] == [7, 7]


# ---- bad rows


def test_every_kind_of_bad_row_is_refused_by_line_and_everything_good_is_recorded(tmp_path: Path) -> None:
    """File, line, column and the expected value, or the sentence of the rule; nothing good is held up."""
    good = "2023-04-10,regular,2023-04-10T12:00:00+00:00"
    payments = [
        PAYMENTS,
        f"good-1,P-1,150.00,USD,{good}",
        f"b-1,P-404,150.00,USD,{good}",
        f"b-2,P-1,150.00,EUR,{good}",
        f"b-3,P-1,-150.00,USD,{good}",
        "b-4,P-1,150.00,USD,2023-04-10T12:00:00,regular,2023-04-10T12:00:00+00:00",
        "b-5,P-1,150.00,USD,2023-02-30,regular,2023-04-10T12:00:00+00:00",
        f"good-1,P-1,151.00,USD,{good}",
        f"good-1,P-1,150.00,USD,{good}",
        f"b-6,P-1,150.005,USD,{good}",
        f"b-7,P-1,150.00,XXX,{good}",
        "b-8,P-1,150.00,USD,2023-04-10,late,2023-04-10T12:00:00+00:00",
        "b-9,P-1,150.00,USD,2023-04-10,regular,yesterday",
        f"b-10,P-1,150.00,USD,{good},more",
        f'b-11,P-1,"150.00,USD,{good}',
        f",P-1,150.00,USD,{good}",
        "",
        f"good-2,P-1,1.00,USD,{good}",
    ]
    latin = f"b-12 caf\xe9,P-1,150.00,USD,{good}\n".encode("latin-1")
    raw = "\n".join(payments).encode() + b"\n" + latin + b"b-13,P-1,150.00,USD,2023-04-1"
    ledger, reasons, counts = _import(_book(tmp_path, plans=f"{PLANS}\n{PLAN}\n", payments=raw))
    expected = {
        3: "Plan P-404 is not in this ledger; check its id, or open it first.",
        4: "Plan P-1: 'b-2' is in EUR, the plan in USD; pay in USD.",
        5: "column amount is '-150.00'; expected an amount above zero",
        6: "column paid_at is '2023-04-10T12:00:00'; expected an instant with its offset, such as "
        "2024-06-30T12:00:00+03:00",
        7: "column paid_at is '2023-02-30'; expected a date of the calendar, such as 2024-06-30",
        8: "Plan P-1: 'good-1' is recorded with amount 150.00 USD, not 151.00 USD; repeat it with the same content, or "
        "use a new reference.",
        10: "column amount is '150.005'; expected a plain amount with at most 2 decimals, such as '150.00'",
        11: "column currency is 'XXX'; expected a currency code of ISO 4217, such as 'USD'",
        12: "column kind is 'late'; expected regular or early_repayment",
        13: "column recorded_at is 'yesterday'; expected an instant with its offset, such as 2024-06-30T12:00:00+03:00",
        14: "the line has 8 columns; expected 7",
        15: "the line is not CSV in UTF-8 (unexpected end of data)",
        16: "column reference is ''; expected some text",
        19: r"column reference is 'b-12 caf\\xe9'; expected printable text in UTF-8",
        20: "the line ends after 5 of 7 columns; expected kind, recorded_at too",
    }
    assert reasons == {("payments.csv", line): reason for line, reason in expected.items()}
    assert counts == (3, 1, len(expected))
    assert ledger.position("P-1", as_of=date(2023, 4, 10)).paid.minor == 15_100


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("opened_at", "10.04.2023", "column opened_at is '10.04.2023'; expected an instant with its offset"),
        ("price", "3,000.00", "column price is '3,000.00'; expected a plain amount"),
        ("shares", "351000.5", "column shares is '351000.5'; expected a whole number in plain digits"),
        ("shares", "0", "shares is 0; expected a whole number from 1."),
        ("release", "per_unit:x", "column release is 'per_unit:x'; expected an exact rate"),
        ("release", "half", "column release is 'half'; expected per_unit:RATE, portion:FRACTION or explicit:a,b,"),
        ("release", "per_unit:120", "Plan P-1: the installments would release 360,000 of 351,000 shares"),
        ("timezone", "Moscow", "timezone is 'Moscow'; expected a time zone of the IANA database"),
        ("promos", "on_time", "column promos is 'on_time'; expected on_time:BP[:by_due_date], campaign:BP,"),
        ("promos", "on_time:0", "column promos is 'on_time:0'; expected a whole number from 1"),
        ("plan_id", "", "column plan_id is ''; expected some text"),
    ],
)
def test_a_bad_plan_is_refused_and_its_payments_with_it(tmp_path: Path, column: str, value: str, reason: str) -> None:
    """A plan that cannot be opened leaves its payments without a plan; each refusal names it."""
    cells = dict(zip(PLANS.split(","), PLAN.split(","), strict=True)) | {column: value}
    with (tmp_path / "plans.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, PLANS.split(","))
        writer.writeheader()
        writer.writerow(cells)
    payment = "b-1,P-1,150.00,USD,2023-04-10,regular,2023-04-10T12:00:00+00:00"
    _, reasons, counts = _import(_book(tmp_path, payments=f"{PAYMENTS}\n{payment}\n"))
    assert reasons["plans.csv", 2].startswith(reason)
    assert reasons["payments.csv", 2].startswith("Plan P-1 is not in this ledger")
    assert counts == (0, 0, 2)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (PAYMENTS.replace("amount,", ""), "'without the column amount'; expected the columns reference, plan_id,"),
        (f"{PAYMENTS},metadata", "\"with the unknown column 'metadata'\"; expected the columns reference"),
        (f"{PAYMENTS},amount", "\"with the column 'amount' twice\"; expected the columns reference"),
        (PAYMENTS.replace(",", ";"), "'separated by semicolons'; expected commas"),
        (PAYMENTS.replace(",", "\t"), "'separated by tabs'; expected commas"),
        ("", "'empty'; expected the columns reference"),
        ("\n" + PAYMENTS, "'empty in its first line'; expected the columns reference"),
        (f"{PAYMENTS}\n1,2,3\n".encode("utf-16"), "'in UTF-16'; expected UTF-8"),
        (PAYMENTS.encode("utf-16-le"), "in UTF-8"),
    ],
)
def test_a_file_that_leaves_doubt_as_a_whole_refuses_the_book(
    tmp_path: Path, content: str | bytes, reason: str
) -> None:
    """Another encoding, separator or column: the book is refused before any row of any file is read."""
    folder = _book(tmp_path, plans=f"{PLANS}\n{PLAN}\n", payments=content)
    with pytest.raises(UnusableFile) as error:
        read_book(folder)
    assert error.value.argument == str(folder / "payments.csv")
    assert reason in str(error.value)


@pytest.mark.parametrize("name", ["payment", "Payments", "payments-2023", "plans (1)", "cancelations"])
def test_a_misspelt_name_refuses_the_book(tmp_path: Path, name: str) -> None:
    """A file whose name is nearly that of a file of a book is not left out silently."""
    _book(tmp_path, plans=f"{PLANS}\n{PLAN}\n", **{name: PAYMENTS})
    with pytest.raises(UnusableFile, match=f"{re.escape(name)}.csv'; expected the name "):
        read_book(tmp_path)


def test_other_files_are_named_and_not_read(tmp_path: Path) -> None:
    """CSV files with other names are reported; the rejected rows of an earlier import are not even that."""
    _book(tmp_path, plans=f"{PLANS}\n{PLAN}\n", notes="a,b\n", statements="a,b\n")
    write_rejections(tmp_path / "rejected.csv", [])
    assert read_book(tmp_path).not_read == ("notes.csv", "statements.csv")


def test_a_folder_without_a_book_is_refused(tmp_path: Path) -> None:
    """A folder with none of the files is an invalid argument that lists them."""
    with pytest.raises(InvalidArgument, match=r"expected a folder with plans\.csv, payments\.csv"):
        read_book(tmp_path)
    with pytest.raises(InvalidArgument):
        read_book(tmp_path / "missing")


def test_partners_are_checked(tmp_path: Path) -> None:
    """A partner is listed once, and has an upline of the same file or none."""
    partners = "partner_id,upline_id\nN-1,\nN-2,N-1\nN-2,N-1\nN-3,N-9\nN-4,N-4\n,N-1\nN-5\n"
    book = read_book(_book(tmp_path, partners=partners))
    assert [(row.line, row.reason) for row in book.malformed] == [
        (4, "column partner_id is 'N-2'; expected each partner once"),
        (5, "column upline_id is 'N-9'; expected another partner of this file"),
        (6, "column upline_id is 'N-4'; expected another partner of this file"),
        (7, "column partner_id is ''; expected some text"),
        (8, "the line ends after 1 of 2 columns; expected upline_id too"),
    ]


# ---- every column


def test_optional_files_and_columns(tmp_path: Path) -> None:
    """Cancellations, reinstatements, and the optional columns of plans are read as they are written."""
    plans = (
        f"{PLANS},first_due_on,schedule,stacking,reinstatement\n"
        f"{PLAN},2023-05-01,,compound,full_cover\n"
        "P-2,I-1,,2023-04-10T12:00:00+03:00,1000,JPY,34000,2,1,portion:1/3,Europe/Moscow,0,,,every:30,,\n"
        'P-3,I-1,,2023-04-10T12:00:00+03:00,10.00,USD,100,2,1,"explicit:10,20",Europe/Moscow,0,'
        'on_time:500:by_due_date;campaign:1000;campaign:2000,,"lines:2023-05-01=4.00,2023-07-01=6.00",,'
        "partial_cover:2\n"
    )
    folder = _book(
        tmp_path,
        plans=plans,
        cancellations="reference,plan_id,effective_on,reason,recorded_at\n"
        "crm-1,P-1,2023-04-20,asked,2023-04-21T00:00:00+00:00\n",
        reinstatements="reference,plan_id,amount,currency,effective_on,approved_by,reason,recorded_at,revised_shares\n"
        "b-9,P-1,150.00,USD,2023-05-05,head of sales,illness,2023-05-06T00:00:00+00:00,\n",
        reversals="reference,plan_id,cause,effective_on,recorded_at\n"
        "b-9,P-1,chargeback,2023-05-20,2023-05-21T00:00:00+00:00\n",
    )
    ledger, reasons, counts = _import(folder)
    assert (reasons, counts) == ({}, (6, 0, 0))
    kinds = [type(item.event).__name__ for item in ledger.history("P-1")]
    assert kinds == [
        *("PlanOpened", "CancellationRequested", "PlanCancelled"),
        *("PlanReinstated", "InstallmentSettled", "ScheduleRevised"),
        *("PaymentReversed", "OutcomeVoided"),
    ]
    one, two, three = (Plan(ledger.history(f"P-{number}")).opened for number in (1, 2, 3))
    assert (one.terms.stacking, one.lines[0].due_on) == ("compound", date(2023, 5, 1))
    assert [line.due_on for line in two.lines] == [date(2023, 4, 10), date(2023, 5, 10)]
    assert [(line.due_on, line.amount, line.shares) for line in three.lines] == [
        (date(2023, 5, 1), 400, 10),
        (date(2023, 7, 1), 600, 20),
    ]
    assert [promo.code for promo in three.terms.promos] == ["on_time", "campaign", "campaign_2"]
    assert ledger.history("P-1")[0].correlation == "plans.csv:2"


REFUSED = (
    RefusedRow(file="payments.csv", line=7, code="overpayment", plan="P-1", reason='a "quoted", reason', row='b,"1,0"'),
    RefusedRow(file="plans.csv", line=2, code="malformed", plan="", reason="ö", row="\udce9"),
)


def test_refused_rows_are_written_with_code_plan_reason_and_the_row(tmp_path: Path) -> None:
    """The rejected file is itself CSV, with any text in the reasons; the next one replaces it."""
    for rows in (REFUSED, REFUSED[:1], REFUSED):
        write_rejections(tmp_path / "rejected.csv", rows)
    with (tmp_path / "rejected.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["file", "line", "code", "plan", "reason", "row"],
            ["payments.csv", "7", "overpayment", "P-1", 'a "quoted", reason', 'b,"1,0"'],
            ["plans.csv", "2", "malformed", "", "ö", r"\udce9"],
        ]
    assert [path.name for path in tmp_path.iterdir()] == ["rejected.csv"]
    remove_rejections(tmp_path / "rejected.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [PAYMENTS, "", "file,line,code,plan,reason,row,more\n", "file,line"])
def test_refused_rows_are_written_over_no_other_file(tmp_path: Path, content: str) -> None:
    """A file of somebody else stays as it is: it is neither replaced nor removed, whatever it holds."""
    path = tmp_path / "payments.csv"
    path.write_text(content)
    with pytest.raises(FileExistsError):
        write_rejections(path, REFUSED)
    remove_rejections(path)
    assert path.read_text() == content
    assert [path.name for path in tmp_path.iterdir()] == ["payments.csv"]


# ---- migrations


def test_rows_of_one_instant_go_by_effective_date(tmp_path: Path) -> None:
    """A migration whose rows were all recorded at once, newest first, is recorded in one pass and voids nothing."""
    newest_first = [
        f"b-{number},P-1,150.00,USD,2023-{number:02}-10,regular,2024-01-01T00:00:00+00:00"
        for number in range(12, 3, -1)
    ]
    _book(tmp_path, plans=f"{PLANS}\n{PLAN}\n", payments="\n".join([PAYMENTS, *newest_first, ""]))
    book, seen = read_book(tmp_path), list[tuple[int, int]]()
    with Ledger.open("memory://") as ledger:
        report = import_book(ledger, book, progress=lambda done, total: seen.append((done, total)))
        assert (report.recorded, list(report.refused), seen) == (10, [], [(10, 10)])
        kinds = [type(item.event).__name__ for item in ledger.history("P-1")]
    assert kinds.count("OutcomeVoided") == 0
    assert kinds.count("InstallmentSettled") == 9


def test_the_effective_date_is_that_of_the_plans_zone(tmp_path: Path) -> None:
    """22:30 UTC is the next day in Moscow: the payment comes after one of the day before, in spite of its line."""
    end = "regular,2024-01-01T00:00:00+00:00\n"
    rows = f"late,P-1,1.00,USD,2023-05-01T22:30:00Z,{end}early,P-1,1.00,USD,2023-05-01,{end}"
    book = read_book(_book(tmp_path, plans=f"{PLANS}\n{PLAN}\n", payments=f"{PAYMENTS}\n{rows}"))
    assert [(row.line, row.effective_on.day) for row in book.rows][1:] == [(3, 1), (2, 2)]


def test_an_opening_may_be_a_date(tmp_path: Path) -> None:
    """Such an opening is recorded at the beginning of that day in the plan's zone, and keeps no instant."""
    plan = PLAN.replace("2023-04-10T12:00:00+03:00", "2023-04-10")
    payment = "b-1,P-1,150.00,USD,2023-04-10,regular,2023-04-09T21:00:00+00:00"
    ledger, reasons, _ = _import(_book(tmp_path, plans=f"{PLANS}\n{plan}\n", payments=f"{PAYMENTS}\n{payment}\n"))
    assert reasons == {}
    first = ledger.history("P-1")[0]
    assert first.recorded_at == datetime(2023, 4, 9, 21, tzinfo=UTC)
    opened = Plan([first]).opened
    assert (opened.effective_on, opened.opened_at) == (date(2023, 4, 10), None)


def test_promotions_without_end_are_refused(tmp_path: Path) -> None:
    """A cell that names more than a thousand promotions is refused, with a message of bounded length."""
    plan = PLAN.replace("on_time:500", ";".join(["campaign:1"] * 1_001))
    _, reasons, _ = _import(_book(tmp_path, plans=f"{PLANS}\n{plan}\n"))
    assert reasons["plans.csv", 2].endswith("expected at most 1,000 promotions")
    assert len(reasons["plans.csv", 2]) < 300
