"""The report for people: every figure equals the answers of the ledger, every number has its rows, the page is whole."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from html.parser import HTMLParser

import pytest

from ledger import Ledger
from ledger.audit.report.figures import BUCKETS, Figure, Figures, figures, month_end, month_ends
from ledger.audit.report.lives import Life, life
from ledger.books.importer import import_book
from ledger.books.reader import EXAMPLE, read_book
from ledger.replay import replay

AS_OF = date(2024, 6, 17)


def lives_of(books: Ledger, as_of: date) -> list[Life]:
    plans = [one.plan for page in replay(books._store) for one in page if one.plan]
    return [found for plan in plans if (found := life(plan, as_of)) is not None]


@pytest.fixture(scope="module")
def books() -> Iterator[Ledger]:
    """The bundled book."""
    with Ledger.open("memory://") as opened:
        import_book(opened, read_book(EXAMPLE))
        yield opened


@pytest.fixture(scope="module")
def report(books: Ledger) -> Figures:
    return figures(lives_of(books, AS_OF), currency="USD", as_of=AS_OF)


def figures_in(report: Figures) -> Iterator[Figure]:
    groups = (report.months, report.cohorts, report.buckets, report.rolls, report.shares, report.ahead)
    for group in groups:
        for row in group:
            yield from (value for name in dir(row) if isinstance(value := getattr(row, name), Figure))


def test_month_ends_run_from_the_first_month_to_the_date_itself() -> None:
    """The last day of February is the 29th in a leap year; the date of the report ends the list, once."""
    found = list(month_ends(date(2023, 12, 31), date(2024, 3, 1)))
    assert found == [date(2023, 12, 31), date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 1)]
    assert list(month_ends(date(2024, 2, 29), date(2024, 2, 29))) == [date(2024, 2, 29)]


def test_every_figure_is_the_sum_of_its_rows(report: Figures) -> None:
    """A number and the rows behind it never differ."""
    found = list(figures_in(report))
    assert len(found) > 500
    assert all(one.value == sum(row.value for row in one.rows) for one in found)


def test_each_month_equals_the_portfolio_of_its_last_day(books: Ledger, report: Figures) -> None:
    """Counts and money of every month end, against the ledger's own portfolio."""
    for month in report.months:
        (row,) = books.portfolio(as_of=month.through_on)
        counts = month.active, month.in_grace, month.cancelled, month.completed
        assert [one.value for one in counts] == [row.active, row.in_grace, row.cancelled, row.completed]
        assert (month.paid.value, month.paid_in_cancelled.value) == (row.paid.minor, row.paid_in_cancelled.minor)


def test_money_collected_adds_up_to_money_paid(books: Ledger, report: Figures) -> None:
    """Month by month, chargebacks taken off."""
    (row,) = books.portfolio(as_of=AS_OF)
    assert sum(month.collected.value for month in report.months) == row.paid.minor


def test_buckets_equal_the_overdue_list(books: Ledger, report: Figures) -> None:
    """Each overdue plan is in the bucket of its days past due, with its amount and its shares at stake."""
    rows = books.overdue(as_of=AS_OF)
    assert rows
    for bucket in report.buckets:
        last = bucket.bucket.last or 10**6
        within = [row for row in rows if bucket.bucket.first <= row.days_past_due <= last]
        assert bucket.plans.value == len(within)
        assert bucket.amount_due.value == sum(row.amount_due.minor for row in within)
        assert bucket.shares_at_stake.value == sum(row.shares_at_stake for row in within)
    assert sum(bucket.plans.value for bucket in report.buckets) == len(rows)


def test_buckets_leave_no_day_out() -> None:
    """From day 1 on, each number of days is in exactly one bucket."""
    for days in range(1, 200):
        assert sum(one.first <= days <= (one.last or days) for one in BUCKETS) == 1


def test_the_three_cancelled_shares_equal_the_portfolio(books: Ledger, report: Figures) -> None:
    """By money paid, by price, by number."""
    (row,) = books.portfolio(as_of=AS_OF)
    assert [one.share for one in report.shares] == [
        row.cancelled_share_of_paid,
        row.cancelled_share_of_price,
        row.cancelled_share_of_plans,
    ]


def test_shares_ahead_are_all_shares_promised(books: Ledger, report: Figures) -> None:
    """Package and bonus; no month lies before that of the report, and money ahead completes every price."""
    rows = books.balances(as_of=AS_OF)
    assert sum(month.shares.value for month in report.ahead) == sum(row.shares_promised for row in rows)
    assert sum(month.bonus.value for month in report.ahead) == sum(row.bonus_promised for row in rows)
    assert min(month.through_on for month in report.ahead) == month_end(AS_OF)
    open_plans = [one for one in books.positions(as_of=AS_OF) if one.status in ("active", "in_grace")]
    assert sum(month.amount.value for month in report.ahead) == sum(one.outstanding.minor for one in open_plans)


def test_cohorts_hold_each_plan_once(books: Ledger, report: Figures) -> None:
    """Their counts by status add up to the plans, and all cohorts to the ledger."""
    for cohort in report.cohorts:
        parts = cohort.active, cohort.in_grace, cohort.cancelled, cohort.completed
        assert sum(one.value for one in parts) == cohort.plans.value
    assert sum(cohort.plans.value for cohort in report.cohorts) == len(books.positions(as_of=AS_OF))


def test_roll_rates_of_a_standing_add_up_to_one(report: Figures) -> None:
    """Every plan that stood somewhere at a month end stands somewhere at the next."""
    sums = Counter[object]()
    for roll in report.rolls:
        sums[roll.before] += roll.rate  # type: ignore[assignment]  # fractions add up exactly
    assert sums
    assert set(sums.values()) == {1}


class Addresses(HTMLParser):
    """Collects the ids of a page, the addresses in it, and what would be loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name == "href":
                self.addresses.append(value or "")
            elif name in ("src", "srcset", "data", "poster", "action"):
                self.loads.append(value or "")


def page_of(folder: Path, plans: int) -> str:
    """Return the report of a ledger with so many plans of the bundled book."""
    for file in EXAMPLE.iterdir():
        rows = list(csv.reader(file.read_text("utf-8").splitlines()))
        place = rows[0].index("plan_id") if "plan_id" in rows[0] else None
        kept = [rows[0], *(row for row in rows[1:] if place is None or row[place] <= f"P-{plans:05d}")]
        with (folder / file.name).open("w", encoding="utf-8", newline="") as copy:
            csv.writer(copy).writerows(kept)
    with Ledger.open("memory://") as opened:
        import_book(opened, read_book(folder))
        return report_of(opened._store, as_of=AS_OF, language=Language())
