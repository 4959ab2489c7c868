"""A plan derived again: after each of its commands the record must hold exactly what the rules make of the facts.

What is wrong is reported and then put right in the fold, so that one wrong event is one finding and hides no other.
A fact that cannot be read or cannot count ends the rederivation: what follows it does not follow from what is left.
"""

from collections.abc import Sequence
from datetime import date

import attrs

from ledger.audit.examination.commands import Recorded
from ledger.audit.examination.kinds import Findings
from ledger.audit.examination.matching import Consequence, Matched, described, differences, match
from ledger.audit.examination.stored import Lost
from ledger.decide.consequences import Consequences
from ledger.errors import (
    CommandRefused,
    CorruptHistory,
    InvalidArgument,
    Overpayment,
    PlanIsCancelled,
    PlanIsCompleted,
    ReinstatementRefused,
)
from ledger.events import OutcomeVoided, PaymentReversed, PlanReinstated, RecordedEvent
from ledger.plan import Plan

_REFUSED: Sequence[tuple[type[CommandRefused], str]] = (
    (Overpayment, "overpayment"),
    (PlanIsCancelled, "fact_on_cancelled_plan"),
    (PlanIsCompleted, "fact_on_completed_plan"),
    (ReinstatementRefused, "reinstatement_forbidden"),
)

_IMPOSSIBLE = (CorruptHistory, InvalidArgument, OverflowError)
"""Errors of a history that cannot be, as what was put right may leave one."""


