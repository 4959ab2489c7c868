"""Verify a pack of an installment ledger: `python verify.py pack.zip`. Standard library only, Python 3.11 or later.

It shares nothing with the library that wrote the pack. It reads every stored event with code of its own, lives every
plan again day by day by the rules, and compares the outcomes that follow with those that are recorded; it computes the
root of the Merkle tree over the events and compares it with the checkpoints. Exit status: 0 nothing found, 1 findings,
2 the file could not be read.

One file, so that it can be carried to a machine without the library, read from top to bottom, and run there:

A. The rules: the reference model, a second implementation of RULES.md. Numbers in parentheses are its sections. The
   library's own tests compare the library with it; it ships with every pack.
B. Stored events: canonical JSON.
C. The checks: of a stream, a plan, a receipt.
D. The seal: RFC 6962, tiles, signed checkpoints, Ed25519.
E. The pack: the zip file.
F. The program.
"""

from __future__ import annotations

import calendar
import json
import math
import re
import sys
from argparse import ArgumentParser
from array import array
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from fractions import Fraction
from functools import cache
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile
from zoneinfo import ZoneInfo, available_timezones

Outcome = tuple[Any, ...]
ONE_DAY = timedelta(days=1)


# ================================================================ A. The rules, day by day: the reference model
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
    overpaid_on: date | None = None  # the first day at whose end more than the price stood,
    overpaid_last: date | None = None  # and the latest
    outcomes: set[Outcome] = field(default_factory=set)
    ended: dict[Outcome, tuple[date, str]] = field(default_factory=dict)  # from which day not, by which chargeback
    begun: list[Outcome] = field(default_factory=list)  # in the order in which they took effect


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


# ---------------------------------------------------------------- outcomes begin and end (1)
def begin(plan: Plan, outcome: Outcome) -> None:
    """An outcome holds from its day on."""
    plan.outcomes.add(outcome)
    plan.begun.append(outcome)


def end(plan: Plan, outcome: Outcome, day: date, reference: str) -> None:
    """End an outcome by a chargeback; one that began today has not held for a day (1, 10)."""
    plan.outcomes.remove(outcome)
    if outcome[1] < day:
        plan.ended[outcome] = day, reference


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
            begin(plan, ("missed", day, line.number, line.due_on, grace_end(plan, line)))
    if late and grace_end(plan, late[0]) < day:
        cancel(plan, day, "grace", late[0].number)


def cancel(plan: Plan, day: date, why: str, by: int | str) -> None:
    """Cancel the plan; credited shares stay, the rest is forfeited (6)."""
    plan.status = "cancelled"
    plan.cancelled_on = day
    credited = sum(line.shares for line in plan.lines if line.settled_on is not None)
    begin(plan, ("cancelled", day, why, by, plan.terms.shares - credited))


# ---------------------------------------------------------------- payments and awards (5, 7)
def receive(plan: Plan, reference: str, amount: int) -> None:
    """Record received money (5)."""
    plan.standing[reference] = amount


def end_of_day(plan: Plan, day: date) -> None:
    """At the end of a day the money then standing is compared with the price (5)."""
    if sum(plan.standing.values()) > plan.terms.price:
        plan.overpaid_on, plan.overpaid_last = plan.overpaid_on or day, day


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
            begin(plan, settled_outcome(line))
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
            begin(plan, outcome)
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
    for outcome in plan.completion_outcomes:
        begin(plan, outcome)


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
            end(plan, award.outcome, day, reference)
    if plan.status == "completed":  # money that found nothing to settle is left as well
        for other, amount in plan.unapplied.items():
            plan.applied[other] = plan.applied.get(other, 0) + amount
        plan.unapplied.clear()
    left = sum(plan.applied.values())
    for line in plan.lines:
        line.paid = min(left, line.amount)
        left -= line.paid
        if line.settled_on is not None and line.paid < line.amount:
            reopen(plan, line, day, reference)
    if plan.status == "completed":
        completion_left(plan, day, reference)


def completion_left(plan: Plan, day: date, reference: str) -> None:
    """The plan is active again if a line is open; money of the day may keep it completed without some bonuses (10)."""
    if any(line.settled_on is None for line in plan.lines):
        plan.status, plan.completed_on, plan.completion_bonus = "active", None, 0
        for outcome in plan.completion_outcomes:
            end(plan, outcome, day, reference)
    else:
        credit_again(plan, day, reference)


def credit_again(plan: Plan, day: date, reference: str) -> None:
    """The bonuses of a plan that stays completed are those that completion credits without the awards that fell (7)."""
    completed, *before = plan.completion_outcomes
    bonuses = [(code, shares, earned_by or completed[3]) for code, shares, earned_by in completion_bonuses(plan, day)]
    plan.completion_outcomes = [completed]
    for outcome in before:
        if outcome[2:] in bonuses:
            plan.completion_outcomes.append(outcome)
            bonuses.remove(outcome[2:])
        else:
            end(plan, outcome, day, reference)
    for bonus in bonuses:
        outcome = ("promo", day, *bonus)
        begin(plan, outcome)
        plan.completion_outcomes.append(outcome)
    plan.completion_bonus = sum(outcome[3] for outcome in plan.completion_outcomes[1:])


def reopen(plan: Plan, line: Line, day: date, reference: str) -> None:
    """Reopen a settled line; if it was already due, its clock starts today (10)."""
    end(plan, settled_outcome(line), day, reference)
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
        redate(plan, day, fact.reference)


def redate(plan: Plan, day: date, reference: str) -> None:
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
    lines = tuple((line.number, line.due_on) for line in unsettled)
    begin(plan, ("revised", day, lines, plan.package, plan.terms.shares - plan.package, reference))


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


def as_opened(terms: Terms) -> Plan:
    """A plan at the start of the day of its opening."""
    lines = [Line(i, due, due, amount, shares, due) for i, (due, amount, shares) in enumerate(schedule(terms), 1)]
    return Plan(terms, lines, terms.shares)


def live(terms: Terms, opened_on: date, facts: Iterable[Fact], as_of: date) -> Plan:
    """Return the plan at the end of the day `as_of`."""
    if as_of < opened_on:
        raise ValueError(f"the plan opens on {opened_on}, after {as_of}")
    return next(plan for day, plan in days(terms, opened_on, facts) if day == as_of)


def days(terms: Terms, opened_on: date, facts: Iterable[Fact]) -> Iterator[tuple[date, Plan]]:
    """Live from the opening on: each day its deadlines, then its facts in the order of recording (6).

    Yields each day and the plan at its end: the same plan, which goes on to change.
    """
    plan = as_opened(terms)
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


# ================================================================ B. Stored events: canonical JSON
Reader = Callable[[Any], Any]
LIMIT = 10**15  # of amounts in minor units and of shares
LONGEST_RATE = 40  # characters
CURRENCIES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE "
        "CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL "
        "HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR "
        "MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK "
        "SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD "
        "XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
EXPONENTS = {code: digits for digits, codes in CURRENCIES.items() for code in codes.split()}  # ISO 4217


UNREADABLE, NOT_CANONICAL, NEWER = "event_unreadable", "event_not_canonical", "event_of_newer_version"


class Wrong(Exception):
    """A stored value that cannot be: the value that there should be, the one that was found, its place."""

    def __init__(self, expected: str, found: object, kind: str = UNREADABLE) -> None:
        super().__init__(expected, found, kind)
        self.expected, self.found, self.kind, self.place = expected, found, kind, ""

    def at(self, place: str) -> Wrong:
        """The same, seen from further outside."""
        self.place = f"{place}.{self.place}".rstrip(".").replace(".[", "[")
        return self

    def __str__(self) -> str:
        return f"{self.place}: {self.expected}" if self.place else self.expected


def whole(minimum: int, maximum: int = LIMIT) -> Reader:
    """A whole number; True and 1.0 are none."""

    def read(value: Any) -> int:
        if type(value) is not int or not minimum <= value <= maximum:
            raise Wrong(f"a whole number from {minimum} to {maximum}", value)
        return value

    return read


def words(limit: int = 200) -> Reader:
    """Text that somebody wrote: without space at its ends and without control characters."""

    def read(value: Any) -> str:
        plain = isinstance(value, str) and 0 < len(value) <= limit and value == value.strip()
        if not plain or any(one < " " or "\x7f" <= one <= "\x9f" for one in value):
            raise Wrong(f"1 to {limit} characters of text", value)
        return str(value)

    return read


def string(value: Any) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise Wrong("text", value)
    return value


def civil_date(value: Any) -> date:
    """A date as the ledger writes it: 2023-04-10."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        with suppress(ValueError):
            return date.fromisoformat(value)
    raise Wrong("a date such as 2023-04-10", value)


def instant(value: Any) -> datetime:
    """An instant as the ledger writes it: UTC, with microseconds where there are any."""
    with suppress(ValueError, OverflowError):
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        if found is not None and found.utcoffset() == timedelta(0):
            found = found.astimezone(UTC)
            if f"{found.replace(tzinfo=None).isoformat()}Z" == value:
                return found
            raise Wrong("an instant in UTC such as 2023-04-10T06:30:00Z", value, NOT_CANONICAL)
    raise Wrong("an instant such as 2023-04-10T06:30:00Z", value)


def zone(value: Any) -> str:
    """The name of a time zone, by its form: another machine may know more of them."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,3}", value):
        raise Wrong("the name of a time zone", value)
    return value


