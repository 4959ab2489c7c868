"""Values that travel: to plain data and back, described by JSON Schema, and as columns of data frames."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

import attrs
import jsonschema
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings

import ledger as public
from ledger import (
    BalanceRow,
    Closed,
    ExplicitRelease,
    ExplicitSchedule,
    Health,
    InvalidArgument,
    Ledger,
    LedgerError,
    Money,
    OverdueRow,
    PaymentRow,
    PlanTerms,
    PortfolioRow,
    Position,
    Quarantined,
    ReceiptRow,
    RecordedEvent,
    StatementLine,
    Verification,
    column_types,
    from_dict,
    json_schema,
    to_columns,
    to_dict,
    values,
)
from ledger.commands import (
    KINDS,
    AllocateUnallocated,
    CancelPlan,
    Metadata,
    OpenPlan,
    RecordPayment,
    ReturnUnallocated,
)
from ledger.events import PaymentMade
from ledger.events.codec import CURRENT
from ledger.events.upcasters import Retired
from tests.examples import OPENED_ON, TERMS, open_plan, pay, usd
from tests.strategies import History, histories
from tests.test_events import EVERY_KIND

RECEIVED = next(recorded for recorded in EVERY_KIND if recorded.kind == "receipt")


@cache
def _validator(kind: Any) -> Any:
    return jsonschema.Draft202012Validator(json_schema(kind))


def _travelled(kind: Any, value: Any) -> Any:
    """Return a value that went through JSON, after holding it against its schema."""
    data = json.loads(json.dumps(to_dict(value), allow_nan=False))
    _validator(kind).validate(data)
    return from_dict(kind, data)


def _results(books: Ledger) -> Iterator[tuple[Any, Any]]:
    """Yield every kind of result, with its class."""
    as_of = date(2023, 5, 20)
    yield Position, books.position("P-1", as_of=as_of)
    yield tuple[Position, ...], tuple(books.positions(as_of=as_of))
    yield tuple[OverdueRow, ...], tuple(books.overdue(as_of=as_of))
    yield tuple[BalanceRow, ...], tuple(books.balances(as_of=as_of))
    yield tuple[PortfolioRow, ...], tuple(books.portfolio(as_of=as_of))
    yield tuple[ReceiptRow, ...], tuple(books.receipts(as_of=as_of))
    yield tuple[PaymentRow, ...], tuple(books.payments())
    yield tuple[RecordedEvent, ...], tuple(books.events())
    yield tuple[StatementLine, ...], books.statement("P-1", as_of=as_of)
    yield tuple[RecordedEvent, ...], books.history("P-1")
    yield Health, books.status()
    yield Verification, books.verify()
    yield PlanTerms, TERMS
    yield Money, Money(-5, "KWD")
    yield Quarantined, Quarantined("P-1", 3, "payment_made.v1", "edited")


def test_every_result_travels(books: Ledger) -> None:
    """Through JSON and back, equal to what it was; the rows are not empty."""
    books.receive_unallocated("b-9", amount=usd("1.00"), received_at=OPENED_ON, plan_id="P-1", reason="unknown payer")
    for kind, value in _results(books):
        assert value
        assert _travelled(kind, value) == value


def test_every_public_class_of_values_can_be_read_and_described() -> None:
    """Whatever class is added: only declarations of read models, which hold functions, stay at home."""
    at_home = {"Projection", "PlanTable", "TotalsTable", "Index"}
    found = {name: value for name, value in vars(public).items() if isinstance(value, type) and attrs.has(value)}
    values = {name for name, value in found.items() if not issubclass(value, LedgerError)} - at_home
    assert len(values) > 25
    for name in values:
        assert json_schema(found[name])
        with pytest.raises(InvalidArgument, match="expected an object"):
            from_dict(found[name], "a text")


def test_every_kind_of_event_travels_with_its_tag() -> None:
    """In its envelope and by itself; the tag holds type and version, as the schemas of stored events are named."""
    tags = set()
    for recorded in EVERY_KIND:
        assert _travelled(RecordedEvent, recorded) == recorded
        data = to_dict(recorded)
        assert data.get("plan_id") == (recorded.stream_id if recorded.kind == "plan" else None)
        assert (data["stream_id"], data["version"]) == (recorded.stream_id, recorded.version)
        assert CURRENT[data["event"]["type"]] is type(recorded.event)
        assert _travelled(type(recorded.event), recorded.event) == recorded.event
        tags.add(data["event"]["type"])
    assert tags == set(CURRENT)


@given(histories(longest=6))
@settings(max_examples=40)
def test_histories_and_terms_of_any_kind_travel(history: History) -> None:
    """Whatever the terms, schedules, releases, promotions and policies."""
    terms = history.opening.terms
    assert _travelled(PlanTerms, terms) == terms
    assert _travelled(tuple[RecordedEvent, ...], history.events) == history.events


def test_commands_travel() -> None:
    """A queue of commands holds them as JSON; a date stays a date and an instant an instant."""
    commands = (
        OpenPlan(plan_id="P-1", investor="I", partner=None, terms=TERMS, opened_at=OPENED_ON),
        RecordPayment(
            plan_id="P-1",
            reference="r",
            amount=usd("1.00"),
            paid_at=datetime(2023, 4, 10, 9, tzinfo=UTC),
            kind="regular",
        ),
        CancelPlan(plan_id="P-1", reference="c", on=OPENED_ON, reason="asked"),
        *(
            AllocateUnallocated(
                reference="r", plan_id="P-1", payment="r/1", amount=amount, paid_at=paid_at, kind="regular"
            )
            for amount, paid_at in (
                (None, None),
                (usd("1.00"), OPENED_ON),
                (usd("1.00"), datetime(2023, 4, 10, 9, tzinfo=UTC)),
            )
        ),
        ReturnUnallocated(reference="r", return_reference="out", amount=usd("1.00"), on=OPENED_ON, reason="sent back"),
    )
    for command in commands:
        assert _travelled(type(command), command) == command
    metadata = Metadata(recorded_at=datetime(2023, 4, 10, 9, 30, 0, 7, tzinfo=UTC), actor="a")
    assert _travelled(Metadata, metadata) == metadata
    for kind in KINDS:
        assert json_schema(kind)["$defs"]


def test_every_public_class_of_values_has_a_schema() -> None:
    """A new result without one would not travel."""
    schema_of = jsonschema.Draft202012Validator
    for name, kind in vars(public).items():
        if isinstance(kind, type) and attrs.has(kind) and not issubclass(kind, LedgerError):
            if name in ("Index", "PlanTable", "TotalsTable", "Projection"):  # definitions with functions, no values
                continue
            schema_of.check_schema(json_schema(kind))


def test_money_carries_its_text_and_refuses_another() -> None:
    """The dictionary of API.md with the decimal text besides; without the text it is read as well."""
    assert to_dict(usd("150.00")) == {"minor": 15_000, "currency": "USD", "amount": "150.00"}
    assert to_dict(Money(7, "JPY")) == {"minor": 7, "currency": "JPY", "amount": "7"}
    assert from_dict(Money, {"minor": 15_000, "currency": "USD"}) == usd("150.00")
    with pytest.raises(InvalidArgument, match="data.amount is '15.00'; expected '150.00', as `minor` says"):
        from_dict(Money, {"minor": 15_000, "currency": "USD", "amount": "15.00"})


def test_rows_are_those_of_the_command_line(books: Ledger) -> None:
    """Fractions as text, dates in ISO 8601, rows as a list."""
    (row,) = to_dict(books.portfolio(as_of=date(2023, 5, 20)))
    assert (row["as_of"], row["cancelled_share_of_paid"]) == ("2023-05-20", "0")
    assert to_dict([Fraction(17, 50), Decimal("1.50"), None, True]) == ["17/50", "1.50", None, True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shares": 1.0}, r"data.shares is 1.0; expected a whole number"),
        ({"shares": True}, r"data.shares is True; expected a whole number"),
        ({"grace_day": 3}, r"data.'grace_day' is 3; expected no such field"),
        ({"price": {"minor": 1}}, r"data.price is \['minor'\]; expected the field 'currency' too"),
        ({"release": {"kind": "per_share"}}, r"data.release.kind is 'per_share'; expected 'per_unit' or 'portion'"),
        ({"release": {"rate": "49"}}, r"data.release is .*; expected an object with its kind"),
        ({"schedule": None}, r"data.schedule is None; expected an object with its kind"),
        ({"promos": {}}, r"data.promos is \{\}; expected a list"),
        ({"first_due_on": "2023-13-01"}, r"data.first_due_on is '2023-13-01'; expected a date as text"),
        ({"stacking": "triple"}, r"data.stacking is 'triple'; expected 'additive' or"),
        ({"grace_days": -1}, r"grace_days is -1; expected a whole number from 0"),
    ],
)
def test_other_data_is_refused_by_field(change: Mapping[str, object], message: str) -> None:
    """Misspelt, missing and mistyped fields too: nothing is guessed or ignored."""
    with pytest.raises(InvalidArgument, match=message):
        from_dict(PlanTerms, to_dict(TERMS) | change)


def test_what_is_no_value_of_the_library_is_refused() -> None:
    """In both directions."""
    junk: Any = ["x"]
    for call in (
        lambda: to_dict(object()),
        lambda: to_dict({"x": {1, 2}}),
        lambda: from_dict(junk, {}),
        lambda: from_dict(dict, {}),
        lambda: json_schema(dict),
        lambda: json_schema(junk),
        lambda: from_dict(Position, None),
        lambda: from_dict(tuple[Position, ...], {}),
        lambda: from_dict(PaymentMade, {"type": "payment_made.v9"}),
        lambda: from_dict(RecordedEvent, to_dict(EVERY_KIND[0]) | {"plan_id": "P-other"}),
        lambda: from_dict(RecordedEvent, to_dict(RECEIVED) | {"plan_id": RECEIVED.stream_id}),
        lambda: from_dict(Closed, {"kind": "open"}),
        lambda: from_dict(Health, {"store": 1}),
    ):
        with pytest.raises(InvalidArgument):
            call()


@attrs.frozen(kw_only=True)
class OlderPayment:
    """A payment as an earlier version may have recorded it: without a kind."""

    effective_on: date
    reference: str
    amount: Money


def test_an_event_of_an_earlier_version_becomes_one_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that stored events as JSON reads them after an upgrade."""

    def upcast(old: OlderPayment) -> PaymentMade:
        return PaymentMade(
            effective_on=old.effective_on, reference=old.reference, amount=old.amount, kind="regular", paid_at=None
        )

    retired = Retired(shape=OlderPayment, upcast=upcast, next_tag="payment_made.v1")
    monkeypatch.setattr(values, "RETIRED", {"payment_made.v0": retired})
    monkeypatch.setattr(values, "EVENTS", {**CURRENT, "payment_made.v0": OlderPayment})
    data = {"type": "payment_made.v0", "effective_on": "2023-04-10", "reference": "r", "amount": to_dict(usd("1.00"))}
    event = from_dict(PaymentMade, data)
    assert event == upcast(OlderPayment(effective_on=OPENED_ON, reference="r", amount=usd("1.00")))


