"""Entries: the commands of a ledger, a method each, executed at once."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import TypedDict, Unpack

from ledger import arguments
from ledger.commands import CancelPlan, Command, Note, OpenPlan, RecordPayment, ReinstatePlan, ReversePayment
from ledger.dates import instant
from ledger.desk import Decided, Desk
from ledger.errors import LedgerError
from ledger.events import RecordedEvent
from ledger.events.facts import PaymentKind, ReversalCause
from ledger.money import Money
from ledger.store import Store
from ledger.terms import PlanTerms


class Noted(TypedDict, total=False):
    """What every command takes besides its own arguments."""

    actor: str | None
    recorded_at: datetime | None
    correlation: str | None
    dry_run: bool


class Entries(ABC):
    """What can be recorded in a ledger. Its clock dates the recording where the caller does not."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    @property
    @abstractmethod
    def _store(self) -> Store:
        """Where it is recorded."""

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

    def execute_all(self, commands: Sequence[tuple[Command, Note]], *, dry_run: bool = False) -> list[Decided]:
        """Decide the commands in order and record all that they bring at once, or nothing.

        Returns for each the events that it recorded, or the error with which it was refused: a refused command does not
        keep the others from being recorded. Raises `ConcurrentChange`, `StoreUnavailable`.
        """
        return self.desk().execute(commands, dry_run=dry_run)

    def desk(self, *, keep: int = 0) -> Desk:
        """Return a desk, which executes commands by the thousand; it keeps so many plans at hand for the next ones."""
        return Desk(self._store, keep=keep)

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
