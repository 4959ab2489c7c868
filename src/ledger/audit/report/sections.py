"""The sections of the page: charts and tables of the figures, in the words of a language."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from fractions import Fraction
from typing import NamedTuple

import attrs

from ledger.audit.language import Language
from ledger.audit.messages import Sentence
from ledger.audit.report import charts, words
from ledger.audit.report.charts import Series
from ledger.audit.report.figures import STANDINGS, Bucket, Figure, Figures, Roll, Standing
from ledger.money import Money

Shown = Callable[[int], str]
"""The text of a number: plain, or of money."""


_STATUSES = ("active", "in_grace", "completed", "cancelled")
"""The order of the statuses in tables and charts."""


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
    table: Table


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
        self._say = language.say
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
        return Cell(self._language.percent(round(share * 10_000)), int(share * 1_000_000))

    def _month(self, day: date) -> Cell:
        return Cell(self._language.month(day), day.isoformat())

    def _numbers(self, title: str, *columns: tuple[Sentence, Figure, Shown]) -> Iterator[Cell]:
        """Yield the numbers of a table row, each with a link to the rows behind it."""
        for heading, found, shown in columns:
            yield self._cell(found, shown, title, self._say(heading))

    def _cell(self, found: Figure, shown: Shown, *title: str) -> Cell:
        if not found.rows:
            return Cell(shown(found.value), found.value)
        name = f"{self._figures.currency}-{len(self.behind) + 1}"
        rows = [(row.plan_id, self._language.date(row.on), shown(row.value)) for row in found.rows]
        self.behind.append(Behind(name, " · ".join((*title, shown(found.value))), rows))
        return Cell(shown(found.value), found.value, name)

    def _major(self, found: Iterable[Figure]) -> list[float]:
        """Return amounts in major units, for a drawing only."""
        return [float(Money(one.value, self._figures.currency).major) for one in found]

    def _in_currency(self, heading: Sentence) -> str:
        return f"{self._say(heading)}, {self._figures.currency}"

    def _standing(self, one: Standing) -> str:
        if not isinstance(one, Bucket):
            return self._say(words.STATUSES[one])
        sentence = words.LAST_BUCKET if one.last is None else words.BUCKET
        return self._say(sentence, {"first": one.first, "last": one.last or one.first})

    def _section(
        self, name: str, headings: Iterable[str], rows: Sequence[Sequence[Cell]], chart: Chart | None = None
    ) -> Section:
        title, note = map(self._say, words.SECTIONS[name])
        return Section(name=name, title=title, note=note, chart=chart, table=Table(title, tuple(headings), rows))

    # ---- sections

    def _portfolio(self) -> Section:
        rows: list[Sequence[Cell]] = []
        counts: list[Sequence[Figure]] = []
        for month in self._figures.months:
            counted = (month.active, month.in_grace, month.completed, month.cancelled)
            day = self._language.date(month.through_on)
            columns = (
                *((words.STATUSES[name], one, self._number) for name, one in zip(_STATUSES, counted, strict=True)),
                (words.PAID, month.paid, self._money),
                (words.PAID_IN_CANCELLED, month.paid_in_cancelled, self._money),
            )
            rows.append((Cell(day, month.through_on.isoformat()), *self._numbers(day, *columns)))
            counts.append(counted)
        statuses = [self._say(words.STATUSES[name]) for name in _STATUSES]
        series = [
            Series(colour, [one.value for one in column]) for colour, column in enumerate(zip(*counts, strict=True), 1)
        ]
        chart = Chart(charts.stacked(self._months(), series), list(enumerate(statuses, 1)))
        headings = (words.ON, *(words.STATUSES[name] for name in _STATUSES), words.PAID, words.PAID_IN_CANCELLED)
        return self._section("portfolio", map(self._say, headings), rows, chart)

    def _collected(self) -> Section:
        months = self._figures.months
        rows = []
        for month in months:
            first = self._month(month.through_on)
            columns = (
                (words.SCHEDULED, month.scheduled, self._money),
                (words.COLLECTED, month.collected, self._money),
            )
            rows.append((first, *self._numbers(first.text, *columns)))
        series = [
            Series(1, self._major(month.scheduled for month in months)),
            Series(2, self._major(month.collected for month in months)),
        ]
        legend = [(1, self._in_currency(words.SCHEDULED)), (2, self._in_currency(words.COLLECTED))]
        chart = Chart(charts.bars(self._months(), series), legend)
        return self._section("collected", map(self._say, (words.MONTH, words.SCHEDULED, words.COLLECTED)), rows, chart)

    def _past_due(self) -> Section:
        buckets = self._figures.buckets
        rows = []
        for one in buckets:
            first = Cell(self._standing(one.bucket), one.bucket.first)
            columns = (
                (words.PLANS, one.plans, self._number),
                (words.AMOUNT_DUE, one.amount_due, self._money),
                (words.SHARES_AT_STAKE, one.shares_at_stake, self._number),
            )
            rows.append((first, *self._numbers(first.text, *columns)))
        chart = None
        if buckets:
            labels = [f"{one.bucket.first}–{one.bucket.last or ''}" for one in buckets]
            series = [Series(2, self._major(one.amount_due for one in buckets))]
            chart = Chart(charts.bars(labels, series), [(2, self._in_currency(words.AMOUNT_DUE))])
        headings = (words.DAYS_PAST_DUE, words.PLANS, words.AMOUNT_DUE, words.SHARES_AT_STAKE)
        return self._section("past-due", map(self._say, headings), rows, chart)

    def _rolls(self) -> Section:
        rolls = self._figures.rolls
        by_move = {(roll.before, roll.after): roll for roll in rolls}
        before = [one for one in STANDINGS if any(roll.before == one for roll in rolls)]
        after = [one for one in STANDINGS if any(roll.after == one for roll in rolls)]

        def cell(roll: Roll | None) -> Cell:
            if roll is None:
                return Cell("", -1)
            behind = self._cell(roll.plans, self._number, self._standing(roll.before), self._standing(roll.after))
            return self._percent(roll.rate)._replace(behind=behind.behind)

        rows = [
            (Cell(self._standing(one), STANDINGS.index(one)), *(cell(by_move.get((one, other))) for other in after))
            for one in before
        ]
        return self._section("rolls", (self._say(words.FROM), *map(self._standing, after)), rows)

    def _cohorts(self) -> Section:
        cohorts = self._figures.cohorts
        rows: list[Sequence[Cell]] = []
        fractions: list[Sequence[float]] = []
        for cohort in cohorts:
            counted = (cohort.active, cohort.in_grace, cohort.completed, cohort.cancelled)
            first = self._month(cohort.opened_in)
            columns = (
                (words.PLANS, cohort.plans, self._number),
                *((words.STATUSES[name], one, self._number) for name, one in zip(_STATUSES, counted, strict=True)),
                (words.PRICE, cohort.price, self._money),
                (words.PAID, cohort.paid, self._money),
            )
            rows.append((first, *self._numbers(first.text, *columns)))
            fractions.append([one.value / cohort.plans.value for one in counted])
        series = [Series(colour, column) for colour, column in enumerate(zip(*fractions, strict=True), 1)]
        labels = [cohort.opened_in.strftime("%Y-%m") for cohort in cohorts]
        legend = list(enumerate((self._say(words.STATUSES[name]) for name in _STATUSES), 1))
        chart = Chart(charts.stacked(labels, series, percent=True), legend)
        statuses = (words.STATUSES[name] for name in _STATUSES)
        headings = (words.MONTH, words.PLANS, *statuses, words.PRICE, words.PAID)
        return self._section("cohorts", map(self._say, headings), rows, chart)

    def _cancelled(self) -> Section:
        cancelled = words.STATUSES["cancelled"]
        rows = []
        for number, one in enumerate(self._figures.shares):
            shown = self._number if one.of == "plans" else self._money
            first = Cell(self._say(words.DEFINITIONS[one.of]), number)
            columns = ((cancelled, one.cancelled, shown), (words.ALL, one.whole, shown))
            rows.append((first, self._percent(one.share), *self._numbers(first.text, *columns)))
        headings = (words.DEFINITION, words.PERCENTAGE, cancelled, words.ALL)
        return self._section("cancelled", map(self._say, headings), rows)

    def _ahead(self) -> Section:
        months = self._figures.ahead
        rows = []
        for month in months:
            first = self._month(month.through_on)
            columns = (
                (words.AMOUNT_DUE, month.amount, self._money),
                (words.PACKAGE_SHARES, month.shares, self._number),
                (words.BONUS_SHARES, month.bonus, self._number),
            )
            rows.append((first, *self._numbers(first.text, *columns)))
        chart = None
        if months:
            series = [
                Series(1, [month.shares.value for month in months]),
                Series(3, [month.bonus.value for month in months]),
            ]
            labels = [month.through_on.strftime("%Y-%m") for month in months]
            legend = [(1, self._say(words.PACKAGE_SHARES)), (3, self._say(words.BONUS_SHARES))]
            chart = Chart(charts.stacked(labels, series), legend)
        headings = (words.MONTH, words.AMOUNT_DUE, words.PACKAGE_SHARES, words.BONUS_SHARES)
        return self._section("ahead", map(self._say, headings), rows, chart)

    def _months(self) -> list[str]:
        return [month.through_on.strftime("%Y-%m") for month in self._figures.months]
