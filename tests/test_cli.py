"""The command line, as people and programs use it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from installment_ledger import run as entry
from ledger.books.reader import EXAMPLE
from ledger.cli.app import main

DAY = "2024-06-30"


class Run:
    """The output of a command, and its exit code."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        self.code = main(arguments)
        captured = capsys.readouterr()
        self.out, self.error = captured.out, captured.err

    @property
    def json(self) -> Any:
        """The printed JSON."""
        return json.loads(self.out)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The bundled book in an SQLite file."""
    folder = tmp_path_factory.mktemp("books")
    url = f"sqlite:///{folder}/books.db"
    assert main(["--db", url, "import", str(EXAMPLE), "--rejected", str(folder / "rejected.csv")]) == 1
    assert len((folder / "rejected.csv").read_text().splitlines()) == 301
    return url


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_demo_does_the_main_job_and_leaves_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It counts the rows, shows overdue plans with partners, balances, portfolio and a statement; no file stays."""
    run = Run(capsys, "demo")
    assert run.code == 0
    for words in (
        "Rows: 4,050 recorded, 16 repeated, 300 refused.",
        "The most urgent of 9 overdue plans on 2024-06-30",
        "P-00099 I-00110 N-026",
        "The largest of 228 share balances",
        "of the money paid                  28.2 %",
        "Statement of plan P-00003 on 2024-06-30",
        "Payment P-00003-009 was charged back.",
        "shares stay, 299,550 are forfeited.",
    ):
        assert " ".join(words.split()) in " ".join(run.out.split())
    assert "\\n" not in run.out  # no line break is printed as an escape
    assert list(tmp_path.iterdir()) == []


def test_the_demo_speaks_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The same, for programs."""
    demo = Run(capsys, "demo", "--json").json
    assert list(demo) == ["import", "overdue", "balances", "portfolio", "statement"]
    assert (demo["import"]["recorded"], demo["import"]["repeated"], demo["import"]["refused"]) == (4_050, 16, 300)
    assert demo["portfolio"][0]["cancelled_share_of_plans"] == "39/100"
    assert demo["statement"][1]["money"] == {"minor": 15_000, "currency": "USD", "amount": "150.00"}


def test_importing_again_records_nothing(capsys: pytest.CaptureFixture[str], books: str, tmp_path: Path) -> None:
    """A second import repeats every recorded row; refused rows go to rejected.csv in the current folder."""
    run = Run(capsys, "import", str(EXAMPLE), "--db", books)
    assert (run.code, run.out.splitlines()[0]) == (1, "Rows: 0 recorded, 4,066 repeated, 300 refused.")
    lines = (tmp_path / "rejected.csv").read_text().splitlines()
    assert lines[0] == "file,line,code,plan,reason,row"
    assert lines[1].startswith("payments.csv,41,plan_is_cancelled,P-00003,Plan P-00003: payment 'P-00003-010'")
    assert lines[1].endswith(
        '"P-00003-010,P-00003,150.00,USD,2022-12-27T02:16:52+01:00,regular,2022-12-28T01:54:52+00:00"'
    )
    again = Run(capsys, "import", str(EXAMPLE), "--db", books, "--json", "--rejected", str(tmp_path / "x.csv")).json
    assert (again["recorded"], again["repeated"], again["refused"], len(again["rejected"])) == (0, 4_066, 300, 300)
    assert (tmp_path / "x.csv").exists()


def test_the_overdue_list(capsys: pytest.CaptureFixture[str], books: str) -> None:
    """All of it, one partner's, as a table and as JSON; database options before or after the command."""
    whole = Run(capsys, "--db", books, "overdue", "--as-of", DAY)
    assert (whole.code, whole.out.splitlines()[0].strip()) == (0, "9 overdue plans on 2024-06-30")
    rows = Run(capsys, "overdue", "--as-of", DAY, "--partner", "N-010", "--json", "--db", books).json
    assert [row["plan_id"] for row in rows] == ["P-00196", "P-00303"]
    assert rows[0] == {
        "plan_id": "P-00196",
        "investor": "I-00030",
        "partner": "N-010",
        "number": 4,
        "due_on": "2024-06-13",
        "days_past_due": 17,
        "days_left": 2,
        "grace_ends_on": "2024-07-02",
        "amount_due": {"minor": 5_000, "currency": "USD", "amount": "50.00"},
        "shares_at_stake": 51_150,
    }


