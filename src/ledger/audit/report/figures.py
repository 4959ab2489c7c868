"""The figures of the report, each with the rows that add up to it. Money in minor units; one currency at a time."""

import calendar
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import attrs

from ledger.audit.report.plan_histories import Life
from ledger.dates import DAY
from ledger.projections.periods import Period
from ledger.state import Status

ROLLED_MONTHS = 12
"""Month ends over which the roll rates are counted."""


class Row(NamedTuple):
    """A row behind a number: a plan, the date that counts, and what the plan adds to the number."""

    plan_id: str
    on: date
    value: int


class Figure(NamedTuple):
    """A number and the rows that add up to it."""

    value: int
    rows: tuple[Row, ...]


def figure(rows: Iterable[Row]) -> Figure:
    """Return the sum of rows; those that add nothing are left out."""
    kept = tuple(row for row in rows if row.value)
    return Figure(sum(row.value for row in kept), kept)


class Bucket(NamedTuple):
    """A range of days past due, inclusive; `last` is None where it has no end."""

    first: int
    last: int | None


BUCKETS = (Bucket(1, 7), Bucket(8, 14), Bucket(15, 21), Bucket(22, 30), Bucket(31, 60), Bucket(61, None))
"""Days past due. Under 19 days of grace a plan is in one of the first three, then cancelled."""

Standing = str | Bucket
"""Where a plan stands at the end of a month: a status or, while in grace, its bucket."""

STANDINGS: Sequence[Standing] = ("active", *BUCKETS, "cancelled", "completed")
"""Every standing, in the order of the tables."""


def standing(life: Life, period: Period, day: date) -> Standing:
    """Return where a plan stands on a day of a period."""
    if period.status != "in_grace":
        return period.status
    days = life.days_past_due(day)
    return next(bucket for bucket in BUCKETS if bucket.last is None or days <= bucket.last)


@attrs.frozen(kw_only=True)
class Month:
    """A month, through `through_on`: its last day, or the date of the report in the last month.

    `active` to `completed` count plans at its end, `paid` and `paid_in_cancelled` their money. `scheduled` is the money
    due in it, `collected` the money applied to installments in it, less money taken back.
    """

    through_on: date
    active: Figure
    in_grace: Figure
    cancelled: Figure
    completed: Figure
    paid: Figure
    paid_in_cancelled: Figure
    scheduled: Figure
    collected: Figure


@attrs.frozen(kw_only=True)
class Cohort:
    """The plans opened in a month, by their status on the date of the report; price and paid in minor units."""

    opened_in: date
    plans: Figure
    active: Figure
    in_grace: Figure
    cancelled: Figure
    completed: Figure
    price: Figure
    paid: Figure


@attrs.frozen(kw_only=True)
class BucketRow:
    """Plans in grace by days past due: their number, the unpaid part of all that is due, the shares at stake."""

    bucket: Bucket
    plans: Figure
    amount_due: Figure
    shares_at_stake: Figure


@attrs.frozen(kw_only=True)
class Roll:
    """Of the plans that stood at `before` at the end of a month, those that stood at `after` a month later.

    `counted` is the number of all that stood at `before`.
    """

    before: Standing
    after: Standing
    plans: Figure
    counted: int

    @property
    def rate(self) -> Fraction:
        """The share of them."""
        return Fraction(self.plans.value, self.counted)


@attrs.frozen(kw_only=True)
class AheadMonth:
    """What falls due in a month if every plan pays on schedule: money, package shares and bonus shares promised."""

    through_on: date
    amount: Figure
    shares: Figure
    bonus: Figure


@attrs.frozen(kw_only=True)
class CancelledShare:
    """The share of cancelled plans, by one of its three definitions: `paid`, `price` or `plans`."""

    of: str
    cancelled: Figure
    whole: Figure

    @property
    def share(self) -> Fraction:
        """The share; 0 of nothing."""
        return Fraction(self.cancelled.value, self.whole.value) if self.whole.value else Fraction(0)


@attrs.frozen(kw_only=True)
class Figures:
    """All figures of the plans in one currency on a date."""

    as_of: date
    currency: str
    lives: Sequence[Life]
    months: Sequence[Month]
    cohorts: Sequence[Cohort]
    buckets: Sequence[BucketRow]
    rolls: Sequence[Roll]
    shares: Sequence[CancelledShare]
    ahead: Sequence[AheadMonth]


def figures(lives: Sequence[Life], *, currency: str, as_of: date) -> Figures:
    """Return the figures of the plans in a currency: at least one."""
    ends = list(month_ends(min(life.opened_on for life in lives), as_of))
    return Figures(
        as_of=as_of,
        currency=currency,
        lives=lives,
        months=_months(lives, ends),
        cohorts=_cohorts(lives, as_of),
        buckets=_buckets(lives, as_of),
        rolls=_rolls(lives, ends),
        shares=_cancelled_shares(lives, as_of),
        ahead=_ahead(lives, as_of),
    )


def month_end(day: date) -> date:
    """Return the last day of a date's month."""
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def month_ends(first: date, last: date) -> Iterator[date]:
    """Yield the last days of the months from a date on; the last one is the date `last` itself."""
    end = month_end(first)
    while end < last:
        yield end
        end = month_end(end + DAY)
    yield last


def _one(_: Period) -> int:
    return 1


def _price(period: Period) -> int:
    return period.price


