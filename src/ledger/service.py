"""Ledger: the door to everything. Commands, queries, operations. The only place that knows a clock."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import takewhile
from threading import Event, Lock
from types import TracebackType
from typing import Self, TypedDict, Unpack

from ledger import arguments
from ledger.closing import close, closings
from ledger.command_handler import CommandHandler, Decided
from ledger.commands import CancelPlan, Command, Metadata, OpenPlan, RecordPayment, ReinstatePlan, ReversePayment
from ledger.dates import civil_date, day_in, instant
from ledger.errors import CorruptHistory, InvalidArgument, LedgerError, NotCaughtUp, PlanNotFound, StoreUnavailable
from ledger.events import RecordedEvent
from ledger.events.facts import PaymentKind, ReversalCause
from ledger.money import Money
from ledger.plan import Plan, known
from ledger.position import Position
from ledger.projections.balances import BalanceRow, balance_rows
from ledger.projections.overdue import OverdueRow, overdue_rows
from ledger.projections.periods import Period
from ledger.projections.portfolio import PortfolioRow, portfolio_rows
from ledger.projections.statement import StatementLine, statement_lines
from ledger.projections.totals import total
from ledger.queries import Only, days_of, standing_as_known
from ledger.readmodel.follower import follow
from ledger.readmodel.health import Health, health
from ledger.readmodel.runner import ReadModel
from ledger.readmodel.tables import Rows
from ledger.readmodel.verification import Verification
from ledger.state import Status
from ledger.store import Store, open_store
from ledger.telemetry import Progress
from ledger.terms import PlanTerms

_POLL_INTERVAL = 0.01
"""Seconds between two looks at how far the read model has come."""

_TOGETHER = 500
"""Plans read at a time."""

_DAY = 86_400
"""Seconds."""

_LAST = 2**63 - 1
"""No sequence is higher."""

_PAGE = 5_000
"""Events read at a time."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class CommandOptions(TypedDict, total=False):
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

    def __init__(self, store: Store, *, catch_up: bool = True, clock: Callable[[], datetime] = _utc_now) -> None:
        self._open_store: Store | None = store
        self._catches_up = catch_up
        self._clock = clock
        self._lock = Lock()
        self._model: ReadModel | None = None

    @classmethod
    def open(
        cls,
        url: str,
        *,
        name: str = "ledger",
        create: bool = True,
        views: str | None = None,
        catch_up: bool = True,
        clock: Callable[[], datetime] = _utc_now,
    ) -> Self:
        """Open the ledger `name` in a store: `memory://`, `sqlite:///PATH` or `postgresql://…`.

        A ledger that is not there is created, empty, unless `create` is False. `views` is the URL of another database
        for the tables that lists and totals are read from. They are caught up with the ledger when they are asked;
        without `catch_up` they answer as far as a follower has brought them, and `wait` says when that is far enough.
        Raises `InvalidArgument` for another URL or name, `StoreUnavailable` if the store cannot be opened or the ledger
        is not there.
        """
        return cls(open_store(url, name, create=create, views=views), catch_up=catch_up, clock=clock)

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
        **options: Unpack[CommandOptions],
    ) -> tuple[RecordedEvent, ...]:
        """Open a plan. Raises `TermsRefused`, or `ReferenceConflict` if the id is taken by another plan."""
        command = OpenPlan(plan_id=plan_id, investor=investor, partner=partner, terms=terms, opened_at=opened_at)
        return self._execute(command, **options)

    def record_payment(
        self,
        plan_id: str,
        *,
        reference: str,
        amount: Money,
        paid_at: date | datetime,
        kind: PaymentKind = "regular",
        **options: Unpack[CommandOptions],
    ) -> tuple[RecordedEvent, ...]:
        """Record a payment.

        Raises `PaymentRefused`, `Overpayment`, `PlanIsCancelled`, `PlanIsCompleted`, `ReferenceConflict`,
        `PlanNotFound`.
        """
        command = RecordPayment(plan_id=plan_id, reference=reference, amount=amount, paid_at=paid_at, kind=kind)
        return self._execute(command, **options)

    def reverse_payment(
        self,
        plan_id: str,
        *,
        reference: str,
        cause: ReversalCause,
        on: date | None = None,
        **options: Unpack[CommandOptions],
    ) -> tuple[RecordedEvent, ...]:
        """Take a payment back: by `error` it was never made, by `chargeback` it is gone from the date `on`.

        Raises `PaymentRefused`, `ReferenceConflict`, `PaymentNotFound`, `PlanNotFound`.
        """
        command = ReversePayment(plan_id=plan_id, reference=reference, cause=cause, on=on)
        return self._execute(command, **options)

    def cancel_plan(
        self, plan_id: str, *, reference: str, on: date, reason: str, **options: Unpack[CommandOptions]
    ) -> tuple[RecordedEvent, ...]:
        """Cancel a plan by request, from a date that may lie in the past.

        Raises `PlanIsCancelled`, `PlanIsCompleted`, `CommandRefused`, `ReferenceConflict`, `PlanNotFound`.
        """
        command = CancelPlan(plan_id=plan_id, reference=reference, on=on, reason=reason)
        return self._execute(command, **options)

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
        **options: Unpack[CommandOptions],
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
        return self._execute(command, **options)

    def execute_all(
        self, commands: Sequence[tuple[Command, Metadata]], *, atomic: bool = False, dry_run: bool = False
    ) -> list[Decided]:
        """Decide the commands in order and record all their events at once, or nothing.

        Returns for each the events that it recorded, or the error with which it was refused: a refused command does not
        keep the others from being recorded, unless they are `atomic`: then none is recorded, and its error is raised.
        Raises `ConcurrentChange`, `StoreUnavailable`.
        """
        if not atomic:
            return self.command_handler().execute(commands, dry_run=dry_run)
        (decided,) = self.command_handler().execute_groups([commands], dry_run=dry_run)
        if isinstance(decided, LedgerError):
            raise decided
        return [*decided]

    def command_handler(self, *, keep: int = 0) -> CommandHandler:
        """Return a command handler, which executes commands by the thousand and keeps `keep` plans in memory."""
        return CommandHandler(self._store, keep=keep)

    def _metadata(
        self,
        *,
        actor: str | None = None,
        recorded_at: datetime | None = None,
        correlation: str | None = None,
        dry_run: bool = False,
    ) -> Metadata:
        arguments.instance("dry_run", dry_run, bool, "True or False")
        at = instant("recorded_at", self._clock() if recorded_at is None else recorded_at)
        return Metadata(recorded_at=at, actor=actor, correlation=correlation)

    def _execute(self, command: Command, **options: Unpack[CommandOptions]) -> tuple[RecordedEvent, ...]:
        (decided,) = self.execute_all([(command, self._metadata(**options))], dry_run=options.get("dry_run", False))
        if isinstance(decided, LedgerError):
            raise decided
        return decided

    # ---- closing

    def close_books(
        self, *, through: date, progress: Progress | None = None, **options: Unpack[CommandOptions]
    ) -> tuple[RecordedEvent, ...]:
        """Record the outcomes that have come due by the end of the day `through`. Optional: no answer depends on it.

        Touches only plans with something due, some hundreds in a transaction, and tells `progress` how many are done of
        how many: a closing that was cut off goes on where it stopped when it is called again. Raises `CommandRefused`,
        before anything is recorded, if the day has not come in the time zone of every plan, and `CorruptHistory`, after
        all others are closed, for a plan that cannot be.
        """
        metadata, through = self._metadata(**options), civil_date("through", through)
        model, corrupt = self._read_model(), None
        try:
            model.catch_up()
        except CorruptHistory as error:  # it keeps no other plan from being closed
            corrupt = error
        commands = model.ask(lambda rows: closings(rows, through=through, metadata=metadata))
        recorded = close(
            self.command_handler(), commands, metadata, dry_run=options.get("dry_run", False), progress=progress
        )
        if corrupt is not None:
            raise corrupt
        return recorded

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
        through, standing = self._standing_through(as_of, known_at, investor=investor, partner=partner, status=status)
        found: list[Position] = []
        for begin in range(0, len(standing), _TOGETHER):
            some = {period.plan_id: day for period, day in standing[begin : begin + _TOGETHER]}
            for plan_id, history in self._store.histories(list(some), through=through).items():
                found.append(Plan(known(history, known_at)).position(some[plan_id]))
        return tuple(found)

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
        day, now = self._asked(as_of)
        if known_at is None:
            places = self._current().ask(lambda rows: rows.totals(days_of(rows, as_of=day, now=now)))
            return portfolio_rows((place.currency, place.day, total) for place, total in places)
        standing = self._standing(as_of, known_at)
        return portfolio_rows((period.currency, on, total(period)) for period, on in standing)

    def history(self, plan_id: str) -> tuple[RecordedEvent, ...]:
        """Return a plan's recorded events, oldest first. Raises `PlanNotFound`."""
        return tuple(self._history(plan_id))

    def events(self, *, after: int = 0) -> Iterator[RecordedEvent]:
        """Return an iterator over the recorded events with a sequence above `after`: for projections of your own."""
        return self._pages(arguments.whole("after", after, minimum=0, maximum=_LAST))

    def _pages(self, after: int) -> Iterator[RecordedEvent]:
        while page := self._store.events(after=after, limit=_PAGE):
            yield from page
            after = page[-1].sequence

    # ---- operations

    def wait(self, sequence: int, *, timeout: float = 10) -> int:
        """Wait until lists and totals contain everything up to `sequence`, and return the sequence that they reach.

        So a service reads what it wrote, on any node: it passes on the last sequence that a command returned. Raises
        `NotCaughtUp` after `timeout` seconds.
        """
        arguments.whole("sequence", sequence, minimum=0, maximum=_LAST)
        if not (isinstance(timeout, (int, float)) and timeout >= 0):
            raise InvalidArgument(argument="timeout", given=timeout, expected="a number of seconds from 0")
        model, ends = self._read_model(), time.monotonic() + timeout
        while True:
            reached = model.catch_up() if self._catches_up else model.live().reached
            if reached >= sequence:
                return reached
            if time.monotonic() >= ends:
                raise NotCaughtUp(wanted=sequence, reached=reached, seconds=timeout)
            time.sleep(_POLL_INTERVAL)

    def follow(self, *, stop: Event, every: float = 1, progress: Progress | None = None) -> None:
        """Keep lists and totals caught up until `stop` is set; of several followers one works, the others stand by.

        Raises `CorruptHistory` at an event that cannot be taken in.
        """
        if not (isinstance(every, (int, float)) and 0 < every <= _DAY):
            raise InvalidArgument(argument="every", given=every, expected="a number of seconds above 0, a day at most")
        follow(self._store, stop=stop, every=every, progress=progress)

    def rebuild(self, *, progress: Progress | None = None) -> Verification:
        """Derive all lists and totals again, beside those that answer meanwhile, and let them take over if verified.

        A rebuild that was cut off goes on where it stopped. If it is not equal to a replay, it is removed again.
        """
        return ReadModel(self._store).rebuild(progress)

    def verify(self, *, progress: Progress | None = None) -> Verification:
        """Compare every row of lists and totals with a replay of the events, as far as they have read."""
        return self._current().verify(progress)

    def status(self, *, max_lag: int | None = None) -> Health:
        """Return the state of the ledger and its views; a lag above `max_lag` counts as a problem."""
        if max_lag is not None:
            arguments.whole("max_lag", max_lag, minimum=0, maximum=_LAST)
        ReadModel(self._store)
        return health(self._store, max_lag=max_lag)

    # ---- read

    @property
    def _store(self) -> Store:
        if self._open_store is None:
            raise StoreUnavailable(store="Ledger", reason="it is closed", remedy="open it again")
        return self._open_store

    def _history(self, plan_id: str) -> list[RecordedEvent]:
        arguments.instance("plan_id", plan_id, str, "a plan's id")
        if plan_id.isprintable() and (history := self._store.history(plan_id)):  # no id holds anything else
            return history
        raise PlanNotFound(plan_id=plan_id)

    def _plan(self, plan_id: str, known_at: datetime | None) -> Plan:
        at = None if known_at is None else instant("known_at", known_at)
        if history := known(self._history(plan_id), at):
            return Plan(history)
        raise PlanNotFound(plan_id=plan_id, known_at=at)

    def _day(self, plan: Plan, as_of: date | None) -> date:
        return day_in(plan.opened.terms.timezone, self._clock()) if as_of is None else civil_date("as_of", as_of)

    def _read_model(self) -> ReadModel:
        store = self._store
        with self._lock:
            if self._model is None:
                model = ReadModel(store)
                model.check()
                self._model = model
            return self._model

    def _current(self) -> ReadModel:
        """Return the read model, caught up unless that is a follower's work."""
        model = self._read_model()
        if self._catches_up:
            model.catch_up()
        return model

    def _asked(self, as_of: date | None, **only: str | None) -> tuple[date | None, datetime]:
        """Return the day that is asked for, and now; raise `InvalidArgument` for what is no question."""
        for column, value in only.items():
            arguments.optional_text(column, value)
        return None if as_of is None else civil_date("as_of", as_of), self._clock()

    def _standing(self, as_of: date | None, known_at: datetime | None, **only: str | None) -> list[tuple[Period, date]]:
        """Return each plan's period on the date, with the date."""
        day, now = self._asked(as_of, **only)
        if known_at is not None:
            return self._as_known(known_at, day, now, only)[1]
        return self._current().ask(lambda rows: rows.on(days_of(rows, as_of=day, now=now), **only))

    def _standing_through(
        self, as_of: date | None, known_at: datetime | None, **only: str | None
    ) -> tuple[int, list[tuple[Period, date]]]:
        """Return the same, with the sequence through which it is known: for whoever goes on to read the events."""
        day, now = self._asked(as_of, **only)
        if known_at is not None:
            return self._as_known(known_at, day, now, only)

        def at_one_moment(rows: Rows) -> tuple[int, list[tuple[Period, date]]]:
            with self._store.tables.snapshot() as query:
                still = rows.read_by(query)
                return still.checkpoint(), still.on(days_of(still, as_of=day, now=now), **only)

        return self._current().ask(at_one_moment)

    def _as_known(
        self, known_at: datetime, as_of: date | None, now: datetime, only: Only
    ) -> tuple[int, list[tuple[Period, date]]]:
        at, last = instant("known_at", known_at), self._store.last_sequence()
        events = takewhile(lambda recorded: recorded.sequence <= last, self.events())
        return last, standing_as_known(events, known_at=at, as_of=as_of, now=now, only=only)
