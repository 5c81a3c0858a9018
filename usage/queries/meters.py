"""Meters: what prices of the whole period make of the list prices that records are written with.

    net = the sum of the records' list prices + the adjustments of the period's meters

A meter adds up, in one period, everything that one rate priced: its rollups of that rate, so that
a late record counts in the period that bills it. Only rates with tiers, packages or included units
have one. While a period runs nothing of this is stored; the close freezes it (`PeriodMeter`).
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from billing.money import EXACT, ZERO, without_exponent
from billing.pricing import RatePrice
from billing.rating import (
    Graduated,
    Package,
    Price,
    PriceLine,
    Volume,
    adjustment,
    depends_on_period,
    lines_since,
    meter_lines,
)
from billing.rating.periods import figure
from billing.recorded_rates import prices_by_rate
from usage.resources import provider_name, resource_name

# As a record's price: the decimals of its column.
_STEP = Decimal("1E-10")
_K = TypeVar("_K", str, int)


class RateSum(NamedTuple):
    """What one rate priced in one month: `late_month` is the first day of another than the
    period's own. `listed` is the sum of the records' list prices."""

    rate_id: UUID
    late_month: dt.date | None
    billed: Decimal
    listed: Decimal


@dataclass(frozen=True, slots=True)
class Meter:
    """One meter's part in one month of a period; of most periods there is one month only.

    `subject` is what it counts ("Call Minutes, Twilio"), `description` says by which price ("Call
    Minutes, Twilio: graduated tiers"). `lines` add up to the net, which is `listed` and
    `adjustment`.
    """

    rate_id: UUID
    late_month: dt.date | None
    resource_type: str
    subject: str
    description: str
    billed: Decimal
    listed: Decimal
    adjustment: Decimal
    lines: list[PriceLine]
    # Units that a price includes, and how many of them are used; None where it includes none.
    included: Decimal | None = None
    included_used: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        return EXACT.add(self.listed, self.adjustment)


def meter_adjustment(price: Price, *, billed: Decimal, listed: Decimal) -> Decimal:
    """What a period adds to `listed`, rounded half-even to ten decimals as a record's price is."""
    return adjustment(price, billed=billed, listed=listed).quantize(
        _STEP, rounding=ROUND_HALF_EVEN, context=EXACT
    )


def meters_from(sums: Iterable[RateSum]) -> list[Meter]:
    """The meters of one period's sums: those whose rate depends on the period.

    The period's own usage counts first, then late usage, the latest month first: what a late month
    adds is the difference that it makes.
    """
    by_rate: dict[UUID, list[RateSum]] = defaultdict(list)
    for each in sums:
        by_rate[each.rate_id].append(each)
    found: list[Meter] = []
    for rate_id, rate in metered_prices(by_rate).items():
        found += _months_of(rate, sorted(by_rate[rate_id], key=_own_month_first))
    return sorted(found, key=lambda meter: (meter.resource_type, meter.description, meter.rate_id))


def _own_month_first(each: RateSum) -> int:
    return -dt.date.max.toordinal() if each.late_month is None else -each.late_month.toordinal()


def metered_prices(rate_ids: Iterable[UUID]) -> dict[UUID, RatePrice]:
    return {
        rate_id: rate
        for rate_id, rate in prices_by_rate(rate_ids).items()
        if depends_on_period(rate.price)
    }


def _months_of(rate: RatePrice, sums: Sequence[RateSum]) -> Iterable[Meter]:
    price = rate.price
    subject = subject_of(rate)
    billed = listed = adjusted = used = ZERO
    lines: list[PriceLine] = []
    for each in sums:
        billed = EXACT.add(billed, each.billed)
        listed = EXACT.add(listed, each.listed)
        now = meter_adjustment(price, billed=billed, listed=listed)
        now_lines = meter_lines(price, billed=billed, listed=listed, net=EXACT.add(listed, now))
        now_used = min(price.included, max(billed, ZERO))
        yield Meter(
            rate_id=each.rate_id,
            late_month=each.late_month,
            resource_type=rate.match.resource_type,
            subject=subject,
            description=_description(subject, price, each.late_month),
            billed=each.billed,
            listed=each.listed,
            adjustment=EXACT.subtract(now, adjusted),
            lines=lines_since(lines, now_lines) if lines else now_lines,
            included=price.included or None,
            included_used=EXACT.subtract(now_used, used),
        )
        adjusted, lines, used = now, now_lines, now_used


def subject_of(rate: RatePrice) -> str:
    """What the rate is for: "Call Minutes, Twilio"."""
    match = rate.match
    named = [resource_name(match.resource_type) if match.resource_type else "Any use"]
    named += [provider_name(match.provider)] if match.provider else []
    named += [match.model] if match.model else []
    return ", ".join(named)


def _description(subject: str, price: Price, late_month: dt.date | None) -> str:
    late = f" (late usage, {late_month:%B %Y})" if late_month else ""
    return f"{subject}: {price_kind(price)}{late}"[:200]


def price_kind(price: Price) -> str:
    """What of a price depends on the whole period, in a few words."""
    said = []
    match price:
        case Graduated():
            said.append("graduated tiers")
        case Volume():
            said.append("volume tiers")
        case Package():
            said.append(f"packages of {figure(price.size)}")
    if price.included:
        said.append(f"{figure(price.included)} included")
    return ", ".join(said)


def shared_out(amount: Decimal, listed: Mapping[_K, Decimal]) -> dict[_K, Decimal]:
    """An adjustment by the list prices it is for; the shares add up to it exactly."""
    whole = sum(listed.values(), ZERO)
    names = sorted(listed)
    left, shares = amount, dict[_K, Decimal]()
    for name in names:
        share = left
        if name != names[-1] and whole:
            share = EXACT.divide(EXACT.multiply(amount, listed[name]), whole)
            share = share.quantize(_STEP, rounding=ROUND_HALF_EVEN, context=EXACT)
        elif name != names[-1]:
            share = ZERO
        shares[name] = share
        left = EXACT.subtract(left, share)
    return shares


def added_up(sums: Iterable[RateSum]) -> list[RateSum]:
    """One sum for each rate and month."""
    totals: dict[tuple[UUID, dt.date | None], tuple[Decimal, Decimal]] = {}
    for each in sums:
        key = each.rate_id, each.late_month
        billed, listed = totals.get(key, (ZERO, ZERO))
        totals[key] = EXACT.add(billed, each.billed), EXACT.add(listed, each.listed)
    return [RateSum(*key, *amounts) for key, amounts in totals.items()]


def line_as_json(line: PriceLine) -> dict[str, Any]:
    """Decimals as plain text."""
    return {
        "description": line.description,
        "quantity": None if line.quantity is None else _plain(line.quantity),
        "unit_price": None if line.unit_price is None else _plain(line.unit_price),
        "flat": _plain(line.flat),
        "amount": _plain(line.amount),
    }


def meter_as_json(meter: Meter) -> dict[str, Any]:
    """A meter as an invoice's line and the API show it."""
    return {
        "description": meter.description,
        "resource_type": meter.resource_type,
        "quantity": _plain(meter.billed),
        "list_amount": _plain(meter.listed),
        "adjustment": _plain(meter.adjustment),
        "amount": _plain(meter.net),
        "lines": [line_as_json(line) for line in meter.lines],
    }


def _plain(value: Decimal) -> str:
    """Without an exponent or trailing zeros."""
    text = without_exponent(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def line_from_json(data: Mapping[str, Any]) -> PriceLine:
    quantity, unit_price = data["quantity"], data["unit_price"]
    return PriceLine(
        data["description"],
        None if quantity is None else Decimal(quantity),
        None if unit_price is None else Decimal(unit_price),
        Decimal(data["flat"]),
        Decimal(data["amount"]),
    )
