"""The commands that explain a number and that compare two moments, as people and programs use them."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ledger.books.reader import EXAMPLE
from ledger.cli.app import main


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The bundled book in an SQLite file, opened to be read only."""
    folder = tmp_path_factory.mktemp("books")
    url = f"sqlite:///{folder}/books.db"
    assert main(["--db", url, "import", str(EXAMPLE), "--rejected", str(folder / "rejected.csv")]) == 1
    return f"{url}?mode=ro"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return the exit code of a command, its output and its errors."""
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


EXPLAIN = ("explain", "P-00003", "shares", "--as-of", "2022-12-20")
HINDI = "किस्त 8 की देय तिथि 30 नवंबर 2022 थी"


def test_an_explanation_is_a_tree_of_sentences(
    capsys: pytest.CaptureFixture[str], books: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within 80 columns, without blanks at the ends of lines; in the language that is asked for."""
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run(capsys, *EXPLAIN, "--db", books)
    lines = out.splitlines()
    assert code == 0
    assert lines[:6] == [
        "Plan P-00003 on 20 December 2022",
        "",
        "Shares credited: 51,450 shares [§ 8]",
        "├─ Installment 1, settled on 30 April 2022 by payment P-00003-001: 7,350 shares",
        "│  = 150.00 USD × 49 [§ 5, #2, #3]",
        "├─ Installment 2, settled on 29 May 2022 by payment P-00003-002: 7,350 shares =",
    ]
    assert "   ├─ Package as agreed: 351,000 shares [#1]" in lines
    assert max(map(len, lines)) <= 80
    assert all(line == line.rstrip() for line in lines)
    for language, words in (("ru", "льготный срок закончился 19 декабря 2022"), ("hi", HINDI)):
        _, translated, _ = run(capsys, *EXPLAIN, "--lang", language, "--db", books)
        assert words in " ".join(translated.replace("│", "").split())


def test_an_explanation_as_json_can_be_computed_again(capsys: pytest.CaptureFixture[str], books: str) -> None:
    """By a few lines that know the operations, and nothing of this library, from the events as JSON."""
    _, out, _ = run(capsys, *EXPLAIN, "--json", "--db", books)
    found = json.loads(out)
    _, out, _ = run(capsys, "history", "P-00003", "--json", "--db", books)
    history = json.loads(out)

    def value(node: dict[str, Any]) -> Any:
        if node["operation"] == "field":
            read = history[node["events"][0]["version"] - 1]["event"]
            for part in node["field"].split("."):
                read = read[int(part)] if part.isdecimal() else read[part]
            return Fraction(read) if node["unit"] == "rate" else read
        if node["operation"] == "constant":
            return node["value"]
        values = [value(child) for child in node["children"]]
        if node["operation"] == "sum":
            return sum(values)
        if node["operation"] == "product":
            return values[0] * values[1]
        return values[0] // values[1] if node["operation"] == "floor" else values[0] - sum(values[1:])

    numbers = {tree["name"]: tree["value"] for tree in (found["tree"], *found["beside"])}
    assert numbers == {"shares_credited": 51_450, "shares_promised": 0, "shares_forfeited": 299_550}
    assert numbers == {tree["name"]: value(tree) for tree in (found["tree"], *found["beside"])}
    assert (found["plan_id"], found["as_of"], found["known_at"]) == ("P-00003", "2022-12-20", None)
    assert [reason["name"] for reason in found["reasons"]] == ["cancelled_grace_ended", "reopened"]


