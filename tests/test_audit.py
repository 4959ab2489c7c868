"""The audit of a ledger: parts that add up, here or in processes; what is allowed; the command, and the evidence."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import attrs
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import Ledger, PartialCover, Portion, StoreUnavailable
from ledger.audit import ACTS, KINDS, Audit, DiscretionaryAct, Finding, Summary, audit, examine
from ledger.audit.examination import run
from ledger.audit.examination.discretion import ActKind
from ledger.audit.examination.partition import EMPTY, Part, PartAudit, audit_part
from ledger.audit.examination.run import parts
from ledger.books.importer import import_book
from ledger.books.reader import read_book
from ledger.cli.app import main
from ledger.cli.evidence import read_only
from ledger.store import WHOLE, Partition, open_reader
from ledger.values import to_dict
from tests.audits import first_plans
from tests.examples import OPENED_ON, TERMS, open_plan, pay, usd
from tests.strategies import one_in
from tests.test_audit_findings import DUE, fill

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first plans of the bundled book in a file, with three planted errors."""
    path = tmp_path_factory.mktemp("book") / "books.db"
    with Ledger.open(f"sqlite:///{path}") as ledger:
        import_book(ledger, read_book(first_plans(path.with_name("book"))))
    edits = [("P-00003", 3, b'"shares":7350', b'"shares":9999'), ("P-00020", 2, b'"actor":null', b'"actor":"x"')]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for plan_id, version, before, after in edits:
            where = f"stream_id = '{plan_id}' AND version = {version}"
            ((state,),) = connection.execute(f"SELECT state FROM ledger_events WHERE {where}").fetchall()
            changed = state.replace(before, after)
            connection.execute(f"UPDATE ledger_events SET state = ? WHERE {where}", (changed,))
        connection.execute("UPDATE ledger_events SET state = x'00' WHERE stream_id = 'P-00039' AND version = 1")
    return path


def _places(findings: Any) -> list[tuple[str, str | None, int | None]]:
    return [(one.kind, one.plan_id, one.version) for one in findings]


EXPECTED = [
    ("outcome_differs", "P-00003", 3),
    ("command_split", "P-00020", 3),
    ("event_unreadable", "P-00039", 1),
]


# ---- parts


