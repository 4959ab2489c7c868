"""Civil dates: months counted from their anchor, and the plan's own day of an instant."""

import calendar
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from importlib.resources import files
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import attrs
import pendulum
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger import dates
from ledger.commands import CancelPlan, ClosePlan, OpenPlan, ReversePayment
from ledger.dates import (
    DAY,
    EndOfDay,
    civil_date,
    date_or_instant,
    day_in,
    day_of,
    instant,
    known_by,
    may_still_change,
    months_from,
)
from ledger.decide import decide
from ledger.errors import InvalidArgument, LedgerError, PlanIsCancelled, ReferenceConflict
from ledger.events import PaymentMade, PlanOpened, RecordedEvent
from ledger.money import Money
from ledger.service import Ledger
from ledger.terms import EveryDays, ExplicitSchedule, PlanTerms, Portion
from tests.plans import agreed, pay, record
from tests.strategies import ALL_ZONES, METADATA, RECORDED_AT, ZONES, clocks

INSTANTS = st.integers(-2_208_988_800, 4_102_444_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
"""From 1900 to 2100."""

SECOND = timedelta(seconds=1)

MIDNIGHT_CHANGES = [
    ("Europe/Berlin", date(2023, 3, 26)),  # 23 hours: 2:00 is 3:00
    ("Europe/Berlin", date(2023, 10, 29)),  # 25 hours: 3:00 is 2:00
    ("Africa/Cairo", date(2023, 4, 27)),  # the next day begins at 1:00
    ("Africa/Cairo", date(2023, 10, 26)),  # 24:00 is 23:00 once more: the day has two last hours
    ("America/Asuncion", date(2023, 3, 25)),
    ("America/Asuncion", date(2023, 9, 30)),
    ("America/Havana", date(2023, 11, 4)),
    ("America/Havana", date(2023, 11, 5)),  # 1:00 is 0:00: the day has two first hours
    ("America/Sao_Paulo", date(2018, 2, 17)),
    ("Asia/Beirut", date(2022, 3, 26)),
    ("Australia/Lord_Howe", date(2023, 4, 2)),  # half an hour
    ("Pacific/Apia", date(2011, 12, 29)),  # the day after it never was
    ("Pacific/Apia", date(2011, 12, 30)),  # that day
    ("Asia/Kathmandu", date(2023, 5, 29)),
    ("America/St_Johns", date(2023, 11, 5)),
]
"""Days at whose ends the clocks of a zone change, and two zones with odd offsets."""


def last_second(zone: str, day: date) -> datetime:
    """Return the last whole second, UTC, before the civil date in the zone is later than `day`."""
    second = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=40)
    while second.astimezone(clocks(zone)).date() > day:
        second -= timedelta(hours=1)
    while (second + SECOND).astimezone(clocks(zone)).date() <= day:
        second += SECOND
    return second


# ---- months


@given(
    anchor=st.dates(date(1990, 1, 1), date(2100, 12, 31)) | st.dates(date(2023, 1, 28), date(2023, 1, 31)),
    months=st.integers(0, 600),
)
@example(anchor=date(2024, 1, 31), months=1)
@example(anchor=date(2024, 2, 29), months=12)
def test_months_keep_the_day_or_clamp_to_the_end_of_the_month(anchor: date, months: int) -> None:
    """The month is so many later, and the day that of the anchor or the month's last, whichever comes first."""
    moved = months_from(anchor, months)
    assert (moved.year * 12 + moved.month) - (anchor.year * 12 + anchor.month) == months
    assert moved.day == min(anchor.day, calendar.monthrange(moved.year, moved.month)[1])
    assert type(moved) is date


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        (date(2023, 1, 28), ["2023-01-28", "2023-02-28", "2023-03-28", "2023-04-28"]),
        (date(2023, 1, 29), ["2023-01-29", "2023-02-28", "2023-03-29", "2023-04-29"]),
        (date(2023, 1, 30), ["2023-01-30", "2023-02-28", "2023-03-30", "2023-04-30"]),
        (date(2023, 1, 31), ["2023-01-31", "2023-02-28", "2023-03-31", "2023-04-30"]),
        (date(2024, 1, 28), ["2024-01-28", "2024-02-28", "2024-03-28", "2024-04-28"]),
        (date(2024, 1, 29), ["2024-01-29", "2024-02-29", "2024-03-29", "2024-04-29"]),
        (date(2024, 1, 30), ["2024-01-30", "2024-02-29", "2024-03-30", "2024-04-30"]),
        (date(2024, 1, 31), ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"]),
        (date(2023, 11, 30), ["2023-11-30", "2023-12-30", "2024-01-30", "2024-02-29"]),
    ],
)
def test_months_are_never_chained(anchor: date, expected: list[str]) -> None:
    """31 January, 28 February, 31 March: each month is counted from the anchor, not from the month before it."""
    assert [months_from(anchor, months).isoformat() for months in range(4)] == expected


