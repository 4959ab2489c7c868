"""The sections of the page: charts and tables of the figures, in the words of a language."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

import attrs

from ledger.audit.report import charts
from ledger.audit.report.charts import Series
from ledger.audit.report.figures import STANDINGS, Bucket, Figure, Figures, Roll, Standing
from ledger.audit.report.language import Language
from ledger.money import Money

Shown = Callable[[int], str]
"""The text of a number: plain, or of money."""


class Cell(NamedTuple):
    """A cell of a table: its text, the value by which its column sorts, and the rows behind it, if any."""

    text: str
    sort: int | str
    behind: str | None = None


class Table(NamedTuple):
    """A table: the first cell of each row names it."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]


class Chart(NamedTuple):
    """A drawing, and its legend: the number of a colour and its meaning."""

    svg: str
    legend: Sequence[tuple[int, str]]


@attrs.frozen(kw_only=True)
class Section:
    """A part of the page; `name` is its address in the page."""

    name: str
    title: str
    note: str
    chart: Chart | None = None
    tables: Sequence[Table]


class Behind(NamedTuple):
    """The rows behind a number: each a plan, a date and a value."""

    name: str
    title: str
    rows: Sequence[tuple[str, str, str]]


class Sections:
    """The sections of one currency, and the rows behind their numbers."""

    def __init__(self, figures: Figures, language: Language) -> None:
        self._figures = figures
        self._language = language
        self._text = language.gettext
        self.behind: list[Behind] = []

    def all(self) -> Iterator[Section]:
        """Yield the sections in the order of the page."""
        yield self._portfolio()
        yield self._collected()
        yield self._past_due()
        yield self._rolls()
        yield self._cohorts()
        yield self._cancelled()
        yield self._ahead()

    # ---- numbers

    def _money(self, minor: int) -> str:
        return self._language.money(Money(minor, self._figures.currency))

    def _number(self, value: int) -> str:
        return self._language.number(value)

    def _percent(self, share: Fraction) -> Cell:
        return Cell(self._language.percent(share), int(share * 1_000_000))

    def _cell(self, found: Figure, shown: Shown, *title: str) -> Cell:
        """Return a number with a link to the rows behind it."""
        if not found.rows:
            return Cell(shown(found.value), found.value)
        name = f"{self._figures.currency}-{len(self.behind) + 1}"
        rows = [(row.plan_id, self._language.day(row.on), shown(row.value)) for row in found.rows]
        self.behind.append(Behind(name, " · ".join((*title, shown(found.value))), rows))
        return Cell(shown(found.value), found.value, name)

    def _major(self, values: Sequence[int]) -> list[float]:
        """Return amounts in major units, for a drawing only."""
        return [float(Money(value, self._figures.currency).major) for value in values]

    def _standing(self, one: Standing) -> str:
        if not isinstance(one, Bucket):
            return self._language.status(one)
        if one.last is None:
            return self._text("{first} days past due and more").format(first=self._number(one.first))
        return self._text("{first} to {last} days past due").format(
            first=self._number(one.first), last=self._number(one.last)
        )

    # ---- sections

    def _portfolio(self) -> Section:
        title, months = self._text("Portfolio over time"), self._figures.months
        statuses = [self._language.status(one) for one in ("active", "in_grace", "completed", "cancelled")]
        paid, in_cancelled = self._text("Paid"), self._text("Paid in cancelled plans")
        counts = [[month.active, month.in_grace, month.completed, month.cancelled] for month in months]
        rows = [
            (
                Cell(self._language.day(month.through_on), month.through_on.isoformat()),
                *(
                    self._cell(one, self._number, self._language.day(month.through_on), name)
                    for one, name in zip(counted, statuses, strict=True)
                ),
                self._cell(month.paid, self._money, self._language.day(month.through_on), paid),
                self._cell(month.paid_in_cancelled, self._money, self._language.day(month.through_on), in_cancelled),
            )
            for month, counted in zip(months, counts, strict=True)
        ]
        series = [
            Series(colour, [one.value for one in column]) for colour, column in enumerate(zip(*counts, strict=True), 1)
        ]
        return Section(
            name="portfolio",
            title=title,
            note=self._text("Plans by status at the end of each month; money applied to installments by then."),
            chart=Chart(charts.stacked(self._months(), series), list(enumerate(statuses, 1))),
            tables=[Table(title, (self._text("On"), *statuses, paid, in_cancelled), rows)],
        )

    def _collected(self) -> Section:
        title, months = self._text("Collected against scheduled"), self._figures.months
        scheduled, collected = self._text("Scheduled"), self._text("Collected")
        rows = [
            (
                Cell(self._language.month(month.through_on), month.through_on.isoformat()),
                self._cell(month.scheduled, self._money, self._language.month(month.through_on), scheduled),
                self._cell(month.collected, self._money, self._language.month(month.through_on), collected),
            )
            for month in months
        ]
        series = [
            Series(1, self._major([month.scheduled.value for month in months])),
            Series(2, self._major([month.collected.value for month in months])),
        ]
        note = self._text(
            "Scheduled: installments due in the month under the schedule in force, none after a cancellation. "
            "Collected: money applied to installments in the month, less money taken back."
        )
        return Section(
            name="collected",
            title=title,
            note=note,
            chart=Chart(charts.bars(self._months(), series), [(1, scheduled), (2, collected)]),
            tables=[Table(title, (self._text("Month"), scheduled, collected), rows)],
        )

    def _past_due(self) -> Section:
        title, buckets = self._text("Days past due"), self._figures.buckets
        plans, due, stake = self._text("Plans"), self._text("Amount due"), self._text("Shares at stake")
        rows = [
            (
                Cell(self._standing(row.bucket), row.bucket.first),
                self._cell(row.plans, self._number, self._standing(row.bucket), plans),
                self._cell(row.amount_due, self._money, self._standing(row.bucket), due),
                self._cell(row.shares_at_stake, self._number, self._standing(row.bucket), stake),
            )
            for row in buckets
        ]
        labels = [f"{one.bucket.first}–{one.bucket.last or ''}" for one in buckets]
        series = [Series(2, self._major([row.amount_due.value for row in buckets]))]
        return Section(
            name="past-due",
            title=title,
            note=self._text("Plans in grace, by the days past due of the installment whose grace ends first."),
            chart=Chart(charts.bars(labels, series), [(2, due)]) if buckets else None,
            tables=[Table(title, (title, plans, due, stake), rows)],
        )

    def _rolls(self) -> Section:
        title, rolls = self._text("Roll rates"), self._figures.rolls
        by_move = {(roll.before, roll.after): roll for roll in rolls}
        after = [one for one in STANDINGS if any(roll.after == one for roll in rolls)]
        before = [one for one in STANDINGS if any(roll.before == one for roll in rolls)]

        def cell(roll: Roll | None) -> Cell:
            if roll is None:
                return Cell("", -1)
            behind = self._cell(roll.plans, self._number, self._standing(roll.before), self._standing(roll.after))
            return self._percent(roll.rate)._replace(behind=behind.behind)

        rows = [
            (Cell(self._standing(one), STANDINGS.index(one)), *(cell(by_move.get((one, other))) for other in after))
            for one in before
        ]
        note = self._text(
            "Of the plans in a row at the end of a month, the share in each column at the end of the next one, "
            "over the last twelve whole months."
        )
        headings = (self._text("From"), *map(self._standing, after))
        return Section(name="rolls", title=title, note=note, tables=[Table(title, headings, rows)])

    def _cohorts(self) -> Section:
        title, cohorts = self._text("Cohorts by opening month"), self._figures.cohorts
        statuses = [self._language.status(one) for one in ("active", "in_grace", "completed", "cancelled")]
        counts = [[cohort.active, cohort.in_grace, cohort.completed, cohort.cancelled] for cohort in cohorts]
        plans, price, paid = self._text("Plans"), self._text("Price"), self._text("Paid")
        rows = []
        for cohort, counted in zip(cohorts, counts, strict=True):
            month = self._language.month(cohort.opened_in)
            rows.append(
                (
                    Cell(month, cohort.opened_in.isoformat()),
                    self._cell(cohort.plans, self._number, month, plans),
                    *(self._cell(one, self._number, month, name) for one, name in zip(counted, statuses, strict=True)),
                    self._cell(cohort.price, self._money, month, price),
                    self._cell(cohort.paid, self._money, month, paid),
                )
            )
        totals = [cohort.plans.value for cohort in cohorts]
        series = [
            Series(colour, [one.value / total for one, total in zip(column, totals, strict=True)])
            for colour, column in enumerate(zip(*counts, strict=True), 1)
        ]
        labels = [cohort.opened_in.strftime("%Y-%m") for cohort in cohorts]
        return Section(
            name="cohorts",
            title=title,
            note=self._text("Plans opened in a month, by their status on the date of the report."),
            chart=Chart(charts.stacked(labels, series, percent=True), list(enumerate(statuses, 1))),
            tables=[Table(title, (self._text("Month"), plans, *statuses, price, paid), rows)],
        )

    def _cancelled(self) -> Section:
        title = self._text("Share of cancelled plans, by its three definitions")
        names = {
            "paid": self._text("Money paid in cancelled plans, of all money paid"),
            "price": self._text("Prices of cancelled plans, of all prices"),
            "plans": self._text("Cancelled plans, of all plans"),
        }
        rows = []
        for number, one in enumerate(self._figures.shares):
            shown = self._number if one.of == "plans" else self._money
            rows.append(
                (
                    Cell(names[one.of], number),
                    self._percent(one.share),
                    self._cell(one.cancelled, shown, names[one.of], self._language.status("cancelled")),
                    self._cell(one.whole, shown, names[one.of], self._text("All")),
                )
            )
        headings = (
            self._text("Definition"),
            self._text("Share"),
            self._language.status("cancelled"),
            self._text("All"),
        )
        note = self._text("Which definition is meant has to be said with the number.")
        return Section(name="cancelled", title=title, note=note, tables=[Table(title, headings, rows)])

    def _ahead(self) -> Section:
        title, months = self._text("Promised by month ahead"), self._figures.ahead
        amount, shares, bonus = self._text("Amount due"), self._text("Package shares"), self._text("Bonus shares")
        rows = [
            (
                Cell(self._language.month(month.through_on), month.through_on.isoformat()),
                self._cell(month.amount, self._money, self._language.month(month.through_on), amount),
                self._cell(month.shares, self._number, self._language.month(month.through_on), shares),
                self._cell(month.bonus, self._number, self._language.month(month.through_on), bonus),
            )
            for month in months
        ]
        series = [
            Series(1, [month.shares.value for month in months]),
            Series(3, [month.bonus.value for month in months]),
        ]
        note = self._text(
            "Shares that are credited, and money that falls due, if every plan is paid on schedule. "
            "Overdue installments stand in the month of the report."
        )
        labels = [month.through_on.strftime("%Y-%m") for month in months]
        return Section(
            name="ahead",
            title=title,
            note=note,
            chart=Chart(charts.stacked(labels, series), [(1, shares), (3, bonus)]) if months else None,
            tables=[Table(title, (self._text("Month"), amount, shares, bonus), rows)],
        )

    def _months(self) -> list[str]:
        return [month.through_on.strftime("%Y-%m") for month in self._figures.months]