def one_of(*options: str) -> Reader:
    """One of these words."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in options:
            raise Wrong(" or ".join(options), value)
        return value

    return read


def rate(most: int | None = None) -> Reader:
    """An exact rate in lowest terms: "49", "45/7"."""

    def read(value: Any) -> str:
        if isinstance(value, str) and len(value) <= LONGEST_RATE and not re.search(r"[eE][-+]?[0-9_]{3,}", value):
            with suppress(ValueError, ZeroDivisionError):
                if str(Fraction(value)) == value and 0 <= Fraction(value) <= (LIMIT if most is None else most):
                    return value
        raise Wrong(
            "an exact rate in lowest terms, such as 45/7" + ("" if most is None else f", at most {most}"), value
        )

    return read


def optional(reader: Reader) -> Reader:
    """A value or null."""
    return lambda value: None if value is None else reader(value)


def listed(reader: Reader, most: int = LIMIT) -> Reader:
    """A list."""

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) > most:
            raise Wrong("a list", value)
        return tuple(within(f"[{place}]", reader, item) for place, item in enumerate(value))

    return read


def pair(first: Reader, second: Reader) -> Reader:
    """A list of two."""

    def read(value: Any) -> tuple[Any, Any]:
        match value:
            case [one, other]:
                return first(one), second(other)
        raise Wrong("a list of two", value)

    return read


def record(**fields: Reader) -> Reader:
    """An object with these fields and no others."""

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or not value.keys() >= fields.keys():
            raise Wrong(f"an object of {', '.join(sorted(fields))}", value)
        found = {name: within(name, reader, value[name]) for name, reader in fields.items()}
        if value.keys() != fields.keys():
            raise Wrong(f"no fields but {', '.join(sorted(fields))}", value, NOT_CANONICAL)
        return found

    return read


def kinds(**shapes: dict[str, Reader]) -> Reader:
    """An object that says of which kind it is."""
    readers = {kind: record(kind=string, **fields) for kind, fields in shapes.items()}

    def read(value: Any) -> dict[str, Any]:
        kind = value.get("kind") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in readers:
            newer = NEWER if isinstance(kind, str) else UNREADABLE
            raise Wrong(f"an object of the kind {' or '.join(readers)}", value, newer)
        found: dict[str, Any] = readers[kind](value)
        return found

    return read


def within(place: str, reader: Reader, value: Any) -> Any:
    """Read a part; what is wrong with it names its place."""
    try:
        return reader(value)
    except Wrong as wrong:
        raise wrong.at(place) from None


AMOUNT = record(minor=whole(1), currency=one_of(*EXPONENTS))
EARNED = {
    "code": words(),
    "rate_bp": whole(1, 1_000_000),
    "base": one_of("package", "released"),
    "credit": one_of("at_once", "on_completion"),
}
TERMS = record(
    price=AMOUNT,
    shares=whole(1),
    installments=whole(1, 5_000),
    rounding_unit=whole(1),
    release=kinds(per_unit={"rate": rate()}, portion={"fraction": rate(most=1)}, explicit={"shares": listed(whole(0))}),
    schedule=kinds(
        monthly={}, every_days={"days": whole(1, 36_500)}, explicit={"lines": listed(pair(civil_date, whole(1)))}
    ),
    first_due_on=optional(civil_date),
    grace_days=whole(0, 3_650),
    timezone=zone,
    stacking=one_of("additive", "exclusive", "compound"),
    reinstatement=kinds(closed={}, full_cover={}, partial_cover={"minimum": whole(1, 5_000)}),
    promos=listed(
        kinds(
            on_time={
                "code": words(),
                "rate_bp": whole(1, 1_000_000),
                "standard": one_of("within_grace", "by_due_date"),
            },
            package={"code": words(), "rate_bp": whole(1, 1_000_000)},
            double_payment=EARNED,
            early_repayment=EARNED,
        ),
        most=1_000,
    ),
)
DATED = {"effective_on": civil_date}
FACTS: dict[str, dict[str, Reader]] = {
    "payment_made": {
        "reference": words(),
        "amount": AMOUNT,
        "kind": one_of("regular", "early_repayment"),
        "paid_at": optional(instant),
    },
    "payment_reversed": {"reference": string, "cause": one_of("error", "chargeback")},
    "cancellation_requested": {"reference": words(), "reason": words(2_000)},
    "plan_reinstated": {
        "reference": words(),
        "amount": AMOUNT,
        "approved_by": words(),
        "reason": words(2_000),
        "revised_shares": optional(whole(1)),
    },
}
OUTCOMES: dict[str, dict[str, Reader]] = {
    "installment_settled": {"number": whole(1), "shares": whole(0), "payment": string},
    "payment_missed": {"number": whole(1), "due_on": civil_date, "grace_ends_on": civil_date},
    "promo_applied": {"code": string, "shares": whole(1, 2**62), "payment": string},
    "plan_cancelled": {
        "cause": one_of("grace_ended", "requested"),
        "number": optional(whole(1)),
        "request": optional(string),
        "shares_forfeited": whole(0),
    },
    "plan_completed": {"shares": whole(0), "payment": string},
    "schedule_revised": {
        "lines": listed(record(number=whole(1), due_on=civil_date)),
        "shares": whole(1),
        "shares_forfeited": whole(0),
        "payment": string,
    },
}
OTHERS: dict[str, dict[str, Reader]] = {
    "plan_opened": {
        "investor": words(),
        "partner": optional(words()),
        "opened_at": optional(instant),
        "terms": TERMS,
        "lines": listed(record(number=whole(1), due_on=civil_date, amount=whole(1), shares=whole(0))),
    },
    "outcome_voided": {"voids": whole(1), "shares": whole(-(2**62), 2**62), "because": whole(1)},
}
RECEIPTS: dict[str, dict[str, Reader]] = {
    "money_received": {
        "reference": words(),
        "amount": AMOUNT,
        "timezone": words(),
        "received_at": optional(instant),
        "plan_id": optional(words()),
        "code": words(),
        "reason": words(2_000),
    },
    "money_allocated": {"plan_id": words(), "payment": words(), "amount": AMOUNT},
    "allocation_reversed": {"plan_id": words(), "payment": words()},
    "money_returned": {"reference": words(), "amount": AMOUNT, "reason": words(2_000)},
}
EVENTS: dict[str, dict[str, Reader]] = {
    kind: {
        f"{name}.v1": record(
            actor=optional(string),
            correlation=optional(string),
            key=string,
            recorded_at=instant,
            event=record(**DATED, **fields),
        )
        for name, fields in names.items()
    }
    for kind, names in (("plan", FACTS | OUTCOMES | OTHERS), ("receipt", RECEIPTS))
}


@dataclass(frozen=True)
class Stored:
    """A line of the pack: an event as it is stored."""

    line: int  # in events.jsonl, from 1
    kind: str
    stream_id: str
    version: int
    tag: str
    state: bytes


@dataclass(frozen=True)
class Event:
    """An event as it reads."""

    line: int
    version: int
    name: str  # the tag without its version
    recorded_at: datetime
    actor: str | None
    correlation: str | None
    key: str
    on: date  # effective
    fields: dict[str, Any]

    @property
    def is_fact(self) -> bool:
        """Whether it begins a command of its own."""
        return self.name in FACTS

    @property
    def envelope(self) -> tuple[datetime, str | None, str | None]:
        """Which all events of a command share."""
        return self.recorded_at, self.actor, self.correlation


def canonical(value: Any) -> bytes:
    """The bytes of a value: sorted keys, no space, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def no_float(literal: str) -> Any:
    """Refuse a number with a point or an exponent: no money and no share is one."""
    raise Wrong("whole numbers", literal)


def parse(data: bytes) -> Any:
    """The value of JSON. Raises `Wrong`."""
    try:
        return json.loads(data.decode(), parse_float=no_float, parse_constant=no_float)
    except (ValueError, RecursionError) as error:
        raise Wrong("JSON in UTF-8", str(error)) from None


def check_canonical(value: Any, data: bytes) -> None:
    """A value has one form: every key once, sorted, no space. Raises `Wrong`."""
    try:
        if canonical(value) == data:
            return
    except UnicodeEncodeError:
        raise Wrong("text in UTF-8", repr(value)) from None
    raise Wrong("every key once, sorted, without space", data.decode(), NOT_CANONICAL)


def read_event(stored: Stored) -> Event:
    """Read a stored event. Raises `Wrong`."""
    reader = EVENTS[stored.kind].get(stored.tag) or EVENTS["plan"].get(stored.tag) or EVENTS["receipt"].get(stored.tag)
    if reader is None:
        raise Wrong("an event that this program knows", stored.tag, NEWER)
    value = parse(stored.state)
    found = reader(value)
    fields, name = found["event"], stored.tag.partition(".")[0]
    check_consistent(name, fields)
    check_canonical(value, stored.state)
    return Event(
        stored.line,
        stored.version,
        name,
        found["recorded_at"],
        found["actor"],
        found["correlation"],
        found["key"],
        fields.pop("effective_on"),
        fields,
    )


def check_consistent(name: str, fields: dict[str, Any]) -> None:
    """The fields of an event agree with each other. Raises `Wrong`."""
    if name == "plan_cancelled" and [fields["number"] is None, fields["request"] is None] != [
        fields["cause"] == "requested",
        fields["cause"] == "grace_ended",
    ]:
        raise Wrong("an installment where grace ended, a request where it was requested", fields)
    if name != "plan_opened":
        return
    terms, lines = fields["terms"], fields["lines"]
    agreed = [due_on for due_on, _ in terms["schedule"].get("lines", ())]
    codes = [promo["code"] for promo in terms["promos"]]
    due = [line["due_on"] for line in lines]
    checks = (
        ("a code of its own for each promotion", codes, len({*codes}) == len(codes)),
        ("explicit due dates that increase", agreed, agreed == sorted({*agreed})),
        ("due dates that increase", due, due == sorted({*due})),
        ("a line for each installment", len(lines), len(lines) == terms["installments"]),
        (
            "numbers from 1",
            [line["number"] for line in lines],
            all(n == line["number"] for n, line in enumerate(lines, 1)),
        ),
        ("lines that add up to the price", lines, sum(line["amount"] for line in lines) == terms["price"]["minor"]),
        (
            "lines that release no more than the package",
            lines,
            sum(line["shares"] for line in lines) <= terms["shares"],
        ),
        ("bonuses of less than 2**62 shares", codes, largest_bonus(terms) <= 2**62),
    )
    for expected, found, holds in checks:
        if not holds:
            raise Wrong(expected, found)


def largest_bonus(terms: dict[str, Any]) -> int:
    """A number of bonus shares that no history can exceed (2)."""
    bonus = 0
    for promo in terms["promos"]:
        count = terms["installments"] if "base" in promo else 1
        bonus += (terms["shares"] + bonus) * count * promo["rate_bp"] // 10_000
    return bonus


