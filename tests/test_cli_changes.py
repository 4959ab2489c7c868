"""The commands that change one plan, the preview that needs no ledger, and the events that they leave."""

import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import installment_ledger
import ledger as public
from ledger import InvalidArgument, Ledger, Money, PerUnit, PlanTerms, TermsRefused, schedule
from ledger.cli.app import main
from ledger.store import back_up
from tests.examples import OPENED_ON, TERMS, open_plan, pay, usd

TERMS_OPTIONS = (
    *("--price", "3000.00", "--currency", "USD", "--shares", "351000", "--installments", "20"),
    *("--release", "per_unit:49", "--timezone", "Europe/Moscow", "--rounding-unit", "100"),
    *("--reinstatement", "full_cover", "--promos", "on_time:500;campaign:1000"),
)
RECORDED = ("--recorded-at", "2024-01-01T00:00:00Z", "--actor", "ann", "--correlation", "ticket-1")
PAID = ("--amount", "150.00", "--currency", "USD", "--paid-at", "2023-04-10")


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty ledger in an SQLite file, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER_DB", url := f"sqlite:///{tmp_path}/books.db")
    Ledger.open(url).close()
    return url


class Run:
    """The output of a command, and its exit code."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        capsys.readouterr()
        self.code = main(arguments)
        captured = capsys.readouterr()
        self.out, self.error = captured.out, captured.err

    @property
    def words(self) -> str:
        """What was printed, with single spaces."""
        return " ".join(self.out.split())

    @property
    def json(self) -> Any:
        """The printed JSON."""
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")  # whoever runs the tests may have set another width


def _kinds(url: str, plan_id: str = "P-1") -> Sequence[str]:
    with Ledger.open(url) as ledger:
        return [type(recorded.event).__name__ for recorded in ledger.history(plan_id)]


def test_a_plan_from_opening_to_reinstatement(books: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command records one fact with its outcomes, by whom it says, and shows the plan before and after."""
    opened = Run(capsys, "open", "P-1", "--investor", "I-7", "--opened-at", "2023-04-10", *TERMS_OPTIONS, *RECORDED)
    assert (opened.code, opened.error) == (0, "")
    assert "Recorded 1 event of plan P-1" in opened.words
    paid = Run(capsys, "pay", "P-1", "--reference", "b-1", *PAID, *RECORDED)
    assert "Recorded 2 events of plan P-1" in paid.words
    assert "Shares credited 0 7,350" in paid.words
    again = Run(capsys, "pay", "P-1", "--reference", "b-1", *PAID, *RECORDED)
    assert (again.code, again.out) == (0, "Nothing to record: this very command was recorded before.\n")
    back = Run(capsys, "reverse", "P-1", "--reference", "b-1", "--cause", "chargeback", "--on", "2023-04-11", *RECORDED)
    assert "Shares credited 7,350 0" in back.words
    cancelled = Run(
        capsys, "cancel", "P-1", "--reference", "crm-1", "--on", "2023-04-12", "--reason", "asked", *RECORDED
    )
    assert "CancellationRequested asked" in cancelled.words
    reinstated = Run(
        *(capsys, "reinstate", "P-1", "--reference", "b-2", "--on", "2023-04-13", "--amount", "150.00"),
        *("--currency", "USD", "--approved-by", "head of sales", "--reason", "illness", *RECORDED),
    )
    assert reinstated.code == 0, reinstated.error
    assert "PlanReinstated" in reinstated.words
    history = Run(capsys, "history", "P-1").words
    assert "2023-04-10 2024-01-01 00:00:00 PlanOpened P-1 ann ticket-1" in history
    assert "2023-04-11 2024-01-01 00:00:00 PaymentReversed chargeback b-1 ann ticket-1" in history
    assert _kinds(books)[0] == "PlanOpened"
    assert "PlanReinstated" in _kinds(books)


