"""Stock: the `Application` around the stock plan, on the recorders of `eventsourcing` with their default settings."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cache
from math import inf
from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.application import Application
from eventsourcing.domain import CanMutateAggregate
from eventsourcing.persistence import Tracking

from benchmarks.sides import Credited
from benchmarks.stock_plan import Plan
from benchmarks.workload import INVESTOR, LINES, OPENED_ON, PARTNER, TERMS, by_month, reference, whole_histories

DomainEvent = CanMutateAggregate[UUID]

_OPENING, _EVENT = 2_300, 300
"""Bytes of a stored opening and of any other stored event, rounded up."""


class StockPlans(Application[UUID]):
    """An application of stock plans. Every command loads its plan from its events."""

    def record_payment(self, plan: UUID, *, number: int) -> int:
        """Record a payment on time; return the number of events recorded."""
        aggregate: Plan = self.repository.get(plan)
        pay(aggregate, number)
        return len(self.save(aggregate))


class Stock:
    """The application with the settings of one database.

    Bulk work is saved in portions as large as the database takes: all at once, or small enough for psycopg's pipeline.
    """

    def __init__(self, env: Mapping[str, str], *, bytes_together: float = inf) -> None:
        self.env = env
        self._app = StockPlans(env=env)
        self.name = self._app.name
        self._bytes_together = bytes_together
        self._ids: dict[int, UUID] = {}

    def seed(self, payments: Sequence[int], *, first: int = 0, late: int = 0) -> None:
        """Save the events of one plan again and again under other ids; plans are numbered from `first`."""
        for command, plans in by_month(payments, first=first):
            self._app.save(*(_in_plan(event, plan) for plan in plans for event in recorded(late)[command]))
        self._ids |= {plan: _id(plan) for plan in range(first, first + len(payments))}

    def pay(self, plan: int, number: int) -> int:
        return self._app.record_payment(_id(plan), number=number)

    def read(self) -> int:
        """Get every plan from the repository, by its id."""
        return sum(plan.version for plan in self._plans(self._ids))

    def credited(self, plans: range) -> Credited:
        """Return the shares that these plans together have credited."""
        found = self._plans(plans)
        return Credited(sum(plan.shares_credited for plan in found), sum(plan.bonus_credited for plan in found))

    def prepare(self, plans: range) -> None:
        """Do nothing: the commands are built while they are executed."""

    def import_plans(self, plans: range) -> int:
        """Execute all commands on aggregates that are kept in memory, and save many of them at a time."""
        held: dict[int, Plan] = {}
        count = 0
        for some in whole_histories(plans):
            changed: dict[int, Plan] = {}
            for command, number in some:
                if command == 0:
                    held[number] = open_plan()
                else:
                    pay(held[number], command)
                changed[number] = held[number]
            count += sum(len(self._app.save(*together)) for together in self._portions(changed.values()))
        self._ids |= {number: plan.id for number, plan in held.items()}
        return count

    def tracked(self, *, after: int, limit: int) -> Iterator[tuple[DomainEvent, Tracking]]:
        """Yield events of the log, as the library's projections receive them."""
        for notification in self._app.recorder.select_notifications(after, limit, inclusive_of_start=False):
            event = self._app.mapper.to_domain_event(notification)
            assert isinstance(event, CanMutateAggregate)
            yield event, Tracking(self._app.name, notification.id)

    def close(self) -> None:
        self._app.close()

    def _plans(self, plans: Iterable[int]) -> list[Plan]:
        return [self._app.repository.get(self._ids[plan]) for plan in plans]

    def _portions(self, plans: Iterable[Plan]) -> Iterator[list[Plan]]:
        """Yield the aggregates in portions that may be saved together."""
        together: list[Plan] = []
        size = 0
        for plan in plans:
            more = sum(_OPENING if event.originator_version == 1 else _EVENT for event in plan.pending_events)
            if together and size + more > self._bytes_together:
                yield together
                together, size = [], 0
            together.append(plan)
            size += more
        yield together


def open_plan() -> Plan:
    """Return a new stock plan under the terms of the workload, in the form in which ours stores them."""
    return Plan(
        effective_on=OPENED_ON.isoformat(),
        investor=INVESTOR,
        partner=PARTNER,
        terms=msgspec.to_builtins(TERMS),
        lines=msgspec.to_builtins(LINES),
    )


def pay(plan: Plan, number: int, *, late: int = 0) -> None:
    """Pay one installment so many days after its due date."""
    line = LINES[number - 1]
    plan.pay(
        reference=reference(number),
        amount={"currency": TERMS.price.currency, "minor": line.amount},
        kind="regular",
        paid_on=line.due_on + timedelta(days=late),
    )


@cache
def recorded(late: int = 0) -> tuple[tuple[DomainEvent, ...], ...]:
    """Return one plan as stock records it, each payment so many days late: the events of each command."""
    plan = open_plan()
    commands = [tuple(plan.collect_events())]
    for line in LINES:
        pay(plan, line.number, late=late)
        commands.append(tuple(plan.collect_events()))
    return tuple(commands)


def replay(events: Iterable[DomainEvent]) -> Plan:
    """Return the plan of these events, as the library's projector does, less its check of each event's type."""
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
