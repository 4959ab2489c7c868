"""The reference model: a second implementation of RULES.md, one day at a time. Numbers in parentheses are its sections.

Standard library only. It shares nothing with the library that it checks.
"""

from __future__ import annotations

import calendar
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

Outcome = tuple[Any, ...]
ONE_DAY = timedelta(days=1)


# ---------------------------------------------------------------- terms and facts (1, 2)
@dataclass(frozen=True)
class Promo:
    """One promotion granted to the plan (7)."""

    type: str  # "on_time" | "package" | "double" | "early"
    code: str
    rate_bp: int
    standard: str = "within_grace"  # on_time only; or "by_due_date"
    base: str = "package"  # double/early only; or "released"
    credit: str = "at_once"  # double/early only; or "on_completion"


@dataclass(frozen=True)
class Terms:
    """The frozen terms (2)."""

    price: int  # minor units
    exponent: int  # digits of the minor unit
    shares: int
    installments: int
    rounding_unit: int
    release: tuple[Any, ...]  # ("per_unit", "45/7") | ("portion", "1/3") | ("explicit", (..ints..))
    schedule: tuple[Any, ...]  # ("monthly",) | ("every", n) | ("lines", ((date, minor), ...))
    first_due_on: date
    grace_days: int
    promos: tuple[Promo, ...]
    stacking: str  # "additive" | "exclusive" | "compound"


@dataclass(frozen=True)
class Paid:
    """A payment."""

    on: date
    reference: str
    amount: int
    kind: str  # "regular" | "early_repayment"


@dataclass(frozen=True)
class Reversed:
    """A payment taken back; `on` means nothing when the cause is "error"."""

    on: date | None
    reference: str
    cause: str  # "error" | "chargeback"


@dataclass(frozen=True)
class CancelRequested:
    """A request to cancel."""

    on: date
    reference: str


@dataclass(frozen=True)
class Reinstated:
    """A reinstatement with its payment."""

    on: date
    reference: str
    amount: int
    revised_shares: int | None


Fact = Paid | Reversed | CancelRequested | Reinstated


# ---------------------------------------------------------------- the state
@dataclass
class Line:
    """One installment."""

    number: int
    original_due_on: date  # as opened
    due_on: date  # as opened, or as re-dated by a reinstatement
    amount: int
    shares: int
    clock: date  # missed the day after, grace counted from here: due_on, or X after a chargeback
    missed: bool = False
    paid: int = 0
    settled_on: date | None = None
    settled_by: str = ""


@dataclass
class Award:
    """A double payment or early repayment award that a payment earned (7)."""

    promo_index: int  # index in the order of the terms
    shares: int
    reference: str
    outcome: Outcome | None  # the PromoApplied, if credited at once


@dataclass
class Plan:
    """The state of a plan, which changes from day to day."""

    terms: Terms
    lines: list[Line]
    package: int  # the package's shares; a reinstatement may lower it (9)
    status: str = "active"  # "active" | "cancelled" | "completed"
    cancelled_on: date | None = None
    completed_on: date | None = None
    completion_outcomes: list[Outcome] = field(default_factory=list)
    completion_bonus: int = 0
    completion_bonuses_lost: bool = False
    awards: list[Award] = field(default_factory=list)  # those in force, in the order earned
    applied: dict[str, int] = field(default_factory=dict)  # by payment reference
    unapplied: dict[str, int] = field(default_factory=dict)  # by payment reference, oldest first
    standing: dict[str, int] = field(default_factory=dict)  # received and not charged back
    overpaid_on: date | None = None
    outcomes: set[Outcome] = field(default_factory=set)


@dataclass
class Report:
    """The position of the plan on a date, and the outcomes in force."""

    status: str
    paid: int
    outstanding: int
    unapplied: int
    settled: int
    next_number: int | None
    next_due_on: date | None
    next_amount: int | None
    next_shares: int | None
    next_missing: int | None
    overdue_number: int | None
    overdue_due_on: date | None
    days_past_due: int
    days_left: int | None
    grace_ends_on: date | None
    amount_due: int
    cancelled_on: date | None
    completed_on: date | None
    shares_credited: int
    shares_promised: int
    shares_forfeited: int
    bonus_credited: int
    bonus_promised: int
    overpaid_on: date | None
    outcomes: set[Outcome]


