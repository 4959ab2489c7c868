"""Tables in real terminals of 60, 80 and 120 columns, in pipes, and with data that would disturb them."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from datetime import date
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.books.reader import EXAMPLE
from ledger.cli.app import main
from ledger.cli.tables import Column, Table, lines_of
from ledger.errors.excerpt import visible
from tests.examples import TERMS, pay
from tests.processes import plain_environment

COMMAND = (sys.executable, "-m", "ledger")
IDS = re.compile(r"P-\d{5}|I-\d{5}|N-\d{3}")
DATES = re.compile(r"\d{4}-\d{2}-\d{2}")
MONEY = re.compile(r"[\d,]+\.\d{2} USD")


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The bundled book in an SQLite file."""
    folder = tmp_path_factory.mktemp("books")
    url = f"sqlite:///{folder}/books.db"
    assert main(["--db", url, "import", str(EXAMPLE), "--rejected", str(folder / "rejected.csv")]) == 1
    return url


def _environment(**variables: str) -> dict[str, str]:
    return {**plain_environment(), "TERM": "xterm-256color", **variables}


def _in_terminal(columns: int, *arguments: str, **variables: str) -> str:
    """Return what a command prints to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    run = subprocess.Popen(
        [*COMMAND, *arguments], stdout=theirs, stderr=theirs, stdin=theirs, env=_environment(**variables)
    )
    os.close(theirs)
    printed = b""
    try:
        while part := os.read(ours, 65_536):
            printed += part
    except OSError:
        pass  # the other end is closed
    finally:
        os.close(ours)
    assert run.wait(60) == 0, printed
    return printed.decode().replace("\r\n", "\n")


def _plain(printed: str) -> str:
    return re.sub(r"\x1b\[\d*m", "", printed)


QUERIES = {
    "overdue": ("--as-of", "2024-06-30"),
    "balances": ("--as-of", "2024-06-30", "--investor", "I-00175"),
    "portfolio": ("--as-of", "2024-06-30"),
    "statement": ("P-00003",),
    "position": ("P-00003",),
    "positions": ("--as-of", "2024-06-30", "--partner", "N-010"),
    "payments": ("--plan", "P-00003"),
    "history": ("P-00003",),
    "events": ("--limit", "50"),
    "explain": ("P-00003", "shares", "--as-of", "2022-12-20"),
    "restate": ("P-00003", "--as-of", "2022-12-20", "--known-at", "2022-11-26"),
}


@pytest.mark.parametrize("query", QUERIES)
def test_no_width_loses_an_id_a_date_or_money(books: str, query: str) -> None:
    """At 60, 80 and 120 columns every line fits, and every id, date and amount of the wide table is shown whole."""
    wide = _plain(_in_terminal(400, query, *QUERIES[query], "--db", books))
    for columns in (60, 80, 120):
        shown = _plain(_in_terminal(columns, query, *QUERIES[query], "--db", books))
        assert max(map(len, shown.splitlines())) <= columns
        assert "…" not in shown
        for pattern in (IDS, DATES, MONEY):
            assert set(pattern.findall(shown)) == set(pattern.findall(wide))


def test_the_overdue_list_at_60_and_80_columns(books: str) -> None:
    """At 80 the row holds everything; at 60 shares, days and the number stand below it."""
    eighty = _plain(_in_terminal(80, "overdue", *QUERIES["overdue"], "--db", books)).splitlines()
    assert "P-00130 I-00063  N-014    13 2024-06-16   14    5 2024-07-05 250.00 USD 608,250" in eighty
    sixty = _plain(_in_terminal(60, "overdue", *QUERIES["overdue"], "--db", books)).splitlines()
    at = sixty.index("P-00130 I-00063  N-014   2024-06-16 2024-07-05 250.00 USD")
    assert sixty[at + 1 : at + 3] == ["  installment 13; days past due 14; days left 5;", "  shares at stake 608,250"]


def test_a_sentence_below_a_row_keeps_to_the_width() -> None:
    """It goes on with a deeper indent, no word of it broken; what fits stays on one line."""
    columns = (Column("Plan"), Column("Reason", text=True, leaves=1, below="reason", narrowest=30))
    table = Table("1 row", columns, [("P-00000000000000001", "the plan P-00000000000000001 was cancelled before")])
    assert list(lines_of(table, width=42))[4:] == [
        "P-00000000000000001",
        "  reason the plan P-00000000000000001 was",
        "    cancelled before",
    ]
    assert list(lines_of(table, width=54))[4:] == [
        "P-00000000000000001   the plan P-00000000000000001 was",
        "                      cancelled before",
    ]


def test_the_statement_reads_as_a_story_at_80_columns(books: str) -> None:
    """The description has half of the line; balances stand below a line that changes them."""
    lines = _plain(_in_terminal(80, "statement", "P-00003", "--db", books)).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("2022-07-01"))
    assert [" ".join(line.split()) for line in lines[at : at + 4]] == [
        "2022-07-01 Installment 3, due 2022-06-30, is not paid.",
        "A payment until 2022-07-19 keeps the plan.",
        "2022-07-09 Payment P-00003-003. 62.00 USD",
        "paid 362.00 USD; shares held 14,700",
    ]


def test_a_terminal_without_styles_gets_none(books: str) -> None:
    """The title is bold; not with TERM=dumb or NO_COLOR, and never in a pipe."""
    arguments = ("overdue", *QUERIES["overdue"], "--db", books)
    assert "\x1b[1m9 overdue plans on 2024-06-30\x1b[0m" in _in_terminal(80, *arguments)
    assert "\x1b" not in _in_terminal(80, *arguments, TERM="dumb")
    assert "\x1b" not in _in_terminal(80, *arguments, NO_COLOR="1")
    for columns, widest in (({}, 120), ({"COLUMNS": "60"}, 60), ({"COLUMNS": "none"}, 120)):
        piped = subprocess.run(
            [*COMMAND, *arguments], capture_output=True, text=True, check=True, env=_environment(**columns)
        ).stdout
        assert "\x1b" not in piped
        assert all(line == line.rstrip() and len(line) <= widest for line in piped.splitlines())
        assert ("installment 13;" in piped) == (widest == 60)


def test_columns_count_more_than_the_terminal(books: str) -> None:
    """COLUMNS decides where it is set."""
    shown = _plain(_in_terminal(200, "overdue", *QUERIES["overdue"], "--db", books, COLUMNS="60"))
    assert max(map(len, shown.splitlines())) <= 60


# ---- data


ODD = ("I-[a]", "[/]", "bank:100:7", "[bold]I[/bold]", ":smile:", "日本")


def test_data_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets and colons are no markup: ids and references are shown letter by letter."""
    url = f"sqlite:///{tmp_path}/books.db"
    with Ledger.open(url) as ledger:
        for number, investor in enumerate(ODD):
            ledger.open_plan(f"[P-{number}]", investor=investor, partner=None, terms=TERMS, opened_at=date(2023, 4, 10))
            pay(ledger, date(2023, 4, 10), "bank:100:7", plan_id=f"[P-{number}]")
    assert main(["positions", "--db", url]) == 0
    shown = capsys.readouterr().out
    assert all(investor in shown for investor in ODD)
    assert main(["statement", "[P-0]", "--db", url]) == 0
    assert "Payment bank:100:7." in capsys.readouterr().out


