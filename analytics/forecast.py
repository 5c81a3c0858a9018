"""Forecast of a period's spend at the recent pace. Pure functions."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from billing.rating import Price
from usage.queries.meters import meter_adjustment

# The pace is that of the last week: long enough to hold a weekend, short enough to notice a change.
PACE_DAYS = 7
_DAY = Decimal(86_400)


# Halves of the time that is left: what remains of a month is less than a second.
_HALVES = 24


class MeterPace(NamedTuple):
    """What one meter holds, and what it took on each whole day, as (billed units, list price)."""

    price: Price
    billed: Decimal
    listed: Decimal
    full_days: Sequence[tuple[Decimal, Decimal]]


@dataclass(frozen=True)
class Forecast:
    """`per_day` and `at_end` are net spend in the workspace's currency, unrounded."""

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
    meters: Sequence[MeterPace] = (),
) -> Forecast | None:
    """The spend at the end of the period, and when the limit is reached, at the recent pace.

    `spend` is net; `full_days` is the spend at list price of each whole day of the period that has
    passed, in order. The pace is the mean of the last seven of them; before the first has passed,
    that of the hours so far. `meters` go on at their own pace, through the tiers ahead of them.
    None when nothing can be said: the period has not begun, is over, or nothing was spent yet.
    """
    at_list = spend - _adjustment(meters, Decimal(0), Decimal(0))
    if not period_start < now < period_end or at_list <= 0:
        return None
    left = _seconds(period_end - now) / _DAY
    so_far = _seconds(now - period_start) / _DAY
    recent = full_days[-PACE_DAYS:]
    list_pace = sum(recent, Decimal(0)) / len(recent) if recent else at_list / so_far

    def net(days: Decimal) -> Decimal:
        return at_list + list_pace * days + _adjustment(meters, days, so_far)

    at_end = net(left)
    per_day = (at_end - spend) / left if meters else list_pace
    return Forecast(per_day, at_end, _limit_reached_at(net, limit, now, left))


def _adjustment(meters: Sequence[MeterPace], days: Decimal, so_far: Decimal) -> Decimal:
    """What the meters add when so many more days have passed."""
    total = Decimal(0)
    for meter in meters:
        billed, listed = meter.billed, meter.listed
        recent = meter.full_days[-PACE_DAYS:]
        if days and recent:
            billed += sum((each[0] for each in recent), Decimal(0)) / len(recent) * days
            listed += sum((each[1] for each in recent), Decimal(0)) / len(recent) * days
        elif days:
            billed += billed / so_far * days
            listed += listed / so_far * days
        total += meter_adjustment(meter.price, billed=billed, listed=listed)
    return total


def _limit_reached_at(
    net: Callable[[Decimal], Decimal], limit: Decimal | None, now: dt.datetime, left: Decimal
) -> dt.datetime | None:
    if limit is None or net(Decimal(0)) >= limit or net(left) <= limit:
        return None
    before, after = Decimal(0), left
    for _ in range(_HALVES):
        middle = (before + after) / 2
        before, after = (before, middle) if net(middle) >= limit else (middle, after)
    return now + dt.timedelta(seconds=int(after * _DAY))


def change(now: Decimal, before: Decimal) -> Decimal | None:
    """The relative change as a fraction: 0.25 for a quarter more; None without a before."""
    return (now - before) / before if before > 0 else None


def _seconds(span: dt.timedelta) -> Decimal:
    return Decimal(span.days) * _DAY + span.seconds
