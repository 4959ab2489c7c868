"""Exports: hledger, beancount, DuckDB and polars read the books, accept them, and come to the ledger's own figures."""

import csv
import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import duckdb
import polars as pl
import pytest
from beancount.core.account import is_valid
from hypothesis import given
from hypothesis import strategies as st

from ledger import Ledger, Money, PerUnit, PlanTerms
from ledger.audit.exports import COLUMNS, Form, Stream, export, plan_entries, receipt_entries, streams
from ledger.audit.exports import parquet as parquet_parts
from ledger.audit.exports.accounts import ACCOUNTS, component, escaped, id_of
from ledger.audit.exports.beancount import beancount
from ledger.audit.exports.hledger import hledger as hledger_text
from ledger.audit.exports.journal import written
from ledger.audit.exports.streams import balances, known_by_then
from ledger.books.importer import import_book
from ledger.books.reader import EXAMPLE, read_book
from ledger.cli.app import main
from ledger.events import PLAN, RECEIPT, MoneyReceived, PlanOpened, RecordedEvent
from ledger.events.codec import Codec
from ledger.plan import Plan
from ledger.store import open_store
from tests import programs
from tests.examples import OPENED_ON, RECORDED_AT, open_plan, pay, usd
from tests.programs import HLEDGER, beancount_balances, hledger_balances
from tests.raw_sql import change
from tests.strategies import histories, one_in

CLOSED = date(2024, 6, 30)
FORMS: Sequence[Form] = ("hledger", "beancount", "csv", "jsonl", "parquet")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of the bundled book, closed, with some money that no plan takes."""
    url = f"sqlite:///{tmp_path_factory.mktemp('book')}/books.db"
    with Ledger.open(url) as ledger:
        import_book(ledger, read_book(EXAMPLE), keep_refused=True)
        ledger.close_books(through=CLOSED, recorded_at=datetime(2024, 7, 1, tzinfo=UTC))
        first = ledger.unallocated(as_of=CLOSED)[0]
        on = first.received_on
        ledger.return_unallocated(first.reference, amount=first.remaining, on=on, reason="sent back", recorded_at=LATER)
    return url


LATER = datetime(2024, 7, 2, tzinfo=UTC)


def write(url: str, form: Form, to: Path, **options: Any) -> Path:
    store = open_store(url, "ledger", create=False)
    try:
        export(store, form, to, **options)
    finally:
        store.close()
    return to


def stream_of(events: Sequence[RecordedEvent]) -> Stream:
    """Return a stream as an export reads it."""
    codec, first = Codec(), events[0].event
    plan = Plan(events) if isinstance(first, PlanOpened) else None
    assert isinstance(first, (PlanOpened, MoneyReceived))
    return Stream(
        events[0].kind,
        events[0].stream_id,
        first.amount.currency if isinstance(first, MoneyReceived) else first.terms.price.currency,
        plan_entries(plan, events) if plan else receipt_entries(events),
        {recorded.version: codec.encode(recorded)[1] for recorded in events},
        plan,
    )


def expected(some: Iterable[Stream], day: date) -> dict[tuple[str, str], str]:
    """Return the balances that the ledger answers on a day, for the plans that are recorded up to it."""
    found = {}
    for stream in some:
        assert stream.plan is not None
        if stream.first <= day <= stream.plan.horizon:
            of = f"{component(stream.plan.opened.investor)}:{component(stream.stream_id)}"
            known = known_by_then(stream, day)
            for (name, account), amount in zip(ACCOUNTS.items(), balances(stream, day), strict=True):
                if amount and name in known:
                    number, commodity = written(amount, account.unit, stream.currency).split()
                    found[f"{account.path}:{of}", commodity] = number
    return found


# ---- the names of accounts


TEXTS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8) | st.from_regex(
    r"\A[Uu-][uU0-9A-FX-]{0,8}\Z"
)


@given(TEXTS)
def test_every_id_is_a_part_of_an_account_in_both_programs(text: str) -> None:
    """An id becomes letters, digits and hyphens of ASCII, begins with a capital or a digit, and can be read back."""
    part = component(text)
    assert re.fullmatch(r"[A-Z0-9][A-Za-z0-9-]*", part)
    assert is_valid(f"Assets:{part}")
    assert id_of(part) == text


def test_the_usual_ids_stay_as_they_are() -> None:
    """Capitals, digits and hyphens need no escape; a small letter at the beginning gets a prefix."""
    assert [component(text) for text in ("P-00001", "I-7", "2024-17", "bank-1", "X-1", "a b", "x-u20-y")] == [
        "P-00001",
        "I-7",
        "2024-17",
        "X-bank-1",
        "X-X-1",
        "X-a-u20-b",
        "X-x-u2D-u20-y",
    ]
    assert escaped("ключ;1,2") == "-u43A--u43B--u44E--u447--u3B-1-u2C-2"


# ---- journals


@HLEDGER
def test_hledger_accepts_the_bundled_book(book: str, tmp_path: Path) -> None:
    """All assertions hold; every account and commodity is declared."""
    journal = write(book, "hledger", tmp_path / "books.journal")
    programs.hledger("-f", str(journal), "check", "--strict")
    found = hledger_balances(journal, through=CLOSED)
    plans = {key: number for key, number in found.items() if "Receipts" not in key[0] and "Unallocated" not in key[0]}
    with Ledger.open(book) as ledger:
        rows = ledger.balances(as_of=CLOSED)
        for path, name in (("Credited", "shares_credited"), ("Forfeited", "shares_forfeited")):
            of = f"Equity:{path}:"
            assert sum(int(number) for (account, _), number in plans.items() if account.startswith(of)) == (
                sum(getattr(row, name) for row in rows)
            )
        unallocated = sum(-Decimal(number) for (account, _), number in found.items() if "Unallocated" in account)
        assert unallocated == sum(row.remaining.major for row in ledger.unallocated(as_of=CLOSED))


def test_beancount_accepts_the_bundled_book(book: str, tmp_path: Path) -> None:
    """The file has no errors, and the portfolio's money follows from it."""
    found = beancount_balances(write(book, "beancount", tmp_path / "books.beancount").read_text(), through=CLOSED)
    with Ledger.open(book) as ledger:
        (row,) = ledger.portfolio(as_of=CLOSED)
        assert row.currency == "USD"
    receivable = sum(Decimal(number) for (account, _), number in found.items() if "Receivable" in account)
    price = sum(-Decimal(number) for (account, _), number in found.items() if "Price" in account)
    assert price - receivable == row.paid.major
    counts = {name: sum(int(n) for (of, _), n in found.items() if f"Plans:{name}:" in of and "Equity" in of) for name in
              ("Active", "Grace", "Cancelled", "Completed", "Opened")}  # fmt: skip
    assert counts == {
        "Active": row.active,
        "Grace": row.in_grace,
        "Cancelled": row.cancelled,
        "Completed": row.completed,
        "Opened": -row.plans,
    }