class Rederivation:
    """The commands of one plan, in turn. `plan` is its fold, put right; it ends where `ended`."""

    def __init__(self, opening: RecordedEvent, findings: Findings) -> None:
        self.plan = Plan([opening])
        self.ended = False
        self._findings = findings
        self._consequences = Consequences(self.plan)
        self._lost: list[Lost] = []
        self._carried: list[Consequence] = []  # owed by what an earlier command has recorded in part

    def add(self, command: Recorded) -> None:
        """Compare a command with its consequences, and fold it."""
        first = command.fact or (command.events[0] if command.events else None)
        self._lost += command.lost
        if first is None:
            return
        try:
            self.plan.version = first.version - 1
            owed = self._owed(command)
            if owed is None:
                self.ended = True
                return
            if command.fact is not None:
                self.plan.apply(command.fact)
            if [one.event for one in command.events] == [*owed]:
                for one in command.events:
                    self._fold(one)
            else:
                self._settle(command, first, owed)
        except _IMPOSSIBLE as error:
            reason = error.reason if isinstance(error, CorruptHistory) else str(error)
            self._report("outcome_unfounded", first, "a history from which outcomes follow", reason)
            self.ended = True

    def finish(self, last: RecordedEvent) -> None:
        """Report what was owed by the end of the stream."""
        self._report_missing(last, self._carried)

    def _owed(self, command: Recorded) -> Sequence[Consequence] | None:
        """Return the consequences that a command owes, or None for a fact that cannot count."""
        if command.fact is None:
            days = [one.event.effective_on for one in command.events]
            through = max([command.through or date.min, *days], default=date.min)
            if command.through is not None and command.through < through:
                self._report("key_mismatch", command.events[0], f"{through} or later", f"{command.key!r}")
            due = self._consequences.due(through)
            return [*self._carried, *due] if self._carried else due
        fact = command.fact.event
        if not self._counts(command.fact):
            return None
        refused: list[CommandRefused] = []
        actor = command.fact.actor
        if isinstance(fact, PlanReinstated) and fact.approved_by == actor:
            self._report("approver_is_actor", command.fact, f"an approver other than {actor}", str(actor))
            actor = None
        owed = self._consequences.of(fact, actor=actor, refused=refused)  # type: ignore[arg-type]  # it is a fact
        for error in refused:
            self._report_refused(command.fact, error)
        return [*self._carried, *owed] if self._carried else owed

    # ---- facts

    def _counts(self, recorded: RecordedEvent) -> bool:
        """Report a fact that no plan can count; return whether it can."""
        plan, fact = self.plan, recorded.event
        if fact.effective_on < plan.opened.effective_on:
            opened_on = plan.opened.effective_on
            self._report("dated_before_opening", recorded, f"{opened_on} or later", str(fact.effective_on))
            return False
        if isinstance(fact, PaymentReversed):
            return self._reverses(recorded, fact)
        reference: str = fact.reference  # type: ignore[union-attr]  # every fact has one
        if reference in plan.payments or reference in plan.requests:
            self._report("reference_taken", recorded, "a reference of its own in the plan", repr(reference))
            return False
        amount = getattr(fact, "amount", None)
        if amount is not None and amount.currency != plan.opened.terms.price.currency:
            self._report("currency_mismatch", recorded, plan.opened.terms.price.currency, str(amount))
            return False
        return True

    def _reverses(self, recorded: RecordedEvent, fact: PaymentReversed) -> bool:
        payment = self.plan.payments.get(fact.reference)
        if payment is None or fact.reference in self.plan.reversals:
            found = "no such payment" if payment is None else "it was reversed before"
            self._report("reversal_unfounded", recorded, f"a payment {fact.reference!r} that stands", found)
            return False
        paid_on = payment.effective_on
        if fact.effective_on < paid_on or (fact.cause == "error" and fact.effective_on != paid_on):
            expected = f"{paid_on}, the date of the payment" + (" or later" if fact.cause == "chargeback" else "")
            self._report("reversal_unfounded", recorded, expected, str(fact.effective_on))
            return fact.effective_on >= paid_on
        return True

    def _report_refused(self, recorded: RecordedEvent, error: CommandRefused) -> None:
        kind = next((kind for refused, kind in _REFUSED if isinstance(error, refused)), "reversal_unfounded")
        self._report(kind, recorded, f"no such fact; {error.remedy}", error.reason)

    # ---- consequences

    def _settle(self, command: Recorded, first: RecordedEvent, owed: Sequence[Consequence]) -> None:
        """Report how a command's consequences depart from those owed, and fold those owed."""
        matched = match(owed, command.events, self._lost)
        misplaced = None if matched.unfounded or matched.missing or self._carried else matched.misplaced(owed)
        self._carried = []
        if misplaced is not None:
            self._report("order_in_command", misplaced, described(owed[0]), described(misplaced.event))
        self._fold_matched(matched)
        self._report_unfounded(matched.unfounded)
        self._report_missing(first, matched.missing)

    def _report_missing(self, at: RecordedEvent, missing: Sequence[Consequence]) -> None:
        for event in missing:
            kind = "voiding_missing" if isinstance(event, OutcomeVoided) else "outcome_missing"
            self._report(kind, at, described(event), "not recorded")
            self._assume(at.version, event)

    def _fold_matched(self, matched: Matched) -> None:
        for recorded, event in matched.pairs:
            if recorded.event != event:
                kind = "voiding_differs" if isinstance(event, OutcomeVoided) else "outcome_differs"
                self._report(kind, recorded, *differences(event, recorded.event))
            self._fold(recorded if recorded.event == event else attrs.evolve(recorded, event=event))
        for lost, event in matched.assumed:
            self._assume(lost.version, event)

    def _report_unfounded(self, unfounded: Sequence[RecordedEvent]) -> None:
        """Report what does not follow from the facts; outcomes that have come due, as in a closing, do."""
        due = _latest(unfounded)
        if due is not None and due >= self.plan.opened.effective_on:
            following = set(self.plan.timeline(due).outcomes) - {item.outcome for item in self.plan.outcomes}
            closed = [one for one in unfounded if one.event in following]
            if closed:
                carried: list[Consequence] = [*self._consequences.due(max(one.event.effective_on for one in closed))]
                for one in closed:
                    if one.event in carried:
                        carried.remove(one.event)
                    self._fold(one)
                self._carried = carried
                unfounded = [one for one in unfounded if one not in closed]
        for one in unfounded:
            kind = "voiding_unfounded" if isinstance(one.event, OutcomeVoided) else "outcome_unfounded"
            self._report(kind, one, "no such event: it does not follow from the facts", described(one.event))

    # ---- the fold

    def _fold(self, recorded: RecordedEvent) -> None:
        self.plan.version = recorded.version - 1
        self.plan.apply(recorded)

    def _assume(self, version: int, event: Consequence) -> None:
        """Fold an event that is not recorded, or cannot be read, as if it stood at a version."""
        latest = self.plan.version
        self.plan.version = version - 1
        self.plan.apply(
            RecordedEvent(
                stream_id=self.plan.plan_id,
                version=version,
                recorded_at=self.plan.recorded_at,
                actor=None,
                correlation=None,
                key="",
                event=event,
            )
        )
        self.plan.version = max(latest, version)

    def _report(self, kind: str, at: RecordedEvent, expected: str, found: str) -> None:
        self._findings.add(kind, version=at.version, sequence=at.sequence, expected=expected, found=found)


def _latest(events: Sequence[RecordedEvent]) -> date | None:
    days = [one.event.effective_on for one in events if not isinstance(one.event, OutcomeVoided)]
    return max(days, default=None)
