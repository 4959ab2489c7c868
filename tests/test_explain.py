"""Explanations: every number as a tree that gives it again, down to recorded events; and every why not."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest
from hypothesis import given

from ledger.audit.explain import SUBJECTS, Explanation, Node, Reason, evaluate, explain
from ledger.commands import Metadata
from ledger.dates import DAY, EndOfDay
from ledger.decide import decide
from ledger.errors import InvalidArgument, PlanNotFound
from ledger.events import RecordedEvent
from ledger.plan import Plan, known
from ledger.state.position import Position
from ledger.terms import EarnedPromo
from ledger.values import TAGS
from tests.plans import days_around
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


def sources(explanation: Explanation) -> Iterator[object]:
    for node in nodes(explanation.tree, *explanation.beside):
        yield from node.events
    for reason in explanation.reasons:
        yield from reason.events


@one_in(2)
@given(history=histories())
def test_every_number_follows_from_its_tree(history: History) -> None:
    """All five subjects, at every date on which something happens, the day before and the day after."""
    plan = Plan(history.events)
    for day in relevant_days(history):
        for subject in SUBJECTS:
            check(explain(history.events, subject, as_of=day), history.events, plan)
