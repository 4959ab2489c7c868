"""Audits of plans without a store: recorded events as stored bytes, and a referee that decides them again."""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from ledger.audit.examination.plan import PlanAudit, audit_plan
from ledger.books.reader import EXAMPLE
from ledger.commands import (
    CancelPlan,
    ClosePlan,
    Command,
    Metadata,
    OpenPlan,
    RecordPayment,
    ReinstatePlan,
    ReversePayment,
)
from ledger.decide import Decider
from ledger.errors import LedgerError
from ledger.events import (
    CancellationRequested,
    PaymentMade,
    PaymentReversed,
    PlanOpened,
    PlanReinstated,
    RecordedEvent,
)
from ledger.events.codec import Codec, intact
from ledger.store import RawEvent

CODEC = Codec()


def stored(events: Iterable[RecordedEvent]) -> list[RawEvent]:
    """Return events as a store holds them, with sequences from 1."""
    return [
        RawEvent(sequence, one.kind, one.stream_id, one.version, *CODEC.encode(one))
        for sequence, one in enumerate(events, 1)
    ]


def audited(raw: Sequence[RawEvent]) -> PlanAudit:
    """Return the audit of a plan."""
    return audit_plan("P-1", raw, CODEC.decode_all)


def kinds(raw: Sequence[RawEvent]) -> list[tuple[str, int | None]]:
    """Return the findings of a plan: kind and version."""
    return [(one.kind, one.version) for one in audited(raw).findings]


def could_be_recorded(raw: Sequence[RawEvent]) -> bool:
    """Return whether the ledger itself, asked again for every command, records exactly these bytes.

    The referee of the audit: it knows nothing of findings, and decides each command from the start.
    """
    try:
        return stored(_recorded_again(list(intact(CODEC.decode_all(raw))))) == [*raw]
    except (LedgerError, ValueError, KeyError, OverflowError):
        return False


def _recorded_again(events: Sequence[RecordedEvent]) -> list[RecordedEvent]:
    again: list[RecordedEvent] = []
    decider = Decider(())
    while len(again) < len(events):
        recorded = events[len(again)]
        metadata = Metadata(recorded_at=recorded.recorded_at, actor=recorded.actor, correlation=recorded.correlation)
        new = decider.decide(_command(recorded), metadata)
        if not new:
            break
        again += new
    return again


def _command(recorded: RecordedEvent) -> Command:
    plan_id = recorded.stream_id
    match recorded.event:
        case PlanOpened() as event:
            return OpenPlan(
                plan_id=plan_id,
                investor=event.investor,
                partner=event.partner,
                terms=event.terms,
                opened_at=event.opened_at or event.effective_on,
            )
        case PaymentMade() as event:
            return RecordPayment(
                plan_id=plan_id,
                reference=event.reference,
                amount=event.amount,
                paid_at=event.paid_at or event.effective_on,
                kind=event.kind,
            )
        case PaymentReversed() as event:
            return ReversePayment(plan_id=plan_id, reference=event.reference, cause=event.cause, on=event.effective_on)
        case CancellationRequested() as event:
            return CancelPlan(plan_id=plan_id, reference=event.reference, on=event.effective_on, reason=event.reason)
        case PlanReinstated() as event:
            return ReinstatePlan(
                plan_id=plan_id,
                reference=event.reference,
                on=event.effective_on,
                amount=event.amount,
                approved_by=event.approved_by,
                reason=event.reason,
                revised_shares=event.revised_shares,
            )
    return ClosePlan(plan_id=plan_id, through=date.fromisoformat(recorded.key))


def first_plans(folder: Path) -> Path:
    """Write the first 49 plans of the bundled book to a folder."""
    folder.mkdir()
    for file in EXAMPLE.iterdir():
        heading, *rows = file.read_text(encoding="utf-8").splitlines(keepends=True)
        some = [row for row in rows if file.name == "partners.csv" or re.search(r"P-000[0-4]\d,", row)]
        (folder / file.name).write_text("".join([heading, *some]), encoding="utf-8")
    return folder