def test_a_leap_day_comes_back_every_four_years() -> None:
    """A year after 29 February is 28 February, four years after it is 29 February, in 2100 there is none."""
    leap = date(2096, 2, 29)
    assert [months_from(leap, 12 * years) for years in (0, 1, 4, 8)] == [
        leap,
        date(2097, 2, 28),
        date(2100, 2, 28),
        date(2104, 2, 29),
    ]


def test_months_end_with_the_calendar() -> None:
    """December 9999 is the last month; the next one overflows."""
    assert months_from(date(9999, 10, 31), 1) == date(9999, 11, 30)
    assert months_from(date(9999, 10, 31), 2) == date(9999, 12, 31)
    with pytest.raises(OverflowError):
        months_from(date(9999, 10, 31), 3)


def test_months_from_a_pendulum_date_are_plain_dates() -> None:
    """A date of any class becomes a plain one."""
    assert type(months_from(pendulum.date(2023, 1, 31), 1)) is date


def test_pendulum_is_imported_when_months_are_first_counted() -> None:
    """Importing the library does without it, and without time zones; the first months need it."""
    program = (
        "import sys, datetime, ledger\n"
        "from ledger.dates import months_from\n"
        "print({'pendulum', 'dateutil', 'tzdata'} & sys.modules.keys())\n"
        "months_from(datetime.date(2024, 1, 31), 1)\n"
        "print('pendulum' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["set()", "True"]


# ---- the day of an instant


@given(zone=ALL_ZONES, at=INSTANTS)
def test_the_day_of_an_instant_is_that_of_the_clocks_there(zone: str, at: datetime) -> None:
    """In every zone of the database, the day of an instant is the civil date there."""
    assert day_in(zone, at) == at.astimezone(clocks(zone)).date()
    assert type(day_in(zone, at)) is date


@given(zone=ALL_ZONES, at=INSTANTS, elsewhere=st.integers(-14, 14))
def test_the_day_of_an_instant_is_the_same_at_every_offset(zone: str, at: datetime, elsewhere: int) -> None:
    """An instant written with another offset is the same instant and falls on the same day."""
    assert day_in(zone, at.astimezone(timezone(timedelta(hours=elsewhere)))) == day_in(zone, at)


@pytest.mark.parametrize(("zone", "day"), MIDNIGHT_CHANGES)
def test_a_day_ends_with_its_last_second(zone: str, day: date) -> None:
    """The last second of a day belongs to it and the next one does not, however the clocks change around midnight."""
    last = last_second(zone, day)
    assert day_in(zone, last) <= day < day_in(zone, last + SECOND)
    local = datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=clocks(zone), fold=1)
    assert instant("paid_at", local) == last or day == date(2011, 12, 30)  # which nobody in Apia ever dated


def test_a_day_that_never_was_has_no_seconds() -> None:
    """Samoa left out 30 December 2011: 23:59:59 on the 29th is followed by the 31st."""
    last = last_second("Pacific/Apia", date(2011, 12, 29))
    assert [day_in("Pacific/Apia", last), day_in("Pacific/Apia", last + SECOND)] == [
        date(2011, 12, 29),
        date(2011, 12, 31),
    ]


def test_the_same_second_on_the_clock_can_come_twice_in_a_day() -> None:
    """When 24:00 is put back to 23:00, both 23:59:59 belong to the day that is ending."""
    zone, day = "America/Asuncion", date(2023, 3, 25)
    first, second = (datetime(2023, 3, 25, 23, 59, 59, tzinfo=clocks(zone), fold=fold) for fold in (0, 1))
    assert second.astimezone(UTC) - first.astimezone(UTC) == timedelta(hours=1)
    for at, later in ((first, day), (second, day + timedelta(days=1))):
        assert day_in(zone, at.astimezone(UTC)) == day
        assert day_in(zone, at.astimezone(UTC) + SECOND) == later


# ---- a payment at the end of the last day of grace


