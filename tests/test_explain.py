"""Explanations: every number as a tree that gives it again, down to recorded events; and every why not."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import get_args

import attrs
import pytest
from hypothesis import given

from ledger.audit.explain import SUBJECTS, Explanation, Node, Source, Subject, evaluate, explain
from ledger.audit.explain import text as wording
from ledger.audit.language import Code, language
from ledger.audit.messages import REASONS
from ledger.commands import Command, Metadata
from ledger.dates import DAY
from ledger.decide import decide
from ledger.events import RecordedEvent
from ledger.money import Money
from ledger.plan import Plan, known
from ledger.state.position import Position
from ledger.terms import DoublePayment, EarlyRepayment, OnTimeBonus, PackageBonus, PerUnit, PlanTerms, Promo
from ledger.values import TAGS
from tests.examples import OPENED_ON
from tests.plans import (
    DUE,
    TEN,
    D,
    agreed,
    cancel,
    charge_back,
    days_around,
    pay,
    pay_each,
    record,
    reinstate,
    reverse,
)
from tests.strategies import History, histories, one_in


def nodes(*trees: Node) -> Iterator[Node]:
    """Yield all nodes of trees."""
    for tree in trees:
        yield tree
        yield from nodes(*tree.children)


def relevant_days(history: History) -> list[date]:
    """Return the dates on which something happens by record or by the rules, and the days around them."""
    plan = Plan(history.events)
    dates = {event.event.effective_on for event in history.events}
    dates |= {step.state.on for step in plan.steps(date.max)}
    dates |= {line.due_on for line in plan.timeline(date(9999, 12, 31)).state.lines}
    return days_around(dates, first=history.opened.effective_on)


def numbers(position: Position) -> dict[str, object]:
    """Return the numbers that the trees stand for, by the names of their roots."""
    return {
        "shares_credited": position.shares_credited,
        "shares_promised": position.shares_promised,
        "shares_forfeited": position.shares_forfeited,
        "bonus_credited": position.bonus_credited,
        "bonus_promised": position.bonus_promised,
        "status": position.status,
        "paid": position.paid.minor,
        "outstanding": position.outstanding.minor,
        "unapplied": position.unapplied.minor,
        "days_past_due": position.days_past_due,
        "grace_ends_on": position.grace_ends_on,
        "days_left": position.grace_ends_on and (position.grace_ends_on - position.as_of).days,
        "shares_at_stake": position.shares_promised + position.bonus_promised,
    }


def check(explanation: Explanation, events: tuple[RecordedEvent, ...], plan: Plan) -> None:
    """Check that the trees are the numbers of the position, and give them again from the events."""
    position = plan.position(explanation.as_of)
    expected = numbers(position)
    for tree in (explanation.tree, *explanation.beside):
        assert tree.value == evaluate(tree, events), (explanation.as_of, tree)
        if tree.name == "amount_due":
            assert tree.value == plan.timeline(explanation.as_of).state.amount_due
        else:
            assert tree.value == expected[tree.name], (explanation.as_of, tree)
        for node in nodes(tree):
            if node.operation != "same":
                continue
            assert node.field in {one.id for one in nodes(tree)}
    for source in sources(explanation):
        if source.version is not None:
            event = events[source.version - 1].event
            assert (TAGS[type(event)], event.effective_on) == (source.type, source.effective_on)


def sources(explanation: Explanation) -> Iterator[Source]:
    for node in nodes(explanation.tree, *explanation.beside):
        yield from node.events
    for reason in explanation.reasons:
        yield from reason.events


@one_in(8)
@given(history=histories())
def test_every_number_follows_from_its_tree(history: History) -> None:
    """All five subjects, at every date on which something happens, the day before and the day after."""
    plan = Plan(history.events)
    for day in relevant_days(history):
        for subject in SUBJECTS:
            check(explain(history.events, subject, as_of=day), history.events, plan)


@one_in(10)
@given(history=histories())
def test_every_promotion_and_every_loss_has_its_reason(history: History) -> None:
    """A promotion is in a tree or has a reason; so has every share not credited, and every payment that does not count.

    A source without a version is an outcome that has come due after everything that is recorded.
    """
    plan, english = Plan(history.events), language("en")
    for day in relevant_days(history):
        position = plan.position(day)
        bonus = explain(history.events, "bonus", as_of=day)
        told = {node.facts.get("code") for node in nodes(bonus.tree, *bonus.beside)}
        told |= {reason.facts.get("code") for reason in bonus.reasons}
        assert told >= {promo.code for promo in plan.opened.terms.promos}
        shares = explain(history.events, "shares", as_of=day)
        names = {reason.name for reason in shares.reasons}
        assert ("completion_tranche_waits" in names) == (position.status in ("active", "in_grace"))
        assert bool(names & {"cancelled_grace_ended", "cancelled_by_request"}) == (position.status == "cancelled")
        assert ("package_revised" in names) == (plan.timeline(day).state.package < plan.opened.terms.shares)
        paid = explain(history.events, "paid", as_of=day)
        counted = {node.facts.get("reference") for node in nodes(paid.tree)}
        counted |= {reason.facts["reference"] for reason in paid.reasons}
        assert counted >= {one.reference for one in plan.payments.values() if one.effective_on <= day}
        for explanation in (bonus, shares, paid, explain(history.events, "status", as_of=day)):
            assert "{" not in "".join(
                line for tree in wording.sentences(explanation, english)[1] for line in lines(tree)
            )
            for source in sources(explanation):
                assert source.version is not None or source.effective_on > plan.horizon


@one_in(8)
@given(history=histories(longest=8))
def test_what_was_known_explains_what_was_said(history: History) -> None:
    """As known at each instant, an explanation is that of the events recorded by then, and of no later one."""
    events: tuple[RecordedEvent, ...] = ()
    for hours, command in enumerate((history.opening, *history.accepted)):
        instant = datetime(2035, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
        events += decide(events, command, Metadata(recorded_at=instant, actor="decider"))
    day = Plan(events).horizon
    for instant in sorted({one.recorded_at for one in events}):
        prefix = known(events, instant)
        for subject in SUBJECTS:
            explanation = explain(events, subject, as_of=day, known_at=instant)
            assert explanation == attrs.evolve(explain(prefix, subject, as_of=day), known_at=instant)
            check(explanation, tuple(prefix), Plan(prefix))


# ---- named examples


def told(*commands: Command, subject: Subject, on: date, terms: PlanTerms = TEN, opened_on: date = OPENED_ON) -> str:
    """Return the explanation in English, a sentence a line."""
    explanation = explain(record(*commands, terms=terms, opened_on=opened_on), subject, as_of=on)
    return "\n".join(
        line for tree in wording.sentences(explanation, language("en"))[1] for line in lines(tree)
    ).replace("\N{NO-BREAK SPACE}", " ")


def lines(tree: wording.Sentence, depth: int = 0) -> Iterator[str]:
    """Yield the sentences of a tree, indented."""
    yield "  " * depth + tree.text
    for below in tree.below:
        yield from lines(below, depth + 1)


MAY_14 = [date(2023, 3, 14), date(2023, 4, 14), date(2023, 5, 14), date(2023, 6, 14)]
ON_TIME = agreed(4, first_due_on=MAY_14[0], promos=(OnTimeBonus(code="on_time", rate_bp=500),))
LATE = (*pay_each([*MAY_14[:2], date(2023, 5, 20), date(2023, 6, 3)]), reverse("bank-3"))
"""Installment 3 was due on 14 May. Its payment turns out to be an error; the next one is dated 3 June, a day late."""


def test_the_on_time_bonus_that_was_lost_by_a_day() -> None:
    """Due on 14 May 2023, grace ended on 2 June, paid on 3 June; on 2 June it is still to come."""
    sentence = (
        "No bonus under promotion on_time: installment 3 was due on 14 May 2023, grace ended on 2 June 2023, paid on "
        "3 June 2023 with payment bank-4; the plan was cancelled on 3 June 2023. [§ 7, #7, #9, #18]"
    )
    for day, expected in ((2, False), (3, True), (4, True)):
        text = told(*LATE, subject="bonus", on=date(2023, 6, day), terms=ON_TIME, opened_on=MAY_14[0])
        assert (sentence in text.splitlines()[-1]) == expected
        assert ("Bonus still to be credited" in text) == (not expected)


def test_the_arithmetic_of_a_completed_plan() -> None:
    """Of 10,000 shares two installments of 3,675 each, one rounded down, the rest of 2,650, and a bonus of 3.33 %."""
    terms = agreed(2, first_due_on=DUE[0], price=Money(15_001, "USD"), shares=10_000, release=PerUnit("49"))
    terms = attrs.evolve(terms, promos=(OnTimeBonus(code="on_time", rate_bp=333),))
    payments = [pay(DUE[0], "a", minor=-2_499), pay(DUE[1], "b", minor=-2_500)]
    first = "  Installment 1, settled on 10 May 2023 by payment a: 3,675 shares"
    assert told(*payments, subject="shares", on=DUE[1], terms=terms).splitlines() == [
        "Shares credited: 10,000 shares [§ 8]",
        f"{first} = 75.01 USD × 49, rounded down [§ 5, #2, #3]",
        "  Installment 2, settled on 10 June 2023 by payment b: 3,675 shares = 75.00 USD × 49 [§ 5, #4, #5]",
        "  Rest of the package, credited with the last installment: 2,650 shares [§ 4]",
        "    Package as agreed: 10,000 shares [#1]",
        "    − Credited by all installments together: 7,350 shares [§ 4]",
    ]
    bonus = "  Promotion on_time: 333 shares = 10,000 × 3.33% [§ 7, #7]"
    assert told(*payments, subject="bonus", on=DUE[1], terms=terms).splitlines()[1] == bonus


def test_the_days_of_grace() -> None:
    """Day by day, the day before and after each limit: due on 10 May, grace until 29 May, cancelled on 30 May."""
    nothing = "Nothing is overdue: the oldest open installment, number 1, falls due on 10 May 2023. [§ 6, #1]"
    grace = (
        "Installment 1 was due on 10 May 2023 and is not paid in full. Grace lasts until 29 May 2023, that day "
        "included. [§ 6, not recorded yet]"
    )
    cancelled = (
        "Cancelled on 30 May 2023: installment 1 was due on 10 May 2023, grace ended on 29 May 2023, and it was not "
        "paid in full by then. [§ 6, not recorded yet]"
    )
    for shift, expected in ((-1, nothing), (0, nothing), (1, grace), (18, grace), (19, grace), (20, cancelled)):
        assert told(subject="status", on=D + shift * DAY).splitlines()[-1].strip() == expected


STRICT = OnTimeBonus(code="strict", rate_bp=500, standard="by_due_date")
SPRING = PackageBonus(code="spring", rate_bp=1_000)
TINY = PackageBonus(code="tiny", rate_bp=1)
DOUBLE = DoublePayment(code="double", rate_bp=50, base="package", credit="on_completion")
EARLY = EarlyRepayment(code="early", rate_bp=100, base="released", credit="on_completion")
SMALL = EarlyRepayment(code="small", rate_bp=1, base="released", credit="at_once")
TWICE = pay(D, "twice", 2)
CANCELLED = D + 20 * DAY
BACK = reinstate(D + 30 * DAY, installments=1)


CASES: Sequence[tuple[str, Subject, date, tuple[Promo, ...], tuple[Command, ...]]] = (
    ("completion_tranche_waits", "shares", D, (), ()),
    ("package_revised", "shares", CANCELLED + 11 * DAY, (), (reinstate(D + 30 * DAY, revised_shares=30_000),)),
    ("cancelled_grace_ended", "status", CANCELLED, (), ()),
    ("cancelled_by_request", "shares", D, (), (cancel(D),)),
    ("reinstated", "status", D + 30 * DAY, (), (BACK,)),
    ("completed", "status", D, (), (pay(D, installments=10),)),
    ("in_grace", "overdue", D + DAY, (), ()),
    ("nothing_overdue", "overdue", D, (), ()),
    ("reopened_today", "overdue", D + 5 * DAY, (), (pay(D), charge_back(D + 5 * DAY))),
    ("reopened", "overdue", D + 6 * DAY, (), (pay(D), charge_back(D + 5 * DAY))),
    ("reopened_several", "shares", D + 6 * DAY, (), (TWICE, charge_back(D + 5 * DAY, "twice"))),
    ("payment_in_error", "paid", D, (), (pay(D), reverse())),
    ("payment_charged_back", "paid", D + DAY, (), (pay(D), charge_back(D + DAY))),
    ("payment_unapplied", "paid", D + 20 * DAY, (), (pay(D), pay(D + 20 * DAY, "late"), reverse())),
    ("no_promotions", "bonus", D, (), ()),
    ("bonus_waits", "bonus", D, (SPRING,), ()),
    ("late_unpaid", "bonus", D + DAY, (STRICT,), ()),
    ("late_paid", "bonus", D + DAY, (STRICT,), (pay(D + DAY),)),
    ("cancelled_unpaid", "bonus", CANCELLED, (SPRING,), ()),
    ("cancelled_paid", "bonus", CANCELLED, (SPRING,), (pay(D), pay(CANCELLED, "late"), reverse())),
    ("cancelled_by_request_bonus", "bonus", D, (SPRING,), (cancel(D),)),
    ("cancelled_award", "bonus", D, (DOUBLE,), (TWICE, cancel(D, "crm-1"))),
    ("lost_paid", "bonus", D + 30 * DAY, (SPRING,), (BACK,)),
    ("lost_by_request", "bonus", D + DAY, (SPRING,), (cancel(D), reinstate(D + DAY))),
    ("lost_award", "bonus", D + DAY, (DOUBLE,), (TWICE, cancel(D), reinstate(D + DAY))),
    ("outdone", "bonus", D, (SPRING, TINY), ()),
    ("rounds_to_nothing", "bonus", D, (attrs.evolve(TINY, rate_bp=1),), ()),
    ("award_charged_back", "bonus", D + DAY, (DOUBLE,), (TWICE, charge_back(D + DAY, "twice"))),
    ("never_double", "bonus", D, (DOUBLE,), (pay(D),)),
    ("never_early", "bonus", D, (EARLY,), (pay(D),)),
    ("unearned_late", "bonus", D + DAY, (DOUBLE,), (pay(D + DAY, installments=2),)),
    ("unearned_prepays", "bonus", D, (DOUBLE,), (pay(D, installments=2, kind="early_repayment"),)),
    ("unearned_nothing_prepaid", "bonus", D, (EARLY,), (pay(D, kind="early_repayment"),)),
    ("unearned_rounds_to_nothing", "bonus", D, (SMALL,), (pay(D, installments=2, kind="early_repayment"),)),
)
"""The name of a reason, the subject, the day on which it is given, the promotions, and the commands."""


@pytest.mark.parametrize(("name", "subject", "on", "promos", "commands"), CASES)
def test_every_reason(
    *, name: str, subject: Subject, on: date, promos: tuple[Promo, ...], commands: tuple[Command, ...]
) -> None:
    """Each reason is given on its day, and reads in every language without a placeholder left."""
    terms = attrs.evolve(TEN, promos=promos, stacking="exclusive" if name == "outdone" else "additive")
    if name in SMALL_PACKAGE:
        terms = attrs.evolve(terms, shares=9_000, release=PerUnit("1"))
    explanation = explain(record(*commands, terms=terms), subject, as_of=on)
    assert name in [reason.name for reason in explanation.reasons]
    for code in get_args(Code):
        title, trees = wording.sentences(explanation, language(code))
        text = "\n".join([title, *(line for tree in trees for line in lines(tree))])
        assert "{" not in text
        assert ("Reasons" in text) == (code == "en")


SMALL_PACKAGE = ("rounds_to_nothing", "unearned_rounds_to_nothing")


def test_no_reason_is_left_untested() -> None:
    """The table above names every reason that has a sentence."""
    assert {name for name, *_ in CASES} == REASONS.keys()


AT_ONCE = attrs.evolve(DOUBLE, credit="at_once")


@pytest.mark.parametrize(
    "commands",
    [
        # the day of a chargeback is the day from which the installment is past due
        (pay(D), charge_back(D + 5 * DAY)),
        # an award on the package as it was, and one on the package as it is since the reinstatement
        (TWICE, cancel(D), reinstate(D, revised_shares=30_000), pay(D + 30 * DAY, "again", 2)),
    ],
)
def test_rare_histories(commands: tuple[Command, ...]) -> None:
    """Every number follows from its tree on each day of some weeks."""
    events = record(*commands, terms=attrs.evolve(TEN, promos=(AT_ONCE,)))
    plan = Plan(events)
    for shift in range(28, 75):
        for subject in SUBJECTS:
            check(explain(events, subject, as_of=OPENED_ON + shift * DAY), events, plan)
