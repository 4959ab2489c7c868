"""Payments: every payment of every plan, to be found by its reference."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal, NamedTuple, cast, get_type_hints

import attrs

from ledger.events import PaymentMade
from ledger.events.facts import PaymentKind, ReversalCause
from ledger.money import Money
from ledger.plan import Plan
from ledger.projections.projection import Index, PlanTable, Projection, Row


@attrs.frozen(kw_only=True)
class PaymentRow:
    """A recorded payment, of whatever effect: `kind` "reinstatement" is that of a decision to reinstate a plan.

    `effective_on` is its date in the plan's time zone. `reversal` is the cause for which it was taken back, and
    `reversed_on` the date from which it does not count; both are None while it does. A reference is unique in a plan:
    the same one in two plans are two rows.
    """

    reference: str
    plan_id: str
    investor: str
    kind: Literal[PaymentKind, "reinstatement"]
    effective_on: date
    amount: Money
    reversal: ReversalCause | None
    reversed_on: date | None


class StoredPayment(NamedTuple):
    """A payment as it is stored: its amount in minor units."""

    plan_id: str
    reference: str
    investor: str
    kind: str
    effective_on: date
    minor: int
    currency: str
    reversal: str | None
    reversed_on: date | None

    def row(self) -> PaymentRow:
        """Return the payment as callers see it."""
        return PaymentRow(
            reference=self.reference,
            plan_id=self.plan_id,
            investor=self.investor,
            kind=cast(PaymentKind, self.kind),  # as `_rows` wrote it
            effective_on=self.effective_on,
            amount=Money(self.minor, self.currency),
            reversal=cast(ReversalCause | None, self.reversal),
            reversed_on=self.reversed_on,
        )


def _rows(plan: Plan) -> Mapping[str, Sequence[Row]]:
    payments: list[StoredPayment] = []
    for reference, payment in sorted(plan.payments.items()):
        reversal = plan.reversals.get(reference)
        payments.append(
            StoredPayment(
                plan_id=plan.plan_id,
                reference=reference,
                investor=plan.opened.investor,
                kind=payment.kind if isinstance(payment, PaymentMade) else "reinstatement",
                effective_on=payment.effective_on,
                minor=payment.amount.minor,
                currency=payment.amount.currency,
                reversal=None if reversal is None else reversal.cause,
                reversed_on=None if reversal is None else reversal.effective_on,
            )
        )
    return {"payments": payments}


PAYMENTS = Projection(
    name="payments",
    version=1,
    tables=(
        PlanTable(
            name="payments",
            columns=get_type_hints(StoredPayment),
            key=("plan_id", "reference"),
            indexes=(Index(columns=("reference", "plan_id")), Index(columns=("investor", "reference", "plan_id"))),
        ),
    ),
    rows=_rows,
)
"""Each plan's payments, with an index on their references."""