# ---------------------------------------------------------------- schedule and release (3, 4)
def add_months(anchor: date, months: int) -> date:
    """The same day `months` later, clamped to the end of that month (3)."""
    years, month0 = divmod(anchor.month - 1 + months, 12)
    year, month = anchor.year + years, month0 + 1
    return date(year, month, min(anchor.day, calendar.monthrange(year, month)[1]))


def due_dates(terms: Terms) -> list[date]:
    """The due dates as opened (3)."""
    if terms.schedule[0] == "lines":
        return [due_on for due_on, _ in terms.schedule[1]]
    if terms.schedule[0] == "every":
        return [terms.first_due_on + i * timedelta(days=terms.schedule[1]) for i in range(terms.installments)]
    return [add_months(terms.first_due_on, i) for i in range(terms.installments)]


def amounts(terms: Terms) -> list[int]:
    """The amounts: price / installments rounded up to the unit; the last is the remainder (3)."""
    if terms.schedule[0] == "lines":
        return [amount for _, amount in terms.schedule[1]]
    units = math.ceil(Fraction(terms.price, terms.installments * terms.rounding_unit))
    regular = units * terms.rounding_unit
    return [regular] * (terms.installments - 1) + [terms.price - regular * (terms.installments - 1)]


def releases(terms: Terms) -> list[int]:
    """The shares that each installment credits when it is settled (4)."""
    if terms.release[0] == "explicit":
        return list(terms.release[1])
    number = Fraction(terms.release[1])
    if terms.release[0] == "per_unit":
        return [math.floor(Fraction(amount, 10**terms.exponent) * number) for amount in amounts(terms)]
    count = len(amounts(terms))
    after = [math.floor(number * terms.shares * i / count) for i in range(count + 1)]
    return [after[i + 1] - after[i] for i in range(count)]


def schedule(terms: Terms) -> list[tuple[date, int, int]]:
    """(due_on, amount, shares released) of each installment, as opened."""
    return list(zip(due_dates(terms), amounts(terms), releases(terms), strict=True))


# ---------------------------------------------------------------- deadlines (6)
def grace_end(plan: Plan, line: Line) -> date:
    """The last day on which a payment for this line saves the plan."""
    return line.clock + timedelta(days=plan.terms.grace_days)


def overdue_lines(plan: Plan, day: date) -> list[Line]:
    """Unsettled lines past their clock, the one whose grace ends first (then the lowest number) first."""
    late = [line for line in plan.lines if line.settled_on is None and line.clock < day]
    return sorted(late, key=lambda line: (line.clock, line.number))


def deadlines(plan: Plan, day: date) -> None:
    """The deadlines at the start of a day: first missed, then cancelled (6)."""
    if plan.status != "active":
        return
    late = overdue_lines(plan, day)
    for line in late:
        if not line.missed:
            line.missed = True
            plan.outcomes.add(("missed", day, line.number))
    if late and grace_end(plan, late[0]) < day:
        cancel(plan, day, "grace", late[0].number)


def cancel(plan: Plan, day: date, why: str, by: int | str) -> None:
    """Cancel the plan; credited shares stay, the rest is forfeited (6)."""
    plan.status = "cancelled"
    plan.cancelled_on = day
    plan.outcomes.add(("cancelled", day, why, by))


# ---------------------------------------------------------------- payments and awards (5, 7)
def receive(plan: Plan, reference: str, amount: int) -> None:
    """Record received money (5)."""
    plan.standing[reference] = amount


def end_of_day(plan: Plan, day: date) -> None:
    """At the end of a day the money then standing is compared with the price (5)."""
    if sum(plan.standing.values()) > plan.terms.price and plan.overpaid_on is None:
        plan.overpaid_on = day


def settle(plan: Plan, day: date, reference: str, amount: int) -> list[Line]:
    """Apply money to the oldest unsettled lines; return those that it settled. The rest is unapplied (5, 10)."""
    settled = []
    for line in plan.lines:
        part = min(amount, line.amount - line.paid)
        if part == 0:
            continue
        amount -= part
        line.paid += part
        plan.applied[reference] = plan.applied.get(reference, 0) + part
        if line.paid == line.amount:
            line.settled_on, line.settled_by = day, reference
            plan.outcomes.add(settled_outcome(line))
            settled.append(line)
    if amount:
        plan.unapplied[reference] = amount
    return settled


