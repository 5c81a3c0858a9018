"""Breakdown tables with bars: spend by resource type and provider, calls by their outcome."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from html import escape
from urllib.parse import quote

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from analytics.call_sums import Calls
from analytics.dimensions import AgentSpend, ModelSpend
from analytics.figures import colour_numbers, status_colour
from analytics.forecast import change
from analytics.queries import Spend, largest_first
from analytics.shown import ADJUSTMENTS, ShownAmounts
from billing.formats import money, number, percent, quantity, readable
from billing.money import ZERO
from usage.resources import provider_name, resource

# A longer list hides what matters; the rest is on the usage page.
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
    def html(self) -> SafeString:
        """Its `<tr>`, as `analytics.charts.Table` makes its own."""
        name = escape(self.label)
        if self.link:
            name = f'<a href="{escape(self.link)}">{name}</a>'
        if self.detail:
            name += f"<small>{escape(self.detail)}</small>"
        numbers = "".join(f'<td class="num">{escape(each)}</td>' for each in self.cells)
        return mark_safe(  # noqa: S308 - each text in it is escaped
            f'<tr><th scope="row">{name}</th><td class="share"><svg role="img"'
            f' aria-label="{escape(percent(self.share))}"><rect class="track" width="100%"'
            f' height="8" rx="4"/><rect class="{self.css}" width="{self.fill}%" height="8"'
            f' rx="4"/></svg></td>{numbers}</tr>'
        )

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
        return _("new") if now else "–"
    return percent(relative) if relative < 0 else f"+{percent(relative)}"


def by_resource_type(
    shown: ShownAmounts,
    spend: Spend,
    before: Spend | None,
    *,
    before_name: str,
    currency: str,
    link: str,
) -> Breakdown:
    colours = colour_numbers([name for name, _ in largest_first(shown.by_type)])

    def row(name: str) -> BreakdownRow:
        kind = resource(name)
        return BreakdownRow(
            label=kind.label,
            detail=f"{quantity(round(spend.quantities[name], 2))} {kind.unit}",
            share=ZERO,
            css=f"bar-{colours[name]}",
            cells=[],
            link=f"{link}&resource_type={name}",
        )

    rows = _cost_rows(
        shown.by_type, spend.by_type, before.by_type if before else None, row, currency
    )
    columns = _spend_columns(before, before_name)
    return Breakdown(
        "by-type", _("By resource type"), _("Share of spend"), _("Resource"), columns, rows
    )


def _spend_columns(before: Spend | None, before_name: str) -> list[str]:
    return [_("Spend"), *([_("vs {month}").format(month=before_name)] if before else [])]


def by_provider(
    shown: ShownAmounts,
    spend: Spend,
    before: Spend | None,
    calls: Calls,
    *,
    before_name: str,
    currency: str,
    link: str,
) -> Breakdown:
    def row(name: str) -> BreakdownRow:
        return BreakdownRow(
            label=provider_name(name),
            detail=_("{count} calls").format(count=number(f"{calls.by_provider[name]:,}"))
            if name in calls.by_provider
            else "",
            share=ZERO,
            css="bar-1",
            cells=[],
            link=f"{link}&provider={name}",
        )

    rows = _cost_rows(
        shown.by_provider, spend.by_provider, before.by_provider if before else None, row, currency
    )
    columns = _spend_columns(before, before_name)
    return Breakdown(
        "by-provider", _("By provider"), _("Share of spend"), _("Provider"), columns, rows
    )


def by_agent(
    shown: ShownAmounts, spent: Sequence[AgentSpend], *, currency: str, link: str
) -> Breakdown:
    names = {str(each.agent_id or ""): each.name for each in spent}
    exact = {str(each.agent_id or ""): each.cost for each in spent}

    def row(key: str) -> BreakdownRow:
        if not key:
            return _unnamed(_("No agent"))
        return BreakdownRow(names[key] or "", ZERO, "bar-1", [], link=f"{link}&agent={key}")

    rows = _cost_rows(shown.shared_out(exact), exact, None, row, currency)
    return Breakdown("by-agent", _("By agent"), _("Share of spend"), _("Agent"), [_("Spend")], rows)


def by_model(
    shown: ShownAmounts, spent: Sequence[ModelSpend], *, currency: str, link: str
) -> Breakdown:
    exact = {each.model or "": each.cost for each in spent}

    def row(key: str) -> BreakdownRow:
        if not key:
            return _unnamed(_("No model"))
        return BreakdownRow(key, ZERO, "bar-1", [], link=f"{link}&model={quote(key)}")

    rows = _cost_rows(shown.shared_out(exact), exact, None, row, currency)
    return Breakdown("by-model", _("By model"), _("Share of spend"), _("Model"), [_("Spend")], rows)


def _cost_rows(
    shown: Mapping[str, Decimal],
    exact: Mapping[str, Decimal],
    before: Mapping[str, Decimal] | None,
    row: Callable[[str], BreakdownRow],
    currency: str,
) -> list[BreakdownRow]:
    """A row for each name, largest first; with too many, the smallest share the last one.

    The amounts are those of `shown`, which add up to the headline; changes are of exact ones.
    """
    whole = sum(shown.values(), ZERO)
    largest = [name for name, _ in largest_first(shown)]
    named = largest if len(largest) <= MAX_ROWS else largest[: MAX_ROWS - 1]
    groups = [
        ([name], _unnamed(_("Tiers and included units")) if name == ADJUSTMENTS else row(name))
        for name in named
    ]
    if rest := largest[len(named) :]:
        groups.append((rest, _unnamed(_("{count} others").format(count=len(rest)))))
    rows = []
    for names, made in groups:
        amount = sum((shown[name] for name in names), ZERO)
        cells = [money(amount, currency)]
        if before is not None:
            now, then = (
                sum((costs.get(name, ZERO) for name in names), ZERO) for costs in (exact, before)
            )
            cells.append(changed(now, then))
        rows.append(replace(made, share=_share(amount, whole), cells=cells))
    return rows


def _unnamed(label: str) -> BreakdownRow:
    """A row for what is no single type, provider, agent or model."""
    return BreakdownRow(label, ZERO, "bar-8", [])


def by_status(calls: Calls) -> Breakdown:
    rows = [
        _count(name, count, calls.total, f"bar-{status_colour(name)}")
        for name, count in largest_first(calls.by_status)
    ]
    return Breakdown(
        "by-status", _("Calls by status"), _("How they ended"), _("Status"), _counted(), rows
    )


def by_direction(calls: Calls) -> Breakdown:
    rows = [
        _count(name, count, calls.total, f"bar-{1 if name == 'inbound' else 7}")
        for name, count in largest_first(calls.by_direction)
    ]
    return Breakdown("by-direction", _("Calls by direction"), "", _("Direction"), _counted(), rows)


def _counted() -> list[str]:
    return [_("Calls"), _("Share")]


def _count(name: str, count: int, total: int, css: str) -> BreakdownRow:
    share = _share(Decimal(count), Decimal(total))
    return BreakdownRow(
        label=readable(name), share=share, css=css, cells=[number(f"{count:,}"), percent(share)]
    )


def _share(part: Decimal, whole: Decimal) -> Decimal:
    return part / whole if whole > 0 else ZERO