@st.composite
def books_of_strangers(draw: st.DrawFn) -> tuple[list[Stream], date]:
    """Plans of random histories with ids of every form, and a date in one of them."""
    found, sequence = [], 0
    for plan_id in draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True)):
        history = draw(histories(longest=9))
        investor, events = draw(TEXTS), []
        for recorded in history.events:
            sequence += 1
            event = recorded.event
            if isinstance(event, PlanOpened):
                event = attrs.evolve(event, investor=investor)
            events.append(attrs.evolve(recorded, stream_id=plan_id, sequence=sequence, event=event))
        found.append(stream_of(events))
    days = sorted({entry.recorded.event.effective_on for stream in found for entry in stream.entries})
    return found, draw(st.sampled_from(days))


@HLEDGER
@one_in(10)
@given(books_of_strangers())
def test_hledger_comes_to_our_balances(
    tmp_path_factory: pytest.TempPathFactory, books: tuple[list[Stream], date]
) -> None:
    """Back-dated, voided, reinstated, charged back: hledger accepts the journal, and its balances are ours."""
    some, day = books
    journal = tmp_path_factory.mktemp("journal") / "books.journal"
    journal.write_text("".join(hledger_text(some)), encoding="utf-8")
    programs.hledger("-f", str(journal), "check", "--strict")
    found = hledger_balances(journal, through=day)
    wanted = expected(some, day)
    assert {key: found.get(key) for key in wanted} == wanted


@one_in(4)
@given(books_of_strangers())
def test_beancount_comes_to_our_balances(books: tuple[list[Stream], date]) -> None:
    """The same of beancount."""
    some, day = books
    found = beancount_balances("".join(beancount(some)), through=day)
    wanted = expected(some, day)
    assert {key: found.get(key) for key in wanted} == wanted


