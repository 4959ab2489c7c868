"""Refused payments of a book: kept as money received and not applied, and counted once when their plan takes them.

A payment of a book and a receipt are the same money if both have the reference and the plan in common. Such a payment
is offered to its plan as an allocation, so the money cannot count twice; once it was allocated or returned by hand, in
whole or in part, it is not offered any more. The reversal of a payment whose money is kept takes the receipt back: its
money has left, whether the bank took it or it never was there.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import date, datetime

from ledger.books.external_sort import chunks
from ledger.books.reader import BookRow
from ledger.command_handler import CommandHandler, Decided
from ledger.commands import (
    AllocateUnallocated,
    AnyCommand,
    ReceiveUnallocated,
    RecordPayment,
    ReturnUnallocated,
    ReversePayment,
)
from ledger.dates import day_in
from ledger.errors import (
    InvalidArgument,
    LedgerError,
    Overpayment,
    PaymentNotFound,
    PlanIsCancelled,
    PlanIsCompleted,
    PlanNotFound,
)
from ledger.receipt import zone_of
from ledger.service import Ledger

ROWS_PER_TRANSACTION = 2_000

_KEEPING = (PlanIsCancelled, PlanIsCompleted, PlanNotFound, Overpayment)
"""The refusals after which the money of a payment is kept."""


class KeptPayments:
    """The receipts of a ledger, as an import meets them."""

    def __init__(self, ledger: Ledger, *, new: bool) -> None:
        """Read the receipts. `new`: money is kept that is not kept already; else that is only received again."""
        self._ledger = ledger
        self._new = new
        self._noted: dict[tuple[str, int], tuple[str, str]] = {}
        self._zones: dict[str, str] = {}
        self._receipts = {row.reference: row for row in ledger.receipts(as_of=date.max)}
        self._kept = {one.reference: (one.received, one.received_on) for one in self._receipts.values()}
        self._plans = {reference: row.plan_id for reference, row in self._receipts.items()}

    def command(self, row: BookRow) -> AnyCommand:
        """Return the command of a row: that of a payment whose money is kept concerns its receipt, too."""
        payment = row.command
        if not self._plans or not isinstance(payment, RecordPayment):
            return payment
        receipt = self._receipts.get(self._receipt_of(payment.plan_id, payment.reference))
        if receipt is None:
            return payment
        if receipt.remaining != payment.amount:
            return self._receive(payment, receipt.code, receipt.reason)  # spent: repeated, or in conflict
        return AllocateUnallocated(
            reference=receipt.reference,
            plan_id=payment.plan_id,
            payment=payment.reference,
            amount=payment.amount,
            paid_at=payment.paid_at,
            kind=payment.kind,
        )

    def note(self, row: BookRow, error: LedgerError) -> None:
        """Note the latest refusal of a row, if the money of such a row is to be kept."""
        key, command = (row.file, row.line), row.command
        self._noted.pop(key, None)
        if isinstance(command, ReversePayment) and isinstance(error, (PaymentNotFound, PlanNotFound)):
            self._noted[key] = error.code, str(error)
        if not isinstance(error, _KEEPING) or not isinstance(command, RecordPayment):
            return
        if self._new or self._receipt_of(command.plan_id, command.reference) in self._plans:
            self._noted[key] = error.code, str(error)

    def keep(self, handler: CommandHandler, refused: Iterable[BookRow]) -> dict[tuple[str, int], Decided]:
        """Keep the money of the rows that are still refused, if it is to be kept, and take back what was reversed.

        Returns by file and line the events of each receipt, none if they were recorded before, or the error with which
        the money cannot be kept or taken back.
        """
        found: dict[tuple[str, int], Decided] = {}
        remaining = (pair for row in refused if (pair := self._keeping(row)) is not None)
        for some in chunks(remaining, ROWS_PER_TRANSACTION):
            decided = handler.execute([(command, row.metadata) for row, command in some])
            found |= {(row.file, row.line): one for (row, _), one in zip(some, decided, strict=True)}
        return found

    def _keeping(self, row: BookRow) -> tuple[BookRow, AnyCommand] | None:
        noted, command = self._noted.get((row.file, row.line)), row.command
        if noted is not None and isinstance(command, ReversePayment):
            return None if (back := self._take_back(command)) is None else (row, back)
        if noted is None or not isinstance(command, RecordPayment):
            return None
        with suppress(InvalidArgument):  # a reference that is too long with its plan before it
            return row, self._receive(command, *noted)
        return None

    def _take_back(self, reversal: ReversePayment) -> ReturnUnallocated | None:
        """Return the command that takes back the money of a reversed payment, if it is kept."""
        reference = self._receipt_of(reversal.plan_id, reversal.reference)
        if self._plans.get(reference) != reversal.plan_id:
            return None
        amount, received_on = self._kept[reference]
        charged_back = reversal.cause == "chargeback"
        return ReturnUnallocated(
            reference=reference,
            return_reference=reference,
            amount=amount,
            on=received_on if reversal.on is None or not charged_back else reversal.on,
            reason="charged back" if charged_back else "recorded in error",
        )

    def _receive(self, payment: RecordPayment, code: str, reason: str) -> ReceiveUnallocated:
        reference, zone = self._receipt_of(payment.plan_id, payment.reference), self._zone(payment.plan_id)
        self._plans[reference] = payment.plan_id
        paid_at = payment.paid_at
        paid_on = day_in(zone, paid_at) if isinstance(paid_at, datetime) else paid_at
        self._kept.setdefault(reference, (payment.amount, paid_on))
        return ReceiveUnallocated(
            reference=reference,
            amount=payment.amount,
            received_at=payment.paid_at,
            timezone=zone,
            plan_id=payment.plan_id,
            code=code,
            reason=reason,
        )

    def _receipt_of(self, plan_id: str, reference: str) -> str:
        """Return the reference of a payment's receipt: with the plan before it if another plan's money has it."""
        taken = self._plans.get(reference, plan_id) != plan_id
        return f"{plan_id}/{reference}" if taken else reference

    def _zone(self, plan_id: str) -> str:
        if plan_id not in self._zones:
            self._zones[plan_id] = zone_of([])
            with suppress(PlanNotFound):
                self._zones[plan_id] = zone_of(self._ledger.history(plan_id))
        return self._zones[plan_id]
