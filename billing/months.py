"""Calendar months of a timezone as half-open UTC intervals. Pure functions."""

import datetime as dt
from typing import NamedTuple
from zoneinfo import ZoneInfo


class Interval(NamedTuple):
    """Half-open `[start, end)`, both aware UTC times."""

    start: dt.datetime
    end: dt.datetime


def midnight(day: dt.date, timezone: ZoneInfo) -> dt.datetime:
    """The UTC time at which `day` begins in `timezone`.

    Where the clock skips midnight (a DST change at 00:00), the day begins at the change: the
    round trip through UTC turns the missing wall time into the first that exists.
    """
    return dt.datetime.combine(day, dt.time(), tzinfo=timezone).astimezone(dt.UTC)


def month_of(at: dt.datetime, timezone: ZoneInfo) -> Interval:
    """The calendar month of `timezone` that holds `at`."""
    first = at.astimezone(timezone).date().replace(day=1)
    return Interval(midnight(first, timezone), midnight(first_of_next_month(first), timezone))


def first_of_next_month(day: dt.date) -> dt.date:
    if day.month == 12:
        return dt.date(day.year + 1, 1, 1)
    return dt.date(day.year, day.month + 1, 1)


def last_of_month(day: dt.date) -> dt.date:
    return first_of_next_month(day) - dt.timedelta(days=1)


def months_before(day: dt.date, months: int) -> dt.date:
    """The first day of the month that is so many before that of `day`."""
    place = day.year * 12 + day.month - 1 - months
    return dt.date(place // 12, place % 12 + 1, 1)


def holds_on(day: dt.date, starts_on: dt.date, ends_on: dt.date | None) -> bool:
    """Whether `day` is in `[starts_on, ends_on)`; None: without an end."""
    return starts_on <= day and (ends_on is None or day < ends_on)


def local_date(at: dt.datetime, timezone: ZoneInfo) -> dt.date:
    return at.astimezone(timezone).date()


def first_and_last_day(
    start: dt.datetime, end: dt.datetime, timezone: ZoneInfo
) -> tuple[dt.date, dt.date]:
    """Of `[start, end)`, which may end within a day: what was closed early does."""
    last = end - dt.timedelta(microseconds=1)
    return local_date(start, timezone), local_date(last, timezone)