@HLEDGER
def test_the_programs_find_an_amount_that_is_not_the_ledgers(tmp_path: Path) -> None:
    """The assertions are the ledger's answers: one share more in one entry, taken from another account, is found."""
    with Ledger.open("memory://") as ledger:
        open_plan(ledger)
        pay(ledger, OPENED_ON, "bank-1")
        some = list(streams(ledger._store, known_at=None))
    of_hledger, of_beancount = (
        "".join(program(some)).replace(" -7350 SHARE", " -7351 SHARE").replace("  7350 SHARE", "  7351 SHARE", 1)
        for program in (hledger_text, beancount)
    )
    (tmp_path / "forged").write_text(of_hledger)
    with pytest.raises(AssertionError, match=r"(?s)balance assertion.*Promised:I-7:P-1"):
        programs.hledger("-f", str(tmp_path / "forged"), "check")
    with pytest.raises(AssertionError, match="Balance failed for 'Equity:Promised:I-7:P-1'"):
        beancount_balances(of_beancount, through=CLOSED)


def test_a_transaction_names_both_dates_and_the_sequence() -> None:
    """In hledger as tags, in beancount as metadata; text that would end them is escaped."""
    with Ledger.open("memory://") as ledger:
        open_plan(ledger)
        ledger.record_payment(
            "P-1", reference='a, "b"; c', amount=usd("150.00"), paid_at=OPENED_ON, recorded_at=RECORDED_AT, actor="é\\"
        )
        (stream,) = streams(ledger._store, known_at=None)
    lines = "".join(hledger_text([stream]))
    assert (
        "2023-04-10 * (2) payment made, plan P-1\n"
        "    ; effective_on:2023-04-10, recorded_at:2025-06-01T00:00:00+00:00, sequence:2, version:2, "
        "type:payment_made.v1, key:a-u2C--u20--u22-b-u22--u3B--u20-c, actor:-uE9--u5C-\n"
        "    Assets:Receivable:I-7:P-1  -150.00 USD\n"
        "    Assets:Cash:Plans:I-7:P-1  150.00 USD\n"
    ) in lines
    text = "".join(beancount([stream]))
    assert (
        '2023-04-10 * "payment made, plan P-1"\n'
        "  effective_on: 2023-04-10\n"
        '  recorded_at: "2025-06-01T00:00:00+00:00"\n'
        "  sequence: 2\n"
        "  version: 2\n"
        '  type: "payment_made.v1"\n'
        '  key: "a, \\"b\\"; c"\n'
        '  actor: "é\\\\"\n'
        "  Assets:Receivable:I-7:P-1  -150.00 USD\n"
        "  Assets:Cash:Plans:I-7:P-1  150.00 USD\n"
    ) in text
    beancount_balances(text, through=date.max)


# ---- receipts


def receipts(ledger: Ledger) -> None:
    """Money for a plan and for nobody; allocated, taken back, returned in part."""
    open_plan(ledger)
    for reference in ("r 1", "r;2"):
        ledger.receive_unallocated(
            reference,
            amount=usd("200.00"),
            received_at=OPENED_ON,
            plan_id="P-1" if reference == "r 1" else None,
            reason="no plan named",
            recorded_at=RECORDED_AT,
        )
    ledger.allocate("r 1", plan_id="P-1", amount=usd("150.00"), recorded_at=RECORDED_AT)
    ledger.reverse_allocation("r 1", plan_id="P-1", recorded_at=RECORDED_AT)
    ledger.allocate("r 1", plan_id="P-1", amount=usd("100.00"), payment_reference="b", recorded_at=RECORDED_AT)
    ledger.return_unallocated("r;2", amount=usd("20.50"), on=date(2023, 5, 1), reason="asked", recorded_at=RECORDED_AT)


@HLEDGER
def test_money_that_no_plan_takes_is_cash_and_a_liability(tmp_path: Path) -> None:
    """An allocation takes the money out of the receipt, its payment brings it to the plan: cash is counted once."""
    with Ledger.open("memory://") as ledger:
        receipts(ledger)
        some = list(streams(ledger._store, known_at=None))
        remaining = {row.reference: row.remaining for row in ledger.unallocated(as_of=date(2024, 1, 1))}
    journal = tmp_path / "books.journal"
    journal.write_text("".join(hledger_text(some)))
    programs.hledger("-f", str(journal), "check", "--strict")
    cash = {"Assets:Cash:Plans:I-7:P-1": "100.00", "Assets:Cash:Receipts:X-r-u20-1": "100.00"}
    for found in (
        hledger_balances(journal, through=date(2024, 1, 1)),
        beancount_balances("".join(beancount(some)), through=date(2024, 1, 1)),
    ):
        assert {of: found[of, "USD"] for of, _ in found if "Cash" in of} == {
            **cash,
            "Assets:Cash:Receipts:X-r-u3B-2": "179.50",
        }
        assert {
            id_of(of.rpartition(":")[2]): usd(number.removeprefix("-"))
            for (of, _), number in found.items()
            if "Unallocated" in of
        } == remaining


