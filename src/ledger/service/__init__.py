"""Ledger: the facade. Commands, queries, operations. The only place that knows a clock."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from threading import Event, Lock
from types import TracebackType
from typing import Self, Unpack

from ledger.command_handler import CommandHandler, Decided
from ledger.commands import (
    AllocateUnallocated,
    AnyCommand,
    CancelPlan,
    ClosePlan,
    Metadata,
    OpenPlan,
    ReceiveUnallocated,
    RecordPayment,
    ReinstatePlan,
    ReturnUnallocated,
    ReverseAllocation,
    ReversePayment,
    check_commands,
)
from ledger.dates import Known, civil_date, instant
from ledger.errors import CorruptHistory, InvalidArgument, LedgerError, NotCaughtUp, StoreUnavailable, arguments
from ledger.events import PLAN, RecordedEvent, StreamKind
from ledger.events.facts import PaymentKind, ReversalCause
from ledger.money import Money
from ledger.projections.balances import BalanceRow
from ledger.projections.builtin import PERIODS
from ledger.projections.overdue import OverdueRow
from ledger.projections.payments import PAYMENTS, PaymentRow
from ledger.projections.portfolio import PortfolioRow
from ledger.projections.projection import Projection
from ledger.projections.statement import StatementLine
from ledger.queries import Queries
from ledger.readmodel.follower import follow
from ledger.readmodel.health import Health, health
from ledger.readmodel.listing import Listing, Page
from ledger.readmodel.read_model import ReadModel
from ledger.readmodel.runner import Runner
from ledger.readmodel.verification import Verification
from ledger.receipt import ReceiptRow
from ledger.service.options import CommandOptions, ListOptions
from ledger.state import Status
from ledger.state.position import Position
from ledger.store import LAST, TIMEOUT, Store, open_store
from ledger.telemetry import Progress
from ledger.terms import PlanTerms

_POLL_INTERVAL = 0.01
"""Seconds between two looks at how far a read model has come."""

_CLOSED_TOGETHER = 500
"""Plans that are closed in one transaction."""

_PAGE = 5_000
"""Events read at a time."""


def utc_now() -> datetime:
    """Return the instant, by the clock of this machine."""
    return datetime.now(UTC)


def _checked(clock: Callable[[], datetime]) -> Callable[[], datetime]:
    """Return a clock that refuses what is no aware instant. Raises `InvalidArgument`."""
    if not callable(clock):
        raise InvalidArgument(argument="clock", given=clock, expected="a function that returns an aware datetime")
    return lambda: instant("clock", clock())


class Ledger:
    """A ledger of installment plans. Open it with `Ledger.open`; it may be shared by threads.

    Every command takes `actor`, `correlation`, `recorded_at` (default: now) and `dry_run`, and returns the events that
    it recorded, or would record; an empty tuple when this very command was recorded before. Every query takes
    `known_at`, an instant or the `EndOfDay` of a date in the plan's time zone (default: everything recorded so far),
    and `as_of`, a date (default: the day of `known_at`, else today, in the plan's time zone).
    """

    def __init__(
        self,
        store: Store,
        *,
        projections: Sequence[Projection] = (),
        catch_up: bool = True,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._open_store: Store | None = store
        self._catch_up = arguments.instance("catch_up", catch_up, bool, "True or False")
        self._clock = _checked(clock)
        self._lock = Lock()
        self._process = os.getpid()
        self._runners: dict[str, Runner] = {}
        for projection in (
            PERIODS,
            PAYMENTS,
            *arguments.instance("projections", projections, (list, tuple), "a sequence of them"),
        ):
            arguments.instance("projections", projection, Projection, "a Projection")
            if projection.name in self._runners:
                expected = "projections with names of their own"
                raise InvalidArgument(argument="projections", given=projection.name, expected=expected)
            self._runners[projection.name] = Runner(store, projection)
        periods, payments = self._runners[PERIODS.name], self._runners[PAYMENTS.name]
        self._queries = Queries(store, periods=periods, payments=payments, catch_up=catch_up, clock=self._clock)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        name: str = "ledger",
        create: bool = True,
        views: str | None = None,
        projections: Sequence[Projection] = (),
        catch_up: bool = True,
        clock: Callable[[], datetime] = utc_now,
        timeout: float = TIMEOUT,
    ) -> Self:
        """Open the ledger `name` in a store: `memory://`, `sqlite:///PATH` or `postgresql://…`.

        A ledger that is not there is created, empty, unless `create` is False. `views` is the URL of another database
        for the read models. They are caught up with the ledger when they are asked; without `catch_up` they answer as
        far as a follower has brought them, and `wait` waits until that is far enough. `projections` are read models of
        your own, beside the one that the lists are read from. A database that may only be read, as
        `sqlite:///PATH?mode=ro` or by a PostgreSQL role, answers every query and is not changed: without `views` its
        read models are derived in memory. `timeout` is the number of seconds that a call waits for a database that is
        away or locked. Raises `InvalidArgument` for another URL or name, `StoreUnavailable` if the store cannot be
        opened or the ledger is not there.
        """
        store = open_store(url, name, create=create, views=views, catch_up=catch_up, timeout=timeout)
        try:
            return cls(store, projections=projections, catch_up=catch_up, clock=clock)
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        """Release the store's connections. Closing twice is allowed."""
        with self._lock:
            store, self._open_store = self._open_store, None
        if store is not None:
            store.close()

    def __repr__(self) -> str:
        """Name the ledger and its database in words; the URL may hold a password."""
        store = self._open_store
        return "<Ledger: closed>" if store is None else f"<Ledger {store.views.prefix}: {store.label}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def within(self, connection: object) -> Self:
        """Return this ledger inside a transaction of the caller's: its events are recorded if that is committed.

        `connection` is a `sqlite3` or `psycopg` connection to the ledger's database, or a SQLAlchemy session or
        connection over one. Commands, positions, statements and histories see what the transaction has recorded so far;
        lists are answered by the ledger itself, after the commit. An error leaves the transaction as it was before the
        call. In PostgreSQL the first command locks the ledger for other writers until the transaction ends: keep it
        short. Raises `InvalidArgument` for another kind of connection; so do commands on one that commits by itself, or
        that leads to another ledger of this name.
        """
        return type(self)(self._store.within(connection), catch_up=self._catch_up, clock=self._clock)

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

    def receive_unallocated(
        self,
        reference: str,
        *,
        amount: Money,
        received_at: date | datetime,
        reason: str,
        code: str = "other",
        plan_id: str | None = None,
        timezone: str | None = None,
        **options: Unpack[CommandOptions],
    ) -> tuple[RecordedEvent, ...]:
        """Keep money that no plan takes, under the reference by which it came: received, and not applied.

        `plan_id` is the plan that the payer stated, if any; an instant counts on its date in that plan's `timezone`, or
        in UTC where there is no such plan. `code` and `reason` say why no plan takes the money, such as the code and
        the sentence of the error with which the payment was refused. Raises `ReceiptRefused`, `ReceiptConflict`.
        """
        command = ReceiveUnallocated(
            reference=reference,
            amount=amount,
            received_at=received_at,
            timezone=self._open_queries.timezone(plan_id) if timezone is None else timezone,
            plan_id=plan_id,
            code=code,
            reason=reason,
        )
        return self._execute(command, **options)

    def allocate(
        self,
        reference: str,
        *,
        plan_id: str,
        amount: Money | None = None,
        paid_at: date | datetime | None = None,
        kind: PaymentKind = "regular",
        payment_reference: str | None = None,
        **options: Unpack[CommandOptions],
    ) -> tuple[RecordedEvent, ...]:
        """Make a payment of a plan from money that was received: both are recorded, or neither.

        Without `amount` it is all that remains of the money or, where the plan takes less, the most that it takes;
        without `paid_at` it is paid when the money was received. The payment has the reference of the money unless
        `payment_reference` gives it one of its own: each further part of the same money for the same plan needs one.
        Raises `ReceiptNotFound`, `ReceiptRefused`, and what `record_payment` raises.
        """
        command = AllocateUnallocated(
            reference=reference,
            plan_id=plan_id,
            payment=reference if payment_reference is None else payment_reference,
            amount=amount,
            paid_at=paid_at,
            kind=kind,
        )
        return self._execute(command, **options)

    def reverse_allocation(
        self,
        reference: str,
        *,
        plan_id: str,
        payment_reference: str | None = None,
        **options: Unpack[CommandOptions],
    ) -> tuple[RecordedEvent, ...]:
        """Reverse the payment of an allocation for error: its money remains to be allocated again, to any plan.

        Both are recorded, or neither; where the payment was reversed for error before, only what is missing. Raises
        `ReceiptNotFound`, `ReceiptRefused`, and what `reverse_payment` raises.
        """
        payment = reference if payment_reference is None else payment_reference
        command = ReverseAllocation(reference=reference, plan_id=plan_id, payment=payment)
        return self._execute(command, **options)

    def return_unallocated(
        self,
        reference: str,
        *,
        amount: Money,
        on: date,
        reason: str,
        return_reference: str | None = None,
        **options: Unpack[CommandOptions],
    ) -> tuple[RecordedEvent, ...]:
        """Record that money which was received left the ledger: sent back to its payer, or taken back by the bank.

        The return has the reference of the money unless `return_reference` gives it one of its own: each further return
        of the same money needs one. Raises `ReceiptNotFound`, `ReceiptRefused`, `ReceiptConflict`.
        """
        command = ReturnUnallocated(
            reference=reference,
            return_reference=reference if return_reference is None else return_reference,
            amount=amount,
            on=on,
            reason=reason,
        )
        return self._execute(command, **options)

    def execute_all(
        self, commands: Sequence[tuple[AnyCommand, Metadata]], *, atomic: bool = False, dry_run: bool = False
    ) -> list[Decided]:
        """Decide the commands in order and record all their events at once, or nothing.

        Returns for each the events that it recorded, or the error with which it was refused: a refused command does not
        keep the others from being recorded, unless they are `atomic`: then none is recorded, and its error is raised.
        Raises `InvalidArgument`, `ConcurrentChange`, `StoreUnavailable`.
        """
        commands = check_commands(commands)
        for name, value in (("atomic", atomic), ("dry_run", dry_run)):
            arguments.instance(name, value, bool, "True or False")
        if not atomic:
            return self.command_handler().execute(commands, dry_run=dry_run)
        (decided,) = self.command_handler().execute_groups([commands], dry_run=dry_run)
        if isinstance(decided, LedgerError):
            raise decided
        return [*decided]

    def command_handler(self, *, keep: int = 0) -> CommandHandler:
        """Return a command handler, which executes commands by the thousand and keeps `keep` plans in memory."""
        return CommandHandler(self._store, clock=self._clock, keep=keep)

    def _metadata(
        self,
        *,
        actor: str | None = None,
        recorded_at: datetime | None = None,
        correlation: str | None = None,
        dry_run: bool = False,
    ) -> Metadata:
        arguments.instance("dry_run", dry_run, bool, "True or False")
        return Metadata(recorded_at=recorded_at, actor=actor, correlation=correlation)

    def _execute(self, command: AnyCommand, **options: Unpack[CommandOptions]) -> tuple[RecordedEvent, ...]:
        (decided,) = self.execute_all([(command, self._metadata(**options))], dry_run=options.get("dry_run", False))
        if isinstance(decided, LedgerError):
            raise decided
        return decided

    # ---- closing

    def close_books(
        self, *, through: date, progress: Progress | None = None, **options: Unpack[CommandOptions]
    ) -> tuple[RecordedEvent, ...]:
        """Record the outcomes that have come due by the end of the day `through`. Optional: no answer depends on it.

        Touches only plans with something due, some hundreds in a transaction, and calls `progress` with how many are
        done of how many: a closing that was cut off goes on where it stopped when it is called again. Raises
        `CommandRefused`, before anything is recorded, if the day has not come in the time zone of every plan, and
        `CorruptHistory`, after all others are closed, for a plan that cannot be.
        """
        metadata, through = self._metadata(**options), civil_date("through", through)
        due = self._open_queries.due(through, recorded_at=metadata.recorded_at or self._clock())
        handler = self.command_handler()
        recorded: list[RecordedEvent] = []
        errors: list[LedgerError] = []
        for begin in range(0, len(due), _CLOSED_TOGETHER):
            some = due[begin : begin + _CLOSED_TOGETHER]
            commands = [(ClosePlan(plan_id=plan_id, through=through), metadata) for plan_id in some]
            for events in handler.execute(commands, dry_run=options.get("dry_run", False)):
                if isinstance(events, LedgerError):
                    errors.append(events)
                else:
                    recorded += events
            if progress is not None:
                progress(begin + len(some), len(due))
        for one in () if errors else due.quarantined:
            raise CorruptHistory(plan_id=one.plan_id, version=one.version, event=one.event, reason=one.reason)
        if errors:
            raise errors[0]
        return tuple(recorded)

    # ---- queries: of a page, up to `limit` rows after the cursor `after`, the `next` of the page before it

    def position(self, plan_id: str, *, as_of: date | None = None, known_at: Known | None = None) -> Position:
        """Return the position of a plan. Raises `PlanNotFound`, also for a date before the opening."""
        return self._open_queries.position(plan_id, as_of=as_of, known_at=known_at)

    def positions(
        self,
        *,
        investor: str | None = None,
        partner: str | None = None,
        status: Status | None = None,
        **query: Unpack[ListOptions],
    ) -> Listing[Position]:
        """Return the positions of the plans opened by then, of one investor, partner or status if given, by plan id."""
        queries = self._open_queries
        return queries.positions(queries.question(investor=investor, partner=partner, status=status, **query))

    def statement(self, plan_id: str, **query: Unpack[ListOptions]) -> Listing[StatementLine]:
        """Return a plan's history up to the date, line by line, with running balances. Raises `PlanNotFound`."""
        queries = self._open_queries
        return queries.statement(plan_id, queries.question(**query))

    def overdue(self, *, partner: str | None = None, **query: Unpack[ListOptions]) -> Listing[OverdueRow]:
        """Return the plans in grace, the most urgent first: by end of grace, then plan id."""
        queries = self._open_queries
        return queries.overdue(queries.question(partner=partner, status="in_grace", **query))

    def balances(self, *, investor: str | None = None, **query: Unpack[ListOptions]) -> Listing[BalanceRow]:
        """Return the share balances, one row per investor, by investor."""
        queries = self._open_queries
        return queries.balances(queries.question(investor=investor, **query))

    def portfolio(self, **query: Unpack[ListOptions]) -> Listing[PortfolioRow]:
        """Return the portfolio, one row per currency, by currency."""
        queries = self._open_queries
        return queries.portfolio(queries.question(**query))

    def unallocated(self, **query: Unpack[ListOptions]) -> Listing[ReceiptRow]:
        """Return the money received of which something remains to be allocated, by date and reference."""
        queries = self._open_queries
        return queries.receipts(queries.question(**query), remaining=True)

    def receipts(self, **query: Unpack[ListOptions]) -> Listing[ReceiptRow]:
        """Return all money that was received and not applied at once, whatever became of it, by date and reference."""
        queries = self._open_queries
        return queries.receipts(queries.question(**query))

    def payments(
        self,
        *,
        reference: str | None = None,
        plan_id: str | None = None,
        investor: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> Listing[PaymentRow]:
        """Return the recorded payments with a reference, in whatever plan, by reference, then plan id.

        Without a reference: all payments, or those of one plan or investor. They include payments that were reversed,
        and those that found nothing to settle.
        """
        page = Page(limit, after)
        return self._open_queries.payments(page, reference=reference, plan_id=plan_id, investor=investor)

    def history(
        self, plan_id: str, *, kind: StreamKind = PLAN, after: int = 0, limit: int | None = None
    ) -> tuple[RecordedEvent, ...]:
        """Return up to `limit` of a plan's recorded events with a version above `after`, oldest first.

        With `kind="receipt"`: those of money that was received, whose reference takes the place of the plan's id.
        Raises `PlanNotFound`, `ReceiptNotFound`.
        """
        return tuple(self._open_queries.history(plan_id, kind=kind, after=after, limit=limit))

    def recorded(self, plan_id: str, *, key: str, kind: StreamKind = PLAN) -> tuple[RecordedEvent, ...]:
        """Return the events that a plan's commands with an idempotency key have recorded, oldest first.

        So a repeat, which records nothing, learns what it repeats, and with `wait` up to the last sequence it reads
        what was written. A payment and its reversal share a key. With `kind="receipt"`: the events of money that was
        received, whose reference takes the place of the plan's id. Empty if nothing was recorded under the key. Raises
        `PlanNotFound`, `ReceiptNotFound`.
        """
        return tuple(self._open_queries.recorded(plan_id, key, kind=kind))

    def events(self, *, after: int = 0, limit: int | None = None) -> Iterator[RecordedEvent]:
        """Return an iterator over up to `limit` recorded events with a sequence above `after`, in their order.

        For projections of your own: `after` is the sequence of the last event that they have applied.
        """
        arguments.whole("after", after, minimum=0, maximum=LAST)
        return self._pages(after, LAST if limit is None else arguments.whole("limit", limit, minimum=1, maximum=LAST))

    def _pages(self, after: int, limit: int) -> Iterator[RecordedEvent]:
        while limit and (page := self._store.events(after=after, limit=min(limit, _PAGE))):
            yield from page
            after, limit = page[-1].sequence, limit - len(page)

    def read_model(self, projection: str) -> ReadModel:
        """Return the read model of a projection that the ledger was opened with, for questions of your own."""
        return ReadModel(self._runner(projection), catch_up=self._catch_up)

    # ---- operations

    def wait(self, sequence: int, *, timeout: float = 10, projection: str = PERIODS.name) -> int:
        """Wait until a read model contains everything up to `sequence`, and return the sequence that it has reached.

        So a service reads what it wrote, on any node: it passes on the last sequence that a command returned, or, if it
        returned nothing since it was a repeat, that of `recorded`. Raises `NotCaughtUp` after `timeout` seconds.
        """
        arguments.whole("sequence", sequence, minimum=0, maximum=LAST)
        timeout = arguments.seconds("timeout", timeout)
        runner, ends = self._runner(projection), time.monotonic() + timeout
        while True:
            reached = runner.catch_up().reached if self._catch_up else runner.reached()
            if reached >= sequence:
                return reached
            if time.monotonic() >= ends:
                raise NotCaughtUp(wanted=sequence, reached=reached, seconds=timeout)
            time.sleep(_POLL_INTERVAL)

    def follow(self, *, stop: Event, every: float = 1, progress: Progress | None = None) -> None:
        """Keep all read models caught up until `stop` is set; of several followers one leads, the others stand by.

        A plan whose history cannot be read goes into quarantine and stops nothing; `status` names it.
        """
        arguments.interval("every", every)
        if not (callable(getattr(stop, "is_set", None)) and callable(getattr(stop, "wait", None))):
            raise InvalidArgument(argument="stop", given=stop, expected="an Event of threading or multiprocessing")
        follow(self._store, list(self._runners.values()), stop=stop, every=every, progress=progress)

    def begin_epoch(self) -> None:
        """Begin a new epoch: after a restore, or whatever else may have taken events away from the ledger.

        Read models of the epoch before are filled again when they are next caught up. A projection of your own, outside
        of the ledger, compares `status().epoch` with the one that it keeps beside its sequence.
        """
        self._store.begin_epoch()

    def rebuild(self, *, projection: str = PERIODS.name, progress: Progress | None = None) -> Verification:
        """Derive a read model again, beside the one that answers meanwhile; promote it if verification finds nothing.

        A rebuild that was cut off goes on where it stopped. A generation with differences is dropped again. Raises
        `StoreUnavailable` where the live one has read events which the ledger does not have: audit it, or begin an
        epoch.
        """
        return self._runner(projection).rebuild(progress)

    def verify(self, *, projection: str = PERIODS.name, progress: Progress | None = None) -> Verification:
        """Compare every row of a read model with a replay of the events, as far as it has applied them.

        It compares read models only: whether the events are those that were recorded, it cannot tell.
        """
        return self._runner(projection).verify(progress, catch_up=self._catch_up)

    def status(self, *, max_lag: int | None = None) -> Health:
        """Return the state of the ledger and its read models; a lag above `max_lag` counts as a problem."""
        if max_lag is not None:
            arguments.whole("max_lag", max_lag, minimum=0, maximum=LAST)
        projections = [runner.projection for runner in self._runners.values()]
        return health(self._store, projections, max_lag=max_lag, optional=[PAYMENTS.name])

    # ---- open or closed

    @property
    def store(self) -> Store:
        """The events as they are stored, and the tables of the read models: for audits and exports, which only read."""
        return self._store

    @property
    def _store(self) -> Store:
        if os.getpid() != self._process:
            reason = "it was opened by another process"
            raise StoreUnavailable(store="Ledger", reason=reason, remedy="open it after the fork, in each process")
        if self._open_store is None:
            raise StoreUnavailable(store="Ledger", reason="it is closed", remedy="open it again")
        return self._open_store

    @property
    def _open_queries(self) -> Queries:
        _ = self._store  # refuses a ledger that is closed
        return self._queries

    def _runner(self, projection: str) -> Runner:
        _ = self._store
        if not isinstance(projection, str) or projection not in self._runners:
            expected = f"a projection that the ledger was opened with: {', '.join(self._runners)}"
            raise InvalidArgument(argument="projection", given=projection, expected=expected)
        return self._runners[projection]
