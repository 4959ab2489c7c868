"""Migrate and follow without the extra `cli`, as in a service that is installed with PostgreSQL only."""

import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

from ledger import Ledger
from ledger.cli.minimal import main
from tests.examples import OPENED_ON, open_plan

WITHOUT_LIBRARIES = "import sys; sys.modules.update(cyclopts=None, rich=None); import installment_ledger; "


def _arguments(url: str, name: str) -> Sequence[str]:
    return ("--db", url, "--name", name)


def test_migrate_creates_the_ledger(shared_url: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The ledger is created, and repeating it changes nothing."""
    for _ in range(2):
        assert main(["migrate", *_arguments(shared_url, name)]) == 0
        assert capsys.readouterr().out.endswith(f"the ledger '{name}' has schema version 3.\n")
    with Ledger.open(shared_url, name=name, create=False) as ledger:
        assert list(ledger.events()) == []


def test_a_follower_without_libraries_catches_up_until_it_is_stopped(shared_url: str, name: str) -> None:
    """`follow` keeps the read model caught up, logs to standard error, and ends with exit code 0 at SIGTERM."""
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)
        last = ledger.history("P-1")[-1].sequence
    program = f"{WITHOUT_LIBRARIES}sys.exit(installment_ledger.main())"
    command = [sys.executable, "-c", program, "follow", *_arguments(shared_url, name), "--every", "0.1"]
    follower = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        with Ledger.open(shared_url, name=name, catch_up=False) as ledger:
            assert ledger.wait(last, timeout=30) == last
            assert len(ledger.overdue(as_of=OPENED_ON.replace(day=29))) == 1
        follower.send_signal(signal.SIGTERM)
        _, logged = follower.communicate(timeout=30)
    finally:
        follower.kill()
    assert follower.returncode == 0
    assert "INFO following" in logged


def test_errors_are_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """A database that does not open, and a bad poll interval, are errors with exit code 1."""
    assert main(["follow", "--db", "sqlite:////nowhere/books.db"]) == 1
    assert "the file does not exist" in capsys.readouterr().err
    assert main(["follow", "--db", "memory://", "--every", "0"]) == 1
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["overdue", "--as-of", "2024-06-30"], "'overdue --as-of 2024-06-30'"),
        (["migrate", "--json"], "'migrate --json'"),
        ([], "'the command line'"),
    ],
)
def test_other_commands_name_the_extra(
    arguments: Sequence[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """All other commands belong to the extra, and so do all other options."""
    assert main(arguments) == 1
    assert capsys.readouterr().err == f"error: {named} is not installed; install installment-ledger[cli]\n"
