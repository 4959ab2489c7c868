"""Matching: rows of the bank with money in the ledger, one to one, always with the same result and a reason.

First by reference and direction; rows without a reference then by plan (if stated), amount and date, the nearest date
first. A match that could as well be another is none: it is reported as ambiguous.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Literal

import attrs

from ledger.audit.reconcile.bank import BankRow
from ledger.audit.reconcile.ledger_side import Booked

Kind = Literal["matched", "different", "doubled", "missing_here", "missing_there", "ambiguous", "malformed"]


@attrs.frozen(kw_only=True)
class Matched:
    """A row of the bank (`there`), money in the ledger (`here`), or both, and what they are to each other.

    `differs` names the fields in which the two differ; `candidates` are the several that an ambiguous row may be.
    """

    kind: Kind
    there: BankRow | None = None
    here: Booked | None = None
    differs: tuple[str, ...] = ()
    candidates: tuple[Booked, ...] = ()
    reason: str


def match(rows: Sequence[BankRow], money: Sequence[Booked], *, window: int) -> list[Matched]:
    """Return every row once, and all money once, unless it is only a candidate. `window` is in days."""
    rows = sorted(rows, key=lambda row: (row.on, row.amount.minor, row.plan_id or "", row.line))
    money = sorted(money, key=lambda one: (one.on, one.plan_id or "", one.reference, one.amount.minor, one.kind))
    found: list[Matched] = []
    by_row: dict[tuple[str, bool], list[BankRow]] = defaultdict(list)
    by_money: dict[tuple[str, bool], list[Booked]] = defaultdict(list)
    for row in rows:
        if row.reference is not None:
            by_row[row.reference, row.amount.minor > 0].append(row)
    for one in money:
        by_money[one.reference, one.amount.minor > 0].append(one)
    left: list[Booked] = []
    for key, booked in by_money.items():
        if key in by_row:
            found += _by_reference(by_row[key], booked, window, left)
        else:
            left += booked
    for key, some in by_row.items():
        if key not in by_money:
            direction = "received" if key[1] else "taken back"
            found += [_missing_here(row, f"no money {direction} here has the reference {key[0]!r}") for row in some]
    unnamed = [row for row in rows if row.reference is None]
    found += _by_date(unnamed, left, window)
    return found


def _missing_here(row: BankRow, reason: str) -> Matched:
    return Matched(kind="missing_here", there=row, reason=reason)


def _missing_there(one: Booked, reason: str) -> Matched:
    return Matched(kind="missing_there", here=one, reason=reason)


# ---- by reference


def _by_reference(
    rows: Sequence[BankRow], money: Sequence[Booked], window: int, left: list[Booked]
) -> Iterator[Matched]:
    """Pair rows and money of one reference and direction, the most alike first; add the money left over to `left`."""
    pairs = sorted(
        ((_differs(row, one, window), abs(row.on - one.on), at, number) for at, row in enumerate(rows)
         for number, one in enumerate(money)),
        key=lambda pair: (len(pair[0]), *pair[1:]),
    )  # fmt: skip
    rows_left, money_left = dict(enumerate(rows)), dict(enumerate(money))
    for differs, _, at, number in pairs:
        if at in rows_left and number in money_left:
            row, one = rows_left.pop(at), money_left.pop(number)
            if differs:
                reason = f"the reference is the same, the {' and the '.join(differs)} differ"
                yield Matched(kind="different", there=row, here=one, differs=differs, reason=reason)
            else:
                yield Matched(kind="matched", there=row, here=one, reason="by reference")
    reference = money[0].reference
    for row in rows_left.values():
        if any(other is not row and _same(row, other, window) for other in rows):
            yield Matched(kind="doubled", there=row, reason=f"the bank has {reference!r} twice, the ledger once")
        else:
            yield _missing_here(row, f"the money here with the reference {reference!r} belongs to another row")
    for one in money_left.values():
        if any(other is not one and _same(one, other, window) for other in money):
            yield Matched(kind="doubled", here=one, reason=f"the ledger has {reference!r} twice, the bank once")
        else:
            left.append(one)


def _differs(row: BankRow, one: Booked, window: int) -> tuple[str, ...]:
    """Return the fields in which a row and money of its reference differ."""
    plan = row.plan_id is not None and row.plan_id != one.plan_id
    late = abs(row.on - one.on) > timedelta(days=window)
    fields = (("plan", plan), ("amount", row.amount != one.amount), ("date", late))
    return tuple(name for name, differs in fields if differs)


def _same(one: BankRow | Booked, other: BankRow | Booked, window: int) -> bool:
    return one.amount == other.amount and abs(one.on - other.on) <= timedelta(days=window)


# ---- by plan, amount and date


def _by_date(rows: Sequence[BankRow], money: Sequence[Booked], window: int) -> Iterator[Matched]:
    """Pair rows without a reference with money of the same amount: on the same day, then a day apart, and so on."""
    rows_left, money_left = dict(enumerate(rows)), dict(enumerate(money))
    for days in range(window + 1):
        for some_rows, some_money in _groups(rows_left, money_left, days):
            there, here = [rows_left.pop(at) for at in some_rows], [money_left.pop(at) for at in some_money]
            if _interchangeable(there, here):
                apart = "on the same day" if not days else f"{days} day{'s' if days > 1 else ''} apart"
                alike = "" if len(there) == 1 else f", one of {len(there)} alike"
                for row, one in zip(there, here, strict=True):
                    by = "plan and amount" if row.plan_id else "amount"
                    yield Matched(kind="matched", there=row, here=one, reason=f"by {by}, {apart}{alike}")
            else:
                reason = f"{_counted(there, 'row')} and {_counted(here, 'amount')} here fit each other"
                for row in there:
                    yield Matched(kind="ambiguous", there=row, candidates=tuple(here), reason=reason)
    for row in rows_left.values():
        yield _missing_here(row, f"no such amount here within {window} days")
    for one in money_left.values():
        yield _missing_there(one, "the bank has no row for it")


def _counted(some: Sequence[object], noun: str) -> str:
    return f"{len(some)} {noun}{'' if len(some) == 1 else 's'}"


def _interchangeable(rows: Sequence[BankRow], money: Sequence[Booked]) -> bool:
    """Return whether any pairing is as good as any other: one of each, or as many of each that are all alike."""
    alike = len({(row.plan_id, row.on) for row in rows}) == 1 and len({(one.plan_id, one.on) for one in money}) == 1
    return len(rows) == len(money) and alike


def _groups(
    rows: dict[int, BankRow], money: dict[int, Booked], days: int
) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """Yield the rows and the money that fit each other at a distance of days, directly or through one another."""
    by_day: dict[object, list[int]] = defaultdict(list)
    for number, one in money.items():
        by_day[one.amount, one.on].append(number)
    edges: dict[int, list[int]] = {}
    back: dict[int, list[int]] = defaultdict(list)
    for at, row in rows.items():
        fits = [
            number
            for on in {row.on - timedelta(days=days), row.on + timedelta(days=days)}
            for number in by_day.get((row.amount, on), ())
            if row.plan_id in (None, money[number].plan_id)
        ]
        if fits:
            edges[at] = fits
            for number in fits:
                back[number].append(at)
    seen: set[int] = set()
    for first in list(edges):
        if first in seen:
            continue
        some_rows, some_money, todo = {first}, set[int](), [first]
        while todo:
            for number in edges[todo.pop()]:
                some_money.add(number)
                todo += [at for at in back[number] if at not in some_rows]
                some_rows.update(back[number])
        seen |= some_rows
        yield sorted(some_rows), sorted(some_money)