def test_errors_become_data_for_machines(books: Ledger) -> None:
    """Code, whether a retry helps, the sentence, and the facts; a stranger's value is cut."""
    with pytest.raises(LedgerError) as caught:
        pay(books, OPENED_ON, "bank-1", amount="151.00")
    data = json.loads(json.dumps(to_dict(caught.value)))
    assert (data["code"], data["retryable"], data["message"]) == ("reference_conflict", False, str(caught.value))
    assert data["facts"]["recorded"] == {"minor": 15_000, "currency": "USD", "amount": "150.00"}
    error = InvalidArgument(argument="x", given=object(), expected="y")
    assert to_dict(error)["facts"]["given"].startswith("<object object")


# ---- columns


def test_columns_have_one_type_each(books: Ledger) -> None:
    """Money as decimal, minor units and currency; a part as a column per field; a fraction as a float."""
    open_plan(books, "P-2")
    rows = books.positions(as_of=date(2023, 5, 20))
    columns = to_columns(rows)
    assert columns["paid"] == [Decimal("150.00"), Decimal("0.00")]
    assert columns["paid_minor"] == [15_000, 0]
    assert columns["paid_currency"] == ["USD", "USD"]
    assert columns["next_installment_due_on"][0] == date(2023, 5, 10)
    assert columns["next_installment_missing_minor"][0] == 15_000
    for kind, listed in (
        (Position, rows),
        (PortfolioRow, books.portfolio(as_of=date(2023, 5, 20))),
        (StatementLine, books.statement("P-1", as_of=date(2023, 5, 20))),
        (PaymentRow, books.payments()),
        (RecordedEvent, books.history("P-1")),
        (OverdueRow, ()),
    ):
        types = column_types(kind)
        columns = to_columns(listed, kind=kind)
        assert list(columns) == list(types)
        for name, cells in columns.items():
            assert {type(cell) for cell in cells} <= {types[name], type(None)}