# ---------------------------------------------------------------- into the words of the rules
PROMOS = {"on_time": "on_time", "package": "package", "double_payment": "double", "early_repayment": "early"}


def terms_of(opened: Event) -> Terms:
    """The terms of an opening; without another date the first installment falls due on that of the opening (2)."""
    stored = opened.fields["terms"]
    release, timing = stored["release"], stored["schedule"]
    given = {"per_unit": "rate", "portion": "fraction", "explicit": "shares"}[release["kind"]]
    timings = {"monthly": ("monthly",), "every_days": ("every", timing.get("days"))}
    promos = [
        Promo(PROMOS[promo["kind"]], **{name: value for name, value in promo.items() if name != "kind"})
        for promo in stored["promos"]
    ]
    return Terms(
        price=stored["price"]["minor"],
        exponent=EXPONENTS[stored["price"]["currency"]],
        shares=stored["shares"],
        installments=stored["installments"],
        rounding_unit=stored["rounding_unit"],
        release=(release["kind"], release[given]),
        schedule=timings.get(timing["kind"]) or ("lines", timing["lines"]),
        first_due_on=timing["lines"][0][0] if timing.get("lines") else stored["first_due_on"] or opened.on,
        grace_days=stored["grace_days"],
        promos=tuple(promos),
        stacking=stored["stacking"],
    )


def fact_of(event: Event) -> Fact:
    """A fact in the words of the rules."""
    fields, reference = event.fields, event.fields["reference"]
    if event.name == "payment_made":
        return Paid(event.on, reference, fields["amount"]["minor"], fields["kind"])
    if event.name == "payment_reversed":
        return Reversed(event.on, reference, fields["cause"])
    if event.name == "cancellation_requested":
        return CancelRequested(event.on, reference)
    return Reinstated(event.on, reference, fields["amount"]["minor"], fields["revised_shares"])


def outcome_of(event: Event) -> Outcome:
    """An outcome in the words of the rules."""
    on, it = event.on, event.fields
    if event.name == "installment_settled":
        return ("settled", on, it["number"], it["shares"], it["payment"])
    if event.name == "payment_missed":
        return ("missed", on, it["number"], it["due_on"], it["grace_ends_on"])
    if event.name == "promo_applied":
        return ("promo", on, it["code"], it["shares"], it["payment"])
    if event.name == "plan_completed":
        return ("completed", on, it["shares"], it["payment"])
    if event.name == "schedule_revised":
        lines = tuple((line["number"], line["due_on"]) for line in it["lines"])
        return ("revised", on, lines, it["shares"], it["shares_forfeited"], it["payment"])
    grace = it["cause"] == "grace_ended"
    return (
        "cancelled",
        on,
        "grace" if grace else "request",
        it["number" if grace else "request"],
        it["shares_forfeited"],
    )


def shares_of(outcome: Outcome) -> int:
    """The shares that an outcome credits."""
    return int(outcome[{"settled": 3, "promo": 3, "completed": 2}[outcome[0]]]) if outcome[0] in CREDITING else 0


CREDITING = ("settled", "promo", "completed")


def in_words(outcome: Outcome) -> str:
    """An outcome for people."""
    kind, on, *rest = outcome
    form = {
        "settled": "installment {0} settled on {on} by {2!r}, {1} shares",
        "missed": "installment {0}, due on {1}, missed on {on}, grace to {2}",
        "promo": "promotion {0!r} credited on {on} by {2!r}, {1} shares",
        "completed": "completed on {on} by {1!r}, {0} shares",
        "revised": "due dates revised on {on} by {3!r}, package {1}, forfeited {2}",
        "cancelled": "cancelled on {on} ({0} {1}), {2} shares forfeited",
    }[str(kind)]
    return form.format(*rest, on=on)


# ================================================================ C. The checks
STORED, KEYS = "docs/versioning.md, Stored events", "docs/services.md, Idempotency and retries"
RECEIVED, SEALED, PACKED = "docs/services.md, Money that no plan takes", "docs/seal.md", "docs/packs.md"
RULES: dict[str, str | int] = {
    UNREADABLE: STORED,
    NOT_CANONICAL: STORED,
    NEWER: STORED,
    "stream_unknown": STORED,
    "key_mismatch": KEYS,
    "command_split": 1,
    "version_gap": 1,
    "opening_misplaced": 1,
    "time_decreasing": 1,
    "sequence_order": 1,
    "dated_ahead": 1,
    "dated_before_opening": 5,
    "date_mismatch": 1,
    "zone_unknown": 2,
    "schedule_mismatch": 3,
    "release_mismatch": 4,
    "reference_taken": 5,
    "reversal_unfounded": 10,
    "currency_mismatch": 2,
    "overpayment": 5,
    "fact_on_cancelled_plan": 6,
    "fact_on_completed_plan": 5,
    "reinstatement_forbidden": 9,
    "approver_is_actor": 9,
    "outcome_missing": 1,
    "outcome_unfounded": 1,
    "outcome_differs": 1,
    "voiding_missing": 1,
    "voiding_unfounded": 1,
    "voiding_differs": 1,
    "order_in_command": 1,
    "receipt_overspent": RECEIVED,
    "allocation_unfounded": RECEIVED,
    "pack_line_unreadable": PACKED,
    "pack_contents_differ": PACKED,
    "seal_checkpoint": SEALED,
    "seal_inconsistent": SEALED,
    "seal_key": SEALED,
    "seal_signature": SEALED,
    "seal_tile": SEALED,
    "sealed_event_changed": SEALED,
    "sealed_event_inserted": SEALED,
    "sealed_event_missing": SEALED,
    "sealed_event_moved": SEALED,
}
"""By kind of finding, in the words of `installment-ledger audit`: the section of RULES.md, or a page."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    kind: str
    plan_id: str | None
    receipt: str | None
    version: int | None
    line: int | None  # in events.jsonl, from 1
    rule: str
    expected: str
    found: str


class Findings:
    """The findings of one stream or, without one, of the pack."""

    def __init__(self, kind: str = "", stream_id: str = "") -> None:
        self.plan_id = stream_id if kind == "plan" else None
        self.receipt = stream_id if kind == "receipt" else None
        self.found: list[Finding] = []
        self.lost = ""  # the name of the event at the end, if it is there and cannot be read
        self.end = FOREVER  # the first version that cannot be read or cannot count: nothing is derived from there on

    def add(self, kind: str, at: Event | Stored | int | None, expected: object, found: object) -> None:
        """Add a finding at an event, or at a version that is not there."""
        version, line = (at, None) if at is None or isinstance(at, int) else (at.version, at.line)
        rule = RULES[kind]
        cited = rule if isinstance(rule, str) else f"RULES.md section {rule}"
        finding = Finding(kind, self.plan_id, self.receipt, version, line, cited, short(expected), short(found))
        if finding not in self.found:
            self.found.append(finding)

    def stop(self, kind: str, at: Event | Stored, expected: object, found: object) -> None:
        """Add a finding at an event from which on no outcome can be derived."""
        self.end = min(self.end, at.version)
        self.add(kind, at, expected, found)


FOREVER = 2**63  # no version is higher


def short(value: object) -> str:
    """A value for people, on one line and not too long."""
    text = str(value) if isinstance(value, str | Wrong) else json.dumps(value, ensure_ascii=False, default=str)
    plain = "".join(one if one.isprintable() else "?" for one in text)
    return plain if len(plain) <= LONGEST_SHOWN else f"{plain[: LONGEST_SHOWN - 3]}..."


LONGEST_SHOWN = 200  # characters


# ---------------------------------------------------------------- a stream: bytes, versions, instants (1)
IN_EVERY_ZONE = datetime(9999, 12, 30, tzinfo=UTC)  # the latest instant to which one that steps back is raised


def read_stream(stored: Iterable[Stored], findings: Findings) -> list[Event]:
    """The events of a stream that can be read, by version; the others, gaps and steps back in time are findings."""
    events: list[Event] = []
    version = line = 0
    latest = None
    for one in sorted(stored, key=lambda one: (one.version, one.line)):
        check_id(one, findings)
        if one.version < 1:
            findings.add("event_unreadable", one, "a version from 1 on", one.version)
            continue
        if one.version != version + 1:
            findings.end = min(findings.end, version + 1)
            findings.add("version_gap", version + 1, f"version {version + 1}", f"version {one.version} is the next")
        if one.line < line:
            findings.add("sequence_order", one, f"a line after {line}", one.line)
        version, line = one.version, one.line
        try:
            event = read_event(one)
        except Wrong as wrong:
            if one.version < findings.end:
                findings.lost = one.tag.partition(".")[0]
            findings.stop(wrong.kind, one, wrong, wrong.found)
            continue
        if latest is not None and event.recorded_at < latest:
            findings.add("time_decreasing", event, f"{latest.isoformat()} or later", event.recorded_at.isoformat())
            event = replace(event, recorded_at=min(latest, IN_EVERY_ZONE))
        else:
            latest = event.recorded_at
        events.append(event)
    return events


def check_id(first: Stored, findings: Findings) -> None:
    """The id of a stream is one that a plan or a receipt can have; said at its first event."""
    try:
        words()(first.stream_id)
    except Wrong as wrong:
        if all(one.kind != "stream_unknown" for one in findings.found):
            findings.add("stream_unknown", first, wrong, wrong.found)


@cache
def zone_of(name: str) -> tzinfo | None:
    """The time zone as this machine knows it; None if it does not."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return None


def day_of(event: Event, at: datetime, zone: str, findings: Findings) -> date | None:
    """The civil date of an instant; None where this machine does not know the zone, or no calendar has the day."""
    known = zone_of(zone)
    try:
        return None if known is None else at.astimezone(known).date()
    except OverflowError:
        findings.add("date_mismatch", event, f"an instant on a day of the years 1 to 9999 in {zone}", at.isoformat())
        return None


def check_zone(event: Event, zone: str, findings: Findings) -> None:
    """The time zone is one that this machine knows, if it knows any."""
    if zone_of(zone) is None and available_timezones():
        findings.add("zone_unknown", event, "a time zone of the IANA database", zone)


