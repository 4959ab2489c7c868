"""The named checks on a ledger that is there: whatever can be judged after the fact, by the definitions of `checks`."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from ledger.audit.finding import Finding
from ledger.errors import CorruptHistory
from ledger.events import (
    CancellationRequested,
    Event,
    PaymentMade,
    PaymentReversed,
    PlanOpened,
    PlanReinstated,
    RecordedEvent,
)
from ledger.service import Ledger
from ledger.testing import checks
from ledger.testing.calls import Call
from ledger.testing.checks import CHECKS, Check
from ledger.testing.comparison import LedgerDiffers, Witness, question
from ledger.testing.ledger_adapter import LedgerAdapter
from ledger.values import to_dict

_LIST_DATES = 40
"""Dates on which the lists are asked for, at most."""

_INSTANTS = 4
"""Instants as known at which a plan is asked for, at most."""


def findings(ledger: Ledger, *, checks: Collection[str] | None = None) -> Iterator[Finding]:
    """Judge the named checks on a ledger, and yield what each has found, plan by plan, then list by list.

    Facts that the rules would have refused; positions near every due date, deadline and fact, as of each and as known
    at some instants; the lists on dates spread over the life of the ledger. Nothing is recorded. The kind of a finding
    is the name of the check. Raises `InvalidArgument` for a check that there is not.
    """
    return _Judge(ledger, _chosen(checks)).findings()


def _chosen(names: Collection[str] | None) -> Sequence[Check]:
    return checks.chosen(names)


class _Judge:
    """Tells the referee what is recorded, and asks the ledger."""

    def __init__(self, ledger: Ledger, chosen: Sequence[Check]) -> None:
        self._ledger = ledger
        self._chosen = {check.name for check in chosen}
        self._witness = Witness(LedgerAdapter(ledger), chosen=chosen)
        self._referee = self._witness.referee

    def findings(self) -> Iterator[Finding]:
        """Yield the findings of all plans, then those of the lists."""
        days: set[date] = set()
        for plan_id in self._plan_ids():
            yield from self._told(plan_id)
            if plan_id in self._referee.plans:
                days |= (boundaries := self._boundaries(plan_id))
                yield from self._positions(plan_id, boundaries)
        spread = sorted(days)[:: max(1, len(days) // _LIST_DATES)]
        for day in spread:
            for name in ("overdue", "balances"):
                yield from self._asked(question(name, None, day))

    def _plan_ids(self) -> Sequence[str]:
        """Return the ids of all plans, from the events: a read model may have lost some."""
        return sorted(recorded.plan_id for recorded in self._ledger.events() if isinstance(recorded.event, PlanOpened))

    def _told(self, plan_id: str) -> Iterator[Finding]:
        """Tell the referee the facts of a plan; yield those that the rules would have refused."""
        check = CHECKS["decides_as_the_rules"]
        try:
            history = self._ledger.history(plan_id)
        except CorruptHistory:
            return  # which is for an audit to explain
        for recorded in history:
            call = _call(recorded)
            if call is None:
                continue
            verdict = self._referee.judge(call)
            if verdict.kind != "recorded" and check.name in self._chosen:
                yield Finding(
                    kind=check.name,
                    plan_id=plan_id,
                    version=recorded.version,
                    sequence=recorded.sequence,
                    rule=check.rule,
                    expected=str(verdict),
                    found=f"recorded: {call}",
                )

    def _boundaries(self, plan_id: str) -> set[date]:
        plan = self._referee.plans[plan_id]
        days = {day for _, day in plan.calls} | {line.original_due_on for line in self._referee.lines(plan_id)}
        around = set(days)
        for day in days:
            around |= {day + shift for shift in (_DAY, -_DAY)} | set(self._referee.days(plan_id, day))
        return {day for day in around if day >= plan.opened_on}

    def _positions(self, plan_id: str, days: Collection[date]) -> Iterator[Finding]:
        instants = self._referee.instants(plan_id)
        for day in sorted(days):
            yield from self._asked(question("position", plan_id, day))
            for known_at in instants[:: max(1, len(instants) // _INSTANTS)]:
                yield from self._asked(question("position", plan_id, day, known_at))
        yield from self._stood_still(plan_id, instants)

    def _stood_still(self, plan_id: str, instants: Sequence[datetime]) -> Iterator[Finding]:
        """Yield facts with which an answer about an earlier day has changed."""
        check = CHECKS["no_answer_from_the_future"]
        if check.name not in self._chosen:
            return
        earliest: dict[datetime, date] = {}  # of the facts recorded at an instant
        for instant, (_, on) in zip(instants, self._referee.plans[plan_id].calls, strict=True):
            earliest[instant] = min(on, earliest.get(instant, on))
        for before, after in pairwise(earliest):
            day = earliest[after] - _DAY
            asked = [question("position", plan_id, day, known_at) for known_at in (before, after)]
            first, second = map(self._witness.fetch, asked)
            yield from self._found(check, asked[1], checks.differences(first, second))

    def _asked(self, asked: Call) -> Iterator[Finding]:
        try:
            for check, expected, found in self._witness.judged(asked, self._witness.fetch(asked)):
                yield from self._found(check, asked, [(expected, found)])
        except LedgerDiffers as error:
            yield from self._found(CHECKS[error.check], asked, [(error.expected, error.found)])

    @staticmethod
    def _found(check: Check, asked: Call, differences: Any) -> Iterator[Finding]:
        for expected, found in differences:
            yield Finding(
                kind=check.name, plan_id=asked.plan_id, rule=check.rule, expected=expected, found=f"{found}, in {asked}"
            )


_DAY = date.resolution


def _call(recorded: RecordedEvent) -> Call | None:
    """Return the call that records a fact; None for an outcome."""
    name, given = _arguments(recorded.event)
    if name is None:
        return None
    return Call(name, recorded.plan_id, {**given, "recorded_at": recorded.recorded_at})


def _arguments(event: Event) -> tuple[str | None, dict[str, Any]]:
    match event:
        case PlanOpened():
            opening = {"investor": event.investor, "partner": event.partner, "opened_on": event.effective_on}
            return "open", {**opening, "terms": to_dict(event.terms)}
        case PaymentMade():
            amount = to_dict(event.amount)
            given = {"reference": event.reference, "amount": amount, "paid_at": event.effective_on}
            return "pay", {**given, "kind": event.kind}
        case PaymentReversed():
            return "reverse", {"reference": event.reference, "cause": event.cause, "on": event.effective_on}
        case CancellationRequested():
            return "cancel", {"reference": event.reference, "on": event.effective_on, "reason": event.reason}
        case PlanReinstated():
            decision = {"approved_by": event.approved_by, "reason": event.reason}
            amount = {"amount": to_dict(event.amount), "revised_shares": event.revised_shares}
            return "reinstate", {"reference": event.reference, "on": event.effective_on, **amount, **decision}
    return None, {}
