"""The report for people: figures equal the answers of the ledger, every number has its rows, the page is whole."""

import csv
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import attrs
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from ledger import Ledger, Money
from ledger.audit import audit
from ledger.audit.language import Code, language
from ledger.audit.report.figures import BUCKETS, Figure, Figures, figures, month_end, month_ends
from ledger.audit.report.plan_histories import Life, life
from ledger.audit.report.report import report as page_of_report
from ledger.books.importer import import_book
from ledger.books.reader import EXAMPLE, read_book
from ledger.cli.app import main
from ledger.replay import replay
from tests.examples import OPENED_ON, TERMS, open_plan

AS_OF = date(2024, 6, 17)


def lives_of(books: Ledger, as_of: date) -> list[Life]:
    plans = [one.plan for page in replay(books.store) for one in page if one.plan]
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


class Elements(HTMLParser):
    """Collects the ids of a page, the addresses in it, and what it would load."""

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
            elif name in ("src", "srcset", "data", "poster", "action") or tag in ("link", "iframe", "object"):
                self.loads.append(f"{tag} {name}={value}")


def page_of(folder: Path, plans: int, code: Code = "en") -> str:
    """Return the report of a ledger with so many plans of the bundled book."""
    for file in EXAMPLE.iterdir():
        rows = list(csv.reader(file.read_text("utf-8").splitlines()))
        place = rows[0].index("plan_id") if "plan_id" in rows[0] else None
        kept = [rows[0], *(row for row in rows[1:] if place is None or row[place] <= f"P-{plans:05d}")]
        with (folder / file.name).open("w", encoding="utf-8", newline="") as copy:
            csv.writer(copy).writerows(kept)
    with Ledger.open("memory://") as opened:
        import_book(opened, read_book(folder))
        return page_of_report(opened.store, audit=audit(opened), as_of=AS_OF, language=language(code))


@pytest.mark.parametrize("code", ["en", "hi", "ru"])
def test_the_page_is_whole_and_loads_nothing(tmp_path: Path, code: Code) -> None:
    """Every link has its target, ids are unique, nothing is fetched; the same ledger gives the same page."""
    text = page_of(tmp_path, 25, code)
    found = Elements()
    found.feed(text)
    assert f'<html lang="{code}">' in text
    assert found.loads == []
    assert len(found.ids) == len(set(found.ids))
    assert found.addresses
    assert {address for address in found.addresses if address.removeprefix("#") not in found.ids} == set()
    assert text == page_of(tmp_path, 25, code)


def test_data_are_shown_as_they_are() -> None:
    """Markup in an id is text of the page."""
    with Ledger.open("memory://") as opened:
        open_plan(opened, "P-<script>alert(1)</script>")
        text = page_of_report(opened.store, audit=audit(opened), as_of=OPENED_ON, language=language("en"))
    assert "<script>alert" not in text
    assert "P-&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_a_ledger_without_plans_has_a_report() -> None:
    """It says nothing about any currency."""
    with Ledger.open("memory://") as opened:
        text = page_of_report(opened.store, audit=audit(opened), as_of=AS_OF, language=language("en"))
    assert "<h1>Report of the ledger</h1>" in text


def test_the_command_writes_a_new_file_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that exists is not replaced; a folder that is not there is named; without a ledger nothing is left."""
    location = f"sqlite:///{tmp_path}/books.db"
    with Ledger.open(location) as opened:
        open_plan(opened)
    out = tmp_path / "report.html"
    arguments = ["--db", location, "report", "--out", str(out), "--as-of", str(OPENED_ON)]
    assert main(arguments) == 0
    assert out.read_text("utf-8").startswith("<!doctype html>")
    assert main(arguments) == 1
    assert main(["--db", location, "report", "--out", str(tmp_path / "no" / "report.html")]) == 1
    assert main(["--db", f"sqlite:///{tmp_path}/none.db", "report", "--out", str(tmp_path / "other.html")]) == 2
    assert "a new path; one that exists is not replaced" in capsys.readouterr().err
    assert sorted(file.name for file in tmp_path.iterdir() if file.suffix == ".html") == ["report.html"]


# ---- in a browser

CHROMIUM = shutil.which("chromium")
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real browser without a window."""
    if CHROMIUM is None:
        pytest.skip("not run: chromium is not installed")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report of 12 plans."""
    folder = tmp_path_factory.mktemp("report")
    file = folder / "report.html"
    file.write_text(page_of(folder, 12), encoding="utf-8")
    return file.as_uri()


def opened_page(browser: Browser, address: str, **context: Any) -> tuple[Page, list[str]]:
    """Return the page in a context of its own, and what it has asked for or complained about."""
    page = browser.new_context(**context).new_page()
    heard: list[str] = []
    page.on("request", lambda request: heard.append(request.url))
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.goto(address)
    return page, heard


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_accessibility_checker_finds_nothing(browser: Browser, address: str, scheme: str) -> None:
    """Contrast, names, headings, tables, landmarks: axe has no violation, with every table open."""
    page, heard = opened_page(browser, address, color_scheme=scheme, viewport={"width": 1280, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = Axe().run(page)
    assert [(one["id"], one["nodes"][0]["html"]) for one in found.response["violations"]] == []
    assert heard == [address]


def test_two_currencies_have_landmarks_of_their_own(browser: Browser, tmp_path: Path) -> None:
    """Whoever goes from section to section hears of which currency each is."""
    with Ledger.open("memory://") as opened:
        open_plan(opened, "P-1")
        open_plan(opened, "P-2", terms=attrs.evolve(TERMS, price=Money(300_000, "EUR")))
        text = page_of_report(opened.store, audit=audit(opened), as_of=OPENED_ON, language=language("en"))
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    page, _ = opened_page(browser, (tmp_path / "report.html").as_uri())
    found = Axe().run(page)
    assert [(one["id"], one["nodes"][0]["html"]) for one in found.response["violations"]] == []


def test_on_a_phone_nothing_hangs_over(browser: Browser, address: str) -> None:
    """Wide tables and charts scroll by themselves; the page does not."""
    page, _ = opened_page(browser, address, viewport={"width": 360, "height": 740})
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_a_number_shows_its_rows(browser: Browser, address: str) -> None:
    """Without a script too: the rows are hidden, until a link leads to them."""
    page, _ = opened_page(browser, address, java_script_enabled=False)
    link = page.locator("#USD-cancelled td a").first
    rows = page.locator(str(link.get_attribute("href")))
    assert not rows.is_visible()
    link.click()
    assert rows.is_visible()
    assert str(link.text_content()) in str(rows.text_content())


def test_tables_sort_both_ways(browser: Browser, address: str) -> None:
    """By numbers as numbers; the heading says which way."""
    page, heard = opened_page(browser, address)
    heading = page.locator("table.sortable").last.locator("thead th").nth(6)
    cells = page.locator("table.sortable").last.locator("tbody tr td:nth-of-type(6)")

    def prices() -> list[int]:
        return [int(str(cell.get_attribute("data-sort"))) for cell in cells.all()]

    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert prices() == sorted(prices())
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert prices() == sorted(prices(), reverse=True)
    assert len(set(prices())) > 1
    assert heard == [address]
