"""The status of a plan, explained: the event that it began with, and why."""

from collections.abc import Iterator

from ledger.audit.explain.case import Case
from ledger.audit.explain.tree import Fact, Node, Reason, rule
from ledger.events import Fact as PlanFact
from ledger.events import Outcome, PlanOpened
from ledger.events.outcomes import PaymentMissed, PlanCancelled, PlanCompleted


def status(case: Case) -> Node:
    """Return the status, from the event that it began with."""
    event, section = _beginning(case)
    leaf = case.leaf("began_with", event, None, case.source(event).type, "status")
    return Node(
        name="status",
        value=case.state.status,
        unit="status",
        operation="status",
        facts={"date": event.effective_on},
        rule=rule(section),
        events=leaf.events,
        children=(leaf,),
    )


def _beginning(case: Case) -> tuple[PlanOpened | PlanFact | Outcome, int]:
    """Return the event with which the status began, and the section of the rules."""
    if case.state.status == "cancelled":
        return case.cancellations()[-1], 6
    if case.state.status == "completed":
        return next(one for one in reversed(case.holding) if isinstance(one, PlanCompleted)), 8
    if case.state.status == "in_grace":
        return missed(case), 6
    reinstated = case.reinstatements()
    return (reinstated[-1], 9) if reinstated else (case.opened, 1)


def missed(case: Case) -> PaymentMissed:
    """Return the missed payment that the plan in grace is overdue for."""
    overdue, ends = case.state.overdue, case.state.grace_ends_on
    return next(
        one
        for one in reversed(case.outcomes)
        if isinstance(one, PaymentMissed) and overdue and one.number == overdue.number and one.grace_ends_on == ends
    )


def status_reasons(case: Case) -> Iterator[Reason]:
    """Yield why a plan has its status."""
    state = case.state
    if state.status == "in_grace":
        yield _in_grace(case)
    if state.status == "cancelled":
        yield cancellation(case)
    if state.status == "completed":
        done, _ = _beginning(case)
        assert isinstance(done, PlanCompleted), done
        facts: dict[str, Fact] = {"date": done.effective_on, "reference": done.payment}
        yield Reason(name="completed", facts=facts, rule=rule(8), events=(case.source(done),))
    if state.status == "active":
        yield _nothing_overdue(case)
    for fact in case.reinstatements():
        facts = {
            "date": fact.effective_on,
            "reference": fact.reference,
            "approver": fact.approved_by,
            "reason": fact.reason,
        }
        yield Reason(name="reinstated", facts=facts, rule=rule(9), events=(case.source(fact),))
    yield from reopened(case)


def _nothing_overdue(case: Case) -> Reason:
    line = case.state.lines[case.state.settled]
    facts: dict[str, Fact] = {"number": line.number, "date": line.due_on}
    if line.due_on < case.as_of:  # a chargeback of this very day
        facts = {"number": line.number, "due": line.due_on, "date": case.as_of}
    name = "reopened_today" if "due" in facts else "nothing_overdue"
    return Reason(name=name, facts=facts, rule=rule(6), events=case.due(line).events)


def _in_grace(case: Case) -> Reason:
    one = missed(case)
    facts: dict[str, Fact] = {"number": one.number, "due": one.due_on, "grace": one.grace_ends_on}
    return Reason(name="in_grace", facts=facts, rule=rule(6), events=(case.source(one),))


def cancellation(case: Case, cancelled: PlanCancelled | None = None) -> Reason:
    """Return why a plan was cancelled, for the last time or by this cancellation."""
    cancelled = cancelled or case.cancellations()[-1]
    open_line, facts = case.missed(cancelled), dict[str, Fact](date=cancelled.effective_on)
    if open_line is not None:
        facts |= {"number": open_line.number, "due": open_line.due_on, "grace": open_line.grace_ends_on}
        events = (case.source(open_line), case.source(cancelled))
        return Reason(name="cancelled_grace_ended", facts=facts, rule=rule(6), events=events)
    request = case.plan.requests[str(cancelled.request)]
    facts |= {"reference": request.reference, "reason": request.reason}
    events = (case.source(request), case.source(cancelled))
    return Reason(name="cancelled_by_request", facts=facts, rule=rule(6), events=events)


def reopened(case: Case) -> Iterator[Reason]:
    """Yield the chargebacks that opened installments again."""
    for fact, numbers in case.chargebacks():
        if numbers:
            facts: dict[str, Fact] = {"reference": fact.reference, "date": fact.effective_on}
            facts |= {"first": numbers[0], "last": numbers[-1]}
            name = "reopened" if len(numbers) == 1 else "reopened_several"
            yield Reason(name=name, facts=facts, rule=rule(10), events=(case.source(fact),))
