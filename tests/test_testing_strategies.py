"""The strategies of the testing kit: what they make, how far they reach, and to which examples they shrink."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import ledger
from installment_ledger_hypothesis import CLASSES
from ledger import InvalidArgument, Ledger, Money, Monthly, PlanIsCancelled, PlanTerms, Portion
from ledger.commands import OpenPlan, RecordPayment, ReinstatePlan, ReversePayment
from ledger.dates import day_in
from ledger.decide import decide
from ledger.events import Fact, InstallmentSettled, PaymentMade, PlanCompleted
from ledger.terms import DoublePayment, EveryDays, FullCover
from ledger.testing import strategies
from ledger.testing.strategies import TROUBLE, Book, History
from tests.strategies import METADATA, RECORDED_AT, one_in

STRICT = settings(database=None, max_examples=50)
"""The settings of a user who sets none, with all health checks and a deadline, without a database in this folder."""


# ---- the domain


@given(made=strategies.money(currencies=["JPY"], minimum=50, maximum=70))
def test_money_keeps_to_its_bounds(made: Money) -> None:
    """Each argument narrows the domain: currency, least and greatest amount."""
    assert made.currency == "JPY"
    assert 50 <= made.minor <= 70


@given(data=st.data())
def test_terms_keep_to_their_domain(data: st.DataObject) -> None:
    """Currencies, zones, counts, grace, schedules, releases, promotions, stacking and policies are all narrowed."""
    made = data.draw(
        strategies.terms(
            currencies=["KWD"],
            zones=["Asia/Tokyo"],
            installments=(3, 4),
            grace_days=[7],
            schedules=[EveryDays],
            releases=[Portion],
            promotions=[DoublePayment],
            stacking=["compound"],
            policies=[FullCover()],
        )
    )
    assert (made.price.currency, made.timezone, made.grace_days) == ("KWD", "Asia/Tokyo", 7)
    assert made.installments in (3, 4)
    assert (type(made.schedule), type(made.release)) == (EveryDays, Portion)
    assert {type(promo) for promo in made.promos} <= {DoublePayment}
    assert (made.stacking, made.reinstatement) == ("compound", FullCover())


@given(data=st.data())
def test_terms_open_on_their_day(data: st.DataObject) -> None:
    """An opening on the day of the terms is accepted."""
    day = data.draw(st.dates(date(2000, 1, 1), date(2030, 12, 31)))
    agreed = data.draw(strategies.terms(opened_on=day))
    opening = OpenPlan(plan_id="P-1", investor="I-1", partner=None, terms=agreed, opened_at=day)
    assert decide((), opening, METADATA)


@pytest.mark.parametrize(
    "asked",
    [
        lambda: strategies.terms(installments=0),
        lambda: strategies.terms(installments=(4, 3)),
        lambda: strategies.terms(zones=[]),
        lambda: strategies.terms(schedules=[int]),  # type: ignore[list-item]  # as the test wants it
        lambda: strategies.histories(trouble=["bad luck"]),  # type: ignore[list-item]  # as the test wants it
        lambda: strategies.money(currencies=["ABC"]),
        lambda: strategies.books(plans=-1),
    ],
)
def test_an_impossible_domain_is_refused(asked: Callable[[], st.SearchStrategy[Any]]) -> None:
    """An empty or unknown domain is an `InvalidArgument` that names it, and no empty strategy."""
    with pytest.raises(InvalidArgument):
        find(asked(), lambda _: True)


# ---- histories


@one_in(2)
@given(history=strategies.histories(trouble=(), longest=8))
def test_without_trouble_every_installment_is_paid_in_time(history: History) -> None:
    """Nothing is refused, missed, voided or taken back, and days follow one another."""
    plan = history.plan
    assert not history.refused
    assert {type(fact) for fact in plan.facts} <= {PaymentMade}
    days = [fact.effective_on for fact in plan.facts]
    assert days == sorted(days)
    assert {type(item.outcome).__name__ for item in plan.outcomes} <= {
        "InstallmentSettled",
        "PromoApplied",
        "PlanCompleted",
    }
    dues = {line.number: line.due_on for line in history.opened.lines}
    for item in plan.outcomes:
        if isinstance(item.outcome, InstallmentSettled):
            assert item.outcome.effective_on <= dues[item.outcome.number]


def _late(history: History) -> bool:
    days = [fact.effective_on for fact in history.plan.facts]
    return days != sorted(days)


_SHOWS: dict[str, Callable[[History], bool]] = {
    "late": _late,
    "doubled": lambda history: any(not attempt.events for attempt in history.attempts),
    "reversed": lambda history: any(reversal.cause == "error" for reversal in history.plan.reversals.values()),
    "charged back": lambda history: any(one.cause == "chargeback" for one in history.plan.reversals.values()),
    "cancelled": lambda history: bool(history.plan.requests),
    "reinstated": lambda history: any(isinstance(command, ReinstatePlan) for command in history.accepted),
    "refused": lambda history: bool(history.refused),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_each_kind_of_trouble_shows(trouble: strategies.Trouble) -> None:
    """Each word brings its trouble, and no word another's."""
    needs: list[strategies.Trouble] = ["late", trouble] if trouble == "reinstated" else [trouble]
    quiet = settings(
        database=None, max_examples=2_000, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )
    find(strategies.histories(trouble=needs), _SHOWS[trouble], settings=quiet)
    if trouble in ("reversed", "charged back", "cancelled", "reinstated", "refused"):
        others = [word for word in TROUBLE if word != trouble]

        @settings(max_examples=25, database=None)
        @given(strategies.histories(trouble=others))
        def never(history: History) -> None:
            assert not _SHOWS[trouble](history)

        never()


