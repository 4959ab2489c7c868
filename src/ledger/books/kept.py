"""Refused payments of a book: kept as money received and not applied, and counted once when their plan takes them.

A payment of a book and a receipt are the same money if both have the reference and the plan in common. Such a payment
is offered to its plan as an allocation, so the money cannot count twice; once it was allocated or returned by hand, in
whole or in part, it is not offered any more.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import date
from itertools import islice
from typing import TypeVar

from ledger.books.reader import BookRow, RefusedRow
from ledger.command_handler import CommandHandler, Decided
from ledger.commands import AllocateUnallocated, AnyCommand, ReceiveUnallocated, RecordPayment
from ledger.errors import InvalidArgument, LedgerError, Overpayment, PlanIsCancelled, PlanIsCompleted, PlanNotFound
from ledger.receipt import zone_of
from ledger.service import Ledger

T = TypeVar("T")

_ROWS_PER_TRANSACTION = 2_000

_CODES: Mapping[type[LedgerError], str] = {
    PlanIsCancelled: "plan_is_cancelled",
    PlanIsCompleted: "plan_is_completed",
    PlanNotFound: "plan_not_found",
    Overpayment: "overpayment",
}
"""The refusals after which the money of a payment is kept: their codes."""


class KeptPayments:
    """The receipts of a ledger, as an import meets them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._zones: dict[str, str] = {}
        self._receipts = {row.reference: row for row in ledger.receipts(as_of=date.max)}
        self._plans = {reference: row.plan_id for reference, row in self._receipts.items()}

    def command(self, row: BookRow) -> AnyCommand:
        """Return the command of a row: that of a payment whose money is kept concerns its receipt, too."""
        payment = row.command
        if not self._plans or not isinstance(payment, RecordPayment):
            return payment
        receipt = self._receipts.get(self._receipt_of(payment))
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

    def keep(
        self, handler: CommandHandler, refused: Iterable[tuple[BookRow, RefusedRow, str | None]], *, new: bool
    ) -> Iterator[tuple[RefusedRow, Decided | None]]:
        """Keep the money of refused payments; yield each refused row with the events of its receipt, or an error.

        `refused` has the code of each refusal. Money that is kept already is received again, which records nothing;
        other money only if `new`. A row without money to keep comes with None.
        """
        for some in _chunks(refused):
            commands = [self._keeping(row, code, why.reason, new=new) for row, why, code in some]
            batch = [(one, row.metadata) for (row, _, _), one in zip(some, commands, strict=True) if one is not None]
            decided = iter(handler.execute(batch))
            for (_, why, _), command in zip(some, commands, strict=True):
                yield why, None if command is None else next(decided)

    def _keeping(self, row: BookRow, code: str | None, reason: str, *, new: bool) -> ReceiveUnallocated | None:
        payment = row.command
        if code is None or not isinstance(payment, RecordPayment):
            return None
        if not new and self._receipt_of(payment) not in self._plans:
            return None
        with suppress(InvalidArgument):  # a reference that is too long with its plan before it
            return self._receive(payment, code, reason)
        return None

    def _receive(self, payment: RecordPayment, code: str, reason: str) -> ReceiveUnallocated:
        reference = self._receipt_of(payment)
        self._plans[reference] = payment.plan_id
        return ReceiveUnallocated(
            reference=reference,
            amount=payment.amount,
            received_at=payment.paid_at,
            timezone=self._zone(payment.plan_id),
            plan_id=payment.plan_id,
            code=code,
            reason=reason,
        )

    def _receipt_of(self, payment: RecordPayment) -> str:
        """Return the reference of a payment's receipt: with the plan before it if another plan's money has it."""
        taken = self._plans.get(payment.reference, payment.plan_id) != payment.plan_id
        return f"{payment.plan_id}/{payment.reference}" if taken else payment.reference

    def _zone(self, plan_id: str) -> str:
        if plan_id not in self._zones:
            self._zones[plan_id] = zone_of([])
            with suppress(PlanNotFound):
                self._zones[plan_id] = zone_of(self._ledger.history(plan_id))
        return self._zones[plan_id]


def keepable(error: LedgerError) -> str | None:
    """Return the code of a refusal after which the money of a payment can be kept; None for any other error."""
    return _CODES.get(type(error))


def _chunks(refused: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(refused)
    while chunk := list(islice(remaining, _ROWS_PER_TRANSACTION)):
        yield chunk
