"""The report of a reconciliation: every row with its kind, and the sums of each day."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import get_args

import attrs

from ledger.audit.reconcile.bank import BankRow, MalformedRow
from ledger.audit.reconcile.ledger_side import Booked, booked
from ledger.audit.reconcile.matching import Kind, Matched, match
from ledger.dates import Known
from ledger.errors import InvalidArgument
from ledger.money import Money
from ledger.store import EventReader


@attrs.frozen(kw_only=True)
class DaySum:
    """The money of a day in one currency, by each side's own dates; what was taken back is subtracted."""

    on: date
    there: Money
    here: Money
    difference: Money


@attrs.frozen(kw_only=True)
class Reconciliation:
    """A statement compared with the ledger over a period, both days inclusive; None and None if it has no rows.

    `counts` has every kind. `rows` are sorted by date; malformed ones come first. `days` has each day of the period on
    which there is money on either side.
    """

    from_on: date | None
    through_on: date | None
    window_days: int
    counts: Mapping[str, int]
    rows: tuple[Matched, ...]
    malformed: tuple[MalformedRow, ...]
    days: tuple[DaySum, ...]

    @property
    def reconciled(self) -> bool:
        """Whether every row is matched, and all money of the period."""
        return all(row.kind == "matched" for row in self.rows) and not self.malformed


def reconcile(
    reader: EventReader,
    rows: Sequence[BankRow],
    malformed: Sequence[MalformedRow] = (),
    *,
    window: int,
    from_on: date | None = None,
    through_on: date | None = None,
    known_at: Known | None = None,
) -> Reconciliation:
    """Compare the rows of a bank with a ledger; the period is that of the rows, unless it is stated.

    Rows outside a stated period are left out. Money outside it is not missing there, but may match a row by reference,
    or within the window of days. Memory grows with the statement, not with the ledger. Raises `InvalidArgument` for a
    period that ends before it begins, and `CorruptHistory`: money that cannot be read would look like money that is
    missing.
    """
    first = from_on or min((row.on for row in rows), default=None)
    last = through_on or max((row.on for row in rows), default=None)
    if first is None or last is None:
        return _report((), malformed, (), (), window=window, period=(first, last))
    if first > last:  # to compare nothing would look like a match
        expected = f"a day up to {last}, the last of the period"
        raise InvalidArgument(argument="from", given=str(first), expected=expected)
    rows = [row for row in rows if first <= row.on <= last]
    references = {row.reference for row in rows}
    earliest, latest = _shifted(first, -window), _shifted(last, window)
    money = booked(
        reader,
        known_at=known_at,
        wanted=lambda one: earliest <= one.on <= latest or one.reference in references,
    )
    money.sort(key=lambda one: (one.on, one.plan_id or "", one.reference))
    found = [
        one
        for one in match(rows, money, window=window)
        if one.there is not None or (one.here is not None and first <= one.here.on <= last)
    ]
    inside = [one for one in money if first <= one.on <= last]
    return _report(found, malformed, rows, inside, window=window, period=(first, last))


def _shifted(day: date, days: int) -> date:
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return date.min if days < 0 else date.max


def _report(
    found: Iterable[Matched],
    malformed: Sequence[MalformedRow],
    rows: Sequence[BankRow],
    money: Sequence[Booked],
    *,
    window: int,
    period: tuple[date | None, date | None],
) -> Reconciliation:
    ordered = sorted(found, key=_order)
    counts = Counter(one.kind for one in ordered)
    counts["malformed"] = len(malformed)
    return Reconciliation(
        from_on=period[0],
        through_on=period[1],
        window_days=window,
        counts={kind: counts[kind] for kind in get_args(Kind)},
        rows=tuple(ordered),
        malformed=tuple(malformed),
        days=tuple(_days(rows, money)),
    )


def _order(one: Matched) -> tuple[date, int, str, str]:
    here = one.here
    on = one.there.on if one.there else here.on if here else date.min
    return on, one.there.line if one.there else 0, (here and here.plan_id) or "", here.reference if here else ""


def _days(rows: Sequence[BankRow], money: Sequence[Booked]) -> Iterable[DaySum]:
    sums: dict[tuple[date, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        sums[row.on, row.amount.currency][0] += row.amount.minor
    for one in money:
        sums[one.on, one.amount.currency][1] += one.amount.minor
    for (on, code), (there, here) in sorted(sums.items()):
        difference = Money(there - here, code)
        yield DaySum(on=on, there=Money(there, code), here=Money(here, code), difference=difference)
