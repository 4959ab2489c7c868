"""What if: other terms on the same facts, against the decisions themselves, by partition, and on the command line."""

import json
import pickle
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger import ExplicitRelease, FullCover, Ledger, Money, PackageBonus, Portion
from ledger.audit.what_if import Departure, OtherTerms, Totals, WhatIf, compared, summed, what_if
from ledger.books.importer import import_book
from ledger.books.reader import EXAMPLE, read_book
from ledger.cli.app import main
from ledger.commands import Command, OpenPlan
from ledger.decide import decide
from ledger.errors import CommandRefused
from ledger.plan import Plan
from ledger.store import open_store
from ledger.terms import Closed
from tests.examples import OPENED_ON, open_plan, pay
from tests.plans import DAY, DUE, TEN, D, cancel, record, reinstate
from tests.plans import pay as paid
from tests.raw_sql import change
from tests.strategies import METADATA, History, histories, one_in
from tests.strategies import RECORDED_AT as DECIDED_AT

CLOSED = date(2024, 6, 30)


def asked(*commands: Command, other: OtherTerms, on: date, terms: Any = TEN) -> WhatIf:
    """Compare the example plan after some commands."""
    return compared(Plan(record(*commands, terms=terms)), other, on)


def departure(*commands: Command, other: OtherTerms, on: date, terms: Any = TEN) -> Departure:
    (one,) = asked(*commands, other=other, on=on, terms=terms).departures
    return one


# ---- examples


@pytest.mark.parametrize(("day", "departs"), [(19, None), (20, D + 20 * DAY), (21, D + 20 * DAY)])
def test_longer_grace_departs_on_the_day_of_the_cancellation(day: int, departs: date | None) -> None:
    """Unpaid since D, cancelled on D+20; with 30 days of grace it would not have been, until D+31."""
    found = asked(other=OtherTerms(grace_days=30), on=D + day * DAY).departures
    assert [one.departs_on for one in found] == ([] if departs is None else [departs])
    if departs is not None:
        assert (found[0].agreed.status, found[0].otherwise.status) == ("cancelled", "in_grace")
        assert found[0].otherwise.shares_promised == found[0].agreed.shares_forfeited == 34_000


@pytest.mark.parametrize("grace_days", [4, 5, 6])
def test_a_payment_after_the_shorter_grace_is_refused_and_unapplied(grace_days: int) -> None:
    """Paid on D+5: the last day with 5 days of grace, one too late with 4."""
    other, on = OtherTerms(grace_days=grace_days), D + 5 * DAY
    found = asked(paid(on), other=other, on=on)
    (comparison,) = found.comparisons
    if grace_days >= 5:
        assert (found.departures, comparison.refused) == ((), 0)
        return
    (one,) = found.departures
    assert [(fact.version, fact.reference, fact.on, fact.amount, fact.code) for fact in one.refused] == [
        (2, "bank-1", on, Money(10_000, "USD"), "plan_is_cancelled")
    ]
    assert one.refused[0].reason == f"payment 'bank-1' is dated {on} and the plan was cancelled on {D + 5 * DAY}"
    assert (one.otherwise.paid, one.otherwise.unapplied) == (Money(0, "USD"), Money(10_000, "USD"))
    assert (comparison.refused, comparison.refused_money) == (1, Money(10_000, "USD"))
    assert one.departs_on == D + 5 * DAY


def test_a_reinstatement_that_the_policy_refuses_leaves_its_money_unapplied() -> None:
    """Closed instead of full cover: the plan stays cancelled, and what was paid later is unapplied too."""
    on = D + 40 * DAY
    commands = (reinstate(on, installments=2), paid(on + DAY, "bank-10"))
    one = departure(*commands, other=OtherTerms(reinstatement=Closed()), on=on + DAY)
    assert [(fact.reference, fact.code) for fact in one.refused] == [
        ("bank-9", "reinstatement_refused"),
        ("bank-10", "plan_is_cancelled"),
    ]
    assert (one.departs_on, one.otherwise.status, str(one.otherwise.unapplied)) == (on, "cancelled", "300.00 USD")
    assert one.agreed.status == "active"


