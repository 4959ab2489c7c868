"""Ledger: the door to everything. Load, decide, append, retry; read. The only place that knows a clock."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import count, islice
from threading import Lock
from types import TracebackType
from typing import Self, TypedDict, Unpack

from ledger import arguments
from ledger.commands import CancelPlan, ClosePlan, Command, Note, OpenPlan, RecordPayment, ReinstatePlan, ReversePayment
from ledger.dates import civil_date, day_in, instant
from ledger.decide import Clerk
from ledger.errors import CommandRefused, ConcurrentChange, LedgerError, PlanNotFound, StoreUnavailable
from ledger.events import RecordedEvent
from ledger.events.facts import PaymentKind, ReversalCause
from ledger.money import Money
from ledger.plan import Plan, Position, known
from ledger.projections.balances import BalanceRow, balance_rows
from ledger.projections.catch_up import ReadModel
from ledger.projections.overdue import OverdueRow, overdue_rows
from ledger.projections.phases import Phase
from ledger.projections.portfolio import PortfolioRow, portfolio_rows
from ledger.projections.standing import standing_as_known, standing_now
from ledger.projections.statement import StatementLine, statement_lines
from ledger.state import Status
from ledger.store import Store, open_store
from ledger.terms import PlanTerms

_ATTEMPTS = 30
_PAGE = 5_000
"""Events read at a time."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Noted(TypedDict, total=False):
    """What every command takes besides its own arguments."""

    actor: str | None
    recorded_at: datetime | None
    correlation: str | None
    dry_run: bool


