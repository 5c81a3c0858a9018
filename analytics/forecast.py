"""Forecast of a period's spend at the recent pace. Pure functions."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

# The pace is that of the last week: long enough to hold a weekend, short enough to notice a change.
PACE_DAYS = 7
_DAY = Decimal(86_400)


@dataclass(frozen=True)
class Forecast:
    """`per_day` and `at_end` are spend in the workspace's currency, unrounded."""

    per_day: Decimal
    at_end: Decimal
    limit_reached_at: dt.datetime | None


def forecast(
    *,
    spend: Decimal,
    full_days: Sequence[Decimal],
    limit: Decimal | None,
    period_start: dt.datetime,
    period_end: dt.datetime,
    now: dt.datetime,
) -> Forecast | None:
    """The spend at the end of the period, and when the limit is reached, at the recent pace.

    `full_days` is the spend of each whole day of the period that has passed, in order. The pace is
    the mean of the last seven of them; before the first has passed, that of the hours so far.
    None when nothing can be said: the period has not begun, is over, or nothing was spent yet.
    """
    if not period_start < now < period_end or spend <= 0:
        return None
    recent = full_days[-PACE_DAYS:]
    if recent:
        per_day = sum(recent, Decimal(0)) / len(recent)
    else:
        per_day = spend * _DAY / _seconds(now - period_start)
    at_end = spend + per_day * _seconds(period_end - now) / _DAY
    return Forecast(per_day, at_end, _limit_reached_at(spend, per_day, limit, now, period_end))


def _limit_reached_at(
    spend: Decimal, per_day: Decimal, limit: Decimal | None, now: dt.datetime, end: dt.datetime
) -> dt.datetime | None:
    if limit is None or per_day <= 0 or spend >= limit:
        return None
    seconds = (limit - spend) / per_day * _DAY
    if seconds >= _seconds(end - now):
        return None
    return now + dt.timedelta(seconds=int(seconds))


def change(now: Decimal, before: Decimal) -> Decimal | None:
    """The relative change as a fraction: 0.25 for a quarter more; None without a before."""
    return (now - before) / before if before > 0 else None


def _seconds(span: dt.timedelta) -> Decimal:
    return Decimal(span.days) * _DAY + span.seconds