@one_in(2)
@given(book=strategies.books())
def test_a_book_is_what_a_ledger_records(book: Book) -> None:
    """A real ledger records the events of a book and refuses what it says, whatever the order of its plans."""
    with Ledger.open("memory://", clock=lambda: RECORDED_AT) as books:
        book.record_in(books)
        for history in book.histories:
            plan_id = history.opening.plan_id
            assert [recorded.event for recorded in books.history(plan_id)] == [one.event for one in history.events]


@given(history=strategies.histories())
def test_a_fact_is_recorded_after_its_day(history: History) -> None:
    """Instants of recording never decrease, and are never before the day of the fact in the plan's zone."""
    zone, instants = history.opened.terms.timezone, [recorded.recorded_at for recorded in history.events]
    assert instants == sorted(instants)
    for fact, version in zip(history.plan.facts, history.plan.fact_versions, strict=True):
        assert fact.effective_on <= day_in(zone, history.events[version - 1].recorded_at)


@given(data=st.data())
def test_commands_and_facts_of_a_plan(data: st.DataObject) -> None:
    """Commands are about the plan, facts in its currency; a new reference is a new one."""
    plan = data.draw(strategies.histories()).plan
    command = data.draw(strategies.commands(plan))
    assert command.plan_id in ("P-1", "refused")
    fact: Fact = data.draw(strategies.facts(plan))
    if isinstance(fact, PaymentMade):
        assert fact.amount.currency == plan.opened.terms.price.currency
        assert fact.effective_on >= plan.opened.effective_on


