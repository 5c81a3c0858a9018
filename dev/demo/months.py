"""The two months that the demo fills, on a company's own calendar."""

import datetime as dt
from typing import NamedTuple
from zoneinfo import ZoneInfo

from billing import months


class DemoMonths(NamedTuple):
    last: months.Interval
    this: months.Interval


def demo_months(now: dt.datetime, zone: ZoneInfo) -> DemoMonths:
    this = months.month_of(now, zone)
    return DemoMonths(months.month_of(this.start - dt.timedelta(seconds=1), zone), this)


def local_days(month: months.Interval, zone: ZoneInfo) -> list[dt.date]:
    first = months.local_date(month.start, zone)
    days = (months.local_date(month.end, zone) - first).days
    return [first + dt.timedelta(days=day) for day in range(days)]
