"""The golden vectors: current, sound, confirmed by the reference model, and read from another language."""

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ledger import DoublePayment, EarlyRepayment, InvalidArgument, to_dict
from ledger.testing import vectors
from ledger.testing.golden_vectors import CHECKER, FILE, SCHEMA
from tests import vectors as written
from tests.vector_cases import cases

NODE = shutil.which("node")
CONSUMER = Path(__file__).with_name("vectors_consumer.mjs")


def test_the_files_are_current() -> None:
    """Writing them from the ledger changes nothing; on the way the reference model confirms each answer."""
    assert FILE.read_text(encoding="utf-8") == written.written(), "run uv run python -m tests.vectors"
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == written.schema(), "run uv run python -m tests.vectors"
    assert written.PAGE.read_text(encoding="utf-8") == written.page(), "run uv run python -m tests.vectors"


def test_they_follow_their_schema() -> None:
    """The file is an instance of the JSON Schema beside it, and a case with a wrong field is none."""
    data, schema = json.loads(FILE.read_text(encoding="utf-8")), json.loads(SCHEMA.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    assert not list(validator.iter_errors({**data, "cases": data["cases"][::9]}))
    data["cases"][0]["answers"][0]["position"]["paid"] = 1
    assert list(validator.iter_errors({**data, "cases": data["cases"][:1]}))


def test_there_are_cases_of_everything() -> None:
    """At least 300, with every section that has arithmetic, release, schedule, promotion, base, credit and stacking."""
    all_cases = list(vectors())
    assert len(all_cases) >= 300
    assert len({case["name"] for case in all_cases}) == len(all_cases)
    assert {case["section"] for case in all_cases} == {"1", "3", "4", "5", "6", "7", "8", "9", "10"}
    terms = [case["terms"] for case in all_cases]
    assert {one["schedule"]["kind"] for one in terms} == {"monthly", "every_days", "explicit"}
    assert {one["release"]["kind"] for one in terms} == {"per_unit", "portion", "explicit"}
    assert {one["stacking"] for one in terms} == {"additive", "exclusive", "compound"}
    assert {one["reinstatement"]["kind"] for one in terms} == {"closed", "full_cover", "partial_cover"}
    assert {one["grace_days"] for one in terms} >= {0, 1, 19, 45}
    earned = {
        (promo["kind"], promo["base"], promo["credit"]) for one in terms for promo in one["promos"] if "base" in promo
    }
    kinds = [
        to_dict(kind("x", rate_bp=1, base="package", credit="at_once"))["kind"]
        for kind in (DoublePayment, EarlyRepayment)
    ]
    assert len(earned) == 4 * len(kinds)
    types = {fact["type"].partition(".")[0] for case in all_cases for fact in case["facts"]}
    assert types == {"payment_made", "payment_reversed", "cancellation_requested", "plan_reinstated"}
    assert {fact["cause"] for case in all_cases for fact in case["facts"] if "cause" in fact} == {"error", "chargeback"}
    codes = {refused["code"] for case in all_cases for refused in case["refused"]}
    assert len(codes) >= 8
    idle = {one["command"] for case in all_cases for one in case["without_effect"]}
    assert idle == {"RecordPayment", "ReversePayment", "CancelPlan", "ReinstatePlan", "ClosePlan"}
    days = {
        answer["as_of"]
        for case in vectors(section=6)
        if case["name"].startswith("grace-19")
        for answer in case["answers"]
    }
    assert len(days) >= 23


def test_a_section_without_cases_is_refused() -> None:
    """Those that there are are named."""
    assert {case["section"] for case in vectors(section=9)} == {"9"}
    with pytest.raises(InvalidArgument, match="one of 1, 3, 4, 5"):
        next(vectors(section=2))


# ---- the checker


def _check(*arguments: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", str(CHECKER), *map(str, arguments)]  # -S: no installed package
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _changed(tmp_path: Path, change: Callable[[Any], None]) -> Path:
    data = json.loads(FILE.read_text(encoding="utf-8"))
    change(data)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(data))
    return path


def _idle(data: Any, command: str) -> Any:
    """Return a command without effect."""
    return next(one for case in data["cases"] for one in case["without_effect"] if one["command"] == command)


def test_the_checker_needs_the_standard_library_only() -> None:
    """It passes the vectors without any installed package."""
    run = _check(FILE)
    assert (run.returncode, run.stderr) == (0, "")
    assert "all as they should be" in run.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.update(format="other"), "the file is no installment-ledger-vectors/1"),
        (lambda data: data["cases"][0].pop("facts"), "not the fields"),
        (lambda data: data["cases"][1].update(name=data["cases"][0]["name"]), "its name is taken"),
        (lambda data: data["cases"][0]["schedule"][0].update(amount=1), "does not add up to the price"),
        (
            lambda data: data["cases"][0]["answers"][0]["position"].update(shares_credited=1),
            "do not add up to the package",
        ),
        (lambda data: data["cases"][8]["answers"][-1].update(overdue=None), "a row of the overdue list"),
        (lambda data: data["cases"][0]["answers"][0].pop("position"), "not the fields"),
        (lambda data: data["cases"][0].update(answers=[{"as_of": 1}]), "not the fields as_of"),
        (
            lambda data: _idle(data, "RecordPayment")["arguments"].update(reference="x"),
            "nothing with the reference 'x'",
        ),
        (lambda data: _idle(data, "ClosePlan")["arguments"].update(through="2000-01-01"), "books before the opening"),
    ],
)
def test_the_checker_finds_faults(tmp_path: Path, change: Callable[[Any], None], said: str) -> None:
    """Of the form, and of the sums; exit status 1."""
    run = _check(_changed(tmp_path, change))
    assert run.returncode == 1
    assert said in run.stdout


