"""The machines of the testing kit: our ledger passes every check, a wrong one is caught by the check that is named.

A run by default is short: a few examples of each store, and some of the wrong ledgers; all of them with
HYPOTHESIS_PROFILE=long.
"""

import os
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings

from ledger import InvalidArgument, Ledger
from ledger.testing import CAPABILITIES, LedgerDiffers, LedgerMachine, PlanMachine, checks
from ledger.testing.ledger_adapter import LATER, LedgerAdapter, opened
from tests.wrong_ledgers import WRONG

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
EXAMPLES = 200
"""Examples within which a wrong ledger is caught."""

SOME = (
    "grace_a_day_longer",
    "shares_rounded_up",
    "nothing_forfeited",
    "known_at_ignored",
    "waits_for_a_job",
    "raises",
    "answers_nonsense",
)
"""Wrong ledgers that are caught soon."""


def _settings(examples: int, *phases: Phase, derandomize: bool = False) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=20,
        phases=[Phase.generate, *phases],
        deadline=None,
        database=None,
        derandomize=derandomize,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )


# ---- our own ledger


def test_a_ledger_in_memory_passes_every_check() -> None:
    """Whatever is recorded, in whatever order, every answer at every date is that of the reference model."""
    report = LedgerMachine.check(opened, settings=_settings(5_000 if LONG else 25), timeout=60)
    assert report.not_run == {"restart_forgets_nothing": ("restart",)}
    assert report.judged["position_equals_model"] > 500


def test_a_ledger_in_a_database_passes_every_check(shared_url: str, name: str) -> None:
    """The same, with restarts, over SQLite and PostgreSQL."""
    numbers = count()

    def fresh() -> AbstractContextManager[LedgerAdapter]:
        return opened(shared_url, name=f"{name}_{next(numbers)}")

    report = LedgerMachine.check(fresh, settings=_settings(200 if LONG else 3), timeout=60)
    assert (report.not_run, set(report.judged)) == ({}, set(checks.CHECKS))


class OnePlan:
    """An adapter of a plan that only takes payments: no method that it does not need, and no base class."""

    capabilities: tuple[str, ...] = ("instants", "early_repayment")

    def __init__(self) -> None:
        self._all = LedgerAdapter(Ledger.open("memory://", clock=lambda: LATER))
        self.position = self._all.position

    def open(self, plan_id: str, *, recorded_at: datetime, **given: Any) -> None:
        self._all.open(plan_id, recorded_at=LATER, **given)

    def pay(self, plan_id: str, *, recorded_at: datetime, **given: Any) -> None:
        self._all.pay(plan_id, recorded_at=LATER, **given)


def test_a_plan_passes_the_checks_that_it_can() -> None:
    """`PlanMachine` needs three calls; every check that lacks a capability is reported as not run."""
    report = PlanMachine.check(OnePlan, settings=_settings(10))
    assert report.not_run["as_known_is_a_prefix"] == ("known_at",)
    assert report.not_run["overdue_equals_model"] == ("overdue",)
    assert "late_close_equals_daily_close not run: lacks close" in str(report).replace("  ", " ")
    assert report.judged["position_equals_model"]


TestCaseOfOnePlan = PlanMachine.of(OnePlan, checks=["conservation"]).TestCase
TestCaseOfOnePlan.settings = _settings(3)


# ---- wrong ledgers


@pytest.mark.parametrize("name", [name for name in WRONG if LONG or name in SOME])
def test_a_wrong_ledger_is_caught_by_its_check(name: str) -> None:
    """Within 200 examples the check that is named fails; no other is run."""
    wrong = WRONG[name]
    made = seed(1)(LedgerMachine.of(wrong.factory, checks=[wrong.check]))
    made.TestCase.settings = _settings(EXAMPLES)
    with pytest.raises(LedgerDiffers) as caught:
        made.TestCase("runTest").debug()
    assert caught.value.check == wrong.check


def test_the_page_names_the_check_and_the_vector_that_catch_each_wrong_ledger() -> None:
    """The table of docs/wrong-ledgers.md is that of `WRONG`."""
    rows = [f"| {wrong.mistake} | `{wrong.check}` | {wrong.shown_by()} |" for wrong in WRONG.values()]
    page = (Path(__file__).parent.parent / "docs" / "wrong-ledgers.md").read_text(encoding="utf-8")
    assert [line for line in page.splitlines() if line.startswith("| ") and "`" in line] == rows
    assert len(rows) >= 25
    assert {wrong.check for wrong in WRONG.values()} == set(checks.CHECKS)


# ---- reports


@pytest.mark.parametrize(
    ("name", "found", "calls"),
    [
        ("raises", "raised KeyError: 'cancelled' (in seen, wrong_ledgers.py:", 1),
        ("hangs", "no answer within ", 1),
        (
            "answers_nonsense",
            "answered nonsense: position.paid is '0.00' (str); expected money, such as {'minor': 1",
            1,
        ),
        ("loses_a_call", "", 5),
    ],
)
def test_a_failure_is_told_with_the_call_the_answer_and_the_shortest_history(name: str, found: str, calls: int) -> None:
    """An adapter that raises, hangs, answers nonsense or loses a call: no traceback of ours, and a few calls only."""
    if name in {"hangs", "loses_a_call"} and not LONG:
        pytest.skip("it takes its time")
    quick = _settings(EXAMPLES, Phase.shrink, derandomize=True)
    with pytest.raises(LedgerDiffers) as caught:
        LedgerMachine.check(WRONG[name].factory, checks=[WRONG[name].check], settings=quick, timeout=2)
    error, words = caught.value, str(caught.value)
    assert f"  found     {found}" in words
    assert "  call      position('P-1', as_of=20" in words
    assert "  expected  " in words
    assert len(error.calls) <= calls, words
    assert error.__traceback__ is not None
    assert error.__cause__ is None


@pytest.mark.parametrize(
    ("capabilities", "sentence"),
    [
        (["fly"], "capabilities is 'fly'; expected some of early_repayment, instants"),
        (["known_at"], "capabilities is 'known_at'; expected recorded_at with it"),
        (["restart"], "expected an adapter with a method 'restart', or capabilities without it"),
    ],
)
def test_a_wrong_declaration_is_refused(capabilities: list[str], sentence: str) -> None:
    """An unknown capability, one without its method or without another that it needs: the sentence names it."""

    def made() -> OnePlan:
        ledger = OnePlan()
        ledger.capabilities = tuple(capabilities)
        return ledger

    with pytest.raises(InvalidArgument, match="capabilities") as caught:
        PlanMachine.check(made, settings=_settings(1))
    assert sentence in str(caught.value)


def test_a_check_that_there_is_not_is_refused() -> None:
    """A misspelt check is an invalid argument, and the sentence lists those that there are."""
    with pytest.raises(InvalidArgument, match="checks is 'conserved'; expected some of answers_every_call"):
        LedgerMachine.of(opened, checks=["conserved"])
    assert set(CAPABILITIES) >= {need for check in checks.CHECKS.values() for need in check.needs}