def test_a_reinstatement_that_was_not_needed_is_an_ordinary_payment() -> None:
    """With longer grace the plan was never cancelled: nothing is refused. Source: RULES.md section 9."""
    on = D + 25 * DAY
    one = departure(reinstate(on, installments=1), other=OtherTerms(grace_days=30), on=on)
    assert (one.refused, one.otherwise.status, one.otherwise.settled) == ((), "active", 1)
    assert one.departs_on == D + 20 * DAY


def test_a_request_on_a_plan_that_had_ended_does_not_count() -> None:
    """Cancelled by request on D+10; with 5 days of grace it was cancelled before."""
    one = departure(cancel(D + 10 * DAY), other=OtherTerms(grace_days=5), on=D + 10 * DAY)
    assert [(fact.reference, fact.amount) for fact in one.refused] == [("crm-1", None)]
    assert (one.departs_on, one.otherwise.cancelled_on) == (D + 6 * DAY, D + 6 * DAY)


def test_another_release_departs_when_it_first_credits_other_shares() -> None:
    """From the first settled installment; due dates and amounts stay."""
    one = departure(paid(D), other=OtherTerms(release=Portion("1/2")), on=D + DAY)
    assert (one.departs_on, one.agreed.shares_credited, one.otherwise.shares_credited) == (D, 2_300, 1_700)
    assert one.otherwise.next_installment is not None
    assert one.otherwise.next_installment.due_on == DUE[1]


def test_another_bonus_departs_when_it_is_credited() -> None:
    """A promise alone is no departure, but stands in the totals."""
    other = OtherTerms(promos=(PackageBonus(code="campaign", rate_bp=1_000),))
    waiting = asked(paid(D), other=other, on=D)
    assert waiting.departures == ()
    assert waiting.comparisons[0].otherwise.bonus_promised == 3_400
    one = departure(paid(D, installments=10), other=other, on=D)
    assert (one.departs_on, one.otherwise.bonus_credited) == (D, 3_400)


def test_terms_that_a_plan_cannot_have_leave_it_out() -> None:
    """A release for another number of installments."""
    found = asked(other=OtherTerms(release=ExplicitRelease((1, 2, 3))), on=D)
    assert found.comparisons == ()
    assert [one.reason for one in found.left_out] == [
        "Plan P-1: the release names 3 installments of 10; give one number per installment."
    ]


# ---- properties


def day_of_question(history: History) -> date:
    return max(recorded.event.effective_on for recorded in history.events) + timedelta(days=30)


@one_in(4)
@given(histories())
def test_the_terms_as_agreed_change_nothing(history: History) -> None:
    """No plan departs, no fact is refused, and both positions are the same."""
    terms, day = history.opened.terms, day_of_question(history)
    same = OtherTerms(
        grace_days=terms.grace_days,
        release=terms.release,
        promos=terms.promos,
        stacking=terms.stacking,
        reinstatement=terms.reinstatement,
    )
    found = compared(Plan(history.events), same, day)
    assert found.departures == ()
    assert found.comparisons[0].agreed == found.comparisons[0].otherwise


OTHERS = st.sampled_from(
    [
        OtherTerms(grace_days=0),
        OtherTerms(grace_days=5),
        OtherTerms(grace_days=60),
        OtherTerms(reinstatement=FullCover()),
        OtherTerms(reinstatement=Closed()),
        OtherTerms(release=Portion("1/2")),
        OtherTerms(promos=()),
    ]
)


def decided_again(opened: OpenPlan, commands: Sequence[Command]) -> tuple[Plan, CommandRefused | None]:
    """Return the plan after commands are decided again, up to the first that is refused, and its refusal."""
    events = decide((), opened, METADATA)
    for command in commands:
        try:
            events += decide(events, command, METADATA)
        except CommandRefused as refusal:
            return Plan(events), refusal
    return Plan(events), None