def test_balances_portfolio_and_statement(
    capsys: pytest.CaptureFixture[str], books: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each query has a table and JSON, takes a date and an instant, and finds its database in LEDGER_DB."""
    monkeypatch.setenv("LEDGER_DB", books)
    assert "228 share balances on 2024-06-30" in Run(capsys, "balances", "--as-of", DAY).out
    (balance,) = Run(capsys, "balances", "--as-of", DAY, "--investor", "I-00175", "--json").json
    assert (balance["plans"], balance["shares_credited"]) == (4, 1_521_000)
    assert "28.2 %" in Run(capsys, "portfolio", "--as-of", DAY).out
    (row,) = Run(capsys, "portfolio", "--as-of", DAY, "--json").json
    assert (row["as_of"], row["cancelled_share_of_paid"]) == (DAY, "49523/175403")
    (known,) = Run(capsys, "portfolio", "--as-of", DAY, "--known-at", "2024-01-01T00:00:00+00:00", "--json").json
    assert known["plans"] == 324
    assert "Payment P-00003-009 was charged back." in Run(capsys, "statement", "P-00003").out
    lines = Run(capsys, "statement", "P-00003", "--as-of", "2022-05-29", "--json").json
    assert [line["on"] for line in lines] == ["2022-04-30"] * 3 + ["2022-05-29"] * 2
    assert lines[-1]["shares_credited"] == 14_700


def test_closing_records_the_outcomes_that_have_come_due(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Closing counts the outcomes and their plans; closing again finds nothing."""
    (tmp_path / "plans.csv").write_text(
        "plan_id,investor_id,partner_id,opened_at,price,currency,shares,installments,rounding_unit,release,timezone,"
        "grace_days,promos\nP-1,I-1,,2023-04-10T12:00:00+03:00,100.00,USD,100,2,1,portion:1/2,Europe/Moscow,19,\n"
    )
    Run(capsys, "import", ".")
    assert (tmp_path / "ledger.db").exists()
    assert not (tmp_path / "rejected.csv").exists()
    assert Run(capsys, "close", "--through", "2023-04-29").out == (
        "Closed through 2023-04-29: 1 outcome recorded on 1 plan.\n"
    )
    again = Run(capsys, "close", "--through", "2023-04-29", "--json").json
    assert again == {"through": "2023-04-29", "outcomes": 0, "plans": 0}


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["overdue", "--as-of", "2024-02-30", "--db", "DB"], 2, "--as-of: expected a date of the calendar"),
        (["overdue", "--known-at", "yesterday", "--db", "DB"], 2, "--known-at: expected an instant with its offset"),
        (["overdue", "--as-off", DAY], 2, "--as-of"),
        (["overdu"], 2, "overdu"),
        (["statement", "--db", "DB"], 2, "plan"),
        (["close", "--db", "DB"], 2, "--through"),
        (["statement", "P-0", "--db", "DB"], 1, "Plan P-0 is not in this ledger"),
        (["statement", "P-00003", "--as-of", "2020-01-01", "--db", "DB"], 1, "was opened on 2022-04-30"),
        (["close", "--through", "9999-01-01", "--db", "DB"], 1, "the closing is dated 9999-01-01, after"),
        (["overdue"], 1, "SQLite file ledger.db: the file does not exist"),
        (["overdue", "--db", "DB", "--name", "other"], 1, "there is no ledger 'other' in it"),
        (["overdue", "--db", "mysql://x"], 1, "expected memory://, sqlite:///PATH or postgresql://"),
        (["overdue", "--db", "DB", "--name", "A B"], 1, "expected a lower-case word"),
        (["import", "nowhere"], 2, "expected a folder with plans.csv"),
        (["import", str(EXAMPLE), "--db", "DB", "--rejected", "no/such/folder.csv"], 2, "--rejected"),
        (["import", str(EXAMPLE), "--db", "DB", "--rejected", str(EXAMPLE / "plans.csv")], 2, "expected a new file"),
        (["demo", "--db", "DB"], 2, "demo takes no --db"),
        (["--name=x", "demo"], 2, "demo takes no --name"),
        (["import", str(EXAMPLE), "--db", "sqlite:///no/such/x.db"], 1, "the folder no/such does not exist"),
    ],
)
def test_bad_input_is_one_sentence_and_never_a_traceback(
    capsys: pytest.CaptureFixture[str], books: str, arguments: list[str], code: int, sentence: str
) -> None:
    """Exit code 1 for a refusal or an error of the ledger, 2 for a usage error; the sentence goes to stderr."""
    run = Run(capsys, *[books if word == "DB" else word for word in arguments])
    assert (run.code, run.out) == (code, "")
    assert run.error.startswith("error: ")
    assert sentence in run.error
    assert run.error.count("\n") == 1
    assert "Traceback" not in run.error


def test_it_is_installed_as_a_command_and_as_a_module(books: str) -> None:
    """`installment-ledger` and `python -m ledger` are the same program; a closed pipe is not reported as an error."""
    command = Path(sys.executable).with_name("installment-ledger")
    for program in ([str(command)], [sys.executable, "-m", "ledger"]):
        run = subprocess.run([*program, "--help"], capture_output=True, text=True, check=True)
        assert "statement" in run.stdout
    for asks in ("position", "unallocated"):
        shown = subprocess.run([str(command), asks, "--help"], capture_output=True, text=True, check=True).stdout
        assert "--known-at DATE|DATETIME" in shown
        assert "--known-at.day" not in shown  # the parts of a value are no options of their own
    piped = f"{command} statement P-00003 --db {books} --json | head -1"
    run = subprocess.run(piped, shell=True, capture_output=True, text=True, check=True, env={**os.environ})
    assert (run.stdout, run.stderr) == ("[\n", "")


def test_without_its_libraries_the_command_names_the_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line is an extra; where it is not installed, the command names it."""
    monkeypatch.delitem(sys.modules, "ledger.cli.app")
    monkeypatch.setitem(sys.modules, "cyclopts", None)
    assert entry(["overdue"]) == 1
    assert capsys.readouterr().err == "error: 'overdue' is not installed; install installment-ledger[cli]\n"