def test_parts_add_up_to_the_whole_however_they_are_cut(book: Path) -> None:
    """Parts of 7, of 40 and of all plans find the same; each can be audited from an address alone."""
    with Ledger.open(f"sqlite:///{book}?mode=ro", catch_up=False) as ledger:
        reader = ledger.store
        whole = audit_part(reader, Part("plan", WHOLE))
        assert _places(whole.findings) == EXPECTED
        assert (whole.streams, whole.events) == ({"plan": 49}, {"plan": reader.last_sequence()})
        for size in (7, 40):
            cut = list(parts(reader, streams=size))
            assert len(cut) == -(-49 // size)
            assert sum((audit_part(reader, part) for part in cut), EMPTY) == whole
        with open_reader(reader.address()) as again:
            pieces = [audit_part(again, Part("plan", one)) for one in reader.partitions(3)]
        assert sum(pieces, EMPTY) == whole


@one_in(4)
@given(cuts=st.lists(st.sampled_from(["P-2", "P-3", "P-4"]), unique=True).map(sorted), at=st.integers(0, 5))
def test_adding_is_associative(cuts: list[str], at: int) -> None:
    """(a + b) + c = a + (b + c), and nothing added changes nothing."""
    with Ledger.open("memory://") as ledger:
        fill(ledger)
        ends = ["", *cuts, None]
        pieces = [
            audit_part(ledger.store, Part("plan", Partition(after or "", up_to))) for after, up_to in pairwise(ends)
        ]
        pieces.append(audit_part(ledger.store, Part("receipt", WHOLE)))
    left: PartAudit = sum(pieces, EMPTY)
    first, second = pieces[: at % len(pieces)], pieces[at % len(pieces) :]
    assert sum(first, EMPTY) + sum(second, EMPTY) == left
    assert left.findings == ()


def test_processes_find_the_same(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two spawned processes and this one report the same findings, acts and counts, in the same order."""
    monkeypatch.setattr(run, "STREAMS", 7)
    with Ledger.open(f"sqlite:///{book}?mode=ro", catch_up=False) as ledger:
        seen: list[tuple[int, int]] = []
        alone = audit(ledger, processes=1)
        together = audit(ledger, processes=2, progress=lambda done, of: seen.append((done, of)))
    assert alone == together
    assert _places(alone.findings) == EXPECTED
    assert (seen[0], seen[-1]) == ((0, 49), (49, 49))


def test_an_audit_that_nobody_finishes_leaves_no_process(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing the stream of findings ends the processes; nothing is waited for but what was begun."""
    monkeypatch.setattr(run, "STREAMS", 7)
    with Ledger.open(f"sqlite:///{book}?mode=ro", catch_up=False) as ledger:
        items = examine(ledger, processes=2)
        first = next(items)
        items.close()
    assert multiprocessing.active_children() == []
    assert isinstance(first, Finding)
    with pytest.raises(StopIteration):
        next(items)


def test_a_ledger_in_memory_is_audited_in_this_process() -> None:
    """It has no address; asking for processes changes nothing."""
    with Ledger.open("memory://") as ledger:
        fill(ledger)
        result = audit(ledger, processes=4)
    assert (result.findings, result.summary.plans, result.summary.receipts) == ((), 5, 1)
    assert isinstance(result, Audit)


def test_an_empty_ledger_is_clean(url: str, name: str) -> None:
    """Nothing is recorded, and nothing is wrong."""
    with Ledger.open(url, name=name) as ledger:
        summary = audit(ledger).summary
    assert (summary.clean, summary.events, summary.through) == (True, 0, 0)


def test_further_checks_join_in(books: Ledger) -> None:
    """The findings of another check stand among the others and are counted."""
    wrong = Finding(kind="event_unreadable", plan_id="P-1", rule="a seal", expected="a", found="b")
    result = audit(books, checks=[lambda reader: [wrong] if reader.last_sequence() else []])
    assert result.findings == (wrong,)
    assert result.summary.findings == {"event_unreadable": 1}


def test_findings_and_acts_travel(book: Path) -> None:
    """Each is plain data, as JSON has it."""
    with Ledger.open(f"sqlite:///{book}?mode=ro", catch_up=False) as ledger:
        found = list(examine(ledger, processes=1))
    assert {type(one) for one in found} == {Finding, DiscretionaryAct, Summary}
    assert all(json.loads(json.dumps(to_dict(one))) == to_dict(one) for one in found)
    assert set(to_dict(found[0])) == {
        *("kind", "plan_id", "receipt", "version", "sequence", "rule", "expected", "found"),
    }
    assert found[0].kind in KINDS  # type: ignore[union-attr]  # it is a finding


# ---- acts at discretion


def _acts(ledger: Ledger) -> dict[tuple[str, str], DiscretionaryAct]:
    result = audit(ledger, processes=1)
    assert result.findings == ()
    return {(act.kind, act.plan_id): act for act in result.acts}


def test_acts_at_discretion_are_listed_with_their_effect() -> None:
    """A chargeback, a request and a reinstatement: who, when, and what they change; on the numbers of the plan."""
    with Ledger.open("memory://") as ledger:
        fill(ledger)
        acts = _acts(ledger)
        position = ledger.position("P-3", as_of=DUE[3])
    assert set(acts) == {("reversal", "P-2"), ("request", "P-4"), ("reinstatement", "P-3")}
    request = acts["request", "P-4"]
    assert (request.actor, request.approved_by, request.what) == ("clerk", None, "request crm-1 to cancel: moved away")
    effect = request.effect
    assert effect is not None
    assert (effect.shares_credited, effect.shares_promised, effect.shares_forfeited) == (0, -351_000, 351_000)
    assert effect.bonus_promised == -(17_550 + 35_100)
    reversal = acts["reversal", "P-2"].effect
    assert reversal is not None
    assert (reversal.paid, reversal.shares_credited) == (usd("-150.00"), -7_350)
    reinstated = acts["reinstatement", "P-3"]
    assert (reinstated.approved_by, reinstated.effective_on.isoformat()) == ("head", "2023-06-04")
    assert reinstated.effect is not None
    assert reinstated.effect.shares_promised > 0 > reinstated.effect.shares_forfeited
    assert position.status == "in_grace"


@pytest.mark.parametrize(("late", "listed"), [(1, False), (19, False), (20, True), (21, True)])
def test_a_back_dated_payment_is_one_whose_date_saves_something(late: int, *, listed: bool) -> None:
    """Recorded in grace, its date changes nothing; from the day of the cancellation on, it saves the plan."""
    at = datetime(2023, 4, 10, 9, tzinfo=UTC)
    with Ledger.open("memory://") as ledger:
        ledger.open_plan("P-1", investor="I", partner=None, terms=TERMS, opened_at=OPENED_ON, recorded_at=at)
        options: dict[str, Any] = {"recorded_at": at + late * DAY, "actor": "clerk"}
        ledger.record_payment("P-1", reference="b", amount=usd("150.00"), paid_at=OPENED_ON, **options)
        acts = _acts(ledger)
    assert bool(acts) == listed
    if listed:
        act = acts["back_dated", "P-1"]
        assert act.effect is not None
        figures = act.effect.paid, act.effect.unapplied, act.effect.shares_credited, act.effect.shares_forfeited
        assert (act.actor, *figures) == ("clerk", usd("150.00"), usd("-150.00"), 7_350, -351_000)


def test_openings_under_terms_of_their_own_are_listed() -> None:
    """Of four plans one has more grace and one another policy: both are listed, with the difference that it makes."""
    longer = attrs.evolve(TERMS, grace_days=45)
    kinder = attrs.evolve(TERMS, reinstatement=PartialCover(1))
    another = attrs.evolve(TERMS, release=Portion("1/3"))
    with Ledger.open("memory://") as ledger:
        at = datetime(2023, 4, 10, 9, tzinfo=UTC)
        for plan_id, terms in (("P-1", TERMS), ("P-2", longer), ("P-3", kinder), ("P-4", TERMS), ("P-5", another)):
            options: dict[str, Any] = {"opened_at": OPENED_ON, "recorded_at": at}
            ledger.open_plan(plan_id, investor="I", partner=None, terms=terms, **options)
        ledger.close_books(through=OPENED_ON + 30 * DAY, recorded_at=at + 30 * DAY)
        acts = _acts(ledger)
    assert {key: act.what for key, act in acts.items()} == {
        ("own_terms", "P-2"): "opened with 45 days of grace instead of 19 days of grace",
        ("own_terms", "P-3"): "opened with reinstatement partial_cover 1 instead of reinstatement closed",
        ("own_terms", "P-5"): "opened with release portion 1/3 instead of release per_unit 49",
    }
    effect = acts["own_terms", "P-2"].effect
    assert effect is not None
    assert (effect.as_of, effect.shares_promised, effect.shares_forfeited) == (OPENED_ON + 30 * DAY, 351_000, -351_000)
    same = acts["own_terms", "P-3"].effect
    assert same is not None
    assert same.shares_promised == 0


def test_references_of_several_plans_are_listed() -> None:
    """A reference is unique in its plan: in two plans it is allowed, and listed."""
    with Ledger.open("memory://") as ledger:
        for plan_id in ("P-1", "P-2", "P-3"):
            open_plan(ledger, plan_id)
            pay(ledger, OPENED_ON, "bank-1" if plan_id != "P-2" else "bank-2", plan_id=plan_id)
        result = audit(ledger)
    assert result.findings == ()
    (shared,) = result.shared_references
    assert (shared.reference, shared.plans, shared.plan_ids) == ("bank-1", 2, ("P-1", "P-3"))
    assert result.summary.shared_references == 1


def test_every_act_is_explained() -> None:
    """The kinds of acts are those of the table, each with a sentence."""
    assert set(ACTS) == set(get_args(ActKind))


# ---- evidence that does not change


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_nothing_changes_in_a_file_that_may_not_be_written(
    book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder that may not be written, with read models and processes: not a byte, and no file beside it."""
    folder = tmp_path / "evidence"
    folder.mkdir()
    path = folder / "books.db"
    shutil.copy(book, path)
    with Ledger.open(f"sqlite:///{path}") as ledger:
        assert len(ledger.overdue(as_of=date(2024, 6, 30))) > 0
    for beside in folder.glob("books.db-*"):
        beside.unlink()
    path.chmod(0o400)
    folder.chmod(0o500)
    before = _digests(folder)
    for processes in ("1", "2"):
        assert main(["audit", "--db", f"sqlite:///{path}", "--processes", processes]) == 1
        printed = capsys.readouterr()
        assert "Plan P-00003\n  version 3, sequence " in printed.out
        assert printed.err == ""
        assert _digests(folder) == before
    folder.chmod(0o700)


def test_a_role_that_may_only_read_audits_postgresql(
    postgres_url: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With SELECT on the tables alone; the counter of the database is then not its to read, and it says so."""
    role = f"auditor_{name}"
    with Ledger.open(postgres_url, name=name) as ledger:
        fill(ledger)
        ledger.overdue()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for statement in (
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
            f"CREATE ROLE {role} LOGIN",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
        ):
            connection.execute(statement.encode())
        auditor = postgres_url.replace("postgres:@", f"{role}:@")
        assert main(["audit", "--db", auditor, "--name", name, "--processes", "2"]) == 0
        printed = capsys.readouterr().out
        assert "The counter of the database may not be read" in printed
        assert "Compared with a replay: periods_1." in printed
        assert main(["audit", "--db", postgres_url, "--name", name]) == 0
        assert "may not be read" not in capsys.readouterr().out
        connection.execute(f"DROP OWNED BY {role}".encode())
        connection.execute(f"DROP ROLE {role}".encode())


def test_a_session_of_an_audit_cannot_write(postgres_url: str, name: str) -> None:
    """The options of the URL stay, and the session is read only."""
    url = read_only(f"{postgres_url}&options={quote('-c search_path=public')}")
    with Ledger.open(postgres_url, name=name) as ledger:
        open_plan(ledger)
    with Ledger.open(url, name=name, create=False, catch_up=False) as reader:
        with pytest.raises(StoreUnavailable, match="may only read"):
            pay(reader, OPENED_ON, "bank-1")
        assert audit(reader).findings == ()


@pytest.mark.parametrize("url", ["sqlite:///none.db", "postgresql://nobody@127.0.0.1:1/x", "mysql://x"])
def test_what_cannot_be_read_could_not_run(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No such file, no server, no such database: exit code 2 and one sentence, neither clean nor a finding."""
    monkeypatch.chdir(tmp_path)
    assert main(["audit", "--db", url]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_could_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A text file, and a file with other tables."""
    text, other = tmp_path / "text.db", tmp_path / "other.db"
    text.write_text("no database, but long enough to be looked at " * 100)
    sqlite3.connect(other).close()
    for path in (text, other):
        assert main(["audit", "--db", f"sqlite:///{path}"]) == 2
    assert capsys.readouterr().out == ""


# ---- the command


def test_json_is_a_line_for_each_thing(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Findings as they are, then the acts and the summary under their names; the exit code is 1."""
    assert main(["audit", "--db", f"sqlite:///{book}", "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    findings = [line for line in lines if "kind" in line]
    assert lines[: len(findings)] == findings
    assert [(one["kind"], one["plan_id"], one["version"]) for one in findings] == EXPECTED
    assert findings[0]["rule"] == "RULES.md section 1"
    assert (findings[0]["expected"], findings[0]["found"]) == (
        "InstallmentSettled: shares 7,350",
        "InstallmentSettled: shares 9,999",
    )
    assert {next(iter(line)) for line in lines[len(findings) :]} == {"act", "summary"}
    summary = lines[-1]["summary"]
    assert summary["findings"] == {"command_split": 1, "event_unreadable": 1, "outcome_differs": 1}
    assert summary["acts"]["back_dated"] == sum("act" in line and line["act"]["kind"] == "back_dated" for line in lines)


def test_a_clean_ledger_exits_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without findings the text is the acts and the summary, which ends by saying so."""
    with Ledger.open(f"sqlite:///{tmp_path}/books.db") as ledger:
        fill(ledger)
    assert main(["audit", "--db", f"sqlite:///{tmp_path}/books.db"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "3 discretionary acts"
    assert lines[-1] == "No findings."
    assert "At discretion: 1 reinstatement, 1 request, 1 reversal." in lines


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_text_fits_the_terminal(
    book: Path, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Findings by plan, located, expected and found; no line is too wide, and none ends in a blank."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.chdir(book.parent)  # a path is never cut, and that of a temporary folder may be wider than the terminal
    assert main(["audit", "--db", f"sqlite:///{book.name}"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert [line for line in lines if line != line.rstrip()] == []
    assert lines[0] == "Plan P-00003"
    assert lines[1].startswith("  version 3, sequence ")
    assert lines[1].endswith(": outcome_differs")
    assert "    expected  InstallmentSettled: shares 7,350" in lines
    assert "    found     InstallmentSettled: shares 9,999" in lines
    assert " ".join(lines).endswith(" 3 findings: 1 command_split, 1 event_unreadable, 1 outcome_differs.")


_INTERRUPTED = """
import sys, time
from ledger.audit.examination import run
from ledger.cli import rendering
from ledger.cli.app import main

run.STREAMS = 7
printed = rendering.print_json_line

def print_and_wait(item):
    printed(item)
    sys.stdout.flush()
    time.sleep(60)

rendering.print_json_line = print_and_wait
sys.exit(main(sys.argv[1:]))
"""
"""The command, which waits at its first finding, while its processes go on."""


def test_an_interrupted_audit_says_how_far_it_came(book: Path) -> None:
    """Ctrl-C in the terminal reaches all its processes: exit code 130, one sentence, and the evidence as it was."""
    before = hashlib.sha256(book.read_bytes()).hexdigest()
    command = (sys.executable, "-c", _INTERRUPTED, "audit", "--db", f"sqlite:///{book}", "--processes", "2", "--json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert b"P-00003" in process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        rest, error = process.communicate(timeout=60)
    assert (process.returncode, rest) == (130, b"")
    assert error == b"interrupted: 0 of 49 streams audited, 1 finding so far; nothing was changed\n"
    assert hashlib.sha256(book.read_bytes()).hexdigest() == before


def test_receipts_and_their_payments_are_clean(url: str, name: str) -> None:
    """Money received, allocated in parts to two plans, reversed in either way, allocated again and returned."""
    day = OPENED_ON + DAY
    options: dict[str, Any] = {"recorded_at": datetime(2023, 4, 12, tzinfo=UTC)}
    with Ledger.open(url, name=name) as ledger:
        for plan_id in ("P-1", "P-2"):
            opened: dict[str, Any] = {"opened_at": OPENED_ON, **options}
            ledger.open_plan(plan_id, investor="I", partner=None, terms=TERMS, **opened)
        at = datetime(2023, 4, 11, 8, tzinfo=UTC)
        ledger.receive_unallocated("R-1", amount=usd("400.00"), received_at=at, reason="no plan stated", **options)
        ledger.allocate("R-1", plan_id="P-1", amount=usd("150.00"), **options)
        ledger.allocate("R-1", plan_id="P-2", amount=usd("100.00"), payment_reference="R-1b", **options)
        ledger.reverse_allocation("R-1", plan_id="P-1", **options)
        ledger.reverse_payment("P-2", reference="R-1b", cause="error", **options)
        ledger.allocate("R-1", plan_id="P-1", amount=usd("50.00"), payment_reference="R-1c", **options)
        ledger.return_unallocated("R-1", amount=usd("1.00"), on=day, reason="sent back", **options)
        result = audit(ledger)
    assert result.findings == ()
    assert result.summary.receipts == 1
    assert result.summary.acts == {"reversal": 2}


# ---- with a seal


def test_the_findings_of_a_seal_join_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed actor that nothing else refers to is consistent, and found by the seal, in its place."""
    database, folder, key = f"sqlite:///{tmp_path}/books.db", str(tmp_path / "seal"), str(tmp_path / "key")
    with Ledger.open(database) as ledger:
        fill(ledger)
    assert main(["keygen", key, "--db", database]) in (0, None)
    assert main(["seal", "--to", folder, "--key", key, "--db", database]) in (0, None)
    sealed = ["audit", "--db", database, "--seal", folder, "--key", f"{key}.pub"]
    assert main(sealed) == 0
    capsys.readouterr()
    with closing(sqlite3.connect(tmp_path / "books.db", isolation_level=None)) as connection:
        where = "stream_id = 'P-4' AND version = 1"
        ((state,),) = connection.execute(f"SELECT state FROM ledger_events WHERE {where}").fetchall()
        changed = state.replace(b'"actor":"clerk"', b'"actor":"other"')
        connection.execute(f"UPDATE ledger_events SET state = ? WHERE {where}", (changed,))
    assert main(["audit", "--db", database]) == 0
    capsys.readouterr()
    assert main([*sealed, "--json"]) == 1
    found = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (found["kind"], found["plan_id"], found["version"]) == ("sealed_event_changed", "P-4", 1)
    assert main(["audit", "--db", database, "--seal", str(tmp_path / "none")]) == 2
    assert main(["audit", "--db", database, "--key", f"{key}.pub"]) == 2
    assert "name its folder with --seal" in capsys.readouterr().err