@one_in(4)
@given(histories(), OTHERS)
def test_the_decisions_refuse_the_same_fact_first(history: History, other: OtherTerms) -> None:
    """The commands decided again under the other terms: the first refusal is ours, or the positions are."""
    opened = attrs.evolve(history.opening, terms=attrs.evolve(history.opening.terms, **other.changed()))
    day = day_of_question(history)
    found = compared(Plan(history.events), other, day)
    reasons = [one.reason for departed in found.departures for one in departed.refused]
    changes = [command for command in history.accepted if not isinstance(command, OpenPlan)]  # the first, and repeats
    plan, refusal = decided_again(opened, changes)
    if refusal is not None:
        assume("it is not cancelled" not in refusal.reason)  # its money is an ordinary payment
        assert reasons[0] == refusal.reason
        return
    assert reasons == []
    assert found.comparisons[0].otherwise == Totals.of(plan.position(day))


@one_in(4)
@given(histories(), OTHERS)
def test_until_the_day_of_departure_nothing_differs(history: History, other: OtherTerms) -> None:
    """On the day before there is no departure; on the day there is, dated that day; later it keeps its date."""
    plan, day = Plan(history.events), day_of_question(history)
    found = compared(plan, other, day).departures
    departs = found[0].departs_on if found else None
    assume(departs is not None)
    assert departs is not None
    assert [one.departs_on for one in compared(plan, other, departs).departures] == [departs]
    if departs > plan.opened.effective_on:
        before = compared(plan, other, departs - DAY).departures
        assert [one.departs_on for one in before if one.departs_on] == []


# ---- the ledger


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of the bundled book, closed."""
    url = f"sqlite:///{tmp_path_factory.mktemp('book')}/books.db"
    with Ledger.open(url) as ledger:
        import_book(ledger, read_book(EXAMPLE))
    return url


def test_partitions_add_up_to_the_whole(book: str) -> None:
    """In any order, and after a journey to another process."""
    store = open_store(book, "ledger")
    question: dict[str, Any] = {
        "other": OtherTerms(grace_days=10),
        "by_plan": {"P-00003": OtherTerms(grace_days=100)},
        "as_of": CLOSED,
        "known_at": None,
        "now": DECIDED_AT,
    }
    whole = what_if(store, **pickle.loads(pickle.dumps(question)))
    parts = [what_if(store, within=part, **question) for part in store.partitions(3)]
    store.close()
    assert len(parts) == 3
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        assert summed([pickle.loads(pickle.dumps(parts[number])) for number in order]) == whole
    assert parts[0] + (parts[1] + parts[2]) == (parts[0] + parts[1]) + parts[2] == whole
    (comparison,) = whole.comparisons
    assert (comparison.plans, comparison.departed) == (400, len(whole.departures))
    with Ledger.open(book) as ledger:
        (row,) = ledger.portfolio(as_of=CLOSED)
        balances = ledger.balances(as_of=CLOSED)
    totals = comparison.agreed
    assert (totals.paid, totals.cancelled, totals.completed) == (row.paid, row.cancelled, row.completed)
    assert totals.bonus_promised == sum(one.bonus_promised for one in balances)
    assert {one.plan_id: one.departs_on for one in whole.departures}["P-00003"] == date(2022, 12, 20)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["what-if", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_the_command_shows_totals_departures_and_refused_facts(
    shared_url: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As tables and as JSON, on both databases."""
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger)
        for number, day in enumerate((0, 40, 70)):
            pay(ledger, OPENED_ON + timedelta(days=day), f"bank-{number}")
    located = "--db", shared_url, "--name", name, "--as-of", "2023-07-01"
    code, out, err = run(capsys, "--grace-days", "5", *located)
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "1 plan of 1 in USD would have gone another way on 2023-07-01" in lines
    assert "Paid 450.00 USD 150.00 USD -300.00 USD" in lines
    assert "Unapplied 0.00 USD 300.00 USD +300.00 USD" in lines
    assert any(line.startswith("P-1 2023-05-16 active cancelled 2023-05-16 -300.00 USD") for line in lines), lines
    assert any(line.startswith("P-1 4 2023-05-20 bank-1 150.00 USD payment 'bank-1' is dated") for line in lines), lines
    code, out, _ = run(capsys, "--grace-days", "5", "--json", *located)
    found = json.loads(out)
    assert code == 0
    assert found["comparisons"][0]["refused_money"] == {"minor": 30000, "currency": "USD", "amount": "300.00"}
    assert [fact["reference"] for fact in found["departures"][0]["refused"]] == ["bank-1", "bank-2"]


