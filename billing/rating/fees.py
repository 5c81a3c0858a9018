"""Fees of a period: its tiers', by the month or the year, and those of add-ons.

A fee is charged whole, or by days. Whole, it is that of what holds on the period's last day, and
what held before it is not charged; by days, each day it held is, whatever holds after it.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext
from itertools import groupby

from billing.money import EXACT, ZERO
from billing.rating.charges import AddOnTerms, Charge, ChargeKind, TierSince, TierTerms
from billing.rating.proration import Span, part_text, share, span_text

_ONE = Decimal(1)
MONTHLY = "Monthly Subscription"


class NoPrice(Exception):
    """A tier that is charged has no price in the workspace's currency."""

    def __init__(self, tier: str) -> None:
        super().__init__(tier)
        self.tier = tier


def subscription_fees(period: Span, tiers: Sequence[TierSince]) -> list[Charge]:
    """A line for each tier that is charged. Raises `NoPrice`.

    A year is charged in the month in which it begins, in advance and whole, if its tier still holds
    at that month's end.
    """
    charges = []
    for held, since, tier in _held(period, tiers):
        holds = held.until == period.until
        if tier.yearly:
            year = _year_beginning_in(period, since) if holds else None
            if year is not None:
                charges.append(_charge(tier, f"Yearly Subscription, {span_text(year)}", year, year))
        elif tier.daily:
            named = MONTHLY if held == period else tier.name.replace("_", " ").capitalize()
            charges.append(_charge(tier, part_text(named, held, period), held, period))
        elif holds:
            charges.append(_charge(tier, MONTHLY, period, period))
    return [charge for charge in charges if charge.amount]


def _held(period: Span, tiers: Sequence[TierSince]) -> Iterator[tuple[Span, dt.date, TierTerms]]:
    """The days of the period that each tier held, and since when it did."""
    runs = [list(run) for _, run in groupby(tiers, key=lambda each: each.tier.id)]
    for place, run in enumerate(runs):
        since = run[0].on
        until = runs[place + 1][0].on if place + 1 < len(runs) else period.until
        held = Span(since, until).within(period)
        if held.days > 0:
            yield held, since, run[-1].tier


def _year_beginning_in(period: Span, since: dt.date) -> Span | None:
    for year in sorted({period.first.year, period.last.year}):
        first = _anniversary(since, year)
        if first >= since and period.first <= first < period.until:
            return Span(first, _anniversary(since, year + 1))
    return None


def _anniversary(day: dt.date, year: int) -> dt.date:
    """The 29th of February is the 28th in years that have none."""
    try:
        return day.replace(year=year)
    except ValueError:
        return day.replace(year=year, day=28)


def _charge(tier: TierTerms, description: str, part: Span, whole: Span) -> Charge:
    if tier.fee is None:
        raise NoPrice(tier.name)
    return _fee(ChargeKind.SUBSCRIPTION, description, tier.id, _ONE, tier.fee, part, whole)


def add_on_fees(period: Span, add_ons: Sequence[AddOnTerms]) -> list[Charge]:
    """A line for each add-on that is charged, by name and day.

    Of those that share a name one follows the other: three numbers, and from the 16th on five.
    """
    charges = []
    in_order = sorted(add_ons, key=lambda each: (each.name, each.starts_on))
    for _, following in groupby(in_order, key=lambda each: each.name):
        held = [
            (each, days)
            for each in following
            if (days := Span(each.starts_on, each.ends_on or period.until).within(period)).days > 0
        ]
        for each, days in held:
            if each.daily or (each, days) == held[-1]:
                part = days if each.daily else period
                charges.append(
                    _fee(
                        ChargeKind.ADD_ON,
                        part_text(each.name, part, period),
                        each.id,
                        each.quantity,
                        each.unit_price,
                        part,
                        period,
                    )
                )
    return [charge for charge in charges if charge.amount]


def _fee(
    kind: ChargeKind,
    description: str,
    source_id: str,
    quantity: Decimal,
    unit_price: Decimal,
    part: Span,
    whole: Span,
) -> Charge:
    with localcontext(EXACT):
        amount = share(quantity * unit_price, part.days, whole.days) if unit_price else ZERO
    return Charge(
        kind,
        description,
        amount,
        quantity=quantity,
        unit_price=unit_price,
        first_day=part.first,
        last_day=part.last,
        days=part.days,
        of_days=whole.days,
        source_id=source_id,
    )
