"""What a running ledger tells: spans, a histogram, log lines; and nothing at all where nobody listens."""

import logging
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread

import pytest

from ledger import CorruptHistory, Ledger
from tests import workers
from tests.examples import OPENED_ON, open_plan, pay
from tests.processes import forked, until
from tests.raw_sql import change

_ROOT = Path(__file__).parent.parent
_SESSION = """
from threading import Event
from tests.examples import *
from tests.raw_sql import change
with Ledger.open(f"sqlite:///{sys.argv[1]}/books.db") as ledger:
    open_plan(ledger)
    pay(ledger, OPENED_ON, "bank-1")
    assert len(ledger.overdue(as_of=date(2023, 5, 20))) == 1
    assert ledger.close_books(through=date(2023, 6, 30))
    assert ledger.rebuild().differences == ledger.verify().differences == ()
    open_plan(ledger, "P-bad")
    change(ledger, "UPDATE ledger_events SET tag = 'plan_opened.v9' WHERE stream_id = 'P-bad'")
    assert len(ledger.overdue().quarantined) == 1
"""


def _run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=60)


# ---- OpenTelemetry


def test_spans_and_replayed_events_are_told(tmp_path: Path) -> None:
    """Commands, saves and catch-ups are spans within the caller's; a histogram counts the events read per command."""
    with forked(workers.trace, f"sqlite:///{tmp_path}/traced.db") as (process,):
        spans, metrics = process.receive()
    told = {name: attributes for name, attributes, _ in spans}
    assert {"ledger.command", "ledger.append", "ledger.catch_up"} <= told.keys()
    assert told["ledger.command"] == {"ledger.command": "RecordPayment", "ledger.commands": 1}
    assert told["ledger.append"] == {"ledger.events": 2}
    assert told["ledger.catch_up"]["ledger.reached"] == 3
    parents = [(name, parent) for name, _, parent in spans if parent is not None]
    assert sorted(parents) == [("ledger.append", "ledger.command")] * 3 + [("ledger.command", "request")]
    (histogram,) = [metric for metric in metrics if metric["name"] == "ledger.events_replayed"]
    (point,) = histogram["data"]["data_points"]
    assert (point["count"], point["sum"], point["max"]) == (3, 4, 3)


def test_without_opentelemetry_everything_works(tmp_path: Path) -> None:
    """The telemetry extra is not installed: nothing is told, and nothing is missing."""
    run = _run(f"import sys\nsys.modules['opentelemetry'] = None\n{_SESSION}", str(tmp_path))
    assert run.returncode == 0, run.stderr


def test_importing_the_ledger_imports_no_telemetry() -> None:
    """OpenTelemetry is imported with the first command, if at all."""
    run = _run("import sys, ledger; print([name for name in sys.modules if name.startswith('opentelemetry')])")
    assert (run.stdout, run.stderr) == ("[]\n", "")


# ---- logging


def test_nothing_is_printed_by_default(tmp_path: Path) -> None:
    """A library is silent: what it logs is seen by those who set up logging, even where a view stops."""
    run = _run(f"import sys\n{_SESSION}", str(tmp_path))
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_a_plan_that_goes_into_quarantine_is_an_error_in_the_log(
    shared_url: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One line at level ERROR, once, under the library's own logger, names the generation, the plan and the event."""
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)
        ledger.wait(1)
        open_plan(ledger, "P-bad")
        change(ledger, "UPDATE books_events SET tag = 'plan_opened.v9' WHERE stream_id = 'P-bad'")
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="ledger"):
            ledger.overdue()
            ledger.overdue()
    (record,) = [record for record in caplog.records if record.name.startswith("ledger")]
    assert (record.levelname, "periods_1 leaves out plan P-bad, version 1 (plan_opened.v9)") == (
        "ERROR",
        record.message,
    )


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ('"minor":15000', '"minor":-77123', "amount is not a whole number from 1"),
        ('"reference":"bank-1"', '"reference":" Ann Lee"', "reference is not 1 to 200 printable characters"),
        ('"minor":15000', '"minor":"77123"', "Expected `int`, got `str`"),
    ],
)
def test_no_value_of_an_event_reaches_the_log_or_the_status(
    before: str, after: str, fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The one who asks for the plan is told the value; whoever watches is told the plan, the event and the fault."""
    with Ledger.open(f"sqlite:///{tmp_path}/books.db", name="books") as ledger, caplog.at_level(logging.DEBUG):
        open_plan(ledger)
        pay(ledger, OPENED_ON, "bank-1")
        edited = "UPDATE books_events SET state = CAST(replace(CAST(state AS TEXT), ?, ?) AS BLOB) WHERE version = 2"
        change(ledger, edited, before, after)
        listed, health = ledger.overdue(), ledger.status()
        assert fault in listed.quarantined[0].reason
        assert fault in health.problems[0]
        for said in (caplog.text, *health.problems, listed.quarantined[0].reason):
            assert "77123" not in said
            assert "Ann Lee" not in said
        with pytest.raises(CorruptHistory):
            ledger.position("P-1")


def test_a_follower_whose_database_is_away_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It waits and says what it waits for; a promotion and the beginning of following are information."""
    stop = Event()
    with ExitStack() as stack, caplog.at_level(logging.INFO, logger="ledger"):
        ledger = stack.enter_context(Ledger.open(f"sqlite:///{tmp_path}/books.db"))
        open_plan(ledger)
        pay(ledger, OPENED_ON, "bank-1")
        ledger.overdue()
        ledger.rebuild()
        change(ledger, "DELETE FROM books_periods_2_totals")
        ledger = stack.enter_context(Ledger.open(f"sqlite:///{tmp_path}/books.db"))
        thread = Thread(target=lambda: ledger.follow(stop=stop, every=0.01), daemon=True)
        thread.start()
        warned = until(lambda: [record for record in caplog.records if record.levelname == "WARNING"])
        assert "its rows are missing; rebuild it" in warned[0].message
        ledger.rebuild()
        until(lambda: [record for record in caplog.records if record.message.startswith("following")])
        stop.set()
        thread.join(20)
    told = [(record.levelname, record.message) for record in caplog.records if record.levelname == "INFO"]
    assert ("INFO", "periods_2 has been promoted") in told
