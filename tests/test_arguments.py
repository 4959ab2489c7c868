"""What comes from outside: plain types at the door, numbers bounded before use, one tree of errors."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import attrs
import pytest

from ledger import (
    Database,
    EveryDays,
    ExplicitSchedule,
    InvalidArgument,
    Ledger,
    Money,
    Monthly,
    OnTimeBonus,
    PackageBonus,
    PerUnit,
    PlanTerms,
    Portion,
)
from ledger import terms as terms_module
from ledger.books import columns
from ledger.commands import ClosePlan, Command, Metadata, RecordPayment
from ledger.errors import arguments
from ledger.events.codec import Codec
from tests.examples import OPENED_ON, RECORDED_AT, TERMS, open_plan, usd

HUGE = 10**5_000
"""An integer that the interpreter refuses to write in digits."""


# ---- plain types


class Name(str, Enum):  # noqa: UP042 - the older form, whose text is not its value
    """Text that formats as `Name.ONE`."""

    ONE = "P-1"


class Kind(StrEnum):
    """Words of the ledger as a caller may keep them."""

    EARLY = "early_repayment"
    ERROR = "error"
    ADDITIVE = "additive"
    ZONE = "Europe/Moscow"
    RELEASED = "released"
    USD = "USD"
    STANDARD = "by_due_date"
    LEDGER = "books"


class Day(date):
    """A date of the caller's own."""


class Instant(datetime):
    """An instant of the caller's own."""


def _texts(value: Any) -> list[str]:
    """Return every text in a value, wherever it is."""
    if isinstance(value, str):
        return [value]
    if attrs.has(type(value)):
        return [text for field in attrs.fields(type(value)) for text in _texts(getattr(value, field.name))]
    return [text for item in value for text in _texts(item)] if isinstance(value, tuple) else []


def test_words_of_an_enum_are_recorded_as_plain_text(shared_url: str) -> None:
    """In ids, words, zones and currencies; what is recorded is found by it, and by the plain text."""
    word: Any = Kind
    terms = attrs.evolve(
        TERMS,
        price=Money.of("3000.00", Kind.USD),
        timezone=Kind.ZONE,
        stacking=word.ADDITIVE,
        promos=(OnTimeBonus(code=Name.ONE, rate_bp=1, standard=word.STANDARD),),
    )
    clock = lambda: Instant(2023, 5, 1, tzinfo=UTC)  # noqa: E731
    with Ledger.open(shared_url, name=Kind.LEDGER, clock=clock) as books:
        metadata: dict[str, Any] = {"actor": Name.ONE, "correlation": Name.ONE}
        opening: dict[str, Any] = {"investor": Name.ONE, "partner": Name.ONE, "terms": terms}
        money = Money(100, Kind.USD)
        books.open_plan(Name.ONE, opened_at=Day(2023, 4, 10), **opening, **metadata)
        books.record_payment(
            Name.ONE, reference=Name.ONE, amount=money, paid_at=Instant(2023, 4, 10, 9, tzinfo=UTC), kind=word.EARLY
        )
        books.reverse_payment(Name.ONE, reference=Name.ONE, cause=word.ERROR)
        books.cancel_plan(Name.ONE, reference=Kind.USD, on=Day(2023, 4, 12), reason=Name.ONE)
        history = books.history(Name.ONE)
        assert history == books.history("P-1")
        assert {type(text) for event in history for text in _texts(event)} == {str}
        assert {type(event.recorded_at) for event in history} == {datetime}
        as_of = Day(2023, 4, 11)
        assert [row.plan_id for row in books.positions(investor=Name.ONE, partner=Name.ONE, as_of=as_of)] == ["P-1"]
        assert books.balances(investor=Name.ONE, as_of=as_of) == books.balances(investor="P-1", as_of=as_of)
        assert books.position(Name.ONE, as_of=as_of) == books.position("P-1", as_of=date(2023, 4, 11))
    codec = Codec()
    for event in history:
        tag, state = codec.encode(event)
        envelope = {"stream_id": event.stream_id, "version": event.version, "sequence": event.sequence}
        assert codec.decode(tag, state, **envelope) == event  # type: ignore[arg-type]


@attrs.frozen(order=False)
class TaxedMoney(Money):
    """Money with one more field, which no store would keep."""

    tax: int = 0


@attrs.frozen(kw_only=True)
class NotedTerms(PlanTerms):
    """Terms with one more field."""

    note: str = ""


@attrs.frozen
class Weekly(Monthly):
    """A schedule of the caller's own."""


class Shares(IntEnum):
    """Whole shares as an enum."""

    MANY = 351_000


