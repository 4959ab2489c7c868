"""Queries: every question about plans, answered from the read model or, as known at an instant, from a replay.

A question finds the live tables once, caught up unless that is a follower's work, and asks them; nothing here is
recorded.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import TypeVar

import attrs

from ledger.dates import EndOfDay, Known, day_in, known_by, may_still_change
from ledger.errors import CommandRefused, NotCaughtUp, PlanNotFound, ReceiptNotFound, arguments
from ledger.events import KINDS, PLAN, RECEIPT, RecordedEvent
from ledger.money import Money
from ledger.plan import Plan, known
from ledger.projections.balances import BalanceRow, balance_rows
from ledger.projections.overdue import OverdueRow, overdue_rows
from ledger.projections.payments import PaymentRow
from ledger.projections.periods import Period, period_on
from ledger.projections.portfolio import PortfolioRow, portfolio_rows
from ledger.projections.statement import StatementLine, statement_lines
from ledger.projections.totals import total
from ledger.readmodel.listing import Key, Listing, Page
from ledger.readmodel.payments import payments
from ledger.readmodel.periods import PeriodTables, Seek
from ledger.readmodel.question import Question
from ledger.readmodel.runner import Runner
from ledger.readmodel.tables import Tables
from ledger.receipt import Receipt, ReceiptRow, zone_of
from ledger.replay import PAGE, Replayed, replay, replay_plans, replay_receipts
from ledger.state import Status
from ledger.state.position import Position
from ledger.store import LAST, WHOLE, EventReader, Quarantined, Store

T = TypeVar("T")

_NAMED = 100
"""Plans in quarantine that an answer names, at most."""

_BATCH = 5_000
"""Events read at a time."""


@attrs.frozen
class _Selected:
    """The plans that a question selects, as of one sequence: each one's period and the date, by plan id."""

    through: int
    periods: list[tuple[Period, date]]
    quarantined: Sequence[Quarantined]


