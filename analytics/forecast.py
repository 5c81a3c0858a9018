"""Forecast of a period's spend at the recent pace. Pure functions."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import NamedTuple

from billing.rating import Graduated, Price, Volume
from usage.queries.meters import meter_adjustment

# The pace is that of the last week: long enough to hold a weekend, short enough to notice a change.
PACE_DAYS = 7
_DAY = Decimal(86_400)
_INSTANT = Decimal("1E-12")


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
    turns = sorted({days for meter in meters for days in _turns(meter, so_far) if 0 < days < left})
    return Forecast(per_day, at_end, _limit_reached_at(net, limit, now, [*turns, left]))


def _adjustment(meters: Sequence[MeterPace], days: Decimal, so_far: Decimal) -> Decimal:
    """What the meters add when so many more days have passed."""
    total = Decimal(0)
    for meter in meters:
        billed, listed = meter.billed, meter.listed
        if days:
            units, amount = _pace(meter, so_far)
            billed += units * days
            listed += amount * days
        total += meter_adjustment(meter.price, billed=billed, listed=listed)
    return total


def _pace(meter: MeterPace, so_far: Decimal) -> tuple[Decimal, Decimal]:
    """Billed units and list price a day."""
    recent = meter.full_days[-PACE_DAYS:]
    if not recent:
        return meter.billed / so_far, meter.listed / so_far
    units, amounts = (sum(each, Decimal(0)) for each in zip(*recent, strict=True))
    return units / len(recent), amounts / len(recent)


def _turns(meter: MeterPace, so_far: Decimal) -> Iterator[Decimal]:
    """In how many days the meter has come to the end of each tier: beyond it, all that a volume
    price counts may cost less at once. Between two of them the net never falls."""
    units, _ = _pace(meter, so_far)
    for tier in meter.price.tiers if isinstance(meter.price, Graduated | Volume) else ():
        if tier.up_to is not None and units > 0:
            days = (meter.price.included + tier.up_to - meter.billed) / units
            # Cut, not rounded: still in the tier.
            yield days.quantize(_INSTANT, rounding=ROUND_FLOOR)


def _limit_reached_at(
    net: Callable[[Decimal], Decimal],
    limit: Decimal | None,
    now: dt.datetime,
    turns: Sequence[Decimal],
) -> dt.datetime | None:
    """The first moment at which the net is at the limit, be it that it falls below it again; the
    last of `turns` is the period's end, at which it must be beyond."""
    if limit is None or net(Decimal(0)) >= limit:
        return None
    before = Decimal(0)
    for after in turns:
        if net(after) > limit or (after != turns[-1] and net(after) == limit):
            break
        before = after
    else:
        return None
    for _ in range(_HALVES):
        middle = (before + after) / 2
        before, after = (before, middle) if net(middle) >= limit else (middle, after)
    return now + dt.timedelta(seconds=int(after * _DAY))


def change(now: Decimal, before: Decimal) -> Decimal | None:
    """The relative change as a fraction: 0.25 for a quarter more; None without a before."""
    return (now - before) / before if before > 0 else None


def _seconds(span: dt.timedelta) -> Decimal:
    return Decimal(span.days) * _DAY + span.seconds