def settled_outcome(line: Line) -> Outcome:
    """The outcome that records the settlement of a line."""
    return ("settled", line.settled_on, line.number, line.shares, line.settled_by)


def pay(plan: Plan, day: date, reference: str, amount: int, kind: str) -> None:
    """An ordinary payment (5); on a plan that is not active it becomes unapplied (10)."""
    if plan.status != "active":
        plan.unapplied[reference] = amount
        return
    settled = settle(plan, day, reference, amount)
    if settled:
        earn(plan, day, reference, kind, settled)
    complete_if_settled(plan, day)


def earn(plan: Plan, day: date, reference: str, kind: str, settled: list[Line]) -> None:
    """The awards that a payment earns by the lines that it settled (7)."""
    next_due, others = settled[0], settled[1:]  # oldest first: the one next due is always the first
    prepaid = [line for line in others if line.due_on > day]
    early = kind == "early_repayment" and len(prepaid) > 0  # else it is an ordinary payment
    for index, promo in enumerate(plan.terms.promos):
        if promo.type == "early" and early:
            extra = prepaid
        elif promo.type == "double" and not early and others and day <= next_due.due_on:
            extra = others[:1]
        else:
            continue
        released = sum(line.shares for line in extra)
        base = plan.package * len(extra) if promo.base == "package" else released
        shares = base * promo.rate_bp // 10_000
        if shares == 0:
            continue  # an award that rounds to nothing is not recorded
        outcome = None
        if promo.credit == "at_once":
            outcome = ("promo", day, promo.code, shares, reference)
            plan.outcomes.add(outcome)
        plan.awards.append(Award(index, shares, reference, outcome))


# ---------------------------------------------------------------- completion (7, 8)
def complete_if_settled(plan: Plan, day: date) -> None:
    """When no line is open: PlanCompleted with the tranche, then the bonuses credited on completion (8)."""
    if any(line.settled_on is None for line in plan.lines):
        return
    completing = plan.lines[-1].settled_by
    plan.status = "completed"
    plan.completed_on = day
    plan.completion_outcomes = [("completed", day, tranche(plan), completing)]
    plan.completion_bonus = 0
    for code, shares, reference in completion_bonuses(plan, day):
        plan.completion_outcomes.append(("promo", day, code, shares, reference or completing))
        plan.completion_bonus += shares
    plan.outcomes.update(plan.completion_outcomes)


def tranche(plan: Plan) -> int:
    """The completion tranche: the package less all releases (4, 9)."""
    return plan.package - sum(line.shares for line in plan.lines)


def on_time_kept(plan: Plan, promo: Promo, day: date) -> bool:
    """Whether the on-time bonus can still be earned on this day, if the plan was never cancelled (7)."""
    if promo.standard == "within_grace":
        return True
    for line in plan.lines:
        if line.settled_on is None and line.due_on < day:
            return False
        if line.settled_on is not None and line.settled_on > line.due_on:
            return False
    return True


