"""The restatement of many plans: those of an investor, of a partner, or all, with the money not allocated to any."""

from collections.abc import Iterator, Sequence
from datetime import date

from ledger.audit.restate.answers import Answer, Learnt, Restatement, added, moment, moments
from ledger.audit.restate.new_facts import NOTHING, Learning, learn
from ledger.dates import Known, civil_date
from ledger.errors import CorruptHistory, InvalidArgument
from ledger.events import PLAN, RECEIPT, PlanOpened, RecordedEvent
from ledger.events.codec import intact
from ledger.plan import Plan
from ledger.projections.periods import period_on
from ledger.projections.totals import total
from ledger.receipt import Receipt
from ledger.replay import id_pages
from ledger.store import EventReader, Quarantined

_SHARES = ("shares_credited", "shares_promised", "shares_forfeited", "bonus_credited", "bonus_promised")


def restate_many(
    reader: EventReader,
    *,
    as_of: date,
    known_at: Known,
    then: Known | None = None,
    investor: str | None = None,
    partner: str | None = None,
) -> Restatement:
    """Restate all plans of an investor, of a partner, or of the ledger on a date, as known at two moments.

    The numbers are the sums of the share balances and of the portfolio, by currency; of the whole ledger also the money
    received and not allocated. A plan that cannot be read is named and left out. Raises `InvalidArgument`, also for an
    investor or partner of no plan, `StoreUnavailable`. Source: RULES.md sections 1 and 10.
    """
    as_of, (first, second) = civil_date("as_of", as_of), moments(known_at, then)
    reader = reader.at(reader.last_sequence())
    learnt: list[Learnt] = []
    quarantined: list[Quarantined] = []
    before, after = NOTHING, NOTHING
    whole, found_any = investor is None and partner is None, False
    for kind in (PLAN, RECEIPT) if whole else (PLAN,):
        for found in _learnings(reader, kind, first=first, then=second, as_of=as_of, of=(investor, partner)):
            found_any = True
            if isinstance(found, CorruptHistory):
                quarantined.append(Quarantined.of(found))
                continue
            before, after = _both(before, found.before), _both(after, found.after)
            learnt += found.learnt
    if not whole and not found_any:
        argument, given = ("investor", investor) if partner is None else ("partner", partner)
        raise InvalidArgument(argument=argument, given=given, expected=f"the {argument} of a plan in this ledger")
    learnt.sort(key=lambda one: (one.fact.recorded_at, one.fact.sequence))
    return Restatement(
        investor=investor,
        partner=partner,
        as_of=as_of,
        known_first=moment(first) or as_of,
        known_then=moment(second),
        before=before,
        after=after,
        learnt=tuple(learnt),
        quarantined=tuple(quarantined),
    )


def _both(one: Answer, other: Answer) -> Answer:
    return Answer(status=None, numbers=added(one.numbers, other.numbers))


def _learnings(
    reader: EventReader,
    kind: str,
    *,
    first: Known,
    then: Known | None,
    as_of: date,
    of: tuple[str | None, str | None],
) -> Iterator[Learning | CorruptHistory]:
    """Yield the learning of each stream of a kind that is asked about, or the error in its history."""
    for page in id_pages(reader, kind=kind):
        found = reader.raw_histories(page, kind=kind)
        for stream_id in page:
            try:
                events = list(intact(reader.decoded(found[stream_id])))
                if kind == RECEIPT:
                    yield _of_receipt(events, first, then, as_of)
                elif _is_of(events, *of):
                    yield _of_plan(events, first, then, as_of)
            except CorruptHistory as error:
                yield error


def _is_of(events: Sequence[RecordedEvent], investor: str | None, partner: str | None) -> bool:
    opened = events[0].event
    return not isinstance(opened, PlanOpened) or (
        investor in (None, opened.investor) and partner in (None, opened.partner)
    )


def _of_plan(events: Sequence[RecordedEvent], first: Known, then: Known | None, as_of: date) -> Learning:
    plan = Plan(())
    return learn(events, first=first, then=then, as_of=as_of, fold=plan, measure=lambda: _plan_sums(plan, as_of))


def _of_receipt(events: Sequence[RecordedEvent], first: Known, then: Known | None, as_of: date) -> Learning:
    receipt = Receipt(())
    return learn(
        events, first=first, then=then, as_of=as_of, fold=receipt, measure=lambda: _receipt_sums(receipt, as_of)
    )


def _plan_sums(plan: Plan, as_of: date) -> Answer:
    """Return what one plan adds to the balances and to the portfolio; nothing before its opening."""
    period = period_on(plan, as_of)
    if period is None:
        return NOTHING
    counted = total(period)
    numbers = {"plans": counted.plans, **counted._asdict(), **{name: getattr(period, name) for name in _SHARES}}
    return Answer(status=period.status, numbers=added({period.currency: numbers}))


def _receipt_sums(receipt: Receipt, as_of: date) -> Answer:
    """Return the money of a receipt that is neither allocated nor returned."""
    row = receipt.row(as_of)
    if row is None:
        return NOTHING
    return Answer(status=None, numbers=added({row.received.currency: {"unallocated": row.remaining.minor}}))
