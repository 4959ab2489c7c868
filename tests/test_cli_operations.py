"""The commands that operate a ledger, as real processes where signals or concurrency matter."""

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.cli.app import main
from tests.examples import OPENED_ON, open_plan, pay
from tests.raw_sql import change

COMMAND = (sys.executable, "-m", "ledger")


@pytest.fixture
def books(shared_url: str, name: str) -> tuple[str, ...]:
    """The options that locate a ledger of three plans whose read model is still empty."""
    with Ledger.open(shared_url, name=name) as ledger:
        for number in range(3):
            open_plan(ledger, f"P-{number}")
            pay(ledger, OPENED_ON, "bank-1", plan_id=f"P-{number}")
    return "--db", shared_url, "--name", name


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    main([*arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def test_migrating_concurrently_creates_once(shared_url: str, name: str) -> None:
    """Four processes migrate an empty database at once, and again: all succeed, and the ledger exists, empty."""
    migrate = (*COMMAND, "migrate", "--db", shared_url, "--name", name)
    for _ in range(2):
        with ThreadPoolExecutor(4) as pool:
            runs = pool.map(lambda _: subprocess.run(migrate, capture_output=True, text=True, check=False), range(4))
        for run in runs:
            assert (run.returncode, run.stderr) == (0, "")
            assert run.stdout.endswith(f"the ledger '{name}' has schema version 3.\n")
    with Ledger.open(shared_url, name=name, create=False) as ledger:
        assert list(ledger.events()) == []


def test_a_query_does_not_create_a_ledger(shared_url: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped name is an error, for every command but migrate and import."""
    Ledger.open(shared_url).close()
    for command in ("status", "verify", "rebuild", "follow", "overdue"):
        assert main([command, "--db", shared_url, "--name", name]) == 1
        assert f"there is no ledger '{name}' in it" in capsys.readouterr().err


def test_status_shows_the_lag_and_exits_with_1_for_a_problem(
    books: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """A lag is a problem above the caller's limit; catching up ends it."""
    assert main(["status", *books]) == 0
    assert ", checkpoint 0, lag " in capsys.readouterr().out
    assert main(["status", "--max-lag", "1", *books]) == 1
    assert "is a follower running?" in capsys.readouterr().out
    main(["portfolio", *books])
    capsys.readouterr()
    assert main(["status", "--max-lag", "0", *books]) == 0
    health = _json(capsys, "status", *books)
    assert health["read_models"] == [
        {
            "name": "periods_1",
            "projection": "periods",
            "version": 3,
            "live": True,
            "reached": health["last_sequence"],
            "lag": 0,
            "quarantined": [],
        }
    ]
    assert health["problems"] == []


def test_verifying_finds_a_row_that_was_changed_and_rebuilding_replaces_it(
    books: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed row is named with its plan, day and column; a rebuilt generation is equal to the events again."""
    assert main(["verify", *books]) == 0
    assert capsys.readouterr().out == (
        f"periods_1: 3 plans verified up to sequence {_last(books)}, no differences; "
        "the events themselves are not checked.\n"
    )
    with Ledger.open(books[1], name=books[3]) as ledger:
        table = f"{books[3]}_periods_1_periods"
        tamper = f"UPDATE {table} SET paid = paid + 1 WHERE plan_id = 'P-1' AND status = 'in_grace'"
        ledger._store.views._database.write(lambda cursor: cursor.execute(tamper))  # type: ignore[attr-defined]
    assert main(["verify", *books]) == 1
    difference, summary = capsys.readouterr().out.splitlines()
    assert "plan P-1, periods, 2023-05-11: paid is 15001, and 15000 in a replay" in difference
    verified = f"periods_1: 3 plans verified up to sequence {_last(books)}, 1 difference"
    assert summary == f"{verified}; audit the ledger, then rebuild it."
    assert main(["rebuild", *books]) == 0
    assert capsys.readouterr().out == (
        f"periods_2: 3 plans verified up to sequence {_last(books)}, no differences; now live.\n"
    )
    assert _json(capsys, "verify", *books)["differences"] == []


def _last(books: tuple[str, ...]) -> int:
    with Ledger.open(books[1], name=books[3]) as ledger:
        return list(ledger.events())[-1].sequence


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_follower_catches_up_until_a_signal_stops_it(books: tuple[str, ...], stop: signal.Signals) -> None:
    """It keeps the read model caught up, logs to standard error, and ends with exit code 0."""
    follower = subprocess.Popen([*COMMAND, "follow", *books, "--every", "0.1"], stderr=subprocess.PIPE, text=True)
    try:
        with Ledger.open(books[1], name=books[3], catch_up=False) as ledger:
            assert ledger.wait(_last(books), timeout=30) == _last(books)
            assert len(ledger.overdue(as_of=OPENED_ON.replace(month=5, day=20))) == 3
        follower.send_signal(stop)
        _, logged = follower.communicate(timeout=30)
    finally:
        follower.kill()
    assert follower.returncode == 0
    assert "INFO following" in logged


def test_the_poll_interval_is_positive(books: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """An interval of 0 or less is refused: it would keep a processor busy for nothing."""
    for every in ("0", "-1"):
        assert main(["follow", *books, "--every", every]) == 1
        assert "expected a number of seconds above 0" in capsys.readouterr().err


def test_another_database_for_the_read_model(
    books: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `--views` its tables are in another database, which `migrate` creates."""
    elsewhere = ("--views", f"sqlite:///{tmp_path}/views.db")
    assert main(["portfolio", *books, *elsewhere]) == 1
    assert "the file does not exist" in capsys.readouterr().err
    assert main(["migrate", *books, *elsewhere]) == 0
    (row,) = _json(capsys, "portfolio", "--as-of", "2023-05-20", *books, *elsewhere)
    assert (row["plans"], row["in_grace"]) == (3, 3)
    assert [one["reached"] for one in _json(capsys, "status", *books, *elsewhere)["read_models"]] == [_last(books)]
    assert [one["reached"] for one in _json(capsys, "status", *books)["read_models"]] == [0]


def test_a_plan_that_cannot_be_read_is_named_beside_the_answer(
    books: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The list is printed without it, standard error names it, and `status` exits with 1."""
    with Ledger.open(books[1], name=books[3]) as ledger:
        change(ledger, "UPDATE books_events SET tag = 'payment_made.v9' WHERE stream_id = 'P-1' AND version = 2")
    assert main(["overdue", "--as-of", "2023-05-20", *books]) == 0
    printed = capsys.readouterr()
    assert "P-0" in printed.out
    assert "P-1 " not in printed.out
    assert printed.err.startswith("left out: plan P-1, version 2 (payment_made.v9): ")
    assert main(["status", *books]) == 1
    assert "periods_1 leaves out plan P-1, version 2" in capsys.readouterr().out
