"""The stock plan: an `Aggregate` of `eventsourcing` that does a plan's job with `@event` methods.

It records the events that ours records, under the same names and with the same fields, in types that the stock
transcoder stores as they are: dates are ISO text (which sorts as they do), terms, lines and money plain dicts. Commands
check, then trigger; the `@event` methods only assign. It covers payments in time and the alternatives: refusals,
repeated references, missed installments, cancellation by date, all four promotions, completion. It takes payments in
the order of their dates, so it never has to revise an outcome.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from eventsourcing.domain import Aggregate, event

_DAY = timedelta(days=1)
_WHOLE_BP = 10_000

Plain = dict[str, Any]
"""Terms, a line, money or an award: the stock transcoder stores it as it is."""


class PaymentRejected(Exception):
    """The payment is refused: too early, too late, too much, in another currency, or under a used reference."""


class Plan(Aggregate):
    """A plan of installments."""

    @event("PlanOpened")
    def __init__(self, effective_on: str, investor: str, partner: str, terms: Plain, lines: list[Plain]) -> None:
        self.opened_on = self.latest_on = effective_on
        self.investor = investor
        self.partner = partner
        self.terms = terms
        self.lines = lines
        self.payments: dict[str, tuple[str, Plain, str]] = {}
        self.paid = self.covered = self.settled = self.missed = 0
        self.in_time = True
        self.waiting: list[Plain] = []
        self.shares_credited = self.bonus_credited = 0
        self.cancelled_on: str | None = None
        self.completed_on: str | None = None

    # ---- commands

    def pay(self, *, reference: str, amount: Plain, kind: str, paid_on: date) -> None:
        """Record a payment and all its outcomes; nothing if this very payment was recorded before."""
        on = paid_on.isoformat()
        if (recorded := self.payments.get(reference)) is not None:
            if recorded != (on, amount, kind):
                raise PaymentRejected(f"the reference {reference!r} is taken by another payment")
            return
        self._check(amount, paid_on, on)
        self.pass_deadlines(paid_on)
        settled = self._settled_by(amount["minor"])
        awards = list(self._earned(settled, kind, on)) if len(settled) > 1 else []
        waiting = [award for award in awards if award["credit"] == "on_completion"]
        self._payment_made(on, reference, amount, kind, waiting)
        for line in settled:
            self._installment_settled(on, line["number"], line["shares"], reference)
        for award in awards:
            if award["credit"] == "at_once":
                self._promo_applied(on, award["code"], award["shares"], reference)
        if self.settled == len(self.lines):
            self._complete(on, reference)

    def pass_deadlines(self, through: date) -> None:
        """Record the outcomes that have come due by the end of a day: missed installments, then the cancellation."""
        if self.cancelled_on or self.completed_on:
            return
        cancelled_on = self._grace_ends_on(self.lines[self.settled]) + _DAY
        last = min(through, cancelled_on).isoformat()
        for line in self.lines[max(self.settled, self.missed) :]:
            if line["due_on"] >= last:
                break
            missed_on = date.fromisoformat(line["due_on"]) + _DAY
            grace_ends_on = self._grace_ends_on(line).isoformat()
            self._payment_missed(missed_on.isoformat(), line["number"], line["due_on"], grace_ends_on)
        if cancelled_on <= through:
            forfeited = self.terms["shares"] - self.shares_credited
            self._plan_cancelled(cancelled_on.isoformat(), self.lines[self.settled]["number"], forfeited)

    # ---- events

    @event("PaymentMade")
    def _payment_made(self, effective_on: str, reference: str, amount: Plain, kind: str, waiting: list[Plain]) -> None:
        self.payments[reference] = (effective_on, amount, kind)
        self.latest_on = effective_on
        self.paid += amount["minor"]
        self.waiting += waiting

    @event("InstallmentSettled")
    def _installment_settled(self, effective_on: str, number: int, shares: int, payment: str) -> None:
        line = self.lines[self.settled]
        self.settled = number
        self.covered += line["amount"]
        self.in_time = self.in_time and effective_on <= line["due_on"]
        self.shares_credited += shares

    @event("PaymentMissed")
    def _payment_missed(self, effective_on: str, number: int, due_on: str, grace_ends_on: str) -> None:
        self.latest_on = effective_on
        self.missed = number

    @event("PromoApplied")
    def _promo_applied(self, effective_on: str, code: str, shares: int, payment: str) -> None:
        self.bonus_credited += shares

    @event("PlanCompleted")
    def _plan_completed(self, effective_on: str, shares: int, payment: str) -> None:
        self.completed_on = effective_on
        self.shares_credited += shares

    @event("PlanCancelled")
    def _plan_cancelled(self, effective_on: str, number: int, shares_forfeited: int) -> None:
        self.latest_on = self.cancelled_on = effective_on

    # ---- rules

    def _check(self, amount: Plain, paid_on: date, on: str) -> None:
        price = self.terms["price"]
        if amount["currency"] != price["currency"]:
            raise PaymentRejected(f"the plan is in {price['currency']}")
        if on < self.opened_on:
            raise PaymentRejected(f"{on} is before the opening on {self.opened_on}")
        if self.completed_on:
            raise PaymentRejected(f"the plan was completed on {self.completed_on}")
        if self.cancelled_on or self._grace_ends_on(self.lines[self.settled]) < paid_on:
            raise PaymentRejected(f"the plan is cancelled on {on}")
        if on < self.latest_on:
            raise PaymentRejected(f"{on} is before {self.latest_on}, the latest date recorded")
        if self.paid + amount["minor"] > price["minor"]:
            raise PaymentRejected(f"more than the price of {price['minor']} would stand")

    def _grace_ends_on(self, line: Plain) -> date:
        return date.fromisoformat(line["due_on"]) + timedelta(days=self.terms["grace_days"])

    def _settled_by(self, minor: int) -> list[Plain]:
        """Return the oldest unsettled lines that this money settles together with the part payment before it."""
        left, settled = self.paid + minor - self.covered, []
        for line in self.lines[self.settled :]:
            left -= line["amount"]
            if left < 0:
                break
            settled.append(line)
        return settled

    def _earned(self, settled: list[Plain], kind: str, on: str) -> Iterator[Plain]:
        """Yield the awards of a payment that settles more than the line next due."""
        next_due, extra = settled[0], settled[1:]
        prepaid = [line["shares"] for line in extra if line["due_on"] > on] if kind == "early_repayment" else []
        package = self.terms["shares"]
        for promo in self.terms["promos"]:
            if promo["kind"] == "early_repayment" and prepaid:
                base = sum(prepaid) if promo["base"] == "released" else package * len(prepaid)
            elif promo["kind"] == "double_payment" and not prepaid and on <= next_due["due_on"]:
                base = extra[0]["shares"] if promo["base"] == "released" else package
            else:
                continue
            if shares := base * promo["rate_bp"] // _WHOLE_BP:
                yield {"code": promo["code"], "shares": shares, "credit": promo["credit"]}

    def _complete(self, on: str, payment: str) -> None:
        """Credit the completion tranche, then the bonuses that wait for it, in the order of the terms."""
        package = self.terms["shares"]
        self._plan_completed(on, package - self.shares_credited, payment)
        for promo in self.terms["promos"]:
            if promo["kind"] in ("double_payment", "early_repayment"):
                shares_each = [award["shares"] for award in self.waiting if award["code"] == promo["code"]]
            elif promo.get("standard") == "by_due_date" and not self.in_time:
                continue
            else:
                shares_each = [package * promo["rate_bp"] // _WHOLE_BP]
            for shares in filter(None, shares_each):
                self._promo_applied(on, promo["code"], shares, payment)
