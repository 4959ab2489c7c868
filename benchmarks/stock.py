"""Stock: the `Application` around the stock plan, on the recorders of `eventsourcing` with their default settings."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.application import Application
from eventsourcing.domain import CanMutateAggregate

from benchmarks.sides import Credited
from benchmarks.stock_plan import Plan
from benchmarks.workload import INVESTOR, LINES, OPENED_ON, PARTNER, TERMS, by_month, reference

DomainEvent = CanMutateAggregate[UUID]


class StockPlans(Application[UUID]):
    """An application of stock plans. Every command loads its plan from its events."""

    def record_payment(self, plan: UUID, *, number: int) -> int:
        """Record a payment on time; return the number of events recorded."""
        aggregate: Plan = self.repository.get(plan)
        pay_on_time(aggregate, number)
        return len(self.save(aggregate))


class Stock:
    """The application with the settings of one database."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._app = StockPlans(env=env)
        self._ids: list[UUID] = []

    def seed(self, payments: Sequence[int]) -> None:
        """Save the events of one plan again and again under other ids."""
        for command, plans in by_month(payments):
            self._app.save(*(_in_plan(event, plan) for plan in plans for event in recorded()[command]))
        self._ids = [_id(plan) for plan in range(len(payments))]

    def pay(self, plan: int, number: int) -> int:
        return self._app.record_payment(_id(plan), number=number)

    def read(self) -> int:
        """Get every plan from the repository, by its id."""
        plans = self._plans()
        return sum(plan.version for plan in plans)

    def credited(self) -> Credited:
        """Return what all plans together have credited."""
        plans = self._plans()
        return Credited(sum(plan.shares_credited for plan in plans), sum(plan.bonus_credited for plan in plans))

    def close(self) -> None:
        self._app.close()

    def _plans(self) -> list[Plan]:
        return [self._app.repository.get(plan) for plan in self._ids]


def open_plan() -> Plan:
    """Return a new stock plan under the terms of the workload, in the form in which ours stores them."""
    return Plan(
        effective_on=OPENED_ON.isoformat(),
        investor=INVESTOR,
        partner=PARTNER,
        terms=msgspec.to_builtins(TERMS),
        lines=msgspec.to_builtins(LINES),
    )


def pay_on_time(plan: Plan, number: int) -> None:
    """Pay one installment on its due date."""
    line = LINES[number - 1]
    plan.pay(
        reference=reference(number),
        amount={"currency": TERMS.price.currency, "minor": line.amount},
        kind="regular",
        paid_on=line.due_on,
    )


@cache
def recorded() -> tuple[tuple[DomainEvent, ...], ...]:
    """Return one plan as stock records it, from opening to completion: the events of each command."""
    plan = open_plan()
    commands = [tuple(plan.collect_events())]
    for line in LINES:
        pay_on_time(plan, line.number)
        commands.append(tuple(plan.collect_events()))
    return tuple(commands)


def replay(events: Iterable[DomainEvent]) -> Plan:
    """Return the plan that the events make: what the library's projector does, less its check of each event's type."""
    plan: Plan | None = None
    for event in events:
        plan = event.mutate(plan)
    assert plan is not None
    return plan


def _id(plan: int) -> UUID:
    return UUID(int=plan)


def _in_plan(event: Any, plan: int) -> DomainEvent:
    moved: DomainEvent = dataclasses.replace(event, originator_id=_id(plan))
    return moved