def test_columns_of_words_hold_the_words(books: Ledger) -> None:
    """A field with one of several words is text, and no JSON of it."""
    assert to_columns(books.payments())["kind"] == ["regular"]
    assert to_columns(books.positions(as_of=date(2023, 5, 20)))["status"] == ["in_grace"]


def test_columns_of_events_keep_type_and_content(books: Ledger) -> None:
    """The event is JSON of the form that `from_dict` reads."""
    history = books.history("P-1")
    columns = to_columns(history)
    assert columns["type"] == ["plan_opened.v1", "payment_made.v1", "installment_settled.v1"]
    assert from_dict(PaymentMade, json.loads(columns["event"][1])) == history[1].event
    assert to_columns([RECEIVED, history[0]])["plan_id"] == [None, "P-1"]


def test_polars_and_pandas_take_the_columns(books: Ledger) -> None:
    """Exact decimals and dates, without handwork; also where there are no rows."""
    columns = to_columns(books.statement("P-1", as_of=date(2023, 5, 20)))
    frame = pl.DataFrame(columns)
    assert frame["paid_minor"].dtype == pl.Int64
    assert isinstance(frame["paid"].dtype, pl.Decimal)
    assert [str(frame[name].dtype) for name in ("on", "text")] == ["Date", "String"]
    assert frame["paid"][1] == Decimal("150.00")
    table = pd.DataFrame(columns)
    assert table["paid"].iloc[1] == Decimal("150.00")
    assert table["paid_minor"].dtype == "int64"
    empty = pl.DataFrame(to_columns([], kind=OverdueRow), schema=column_types(OverdueRow))
    assert (empty.height, str(empty["due_on"].dtype)) == (0, "Date")
    assert to_columns([]) == {}