class Queries:
    """Answers questions about the plans of a store."""

    def __init__(
        self, store: Store, *, periods: Runner, payments: Runner, catch_up: bool, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._runner = periods
        self._payments = payments
        self._catch_up = catch_up
        self._clock = clock

    # ---- one plan

    def history(
        self, stream_id: str, *, kind: str = PLAN, after: int = 0, limit: int | None = None
    ) -> list[RecordedEvent]:
        """Return up to `limit` of the events of a plan, or of a receipt, with a version above `after`, oldest first.

        Raises `PlanNotFound`, `ReceiptNotFound`.
        """
        of_plan = arguments.one_of("kind", kind, KINDS) == PLAN
        names = ("plan_id", "a plan's id") if of_plan else ("reference", "the reference of a receipt")
        stream_id = arguments.plain(arguments.instance(names[0], stream_id, str, names[1]))
        arguments.whole("after", after, minimum=0, maximum=LAST)
        limit = LAST if limit is None else arguments.whole("limit", limit, minimum=1, maximum=LAST)
        if stream_id.isprintable():  # no id holds anything else
            history = self._store.history(stream_id, kind=kind, after=after, limit=limit)
            if history or (after and self._store.history(stream_id, kind=kind, limit=1)):
                return history
        raise PlanNotFound(plan_id=stream_id) if of_plan else ReceiptNotFound(reference=stream_id)

    def recorded(self, stream_id: str, key: str, *, kind: str) -> list[RecordedEvent]:
        """Return the events of a plan or a receipt that were recorded under an idempotency key, oldest first."""
        arguments.text("key", key)
        return [recorded for recorded in self.history(stream_id, kind=kind) if recorded.key == key]

    def position(self, plan_id: str, *, as_of: date | None, known_at: Known | None) -> Position:
        """Return the position of a plan. Raises `PlanNotFound`, also for a date before the opening."""
        question = self.question(as_of=as_of, known_at=known_at)
        plan = self._known(plan_id, question)
        return plan.position(question.day(plan.opened.terms.timezone))

    def statement(self, plan_id: str, question: Question) -> Listing[StatementLine]:
        """Return a plan's history in words, line by line. Raises `PlanNotFound`."""
        question.page.key(columns=2)
        plan = self._known(plan_id, question)
        lines, of_day = list[tuple[StatementLine, Key]](), Counter[date]()
        for line in statement_lines(plan, question.day(plan.opened.terms.timezone)):
            of_day[line.on] += 1
            lines.append((line, (line.on.isoformat(), f"{of_day[line.on]:09}")))
        shown, following = question.page.cut(lines, lambda item: item[1])
        return Listing([line for line, _ in shown], next=following)

    def _known(self, plan_id: str, question: Question) -> Plan:
        """Return a plan as it was known. Raises `PlanNotFound`."""
        at = question.known_at
        if history := known(self.history(plan_id), at):
            return Plan(history)
        raise PlanNotFound(plan_id=plan_id, known_at=at.day if isinstance(at, EndOfDay) else at)

    def timezone(self, plan_id: str | None) -> str:
        """Return the time zone of a plan; UTC if there is none of this id."""
        try:
            return zone_of([] if plan_id is None else self.history(plan_id))
        except PlanNotFound:
            return zone_of([])

    # ---- many plans

    def question(
        self,
        *,
        as_of: date | None = None,
        known_at: Known | None = None,
        investor: str | None = None,
        partner: str | None = None,
        status: Status | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> Question:
        """Return a question that is asked now. Raises `InvalidArgument`.

        Of what was known a moment ago, the saves that are under way may still be a part: they are waited for.
        """
        now, known_at = self._clock(), None if known_at is None else known_by("known_at", known_at)
        if known_at is not None and may_still_change(known_at, now):
            self._store.settle()
        return Question(
            as_of=as_of,
            known_at=known_at,
            now=now,
            investor=investor,
            partner=partner,
            status=status,
            page=Page(limit, after),
        )

    def overdue(self, question: Question) -> Listing[OverdueRow]:
        """Return the plans in grace, by end of grace, then plan id."""
        selected = self._select(question, by=("grace_ends_on", "plan_id"))
        return _listing(question.page, overdue_rows(selected.periods), _urgency, selected.quarantined)

    def balances(self, question: Question) -> Listing[BalanceRow]:
        """Return the share balances, by investor."""
        selected = self._select(question, by=("investor",), whole=True)
        return _listing(question.page, balance_rows(selected.periods), _investor, selected.quarantined)

    def portfolio(self, question: Question) -> Listing[PortfolioRow]:
        """Return the portfolio, one row per currency, by currency."""
        question.page.key(columns=1)
        if question.known_at is not None:
            selected = self._replay(question, question.known_at)
            totals = [(period.currency, day, total(period)) for period, day in selected.periods]
            unallocated, unreadable = self._unallocated(question, selected.through)
            rows = portfolio_rows(totals, unallocated)
            return _listing(question.page, rows, _currency, [*selected.quarantined, *unreadable])

        def from_totals(tables: Tables) -> Listing[PortfolioRow]:
            if not self._store.stream_ids(kind=RECEIPT, limit=1):
                reading = PeriodTables(tables)
                rows = portfolio_rows(reading.totals(question.days(reading)))
                return _listing(question.page, rows, _currency, self._quarantined(tables))
            with tables.snapshot() as snapshot:  # plans and receipts as of one sequence
                reading = PeriodTables(snapshot)
                totals, quarantined = reading.totals(question.days(reading)), self._quarantined(snapshot)
            unallocated, unreadable = self._unallocated(question, snapshot.generation.reached)
            rows = portfolio_rows(totals, unallocated)
            return _listing(question.page, rows, _currency, [*quarantined, *unreadable])

        return self._ask(from_totals)

    def receipts(self, question: Question, *, remaining: bool = False) -> Listing[ReceiptRow]:
        """Return money received and not applied at once, by date and reference; only where some of it is `remaining`.

        Otherwise whatever became of it.
        """
        question.page.key(columns=2)
        found, unreadable = self._receipts(question, self._store.last_sequence())
        rows = [row for receipt, day in found if (row := receipt.row(day)) and (row.remaining.minor or not remaining)]
        return _listing(question.page, sorted(rows, key=_reception), _reception, unreadable)

    def _unallocated(self, question: Question, through: int) -> tuple[list[tuple[Money, date]], list[Quarantined]]:
        found, unreadable = self._receipts(question, through)
        return [(row.remaining, day) for receipt, day in found if (row := receipt.row(day))], unreadable

    def _receipts(self, question: Question, through: int) -> tuple[list[tuple[Receipt, date]], list[Quarantined]]:
        """Return the receipts as of a sequence, each with the date that is asked about."""
        receipts, errors = replay_receipts(self._store.at(through), known_at=question.known_at)
        found = [(receipt, question.day(receipt.received.timezone)) for receipt in receipts]
        return found, list(map(Quarantined.of, errors))

    def positions(self, question: Question) -> Listing[Position]:
        """Return the positions of the plans opened by then, by plan id."""
        selected = self._select(question, by=("plan_id",), at_one_sequence=True)
        periods, following = question.page.cut(selected.periods, lambda item: (item[0].plan_id,))
        reader, days = self._store.at(selected.through), {period.plan_id: day for period, day in periods}
        found, left_out, gone = list[Position](), list(selected.quarantined), dict.fromkeys(days)
        for page in _pages(reader, list(days), question.known_at):
            for one in page:
                del gone[one.plan_id]
                if one.plan is not None:
                    found.append(one.plan.position(days[one.plan_id]))
                elif one.error is not None:  # somebody has edited its events since its rows were derived
                    left_out.append(Quarantined.of(one.error))
        left_out += [Quarantined(plan_id, 1, "plan_opened", "its events are missing") for plan_id in gone]
        return Listing(found, quarantined=left_out, next=following)

    def payments(
        self, page: Page, *, reference: str | None, plan_id: str | None, investor: str | None
    ) -> Listing[PaymentRow]:
        """Return payments, whatever became of them, by reference, then plan id."""
        of = {"reference": reference, "plan_id": plan_id, "investor": investor}
        for column, value in of.items():
            arguments.optional_text(column, value)
        after = page.key(columns=2)

        def find(tables: Tables) -> Listing[PaymentRow]:
            rows = payments(tables, of, after=after, limit=page.read())
            return _listing(page, rows, _reference, self._quarantined(tables))

        return self._payments.ask(find, catch_up=self._catch_up)

    def due(self, through: date, *, recorded_at: datetime) -> Listing[str]:
        """Return the ids of the plans with an outcome to record by the end of a day, in their order.

        Raises `CommandRefused` if that day has not come, at the instant `recorded_at`, in the time zone of every plan.
        """

        def find(tables: Tables) -> Listing[str]:
            reading = PeriodTables(tables)
            for zone in reading.zones():
                today = day_in(zone, recorded_at)
                if through > today and (plan_id := reading.recorded_before(through, zone)) is not None:
                    reason = f"the closing is dated {through}, after {today}, the day of its recording in {zone}"
                    raise CommandRefused(plan_id=plan_id, reason=reason, remedy=f"close through {today}")
            return Listing(reading.due(through), quarantined=self._quarantined(tables))

        return self._ask(find)

    # ---- from the read model, or from a replay

    def _ask(self, question: Callable[[Tables], T]) -> T:
        return self._runner.ask(question, catch_up=self._catch_up)

    def _quarantined(self, tables: Tables) -> Sequence[Quarantined]:
        generation = tables.generation
        return self._store.views.quarantine(generation, limit=_NAMED) if generation.quarantined else ()

    def _select(
        self, question: Question, *, by: Sequence[str], whole: bool = False, at_one_sequence: bool = False
    ) -> _Selected:
        """Return the plans that a question selects, of those after its page's key at least as many as the page has.

        `by` names the columns of the key; `whole`: the page has so many keys, not plans. `at_one_sequence`: exactly as
        of the sequence that it returns.
        """
        seek = Seek(by, question.page.key(columns=len(by)), question.page.read(), whole)
        if question.known_at is not None:
            return self._replay(question, question.known_at, seek if by == ("plan_id",) else None)

        def from_tables(tables: Tables) -> _Selected:
            if not at_one_sequence:
                return self._read(question, tables, seek)
            with tables.snapshot() as snapshot:
                return self._read(question, snapshot, seek)

        return self._ask(from_tables)

    def _read(self, question: Question, tables: Tables, seek: Seek) -> _Selected:
        reading = PeriodTables(tables)
        page = None if question.page == Page() else seek
        periods = reading.on(question.days(reading), question.filters(), page)
        return _Selected(tables.generation.reached, periods, self._quarantined(tables))

    def _replay(self, question: Question, known_at: Known, seek: Seek | None = None) -> _Selected:
        """Derive the plans from their events as they were known; of a page by plan id, no more than it needs."""
        reader = self._store.at(self._store.last_sequence())
        after, limit = ("", None) if seek is None else (seek.after[0], seek.limit)
        periods: list[tuple[Period, date]] = []
        quarantined: list[Quarantined] = []
        for page in self._replayed(reader, question, known_at, after):
            for one in page:
                if one.error is not None:
                    quarantined.append(Quarantined.of(one.error))
                if one.plan is not None:
                    day = question.day(one.plan.opened.terms.timezone)
                    period = period_on(one.plan, day)
                    if period is not None and question.selects(period):
                        periods.append((period, day))
            if limit is not None and len(periods) >= limit:
                break
        return _Selected(reader.through, periods, quarantined)

    def _replayed(
        self, reader: EventReader, question: Question, known_at: Known, after: str
    ) -> Iterator[list[Replayed]]:
        """Yield the plans that may be selected, by id: those of one investor or partner are found in the read model."""
        of = {"investor": question.investor, "partner": question.partner}
        if any(of.values()):
            with suppress(NotCaughtUp):
                candidates = self._ask(lambda tables: self._candidates(reader, tables, of))
                return _pages(reader, [plan_id for plan_id in candidates if plan_id > after], known_at)
        return replay(reader, within=WHOLE._replace(after=after), known_at=known_at)

    def _candidates(self, reader: EventReader, tables: Tables, of: Mapping[str, str | None]) -> list[str]:
        """Return the ids of the plans of an investor or partner, and of others that the tables do not have (yet)."""
        generation = tables.generation
        left_out = self._store.views.quarantine(generation, limit=generation.quarantined)
        opened: list[str] = []
        after = generation.reached
        while page := reader.raw_events(after=after, limit=_BATCH):
            opened += [raw.stream_id for raw in page if raw.kind == PLAN and raw.version == 1]
            after = page[-1].sequence
        return sorted({*PeriodTables(tables).plan_ids(of), *(one.plan_id for one in left_out), *opened})


def _pages(reader: EventReader, plan_ids: Sequence[str], known_at: Known | None) -> Iterator[list[Replayed]]:
    for begin in range(0, len(plan_ids), PAGE):
        yield replay_plans(reader, plan_ids[begin : begin + PAGE], known_at=known_at)


def _listing(page: Page, rows: Sequence[T], key: Callable[[T], Key], quarantined: Sequence[Quarantined]) -> Listing[T]:
    shown, following = page.cut(rows, key)
    return Listing(shown, quarantined=quarantined, next=following)


def _urgency(row: OverdueRow) -> Key:
    return row.grace_ends_on.isoformat(), row.plan_id


def _investor(row: BalanceRow) -> Key:
    return (row.investor,)


def _reference(row: PaymentRow) -> Key:
    return row.reference, row.plan_id


def _reception(row: ReceiptRow) -> Key:
    return row.received_on.isoformat(), row.reference


def _currency(row: PortfolioRow) -> Key:
    return (row.currency,)