def completion_bonuses(plan: Plan, day: date) -> list[tuple[str, int, str | None]]:
    """(code, shares, earning payment if any) of each bonus that completion on this day credits (7)."""
    if plan.completion_bonuses_lost:
        return []
    bonuses: list[tuple[str, int, str | None]] = []
    for index, promo in enumerate(plan.terms.promos):
        if promo.type == "package" or (promo.type == "on_time" and on_time_kept(plan, promo, day)):
            base = plan.package
            if plan.terms.stacking == "compound":
                base += sum(shares for _, shares, _ in bonuses)
            if base * promo.rate_bp // 10_000 > 0:
                bonuses.append((promo.code, base * promo.rate_bp // 10_000, None))
        waiting = [award for award in plan.awards if award.promo_index == index and award.outcome is None]
        bonuses.extend((promo.code, award.shares, award.reference) for award in waiting)
    if plan.terms.stacking == "exclusive" and bonuses:
        return [max(bonuses, key=lambda bonus: bonus[1])]  # max: the first, if equal
    return bonuses


# ---------------------------------------------------------------- chargeback (10)
def charge_back(plan: Plan, day: date, reference: str) -> None:
    """Take the money back from this day on; lines that it no longer covers are open again (10)."""
    plan.standing.pop(reference, None)
    plan.unapplied.pop(reference, None)
    if plan.applied.pop(reference, 0) == 0:
        return
    for award in [award for award in plan.awards if award.reference == reference]:
        plan.awards.remove(award)  # an award falls with the payment that earned it
        if award.outcome is not None:
            plan.outcomes.remove(award.outcome)
    was_completed = plan.status == "completed"
    if was_completed:
        plan.status, plan.completed_on, plan.completion_bonus = "active", None, 0
        plan.outcomes.difference_update(plan.completion_outcomes)
    left = sum(plan.applied.values())
    for line in plan.lines:
        line.paid = min(left, line.amount)
        left -= line.paid
        if line.settled_on is not None and line.paid < line.amount:
            reopen(plan, line, day)
    if was_completed:  # revived; there is unapplied money here only if it was overpaid
        apply_unapplied(plan, day)
        complete_if_settled(plan, day)


def reopen(plan: Plan, line: Line, day: date) -> None:
    """Reopen a settled line; if it was already due, its clock starts today (10)."""
    plan.outcomes.remove(settled_outcome(line))
    line.settled_on, line.settled_by, line.missed = None, "", False
    line.clock = max(line.due_on, day)  # a cancelled plan has no running clocks


def apply_unapplied(plan: Plan, day: date) -> None:
    """Unapplied money applies again when the plan is revived; it earns no award (10)."""
    money, plan.unapplied = plan.unapplied, {}
    for reference, amount in money.items():
        settle(plan, day, reference, amount)


# ---------------------------------------------------------------- reinstatement (9)
def reinstate(plan: Plan, day: date, fact: Reinstated) -> None:
    """Reinstate a cancelled plan; on any other plan the money is an ordinary payment (9)."""
    if plan.status != "cancelled":
        pay(plan, day, fact.reference, fact.amount, "regular")
        return
    plan.status, plan.cancelled_on = "active", None
    plan.completion_bonuses_lost = True
    if fact.revised_shares is not None and fact.revised_shares < plan.package:
        plan.package = fact.revised_shares  # if the package is smaller already, the smaller one counts
    settle(plan, day, fact.reference, fact.amount)  # first the payment that revives the plan,
    apply_unapplied(plan, day)  # then the money that had found nothing to settle
    complete_if_settled(plan, day)
    if plan.status == "active":
        redate(plan, day)


def redate(plan: Plan, day: date) -> None:
    """ScheduleRevised: the first unsettled line 30 days on, the others at the schedule's own spacing (9)."""
    unsettled = [line for line in plan.lines if line.settled_on is None]
    anchor = day + timedelta(days=30)
    for i, line in enumerate(unsettled):
        if plan.terms.schedule[0] == "monthly":
            line.due_on = add_months(anchor, i)
        elif plan.terms.schedule[0] == "every":
            line.due_on = anchor + i * timedelta(days=plan.terms.schedule[1])
        else:
            line.due_on = anchor + (line.original_due_on - unsettled[0].original_due_on)
        line.clock, line.missed = line.due_on, False
    plan.outcomes.add(("revised", day, tuple((line.number, line.due_on) for line in unsettled)))


def cover(terms: Terms, opened_on: date, facts: Iterable[Fact], on: date, amount: int) -> tuple[int, int]:
    """How many installments are overdue on a day, and how many of those this amount would settle on it (9).

    Overdue is what was due before the day; the money settles the oldest unsettled installment first, and unapplied
    money does not count.
    """
    plan = live(terms, opened_on, facts, on)
    overdue = [line for line in plan.lines if line.settled_on is None and line.due_on < on]
    settled = settle(plan, on, "the reinstating payment", amount)
    return len(overdue), len([line for line in overdue if line in settled])


# ---------------------------------------------------------------- the derivation, day by day
def believed(facts: Iterable[Fact]) -> list[Fact]:
    """The facts without the payments reversed for error, and without the reinstatements that rest on them (9, 10)."""
    facts = list(facts)
    errors = {fact.reference for fact in facts if isinstance(fact, Reversed) and fact.cause == "error"}
    kept: list[Fact] = []
    for fact in facts:
        if isinstance(fact, Reversed) and fact.cause == "error":
            continue
        if isinstance(fact, (Paid, Reinstated)) and fact.reference in errors:
            continue
        kept.append(fact)
    return kept


def take_in(plan: Plan, day: date, fact: Fact) -> None:
    """Apply one fact on its day."""
    if isinstance(fact, Paid):
        receive(plan, fact.reference, fact.amount)
        pay(plan, day, fact.reference, fact.amount, fact.kind)
    elif isinstance(fact, Reinstated):
        receive(plan, fact.reference, fact.amount)
        reinstate(plan, day, fact)
    elif isinstance(fact, Reversed):
        charge_back(plan, day, fact.reference)
    elif plan.status == "active":
        cancel(plan, day, "request", fact.reference)


def derive(terms: Terms, opened_on: date, facts: Iterable[Fact], as_of: date) -> Report:
    """Report a plan as of a date."""
    return report(live(terms, opened_on, facts, as_of), as_of)


def live(terms: Terms, opened_on: date, facts: Iterable[Fact], as_of: date) -> Plan:
    """Return the plan at the end of the day `as_of`."""
    if as_of < opened_on:
        raise ValueError(f"the plan opens on {opened_on}, after {as_of}")
    return next(plan for day, plan in days(terms, opened_on, facts) if day == as_of)


def days(terms: Terms, opened_on: date, facts: Iterable[Fact]) -> Iterator[tuple[date, Plan]]:
    """Live from the opening on: each day its deadlines, then its facts in the order of recording (6).

    Yields the day and the plan at its end; it is the same plan, which goes on to change.
    """
    lines = [Line(i, due, due, amount, shares, due) for i, (due, amount, shares) in enumerate(schedule(terms), 1)]
    plan = Plan(terms, lines, terms.shares)
    by_day: dict[date, list[Fact]] = {}
    for fact in believed(facts):
        assert fact.on is not None, "only a reversal for error may do without a date"
        by_day.setdefault(fact.on, []).append(fact)
    day = opened_on
    while True:
        deadlines(plan, day)
        for fact in by_day.get(day, []):
            take_in(plan, day, fact)
        end_of_day(plan, day)
        yield day, plan
        day += ONE_DAY


# ---------------------------------------------------------------- the report
def report(plan: Plan, day: date) -> Report:
    """Report the state at the end of a day."""
    open_lines = [line for line in plan.lines if line.settled_on is None]
    first = open_lines[0] if open_lines else None
    late = overdue_lines(plan, day) if plan.status == "active" else []
    worst = late[0] if late else None
    paid = sum(line.paid for line in plan.lines)
    credited = sum(line.shares for line in plan.lines if line.settled_on is not None)
    if plan.status == "completed":
        credited += tranche(plan)
    promised = plan.package - credited if plan.status == "active" else 0
    at_once = sum(award.shares for award in plan.awards if award.outcome is not None)
    bonuses = completion_bonuses(plan, day) if plan.status == "active" else []
    return Report(
        status="in_grace" if worst else plan.status,
        paid=paid,
        outstanding=plan.terms.price - paid,
        unapplied=sum(plan.unapplied.values()),
        settled=len(plan.lines) - len(open_lines),
        next_number=first.number if first else None,
        next_due_on=first.due_on if first else None,
        next_amount=first.amount if first else None,
        next_shares=first.shares if first else None,
        next_missing=first.amount - first.paid if first else None,
        overdue_number=worst.number if worst else None,
        overdue_due_on=worst.due_on if worst else None,
        days_past_due=(day - worst.clock).days if worst else 0,
        days_left=(grace_end(plan, worst) - day).days if worst else None,
        grace_ends_on=grace_end(plan, worst) if worst else None,
        amount_due=sum(line.amount - line.paid for line in open_lines if line.due_on <= day) if worst else 0,
        cancelled_on=plan.cancelled_on,
        completed_on=plan.completed_on,
        shares_credited=credited,
        shares_promised=promised,
        shares_forfeited=plan.terms.shares - credited - promised,
        bonus_credited=at_once + plan.completion_bonus,
        bonus_promised=sum(shares for _, shares, _ in bonuses),
        overpaid_on=plan.overpaid_on,
        outcomes=plan.outcomes,
    )
