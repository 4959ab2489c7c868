"""Civil dates: months from an anchor, and the plan's day of an instant. The only file that knows pendulum."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from importlib.resources import files

import pendulum

from ledger.errors import InvalidArgument

DAY = timedelta(days=1)

_ZONES = frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())
"""The names that the package of the IANA database lists: a machine's own copy may hold other files too."""


@lru_cache(maxsize=10_000)  # plans of a day share their due dates, and pendulum is slow
def months_from(anchor: date, months: int) -> date:
    """Return the day `months` after `anchor`, clamped to the end of the month and never chained.

    One month after 31 January is 28 (or 29) February, two months after it is 31 March.
    Raises `OverflowError` beyond the year 9999. Source: RULES.md section 3.
    """
    try:
        moved = pendulum.date(anchor.year, anchor.month, anchor.day).add(months=months)
    except ValueError as error:
        raise OverflowError(str(error)) from error
    return date(moved.year, moved.month, moved.day)


@lru_cache(maxsize=1024)
def _zone(name: str) -> tzinfo:
    return pendulum.timezone(name)


def timezone(name: str, value: object) -> str:
    """Return `value` if it names a time zone of the IANA database; raise `InvalidArgument` otherwise."""
    if not isinstance(value, str) or value not in _ZONES:
        expected = "a time zone of the IANA database, such as 'Europe/Moscow'"
        raise InvalidArgument(argument=name, given=value, expected=expected)
    return value


def day_in(zone: str, instant: datetime) -> date:
    """Return the civil date of an aware `instant` in the time zone `zone`. Source: RULES.md section 6.

    Raises `InvalidArgument` for a date outside the years 1 to 9999.
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


def date_or_instant(name: str, value: object) -> date | datetime:
    """Return a civil date as it is or an instant as UTC; raise `InvalidArgument` for anything else."""
    if isinstance(value, datetime):
        return instant(name, value)
    if not isinstance(value, date):
        raise InvalidArgument(argument=name, given=value, expected="a date, or a datetime with a time zone")
    return civil_date(name, value)
