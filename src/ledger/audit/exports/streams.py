"""The streams of a ledger with their entries, one at a time: plans by id, then receipts by reference."""

from collections.abc import Iterator
from datetime import date

import attrs

from ledger.audit.exports.accounts import Amounts
from ledger.audit.exports.entries import Entry, plan_entries, receipt_entries
from ledger.dates import Known
from ledger.events import PLAN, RECEIPT, MoneyReceived, PaymentReversed, PlanOpened
from ledger.events.codec import intact
from ledger.plan import Plan, known
from ledger.replay import id_pages
from ledger.state import State
from ledger.store import WHOLE, EventReader, Partition


@attrs.frozen
class Stream:
    """A plan or a receipt: its entries by date, and by version the stored bytes of its events."""

    kind: str
    stream_id: str
    currency: str
    entries: list[Entry]
    states: dict[int, bytes]
    plan: Plan | None

    @property
    def first(self) -> date:
        """The date of the earliest entry."""
        return self.entries[0].recorded.event.effective_on

    @property
    def opened(self) -> PlanOpened | None:
        """The opening of a plan."""
        return None if self.plan is None else self.plan.opened


def streams(
    reader: EventReader, *, within: Partition = WHOLE, kinds: tuple[str, ...] = (PLAN, RECEIPT), known_at: Known | None
) -> Iterator[Stream]:
    """Yield the streams of a partition as they were known, a page of them in memory at a time.

    Streams without an event by then are left out. Raises `CorruptHistory`.
    """
    for kind in kinds:
        for ids in id_pages(reader, kind=kind, within=within):
            found = reader.raw_histories(ids, kind=kind)
            for stream_id in ids:
                raw = found[stream_id]
                history = known(intact(reader.decoded(raw)), known_at)
                if not history:
                    continue
                states = {one.version: one.state for one in raw}
                plan = Plan(history) if kind == PLAN else None
                entries = receipt_entries(history) if plan is None else plan_entries(plan, history)
                begun = history[0].event
                assert isinstance(begun, (PlanOpened, MoneyReceived))
                currency = begun.amount.currency if isinstance(begun, MoneyReceived) else begun.terms.price.currency
                yield Stream(kind, stream_id, currency, entries, states, plan)


def asserted_days(stream: Stream) -> Iterator[date]:
    """Yield the days whose balances an export asserts: the ends of years up to the horizon, and the horizon.

    Of a receipt the horizon is the date of its latest event.
    """
    last = stream.entries[-1].recorded.event.effective_on if stream.plan is None else stream.plan.horizon
    yield from (day for year in range(stream.first.year, last.year) if (day := date(year, 12, 31)) < last)
    yield last


def balances(stream: Stream, day: date) -> Amounts:
    """Return the balances at the end of a day that the ledger itself answers, derived by its rules.

    Those of a receipt, for which there are no rules, are added up. Raises `CorruptHistory`.
    """
    if stream.plan is None:
        return _added_up(stream, day)
    terms = stream.plan.opened.terms
    return state_balances(stream.plan.timeline(day).state, price=terms.price.minor, shares=terms.shares)


def known_by_then(stream: Stream, day: date) -> frozenset[str]:
    """Return the accounts whose balance at the end of a day follows from the record: on nearly every day, all.

    On the day of a chargeback days past due may begin anew because of a settlement that held for hours only, and such
    an outcome need not be recorded: whether the plan is active or in grace at the end of that day is left open.
    """
    charged_back = any(
        isinstance(event := recorded.event, PaymentReversed)
        and event.cause == "chargeback"
        and event.effective_on == day
        for recorded, _ in stream.entries
    )
    return frozenset(Amounts._fields) - ({"active", "in_grace"} if charged_back else set())


def _added_up(stream: Stream, day: date) -> Amounts:
    amounts = [amounts for recorded, amounts in stream.entries if recorded.event.effective_on <= day]
    return Amounts._make(map(sum, zip(*amounts, strict=True)))


def state_balances(state: State, *, price: int, shares: int) -> Amounts:
    """Return the balances of a plan's accounts in a state; `price` and `shares` are those of its terms."""
    return Amounts(
        receivable=price - state.paid,
        cash=state.paid + state.unapplied,
        unapplied=-state.unapplied,
        price=-price,
        promised=state.shares_promised,
        credited=state.shares_credited,
        forfeited=state.shares_forfeited,
        package=-shares,
        bonus=state.bonus_credited,
        granted=-state.bonus_credited,
        active=int(state.status == "active"),
        in_grace=int(state.status == "in_grace"),
        cancelled=int(state.status == "cancelled"),
        completed=int(state.status == "completed"),
        opened=-1,
    )