def test_a_class_with_more_than_can_be_recorded_is_refused(books: Ledger) -> None:
    """Its other fields would be lost, or the event be unreadable for good."""
    terms = {field.name: getattr(TERMS, field.name) for field in attrs.fields(PlanTerms)}
    calls: dict[str, Callable[[], object]] = {
        "price": lambda: PlanTerms(**terms | {"price": TaxedMoney(300_000, "USD")}),
        "schedule": lambda: PlanTerms(**terms | {"schedule": Weekly()}),
        "shares": lambda: PlanTerms(**terms | {"shares": Shares.MANY}),
        "minor": lambda: Money(Shares.MANY, "USD"),
        "terms": lambda: open_plan(books, "P-2", terms=NotedTerms(**terms)),
        "amount": lambda: books.record_payment("P-1", reference="x", amount=TaxedMoney(1, "USD"), paid_at=OPENED_ON),
    }
    for argument, call in calls.items():
        with pytest.raises(InvalidArgument) as caught:
            call()
        assert caught.value.argument == argument
    assert len(list(books.events())) == 3


# ---- what another machine accepted


def _stored(books: Ledger) -> tuple[str, bytes]:
    (event,) = books.open_plan("P-9", investor="I-\N{GRINNING FACE}", partner=None, terms=TERMS, opened_at=OPENED_ON)
    return Codec().encode(event)


def test_an_id_is_not_judged_again_by_an_older_unicode(books: Ledger) -> None:
    """A character that is unassigned here, as an emoji of a newer Unicode is on an older node, is read as recorded."""
    tag, state = _stored(books)
    unassigned = "I-\U0002fffd"
    assert not unassigned.isprintable()
    with pytest.raises(InvalidArgument):
        arguments.text("investor", unassigned)
    state = state.replace("\N{GRINNING FACE}".encode(), unassigned[-1].encode())
    event = Codec().decode(tag, state, stream_id="P-9", version=1, sequence=4)
    assert event.event.investor == unassigned  # type: ignore[union-attr]
    assert Codec().encode(event) == (tag, state)


def test_a_zone_is_not_judged_again_by_an_older_database(books: Ledger) -> None:
    """A zone that this machine lacks is read as recorded; terms of the caller cannot name it."""
    tag, state = _stored(books)
    state = state.replace(b"Europe/Moscow", b"Europe/Newland")
    event = Codec().decode(tag, state, stream_id="P-9", version=1, sequence=4)
    assert event.event.terms.timezone == "Europe/Newland"  # type: ignore[union-attr]
    with pytest.raises(InvalidArgument, match="time zone"):
        attrs.evolve(TERMS, timezone="Europe/Newland")


# ---- numbers


@pytest.mark.parametrize(
    "make",
    [
        lambda: PerUnit("1e9999999"),
        lambda: PerUnit("1E-9999999"),
        lambda: Portion("1e+1_000_000"),
        lambda: PerUnit(HUGE),
        lambda: PerUnit(Fraction(HUGE, 3)),
        lambda: Money(HUGE, "USD"),
        lambda: Money(-HUGE, "USD"),
        lambda: Money.of(HUGE, "USD"),
        lambda: Money.of(Decimal("1e999999999"), "USD"),
        lambda: Money.of(Decimal("1e-999999999"), "USD"),
        lambda: Money.of("9" * 10_000_000, "USD"),
        lambda: attrs.evolve(TERMS, shares=HUGE),
        lambda: EveryDays(HUGE),
        lambda: ExplicitSchedule(((OPENED_ON, HUGE),)),
        lambda: attrs.evolve(TERMS, promos=tuple(PackageBonus(code=f"c{n}", rate_bp=1) for n in range(1_001))),
        lambda: columns.release("per_unit:1e9999999"),
        lambda: columns.promos(";".join(["campaign:1"] * 1_001)),
        lambda: columns.schedule("USD")("lines:" + ",".join(["2024-01-01=1"] * 5_001)),
        lambda: columns.schedule("USD")("lines:2024-01-01=" + "9" * 100_000),
    ],
    ids=range(19),
)
def test_a_number_is_bounded_before_it_is_computed_with(make: Callable[[], object]) -> None:
    """Each of these would take minutes or gigabytes; the error is short."""
    with pytest.raises(InvalidArgument) as caught:
        make()
    assert len(str(caught.value)) < 400


def test_a_thousand_promotions_of_one_name_are_read() -> None:
    """Each gets a number."""
    found = columns.promos(";".join(["campaign:1"] * terms_module.MAX_PROMOS))
    assert (found[0].code, found[-1].code) == ("campaign", "campaign_1000")


@pytest.mark.parametrize(
    ("cell", "named"),
    [
        ("lines:2024-01-10=1.00,2024-13-10=1.00", "2024-06-30, in line 2: '2024-13-10=1.00'"),
        ("lines:2024-01-10=1.00,2024-02-10", "in line 2: '2024-02-10'"),
        ("lines:2024-01-10=1.00,2024-02-10=1.001", "in line 2: '2024-02-10=1.001'"),
        ("lines:2024-01-10=1.00,2024-01-10=1.00", "a due date after 2024-01-10 in line 2"),
        ("lines:2024-01-10=1.00,2024-02-10=0", "in line 2"),
    ],
)
def test_the_bad_line_of_a_schedule_cell_is_named(cell: str, named: str) -> None:
    """A cell of twenty lines is searched by nobody; neither is one of five thousand printed."""
    long = cell + "," + ",".join(f"{2024 + n // 12}-{n % 12 + 1:02}-10=1.00" for n in range(12, 1_000))
    for given in (cell, long):
        with pytest.raises(columns.Malformed) as caught:
            columns.Cells({"schedule": given}).read("schedule", columns.schedule("USD"))
        assert named in str(caught.value)
        assert len(str(caught.value)) < 500


