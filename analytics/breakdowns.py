"""Breakdown tables with bars: spend by resource type and provider, calls by their outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from analytics.figures import colour_numbers, status_colour
from analytics.forecast import change
from analytics.overview import Calls, Spend
from billing.formats import money, percent, quantity, readable
from billing.money import ZERO
from usage.resources import provider_name, resource

# A longer list hides what attention_items; the rest is on the usage page.
MAX_ROWS = 8


@dataclass(frozen=True)
class BreakdownRow:
    """`share` is a fraction of the whole, `fill` the bar's length in percent; cells are text."""

    label: str
    share: Decimal
    css: str
    cells: Sequence[str]
    detail: str = ""
    link: str = ""

    @property
    def fill(self) -> str:
        return f"{max(self.share, ZERO) * 100:.1f}"


@dataclass(frozen=True)
class Breakdown:
    key: str
    title: str
    note: str
    first: str
    columns: Sequence[str]
    rows: Sequence[BreakdownRow]


def changed(now: Decimal, before: Decimal) -> str:
    """A change as text: "+12.0%", "−3.1%", "new" for what was not there before."""
    relative = change(now, before)
    if relative is None:
        return "new" if now else "–"
    return percent(relative) if relative < 0 else f"+{percent(relative)}"


def by_resource_type(
    spend: Spend, before: Spend | None, *, before_name: str, currency: str, link: str
) -> Breakdown:
    colours = colour_numbers(_largest(spend.by_type))
    rows = [
        BreakdownRow(
            label=resource(name).label,
            detail=f"{quantity(round(spend.quantities[name], 2))} {resource(name).unit}",
            share=_share(spend.by_type[name], spend.total),
            css=f"bar-{colours[name]}",
            cells=_costs(spend.by_type[name], before.by_type if before else None, name, currency),
            link=f"{link}&resource_type={name}",
        )
        for name in _largest(spend.by_type)[:MAX_ROWS]
    ]
    columns = ["Cost", f"vs {before_name}"] if before else ["Cost"]
    return Breakdown("by-type", "By resource type", "Share of spend", "Resource", columns, rows)


def by_provider(
    spend: Spend, before: Spend | None, calls: Calls, *, before_name: str, currency: str, link: str
) -> Breakdown:
    rows = [
        BreakdownRow(
            label=provider_name(name),
            detail=f"{calls.by_provider[name]:,} calls" if name in calls.by_provider else "",
            share=_share(spend.by_provider[name], spend.total),
            css="bar-1",
            cells=_costs(
                spend.by_provider[name], before.by_provider if before else None, name, currency
            ),
            link=f"{link}&provider={name}",
        )
        for name in _largest(spend.by_provider)[:MAX_ROWS]
    ]
    columns = ["Cost", f"vs {before_name}"] if before else ["Cost"]
    return Breakdown("by-provider", "By provider", "Share of spend", "Provider", columns, rows)


def by_status(calls: Calls) -> Breakdown:
    rows = [
        _count(name, count, calls.total, f"bar-{status_colour(name)}")
        for name, count in _most(calls.by_status)
    ]
    return Breakdown("by-status", "Calls by status", "How they ended", "Status", _COUNTED, rows)


def by_direction(calls: Calls) -> Breakdown:
    rows = [
        _count(name, count, calls.total, f"bar-{1 if name == 'inbound' else 7}")
        for name, count in _most(calls.by_direction)
    ]
    return Breakdown("by-direction", "Calls by direction", "", "Direction", _COUNTED, rows)


_COUNTED = ["Calls", "Share"]


def _count(name: str, count: int, total: int, css: str) -> BreakdownRow:
    share = _share(Decimal(count), Decimal(total))
    return BreakdownRow(
        label=readable(name), share=share, css=css, cells=[f"{count:,}", percent(share)]
    )


def _costs(
    cost: Decimal, before: Mapping[str, Decimal] | None, name: str, currency: str
) -> list[str]:
    if before is None:
        return [money(cost, currency)]
    return [money(cost, currency), changed(cost, before.get(name, ZERO))]


def _share(part: Decimal, whole: Decimal) -> Decimal:
    return part / whole if whole > 0 else ZERO


def _largest(costs: Mapping[str, Decimal]) -> list[str]:
    return sorted(costs, key=lambda name: (-costs[name], name))


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
