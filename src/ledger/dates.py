"""Civil dates: months from an anchor, and the plan's day of an instant. The only file that knows pendulum and tzdata.

The package `tzdata` decides the days of instants, never the time zone files of the machine: two machines with the same
package agree, whatever their systems hold.
"""

from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from importlib import import_module
from io import BytesIO
from pkgutil import get_data
from zoneinfo import ZoneInfo

import attrs

from ledger.errors import InvalidArgument

DAY = timedelta(days=1)

CLOCKS_DIFFER = timedelta(minutes=5)
"""By no more than this do the clocks of machines differ: so far a stated instant of recording may lie ahead."""


def _day(given: date) -> date:
    return civil_date("day", given)


@attrs.frozen
class EndOfDay:
    """The end of a civil date, in whatever time zone it is read: `known_at=EndOfDay(date(2024, 3, 31))`."""

    day: date = attrs.field(converter=_day)

    def __str__(self) -> str:
        return f"the end of {self.day}"


Known = datetime | EndOfDay
"""When something was known: at an instant, inclusive, or by the end of a day in the plan's own time zone."""


@lru_cache(maxsize=10_000)  # plans of a day share their due dates, and pendulum is slow
def months_from(anchor: date, months: int) -> date:
    """Return the day `months` after `anchor`, clamped to the end of the month and never chained.

    One month after 31 January is 28 (or 29) February, two months after it is 31 March.
    Raises `OverflowError` beyond the year 9999. Source: RULES.md section 3.
    """
    import pendulum  # a third of the time that importing the library would take

    try:
        moved = pendulum.date(anchor.year, anchor.month, anchor.day).add(months=months)
    except ValueError as error:
        raise OverflowError(str(error)) from error
    return date(moved.year, moved.month, moved.day)


def _read(path: str) -> bytes:
    data = get_data("tzdata", path)  # of all ways to read a package's file the quickest to import
    assert data is not None, path  # only loaders of unusual kinds return None
    return data


@cache
def _names() -> frozenset[str]:
    return frozenset(_read("zones").decode().split())


@cache  # as many as there are zones
def _zone(name: str) -> ZoneInfo:
    if name not in _names():
        expected = f"a time zone of the IANA database {tzdata_version()}, which is installed as tzdata"
        raise InvalidArgument(argument="timezone", given=name, expected=expected)
    return ZoneInfo.from_file(BytesIO(_read(f"zoneinfo/{name}")), key=name)


def tzdata_version() -> str:
    """Return the version of the IANA time zone database that decides the days of instants, such as `2026f`."""
    return str(import_module("tzdata").IANA_VERSION)  # the package has no types


def timezone(name: str, value: object) -> str:
    """Return `value` if it names a time zone of the IANA database; raise `InvalidArgument` otherwise."""
    if not isinstance(value, str) or value not in _names():
        expected = "a time zone of the IANA database, such as 'Europe/Moscow'"
        raise InvalidArgument(argument=name, given=value, expected=expected)
    return value


def day_in(zone: str, instant: datetime) -> date:
    """Return the civil date of an aware `instant` in the time zone `zone`. Source: RULES.md section 6.

    Raises `InvalidArgument` for a date outside the years 1 to 9999, and for a zone that the installed database lacks.
    """
    try:
        return instant.astimezone(_zone(zone)).date()
    except OverflowError:
        expected = f"an instant on a day of the years 1 to 9999 in {zone}"
        raise InvalidArgument(argument="instant", given=instant, expected=expected) from None


def midnight(zone: str, day: date) -> datetime:
    """Return the instant, UTC, at which a civil date begins in the time zone `zone`.

    Raises `InvalidArgument` for one outside the years 1 to 9999 of UTC.
    """
    return instant("day", datetime(day.year, day.month, day.day, tzinfo=_zone(zone)))


def civil_date(name: str, value: object) -> date:
    """Return `value` as a plain `datetime.date`; raise `InvalidArgument` for anything else, an instant included."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise InvalidArgument(argument=name, given=value, expected="a datetime.date")
    return value if type(value) is date else date(value.year, value.month, value.day)


def instant(name: str, value: object) -> datetime:
    """Return an aware datetime as plain UTC; raise `InvalidArgument` for a naive one and for anything else."""
    if type(value) is datetime and value.tzinfo is UTC:
        return value
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidArgument(argument=name, given=value, expected="a datetime with a time zone")
    try:
        utc = value.astimezone(UTC)
    except OverflowError:
        expected = "an instant within the years 1 to 9999 of UTC"
        raise InvalidArgument(argument=name, given=value, expected=expected) from None
    return datetime(  # a plain datetime, whatever subclass the caller uses
        utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, tzinfo=UTC
    )


def known_by(name: str, value: object) -> Known:
    """Return an `EndOfDay` as it is or an instant as UTC; raise `InvalidArgument` for anything else."""
    return value if isinstance(value, EndOfDay) else instant(name, value)


def day_of(known_at: Known, zone: str) -> date:
    """Return the civil date in the time zone `zone` on which something was known. Source: RULES.md section 1."""
    return known_at.day if isinstance(known_at, EndOfDay) else day_in(zone, known_at)


def may_still_change(known_at: Known, now: datetime) -> bool:
    """Return whether saves that are under way `now` may be recorded by then: it is not well in the past."""
    if isinstance(known_at, EndOfDay):
        return known_at.day >= (now - CLOCKS_DIFFER - DAY).date()  # no zone ends its days later
    return known_at > now - CLOCKS_DIFFER


def date_or_instant(name: str, value: object) -> date | datetime:
    """Return a civil date as it is or an instant as UTC; raise `InvalidArgument` for anything else."""
    if isinstance(value, datetime):
        return instant(name, value)
    if not isinstance(value, date):
        raise InvalidArgument(argument=name, given=value, expected="a date, or a datetime with a time zone")
    return civil_date(name, value)
