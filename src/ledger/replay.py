"""Replay: the plans of a ledger from their events, page by page, as of a sequence and as known at an instant.

Rebuilding, verifying, catching up, questions about the past and audits all page through plans here. A plan whose
history cannot be read comes with its error and stops no other.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ledger.dates import Known
from ledger.errors import CorruptHistory
from ledger.events import PLAN, RECEIPT
from ledger.events.codec import intact
from ledger.plan import Plan, known
from ledger.receipt import Receipt
from ledger.store import WHOLE, EventReader, Partition, RawEvent

PAGE = 500
"""Plans that are in memory at a time."""


class Replayed(NamedTuple):
    """A plan with all its facts and outcomes; or None, and the error in its history."""

    plan_id: str
    plan: Plan | None
    error: CorruptHistory | None


def id_pages(
    reader: EventReader, *, kind: str = PLAN, within: Partition = WHOLE, page: int = PAGE
) -> Iterator[list[str]]:
    """Yield the stream ids of a kind in a partition, in their order, up to `page` at a time."""
    after = within.after
    while ids := reader.stream_ids(kind=kind, within=Partition(after, within.up_to), limit=page):
        yield ids
        after = ids[-1]


def replay(
    reader: EventReader, *, within: Partition = WHOLE, known_at: Known | None = None, page: int = PAGE
) -> Iterator[list[Replayed]]:
    """Yield the plans of a partition, in the order of their ids, a page at a time.

    The reader decides through which sequence events count; `known_at` leaves out those recorded later. Plans without
    an event by then are left out.
    """
    for plan_ids in id_pages(reader, within=within, page=page):
        yield replay_plans(reader, plan_ids, known_at=known_at)


def replay_plans(reader: EventReader, plan_ids: Sequence[str], *, known_at: Known | None = None) -> list[Replayed]:
    """Return these plans, in their order; those without an event are left out."""
    found = reader.raw_histories(plan_ids)
    return [one for plan_id in plan_ids if (one := replay_one(reader, plan_id, found[plan_id], known_at=known_at))]


def replay_one(
    reader: EventReader, plan_id: str, history: Sequence[RawEvent], *, known_at: Known | None = None
) -> Replayed | None:
    """Return the plan with this history, oldest event first; None if nothing of it was known by then."""
    try:
        events = known(intact(reader.decoded(history)), known_at)
        return Replayed(plan_id, Plan(events), None) if events else None
    except CorruptHistory as error:
        return Replayed(plan_id, None, error)


def replay_receipts(
    reader: EventReader, *, known_at: Known | None = None
) -> tuple[list[Receipt], list[CorruptHistory]]:
    """Return the receipts, in the order of their references, and the errors of those that cannot be read."""
    receipts: list[Receipt] = []
    errors: list[CorruptHistory] = []
    for references in id_pages(reader, kind=RECEIPT):
        found = reader.raw_histories(references, kind=RECEIPT)
        for reference in references:
            try:
                if events := known(intact(reader.decoded(found[reference])), known_at):
                    receipts.append(Receipt(events))
            except CorruptHistory as error:
                errors.append(error)
    return receipts, errors
