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


def holds_on(day: dt.date, starts_on: dt.date, ends_on: dt.date | None) -> bool:
    """Whether `day` is in `[starts_on, ends_on)`; None: without an end."""
    return starts_on <= day and (ends_on is None or day < ends_on)


def local_date(at: dt.datetime, timezone: ZoneInfo) -> dt.date:
    return at.astimezone(timezone).date()