@pytest.mark.parametrize("kind", get_args(Fact))
def test_facts_of_one_kind(kind: type[Fact]) -> None:
    """Every kind of fact can be asked for, of a plan and of none."""

    @settings(max_examples=10, database=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        plan = data.draw(strategies.histories(longest=3)).plan
        assert isinstance(data.draw(strategies.facts(plan, kinds=[kind])), kind)
        assert isinstance(data.draw(strategies.facts(kinds=[kind], longest=3)), kind)

    check()


# ---- shrinking


def _found(strategy: st.SearchStrategy[Any], condition: Callable[[Any], bool]) -> Any:
    quiet = settings(database=None, max_examples=500, suppress_health_check=list(HealthCheck), derandomize=True)
    return find(strategy, condition, settings=quiet)


def test_terms_shrink_to_a_plan_that_a_person_can_read() -> None:
    """One installment, a round price and package, no promotion, due on the day of the opening."""
    made = _found(strategies.terms(), lambda _: True)
    assert made == PlanTerms(
        price=Money.of("100.00", "USD"), shares=1_000, installments=1, release=made.release, timezone="UTC"
    )


def test_a_completed_plan_shrinks_to_one_payment() -> None:
    """Opened on the first day of a month, paid on that day."""
    history = _found(strategies.histories(), lambda made: any(map(_completes, made.events)))
    (payment,) = history.accepted
    assert isinstance(payment, RecordPayment)
    assert history.opened.effective_on == payment.paid_at == date(2023, 1, 1)
    assert (payment.amount, history.opened.terms.installments) == (Money.of("100.00", "USD"), 1)
    assert (history.opened.terms.promos, history.opened.terms.schedule) == ((), Monthly())


def _completes(recorded: ledger.RecordedEvent) -> bool:
    return isinstance(recorded.event, PlanCompleted)


def test_a_refusal_shrinks_to_the_day_after_grace() -> None:
    """A payment on a cancelled plan: one installment, one payment, no other command."""

    def refused(made: History) -> bool:
        return any(isinstance(attempt.error, PlanIsCancelled) for attempt in made.attempts)

    history = _found(strategies.histories(), refused)
    assert len(history.attempts) == 2
    assert history.opened.terms.installments == 1
    assert history.opened.effective_on.day == 1


def test_a_book_shrinks_to_one_plan() -> None:
    """A book with a reversal: one plan, its opening, the payment and the reversal."""

    def reversal(book: Book) -> bool:
        return any(isinstance(attempt.command, ReversePayment) and attempt.events for attempt in book.attempts)

    (history,) = _found(strategies.books(plans=(1, 2), longest=4), reversal).histories
    assert [type(attempt.command).__name__ for attempt in history.attempts] == [
        "OpenPlan",
        "RecordPayment",
        "ReversePayment",
    ]


def test_a_failing_example_prints_a_line_for_each_attempt() -> None:
    """What Hypothesis prints of a history are its commands and what came of them."""

    @settings(database=None, max_examples=300, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(history=strategies.histories())
    def never_refused(history: History) -> None:
        assert not history.refused

    with pytest.raises(AssertionError) as caught:
        never_refused()
    notes = "\n".join(caught.value.__notes__)
    assert "RecordedEvent" not in notes
    assert len(re.findall("recorded at 2023-[0-9-]+ [0-9:]+: (PlanOpened|refused: )", notes)) == 2


# ---- health


@STRICT
@given(history=strategies.histories(shortest=20, longest=20))
def test_no_health_check_fires_on_long_histories(history: History) -> None:
    """Under Hypothesis's own defaults, its deadline included."""
    assert history.events


@STRICT
@given(book=strategies.books(), fact=strategies.facts(), scheduled=strategies.schedules())
def test_no_health_check_fires_on_the_others(book: Book, fact: Fact, scheduled: Any) -> None:
    """Under Hypothesis's own defaults, its deadline included."""
    assert fact.reference
    assert len(scheduled) == 2
    assert len(book.histories) >= 1


_MEASURED = (
    *("timeline.py", "discrepancies.py", "decide/__init__.py", "terms/promos.py", "terms/schedule.py"),
    *("state/__init__.py", "state/funds.py", "state/outcomes.py", "state/position.py"),
)

_UNREACHED = {
    "decide/__init__.py": (
        *("def repeats", "def version", "def paid_on", "def reversed_for_error"),  # the importer and receipts ask
        "return Decider(history).decide",  # the same for one command
        "raise AssertionError(command)",
        "case ReinstatePlan():",  # the last of all cases has none after it
        "except OverflowError:",  # the end of the calendar, which the reference model would reach in years
        "its schedule would run beyond",
    ),
    "discrepancies.py": ("def __str__",),  # sentences about records that no ledger writes
    "terms/schedule.py": ("def problems",),  # their faults
}
"""Functions and lines that no history of a plan reaches."""

_DERIVING = """
import sys
import coverage
measured = coverage.Coverage(branch=True, data_file=None, config_file=False)
measured.start()
from hypothesis import given, settings
from ledger import schedule
from ledger.testing.strategies import histories

@settings(max_examples=1_000, deadline=None, database=None, derandomize=True)
@given(history=histories())
def derive(history):
    plan, opened = history.plan, history.opened
    derived = plan.timeline(plan.horizon)
    assert not list(plan.discrepancies(derived)) and derived.holding() is not None
    assert list(plan.steps(plan.horizon))
    plan.position(plan.horizon)
    assert schedule(history.opening.terms, opened.effective_on) == opened.lines

derive()
measured.stop()
measured.json_report(outfile=sys.argv[1], include=sys.argv[2:])
"""


@pytest.mark.long
@pytest.mark.skipif(os.environ.get("HYPOTHESIS_PROFILE") != "long", reason="runs with HYPOTHESIS_PROFILE=long")
def test_a_thousand_examples_cover_every_branch(tmp_path: Path) -> None:
    """Every line and branch of the rules and of the decision runs, but for those that no history of a plan reaches."""
    root = Path(ledger.__file__).parent
    report = tmp_path / "coverage.json"
    subprocess.run([sys.executable, "-c", _DERIVING, report, *(root / name for name in _MEASURED)], check=True)
    missing = {}
    for path, found in json.loads(report.read_text())["files"].items():
        name = Path(path).resolve().relative_to(root.resolve()).as_posix()
        left = _left_out(Path(path).read_text(), _UNREACHED.get(name, ()))
        lines = {*found["missing_lines"], *(line for line, _ in found["missing_branches"])} - left
        missing.update({name: sorted(lines)} if lines else {})
    assert missing == {}


def _left_out(source: str, phrases: Sequence[str]) -> set[int]:
    """Return the lines of these functions, and those that hold one of these phrases."""
    lines = {number for number, line in enumerate(source.splitlines(), 1) if any(words in line for words in phrases)}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.end_lineno and f"def {node.name}" in phrases:
            lines |= set(range(node.lineno, node.end_lineno + 1))
    return lines


# ---- from_type


@pytest.mark.parametrize("name", [f"{module}:{name}" for module, names in CLASSES.items() for name in names])
def test_from_type_just_works(name: str) -> None:
    """Each class of terms, commands, facts, outcomes and results resolves to sound values of it."""
    module, _, word = name.partition(":")
    kind = getattr(sys.modules[module], word)

    @settings(max_examples=5, database=None)
    @given(st.from_type(kind))
    def check(made: object) -> None:
        assert isinstance(made, kind)

    check()


_NOTHING_LOADED = """
import sys
import hypothesis
assert not [name for name in sys.modules if name.partition(".")[0] in ("ledger", "attrs", "msgspec", "pendulum")]
import ledger
assert not [name for name in sys.modules if name.startswith("ledger.testing")]
assert ledger.__spec__.loader.__class__.__name__ == "SourceFileLoader"
from hypothesis import strategies as st
assert "PlanTerms" in repr(st.from_type(ledger.PlanTerms).example())
"""

_IMPORTED_BEFORE = """
import ledger
from hypothesis import strategies as st
assert "PlanTerms" in repr(st.from_type(ledger.PlanTerms).example())
"""


@pytest.mark.parametrize("program", [_NOTHING_LOADED, _IMPORTED_BEFORE])
def test_hypothesis_loads_nothing_of_the_ledger(program: str) -> None:
    """`import hypothesis` runs the entry point and loads no module of the ledger; either order of imports resolves."""
    quiet = "import warnings; warnings.simplefilter('ignore')\n"
    subprocess.run([sys.executable, "-c", quiet + program], check=True)


_WITHOUT = """
import sys
sys.modules["hypothesis"] = None
from ledger.testing import given, vectors
assert next(vectors())
try:
    from ledger.testing import strategies
except ImportError as error:
    assert str(error) == "Hypothesis is not installed; install installment-ledger[testing]", error
else:
    raise SystemExit("imported")
"""


def test_without_hypothesis_the_error_names_the_extra() -> None:
    """Stories and vectors work without it; strategies say what is missing."""
    subprocess.run([sys.executable, "-c", _WITHOUT], check=True)


def test_another_package_of_this_name_is_left_alone(tmp_path: Any) -> None:
    """Another distribution's `ledger` does not stop Hypothesis."""
    (tmp_path / "ledger.py").write_text("OURS = False\n")
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import hypothesis, ledger; assert not ledger.OURS"
    subprocess.run([sys.executable, "-c", program], check=True)
