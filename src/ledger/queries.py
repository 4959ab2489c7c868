"""Queries: every question about plans, answered from the read model or, as known at an instant, from a replay.

A question finds the live tables once, caught up unless that is a follower's work, and asks them; nothing here is
recorded.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import TypeVar

import attrs

from ledger import arguments
from ledger.dates import civil_date, day_in, instant
from ledger.errors import CommandRefused, PlanNotFound
from ledger.events import RECEIPT, RecordedEvent
from ledger.money import Money
from ledger.plan import Plan, known
from ledger.position import Position
from ledger.projections.balances import BalanceRow, balance_rows
from ledger.projections.overdue import OverdueRow, overdue_rows
from ledger.projections.periods import Period, period_on
from ledger.projections.portfolio import PortfolioRow, portfolio_rows
from ledger.projections.statement import StatementLine, statement_lines
from ledger.projections.totals import total
from ledger.readmodel.periods import Day, PeriodTables
from ledger.readmodel.runner import Runner
from ledger.readmodel.tables import Tables
from ledger.receipt import Receipt, ReceiptRow, zone_of
from ledger.replay import PAGE, Replayed, replay, replay_plans, replay_receipts
from ledger.state import Status
from ledger.store import EventReader, Quarantined, Store

T = TypeVar("T")

_NAMED = 100
"""Plans in quarantine that an answer names, at most."""


class Listing(tuple[T, ...]):  # noqa: SLOT001 - a tuple cannot have slots that hold something
    """The rows of an answer: a tuple that also names the plans that it leaves out, since they cannot be read.

    `quarantined` is empty in a ledger that is whole. A listing equals a tuple of the same rows.
    """

    quarantined: tuple[Quarantined, ...]

    def __new__(cls, rows: Iterable[T] = (), *, quarantined: Iterable[Quarantined] = ()) -> "Listing[T]":
        """Make a listing of rows."""
        listing = super().__new__(cls, rows)
        listing.quarantined = tuple(quarantined)
        return listing


@attrs.frozen(kw_only=True)
class Question:
    """The plans that are asked about, and the dates: `as_of` None is today in each plan's own time zone.

    `known_at` None asks for everything recorded. `now` is the instant of the question.
    """

    as_of: date | None
    known_at: datetime | None
    now: datetime
    investor: str | None = None
    partner: str | None = None
    status: Status | None = None

    def __attrs_post_init__(self) -> None:
        if self.as_of is not None:
            civil_date("as_of", self.as_of)
        arguments.optional_text("investor", self.investor)
        arguments.optional_text("partner", self.partner)
        if self.status is not None:
            arguments.one_of("status", self.status, ("active", "in_grace", "cancelled", "completed"))

    def day(self, zone: str) -> date:
        """Return the date that is asked about in a time zone."""
        return day_in(zone, self.now) if self.as_of is None else self.as_of

    def days(self, tables: PeriodTables) -> list[Day]:
        """Return the dates that are asked about, with the time zones for whose plans each is the date."""
        if self.as_of is not None:
            return [Day(self.as_of)]
        days: dict[date, list[str]] = {}
        for zone in tables.zones():
            days.setdefault(self.day(zone), []).append(zone)
        return [Day(day, zones) for day, zones in days.items()]

    def filters(self) -> dict[str, str | None]:
        """Return the columns that select the plans."""
        return {"investor": self.investor, "partner": self.partner, "status": self.status}

    def selects(self, period: Period) -> bool:
        """Return whether a plan in this period is asked about."""
        return all(value in (None, getattr(period, column)) for column, value in self.filters().items())


@attrs.frozen
class _Selected:
    """The plans that a question selects, as of one sequence: each one's period and the date, by plan id."""

    through: int
    periods: list[tuple[Period, date]]
    quarantined: Sequence[Quarantined]