def check_dates(event: Event, zone: str, at: datetime | None, findings: Findings) -> None:
    """A fact is not dated after the day of its recording, and its date is the day of its instant (1)."""
    today = day_of(event, event.recorded_at, zone, findings)
    if today is not None and event.on > today:
        findings.add("dated_ahead", event, f"{today}, the day of its recording, or earlier", event.on)
    day = None if at is None else day_of(event, at, zone, findings)
    if at is not None and day is not None and day != event.on:
        findings.add("date_mismatch", event, f"{day}, the day of {at.isoformat()} in {zone}", event.on)


# ---------------------------------------------------------------- a plan: its record (1, 5, 10)
@dataclass
class Item:
    """A recorded outcome, and the voiding in force."""

    event: Event
    outcome: Outcome
    void: Event | None = None

    @property
    def until(self) -> date | None:
        """From when it does not hold; its own date if it never did."""
        return None if self.void is None else max(self.void.on, self.event.on)

    @property
    def held(self) -> bool:
        """Whether it holds, or did for a day."""
        return self.until != self.event.on


@dataclass
class Command:
    """The events of one command: a fact, what it voids, its outcomes; or, without a fact, the outcomes of a closing."""

    fact: Event | None
    consequences: list[Event] = field(default_factory=list)

    @property
    def first(self) -> Event:
        """The event that begins it."""
        return self.consequences[0] if self.fact is None else self.fact

    @property
    def latest(self) -> Event:
        """The event that ends it so far."""
        return self.consequences[-1] if self.consequences else self.first


class Record:
    """A plan as recorded, cut into commands; the findings need no outcome to be derived."""

    def __init__(self, plan_id: str, findings: Findings) -> None:
        self.plan_id, self.findings = plan_id, findings
        self.opened: Event | None = None
        self.zone = ""  # none, until an opening says which
        self.currency = ""
        self.payments: dict[str, Event] = {}
        self.requests: dict[str, Event] = {}
        self.reversals: dict[str, Event] = {}
        self.commands: list[Command] = []

    def read(self, events: Sequence[Event]) -> None:
        """Take in all events; from the first that cannot be read on, only facts by themselves."""
        readable = self.findings.end
        for event in events:
            if event.version == 1:
                self.open(event)
            elif event.is_fact:
                self.check_key(event, event.fields["reference"])
                check_dates(event, self.zone, event.fields.get("paid_at"), self.findings)
                if self.opened is not None and event.version < readable:
                    self.commands.append(Command(event))
                    self.count(event, event.fields["reference"])
            elif event.name not in OUTCOMES and event.name != "outcome_voided":
                self.findings.stop("opening_misplaced", event, "an event of a plan, and one opening", event.name)
            elif self.opened is not None and event.version < readable:
                self.follow(event)

    def open(self, event: Event) -> None:
        """The opening, which comes first."""
        if event.name != "plan_opened":
            self.findings.stop("opening_misplaced", event, "the opening of the plan", event.name)
            return
        terms = event.fields["terms"]
        self.opened, self.zone, self.currency = event, terms["timezone"], terms["price"]["currency"]
        check_zone(event, self.zone, self.findings)
        self.check_key(event, self.plan_id)
        check_dates(event, self.zone, event.fields["opened_at"], self.findings)

    def check_key(self, event: Event, key: str) -> None:
        """The key of a fact is its reference, that of an opening the plan's id."""
        if event.key != key:
            self.findings.add("key_mismatch", event, repr(key), repr(event.key))

    def count(self, event: Event, reference: str) -> None:
        """A fact that a plan can count: not before its opening, a reference of its own, its currency."""
        if self.opened is not None and event.on < self.opened.on:
            self.findings.stop("dated_before_opening", event, f"{self.opened.on} or later", event.on)
        if event.name == "payment_reversed":
            self.reverse(event, reference)
        elif reference in self.payments or reference in self.requests:
            self.findings.stop("reference_taken", event, "a reference of its own in the plan", repr(reference))
        elif event.name == "cancellation_requested":
            self.requests[reference] = event
        else:
            self.payments[reference] = event
            if event.fields["amount"]["currency"] != self.currency:
                self.findings.stop("currency_mismatch", event, self.currency, event.fields["amount"]["currency"])

    def reverse(self, event: Event, reference: str) -> None:
        """A payment is reversed once, not before its own date; for error on that date (10)."""
        payment = self.payments.get(reference)
        if payment is None or reference in self.reversals:
            found = "no such payment" if payment is None else "it was reversed before"
            self.findings.stop("reversal_unfounded", event, f"a payment {reference!r} that stands", found)
            return
        self.reversals[reference] = event
        error = event.fields["cause"] == "error"
        if event.on < payment.on or (error and event.on != payment.on):
            expected = f"{payment.on}, the date of the payment{'' if error else ' or later'}"
            self.findings.stop("reversal_unfounded", event, expected, event.on)

    def follow(self, event: Event) -> None:
        """An outcome or a voiding: of the command before it or, with the date of a closing as its key, of that."""
        command = self.commands[-1] if self.commands else None
        closes = closing_day(event.key) is not None
        again = command is not None and command.fact is not None and event.envelope != command.fact.envelope
        if command is None or (closes and (event.key != command.first.key or again)):
            command = Command(None)
            self.commands.append(command)
        command.consequences.append(event)
        self.check_envelope(event, command, closes=closes)

    def check_envelope(self, event: Event, command: Command, *, closes: bool) -> None:
        """What one command records has one key, one instant, one actor, one correlation."""
        if event.key != command.first.key or (command.fact is None and not closes):
            expected = repr(command.first.key) if event.key != command.first.key else "the date of a closing"
            self.findings.add("key_mismatch", event, expected, repr(event.key))
        before = command.fact or command.consequences[max(len(command.consequences) - 2, 0)]
        if event.envelope != before.envelope:
            expected, found = (
                f"{at.isoformat()}, actor {actor}, correlation {correlation}"
                for at, actor, correlation in (before.envelope, event.envelope)
            )
            self.findings.add("command_split", event, expected, found)
        if command.fact is None and event is command.first and closes:
            through, today = closing_day(event.key), day_of(event, event.recorded_at, self.zone, self.findings)
            if through is not None and today is not None and through > today:
                expected = f"books closed through {today}, the day of the recording, or earlier"
                self.findings.add("dated_ahead", event, expected, f"closed through {through}")


def closing_day(key: str) -> date | None:
    """The date through which books were closed, if that is what a key says."""
    try:
        return date.fromisoformat(civil_date(key).isoformat())
    except Wrong:
        return None


# ---------------------------------------------------------------- a plan: its schedule (3, 4)
def check_schedule(opened: Event, terms: Terms, findings: Findings) -> None:
    """The lines of an opening are those that its terms produce."""
    problem = contradiction(terms, opened.on)
    if problem is not None:
        findings.stop("schedule_mismatch", opened, problem[0], problem[1])
        return
    produced, recorded = schedule(terms), opened.fields["lines"]
    stated = opened.fields["terms"]["first_due_on"]
    if stated != produced[0][0]:
        findings.stop("schedule_mismatch", opened, f"first_due_on {produced[0][0]}", stated)
    dated = [(due_on, amount) for due_on, amount, _ in produced]
    for number, (expected, line) in enumerate(zip(dated, recorded, strict=False), 1):
        found = line["due_on"], line["amount"]
        if expected != found:
            words_ = [f"installment {number}: {amount} minor units on {due_on}" for due_on, amount in (expected, found)]
            findings.stop("schedule_mismatch", opened, *words_)
            break
    for number, ((_, _, shares), line) in enumerate(zip(produced, recorded, strict=False), 1):
        if shares != line["shares"]:
            words_ = [f"installment {number}: {one} shares" for one in (shares, line["shares"])]
            findings.stop("release_mismatch", opened, *words_)
            break


def contradiction(terms: Terms, opened_on: date) -> tuple[str, object] | None:
    """Why no schedule follows from the terms: what is expected, what is found (2, 3, 4)."""
    count, explicit = terms.installments, terms.schedule[1] if terms.schedule[0] == "lines" else None
    total = terms.price if explicit is None else sum(amount for _, amount in explicit)
    released = len(terms.release[1]) if terms.release[0] == "explicit" else count
    lines = count if explicit is None else len(explicit)
    if (lines, total, released) != (count, terms.price, count):
        return f"{count} lines of {terms.price} in all, and {count} releases", [lines, total, released]
    try:
        produced = schedule(terms)
        _ = produced[-1][0] + timedelta(days=terms.grace_days + 1)
    except (OverflowError, ValueError):
        return "a schedule within the year 9999", terms.first_due_on
    shares = sum(shares for _, _, shares in produced)
    if produced[0][0] < opened_on or produced[-1][1] <= 0 or shares > terms.shares:
        expected = f"due on {opened_on} or later, a last amount above 0, at most {terms.shares} shares released"
        return expected, [produced[0][0], produced[-1][1], shares]
    return None


# ---------------------------------------------------------------- a plan: its outcomes, derived again (1, 5 to 10)
Spans = dict[Outcome, "tuple[date, str] | None"]  # outcomes that hold, or did: from when not, by which chargeback