class Ledger:
    """A ledger of installment plans. Open it with `Ledger.open`; it may be shared by threads.

    Every command takes `actor`, `correlation`, `recorded_at` (default: now) and `dry_run`, and returns the events that
    it recorded, or would record; an empty tuple when this very command was recorded before. Every query takes `as_of`,
    a date (default: today in the plan's time zone), and `known_at`, an instant (default: everything recorded so far).
    """

    def __init__(self, store: Store, *, clock: Callable[[], datetime] = _utc_now) -> None:
        self._open_store: Store | None = store
        self._clock = clock
        self._lock = Lock()
        self._model: ReadModel | None = None

    @classmethod
    def open(
        cls, url: str, *, name: str = "ledger", create: bool = True, clock: Callable[[], datetime] = _utc_now
    ) -> Self:
        """Open the ledger `name` in a store: `memory://`, `sqlite:///PATH` or `postgresql://…`.

        A ledger that is not there is created, empty, unless `create` is False. Raises `InvalidArgument` for another URL
        or name, `StoreUnavailable` if the store cannot be opened or the ledger is not there.
        """
        return cls(open_store(url, name, create=create), clock=clock)

    def close(self) -> None:
        """Release the store's connections. Closing twice is allowed."""
        with self._lock:
            store, self._open_store, self._model = self._open_store, None, None
        if store is not None:
            store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- commands

    def open_plan(
        self,
        plan_id: str,
        *,
        investor: str,
        partner: str | None,
        terms: PlanTerms,
        opened_at: date | datetime,
        **noted: Unpack[Noted],
    ) -> tuple[RecordedEvent, ...]:
        """Open a plan. Raises `TermsRefused`, or `ReferenceConflict` if the id is taken by another plan."""
        command = OpenPlan(plan_id=plan_id, investor=investor, partner=partner, terms=terms, opened_at=opened_at)
        return self._execute(command, **noted)

    def record_payment(
        self,
        plan_id: str,
        *,
        reference: str,
        amount: Money,
        paid_at: date | datetime,
        kind: PaymentKind = "regular",
        **noted: Unpack[Noted],
    ) -> tuple[RecordedEvent, ...]:
        """Record a payment.

        Raises `PaymentRefused`, `Overpayment`, `PlanIsCancelled`, `PlanIsCompleted`, `ReferenceConflict`,
        `PlanNotFound`.
        """
        command = RecordPayment(plan_id=plan_id, reference=reference, amount=amount, paid_at=paid_at, kind=kind)
        return self._execute(command, **noted)

    def reverse_payment(
        self, plan_id: str, *, reference: str, cause: ReversalCause, on: date | None = None, **noted: Unpack[Noted]
    ) -> tuple[RecordedEvent, ...]:
        """Take a payment back: by `error` it was never made, by `chargeback` it is gone from the date `on`.

        Raises `PaymentRefused`, `ReferenceConflict`, `PaymentNotFound`, `PlanNotFound`.
        """
        command = ReversePayment(plan_id=plan_id, reference=reference, cause=cause, on=on)
        return self._execute(command, **noted)

    def cancel_plan(
        self, plan_id: str, *, reference: str, on: date, reason: str, **noted: Unpack[Noted]
    ) -> tuple[RecordedEvent, ...]:
        """Cancel a plan by request, from a date that may lie in the past.

        Raises `PlanIsCancelled`, `PlanIsCompleted`, `CommandRefused`, `ReferenceConflict`, `PlanNotFound`.
        """
        command = CancelPlan(plan_id=plan_id, reference=reference, on=on, reason=reason)
        return self._execute(command, **noted)

    def reinstate_plan(
        self,
        plan_id: str,
        *,
        on: date,
        reference: str,
        amount: Money,
        approved_by: str,
        reason: str,
        revised_shares: int | None = None,
        **noted: Unpack[Noted],
    ) -> tuple[RecordedEvent, ...]:
        """Reinstate a cancelled plan with the payment that covers what is overdue.

        Raises `ReinstatementRefused`, `Overpayment`, `ReferenceConflict`, `PlanNotFound`.
        """
        command = ReinstatePlan(
            plan_id=plan_id,
            on=on,
            reference=reference,
            amount=amount,
            approved_by=approved_by,
            reason=reason,
            revised_shares=revised_shares,
        )
        return self._execute(command, **noted)

    def close_books(self, *, through: date, **noted: Unpack[Noted]) -> tuple[RecordedEvent, ...]:
        """Record the outcomes that have come due by the end of the day `through`. Optional: no answer depends on it.

        Raises `CommandRefused`, before anything is recorded, if the day has not come in the time zone of every plan.
        """
        model, through = self._caught_up(), civil_date("through", through)
        note = self._note(**noted)
        for zone in model.zones():
            today = day_in(zone, note.recorded_at)
            if through > today and (plan_id := model.recorded_before(through, zone)) is not None:
                reason = f"the closing is dated {through}, after {today}, the day of its recording in {zone}"
                raise CommandRefused(plan_id=plan_id, reason=reason, remedy=f"close through {today}")
        closings = [ClosePlan(plan_id=plan_id, through=through) for plan_id in model.due(through)]
        decided = self.execute_all([(closing, note) for closing in closings], dry_run=noted.get("dry_run", False))
        for error in decided:
            if isinstance(error, LedgerError):
                raise error
        return tuple(event for events in decided if not isinstance(events, LedgerError) for event in events)

    def execute_all(
        self, commands: Sequence[tuple[Command, Note]], *, dry_run: bool = False
    ) -> list[tuple[RecordedEvent, ...] | LedgerError]:
        """Decide the commands in order and record all that they bring at once, or nothing.

        Returns for each the events that it recorded, or the error with which it was refused: a refused command does not
        keep the others from being recorded. Raises `ConcurrentChange`, `StoreUnavailable`.
        """
        for attempt in count(1):
            decided = self._decide(commands)
            try:
                return decided if dry_run else self._append(decided)
            except ConcurrentChange as error:
                if attempt == _ATTEMPTS:
                    raise ConcurrentChange(plan_id=error.plan_id, attempts=attempt) from error
                time.sleep(random.uniform(0, min(0.001 * 2**attempt, 0.1)))  # noqa: S311 - only to take turns
        raise AssertionError  # count does not end

    # ---- queries

    def position(self, plan_id: str, *, as_of: date | None = None, known_at: datetime | None = None) -> Position:
        """Return what a plan comes to. Raises `PlanNotFound`, also for a date before the opening."""
        plan = self._plan(plan_id, known_at)
        return plan.position(self._day(plan, as_of))

    def positions(
        self,
        *,
        investor: str | None = None,
        partner: str | None = None,
        status: Status | None = None,
        as_of: date | None = None,
        known_at: datetime | None = None,
    ) -> tuple[Position, ...]:
        """Return the positions of the plans opened by then, of one investor, partner or status if given, by plan id."""
        if status is not None:
            arguments.one_of("status", status, ("active", "in_grace", "cancelled", "completed"))
        standing = self._standing(as_of, known_at, investor=investor, partner=partner, status=status)
        return tuple(self._plan(phase.plan_id, known_at).position(day) for phase, day in standing)

    def statement(
        self, plan_id: str, *, as_of: date | None = None, known_at: datetime | None = None
    ) -> tuple[StatementLine, ...]:
        """Return a plan's story up to the date, line by line, with running balances. Raises `PlanNotFound`."""
        plan = self._plan(plan_id, known_at)
        return statement_lines(plan, self._day(plan, as_of))

    def overdue(
        self, *, partner: str | None = None, as_of: date | None = None, known_at: datetime | None = None
    ) -> tuple[OverdueRow, ...]:
        """Return the plans in grace, the most urgent first: by end of grace, then plan id."""
        return overdue_rows(self._standing(as_of, known_at, partner=partner, status="in_grace"))

    def balances(
        self, *, investor: str | None = None, as_of: date | None = None, known_at: datetime | None = None
    ) -> tuple[BalanceRow, ...]:
        """Return the share balances, one row per investor, by investor."""
        return balance_rows(self._standing(as_of, known_at, investor=investor))

    def portfolio(self, *, as_of: date | None = None, known_at: datetime | None = None) -> tuple[PortfolioRow, ...]:
        """Return the portfolio, one row per currency, by currency."""
        return portfolio_rows(self._standing(as_of, known_at))

    def history(self, plan_id: str) -> tuple[RecordedEvent, ...]:
        """Return a plan's recorded events, oldest first. Raises `PlanNotFound`."""
        return tuple(self._history(plan_id))

    def events(self, *, after: int = 0) -> Iterator[RecordedEvent]:
        """Return an iterator over the recorded events with a sequence above `after`: for projections of your own."""
        return self._pages(arguments.whole("after", after, minimum=0, maximum=2**63 - 1))

    def _pages(self, after: int) -> Iterator[RecordedEvent]:
        while page := self._store.events(after=after, limit=_PAGE):
            yield from page
            after = page[-1].sequence

    # ---- load, decide, append, retry

    @property
    def _store(self) -> Store:
        if self._open_store is None:
            raise StoreUnavailable(store="Ledger", reason="it is closed", remedy="open it again")
        return self._open_store

    def _note(
        self,
        *,
        actor: str | None = None,
        recorded_at: datetime | None = None,
        correlation: str | None = None,
        dry_run: bool = False,
    ) -> Note:
        arguments.instance("dry_run", dry_run, bool, "True or False")
        at = instant("recorded_at", self._clock() if recorded_at is None else recorded_at)
        return Note(recorded_at=at, actor=actor, correlation=correlation)

    def _execute(self, command: Command, **noted: Unpack[Noted]) -> tuple[RecordedEvent, ...]:
        (decided,) = self.execute_all([(command, self._note(**noted))], dry_run=noted.get("dry_run", False))
        if isinstance(decided, LedgerError):
            raise decided
        return decided

    def _decide(self, commands: Sequence[tuple[Command, Note]]) -> list[tuple[RecordedEvent, ...] | LedgerError]:
        clerks: dict[str, Clerk] = {}
        decided: list[tuple[RecordedEvent, ...] | LedgerError] = []
        for command, note in commands:
            plan_id = command.plan_id
            history = () if plan_id in clerks else self._store.history(plan_id)
            try:
                clerk = clerks[plan_id] if plan_id in clerks else clerks.setdefault(plan_id, Clerk(history))
                decided.append(clerk.decide(command, note))
            except LedgerError as error:
                decided.append(error)
        return decided

    def _append(
        self, decided: Sequence[tuple[RecordedEvent, ...] | LedgerError]
    ) -> list[tuple[RecordedEvent, ...] | LedgerError]:
        brought = [events for events in decided if not isinstance(events, LedgerError)]
        recorded = iter(self._store.append([event for events in brought for event in events]))
        return [
            events if isinstance(events, LedgerError) else tuple(islice(recorded, len(events))) for events in decided
        ]

    # ---- read

    def _history(self, plan_id: str) -> list[RecordedEvent]:
        if history := self._store.history(plan_id):
            return history
        raise PlanNotFound(plan_id=plan_id)

    def _plan(self, plan_id: str, known_at: datetime | None) -> Plan:
        at = None if known_at is None else instant("known_at", known_at)
        if history := known(self._history(plan_id), at):
            return Plan(history)
        raise PlanNotFound(plan_id=plan_id, known_at=at)

    def _day(self, plan: Plan, as_of: date | None) -> date:
        return day_in(plan.opened.terms.timezone, self._clock()) if as_of is None else civil_date("as_of", as_of)

    def _caught_up(self) -> ReadModel:
        store = self._store
        with self._lock:
            self._model = self._model or ReadModel(store)
            model = self._model
        model.catch_up()
        return model

    def _standing(self, as_of: date | None, known_at: datetime | None, **only: str | None) -> list[tuple[Phase, date]]:
        for column, value in only.items():
            arguments.optional_text(column, value)
        day, now = None if as_of is None else civil_date("as_of", as_of), self._clock()
        if known_at is None:
            return standing_now(self._caught_up(), as_of=day, now=now, only=only)
        at = instant("known_at", known_at)
        return standing_as_known(self.events(), known_at=at, as_of=day, now=now, only=only)
