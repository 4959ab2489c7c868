"""The overdue figures of a plan, explained: days past due, grace, the amount due, and the shares at stake."""

from collections.abc import Iterator

import attrs

from ledger.audit.explain import bonus, shares
from ledger.audit.explain.case import Case
from ledger.audit.explain.money import paid
from ledger.audit.explain.status import missed, status_reasons
from ledger.audit.explain.tree import Node, Reason, constant, remainder, total
from ledger.terms.schedule import Installment


def days_past_due(case: Case) -> Node:
    """Return the days past due: 0 unless the plan is in grace."""
    since = case.state.overdue_since
    if since is None:
        return total("days_past_due", "days", 0, (), section=6)
    children = constant("as_of", case.as_of, "date"), _since(case)
    return remainder("days_past_due", "days", (case.as_of - since).days, children, section=6)


def beside(case: Case) -> Iterator[Node]:
    """Yield the other figures of the overdue list; nothing unless the plan is in grace."""
    ends = case.state.grace_ends_on
    if ends is not None:
        days = case.term("grace_days", "terms.grace_days", case.terms.grace_days, "days")
        cause = (case.source(missed(case)),)
        last = total("grace_ends_on", "date", ends, (_since(case), days), section=6, events=cause)
        yield last
        children = last, constant("as_of", case.as_of, "date")
        yield remainder("days_left", "days", (ends - case.as_of).days, children, section=6)
        yield _amount_due(case)
        at_stake = case.state.shares_promised + case.state.bonus_promised
        yield total("shares_at_stake", "shares", at_stake, (shares.promised(case), bonus.promised(case)), section=6)


def reasons(case: Case) -> Iterator[Reason]:
    """Yield why a plan is overdue or is not."""
    yield from status_reasons(case)


def _since(case: Case) -> Node:
    """Return the day from which the overdue installment is past due: its due date, or that of a chargeback."""
    line, since = case.state.overdue, case.state.overdue_since
    assert line is not None, case.as_of
    if since == line.due_on:
        return attrs.evolve(case.due(line), facts={"number": line.number})
    by = next(fact for fact, numbers in case.chargebacks() if fact.effective_on == since and line.number in numbers)
    leaf = case.leaf("open_again", by, "effective_on", by.effective_on, "date")
    return attrs.evolve(leaf, facts={"number": line.number, "reference": by.reference})


def _amount_due(case: Case) -> Node:
    """Return the unpaid part of all that is due."""
    state = case.state
    due = [line for line in state.lines[state.settled :] if line.due_on <= case.as_of]
    amounts = [_amount(case, line) for line in due]
    ahead = due[0].amount - state.missing
    if not ahead:
        return total("amount_due", "money", state.amount_due, amounts, section=6)
    in_all = total("due_in_all", "money", sum(line.amount for line in due), amounts, section=6)
    settled = [_amount(case, line) for line in state.lines[: state.settled]]
    used = total(
        "settled_in_all", "money", sum(line.amount for line in state.lines[: state.settled]), settled, section=5
    )
    paid_ahead = remainder("paid_ahead", "money", ahead, (paid(case), used), section=5)
    paid_ahead = attrs.evolve(paid_ahead, facts={"number": due[0].number})
    return remainder("amount_due", "money", state.amount_due, (in_all, paid_ahead), section=6)


def _amount(case: Case, line: Installment) -> Node:
    leaf = case.term("amount_of", f"lines.{line.number - 1}.amount", line.amount, "money")
    return attrs.evolve(leaf, facts={"number": line.number, "date": line.due_on})