@pytest.mark.parametrize("given", ["P-\u202e1", "P\x1b[31m", "P\u2066x", "P\x9b1m", "P\u200f", "\udcff"])
def test_characters_that_do_not_print_are_visible_in_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    """Control and bidirectional characters of an argument come back as escapes."""
    url = f"sqlite:///{tmp_path}/books.db"
    Ledger.open(url).close()
    assert main(["statement", given, "--db", url]) == 1
    assert main(["overdue", f"--{given}", "--db", url]) == 2
    assert main(["overdue", "--partner", given, "--db", url]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 3
    assert error.replace("\n", "").isprintable()


def test_an_error_is_never_long(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten megabytes of an argument make a line of two thousand characters."""
    assert main(["overdue", "--as-of", "9" * 10_000_000]) == 2
    assert len(capsys.readouterr().err) < 2_020


def test_json_shows_every_character_and_keeps_its_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cell of a refused row with a character that changes the direction is an escape of JSON."""
    (tmp_path / "book").mkdir()
    header = "reference,plan_id,amount,currency,paid_at,kind,recorded_at"
    (tmp_path / "book" / "payments.csv").write_text(f"{header}\n\u202eb,P,1,USD,2023-01-01,regular,2023-01-01\n")
    url, rejected = f"sqlite:///{tmp_path}/books.db", str(tmp_path / "rejected.csv")
    assert main(["import", str(tmp_path / "book"), "--db", url, "--rejected", rejected, "--json"]) == 1
    printed = capsys.readouterr().out
    assert r'"row": "\u202eb,P,1' in printed


# ---- layout

COLUMNS = (
    Column("Plan"),
    Column("Text", text=True, narrowest=10),
    Column("Amount due", number=True, leaves=2, below="amount due"),
    Column("Shares", number=True, leaves=1, below="shares"),
)


@pytest.mark.parametrize("width", [1, 5, 16, 20, 24, 28, 30, 40, 44, 48, 56, 60])
def test_every_layout_holds_every_word(width: int) -> None:
    """However narrow it is, all words of all cells are there, and only a cell wider than the line exceeds it."""
    cells = ("P-" + "1" * 10, "some words that wrap", "1,000.00 USD", "351,000")
    shown = list(lines_of(Table("Title", COLUMNS, [cells, cells]), width=width))
    assert all(" ".join(shown).count(word) == 2 for word in ("P-1111111111", "wrap", "1,000.00", "351,000"))
    assert all(line == line.rstrip() for line in shown)
    assert max(map(len, shown)) <= max(width, len("  Text some words that wrap;"))


def test_columns_leave_in_the_stated_order() -> None:
    """The lowest `leaves` goes first; the first column stays."""
    cells = ("P-1", "words", "1,000.00 USD", "351,000")
    below = [list(lines_of(Table("T", COLUMNS, [cells]), width=width))[-1] for width in (60, 28, 16)]
    assert below[0].startswith("P-1")
    assert below[1:] == ["  shares 351,000", "  shares 351,000"]
    assert "  amount due 1,000.00 USD;" in list(lines_of(Table("T", COLUMNS, [cells]), width=16))


def test_wide_characters_take_two_columns() -> None:
    """Columns stay aligned below ids in wide characters."""
    columns = (Column("Investor"), Column("Plans", number=True))
    *_, one, other = lines_of(Table("T", columns, [("日本", "1"), ("abcd", "1")]), width=80)
    assert (one, other) == ("日本           1", "abcd           1")


def test_a_long_table_ends() -> None:
    """A hundred thousand rows are laid out in one pass over them."""
    rows = [(f"P-{number}", "words", "1.00 USD", str(number)) for number in range(100_000)]
    assert sum(1 for _ in lines_of(Table("T", COLUMNS, rows), width=120)) == 100_005


def test_visible_keeps_what_prints() -> None:
    """Letters of any script stay; what does not print is an escape."""
    assert visible("Ünï 日本 [x]") == "Ünï 日本 [x]"
    assert visible("a\u202eb\n\x00\udc80") == r"a\u202eb\n\x00\udc80"
