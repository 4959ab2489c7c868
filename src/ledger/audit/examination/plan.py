"""One plan, whole: its stored bytes, its facts, its commands derived again, its sums, and the acts at discretion."""

from collections.abc import Sequence
from typing import NamedTuple

from ledger.audit.examination.commands import FACTS, commands
from ledger.audit.examination.discretion import DiscretionaryAct, acts_of
from ledger.audit.examination.facts import check_closing, check_facts, check_terms, known_zone
from ledger.audit.examination.kinds import Findings
from ledger.audit.examination.rederivation import Rederivation
from ledger.audit.examination.stored import Decode, Lost, Slot, check_order, read_stream
from ledger.audit.examination.sums import check_sums
from ledger.audit.finding import Finding
from ledger.events import PLAN, PaymentMade, PlanOpened, PlanReinstated, RecordedEvent
from ledger.events.recorded import Stream
from ledger.store import RawEvent


class PlanAudit(NamedTuple):
    """All that an audit finds in one plan; `opening` is None where it cannot be read."""

    findings: Sequence[Finding]
    acts: Sequence[DiscretionaryAct]
    opening: RecordedEvent | None
    references: Sequence[str]


def audit_plan(plan_id: str, stored: Sequence[RawEvent], decode: Decode) -> PlanAudit:
    """Audit the events of one plan, oldest first, as they are stored. Pure: nothing but `decode` is called."""
    findings = Findings(Stream(PLAN, plan_id))
    slots = check_order(read_stream(stored, decode, findings), findings)
    events = [slot for slot in slots if isinstance(slot, RecordedEvent)]
    references = [one.event.reference for one in events if isinstance(one.event, (PaymentMade, PlanReinstated))]
    opening = _opening(slots, findings)
    zone = None if opening is None else _zone(opening, findings)
    late = check_facts(events, zone, findings)
    if opening is None:
        return PlanAudit(findings.found, (), None, references)
    check_terms(opening, findings)
    rederivation = _rederived(opening, slots, zone, findings)
    if len(events) == len(slots):
        check_sums(opened_by(opening), events, findings)
    acts: Sequence[DiscretionaryAct] = ()
    if zone is not None and not rederivation.ended:
        acts = tuple(acts_of(rederivation.plan, [one for one in events if isinstance(one.event, FACTS)], late))
    return PlanAudit(findings.found, acts, opening, references)


def opened_by(opening: RecordedEvent) -> PlanOpened:
    """Return the event of an opening."""
    assert isinstance(opening.event, PlanOpened), opening
    return opening.event


def _opening(slots: Sequence[Slot], findings: Findings) -> RecordedEvent | None:
    """Return the opening; report another event in its place. One that cannot be read is reported already."""
    first = slots[0]
    if isinstance(first, Lost):
        return None
    if isinstance(first.event, PlanOpened):
        return first
    findings.add(
        "opening_misplaced",
        version=first.version,
        sequence=first.sequence,
        expected="the opening of the plan",
        found=type(first.event).__name__,
    )
    return None


def _zone(opening: RecordedEvent, findings: Findings) -> str | None:
    """Return the time zone of a plan; None, and a finding, if this machine does not know it."""
    zone = opened_by(opening).terms.timezone
    return zone if known_zone(opening, zone, findings) else None


def _rederived(opening: RecordedEvent, slots: Sequence[Slot], zone: str | None, findings: Findings) -> Rederivation:
    """Derive a plan again, command by command, as far as its facts can be read."""
    rederivation, last = Rederivation(opening, findings), opening
    for command in commands(slots[1:], findings):
        if isinstance(command, Lost):
            rederivation.ended = True
        elif not rederivation.ended:
            if command.fact is None and command.through is not None and zone is not None and command.events:
                check_closing(command.events[0], command.through, zone, findings)
            rederivation.add(command)
            last = command.events[-1] if command.events else command.fact or last
    if not rederivation.ended:
        rederivation.finish(last)
    return rederivation
