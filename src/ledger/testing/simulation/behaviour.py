"""The lives of plans: what investors do on which day. They know the schedule that they were given, and no rule."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Literal

import attrs

from ledger.dates import DAY
from ledger.terms import Closed, PartialCover, PlanTerms
from ledger.terms.schedule import Installment, schedule
from ledger.testing.simulation.parameters import Investors, Market
from ledger.testing.simulation.seeded import Dice

_OFFICE = "head of sales"


@attrs.frozen(kw_only=True)
class Act:
    """An act on a day: the call of the port by its name, and its arguments without the instant of recording.

    `found_on` is the day on which it reaches us, if it lies elsewhere until then.
    """

    on: date
    name: Literal["open", "pay", "cancel", "reinstate"]
    given: Mapping[str, Any]
    found_on: date | None = None


@attrs.frozen(kw_only=True)
class Life:
    """A plan: its investor, partner and terms, and what the investor does about it, day by day."""

    plan_id: str
    investor: str
    partner: str | None
    package: int
    terms: PlanTerms
    opened_on: date
    acts: Sequence[Act]


@attrs.frozen
class Payment:
    """Money that an investor means to pay: in minor units, on a day."""

    on: date
    amount: int
    early: bool = False


def life(market: Market, dice: Dice, *, plan_id: str, investor: str, partner: str | None, opened_on: date) -> Life:
    """Return the life of a plan that opens on a day."""
    package = dice.weighted({number: one.weight for number, one in enumerate(market.packages)})
    terms = market.packages[package].terms(dice.weighted(market.time_zones))
    return Life(
        plan_id=plan_id,
        investor=investor,
        partner=partner,
        package=package,
        terms=terms,
        opened_on=opened_on,
        acts=tuple(_Investor(market.investors, dice, terms, opened_on).acts()),
    )


class _Investor:
    """One investor's dealings with one plan."""

    def __init__(self, ways: Investors, dice: Dice, terms: PlanTerms, opened_on: date) -> None:
        self._ways, self._dice, self._terms, self._opened_on = ways, dice, terms, opened_on
        self._lines = schedule(terms, opened_on)
        self._references = 0

    def acts(self) -> Iterator[Act]:
        """Yield what the investor does, in the order of thought: not always of days."""
        kinds = {name: getattr(self._ways.kinds, name) for name in _KINDS}
        payments, settled = _KINDS[self._dice.weighted(kinds)](self)
        for payment in payments:
            if self._ways.overpays_bp and self._dice.happens(self._ways.overpays_bp):
                yield self._pays(Payment(payment.on, self._terms.price.minor + payment.amount))
            yield self._pays(payment)
        if settled < len(self._lines):
            yield from self._stops(settled)

    # ---- kinds of investor: the payments, and the number of installments after which they end

    def _punctual(self) -> tuple[list[Payment], int]:
        return [self._on_time(line) for line in self._lines], len(self._lines)

    def _late(self) -> tuple[list[Payment], int]:
        return [self._paid(line, self._late_by()) for line in self._lines], len(self._lines)

    def _forgetful(self) -> tuple[list[Payment], int]:
        """Forget an installment now and then: remember it within grace, or pay it with the next one, too late."""
        payments: list[Payment] = []
        for line, after in zip(self._lines, [*self._lines[1:], None], strict=True):
            if not self._dice.happens(self._ways.forgets_bp):
                payments.append(self._on_time(line))
            elif after is None or self._dice.happens(self._ways.remembers_bp):
                payments.append(self._paid(line, self._late_by()))
            else:
                payments.append(Payment(self._on_time(after).on, line.amount + after.amount))
                return payments, line.number - 1
        return payments, len(self._lines)

    def _automatic(self) -> tuple[list[Payment], int]:
        count = min(self._dice.between(1, 2), len(self._lines))
        return [self._on_time(line) for line in self._lines[:count]], count

    def _parts(self) -> tuple[list[Payment], int]:
        payments = []
        for line in self._lines:
            first = self._dice.between(1, line.amount)
            payments.append(Payment(self._on_time(line).on, first))
            if first < line.amount:
                payments.append(Payment(self._paid(line, self._late_by()).on, line.amount - first))
        return payments, len(self._lines)

    def _prepays(self) -> tuple[list[Payment], int]:
        at = self._dice.between(0, len(self._lines) - 1)
        payments = [self._on_time(line) for line in self._lines[:at]]
        most = len(self._lines) if self._dice.happens(5_000) else at + 3
        together = self._lines[at:most]
        amount = sum(line.amount for line in together)
        payments.append(Payment(self._on_time(together[0]).on, amount, early=self._dice.happens(6_000)))
        return [*payments, *(self._on_time(line) for line in self._lines[most:])], len(self._lines)

    def _upfront(self) -> tuple[list[Payment], int]:
        return [Payment(self._opened_on, sum(line.amount for line in self._lines))], len(self._lines)

    def _stops_paying(self) -> tuple[list[Payment], int]:
        most = max(1, len(self._lines) * self._ways.stops_after_percent // 100)
        count = self._dice.between(1, most)
        return [self._paid(line, self._late_by()) for line in self._lines[:count]], count

    # ---- the end of a plan that is not paid on

    def _stops(self, settled: int) -> Iterator[Act]:
        missed = self._lines[settled]
        asks = self._dice.happens(self._ways.asks_bp)
        if asks and self._ways.letters_bp and self._dice.happens(self._ways.letters_bp):
            yield from self._writes(missed.due_on - self._dice.between(1, 20) * DAY, settled)
        elif asks:
            day = max(self._opened_on, missed.due_on - self._dice.between(-25, 20) * DAY)
            given = {"reference": self._reference("request"), "on": day, "reason": "asked by the investor"}
            yield Act(on=day, name="cancel", given=given)
        elif self._dice.happens(self._ways.returns_bp):
            after = self._dice.between(1, self._ways.returns_after_days)
            yield from self._returns(missed.due_on + (self._terms.grace_days + after) * DAY, settled)

    def _writes(self, day: date, settled: int) -> Iterator[Act]:
        """Ask by letter, which is found weeks later; until then the standing order pays, and that money finds nothing.

        They are asked, and those who stay are reinstated: the money that has come in the meantime counts again.
        """
        day = max(self._opened_on, day)
        found_on = day + self._dice.between(10, self._ways.letter_days) * DAY
        for line in self._lines[settled:]:
            if day < line.due_on < found_on:
                yield self._pays(Payment(line.due_on, line.amount))
        given = {"reference": self._reference("request"), "on": day, "reason": "asked by letter"}
        yield Act(on=day, name="cancel", given=given, found_on=found_on)
        if not isinstance(self._terms.reinstatement, Closed) and self._dice.happens(self._ways.reinstated_bp):
            after = self._dice.between(1, self._ways.returns_after_days)
            yield from self._reinstated(max(found_on, self._lines[settled].due_on) + after * DAY, settled)

    def _returns(self, day: date, settled: int) -> Iterator[Act]:
        """Come back with the money that is overdue: the office reinstates the plan, or the money comes as a payment."""
        if isinstance(self._terms.reinstatement, Closed) or not self._dice.happens(self._ways.reinstated_bp):
            yield self._pays(Payment(day, sum(line.amount for line in self._overdue(day, settled))))
        else:
            yield from self._reinstated(day, settled)

    def _reinstated(self, day: date, settled: int) -> Iterator[Act]:
        """Be reinstated with the money that is overdue, or with part of it and a smaller package; then pay on."""
        covered, revised, policy = self._overdue(day, settled), None, self._terms.reinstatement
        if isinstance(policy, PartialCover) and len(covered) > policy.minimum and self._dice.happens(5_000):
            covered = covered[: policy.minimum]
            revised = self._revised()
        given = {
            "reference": self._reference("back"),
            "amount": self._money(sum(line.amount for line in covered)),
            "on": day,
            "approved_by": _OFFICE,
            "reason": "came back with the money",
            "revised_shares": revised,
        }
        yield Act(on=day, name="reinstate", given=given)
        for number, line in enumerate(self._lines[settled + len(covered) :], 1):
            yield self._pays(Payment(day + (28 * number) * DAY, line.amount))

    def _overdue(self, day: date, settled: int) -> Sequence[Installment]:
        return [line for line in self._lines[settled:] if line.due_on < day]

    def _revised(self) -> int:
        """Return a smaller package that still holds what the installments release."""
        released = sum(line.shares for line in self._lines)
        return self._dice.between(max(1, released), self._terms.shares)

    # ---- parts

    def _on_time(self, line: Installment) -> Payment:
        return self._paid(line, -self._dice.between(0, self._ways.early_days))

    def _paid(self, line: Installment, days: int) -> Payment:
        return Payment(max(self._opened_on, line.due_on + days * DAY), line.amount)

    def _late_by(self) -> int:
        """Return days after the due date, within grace."""
        return self._dice.between(0, min(self._ways.late_days, self._terms.grace_days))

    def _pays(self, payment: Payment) -> Act:
        given = {
            "reference": self._reference("bank"),
            "amount": self._money(payment.amount),
            "kind": "early_repayment" if payment.early else "regular",
        }
        return Act(on=payment.on, name="pay", given=given)

    def _reference(self, kind: str) -> str:
        self._references += 1
        return f"{kind}-{self._references}"

    def _money(self, amount: int) -> dict[str, Any]:
        return {"minor": amount, "currency": self._terms.price.currency}


_KINDS: Mapping[str, Callable[[_Investor], tuple[list[Payment], int]]] = {
    "punctual": _Investor._punctual,  # noqa: SLF001 - a table of this class's own methods
    "late": _Investor._late,  # noqa: SLF001
    "forgetful": _Investor._forgetful,  # noqa: SLF001
    "automatic": _Investor._automatic,  # noqa: SLF001
    "parts": _Investor._parts,  # noqa: SLF001
    "prepays": _Investor._prepays,  # noqa: SLF001
    "upfront": _Investor._upfront,  # noqa: SLF001
    "stops": _Investor._stops_paying,  # noqa: SLF001
}
"""The kinds of investor, by the names of the parameters."""