def _opened(zone: str, due: date, grace_days: int = 19) -> tuple[RecordedEvent, ...]:
    """Return a plan in a zone, whose first installment is due on its opening day."""
    return record(terms=agreed(3, schedule=EveryDays(365), timezone=zone, grace_days=grace_days), opened_on=due)


def _pay(history: tuple[RecordedEvent, ...], paid_at: date | datetime) -> tuple[RecordedEvent, ...]:
    return decide(history, pay(paid_at), METADATA)


@pytest.mark.parametrize(
    ("zone", "last_day"), [*MIDNIGHT_CHANGES[:-4], *[(zone, date(2024, 2, 29)) for zone in sorted({*ZONES})]]
)
def test_a_payment_in_the_last_second_of_grace_saves_the_plan(zone: str, last_day: date) -> None:
    """At 23:59:59 local time on the last day of grace a payment saves the plan; a second later it is refused."""
    history, last = _opened(zone, last_day - timedelta(days=19)), last_second(zone, last_day)
    saved = _pay(history, last)
    assert saved[0].event.effective_on == last_day
    assert [type(event.event).__name__ for event in saved] == ["PaymentMade", "PaymentMissed", "InstallmentSettled"]
    with pytest.raises(PlanIsCancelled) as refused:
        _pay(history, last + SECOND)
    assert refused.value.cancelled_on == last_day + timedelta(days=1)


@given(zone=ALL_ZONES, last_day=st.dates(date(2011, 12, 1), date(2030, 12, 31)), grace_days=st.integers(0, 45))
def test_in_every_zone_grace_ends_with_the_last_second_of_its_last_day(
    zone: str, last_day: date, grace_days: int
) -> None:
    """Wherever a plan lives, the last second of the last day of grace saves it and the next one does not."""
    history, last = _opened(zone, last_day - timedelta(days=grace_days), grace_days), last_second(zone, last_day)
    assert _pay(history, last)[-1].event.effective_on == day_in(zone, last)
    with pytest.raises(PlanIsCancelled):
        _pay(history, last + SECOND)


# ---- arguments


@given(at=INSTANTS, zone=st.sampled_from(ZONES))
def test_an_instant_becomes_plain_utc(at: datetime, zone: str) -> None:
    """An aware datetime of any zone, pendulum's included, becomes the same instant as a plain datetime in UTC."""
    for aware in (at, at.astimezone(clocks(zone)), pendulum.instance(at).in_timezone(zone)):
        for plain in (instant("paid_at", aware), date_or_instant("paid_at", aware)):
            assert isinstance(plain, datetime)
            assert (plain, type(plain), plain.tzinfo) == (at, datetime, UTC)


@given(day=st.dates())
def test_a_date_becomes_a_plain_date(day: date) -> None:
    """A date, pendulum's included, becomes the same day as a plain date."""
    for civil in (day, pendulum.date(day.year, day.month, day.day)):
        for plain in (civil_date("on", civil), date_or_instant("paid_at", civil)):
            assert plain == day
            assert type(plain) is date


@given(at=st.datetimes())
def test_a_naive_instant_is_refused(at: datetime) -> None:
    """A datetime without a zone is no instant, and no date either."""
    checks: tuple[Callable[[str, object], object], ...] = (instant, date_or_instant, civil_date)
    for check in checks:
        for naive in (at, pendulum.naive(at.year, at.month, at.day, at.hour)):
            with pytest.raises(InvalidArgument) as refused:
                check("paid_at", naive)
            assert (refused.value.argument, refused.value.given) == ("paid_at", naive)


@pytest.mark.parametrize("value", [None, "2023-05-10", 20230510, 1683676800.0, (2023, 5, 10), timedelta(1)])
def test_a_value_of_another_type_is_no_date(value: object) -> None:
    """Text and numbers are not read as dates: nothing is guessed."""
    checks: tuple[Callable[[str, object], object], ...] = (instant, date_or_instant, civil_date)
    for check in checks:
        with pytest.raises(InvalidArgument, match="expected a"):
            check("paid_at", value)


def test_an_instant_is_no_civil_date_and_a_date_no_instant() -> None:
    """Where a date is asked for an instant is refused, and the other way round: the zone would have to be guessed."""
    with pytest.raises(InvalidArgument, match=r"on is .*; expected a datetime\.date"):
        civil_date("on", RECORDED_AT)
    with pytest.raises(InvalidArgument, match="recorded_at is 2023-05-10; expected a datetime with a time zone"):
        instant("recorded_at", date(2023, 5, 10))