def test_an_explanation_as_known_at_the_end_of_a_day(capsys: pytest.CaptureFixture[str], books: str) -> None:
    """Without a date it is about that day."""
    code, out, _ = run(capsys, "explain", "P-00003", "status", "--known-at", "2022-11-26", "--db", books)
    assert code == 0
    assert out.startswith("Plan P-00003 on 26 November 2022, as known at the end of 26 November 2022\n")
    assert "Status since 30 April 2022: active" in out


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("explain", "P-99", "shares"), 1, "P-99"),
        (("explain", "P-00003", "shares", "--as-of", "2020-01-01"), 1, "opened on 2022-04-30"),
        (("explain", "P-00003", "profit"), 2, "profit"),
        (("explain", "P-00003", "shares", "--lang", "fr"), 2, '"fr"'),
        (("restate", "P-99", "--as-of", "2022-12-20", "--known-at", "2022-12-20"), 1, "P-99"),
        (("restate", "P-00003", "--as-of", "2022-12-20", "--known-at", "tomorrow"), 2, "--known-at"),
        (("restate", "P-00003", "--as-of", "2022-12-20"), 2, "--known-at"),
        (("restate", "--as-of", "2022-12-20", "--known-at", "2022-12-20", "--investor", "I-9"), 1, "'I-9'"),
        (("restate", "--as-of", "2022-12-20", *(["--known-at", "2022-12-20"] * 3)), 2, "two moments"),
        (("restate", "P-1", "--investor", "I", "--as-of", "2022-12-20", "--known-at", "2022-12-20"), 2, "--investor"),
    ],
)
def test_what_cannot_be_answered(
    *, capsys: pytest.CaptureFixture[str], books: str, arguments: tuple[str, ...], code: int, error: str
) -> None:
    """One sentence on standard error, and nothing else."""
    found, out, errors = run(capsys, *arguments, "--db", books)
    assert (found, out, errors.count("\n")) == (code, "", 1)
    assert errors.startswith("error: ")
    assert error in errors


def test_json_needs_no_babel_and_sentences_name_the_extra(books: str) -> None:
    """In a process that cannot import it."""
    script = (
        "import sys; sys.modules['babel'] = None; from ledger.cli.app import main; "
        "raise SystemExit(10 * main([*sys.argv[1:], '--json']) + main(sys.argv[1:]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, *EXPLAIN, "--db", books], capture_output=True, text=True, check=False
    )
    assert (found.returncode, json.loads(found.stdout)["tree"]["value"]) == (1, 51_450)
    assert "install installment-ledger[audit]" in found.stderr


RESTATE = ("restate", "P-00003", "--as-of", "2022-12-20", "--known-at", "2022-11-26")


def test_a_restatement_shows_both_answers_and_the_facts(
    capsys: pytest.CaptureFixture[str], books: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chargeback of 27 November, learnt the day after the first moment, led to the cancellation."""
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run(capsys, *RESTATE, "--db", books)
    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0
    for row in (
        "Plan P-00003 on 2022-12-20, as known at",
        "Status active cancelled",
        "Paid 1,200.00 USD 1,050.00 USD −150.00 USD",
        "Shares forfeited 0 299,550 +299,550",
        "1 fact learnt, in recorded order (UTC)",
        "2022-11-27 20:30:00 plan P-00003, version 20: PaymentReversed chargeback",
        "active → cancelled; paid −150.00 USD; outstanding +150.00 USD; settled −1;",
    ):
        assert row in rows
    assert max(map(len, out.splitlines())) <= 80
    code, out, _ = run(capsys, *RESTATE, "--known-at", "2022-11-26T23:00:00+00:00", "--db", books)
    assert (code, "fact" in out, "difference" in out) == (0, False, False)


def test_a_restatement_of_many_plans(capsys: pytest.CaptureFixture[str], books: str) -> None:
    """The differences of the facts add up to that between the two answers, as JSON too."""
    arguments = ("restate", "--as-of", "2022-12-20", "--known-at", "2022-12-20", "--partner", "N-019")
    code, out, _ = run(capsys, *arguments, "--known-at", "2023-02-01", "--json", "--db", books)
    found = json.loads(out)
    assert (code, found["partner"], found["known_first"], found["known_then"]) == (
        0,
        "N-019",
        "2022-12-20",
        "2023-02-01",
    )
    before, after = (found[side]["numbers"]["USD"] for side in ("before", "after"))
    for name in before.keys() | after.keys():
        learnt = sum(one["difference"].get("USD", {}).get(name, 0) for one in found["learnt"])
        assert before.get(name, 0) + learnt == after.get(name, 0)
    assert any(one["difference"] for one in found["learnt"])
    _, out, _ = run(capsys, *arguments, "--known-at", "2023-02-01", "--db", books)
    assert out.startswith("Partner N-019 on 2022-12-20, as known at\n")
    assert out.splitlines()[-1].endswith("learnt, without a difference on 2022-12-20.")


def test_nothing_is_written(capsys: pytest.CaptureFixture[str], books: str) -> None:
    """The ledger's folder holds what it held."""
    folder = Path(books.removeprefix("sqlite:///").removesuffix("?mode=ro")).parent
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for arguments in (EXPLAIN, RESTATE, (RESTATE[0], *RESTATE[2:])):
        assert run(capsys, *arguments, "--db", books)[0] == 0
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
