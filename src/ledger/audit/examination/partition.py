"""The audit of a partition: one pure function, and results that add up. No scheduling is here.

`ledger.audit.audit` runs it in processes of this machine, or of many; anything else that calls functions on other
machines can run it there: a part and its result are plain values, and a reader is opened from an address.
"""

from collections.abc import Mapping
from functools import reduce

import attrs

from ledger.audit.examination.across_plans import NOTHING, Usage, UsageOf
from ledger.audit.examination.discretion import DiscretionaryAct
from ledger.audit.examination.plan import audit_plan, opened_by
from ledger.audit.examination.receipts import audit_receipt, payments_of, plans_in, read_receipt
from ledger.audit.finding import Finding
from ledger.events import PLAN, RECEIPT
from ledger.replay import id_pages
from ledger.store import EventReader, Partition

PAGE = 250
"""Streams that are in memory at a time."""


@attrs.frozen
class Part:
    """A range of streams of one kind."""

    kind: str
    within: Partition


@attrs.frozen(kw_only=True)
class PartAudit:
    """What an audit has found in some streams; `+` is associative, and adds what was found in others.

    `streams` and `events` count what was read, by kind of stream. `usage` serves to tell, when all is read, which terms
    are unusual and which references are shared.
    """

    streams: Mapping[str, int]
    events: Mapping[str, int]
    findings: tuple[Finding, ...]
    acts: tuple[DiscretionaryAct, ...]
    usage: Usage

    def __add__(self, other: "PartAudit") -> "PartAudit":
        return PartAudit(
            streams=_sum(self.streams, other.streams),
            events=_sum(self.events, other.events),
            findings=self.findings + other.findings,
            acts=self.acts + other.acts,
            usage=self.usage + other.usage,
        )


EMPTY = PartAudit(streams={}, events={}, findings=(), acts=(), usage=NOTHING)
"""The audit of nothing: adding it changes nothing."""


def audit_part(reader: EventReader, part: Part) -> PartAudit:
    """Audit the streams of a part, as far as the reader shows their events. Raises `StoreUnavailable`."""
    audit_page = _plans if part.kind == PLAN else _receipts
    pages = id_pages(reader, kind=part.kind, within=part.within, page=PAGE)
    return reduce(PartAudit.__add__, (audit_page(reader, stream_ids) for stream_ids in pages), EMPTY)


def _plans(reader: EventReader, plan_ids: list[str]) -> PartAudit:
    findings: list[Finding] = []
    acts: list[DiscretionaryAct] = []
    usage, events = UsageOf(), 0
    for plan_id, stored in reader.raw_histories(plan_ids).items():
        events += len(stored)
        if not stored:
            continue
        plan = audit_plan(plan_id, stored, reader.decoded)
        findings += plan.findings
        acts += plan.acts
        usage.add(plan_id, None if plan.opening is None else opened_by(plan.opening), plan.references)
    return PartAudit(
        streams={PLAN: len(plan_ids)},
        events={PLAN: events},
        findings=tuple(findings),
        acts=tuple(acts),
        usage=usage.usage(),
    )


def _receipts(reader: EventReader, references: list[str]) -> PartAudit:
    stored = reader.raw_histories(references, kind=RECEIPT)
    read = [read_receipt(reference, events, reader.decoded) for reference, events in stored.items() if events]
    payments = payments_of(reader, sorted({plan_id for _, slots in read for plan_id in plans_in(slots)}))
    found = [finding for findings, slots in read for finding in audit_receipt(findings, slots, payments)]
    return PartAudit(
        streams={RECEIPT: len(references)},
        events={RECEIPT: sum(map(len, stored.values()))},
        findings=tuple(found),
        acts=(),
        usage=NOTHING,
    )


def _sum(counts: Mapping[str, int], others: Mapping[str, int]) -> Mapping[str, int]:
    return {kind: counts.get(kind, 0) + others.get(kind, 0) for kind in sorted({*counts, *others})}