def _paid(period: Period) -> int:
    return period.paid


def _is(status: Status) -> Callable[[Period], int]:
    return lambda period: period.status == status


def _present(lives: Iterable[Life], day: date) -> Iterator[tuple[Life, Period]]:
    return ((life, period) for life in lives if (period := life.on(day)) is not None)


def _months(lives: Sequence[Life], ends: Sequence[date]) -> list[Month]:
    scheduled: dict[date, list[Row]] = {}
    collected: dict[date, list[Row]] = {}
    for life in lives:
        for rows, changes in ((scheduled, life.scheduled), (collected, life.collected())):
            for change in changes:
                rows.setdefault(month_end(change.on), []).append(Row(life.plan_id, change.on, change.amount))

    def month(end: date) -> Month:
        found = [period for _, period in _present(lives, end)]

        def of(value: Callable[[Period], int]) -> Figure:
            return figure(Row(period.plan_id, period.from_on, value(period)) for period in found)

        return Month(
            through_on=end,
            active=of(_is("active")),
            in_grace=of(_is("in_grace")),
            cancelled=of(_is("cancelled")),
            completed=of(_is("completed")),
            paid=of(_paid),
            paid_in_cancelled=of(lambda period: period.paid if period.status == "cancelled" else 0),
            scheduled=figure(scheduled.get(month_end(end), ())),
            collected=figure(collected.get(month_end(end), ())),
        )

    return [month(end) for end in ends]


def _cohorts(lives: Sequence[Life], as_of: date) -> list[Cohort]:
    members: dict[date, list[tuple[Life, Period]]] = {}
    for life, period in _present(lives, as_of):
        members.setdefault(life.opened_on.replace(day=1), []).append((life, period))

    def cohort(opened_in: date, found: Sequence[tuple[Life, Period]]) -> Cohort:
        def of(value: Callable[[Period], int]) -> Figure:
            return figure(Row(life.plan_id, life.opened_on, value(period)) for life, period in found)

        return Cohort(
            opened_in=opened_in,
            plans=of(_one),
            active=of(_is("active")),
            in_grace=of(_is("in_grace")),
            cancelled=of(_is("cancelled")),
            completed=of(_is("completed")),
            price=of(_price),
            paid=of(_paid),
        )

    return [cohort(opened_in, members[opened_in]) for opened_in in sorted(members)]


def _buckets(lives: Sequence[Life], as_of: date) -> list[BucketRow]:
    members: dict[Standing, list[Period]] = {}
    for life, period in _present(lives, as_of):
        members.setdefault(standing(life, period, as_of), []).append(period)

    def of(bucket: Bucket, value: Callable[[Period], int]) -> Figure:
        rows = members.get(bucket, ())
        return figure(Row(period.plan_id, period.overdue_since or as_of, value(period)) for period in rows)

    return [
        BucketRow(
            bucket=bucket,
            plans=of(bucket, _one),
            amount_due=of(bucket, lambda period: period.amount_due),
            shares_at_stake=of(bucket, lambda period: period.shares_promised + period.bonus_promised),
        )
        for bucket in BUCKETS
        if bucket in members
    ]


def _rolls(lives: Sequence[Life], ends: Sequence[date]) -> list[Roll]:
    """Count the moves between month ends, whole months only, over the last `ROLLED_MONTHS` of them."""
    whole = [end for end in ends if end == month_end(end)][-ROLLED_MONTHS - 1 :]
    moves: dict[tuple[Standing, Standing], list[Row]] = {}
    for before, after in pairwise(whole):
        for life, period in _present(lives, before):
            later = life.on(after)
            assert later is not None
            move = standing(life, period, before), standing(life, later, after)
            moves.setdefault(move, []).append(Row(life.plan_id, after, 1))
    counted = {one: sum(len(rows) for (before, _), rows in moves.items() if before == one) for one in STANDINGS}
    return [
        Roll(before=before, after=after, plans=figure(moves[before, after]), counted=counted[before])
        for before in STANDINGS
        for after in STANDINGS
        if (before, after) in moves
    ]


def _cancelled_shares(lives: Sequence[Life], as_of: date) -> list[CancelledShare]:
    found = list(_present(lives, as_of))
    values = {"paid": _paid, "price": _price, "plans": _one}

    def rows(value: Callable[[Period], int], *, cancelled: bool) -> Iterator[Row]:
        for life, period in found:
            if not cancelled or period.status == "cancelled":
                yield Row(life.plan_id, life.opened_on, value(period))

    return [
        CancelledShare(of=of, cancelled=figure(rows(value, cancelled=True)), whole=figure(rows(value, cancelled=False)))
        for of, value in values.items()
    ]


def _ahead(lives: Sequence[Life], as_of: date) -> list[AheadMonth]:
    months: dict[date, list[tuple[str, date, tuple[int, int, int]]]] = {}
    for life in lives:
        for line in life.ahead:
            end = month_end(max(line.due_on, as_of))
            months.setdefault(end, []).append((life.plan_id, line.due_on, (line.amount, line.shares, line.bonus)))

    def of(end: date, index: int) -> Figure:
        return figure(Row(plan_id, due_on, values[index]) for plan_id, due_on, values in months[end])

    return [
        AheadMonth(through_on=end, amount=of(end, 0), shares=of(end, 1), bonus=of(end, 2)) for end in sorted(months)
    ]