def test_cells_that_may_be_none_keep_their_type(books: Ledger) -> None:
    """With the types in polars, and as objects first in pandas, no column of whole numbers passes through floats."""
    open_plan(books, "P-2", terms=attrs.evolve(TERMS, price=Money.of("3000.000", "KWD")))
    rows = books.statement("P-1", as_of=date(2023, 5, 20))
    frame = pl.DataFrame(to_columns(rows), schema=column_types(StatementLine))
    assert frame["money_minor"].to_list() == [None, 15_000, None, None]
    table = pd.DataFrame(to_columns(rows), dtype=object).convert_dtypes()
    assert [str(table[name].dtype) for name in ("money_minor", "number", "text")] == ["Int64", "Int64", "string"]
    positions = books.positions(as_of=date(2023, 5, 20))
    both = pl.DataFrame(to_columns(positions), schema=column_types(Position))
    assert both["paid"].to_list() == [Decimal("150.00"), Decimal("0.000")]
    assert str(both["cancelled_on"].dtype) == "Date"


def test_rows_of_several_classes_are_no_columns() -> None:
    """Neither is anything that has no fields."""
    for rows in ([usd("1.00"), Closed()], [1], ["x"]):
        with pytest.raises(InvalidArgument):
            to_columns(rows)


# ---- the rest of the face


def test_the_version_is_that_of_the_package() -> None:
    """And says so in the form of a release."""
    from importlib.metadata import version  # noqa: PLC0415 - only here

    assert public.__version__ == version("installment-ledger")
    assert re.fullmatch(r"\d+\.\d+\.\d+", public.__version__)


def test_a_ledger_shows_its_database_and_name(tmp_path: Any) -> None:
    """Never its URL, which may hold a password."""
    with Ledger.open(f"sqlite:///{tmp_path}/b.db", name="books") as books:
        assert repr(books) == f"<Ledger books: SQLite file {tmp_path}/b.db>"
    assert repr(books) == "<Ledger: closed>"


def test_a_line_of_a_statement_carries_what_its_text_says(books: Ledger) -> None:
    """Kind, number, reference and version, so that no program reads the sentence."""
    books.reverse_payment("P-1", reference="bank-1", cause="chargeback", on=date(2023, 4, 20))
    lines = books.statement("P-1", as_of=date(2023, 5, 20))
    assert [(line.kind, line.number, line.reference, line.version) for line in lines] == [
        ("opened", None, None, 1),
        ("payment", None, "bank-1", 2),
        ("settled", 1, "bank-1", 3),
        ("chargeback", None, "bank-1", 4),
        ("taken_back", 1, "bank-1", 5),
        ("missed", 1, None, None),
        ("cancelled", 1, None, None),
    ]


def test_an_explicit_schedule_travels_as_pairs() -> None:
    """A list of a date and minor units for each line."""
    terms = attrs.evolve(
        TERMS,
        price=usd("3.00"),
        installments=2,
        schedule=ExplicitSchedule(((OPENED_ON, 100), (date(2023, 5, 10), 200))),
        release=ExplicitRelease((1, 2)),
    )
    assert to_dict(terms)["schedule"] == {"lines": [["2023-04-10", 100], ["2023-05-10", 200]], "kind": "explicit"}
    assert _travelled(PlanTerms, terms) == terms