def test_commands_accept_pendulum_and_keep_plain_values() -> None:
    """Dates and instants of pendulum are recorded as plain ones, the civil date in the plan's zone."""
    paid_at = pendulum.datetime(2023, 5, 29, 23, 59, 59, tz="America/Mexico_City")
    fact = _pay(_opened("Asia/Kolkata", date(2023, 5, 29)), paid_at)[0].event
    assert (fact.effective_on, type(fact.effective_on)) == (date(2023, 5, 30), date)
    assert isinstance(fact, PaymentMade)
    assert fact.paid_at == datetime(2023, 5, 30, 5, 59, 59, tzinfo=UTC)
    assert (type(fact.paid_at), fact.paid_at.tzinfo) == (datetime, UTC)
    closing = ClosePlan(plan_id="P-1", through=pendulum.date(2023, 5, 29))
    request = CancelPlan(plan_id="P-1", reference="crm-1", on=pendulum.date(2023, 5, 29), reason="asked")
    assert (type(closing.through), type(request.on)) == (date, date)
    lines = ExplicitSchedule(((pendulum.date(2023, 5, 29), 100),)).lines
    assert (lines, type(lines[0][0])) == (((date(2023, 5, 29), 100),), date)
    reversal = ReversePayment(plan_id="P-1", reference="bank-1", cause="chargeback", on=pendulum.date(2023, 5, 31))
    history = _opened("Asia/Kolkata", date(2023, 5, 29))
    history += _pay(history, paid_at)
    assert type(decide(history, reversal, METADATA)[0].event.effective_on) is date


def test_commands_refuse_naive_instants() -> None:
    """Neither an opening, nor a payment, nor the instant of recording may leave its zone to be guessed."""
    naive = datetime(2023, 5, 29, 12)  # noqa: DTZ001  # that is the point
    opened = _opened("UTC", date(2023, 5, 29))
    assert _pay(opened, naive.replace(tzinfo=UTC))
    with pytest.raises(InvalidArgument) as payment:
        _pay(opened, naive)
    assert payment.value.argument == "paid_at"
    terms = PlanTerms(price=Money(1, "USD"), shares=1, installments=1, release=Portion("0"), timezone="UTC")
    with pytest.raises(InvalidArgument) as opening:
        OpenPlan(plan_id="P-1", investor="I-1", partner=None, terms=terms, opened_at=naive)
    assert opening.value.argument == "opened_at"
    with Ledger.open("memory://") as ledger, pytest.raises(InvalidArgument) as recording:
        ledger.open_plan(
            "P-1", investor="I-1", partner=None, terms=terms, opened_at=date(2023, 5, 29), recorded_at=naive
        )
    assert recording.value.argument == "recorded_at"


def test_a_bad_date_or_instant_is_named_with_the_good_one() -> None:
    """Argument, value and expectation, the same for every date and instant that somebody gives."""
    east, west = (timezone(timedelta(hours=hours)) for hours in (1, -1))
    first, last = datetime(1, 1, 1, tzinfo=east), datetime(9999, 12, 31, 23, 30, tzinfo=west)
    checks: list[tuple[Callable[[str, object], object], object, str]] = [
        (civil_date, RECORDED_AT, "a datetime.date"),
        (civil_date, "2023-05-10", "a datetime.date"),
        (instant, date(2023, 5, 10), "a datetime with a time zone"),
        (instant, RECORDED_AT.replace(tzinfo=None), "a datetime with a time zone"),
        (instant, first, "an instant within the years 1 to 9999 of UTC"),
        (instant, last, "an instant within the years 1 to 9999 of UTC"),
        (date_or_instant, "2023-05-10", "a date, or a datetime with a time zone"),
        (date_or_instant, last, "an instant within the years 1 to 9999 of UTC"),
        (known_by, date(2023, 5, 10), "a datetime with a time zone"),
    ]
    for check, value, expected in checks:
        with pytest.raises(InvalidArgument) as refused:
            check("known_at", value)
        assert (refused.value.argument, refused.value.given, refused.value.expected) == ("known_at", value, expected)


def test_microseconds_are_kept() -> None:
    """Of an instant nothing is rounded."""
    at = datetime(2023, 5, 10, 12, 34, 56, 789_012, tzinfo=UTC)
    assert instant("paid_at", at) == date_or_instant("paid_at", at) == known_by("known_at", at) == at