def test_money_is_found_whatever_became_of_it(books: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A payment by its reference in any plan, with its reversal; a receipt and its events, also if nothing remains."""
    with Ledger.open(books) as ledger:
        open_plan(ledger)
        pay(ledger, OPENED_ON, "b-1")
        ledger.reverse_payment("P-1", reference="b-1", cause="error", actor="ann")
        ledger.receive_unallocated("b-2", amount=usd("5.00"), received_at=OPENED_ON, reason="unknown payer")
        ledger.return_unallocated("b-2", amount=usd("5.00"), on=OPENED_ON, reason="sent back")
    assert "b-1 P-1 I-7 2023-04-10 150.00 USD regular error 2023-04-10" in Run(capsys, "payments").words
    (found,) = Run(capsys, "payments", "--reference", "b-1", "--json").json
    assert (found["plan_id"], found["reversal"]) == ("P-1", "error")
    assert Run(capsys, "payments", "--reference", "b-3").words.startswith("0 payments ")
    assert "b-2" not in Run(capsys, "unallocated").words
    assert "2023-04-10 b-2 5.00 USD 0.00 USD unknown payer" in Run(capsys, "unallocated", "--all").words
    history = Run(capsys, "history", "b-2", "--receipt").words
    assert "2 events of receipt b-2" in history
    assert "MoneyReturned 5.00 USD" in history


def test_a_dry_run_shows_the_effect_and_records_nothing(books: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Opening, payment and reversal are tried: events, and the plan before and after; the ledger stays as it is."""
    arguments = ("open", "P-1", "--investor", "I-7", "--opened-at", "2023-04-10", *TERMS_OPTIONS, "--dry-run")
    tried = Run(capsys, *arguments)
    assert "Would record 1 event of plan P-1" in tried.words
    assert "After" in tried.words
    assert "Before" not in tried.words
    assert Run(capsys, "history", "P-1").code == 1
    with Ledger.open(books) as ledger:
        open_plan(ledger)
        pay(ledger, OPENED_ON, "b-1")
    recorded = _kinds(books)
    late = ("--amount", "150.00", "--currency", "USD", "--paid-at", "2023-05-29")
    tried = Run(capsys, "pay", "P-1", "--reference", "b-2", *late, "--dry-run")
    assert "Before After" in tried.words
    assert "Cancelled 2023-05-30 2023-06-30" in tried.words
    assert "Shares credited 7,350 14,700" in tried.words
    assert tried.out.endswith("Nothing is recorded. The same command without --dry-run records it.\n")
    shown = Run(capsys, "reverse", "P-1", "--reference", "b-1", "--cause", "error", "--dry-run", "--json").json
    assert (shown["recorded"], shown["position"]["paid"]["minor"]) == (False, 0)
    assert _kinds(books) == recorded


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["pay", "P-9", "--reference", "b", *PAID], 1, "Plan P-9 is not in this ledger"),
        (
            ["pay", "P-1", "--reference", "b", *PAID[:3], "XXX", *PAID[4:]],
            1,
            "--currency is 'XXX'; expected a currency",
        ),
        (["pay", "P-1", "--reference", "b", "--amount", "1,5", *PAID[2:]], 1, "--amount is '1,5'; expected a plain"),
        (
            ["pay", "P-1", "--reference", "b", "--amount", "-1", *PAID[2:]],
            1,
            "--amount is '-1'; expected an amount above",
        ),
        (
            ["pay", "P-1", "--reference", "b", "--amount", "0", *PAID[2:]],
            1,
            "--amount is '0'; expected an amount above",
        ),
        (["reverse", "P-1", "--reference", "b", "--cause", "chargeback"], 2, "--on is missing: state the date of the"),
        (["pay", "P-1", "--reference", "b", *PAID[:5], "soon"], 2, "--paid-at"),
        (["pay", "P-1", "--reference", "b", *PAID[:4]], 2, "--paid-at"),
        (["pay", "P-1", "--reference", "b", *PAID[:4], "--on", "2023-04-10"], 2, "Unknown option: --on. "),
        (["reverse", "P-1", "--reference", "b", "--cause", "whim"], 2, "--cause"),
        (["position", "P-9"], 1, "Plan P-9 is not in this ledger"),
        (["history", "P-9"], 1, "Plan P-9 is not in this ledger"),
        (["history", "P-1", "--receipt"], 1, "No unallocated money was received under 'P-1'"),
        (["positions", "--investor", "I-9"], 1, "--investor is 'I-9'; expected the investor of a plan in this ledger"),
        (["positions", "--partner", "N-9"], 1, "--partner is 'N-9'; expected the partner of a plan in this ledger"),
        (["payments", "--plan", "P-9"], 1, "Plan P-9 is not in this ledger"),
        (["payments", "--investor", "I-9"], 1, "--investor is 'I-9'"),
        (["balances", "--investor", "I-9"], 1, "--investor is 'I-9'"),
        (["overdue", "--partner", "N-9"], 1, "--partner is 'N-9'"),
        (["events", "--limit", "0"], 1, "--limit is 0; expected a whole number from 1"),
        (["preview", "--opened-on", "2023-04-10", *TERMS_OPTIONS, "--shares", "many"], 2, "--shares"),
        (["preview", "--opened-on", "2023-04-10", *TERMS_OPTIONS, "--db", "x"], 2, "preview takes no --db"),
    ],
)
def test_bad_input_is_one_sentence(
    books: str, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, sentence: str
) -> None:
    """Unknown plans, investors and partners are errors, never an empty table; options are named."""
    with Ledger.open(books) as ledger:
        open_plan(ledger)
    run = Run(capsys, *arguments)
    assert (run.code, run.out) == (code, "")
    assert sentence in run.error
    assert run.error.count("\n") == 1


