"""Spend of any days as its owner reads it, beside other days; all of it from rollups.

Days belong to no bill: amounts are list prices, of usage by when it occurred. What tiers and
included units make of a month, and fees, are on that month's bill.
"""

from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from analytics import breakdowns, figures
from analytics.call_sums import (
    Calls,
    call_sums_between,
    calls_between,
    prices_of_calls_between,
)
from analytics.charts import Chart
from analytics.dimensions import dimensions_between
from analytics.period_view import Stat
from analytics.queries import PeriodTotals, Spend, spend_between
from analytics.ranges import DayRange
from analytics.shown import ShownAmounts
from billing.compiled import CompiledQuery
from billing.formats import cents, duration, money, number, percent
from billing.models import BillingPeriod, Workspace
from billing.money import ZERO

# Shades of the heat map, besides none.
SHADES = 8
# More days than this are drawn as months.
MAX_BARS = 92


@dataclass(frozen=True)
class HeatCell:
    shade: int
    amount: str

    @property
    def html(self) -> str:
        css = f' class="heat-{self.shade}"' if self.shade else ""
        return f"<td{css}>{escape(self.amount)}</td>"


@dataclass(frozen=True)
class HeatMap:
    """What calls cost by the hour and weekday in which they started."""

    days: list[str]
    hours: list[tuple[str, list[HeatCell]]]
    summary: str

    @property
    def body(self) -> SafeString:
        """Its rows, as `analytics.charts.Table` makes its own."""
        return mark_safe(  # noqa: S308 - each text in it is escaped
            "".join(
                f'<tr><th scope="row">{hour}</th>{"".join(each.html for each in cells)}</tr>'
                for hour, cells in self.hours
            )
        )


_period_with_meters = CompiledQuery[UUID](
    lambda workspace_id: BillingPeriod.objects.filter(
        workspace_id=workspace_id, has_meters=True
    ).values_list("pk", flat=True)[:1]
)


class RangeView:
    def __init__(self, workspace: Workspace, span: DayRange, compared: DayRange | None) -> None:
        self.workspace, self.span, self.compared = workspace, span, compared
        self.currency = workspace.currency
        self.spend = self._spend(span)
        self.calls = calls_between(workspace.pk, span.first, span.until)
        self.spend_before: Spend | None = None
        self.calls_before: Calls | None = None
        if compared:
            self.spend_before = self._spend(compared)
            self.calls_before = call_sums_between(workspace.pk, compared.first, compared.until)
        self.shown = ShownAmounts(self.spend, PeriodTotals(self.spend.total), self.currency)

    def _spend(self, span: DayRange) -> Spend:
        return spend_between(self.workspace.pk, span.first, span.until)

    def context(self) -> dict[str, Any]:
        return {
            "span": self.span,
            "compared": self.compared,
            "total": self.shown.usage,
            "comparison": self._comparison(),
            "stats": self._stats(),
            "has_usage": bool(self.spend.rows),
            "has_calls": bool(self.calls.total),
            "is_list_price": bool(_period_with_meters(self.workspace.pk)),
            "spend_by_day": self._by_day(),
            "heat": heat_map(self.workspace.pk, self.span, self.currency),
            **self._breakdowns(),
        }

    def _comparison(self) -> str:
        if self.compared is None or self.spend_before is None:
            return ""
        said = {
            "then": money(self.spend_before.total, self.currency),
            "days": self.compared.label,
            "change": breakdowns.changed(self.spend.total, self.spend_before.total),
        }
        return _("%(then)s in %(days)s (%(change)s)") % said

    def _stats(self) -> list[Stat]:
        calls = self.calls
        now = _measures(self.spend, calls)
        then: tuple[Decimal | None, ...] = (None,) * len(now)
        if self.spend_before and self.calls_before:
            then = _measures(self.spend_before, self.calls_before)
        total, length, average, price = (
            "" if each is None or before is None else breakdowns.changed(each, before)
            for each, before in zip(now, then, strict=True)
        )
        return [
            Stat(_("Calls"), number(f"{calls.total:,}"), total),
            Stat(_("Call time"), duration(calls.duration_seconds), length),
            Stat(_("Average call"), duration(calls.average_seconds), average),
            Stat(_("Usage per call"), cents(now[-1], self.currency), price),
            Stat(_("Success rate"), percent(calls.success_rate), _("completed of all that ended")),
        ]

    def _by_day(self) -> Chart:
        by_type = self.shown.by_type_and_day(since=self.span.first)
        usage = reverse("usage:records", args=[self.workspace.pk])
        if len(self.span.days) > MAX_BARS:
            return figures.spend_by_month(
                days=self.span.days, by_type=by_type, currency=self.currency, usage=usage
            )
        return figures.spend_by_day(
            days=self.span.days, by_type=by_type, currency=self.currency, usage=usage
        )

    def _breakdowns(self) -> dict[str, Any]:
        usage = reverse("usage:records", args=[self.workspace.pk])
        link = f"{usage}?day_from={self.span.first}&day_to={self.span.last}"
        at = {"currency": self.currency, "link": link}
        beside = {"before_name": _("before"), **at}
        spent = dimensions_between(self.workspace, self.span.first, self.span.until, self.spend)
        return {
            "by_agent": breakdowns.by_agent(self.shown, spent.by_agent, **at),
            "by_model": breakdowns.by_model(self.shown, spent.by_model, **at),
            "by_type": breakdowns.by_resource_type(
                self.shown, self.spend, self.spend_before, **beside
            ),
            "by_provider": breakdowns.by_provider(
                self.shown, self.spend, self.spend_before, self.calls, **beside
            ),
        }


def _measures(spend: Spend, calls: Calls) -> tuple[Decimal | None, ...]:
    """How many calls, how long, how long each, and what each has cost."""
    per_call = spend.total / calls.total if calls.total else None
    return Decimal(calls.total), calls.duration_seconds, calls.average_seconds, per_call


def heat_map(workspace_id: UUID, span: DayRange, currency: str) -> HeatMap | None:
    """None where no call cost anything. One query."""
    prices = prices_of_calls_between(workspace_id, span.first, span.until)
    if not prices:
        return None
    names = [_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun")]
    most = max(prices.values())

    def cell(weekday: int, hour: int) -> HeatCell:
        price = prices.get((weekday, hour), ZERO)
        shade = max(1, int(price * SHADES / most)) if price > 0 else 0
        return HeatCell(shade, cents(price, currency) if price else "")

    hours = [
        (f"{hour:02}:00", [cell(weekday, hour) for weekday in range(1, 8)]) for hour in range(24)
    ]
    weekday, hour = max(prices, key=lambda when: (prices[when], when))
    summary = _("The most, %(price)s, was spent on %(day)s from %(hour)s.") % {
        "price": money(most, currency),
        "day": names[weekday - 1],
        "hour": f"{hour:02}:00",
    }
    return HeatMap(names, hours, summary)