class Derivation:
    """A recorded plan lived again: after each of its commands, the record and the rules must agree."""

    def __init__(self, record_: Record, opened: Event, findings: Findings) -> None:
        self.record, self.findings = record_, findings
        self.policy = opened.fields["terms"]["reinstatement"]
        self.terms = terms_of(opened)
        self.opened_on = self.day = self.horizon = opened.on
        self.facts: list[Fact] = []
        self.plan = as_opened(self.terms)
        self.items: list[Item] = []
        self.voidable: dict[int, Item] = {}  # outcomes and voidings, by version
        self.voidings: dict[int, Event] = {}
        self.reported: set[object] = set()  # what stays wrong is one finding

    def run(self) -> None:
        """Live through all commands before the first version that cannot be read or cannot count."""
        for command in self.record.commands:
            if command.first.version >= self.findings.end or self.cut(command):
                return
            if command.fact is not None:
                self.take_in(command.fact)
            bad = [event for event in command.consequences if not self.fold(event)]
            folded = not bad
            through = closing_day(command.first.key) if command.fact is None else None
            self.live_to(max(self.horizon, through or self.horizon))
            derived: Spans = dict.fromkeys(self.plan.outcomes)
            derived |= self.plan.ended
            before = len(self.findings.found)
            self.compare(command, derived, bad)
            for event in command.consequences:
                if event.version in self.voidings and event not in bad:
                    self.justify(command, event, derived)
            if folded and len(self.findings.found) == before:
                self.check_order(command)

    def cut(self, command: Command) -> bool:
        """Whether what is lost after a command may have been a part of it: all but a fact."""
        return command.latest.version + 1 == self.findings.end and self.findings.lost not in FACTS

    # ---- facts

    def live_to(self, day: date) -> None:
        """Let the days pass, each with its deadlines."""
        while self.day < day:
            end_of_day(self.plan, self.day)
            self.day += ONE_DAY
            deadlines(self.plan, self.day)

    def take_in(self, event: Event) -> None:
        """Take in a fact on its day. One that is recorded late, or for error, changes the past: that is lived again."""
        fact = fact_of(event)
        late = event.on < self.day or event.fields.get("cause") == "error"
        if not late:
            self.live_to(event.on)
        before = live(self.terms, self.opened_on, self.facts, event.on) if late else self.plan
        self.admit(event, fact, before)
        self.facts.append(fact)
        self.horizon = max(self.horizon, event.on)
        if late:
            self.plan, self.day = live(self.terms, self.opened_on, self.facts, self.horizon), self.horizon
        else:
            take_in(self.plan, event.on, fact)
        standing, price = sum(self.plan.standing.values()), self.terms.price
        overpaid_on = self.day if standing > price else self.plan.overpaid_last
        if isinstance(fact, (Paid, Reinstated)) and overpaid_on is not None and overpaid_on >= event.on:
            first = self.plan.overpaid_on or overpaid_on
            found = f"more on {first if first >= event.on else overpaid_on}"
            self.findings.add(
                "overpayment", event, f"at most {price} minor units standing at the end of any day", found
            )

    def admit(self, event: Event, fact: Fact, before: Plan) -> None:
        """A fact that the rules refuse cannot have been recorded (5, 6, 9)."""
        if isinstance(fact, (Paid, CancelRequested)) and before.status != "active":
            on = before.cancelled_on or before.completed_on
            self.findings.add(f"fact_on_{before.status}_plan", event, "an active plan", f"{before.status} on {on}")
        if isinstance(fact, Reinstated):
            if event.actor == event.fields["approved_by"]:
                self.findings.add("approver_is_actor", event, f"an approver other than {event.actor}", event.actor)
            for expected, found in self.refusals(event, fact, before):
                self.findings.add("reinstatement_forbidden", event, expected, found)

    def refusals(self, event: Event, fact: Reinstated, before: Plan) -> Iterator[tuple[str, object]]:
        """Why a reinstatement cannot have been accepted (9)."""
        if self.policy["kind"] == "closed":
            yield "a policy that allows it", "closed"
            return
        if before.status != "cancelled":
            yield "a cancelled plan", before.status
            return
        overdue, covered = cover(self.terms, self.opened_on, self.facts, event.on, fact.amount)
        demanded = min(self.policy.get("minimum", overdue), overdue)
        released = sum(line.shares for line in before.lines)
        if covered < demanded:
            yield f"money for {demanded} overdue installments", f"for {covered}"
        elif fact.revised_shares is None:
            if covered < overdue:
                yield "a revised number of shares, as not everything overdue is covered", "none"
        elif not released <= fact.revised_shares <= before.package:
            yield f"revised shares from {released} to {before.package}", fact.revised_shares

    # ---- the record

    def fold(self, event: Event) -> bool:
        """Take in a recorded consequence; False for a voiding of what is not in force."""
        self.horizon = max(self.horizon, event.on)
        if event.name != "outcome_voided":
            item = Item(event, outcome_of(event))
            self.items.append(item)
            self.voidable[event.version] = item
            return True
        target = event.fields["voids"]
        found, again = self.voidable.get(target), target in self.voidings
        if found is None or (found.void is not self.voidings[target] if again else found.void is not None):
            return False
        found.void = None if again else event
        self.voidable[event.version], self.voidings[event.version] = found, event
        shares = -shares_of(found.outcome) if again else shares_of(found.outcome)
        if event.fields["shares"] != shares:
            self.findings.add("voiding_differs", event, f"{shares} shares", event.fields["shares"])
        return True

    def compare(self, command: Command, derived: Spans, bad: list[Event]) -> None:
        """The outcomes that are recorded after a command are those that the rules derive, both ways (1)."""
        own, (held, again) = {event.version for event in command.consequences}, self.held()
        missing = [outcome for outcome in derived if outcome not in held]
        owed: list[tuple[Item, date]] = []  # voidings that are not recorded, or not so
        for outcome, item in held.items():
            until = ends(derived[outcome]) if outcome in derived else item.event.on
            if outcome not in derived and item.event.version in own:
                self.unfounded(item, missing)
            elif item.until != until and until is not None:
                owed.append((item, until))
            elif item.until != until and item.void is not None and item.void.version in own:
                bad.append(item.void)
        for item in again:
            self.unfounded(item, missing)
        for outcome in missing:
            voided = [item.void for item in self.items if item.outcome == outcome and item.void is not None]
            if not voided:
                self.report("outcome_missing", command.first, in_words(outcome), "not recorded", outcome)
            elif voided[-1].version in own:
                bad.append(voided[-1])
        self.pair(command, owed, bad)

    def held(self) -> tuple[dict[Outcome, Item], list[Item]]:
        """The recorded outcomes that hold, or did for a day; and those that are recorded again meanwhile."""
        held: dict[Outcome, Item] = {}
        again: list[Item] = []
        for item in self.items:
            if item.held and item.outcome in held:
                again.append(item)
            elif item.held:
                held[item.outcome] = item
        return held, again

    def unfounded(self, item: Item, missing: list[Outcome]) -> None:
        """Report an outcome that does not follow; if it stands for one that does, with the fields of that one."""
        new = [one for one in missing if one not in self.reported]
        same = [one for one in new if one[0] == item.outcome[0]]
        instead = next((one for one in same if identity(one) == identity(item.outcome)), same[0] if same else None)
        version, found = item.event.version, in_words(item.outcome)
        if instead is None:
            expected = "no such event: it does not follow from the facts"
            self.report("outcome_unfounded", item.event, expected, found, version)
        else:
            missing.remove(instead)
            self.report("outcome_differs", item.event, in_words(instead), found, version)
            self.reported.add(instead)

    def pair(self, command: Command, owed: list[tuple[Item, date]], bad: list[Event]) -> None:
        """Report voidings: those that are not recorded, those that should not be, and those that are others."""
        for item, until in owed:
            expected = f"{in_words(item.outcome)}, voided from {until} on"
            own = item.void if item.void in command.consequences else None
            other = own or (bad.pop(0) if bad else None)
            if other is not None:
                found = f"version {other.fields['voids']} voided from {other.on} on"
                self.report("voiding_differs", other, expected, found, item.event.version)
                self.reported.add(other.version)
            else:
                self.report("voiding_missing", command.first, expected, "not recorded", item.event.version)
        for event in bad:
            found = f"version {event.fields['voids']} voided from {event.on} on"
            expected = "no such event: it does not follow from the facts"
            self.report("voiding_unfounded", event, expected, found, event.version)

    def report(self, kind: str, at: Event, expected: str, found: str, subject: object) -> None:
        """Add a finding about an outcome or a version, unless there is one already."""
        if subject not in self.reported:
            self.reported.add(subject)
            self.findings.add(kind, at, expected, found)

    def justify(self, command: Command, event: Event, derived: Spans) -> None:
        """A voiding changes something, because of a chargeback that ended its outcome, or of its command's fact (1)."""
        item, cause, earlier = self.voidable[event.version], command.fact, self.voidings.get(event.fields["voids"])
        ended = derived.get(item.outcome)
        until = ends(ended) if item.outcome in derived else item.event.on
        if cause is None or (earlier is not None and until == max(earlier.on, item.event.on)):
            found = f"version {event.fields['voids']} voided"
            self.report("voiding_unfounded", event, "no such event", found, event.version)
            return
        if earlier is None and ended is not None:
            cause = self.record.reversals[ended[1]]
        on = earlier.on if earlier is not None else until
        expected = f"from {on or event.on} on, because of version {cause.version}"
        found = f"from {event.on} on, because of version {event.fields['because']}"
        if expected != found:
            self.report("voiding_differs", event, expected, found, event.version)

    def check_order(self, command: Command) -> None:
        """Within a command: the fact, voidings, outcomes as they took effect, then voidings of these (1)."""
        begun = {outcome: place for place, outcome in enumerate(self.plan.begun)}

        def place(event: Event) -> tuple[int, int, int]:
            item = self.voidable[event.version]
            if event.name != "outcome_voided":
                return 1, begun.get(item.outcome, 0), 0
            own = item.event.version > command.first.version
            return (2 if own else 0), item.event.version, event.version

        for recorded, due in zip(command.consequences, sorted(command.consequences, key=place), strict=True):
            if recorded is not due:
                self.findings.add("order_in_command", recorded, f"version {due.version} first", recorded.name)
                return


def identity(outcome: Outcome) -> tuple[Any, ...]:
    """By which an outcome is recognized although its other fields are wrong."""
    kind, _, *rest = outcome
    return (kind, rest[0]) if kind in ("settled", "missed", "promo") else (kind,)


def ends(span: tuple[date, str] | None) -> date | None:
    """From when an outcome does not hold."""
    return None if span is None else span[0]


def check_plan(plan_id: str, stored: Iterable[Stored], allocations: Allocations) -> list[Finding]:
    """All findings about a plan; outcomes are derived if all of its record can be read."""
    findings = Findings("plan", plan_id)
    events, record_ = read_stream(stored, findings), Record(plan_id, findings)
    if events:
        record_.read(events)
    opened = record_.opened
    if opened is not None:
        check_schedule(opened, terms_of(opened), findings)
        if findings.end > 1:
            try:
                Derivation(record_, opened, findings).run()
            except OverflowError as error:
                findings.add("outcome_unfounded", opened, "dates within the year 9999", str(error))
    return findings.found + check_allocations(plan_id, record_, allocations)