# ---- junk


def _junk_commands() -> list[object]:
    command, metadata = ClosePlan(plan_id="P-1", through=OPENED_ON), Metadata(recorded_at=RECORDED_AT)
    return [
        None,
        7,
        "ab",
        [1],
        [(command,)],
        [("a", "b")],
        [(command, None)],
        [(Command(plan_id="P-1"), metadata)],
        [(command, metadata), (metadata, command)],
    ]


@pytest.mark.parametrize("junk", _junk_commands(), ids=str)
@pytest.mark.parametrize("atomic", [False, True])
def test_junk_for_many_commands_is_a_bad_argument(junk: Any, books: Ledger, *, atomic: bool) -> None:
    """Before anything is recorded, and in the tree of errors."""
    with pytest.raises(InvalidArgument, match="expected"):
        books.execute_all(junk, atomic=atomic)
    assert len(list(books.events())) == 3


@pytest.mark.parametrize(
    "opening",
    [
        lambda no: Ledger.open("memory://", create=no),
        lambda no: Ledger.open("memory://", catch_up=no),
        lambda no: Database.open("memory://", create=no),
        lambda no: Database.open("memory://").ledger(catch_up=no),
    ],
    ids=["create", "catch_up", "create of a database", "catch_up of a database"],
)
def test_an_option_of_opening_is_true_or_false(opening: Any) -> None:
    """A text such as "no" would create a ledger."""
    with pytest.raises(InvalidArgument, match="is 'no'; expected True or False"):
        opening("no")


def test_a_follower_is_stopped_by_an_event(books: Ledger) -> None:
    """What cannot be asked, or waited for, is refused before anything is followed."""
    for junk in (None, True, object()):
        with pytest.raises(InvalidArgument, match="expected an Event of threading or multiprocessing"):
            books.follow(stop=cast(Any, junk))


@pytest.mark.parametrize("option", ["atomic", "dry_run"])
def test_an_option_of_many_commands_is_true_or_false(option: Any, books: Ledger) -> None:
    """A text such as "no" would count as true."""
    with pytest.raises(InvalidArgument, match=f"{option} is 'no'; expected True or False"):
        books.execute_all([], **{option: cast(Any, "no")})


def test_metadata_of_many_commands_is_as_plain_as_that_of_one(books: Ledger) -> None:
    """An instant of another zone is kept as UTC, a naive one is refused."""
    command = RecordPayment(plan_id="P-1", reference="x", amount=usd("1.00"), paid_at=OPENED_ON, kind="regular")
    (decided,) = books.execute_all(
        [(command, Metadata(recorded_at=Instant.fromisoformat("2021-01-01T03:00:00+03:00")))]
    )
    assert isinstance(decided, tuple)
    assert decided[0].recorded_at == RECORDED_AT, "time does not run back"
    with pytest.raises(InvalidArgument, match="recorded_at"):
        Metadata(recorded_at=datetime(2031, 1, 1))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize("timeout", [HUGE, -1, float("nan"), "1", None, True], ids=range(6))
def test_a_timeout_that_no_clock_can_count_is_a_bad_argument(timeout: Any, books: Ledger) -> None:
    """An infinite one can be waited for."""
    with pytest.raises(InvalidArgument, match="a number of seconds from 0"):
        books.wait(1, timeout=timeout)
    assert books.wait(1, timeout=float("inf")) >= 1


@pytest.mark.parametrize("shown", [datetime(2024, 1, 1), None, date(2024, 1, 1), 7])  # noqa: DTZ001
def test_a_bad_clock_is_a_bad_argument_in_commands_and_queries(shown: Any) -> None:
    """A naive one would be read in the machine's own zone."""
    now: list[Any] = [RECORDED_AT]
    with Ledger.open("memory://", clock=lambda: now[-1]) as books:
        open_plan(books)
        now.append(shown)
        for call in (
            lambda: books.record_payment("P-1", reference="x", amount=usd("1.00"), paid_at=OPENED_ON),
            lambda: books.position("P-1"),
            books.overdue,
            books.portfolio,
        ):
            with pytest.raises(InvalidArgument, match="^clock is"):
                call()
    with pytest.raises(InvalidArgument, match="a function that returns an aware datetime"):
        Ledger.open("memory://", clock=shown)


def test_projections_and_names_of_another_type_are_bad_arguments(books: Ledger, tmp_path: Path) -> None:
    """Also those that no dictionary can hold."""
    location: dict[str, Any] = {"url": f"sqlite:///{tmp_path}/b.db"}
    projections: tuple[Any, ...] = (5, [5], "periods")
    for junk in projections:
        with pytest.raises(InvalidArgument, match="projections"):
            Ledger.open(**location, projections=junk)
    name: Any = ["periods"]
    for call in (
        lambda: books.wait(0, projection=name),
        lambda: books.read_model(name),
        lambda: books.verify(projection=name),
    ):
        with pytest.raises(InvalidArgument, match="projection"):
            call()