# ---- flat rows


BALANCES = """
    SELECT investor, count(DISTINCT plan_id) AS plans, sum(credited), sum(promised), sum(forfeited), sum(bonus)
    FROM '{folder}/plans-*.parquet' WHERE effective_on <= DATE '{day}' GROUP BY investor ORDER BY investor"""

PORTFOLIO = """
    WITH plan AS (
      SELECT currency, sum(active) AS active, sum(in_grace) AS in_grace, sum(cancelled) AS cancelled,
             sum(completed) AS completed, -sum(price) AS price, -sum(price + receivable) AS paid
      FROM '{folder}/plans-*.parquet' WHERE effective_on <= DATE '{day}' GROUP BY plan_id, currency)
    SELECT currency, count(*), sum(active), sum(in_grace), sum(cancelled), sum(completed), sum(paid),
           sum(paid * cancelled), sum(price * cancelled), sum(price)
    FROM plan GROUP BY currency ORDER BY currency"""


def asked(sql: str) -> list[tuple[Any, ...]]:
    """Return the rows that DuckDB answers."""
    return duckdb.connect().execute(sql).fetchall()


@pytest.mark.parametrize("day", [date(2022, 2, 28), date(2023, 5, 30), CLOSED])
def test_duckdb_adds_up_our_balances_and_portfolio(book: str, tmp_path: Path, day: date) -> None:
    """From recorded outcomes alone, in SQL that knows no rule."""
    folder = write(book, "parquet", tmp_path / "books")
    with Ledger.open(book) as ledger:
        balance_rows, (row,) = ledger.balances(as_of=day), ledger.portfolio(as_of=day)
    assert asked(BALANCES.format(folder=folder, day=day)) == [
        (one.investor, one.plans, one.shares_credited, one.shares_promised, one.shares_forfeited, one.bonus_credited)
        for one in balance_rows
    ]
    ((currency, *counts, price_in_cancelled, price),) = asked(PORTFOLIO.format(folder=folder, day=day))
    assert currency == row.currency
    assert counts == [
        *(row.plans, row.active, row.in_grace, row.cancelled, row.completed),
        *(row.paid.minor, row.paid_in_cancelled.minor),
    ]
    assert Fraction(price_in_cancelled, price) == row.cancelled_share_of_price
    unallocated = f"SELECT -sum(unallocated) FROM '{folder}/receipts-*.parquet' WHERE effective_on <= DATE '{day}'"
    assert (asked(unallocated)[0][0] or 0) == row.unallocated.minor


def test_the_flat_forms_hold_the_same_typed_rows(book: str, tmp_path: Path) -> None:
    """CSV, JSON Lines and Parquet: one row per event, the stored bytes among them; Parquet has real types."""
    folder = write(book, "parquet", tmp_path / "folder")
    frame = pl.concat(pl.read_parquet(folder / f"{name}-*.parquet") for name in ("plans", "receipts"))
    types = {int: pl.Int64, str: pl.String, date: pl.Date, datetime: pl.Datetime("us", "UTC")}
    assert dict(frame.schema) == {name: types[kind] for name, kind in COLUMNS.items()}
    rows = frame.rows(named=True)
    lines = write(book, "jsonl", tmp_path / "jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {name: cell.isoformat() if isinstance(cell, date) else cell for name, cell in row.items()} for row in rows
    ]
    with write(book, "csv", tmp_path / "csv").open(newline="") as file:
        for of_csv, row in zip(csv.DictReader(file), rows, strict=True):
            texts = {name: cell.isoformat() if isinstance(cell, date) else cell for name, cell in row.items()}
            assert of_csv == {name: "" if cell is None else str(cell) for name, cell in texts.items()}
    store = open_store(book, "ledger")
    raw = store.raw_events(after=0, limit=100_000)
    store.close()
    assert sorted((one.sequence, one.kind, one.stream_id, one.version, one.tag, one.state.decode()) for one in raw) == (
        sorted(
            tuple(row[name] for name in ("sequence", "kind", "stream_id", "version", "type", "state")) for row in rows
        )
    )