# ---------------------------------------------------------------- receipts: money not applied to a plan at once
Allocations = dict[str, "list[tuple[str, Event]]"]  # by plan: the receipt, and its MoneyAllocated or AllocationReversed


class Receipt:
    """Money received: what is allocated and returned never exceeds it."""

    def __init__(self, reference: str, findings: Findings) -> None:
        self.reference, self.findings = reference, findings
        self.received: Event | None = None
        self.zone = self.currency = ""
        self.remaining = 0
        self.allocated: dict[tuple[str, str], Event] = {}  # by plan and payment
        self.reversed: set[tuple[str, str]] = set()
        self.returned: set[str] = set()

    def take(self, event: Event) -> None:
        """Take in one event."""
        it = event.fields
        if (event.name == "money_received") != (event.version == 1) or event.name not in RECEIPTS:
            expected = "the money received" if event.version == 1 else "an allocation, its reversal, or a return"
            self.findings.add("opening_misplaced", event, expected, event.name)
            return
        own = it["payment" if "payment" in it else "reference"]
        if event.key != own:
            self.findings.add("key_mismatch", event, repr(own), repr(event.key))
        if event.name == "money_received":
            self.receive(event)
        elif self.received is None:
            return  # nothing can be said of money that was never received
        elif event.name == "money_returned":
            check_dates(event, self.zone, None, self.findings)
            if event.on < self.received.on:
                self.findings.add("dated_before_opening", event, f"{self.received.on} or later", event.on)
            if self.spend(event, taken=own in self.returned):
                self.returned.add(own)
        elif event.name == "money_allocated":
            payment = it["plan_id"], own
            if self.spend(event, taken=payment in self.allocated):
                self.allocated[payment] = event
        else:
            self.reverse(event, (it["plan_id"], own))

    def receive(self, event: Event) -> None:
        """The reception, which begins the receipt."""
        self.received, self.zone = event, event.fields["timezone"]
        self.remaining, self.currency = event.fields["amount"]["minor"], event.fields["amount"]["currency"]
        if event.fields["reference"] != self.reference:
            found = repr(event.fields["reference"])
            self.findings.add("key_mismatch", event, f"the reference {self.reference!r}", found)
        check_zone(event, self.zone, self.findings)
        check_dates(event, self.zone, event.fields["received_at"], self.findings)

    def spend(self, event: Event, *, taken: bool) -> bool:
        """Take money out, once under a reference, in the receipt's currency, as far as it remains."""
        minor, currency = event.fields["amount"]["minor"], event.fields["amount"]["currency"]
        if currency != self.currency:
            self.findings.add("currency_mismatch", event, self.currency, currency)
        elif taken:
            self.findings.add("reference_taken", event, "a reference of its own", repr(event.key))
        elif minor > self.remaining:
            expected = f"at most {self.remaining} minor units, which remain"
            self.findings.add("receipt_overspent", event, expected, minor)
        else:
            self.remaining -= minor
            return True
        return False

    def reverse(self, event: Event, payment: tuple[str, str]) -> None:
        """An allocation is reversed once, on the date of its payment; its money remains again."""
        allocated = self.allocated.get(payment)
        if allocated is None or payment in self.reversed:
            found = f"payment {payment[1]!r} of plan {payment[0]}"
            self.findings.add("reversal_unfounded", event, "an allocation that stands", found)
            return
        if event.on != allocated.on:
            self.findings.add("reversal_unfounded", event, f"{allocated.on}, the date of the payment", event.on)
        self.reversed.add(payment)
        self.remaining += allocated.fields["amount"]["minor"]


def check_receipt(reference: str, stored: Iterable[Stored], allocations: Allocations) -> list[Finding]:
    """All findings about a receipt; what it allocated is kept for the check of the plans."""
    findings = Findings("receipt", reference)
    events, receipt = read_stream(stored, findings), Receipt(reference, findings)
    for event in events:
        receipt.take(event)
        if event.name in ("money_allocated", "allocation_reversed") and receipt.received is not None:
            allocations.setdefault(event.fields["plan_id"], []).append((reference, event))
    return findings.found


def check_allocations(plan_id: str, record_: Record | None, allocations: Allocations) -> list[Finding]:
    """What receipts allocated to a plan is there as payments of the same amount and date, or reversed for error."""
    found: list[Finding] = []
    for reference, event in allocations.pop(plan_id, []):
        findings, own = Findings("receipt", reference), event.fields["payment"]
        payment = None if record_ is None else record_.payments.get(own)
        reversal = None if record_ is None else record_.reversals.get(own)
        if event.name == "allocation_reversed":
            if reversal is None or reversal.fields["cause"] != "error":
                expected = f"payment {own!r} of plan {plan_id} reversed for error"
                findings.add("allocation_unfounded", event, expected, "not reversed")
        elif payment is None or (payment.fields["amount"], payment.on) != (event.fields["amount"], event.on):
            minor = event.fields["amount"]["minor"]
            expected = f"payment {own!r} of plan {plan_id}: {minor} minor units on {event.on}"
            other = "no such payment" if payment is None else f"{payment.fields['amount']['minor']} on {payment.on}"
            findings.add("allocation_unfounded", event, expected, other)
        found += findings.found
    return found


# ================================================================ D. The seal: RFC 6962, tiles, signed checkpoints
TILE = 256  # hashes in a full tile
HASH = 32  # bytes of SHA-256


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees (RFC 6962, section 2.1)."""
    return sha256(b"\x01" + left + right).digest()


def leaf_hash(one: Stored) -> bytes:
    """The hash of an event: kind, stream, version, tag and stored bytes, each after its length in 8 bytes."""
    parts = (one.kind.encode(), one.stream_id.encode(), str(one.version).encode(), one.tag.encode(), one.state)
    return sha256(b"\x00" + b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()


class Tree:
    """A Merkle tree that grows leaf by leaf: its root at any size so far and, if asked for, the hashes in its tiles."""

    def __init__(self, *, tiles: bool = False) -> None:
        self.size = 0
        self.peaks: list[tuple[int, bytes]] = []  # perfect subtrees, from the left: height and hash
        self.levels: list[bytearray] | None = [bytearray()] if tiles else None  # of subtrees of 256 ** level leaves

    def add(self, hashed: bytes) -> None:
        """Add a leaf."""
        self.size += 1
        height = 0
        self.keep(height, hashed)
        while self.peaks and self.peaks[-1][0] == height:
            hashed, height = node(self.peaks.pop()[1], hashed), height + 1
            self.keep(height, hashed)
        self.peaks.append((height, hashed))

    def keep(self, height: int, hashed: bytes) -> None:
        """Keep a hash that stands in a tile."""
        if self.levels is not None and height % 8 == 0:
            if height // 8 == len(self.levels):
                self.levels.append(bytearray())
            self.levels[height // 8] += hashed

    def root(self) -> bytes:
        """The root of the leaves so far."""
        if not self.peaks:
            return sha256().digest()
        *others, (_, root) = self.peaks
        for _, hashed in reversed(others):
            root = node(hashed, root)
        return root

    def tile(self, level: int, number: int, width: int) -> bytes:
        """The hashes of a tile; fewer where the tree does not reach so far."""
        levels = self.levels or []
        hashes = levels[level] if level < len(levels) else b""
        return bytes(hashes[number * TILE * HASH : (number * TILE + width) * HASH])


# ---------------------------------------------------------------- Ed25519, RFC 8032: verification only
FIELD = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
CURVE = -121665 * pow(121666, -1, FIELD) % FIELD
ROOT = pow(2, (FIELD - 1) // 4, FIELD)  # of -1
Point = tuple[int, int, int, int]  # extended coordinates


def plus(p: Point, q: Point) -> Point:
    """The sum of two points. RFC 8032, section 5.1.4."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % FIELD, (p[1] + p[0]) * (q[1] + q[0]) % FIELD
    c, d = 2 * p[3] * q[3] * CURVE % FIELD, 2 * p[2] * q[2] % FIELD
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % FIELD, g * h % FIELD, f * g % FIELD, e * h % FIELD


def times(number: int, p: Point) -> Point:
    """A point added up so many times. Not in constant time: there is no secret here."""
    total: Point = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = plus(total, p)
        p, number = plus(p, p), number >> 1
    return total