def test_known_ids_without_rows_are_an_empty_table(books: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A partner without an overdue plan, and an investor before the first opening, have an empty list."""
    with Ledger.open(books) as ledger:
        open_plan(ledger)
    assert Run(capsys, "overdue", "--partner", "N-3", "--as-of", "2023-04-10").code == 0
    assert Run(capsys, "balances", "--investor", "I-7", "--as-of", "2020-01-01").words.startswith("0 share balances")


def test_positions_and_events(books: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Lists of positions by status, and of events in pages."""
    with Ledger.open(books) as ledger:
        for number in range(3):
            open_plan(ledger, f"P-{number}")
        pay(ledger, OPENED_ON, "b-1", plan_id="P-1")
    active = Run(capsys, "positions", "--status", "in_grace", "--as-of", "2023-04-11", "--json").json
    assert [row["plan_id"] for row in active] == ["P-0", "P-2"]
    assert (
        "P-1 I-7 N-3 active 2023-05-10 150.00 USD 2,850.00 USD"
        in Run(capsys, "positions", "--as-of", "2023-04-11").words
    )
    one = Run(capsys, "position", "P-1", "--as-of", "2023-04-11")
    assert "Paid 150.00 USD" in one.words
    first = Run(capsys, "events", "--limit", "2", "--json")
    assert first.error == f"there are more: continue with --after {first.json[-1]['sequence']}\n"
    rest = Run(capsys, "events", "--after", str(first.json[-1]["sequence"]), "--json")
    assert [event["key"] for event in rest.json] == ["P-2", "b-1", "b-1"]
    assert rest.error == ""


# ---- schedules from terms alone


def test_a_preview_shows_the_schedule_without_a_ledger(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Due dates, amounts, shares and their totals; no file appears."""
    monkeypatch.chdir(tmp_path)
    run = Run(capsys, "preview", "--opened-on", "2023-04-10", *TERMS_OPTIONS)
    assert run.words.startswith("351,000 shares for 3,000.00 USD in 20 installments")
    assert "20 2024-11-10 150.00 USD 7,350 3,000.00 USD 147,000" in run.words
    assert run.out.endswith("The last installment also credits the completion tranche: 204,000 shares.\n")
    lines = Run(capsys, "preview", "--opened-on", "2023-04-10", *TERMS_OPTIONS, "--json").json
    assert lines[1] == {"number": 2, "due_on": "2023-05-10", "amount": 15_000, "shares": 7_350}
    assert list(tmp_path.iterdir()) == []


def test_schedule_is_public_and_equals_the_opening() -> None:
    """`schedule(terms, opened_on)` returns the lines that the opening records; bad terms are refused without a plan."""
    with Ledger.open("memory://") as ledger:
        (opened,) = open_plan(ledger)
    assert schedule(TERMS, OPENED_ON) == schedule(TERMS, opened_on=OPENED_ON) == opened.event.lines  # type: ignore[union-attr]
    assert callable(public.schedule)
    short = PlanTerms(price=Money.of("1.00", "USD"), shares=1, installments=3, release=PerUnit("200"), timezone="UTC")
    with pytest.raises(TermsRefused, match=r"^These terms: the installments would release"):
        schedule(short, OPENED_ON)
    with pytest.raises(InvalidArgument):
        schedule(TERMS, "2023-04-10")  # type: ignore[arg-type]


# ---- interrupted imports


def test_an_interrupted_import_says_how_much_is_kept(tmp_path: Path) -> None:
    """After Ctrl-C the rows so far are kept, the message counts them, and the same import completes."""
    book = tmp_path / "book"
    book.mkdir()
    plan = "2021-01-01T12:00:00+00:00,3000.00,USD,351000,20,100,per_unit:49,UTC,19,"
    header = (
        "plan_id,investor_id,partner_id,opened_at,price,currency,shares,installments,rounding_unit,release,timezone"
    )
    rows = "".join(f"P-{number},I-1,,{plan}\n" for number in range(16_000))
    (book / "plans.csv").write_text(f"{header},grace_days,promos\n{rows}")
    url = f"sqlite:///{tmp_path}/books.db"
    command = [sys.executable, "-m", "ledger", "import", str(book), "--db", url]
    run = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while run.poll() is None and _stored(tmp_path / "books.db") < 4_000:
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    _, error = run.communicate(timeout=60)
    assert run.returncode == 130
    assert error.startswith("interrupted: ")
    assert " of 16,000 rows are processed and kept; run the same import again for the rest" in error
    kept = int(error.split()[1].replace(",", ""))
    assert 0 < kept <= _stored(tmp_path / "books.db") < 16_000
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert _stored(tmp_path / "books.db") == 16_000


def _stored(path: Path) -> int:
    """Return the number of events in a ledger's file, as far as it is there."""
    if not path.exists():
        return 0
    connection = sqlite3.connect(path, timeout=60)
    try:
        ((found,),) = connection.execute("SELECT count(*) FROM ledger_events").fetchall()
    except sqlite3.OperationalError:
        return 0  # the tables are not there yet
    finally:
        connection.close()
    return int(found)


# ---- backups


def test_a_backup_of_a_ledger_in_use_is_complete(
    books: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While a thread records payments, each copy holds every event recorded before it, and reads as a ledger."""
    with Ledger.open(books) as ledger:
        open_plan(ledger)
        stop = threading.Event()

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                pay(ledger, date(2023, 4, 10), f"b-{number}", amount="0.01")

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(3):
                recorded = ledger.history("P-1")
                assert Run(capsys, "backup", f"copy-{number}.db").code == 0
                with Ledger.open(f"sqlite:///copy-{number}.db", create=False) as copy:
                    assert copy.history("P-1")[: len(recorded)] == recorded
        finally:
            stop.set()
            writer.join()
    assert (tmp_path / "copy-0.db").stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["backup", "books.db"], "file is 'books.db'; expected a new file"),
        (["backup", "no/copy.db"], "File no/copy.db: No such file or directory"),
        (["backup", "copy.db", "--db", "sqlite:///none.db"], "SQLite file none.db: the file does not exist"),
        (["backup", "copy.db", "--db", "sqlite:///text.db"], "SQLite file text.db: file is not a database"),
        (["backup", "copy.db", "--db", "memory://"], "expected sqlite:///PATH"),
        (["backup", "copy.db", "--db", "postgresql://me:secret@h/d"], "for PostgreSQL use pg_dump"),
    ],
)
@pytest.mark.usefixtures("books")
def test_a_backup_that_cannot_be_made_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    """Existing files are not replaced, other stores are referred to their own means, and no half of a copy stays."""
    (tmp_path / "text.db").write_text("no database " * 1_000)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    run = Run(capsys, *arguments)
    assert run.code == 1
    assert sentence in run.error
    assert "secret" not in run.error
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_backup_reports_its_progress(books: str, tmp_path: Path) -> None:
    """Pages done, of all pages."""
    seen: list[tuple[int, int]] = []
    size = back_up(books, str(tmp_path / "copy.db"), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert size == (tmp_path / "copy.db").stat().st_size


def test_money_received_is_recorded_like_every_change(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Received, allocated, taken back and returned, each with its correlation and its instant."""
    db = ("--db", f"sqlite:///{tmp_path}/received.db")
    noon = "2023-05-01T12:00:00+00:00"
    with Ledger.open(db[1]) as ledger:
        open_plan(ledger)
    stated = ("--actor", "anna", "--correlation", "batch-1", "--recorded-at", noon, *db)
    money = ("--amount", "150.00", "--currency", "USD", "--on", "2023-04-20")
    steps = [
        (("receive", "r-1", *money, "--reason", "unknown"), "150.00 USD received under r-1."),
        (("allocate", "r-1", "--plan", "P-1"), "150.00 USD of r-1 allocated to plan P-1."),
        (("reverse-allocation", "r-1", "--plan", "P-1"), "the allocation of r-1 to plan P-1 is reversed."),
        (("return", "r-1", *money, "--reason", "sent back"), "150.00 USD of r-1 returned."),
    ]
    for arguments, said in steps:
        dry = Run(capsys, *arguments, *stated, "--dry-run")
        assert (dry.code, dry.out) == (0, f"Not recorded, a dry run: {said}\n")
        run = Run(capsys, *arguments, *stated)
        assert (run.code, run.out, run.error) == (0, f"{said}\n", "")
        again = Run(capsys, *arguments, *stated)
        assert (again.code, again.out) == (0, "Recorded before: nothing was recorded again.\n")
    with Ledger.open(db[1]) as ledger:
        recorded = [event for event in ledger.events() if event.kind == "receipt"]
        assert len(recorded) == 4
        assert {(event.actor, event.correlation) for event in recorded} == {("anna", "batch-1")}
        assert {event.recorded_at.isoformat() for event in recorded} == {noon}
        (row,) = ledger.receipts(as_of=date(2023, 5, 1))
        assert row.remaining.minor == 0
    ahead = Run(capsys, "receive", "r-2", *money, "--reason", "x", *db, "--recorded-at", "2999-01-01T00:00:00+00:00")
    assert ahead.code == 1
    assert "by the clock of the ledger" in ahead.error


@pytest.mark.usefixtures("books")
def test_an_interrupt_says_so_in_every_part_of_a_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 130 and one line: while a book is read, while another command works, while the program is loaded."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ledger.cli.bookkeeping.read_book", interrupted)
    monkeypatch.setattr(Ledger, "close_books", interrupted)
    run = Run(capsys, "import", str(tmp_path))
    assert (run.code, run.out) == (130, "")
    assert run.error == "interrupted: nothing is recorded yet; run the same import again\n"
    run = Run(capsys, "close", "--through", "2023-05-31")
    assert (run.code, run.out) == (130, "")
    assert run.error == "interrupted: confirmed work is recorded; run the command again to continue\n"
    monkeypatch.setattr(installment_ledger, "run", interrupted)
    assert installment_ledger.main(["status"]) == 130
    assert capsys.readouterr().err == "interrupted: nothing was begun\n"
