"""A market, simulated: the same everywhere, true to its parameters, and a planted bug found, minimised and repeated."""

import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path

import attrs
import pytest

from ledger import Ledger
from ledger.books.files import UnusableFile
from ledger.books.importer import import_book
from ledger.books.reader import read_book
from ledger.cli.app import main
from ledger.dates import DAY
from ledger.errors import InvalidArgument
from ledger.events import PlanOpened
from ledger.testing.comparison import Clockwork, LedgerDiffers
from ledger.testing.simulation import (
    PACKAGED,
    Stream,
    at,
    minimise,
    read_history,
    read_market,
    replay,
    simulate,
    temporary,
    write_book,
    write_history,
)
from ledger.testing.simulation.adapter import BatchAdapter
from ledger.testing.simulation.observer import Observer
from tests.wrong_ledgers import WRONG

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"

memory = at("memory://")


def stream(*, seed: int = 7, plans: int = 12, years: int = 1, market: str = "default") -> Stream:
    return Stream(read_market(market), seed=seed, plans=plans, years=years)


# ---- the market


def test_a_market_is_the_same_in_every_process() -> None:
    """Same seed, same calls and verdicts: whatever the process, its hash seed, and its time zone."""
    command = [sys.executable, "-m", "ledger", "sim", "--seed", "3", "--plans", "6", "--years", "1", "--json"]
    digests = set()
    for hashes, zone in (("1", "UTC"), ("2", "Asia/Tokyo")):
        environment = {"PYTHONHASHSEED": hashes, "TZ": zone, "PATH": "/usr/bin"}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        digests.add(json.loads(run.stdout)["report"]["digest"])
    assert digests == {simulate(temporary, stream(seed=3, plans=6)).report.digest}


def test_another_seed_is_another_market() -> None:
    assert [*stream(seed=1, plans=3).rows()] != [*stream(seed=2, plans=3).rows()]


def test_a_further_plan_changes_nothing_about_the_others() -> None:
    few, more = ([*stream(plans=plans).lives()] for plans in (3, 4))
    assert few == more[:3]


def test_rows_arrive_in_order_and_before_the_end() -> None:
    market = stream(plans=40, years=2)
    arrivals = [row.arrives_at for row in market.rows()]
    assert arrivals == sorted(arrivals)
    assert arrivals[-1] < market.ends_at


def test_every_trouble_is_in_the_default_market() -> None:
    """Rows repeated, late, found after months, out of order; both reversals; letters; outages, clocks that step."""
    market = stream(plans=200, years=3)
    seen: Counter[str] = Counter()
    last_paid: dict[str | None, object] = {}
    for row in market.rows():
        call, given = row.call, row.call.arguments
        seen[call.name] += 1
        seen["clock"] += given["recorded_at"] < row.arrives_at
        seen["waited"] += any(span.ends == row.arrives_at for span in market.disturbances.outages)
        seen[str(given.get("cause"))] += 1
        seen[str(given.get("kind"))] += 1
        seen["letter"] += call.name == "cancel" and row.arrives_at.date() - given["on"] > 7 * DAY
        seen["too much"] += "amount" in given and given["amount"]["minor"] > 300_000
        seen["found"] += call.name == "pay" and row.arrives_at.date() - _day(given["paid_at"]) > 75 * DAY
        if call.name == "pay":
            day = str(_day(given["paid_at"]))
            seen["out of order"] += day < str(last_paid.get(call.plan_id, ""))
            last_paid[call.plan_id] = day
    troubles = ("cancel", "reinstate", "clock", "waited", "error", "chargeback", "early_repayment", "out of order")
    assert all(seen[trouble] for trouble in (*troubles, "letter", "too much", "found")), seen


def _day(paid_at: date | datetime) -> date:
    return paid_at.date() if isinstance(paid_at, datetime) else paid_at


def test_rows_of_a_partner_on_leave_come_in_one_go() -> None:
    market = stream(plans=200, years=2)
    waiting = Counter((row.call.plan_id, row.arrives_at) for row in market.rows())
    assert max(waiting.values()) > 1


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_markets_can_be_driven(name: str) -> None:
    report = simulate(memory, stream(market=name, plans=10)).report
    assert report.failure is None
    assert report.checks["audit_is_clean"] == 1


def test_the_published_market_fits_the_published_figure() -> None:
    """34 % of all money sits in cancelled plans, within five points for so few plans."""
    market = stream(seed=1, plans=150, years=5, market="published")
    with memory() as port:
        port.tell_all(calls=[row.call for row in market.rows()])
        (row,) = port.ledger.portfolio(as_of=market.last_day)
    assert abs(row.cancelled_share_of_paid - Fraction(34, 100)) <= Fraction(5, 100)