def test_a_part_holds_whole_plans(book: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts follow each other in the order of plan ids, and no plan is in two of them."""
    monkeypatch.setattr(parquet_parts, "_ROWS", 1_000)
    monkeypatch.setattr(parquet_parts, "_TOGETHER", 300)
    folder = write(book, "parquet", tmp_path / "books")
    parts = [pl.read_parquet(path) for path in sorted(folder.glob("plans-*.parquet"))]
    assert len(parts) > 5
    ids = [part["plan_id"].unique().sort().to_list() for part in parts]
    assert sum(ids, []) == sorted({one for part in ids for one in part})  # noqa: RUF017 - a few lists
    assert all(1_000 <= len(part) < 1_400 for part in parts[:-1])


def test_an_empty_ledger_is_exported_in_every_form(tmp_path: Path) -> None:
    """No rows, but the columns."""
    url = f"sqlite:///{tmp_path}/empty.db"
    Ledger.open(url).close()
    for form in FORMS:
        write(url, form, tmp_path / form)
    assert (tmp_path / "csv").read_text() == ",".join(COLUMNS) + "\n"
    assert pl.read_parquet(tmp_path / "parquet" / "*.parquet").shape == (0, len(COLUMNS))


def test_an_export_shows_what_was_known(tmp_path: Path) -> None:
    """A payment recorded later is not in it, and neither is a plan that was opened later."""
    url, before = f"sqlite:///{tmp_path}/books.db", datetime(2024, 1, 1, tzinfo=UTC)
    terms = PlanTerms(price=Money(100, "USD"), shares=10, installments=1, release=PerUnit("1"), timezone="UTC")
    with Ledger.open(url) as ledger:
        ledger.open_plan("A", investor="I", partner=None, terms=terms, opened_at=OPENED_ON, recorded_at=before)
        pay(ledger, OPENED_ON, "bank-1", amount="1.00", plan_id="A")
        open_plan(ledger, "B")
    lines = write(url, "jsonl", tmp_path / "then", known_at=before).read_text().splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["plan_opened.v1"]


# ---- the files


@pytest.mark.parametrize("form", FORMS)
def test_what_exists_is_not_replaced(book: str, tmp_path: Path, form: Form, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a file nor a folder."""
    (tmp_path / "kept").write_text("mine")
    assert main(["export", form, "--to", str(tmp_path / "kept"), "--db", book]) == 1
    assert "expected a new path; one that exists is not replaced" in capsys.readouterr().err
    assert (tmp_path / "kept").read_text() == "mine"
    assert main(["export", form, "--to", str(tmp_path / "none" / "x"), "--db", book]) == 1
    assert "a new path in a folder that can be written (No such file or directory)" in capsys.readouterr().err


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_left_of_an_export_that_fails(
    shared_url: str, name: str, tmp_path: Path, form: Form, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first plan that cannot be read is named, and neither the file nor a part of it is there."""
    with Ledger.open(shared_url, name=name) as ledger:
        open_plan(ledger, "P-1")
        open_plan(ledger, "P-2")
        change(ledger, "UPDATE books_events SET version = 7 WHERE stream_id = 'P-2'")
    target = tmp_path / "out"
    target.mkdir()
    assert main(["export", form, "--to", str(target / "books"), "--db", shared_url, "--name", name]) == 1
    assert capsys.readouterr().err.startswith("error: Plan P-2, version 7 (PlanOpened): version 1 is missing before it")
    assert list(target.iterdir()) == []


def test_parquet_names_its_extra(book: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without polars the error says how to install it."""
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(ValueError, match=r"extra audit: pip install 'installment-ledger\[audit\]'"):
        write(book, "parquet", tmp_path / "books")


# ---- the command


def test_the_command_reports_its_counts(
    shared_url: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words and as JSON, on both databases."""
    with Ledger.open(shared_url, name=name) as ledger:
        receipts(ledger)
    located = ["--db", shared_url, "--name", name]
    assert main(["export", "csv", "--to", str(tmp_path / "a"), *located]) == 0
    assert re.fullmatch(
        r"12 events of 1 plan and 2 receipts, up to sequence \d+, written to .*a\.\n", capsys.readouterr().out
    )
    assert main(["export", "csv", "--to", str(tmp_path / "b"), "--json", *located]) == 0
    assert json.loads(capsys.readouterr().out)["exported"]["events"] == 12
    kinds = [line.split(",")[1] for line in (tmp_path / "b").read_text().splitlines()[1:]]
    assert (kinds.count(PLAN), kinds.count(RECEIPT)) == (len(kinds) - 6, 6)
    assert main(["export", "excel", "--to", str(tmp_path / "c"), *located]) == 2
