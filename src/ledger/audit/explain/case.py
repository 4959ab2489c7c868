"""The case of an explanation: a plan on a date, with the steps that led there and the events that record them."""

from collections.abc import Iterator
from datetime import date

import attrs

from ledger.audit.explain.tree import Node, Source, Unit, Value
from ledger.dates import DAY
from ledger.events import Fact, Outcome, PaymentMade, PaymentReversed, PlanOpened, PlanReinstated
from ledger.events.outcomes import InstallmentSettled, PaymentMissed, PlanCancelled, ScheduleRevised
from ledger.money import Money
from ledger.plan import Plan
from ledger.state import State, Step
from ledger.terms.schedule import Installment
from ledger.values import TAGS

Received = PaymentMade | PlanReinstated
"""The facts that bring money."""


class Case:
    """A plan as it was known, on a date: everything here is read from its timeline, steps and grounds."""

    def __init__(self, plan: Plan, as_of: date) -> None:
        self.plan = plan
        self.as_of = as_of
        self.opened = plan.opened
        self.terms = plan.opened.terms
        self.steps = list(plan.steps(as_of))
        self.grounds = plan.grounds(as_of)
        found = plan.timeline(as_of)
        self.state = found.state
        self.outcomes = found.outcomes
        self.holding = found.holding()
        self.settlements = {one.number: one for one in self.holding if isinstance(one, InstallmentSettled)}
        self._outcome_versions: dict[Outcome, int] = {  # in force on the date; of equal ones the latest
            item.outcome: item.version for item in plan.outcomes if item.until is None or item.until > as_of
        }
        self._versions: dict[Fact, int] = dict(zip(plan.facts, plan.fact_versions, strict=True))

    @property
    def active(self) -> bool:
        """Whether the plan takes payments."""
        return self.state.status in ("active", "in_grace")

    def money(self, minor: int) -> Money:
        """Return an amount in the plan's currency."""
        return Money(minor, self.terms.price.currency)

    # ---- events

    def source(self, event: PlanOpened | Fact | Outcome) -> Source:
        """Return an event of the plan with its version, if it is recorded."""
        if isinstance(event, PlanOpened):
            version: int | None = 1
        elif isinstance(event, Outcome):
            version = self._outcome_versions.get(event)
        else:
            version = self._versions[event]
        by = next((name for name in ("reference", "payment", "request") if hasattr(event, name)), None)
        reference = None if by is None else getattr(event, by)
        return Source(version=version, type=TAGS[type(event)], effective_on=event.effective_on, reference=reference)

    def term(self, name: str, field: str, value: Value, unit: Unit) -> Node:
        """Return the leaf of a term: a field of the opening."""
        return self.leaf(name, self.opened, field, value, unit)

    def leaf(self, name: str, event: PlanOpened | Fact | Outcome, field: str | None, value: Value, unit: Unit) -> Node:
        """Return the leaf of a field of an event; without a field, of the event's type."""
        return Node(name=name, value=value, unit=unit, operation="field", field=field, events=(self.source(event),))

    def received(self, reference: str) -> Received:
        """Return a payment, or a reinstatement with its payment."""
        return self.plan.payments[reference]

    # ---- steps

    def moments(self) -> Iterator[tuple[State, Step]]:
        """Yield each step after the opening with the state before it."""
        for before, step in zip(self.steps, self.steps[1:], strict=False):
            yield before.state, step

    def reinstatements(self) -> list[PlanReinstated]:
        """Return the reinstatements that took effect, oldest first."""
        return [
            step.fact
            for before, step in self.moments()
            if isinstance(step.fact, PlanReinstated) and before.status == "cancelled"
        ]

    def chargebacks(self) -> list[tuple[PaymentReversed, list[int]]]:
        """Return the chargebacks with the numbers of the installments that each opened again, oldest first."""
        return [
            (step.fact, sorted(one.number for one in step.ended if isinstance(one, InstallmentSettled)))
            for _, step in self.moments()
            if isinstance(step.fact, PaymentReversed)
        ]

    def cancellations(self) -> list[PlanCancelled]:
        """Return the cancellations, oldest first."""
        return [one for one in self.outcomes if isinstance(one, PlanCancelled)]

    def missed(self, cancelled: PlanCancelled) -> PaymentMissed | None:
        """Return the missed payment whose grace ended with a cancellation; None if it was requested."""
        return next(
            (
                one
                for one in reversed(self.outcomes)
                if isinstance(one, PaymentMissed)
                and one.number == cancelled.number
                and one.grace_ends_on + DAY == cancelled.effective_on
            ),
            None,
        )

    def paid_after(self, cancelled: PlanCancelled) -> Received | None:
        """Return the first payment that arrived on a plan after a cancellation."""
        return next(
            (
                step.fact
                for before, step in self.moments()
                if isinstance(step.fact, Received) and before.cancelled_on == cancelled.effective_on
            ),
            None,
        )

    # ---- the schedule in force

    def due(self, line: Installment) -> Node:
        """Return the leaf of an installment's due date in force: of the opening, or of the latest re-dating."""
        index = line.number - 1
        revised = [one for one in self.holding if isinstance(one, ScheduleRevised)]
        if revised and line.number >= revised[-1].lines[0].number:
            at = line.number - revised[-1].lines[0].number
            return self.leaf("due_on", revised[-1], f"lines.{at}.due_on", line.due_on, "date")
        return self.term("due_on", f"lines.{index}.due_on", line.due_on, "date")

    def package(self, *, earned_by: str | None = None) -> Node:
        """Return the package's shares: at the end of the date or, of an award, when the payment earned it."""
        agreed = self.term("agreed_package", "terms.shares", self.terms.shares, "shares")
        revised: list[Node] = []
        for before, step in self.moments():
            fact = step.fact
            if isinstance(fact, Received) and fact.reference == earned_by:
                break
            if isinstance(fact, PlanReinstated) and before.status == "cancelled" and fact.revised_shares is not None:
                leaf = self.leaf("revised_package", fact, "revised_shares", fact.revised_shares, "shares")
                revised.append(attrs.evolve(leaf, facts={"date": fact.effective_on}))
        if not revised:
            return agreed
        least = min(self.terms.shares, *(leaf.value for leaf in revised if isinstance(leaf.value, int)))
        return Node(name="package", value=least, unit="shares", operation="least", children=(agreed, *revised))