@pytest.mark.long
@pytest.mark.skipif(not LONG, reason="the long form")
def test_a_large_market_holds() -> None:
    report = simulate(temporary, stream(plans=1_000, years=5, market="published")).report
    assert report.failure is None
    assert abs(report.in_cancelled["USD"] - Fraction(34, 100)) <= Fraction(3, 100)


# ---- a run


def test_a_run_judges_all_checks_but_one() -> None:
    """On a file, with restarts: every named check is judged but for the one that only machines can run."""
    simulated = simulate(temporary, stream(plans=20, years=1))
    assert simulated.error is None
    assert set(simulated.report.not_run) == {"order_of_knowledge"}
    assert all(simulated.report.checks.values()), simulated.report.checks
    assert simulated.report.restarts
    assert simulated.report.calls["close"]["recorded"]


def test_a_port_without_batches_is_told_call_by_call() -> None:
    by_call = simulate(WRONG["grace_a_day_longer"].factory, stream(plans=3))
    assert all(entry.batch is None for entry in by_call.history)


def test_a_ledger_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'books.db'}"
    simulate(at(url), stream(plans=1))
    with pytest.raises(InvalidArgument, match="empty ledger"):
        simulate(at(url), stream(plans=1))


# ---- planted bugs


SOME = ("unapplied_is_paid", "unapplied_stays", "keeps_the_rest", "late_is_lost")
"""Wrong ledgers that need a letter, a reinstatement after it, too much money, and a row that is found after months."""


@pytest.mark.parametrize("name", [name for name in WRONG if LONG or name in SOME])
def test_each_wrong_ledger_is_found(name: str) -> None:
    """In two years of 150 plans, whichever check it is that fails."""
    timeout = 1 if name == "hangs" else None
    assert simulate(WRONG[name].factory, stream(plans=150, years=2), timeout=timeout).report.failure is not None


@pytest.mark.parametrize(
    ("name", "check", "plans", "calls"),
    [("closing_cancels", "late_close_equals_daily_close", 10, 6), ("double_credit", "decides_as_the_rules", 40, 5)],
)
def test_a_planted_bug_is_found_minimised_and_repeated(
    name: str, check: str, plans: int, calls: int, tmp_path: Path
) -> None:
    """A check fails; a few calls of one plan show it; the file shows it again."""
    factory, path = WRONG[name].factory, tmp_path / "failure.jsonl"
    simulated = simulate(factory, stream(plans=plans))
    failure = simulated.report.failure
    assert simulated.error is not None
    assert failure is not None
    assert (failure.check, failure.seed) == (check, 7)
    history, error = minimise(factory, simulated.history, simulated.error)
    assert error.check == failure.check
    assert len(history) <= calls
    assert len({entry.call.plan_id for entry in history} - {None}) == 1

    write_history(path, history, failure)
    read, told = read_history(path)
    assert (read, told) == (history, failure)
    again = replay(factory, read)
    assert again is not None
    assert (again.check, again.found) == (error.check, error.found)
    assert replay(memory, read) is None


def test_what_only_an_audit_sees_is_found(tmp_path: Path) -> None:
    """An event that was deleted by hand is no failure of a call; the audit at the end tells, and names the check."""
    url = f"sqlite:///{tmp_path / 'books.db'}"
    assert simulate(at(url), stream(plans=3)).error is None
    with closing(sqlite3.connect(tmp_path / "books.db")) as connection, connection:
        connection.execute("DELETE FROM ledger_events WHERE version = 2")
    with Ledger.open(url) as ledger, pytest.raises(LedgerDiffers, match="audit_is_clean"):
        Observer(BatchAdapter(ledger), clockwork=Clockwork(5)).audit()


# ---- books


def test_a_market_as_a_book_is_imported_with_the_same_result(tmp_path: Path) -> None:
    """All files can be read, and the ledger takes as many openings and payments as the one that was driven."""
    market = stream(plans=30, years=2)
    rows = write_book(market, tmp_path / "book")
    assert rows["plans.csv"] == 30
    assert rows["payments.csv"] > 100
    with Ledger.open("memory://") as ledger:
        report = import_book(ledger, read_book(tmp_path / "book"))
        assert {row.code for row in report.refused} <= {
            *("plan_is_cancelled", "plan_is_completed", "payment_not_found", "reference_conflict", "overpayment"),
            *("reinstatement_refused", "payment_refused", "command_refused"),
        }
        assert report.repeated
        (first, *_) = market.lives()
        opening = ledger.history(first.plan_id)[0].event
        assert isinstance(opening, PlanOpened)
        assert opening.terms == attrs.evolve(first.terms, first_due_on=opening.terms.first_due_on)
    with pytest.raises(InvalidArgument, match="a new path"):
        write_book(market, tmp_path / "book")