class Queries:
    """Answers questions about the plans of a store."""

    def __init__(self, store: Store, runner: Runner, *, catch_up: bool, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._runner = runner
        self._catch_up = catch_up
        self._clock = clock

    # ---- one plan

    def history(self, plan_id: str) -> list[RecordedEvent]:
        """Return a plan's events, oldest first. Raises `PlanNotFound`."""
        arguments.instance("plan_id", plan_id, str, "a plan's id")
        if plan_id.isprintable() and (history := self._store.history(plan_id)):  # no id holds anything else
            return history
        raise PlanNotFound(plan_id=plan_id)

    def position(self, plan_id: str, *, as_of: date | None, known_at: datetime | None) -> Position:
        """Return the position of a plan. Raises `PlanNotFound`, also for a date before the opening."""
        plan = self._plan(plan_id, known_at)
        return plan.position(self._day(plan, as_of))

    def statement(self, plan_id: str, *, as_of: date | None, known_at: datetime | None) -> tuple[StatementLine, ...]:
        """Return a plan's history in words, line by line. Raises `PlanNotFound`."""
        plan = self._plan(plan_id, known_at)
        return statement_lines(plan, self._day(plan, as_of))

    def _plan(self, plan_id: str, known_at: datetime | None) -> Plan:
        at = None if known_at is None else instant("known_at", known_at)
        if history := known(self.history(plan_id), at):
            return Plan(history)
        raise PlanNotFound(plan_id=plan_id, known_at=at)

    def _day(self, plan: Plan, as_of: date | None) -> date:
        return day_in(plan.opened.terms.timezone, self._clock()) if as_of is None else civil_date("as_of", as_of)

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
        as_of: date | None,
        known_at: datetime | None,
        investor: str | None = None,
        partner: str | None = None,
        status: Status | None = None,
    ) -> Question:
        """Return a question that is asked now. Raises `InvalidArgument`."""
        return Question(
            as_of=as_of,
            known_at=None if known_at is None else instant("known_at", known_at),
            now=self._clock(),
            investor=investor,
            partner=partner,
            status=status,
        )

    def overdue(self, question: Question) -> Listing[OverdueRow]:
        """Return the plans in grace, by end of grace, then plan id."""
        selected = self._select(question)
        return Listing(overdue_rows(selected.periods), quarantined=selected.quarantined)

    def balances(self, question: Question) -> Listing[BalanceRow]:
        """Return the share balances, by investor."""
        selected = self._select(question)
        return Listing(balance_rows(selected.periods), quarantined=selected.quarantined)

    def portfolio(self, question: Question) -> Listing[PortfolioRow]:
        """Return the portfolio, one row per currency, by currency."""
        if question.known_at is not None:
            selected = self._select(question)
            totals = [(period.currency, day, total(period)) for period, day in selected.periods]
            unallocated, unreadable = self._unallocated(question, selected.through)
            return Listing(portfolio_rows(totals, unallocated), quarantined=[*selected.quarantined, *unreadable])

        def from_totals(tables: Tables) -> Listing[PortfolioRow]:
            if not self._store.stream_ids(kind=RECEIPT, limit=1):
                reading = PeriodTables(tables)
                rows = portfolio_rows(reading.totals(question.days(reading)))
                return Listing(rows, quarantined=self._quarantined(tables))
            with self._store.views.snapshot() as query:  # plans and receipts as of one sequence
                tables = tables.of(self._store.views.checkpoint(tables.generation, query), query)
                reading = PeriodTables(tables)
                totals, quarantined = reading.totals(question.days(reading)), self._quarantined(tables)
            unallocated, unreadable = self._unallocated(question, tables.generation.reached)
            return Listing(portfolio_rows(totals, unallocated), quarantined=[*quarantined, *unreadable])

        return self._ask(from_totals)

    def receipts(self, question: Question) -> Listing[ReceiptRow]:
        """Return money received and not applied at once, whatever became of it, by date and reference."""
        found, unreadable = self._receipts(question, self._store.last_sequence())
        rows = [row for receipt, day in found if (row := receipt.row(day)) is not None]
        return Listing(sorted(rows, key=lambda row: (row.received_on, row.reference)), quarantined=unreadable)

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
        selected = self._select(question, at_one_sequence=True)
        reader, days = self._store.at(selected.through), {period.plan_id: day for period, day in selected.periods}
        pages = _pages(reader, list(days), question.known_at)
        found = [one.plan.position(days[one.plan_id]) for page in pages for one in page if one.plan]
        return Listing(found, quarantined=selected.quarantined)

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

    def _select(self, question: Question, *, at_one_sequence: bool = False) -> _Selected:
        """Return the plans that a question selects; `at_one_sequence`: exactly as of the sequence that it returns."""
        if question.known_at is not None:
            return self._replay(question, question.known_at)

        def from_tables(tables: Tables) -> _Selected:
            if not at_one_sequence:
                return self._read(question, tables)
            with self._store.views.snapshot() as query:
                generation = self._store.views.checkpoint(tables.generation, query)
                return self._read(question, tables.of(generation, query))

        return self._ask(from_tables)

    def _read(self, question: Question, tables: Tables) -> _Selected:
        reading = PeriodTables(tables)
        periods = reading.on(question.days(reading), question.filters())
        return _Selected(tables.generation.reached, periods, self._quarantined(tables))

    def _replay(self, question: Question, known_at: datetime) -> _Selected:
        """Derive the plans from their events as they were known at an instant."""
        reader = self._store.at(self._store.last_sequence())
        periods: list[tuple[Period, date]] = []
        quarantined: list[Quarantined] = []
        for page in self._replayed(reader, question, known_at):
            for one in page:
                if one.error is not None:
                    quarantined.append(Quarantined.of(one.error))
                if one.plan is not None:
                    day = question.day(one.plan.opened.terms.timezone)
                    period = period_on(one.plan, day)
                    if period is not None and question.selects(period):
                        periods.append((period, day))
        return _Selected(reader.through, periods, quarantined)

    def _replayed(self, reader: EventReader, question: Question, known_at: datetime) -> Iterator[list[Replayed]]:
        """Yield the plans that may be selected: those of one investor or partner are found in the read model."""
        of = {"investor": question.investor, "partner": question.partner}
        if not self._catch_up or not any(of.values()):
            return replay(reader, known_at=known_at)

        def candidates(tables: Tables) -> list[str]:
            left_out = {one.plan_id for one in self._quarantined(tables)}
            return sorted({*PeriodTables(tables).plan_ids(of), *left_out})

        return _pages(reader, self._ask(candidates), known_at)


def _pages(reader: EventReader, plan_ids: Sequence[str], known_at: datetime | None) -> Iterator[list[Replayed]]:
    for begin in range(0, len(plan_ids), PAGE):
        yield replay_plans(reader, plan_ids[begin : begin + PAGE], known_at=known_at)