@pytest.mark.parametrize("text", ["", "[1, 2", None])
def test_a_file_that_cannot_be_read(tmp_path: Path, text: str | None) -> None:
    """Exit status 2, and a sentence that names the file."""
    path = tmp_path / "missing.json"
    if text is not None:
        path.write_text(text)
    run = _check(path)
    assert (run.returncode, run.stdout) == (2, "")
    assert str(path) in run.stderr


def test_the_checker_compares_answers(tmp_path: Path) -> None:
    """The right answers pass, in whole or in part; one wrong field is named with its case and its section."""
    right = {case["name"]: case["answers"] for case in vectors()}
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(right))
    assert _check(FILE, path).returncode == 0
    part = {name: [{"position": {"status": one["position"]["status"]}} for one in many] for name, many in right.items()}
    path.write_text(json.dumps(part))
    assert _check(FILE, path).returncode == 0
    wrong = copy.deepcopy(right)
    wrong["grace-19-day-19-unpaid"][-1]["position"]["status"] = "cancelled"
    wrong["grace-19-day-19-unpaid"][-1]["outcomes"] = []
    del wrong["grace-19-day-20-paid"]
    path.write_text(json.dumps(wrong))
    run = _check(FILE, path)
    assert run.returncode == 1
    assert 'position.status is "cancelled", expected "in_grace"' in run.stdout
    assert "case grace-19-day-19-unpaid (section 6), as of 2023-05-29" in run.stdout
    assert "case grace-19-day-20-paid: expected a list" in run.stdout


def test_the_reference_model_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of the ledger that the reference model does not give stops the writing."""
    monkeypatch.setattr(written, "report_of", lambda *_: None)
    with pytest.raises(AssertionError, match="grace-19"):
        written.vector(next(cases()))


# ---- another language


@pytest.mark.skipif(NODE is None, reason="not run: node is not installed")
def test_a_consumer_in_javascript_agrees() -> None:
    """Schedules, releases and graces that JavaScript computes by itself are those of the vectors."""
    run = subprocess.run([str(NODE), str(CONSUMER), str(FILE)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert ", 0 differences" in run.stdout


@pytest.mark.skipif(NODE is None, reason="not run: node is not installed")
def test_the_consumer_can_disagree(tmp_path: Path) -> None:
    """A chained month and a day of grace too many are found by it."""

    def change(data: Any) -> None:
        by_name = {case["name"]: case for case in data["cases"]}
        by_name["monthly-2023-01-31"]["schedule"][2]["due_on"] = "2023-03-28"
        by_name["grace-19-day-19-unpaid"]["answers"][-1]["overdue"]["days_left"] = 1

    run = subprocess.run(
        [str(NODE), str(CONSUMER), str(_changed(tmp_path, change))], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "monthly-2023-01-31: schedule" in run.stdout
    assert "grace-19-day-19-unpaid as of 2023-05-29" in run.stdout