# ---- files


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("repeats_bp = 600", "repeats_bp = 60000", r"Expected `int` <= 10000.*banks.repeats_bp"),
        ("repeats_bp = 600", "repaets_bp = 600", "unknown field `repaets_bp`"),
        ("repeats_bp = 600", "repeats_bp = 0.06", "Expected `int`, got `float`"),
        ('release = "per_unit:23"', 'release = "per_unit:2300"', "package 1"),
        ('"Europe/Moscow" = 4', '"Europe/Muskau" = 4', "package 1.*Europe/Muskau"),
        ("punctual = 20", "punctual = ", "Invalid value"),
        ('first_day = "2020-01-01"', 'first_day = "2020-02-30"', "first_day"),
        ("market/1", "market/2", "installment-ledger-market/1"),
    ],
)
def test_a_wrong_parameter_is_named(old: str, new: str, error: str, tmp_path: Path) -> None:
    text = Path(sys.modules["ledger.testing.simulation"].__path__[0], "default.toml").read_text()
    path = tmp_path / "market.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(UnusableFile, match=error):
        read_market(path)


_HEADER = json.dumps(
    {"format": "installment-ledger-history/1", "check": "c", "call": "x", "expected": "e", "found": "f"}
)


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ([], "first line"),
        (['{"format": "other"}'], "first line"),
        ([_HEADER, "{"], "line 2"),
        ([_HEADER, '{"call": "steal", "plan_id": "P-1", "arguments": {}}'], "line 2: .*'steal'.*expected one of open"),
        ([_HEADER, '{"call": "position", "plan_id": "P-1", "arguments": {}}'], "line 2: .*as_of, known_at"),
        ([_HEADER, '{"call": "restart", "plan_id": "P-1", "arguments": {}}'], "line 2: .*expected null"),
        (
            [_HEADER, '{"call": "position", "plan_id": "P-1", "arguments": {"as_of": "2024-13-01", "known_at": null}}'],
            "line 2: .*a date of the calendar",
        ),
    ],
)
def test_a_wrong_history_is_unusable(lines: list[str], error: str, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(UnusableFile, match=error):
        read_history(path)


# ---- the command line


def test_sim_and_replay_exit_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 if every check holds, 1 with a failure, whose file replay repeats; 2 for a file that is of no use."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    planted = "from tests.wrong_ledgers import WRONG\nbroken = WRONG['closing_cancels'].factory\n"
    (tmp_path / "planted_ledger.py").write_text(planted)
    assert main(["sim", "--seed", "7", "--plans", "10", "--years", "1", "--ledger", "planted_ledger:broken"]) == 1
    printed = capsys.readouterr().out
    assert "FAILED late_close_equals_daily_close" in printed
    assert "Seed 7, step " in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert all(line == line.rstrip() for line in printed.splitlines())
    assert main(["replay", "sim-7.jsonl", "--ledger", "planted_ledger:broken"]) == 1
    assert "FAILED late_close_equals_daily_close" in capsys.readouterr().out
    assert main(["replay", "sim-7.jsonl"]) == 0
    assert "every check holds" in capsys.readouterr().out
    assert main(["replay", "planted_ledger.py"]) == 2
    assert main(["sim", "--plans", "1", "--years", "1", "--history", "planted_ledger.py"]) == 2
    assert (tmp_path / "planted_ledger.py").read_text() == planted
    assert main(["sim", "--plans", "1", "--ledger", "planted_ledger:missing"]) == 2
    assert main(["sim", "--plans", "1", "--market", "missing.toml"]) == 2
    assert main(["sim", "--plans", "1", "--db", "memory://", "--ledger", "planted_ledger:broken"]) == 2


def test_sim_writes_a_book_and_drives_only_a_stated_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sim", "--plans", "3", "--years", "1", "--book", "book", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["plans.csv"] == 3
    assert not (tmp_path / "ledger.db").exists()
    arguments = ["sim", "--plans", "3", "--years", "1", "--book", "book-2", "--db", "sqlite:///new.db", "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["report"]["failure"] is None
    assert main(["audit", "--db", "sqlite:///new.db"]) == 0