def test_terms_of_single_plans_come_from_a_file(book: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They stand over the options; plans that are not named keep the options' terms."""
    terms = tmp_path / "terms.csv"
    terms.write_text("plan_id;grace_days;promos\nP-00003;60;\n")
    code, out, _ = run(capsys, "--terms", str(terms), "--db", book, "--as-of", "2024-06-30", "--json")
    (one,) = json.loads(out)["departures"]
    assert (code, one["plan_id"], one["departs_on"]) == (0, "P-00003", "2022-12-20")
    assert one["otherwise"]["cancelled_on"] == "2023-01-30"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plan\nP-1\n", "without the column 'plan_id'"),
        ("plan_id,grace\nP-1,3\n", "with the unknown column 'grace'"),
        (
            "plan_id,grace_days\nP-1,many\n",
            "line 2: column grace_days is 'many'; expected a whole number in plain digits",
        ),
        (
            "plan_id,grace_days\nP-1,3\nP-1,4\n",
            "line 3: column plan_id is 'P-1'; expected a plan that no line before names.",
        ),
        ("plan_id,grace_days\nP-1\n", "line 2: the line has 1 columns; expected 2."),
        ("plan_id,grace_days\n,3\n", "line 2: column plan_id is ''; expected some text."),
        ("plan_id,grace_days\nP-nowhere,3\n", "terms is 'P-nowhere'; expected plans of this ledger only."),
    ],
)
def test_a_bad_file_of_terms_is_located(
    book: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    """It could not run: exit code 2."""
    (tmp_path / "terms.csv").write_text(text)
    code, out, err = run(capsys, "--terms", str(tmp_path / "terms.csv"), "--db", book)
    assert (code, out) == (2, "")
    assert message in err


def test_where_no_plan_is_open_yet_it_says_so(book: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing printed would be taken for no difference."""
    code, out, _ = run(capsys, "--grace-days", "30", "--as-of", "1999-01-01", "--db", book)
    assert (code, out.strip()) == (0, "No plans to compare on 1999-01-01.")


def test_what_could_not_run_ends_with_2(tmp_path: Path, book: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No terms, bad terms, no ledger."""
    assert run(capsys, "--db", book)[0] == 2
    code, _, err = run(capsys, "--grace-days", "ten", "--db", book)
    assert (code, err) == (
        2,
        "error: --grace-days is 'ten'; expected a whole number in plain digits, without a sign.\n",
    )
    assert run(capsys, "--grace-days", "10000", "--db", book)[0] == 2
    assert run(capsys, "--grace-days", "1", "--db", f"sqlite:///{tmp_path}/none.db")[0] == 2


def test_a_plan_that_cannot_be_read_is_left_out_by_name(
    shared_url: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are compared; exit code 1."""
    with Ledger.open(shared_url, name=name) as ledger:
        for plan_id in ("P-1", "P-2"):
            open_plan(ledger, plan_id)
        change(ledger, "UPDATE books_events SET version = 7 WHERE stream_id = 'P-2'")
    code, out, err = run(capsys, "--grace-days", "5", "--db", shared_url, "--name", name, "--json")
    assert code == 1
    assert err.startswith("left out: Plan P-2, version 7")
    assert json.loads(out)["comparisons"][0]["plans"] == 1