def test_the_time_zone_of_the_machine_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine's clock shows the next day already, an instant is the same in UTC."""
    at = datetime(2023, 5, 10, 22, 30, tzinfo=UTC)
    with monkeypatch.context() as machine:
        machine.setenv("TZ", "JST-9")
        time.tzset()
        plain = instant("paid_at", at.astimezone())
        assert (plain.day, plain.hour, plain.tzinfo) == (10, 22, UTC)
        assert [day_in(zone, at) for zone in ("UTC", "Europe/Moscow")] == [date(2023, 5, 10), date(2023, 5, 11)]
    time.tzset()


# ---- what was known


def test_the_end_of_a_day_is_a_civil_date() -> None:
    """Of a plain date, shown in words; an instant is none."""
    end = EndOfDay(pendulum.date(2024, 3, 31))
    assert (str(end), type(end.day), end) == ("the end of 2024-03-31", date, EndOfDay(date(2024, 3, 31)))
    assert known_by("known_at", end) is end
    with pytest.raises(InvalidArgument) as refused:
        EndOfDay(RECORDED_AT)
    found = refused.value.argument, refused.value.given, refused.value.expected
    assert found == ("day", RECORDED_AT, "a datetime.date")


def test_the_day_on_which_something_was_known_is_that_of_the_zone() -> None:
    """At 22:00 in UTC it is the next day in Moscow; the end of a day is on that day everywhere."""
    at = datetime(2023, 5, 10, 22, tzinfo=UTC)
    assert [day_of(at, zone) for zone in ("UTC", "Europe/Moscow")] == [date(2023, 5, 10), date(2023, 5, 11)]
    end = EndOfDay(date(2023, 5, 10))
    assert [day_of(end, zone) for zone in ("UTC", "Europe/Moscow")] == [date(2023, 5, 10)] * 2


def test_a_civil_date_begins_at_midnight_of_the_zone() -> None:
    """Three hours earlier than in UTC in Moscow; where it would begin before the year 1 it is refused."""
    begins = dates.midnight("Europe/Moscow", date(2023, 5, 10))
    assert (begins, begins.tzinfo) == (datetime(2023, 5, 9, 21, tzinfo=UTC), UTC)
    assert dates.midnight("America/Mexico_City", date(2023, 12, 10)) == datetime(2023, 12, 10, 6, tzinfo=UTC)
    with pytest.raises(InvalidArgument) as refused:
        dates.midnight("Europe/Moscow", date.min)
    assert (refused.value.argument, refused.value.expected) == ("day", "an instant within the years 1 to 9999 of UTC")


def test_what_was_known_may_change_for_as_long_as_clocks_differ() -> None:
    """An instant five minutes ago has passed on every clock, and a day when it has ended in every zone as well."""
    now = datetime(2023, 5, 10, 0, 5, tzinfo=UTC)
    five = timedelta(minutes=5)
    assert not may_still_change(now - five, now)
    assert may_still_change(now - five + timedelta(microseconds=1), now)
    for at, last in ((now, 8), (now - timedelta(microseconds=1), 7)):
        assert not may_still_change(EndOfDay(date(2023, 5, last)), at)
        assert may_still_change(EndOfDay(date(2023, 5, last + 1)), at)


# ---- zones


@pytest.mark.parametrize(
    "zone",
    [
        "Mars/Olympus",
        "",
        "Europe",
        "Europe/",
        "../UTC",
        "/etc/localtime",
        "Europe/Moscow ",
        "+03:00",
        "MSK+3",
        "local",
        None,
        3,
        UTC,
        ZoneInfo("UTC"),
    ],
)
def test_an_unknown_zone_is_refused(zone: object) -> None:
    """A zone is a name of the IANA database, and the refusal shows one."""
    with pytest.raises(InvalidArgument) as refused:
        dates.timezone("timezone", zone)
    assert (refused.value.argument, refused.value.given) == ("timezone", zone)
    assert refused.value.expected == "a time zone of the IANA database, such as 'Europe/Moscow'"


@pytest.mark.parametrize("zone", ["localtime", "posixrules", "posix/UTC", "right/UTC"])
def test_a_zone_of_the_machine_is_refused(zone: str) -> None:
    """Files that lie beside the database are not in it: a plan's day never depends on the machine that asks."""
    with pytest.raises(InvalidArgument, match="IANA"):
        dates.timezone("timezone", zone)


@given(zone=ALL_ZONES)
def test_every_zone_of_the_database_is_accepted(zone: str) -> None:
    """All names of the database are accepted as they are."""
    assert dates.timezone("timezone", zone) == zone