def point(encoded: bytes) -> Point | None:
    """The point that 32 bytes stand for, or None. RFC 8032, section 5.1.3."""
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if len(encoded) != HASH or y >= FIELD:
        return None
    square = (y * y - 1) * pow(CURVE * y * y + 1, -1, FIELD) % FIELD
    x = pow(square, (FIELD + 3) // 8, FIELD)
    if (x * x - square) % FIELD:
        x = x * ROOT % FIELD
    if (x * x - square) % FIELD or (x == 0 and sign):
        return None
    x = FIELD - x if x & 1 != sign else x
    return x, y, 1, x * y % FIELD


BASE = point((4 * pow(5, -1, FIELD) % FIELD).to_bytes(HASH, "little"))


def signed_by(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 key has signed a message. RFC 8032, section 5.1.7."""
    key, r, s = point(public), point(signature[:HASH]), int.from_bytes(signature[HASH:], "little")
    if key is None or r is None or BASE is None or len(signature) != 2 * HASH or s >= ORDER:
        return False
    digest = int.from_bytes(sha512(signature[:HASH] + public + message).digest(), "little") % ORDER
    left, right = times(s, BASE), plus(r, times(digest, key))
    same_x = (left[0] * right[2] - right[0] * left[2]) % FIELD == 0
    return same_x and (left[1] * right[2] - right[1] * left[2]) % FIELD == 0


@dataclass(frozen=True)
class Key:
    """A verifier key, NAME+ID+BASE64, as https://c2sp.org/signed-note has it."""

    name: str
    key_id: bytes
    public: bytes


def key_of(text: str) -> Key:
    """The key in a text. Raises `Wrong`."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    data = base64_bytes(encoded)
    if data is not None and len(data) == 1 + HASH and data[:1] == b"\x01":
        computed = sha256(name.encode() + b"\n" + data).digest()[:4]
        if computed.hex() == key_id:
            return Key(name, computed, data[1:])
    raise Wrong("a verifier key NAME+ID+BASE64", text)


def base64_bytes(text: str) -> bytes | None:
    """The bytes that base64 stands for, or None."""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return None


@dataclass(frozen=True)
class Checkpoint:
    """A signed checkpoint, as https://c2sp.org/tlog-checkpoint has it."""

    origin: str
    size: int
    root: bytes
    text: bytes  # that is signed
    signatures: tuple[tuple[str, bytes, bytes], ...]  # name and id of the key, signature

    def signed(self, key: Key) -> bool | None:
        """Whether the key has signed it; None if no signature claims to be of this key."""
        own = [given for name, key_id, given in self.signatures if (name, key_id) == (key.name, key.key_id)]
        if self.origin != key.name or not own:
            return None
        return all(signed_by(key.public, self.text, one) for one in own)


def checkpoint_of(data: bytes) -> Checkpoint:
    """The checkpoint in a signed note. Raises `Wrong`."""
    text, empty, lines = data.rpartition(b"\n\n")
    head = re.fullmatch(rb"([^\n]+)\n(0|[1-9][0-9]{0,17})\n([A-Za-z0-9+/=]+)(?:\n[^\n]+)*", text)
    signatures = []
    with suppress(UnicodeDecodeError):
        for line in lines.decode().splitlines():
            found = re.fullmatch(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)", line)
            given = None if found is None else base64_bytes(found[2])
            if found is None or given is None or len(given) <= 4:
                break
            signatures.append((found[1], given[:4], given[4:]))
        else:
            root = None if head is None else base64_bytes(head[3].decode())
            if head is not None and empty and signatures and root is not None and len(root) == HASH:
                return Checkpoint(head[1].decode(), int(head[2]), root, text + b"\n", tuple(signatures))
    raise Wrong("a signed checkpoint", data[:200].decode(errors="replace"))


# ================================================================ E. The pack
class Unusable(Exception):
    """A file that is no pack, or cannot be read."""


MEMBER = re.compile(
    r"README\.md|events\.jsonl|findings\.jsonl|pack\.json|verify\.py|schemas/[a-z_]+\.v[0-9]+\.json"
    r"|seal/(checkpoint|key\.pub|checkpoints/(0|[1-9][0-9]*)|index/(x[0-9]{3}/)*[0-9]{3}"
    r"|tile/[0-9]{1,2}/(x[0-9]{3}/)*[0-9]{3}(\.p/[1-9][0-9]{0,2})?)"
)
NEEDED = ("events.jsonl", "pack.json")
NAMED = {"kind": string, "stream_id": string, "version": whole(-(2**63), 2**63 - 1), "tag": string}
LINE, RAW_LINE = record(**NAMED, state=string), record(**NAMED, state_base64=string)
FORMAT = "installment-ledger-pack.v1"


class Pack:
    """A zip file of stored (not compressed) members; events are read from where they lie in it."""

    def __init__(self, path: str) -> None:
        with ExitStack() as closing:
            try:
                self.archive = closing.enter_context(ZipFile(path))
                self.file = closing.enter_context(Path(path).open("rb"))
                self.names = [info.filename for info in self.archive.infolist()]
                self.known = {*self.names}
                self.check(Path(path).stat().st_size)
                damaged = self.archive.testzip()
            except (OSError, BadZipFile, NotImplementedError, EOFError, ValueError) as error:
                raise Unusable(f"{path} is no pack that can be read: {error}") from None
            if damaged is not None:
                raise Unusable(f"{path} is damaged: {damaged} has another checksum")
            self.start, self.end = self.place("events.jsonl")
            self.close = closing.pop_all().close

    def check(self, size: int) -> None:
        """Refuse members that a pack does not have, or that would be larger than the file. Raises `ValueError`."""
        for info in self.archive.infolist():
            if not MEMBER.fullmatch(info.filename):
                raise ValueError(f"its member {short(info.filename)!r} is none of a pack")
            if info.compress_type != ZIP_STORED or info.flag_bits & 1 or info.file_size != info.compress_size:
                raise ValueError(f"its member {info.filename} is compressed or encrypted; those of a pack are stored")
        if len(set(self.names)) != len(self.names):
            raise ValueError("it has two members of one name")
        if sum(info.file_size for info in self.archive.infolist()) > size:
            raise ValueError("its members overlap")
        for name in NEEDED:
            if name not in self.names:
                raise ValueError(f"it has no {name}")

    def place(self, name: str) -> tuple[int, int]:
        """Where the bytes of a member begin and end in the file."""
        info = self.archive.getinfo(name)
        self.file.seek(info.header_offset + 26)
        lengths = self.file.read(4)
        start = info.header_offset + 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        return start, start + info.file_size

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Each line of the events, with its offset in the file."""
        self.file.seek(self.start)
        offset = self.start
        while offset < self.end:
            line = self.file.readline(self.end - offset)
            yield offset, line
            offset += len(line)

    def line(self, offset: int) -> bytes:
        """The line at an offset."""
        self.file.seek(offset)
        return self.file.readline(self.end - offset)


def read_line(number: int, line: bytes) -> Stored:
    """The stored event in a line. Raises `Wrong`."""
    if not line.endswith(b"\n"):
        raise Wrong("a whole line", line[-100:].decode(errors="replace"))
    value = parse(line[:-1])
    check_canonical(value, line[:-1])
    raw = isinstance(value, dict) and "state_base64" in value
    fields = (RAW_LINE if raw else LINE)(value)
    state = base64_bytes(fields["state_base64"]) if raw else fields["state"].encode()
    if state is None:
        raise Wrong("base64", fields["state_base64"])
    return Stored(number, fields["kind"], fields["stream_id"], fields["version"], fields["tag"], state)


# ---------------------------------------------------------------- the whole
@dataclass
class Verification:
    """The result of verifying a pack: its numbers, and all findings."""

    events: int = 0
    plans: int = 0
    receipts: int = 0
    root: str = ""  # in hexadecimal
    checkpoints: list[dict[str, Any]] = field(default_factory=list)  # file, origin, size, signed (None: no key given)
    findings: list[Finding] = field(default_factory=list)


def verify(path: str, keys: Sequence[Key] = (), progress: Callable[[int, int], None] | None = None) -> Verification:
    """Verify a pack. Raises `Unusable` for a file that is none."""
    pack, result, whole_pack = Pack(path), Verification(), Findings()
    try:
        checkpoints = read_checkpoints(pack, whole_pack)
        offsets, streams, tree, roots = read_events(pack, whole_pack, {one.size for one in checkpoints.values()})
        result.events, result.root = tree.size, tree.root().hex()
        result.plans = sum(1 for kind, _ in streams if kind == "plan")
        result.receipts = len(streams) - result.plans
        check_contents(pack, result, whole_pack)
        for name, checkpoint in checkpoints.items():
            signed = check_signature(name, checkpoint, keys, whole_pack)
            shown = {"file": name, "origin": checkpoint.origin, "size": checkpoint.size, "signed": signed}
            result.checkpoints.append(shown)
        result.findings = list(whole_pack.found)
        result.findings += check_seal(pack, tree, roots, offsets, checkpoints)
        result.findings += check_streams(pack, offsets, streams, progress)
    finally:
        pack.close()
    return result


Streams = dict["tuple[str, str]", "array[int]"]  # by kind and id: the numbers of its lines, from 0


def read_events(
    pack: Pack, findings: Findings, sizes: Container[int]
) -> tuple[array[int], Streams, Tree, dict[int, bytes]]:
    """Where the lines begin, the lines of each stream, the tree, and its roots at these sizes."""
    tree = Tree(tiles="seal/checkpoint" in pack.known)
    offsets, streams, roots = array("Q"), Streams(), {0: tree.root()}
    for number, (offset, line) in enumerate(pack.lines()):
        offsets.append(offset)
        try:
            one = read_line(number + 1, line)
        except Wrong as wrong:
            findings.add("pack_line_unreadable", None, f"line {number + 1}: {wrong}", wrong.found)
            continue
        tree.add(leaf_hash(one))
        if tree.size in sizes:
            roots[tree.size] = tree.root()
        streams.setdefault((one.kind, one.stream_id), array("Q")).append(number)
    return offsets, streams, tree, roots


class Digests:
    """SHA-256 of the members beside the events: each by its name, the tiles of a seal as one, after their names."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}

    def begin(self, name: str) -> Callable[[bytes], object]:
        """Begin a member, in the order of names, and return the function that takes its bytes."""
        key = TILES if name.startswith(f"{TILES}/") else name
        digest = self.found.setdefault(key, sha256())
        if key != name:
            digest.update(f"{name}\n".encode())
        take: Callable[[bytes], object] = digest.update
        return take

    def shown(self) -> dict[str, str]:
        """The digests in hexadecimal, by name."""
        return {name: digest.hexdigest() for name, digest in self.found.items()}


TILES = "seal/tile"


def digests_of(pack: Pack) -> dict[str, str]:
    """The digests of the members of a pack, but for its events, which the root names, and what holds the digests."""
    digests = Digests()
    for name in sorted(pack.known - {*NEEDED}):
        take = digests.begin(name)
        with pack.archive.open(name) as member:
            while part := member.read(1 << 20):
                take(part)
    return digests.shown()


def check_contents(pack: Pack, result: Verification, findings: Findings) -> None:
    """The pack holds what it says that it does."""
    found = {
        "format": FORMAT,
        "events": result.events,
        "plans": result.plans,
        "receipts": result.receipts,
        "root": result.root,
    }
    try:
        stated: Any = parse(pack.archive.read("pack.json"))
    except Wrong as wrong:
        stated = {"pack.json": str(wrong)}
    stated = stated if isinstance(stated, dict) else {}
    for name, value in found.items():
        if stated.get(name) != value:
            findings.add("pack_contents_differ", None, f"{name} {stated.get(name)}, as pack.json says", value)
    members = stated["members"] if isinstance(stated.get("members"), dict) else {}
    digests = digests_of(pack)
    for name in sorted(members.keys() | digests.keys()):
        if members.get(name) != digests.get(name):
            expected = f"{name} with the SHA-256 {members.get(name)}, as pack.json says"
            findings.add("pack_contents_differ", None, expected, digests.get(name, "no such member"))


def read_checkpoints(pack: Pack, findings: Findings) -> dict[str, Checkpoint]:
    """The checkpoints of the seal, by the names of their files."""
    found = {}
    for name in pack.names:
        if name == "seal/checkpoint" or name.startswith("seal/checkpoints/"):
            try:
                found[name] = checkpoint_of(pack.archive.read(name))
            except Wrong as wrong:
                findings.add("seal_checkpoint", None, f"{name}: {wrong}", wrong.found)
    return found


def check_signature(name: str, checkpoint: Checkpoint, keys: Sequence[Key], findings: Findings) -> bool | None:
    """One of the keys, if any is given, has signed a checkpoint."""
    if not keys:
        return None
    signed = {checkpoint.signed(key) for key in keys}
    if True in signed:
        return True
    expected = f"{name}: signed by {' or '.join(key.name for key in keys)}"
    if False in signed:
        findings.add("seal_signature", None, expected, "a signature that does not verify")
    else:
        findings.add("seal_key", None, expected, f"origin {checkpoint.origin}, signed by others")
    return False


def check_seal(
    pack: Pack, tree: Tree, roots: dict[int, bytes], offsets: array[int], checkpoints: dict[str, Checkpoint]
) -> list[Finding]:
    """The events lead to the roots of the checkpoints; where they do not, the tiles tell which were changed."""
    findings, sealed_tree, latest = Findings(), tree, checkpoints.get("seal/checkpoint")
    located: list[Finding] = []
    if latest is not None and roots.get(latest.size) != latest.root:
        sealed = sealed_hashes(pack, latest.size)
        sealed_tree, sealed_roots = Tree(tiles=True), {0: Tree().root()}
        for hashed in sealed:
            sealed_tree.add(hashed)
            sealed_roots[sealed_tree.size] = sealed_tree.root()
        if sealed_roots.get(latest.size) == latest.root:  # the tiles are those of the seal
            roots, located = sealed_roots, list(check_leaves(pack, tree, offsets, sealed))
    for name, checkpoint in checkpoints.items():
        root = roots.get(checkpoint.size)
        if root != checkpoint.root:
            expected = f"{name}: root {checkpoint.root.hex()} of {checkpoint.size} events"
            found = "fewer events" if root is None else f"events with the root {root.hex()}"
            findings.add("seal_inconsistent", None, expected, found)
    for name in pack.names:
        place = re.fullmatch(r"seal/tile/([0-9]+)/([x0-9/]+?)(?:\.p/([0-9]+))?", name)
        if place is not None:
            number, width = int(re.sub("[x/]", "", place[2])), int(place[3] or TILE)
            hashes = sealed_tree.tile(int(place[1]), number, width)
            if len(hashes) != width * HASH or pack.archive.read(name) != hashes:
                findings.add("seal_tile", None, f"{name}: the hashes of the events", "others")
    return findings.found + located


def sealed_hashes(pack: Pack, size: int) -> list[bytes]:
    """The hashes of the leaves that tiles hold, as far as they go."""
    hashes: list[bytes] = []
    while len(hashes) < size:
        number = len(hashes) // TILE
        path = "/".join([*(f"x{part}" for part in thousands(number)[:-1]), thousands(number)[-1]])
        names = (f"seal/tile/0/{path}", f"seal/tile/0/{path}.p/{size % TILE}")
        content = next((pack.archive.read(name) for name in names if name in pack.known), b"")
        found = [content[start : start + HASH] for start in range(0, len(content), HASH)][: size - len(hashes)]
        if not found or len(found[-1]) != HASH:
            break
        hashes += found
    return hashes


def thousands(number: int) -> list[str]:
    """The digits of a number in groups of three, as tiles and indexes are named."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"{number % 1000:03}")
    return groups


def check_leaves(pack: Pack, tree: Tree, offsets: array[int], sealed: Sequence[bytes]) -> Iterator[Finding]:
    """Where the events of a pack differ from those that were sealed: changed, missing, inserted, moved."""
    leaves = [tree.tile(0, 0, tree.size)[start : start + HASH] for start in range(0, tree.size * HASH, HASH)]
    known, stored = {*sealed}, {*leaves}
    index = place = 0
    while index < len(sealed):
        here = leaves[place] if place < len(leaves) else None
        if here == sealed[index]:
            index, place = index + 1, place + 1
        elif here is not None and here not in known and sealed[index] not in stored:
            yield leaf_finding("sealed_event_changed", pack, offsets, place, index)
            index, place = index + 1, place + 1
        elif here is not None and here not in known:
            yield leaf_finding("sealed_event_inserted", pack, offsets, place, None)
            place += 1
        elif sealed[index] not in stored:
            yield leaf_finding("sealed_event_missing", pack, offsets, None, index)
            index += 1
        else:
            if here is not None:
                yield leaf_finding("sealed_event_moved", pack, offsets, place, None)
            known.discard(here or b"")
            stored.discard(sealed[index])
            index, place = index + 1, place + 1


def leaf_finding(kind: str, pack: Pack, offsets: array[int], place: int | None, index: int | None) -> Finding:
    """A finding about the event in a place, or about the one that the seal's index names as a leaf."""
    named = indexed(pack, index) if place is None and index is not None else None
    if place is not None:
        one = read_line(place + 1, pack.line(offsets[place]))
        named = one.kind, one.stream_id, one.version
    findings = Findings(*named[:2]) if named else Findings()
    expected = "no event here" if index is None else f"leaf {index} as it was sealed"
    findings.add(kind, named[2] if named else None, expected, "no such event" if place is None else "this event")
    (found,) = findings.found
    return replace(found, line=None if place is None else place + 1)


def indexed(pack: Pack, index: int) -> tuple[str, str, int] | None:
    """The name of a leaf in the index of the seal, if it is there: no proof, and a help."""
    *outer, last = thousands(index // 4_096)
    name = "/".join(["seal/index", *(f"x{one}" for one in outer), last])
    lines = pack.archive.read(name).splitlines() if name in pack.known else []
    with suppress(IndexError, Wrong):
        match parse(lines[index % 4_096]):
            case [str(kind), str(stream_id), int(version)]:
                return kind, stream_id, version
    return None


def check_streams(
    pack: Pack, offsets: array[int], streams: Streams, progress: Callable[[int, int], None] | None
) -> Iterator[Finding]:
    """The findings of all streams: receipts, then plans, by their ids; then what is in no stream that can be."""
    allocations, unknown, lost = Allocations(), Findings(), Counter[str]()
    for done, (kind, stream_id) in enumerate(sorted(streams, key=lambda one: (one[0] != "receipt", one)), 1):
        if kind not in EVENTS or not stream_id:
            lost[kind] += len(streams[kind, stream_id])
            continue
        stored = (read_line(number + 1, pack.line(offsets[number])) for number in streams[kind, stream_id])
        yield from (check_receipt if kind == "receipt" else check_plan)(stream_id, stored, allocations)
        if progress is not None:
            progress(done, len(streams))
    for plan_id in sorted(allocations):
        yield from check_allocations(plan_id, None, allocations)
    for kind, events in lost.items():
        unknown.add("stream_unknown", None, "the id of a plan or of a receipt", f"{events} events of {kind!r}")
    yield from unknown.found


# ================================================================ F. The program
def shown_progress(done: int, total: int) -> None:
    """Show progress in a terminal, apart from the findings."""
    if sys.stderr.isatty() and (done % 100 == 0 or done == total):
        print(f"\r{done:,} of {total:,} streams verified", end="\n" if done == total else "", file=sys.stderr)


def counted(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def in_text(path: str, result: Verification) -> Iterator[str]:
    """The result, line by line."""
    for one in result.findings:
        where = f"plan {short(one.plan_id)}" if one.plan_id is not None else f"receipt {short(one.receipt)}"
        where = "pack" if one.plan_id is None and one.receipt is None else where
        version = "" if one.version is None else f", version {one.version}"
        line = "" if one.line is None else f" (line {one.line})"
        yield f"{one.kind}: {where}{version}{line}"
        yield f"  expected: {one.expected}"
        yield f"  found:    {one.found}"
        yield f"  rule:     {one.rule}"
    for checkpoint in result.checkpoints:
        signed = {True: "signed by the key", False: "NOT signed by the key", None: "signature not verified: give --key"}
        size = f"{checkpoint['size']:,} events"
        yield f"{short(checkpoint['file'])} of {short(checkpoint['origin'])}: {size}, {signed[checkpoint['signed']]}"
    yield f"{path}: {result.events:,} events, {counted(result.plans, 'plan')}, {counted(result.receipts, 'receipt')}"
    yield f"root {result.root}"
    yield counted(len(result.findings), "finding") if result.findings else "no findings"


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify packs, and return 0 if nothing was found, 1 if something was, 2 if a file could not be read."""
    parser = ArgumentParser(prog="verify.py", description="Verify a pack of an installment ledger.")
    parser.add_argument("packs", nargs="+", metavar="PACK.zip", help="a pack")
    parser.add_argument("--key", action="append", default=[], help="a verifier key, or its file; may be repeated")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each pack instead of text")
    given = parser.parse_args(arguments)
    status = 0
    try:
        keys = [key_of(Path(one).read_text("utf-8") if Path(one).exists() else one) for one in given.key]
        for path in given.packs:
            status = max(status, verified(path, keys, as_json=given.json))
    except (OSError, UnicodeDecodeError, Wrong) as error:
        return failed(f"--key: expected {error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return status


def verified(path: str, keys: Sequence[Key], *, as_json: bool) -> int:
    """Verify one pack, print the result, and return the exit status."""
    try:
        result = verify(path, keys, shown_progress)
    except Unusable as error:
        return failed(str(error))
    if as_json:
        print(json.dumps({"pack": path, **asdict(result)}, ensure_ascii=False))
    else:
        for line in in_text(path, result):
            print(line)
    return 1 if result.findings else 0


def failed(sentence: str) -> int:
    """Print an error and return the exit status."""
    print(f"error: {sentence}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