def test_the_package_decides_and_not_the_machine(tmp_path: Path) -> None:
    """Where the machine's file of a zone differs from that of the package `tzdata`, the package decides."""
    program = (
        "from datetime import UTC, datetime\n"
        "from zoneinfo import ZoneInfo\n"
        "from ledger.dates import day_in\n"
        "at = datetime(2024, 5, 9, 22, tzinfo=UTC)\n"
        "print(at.astimezone(ZoneInfo('Europe/Moscow')).date(), day_in('Europe/Moscow', at))\n"
    )
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "Moscow").write_bytes(files("tzdata").joinpath("zoneinfo", "UTC").read_bytes())
    environment = {**os.environ, "PYTHONTZPATH": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["2024-05-09", "2024-05-10"]


def test_the_version_of_the_database_is_known() -> None:
    """The version is that of the package's files: a year and a letter."""
    with files("tzdata").joinpath("zoneinfo", "tzdata.zi").open(encoding="utf-8") as rules:
        assert rules.readline() == f"# version {dates.tzdata_version()}\n"
    with Ledger.open("memory://") as ledger:
        assert ledger.status().tzdata == dates.tzdata_version()


def test_the_day_in_a_zone_that_the_database_lacks_is_refused_with_its_version() -> None:
    """A zone that is newer than the installed database is named together with the database's version."""
    with pytest.raises(InvalidArgument) as refused:
        day_in("Mars/Olympus", RECORDED_AT)
    expected = f"a time zone of the IANA database {dates.tzdata_version()}, which is installed as tzdata"
    assert str(refused.value) == f"timezone is 'Mars/Olympus'; expected {expected}."


@pytest.mark.parametrize("argument", ["opened_at", "paid_at"])
def test_a_repeated_instant_is_the_same_whatever_day_it_was_recorded_on(argument: str) -> None:
    """An older database gave an instant another date. The same instant given again repeats the command."""
    at = datetime(2023, 4, 10, 20, 30, tzinfo=UTC)
    opening = OpenPlan(
        plan_id="P-1", investor="I-1", partner=None, terms=agreed(3, timezone="Europe/Moscow"), opened_at=at
    )
    payment = attrs.evolve(pay(at), paid_at=at)
    history = decide((), opening, METADATA)
    history += decide(history, payment, METADATA)
    (opened, paid, *_), yesterday = history, date(2023, 4, 9)
    assert isinstance(opened.event, PlanOpened)
    assert {event.event.effective_on for event in (opened, paid)} == {date(2023, 4, 10)}
    terms = attrs.evolve(opened.event.terms, first_due_on=yesterday)
    older = (
        attrs.evolve(opened.event, effective_on=yesterday, terms=terms),
        attrs.evolve(paid.event, effective_on=yesterday),
    )
    shifted = [attrs.evolve(one, event=event) for one, event in zip((opened, paid), older, strict=True)]
    command = {"opened_at": opening, "paid_at": payment}[argument]
    assert decide(shifted, command, METADATA) == ()
    for other in (at + DAY, (at + DAY).date()):
        with pytest.raises(ReferenceConflict) as conflict:
            decide(shifted, attrs.evolve(command, **{argument: cast(Any, other)}), METADATA)
        assert conflict.value.field == argument


@pytest.mark.parametrize(
    ("zone", "beyond", "within"),
    [
        ("Pacific/Kiritimati", datetime(9999, 12, 31, 10, tzinfo=UTC), datetime(9999, 12, 31, 9, 59, 59, tzinfo=UTC)),
        ("America/Mexico_City", datetime(1, 1, 1, 6, tzinfo=UTC), datetime(1, 1, 1, 7, tzinfo=UTC)),
    ],
)
def test_an_instant_beyond_the_calendar_of_the_zone_is_refused(zone: str, beyond: datetime, within: datetime) -> None:
    """An instant whose local day is no date of the years 1 to 9999 is refused as every bad argument is."""
    history = _opened(zone, date(2023, 5, 29))
    for paid_at in (beyond, within):
        with pytest.raises(LedgerError):
            _pay(history, paid_at)
    with pytest.raises(InvalidArgument) as refused:
        day_in(zone, beyond)
    found = refused.value.argument, refused.value.given, refused.value.expected
    assert found == ("instant", beyond, f"an instant on a day of the years 1 to 9999 in {zone}")
    assert day_in(zone, within) in (date.min, date.max)
