"""Charts of the owner's pages, each with its numbers as a table. No database in here."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

from django.utils.translation import gettext as _

from analytics.charts import (
    Chart,
    LegendEntry,
    Series,
    Table,
    Trace,
    axis_value,
    bar,
    by_day,
    day_axis,
    figure_json,
    line,
    money_axis,
)
from billing.formats import money, money_in, number, readable, short_day, short_month
from billing.money import ZERO
from usage.resources import resource

_BUILT_IN = {"call_minutes": 1, "transcription": 2, "synthesis": 3, "storage": 4}
_STATUS = {
    "completed": 2,
    "in_progress": 1,
    "failed": 5,
    "busy": 3,
    "no_answer": 4,
    "cancelled": 8,
}
# More series than this cannot be told apart; the smallest are drawn as one.
MAX_SERIES = 7
OTHER = "other"


def colour_numbers(resource_types: Sequence[str]) -> dict[str, int]:
    """A colour (1 to 8) for each resource type: fixed for the built-in ones, in turn for others."""
    others = [name for name in resource_types if name not in _BUILT_IN and name != OTHER]
    return {**_BUILT_IN, OTHER: 8, **{name: 5 + turn % 3 for turn, name in enumerate(others)}}


def _label(resource_type: str) -> str:
    return _("Other") if resource_type == OTHER else resource(resource_type).label


def status_colour(status: str) -> int:
    return _STATUS.get(status, 8)


def spend_by_day(
    *,
    days: Sequence[dt.date],
    by_type: Mapping[str, Mapping[dt.date, Decimal]],
    currency: str,
    usage: str,
) -> Chart:
    """Stacked bars, one a day of the period, a colour for each resource type (largest first).

    Each leads to what was used on its day, on the page `usage`.
    """
    drawn = _largest(by_type)
    numbers = colour_numbers(list(drawn))
    figure, table, legend = by_day(
        days,
        [Series(_label(name), numbers[name], spend) for name, spend in drawn.items()],
        show=money_in(currency),
        yaxis=money_axis(currency),
        link=f"{usage}?day_from={{x}}&day_to={{x}}",
    )
    totals = {day: sum((spend.get(day, ZERO) for spend in drawn.values()), ZERO) for day in days}
    top = max(days, key=lambda day: totals[day])
    return Chart(
        key="spend-by-day",
        title=_("Spend by day"),
        note=_("What you pay for usage, in {currency}").format(currency=currency),
        summary=_("Spend by day and resource type. The most was {amount} on {day}.").format(
            amount=money(totals[top], currency), day=short_day(top)
        ),
        figure=figure,
        table=table,
        legend=legend,
    )


def spend_by_month(
    *,
    days: Sequence[dt.date],
    by_type: Mapping[str, Mapping[dt.date, Decimal]],
    currency: str,
    usage: str,
) -> Chart:
    """The same with one bar for each month that has some of `days`."""
    months = [list(group) for _first, group in groupby(days, key=lambda day: day.replace(day=1))]
    drawn = _largest(by_type)
    numbers = colour_numbers(list(drawn))
    names = [short_month(of_month[0]) for of_month in months]
    sums = {
        name: [sum((spend.get(day, ZERO) for day in of_month), ZERO) for of_month in months]
        for name, spend in drawn.items()
    }
    links = [f"{usage}?day_from={of_month[0]}&day_to={of_month[-1]}" for of_month in months]
    bars = [
        bar(
            name=_label(name),
            x=names,
            y=[axis_value(amount) for amount in amounts],
            marker={"color": f"var(--chart-{numbers[name]})"},
            customdata=[money(amount, currency) for amount in amounts],
            hovertemplate="%{customdata}",
            meta={"links": links},
        )
        for name, amounts in sums.items()
    ]
    layout = {
        "height": 260,
        "barmode": "relative",
        "hovermode": "x unified",
        "showlegend": False,
        "xaxis": {"type": "category"},
        "yaxis": money_axis(currency),
    }
    rows = []
    for at, name in enumerate(names):
        amounts = [of_months[at] for of_months in sums.values()]
        rows.append([name, *(money(each, currency) for each in (*amounts, sum(amounts, ZERO)))])
    return Chart(
        key="spend-by-day",
        title=_("Spend by month"),
        note=_("What you pay for usage, in {currency}").format(currency=currency),
        summary=_("Spend by month and resource type."),
        figure=figure_json(bars, layout),
        table=Table([_("Month"), *map(_label, sums), _("Total")], rows, links=links),
        legend=[LegendEntry(_label(name), f"bar-{numbers[name]}") for name in sums],
    )


def calls_by_day(
    *, days: Sequence[dt.date], by_status: Mapping[str, Mapping[dt.date, int]]
) -> Chart:
    """Stacked bars, one a day of the period, a colour for each way a call ended."""
    order = sorted(by_status, key=lambda status: -sum(by_status[status].values()))
    figure, table, legend = by_day(
        days,
        [Series(readable(status), status_colour(status), by_status[status]) for status in order],
        show=lambda calls: f"{calls:,}",
        yaxis={"tickformat": ",d", "rangemode": "tozero", "nticks": 6},
    )
    total = sum(sum(calls.values()) for calls in by_status.values())
    return Chart(
        key="calls-by-day",
        title=_("Calls by day"),
        note=_("By how they ended"),
        summary=_("Calls by day and status: {total} in all.").format(total=number(f"{total:,}")),
        figure=figure,
        table=table,
        legend=legend,
    )


def peak_hours(*, by_hour: Mapping[int, int], timezone: str) -> Chart:
    """Bars for the 24 hours of the workspace's clock in which calls started."""
    calls = [by_hour.get(hour, 0) for hour in range(24)]
    busiest = max(range(24), key=lambda hour: calls[hour])
    labels = [f"{hour:02}:00" for hour in range(24)]
    colours = [f"var(--chart-{'1' if hour == busiest else 'quiet'})" for hour in range(24)]
    hours = bar(
        x=labels,
        y=calls,
        marker={"color": colours, "cornerradius": 3},
        customdata=[_("{count} calls").format(count=number(f"{count:,}")) for count in calls],
        hovertemplate="%{x}<br>%{customdata}<extra></extra>",
    )
    layout = {
        "height": 260,
        "xaxis": {"type": "category", "tickmode": "array", "tickvals": labels[::4]},
        "yaxis": {"tickformat": ",d", "rangemode": "tozero", "nticks": 6},
    }
    return Chart(
        key="peak-hours",
        title=_("Peak hours"),
        note=_("When calls start, {timezone} time").format(timezone=timezone),
        summary=_("Calls by hour of the day: most, {count}, start at {hour}.").format(
            count=number(f"{calls[busiest]:,}"), hour=labels[busiest]
        ),
        figure=figure_json([hours], layout),
        table=Table(
            [_("Hour"), _("Calls")], [[labels[h], number(f"{calls[h]:,}")] for h in range(24)]
        ),
    )


def spend_to_date(
    *,
    days: Sequence[dt.date],
    totals: Sequence[Decimal],
    before: Sequence[Decimal],
    before_name: str,
    limit: Decimal | None,
    at_end: Decimal | None,
    currency: str,
) -> Chart:
    """Spend added up through the period, beside the period before, the limit and the forecast.

    `totals` has a value for each day so far; `before` the same for the period before, by day of
    the month; `at_end` is the forecast for the last of `days`.
    """
    so_far, earlier = _running(totals), _running(before)[: len(days)]
    lines: list[Trace] = []
    show = money_in(currency)
    legend = [LegendEntry(_("This period"), "bar-1")]

    def add(name: str, at: Sequence[dt.date], amounts: Sequence[Decimal], **pen: Any) -> None:
        lines.append(line(name, at, amounts, [show(each) for each in amounts], **pen))

    if earlier:
        add(before_name, days, earlier, color="var(--chart-8)", dash="dot")
        legend.append(LegendEntry(_("{month} (dotted)").format(month=before_name), "bar-8"))
    if so_far and at_end is not None and len(so_far) < len(days):
        today = days[len(so_far) - 1]
        add(
            _("Forecast"),
            [today, days[-1]],
            [so_far[-1], at_end],
            color="var(--chart-1)",
            dash="dash",
        )
        legend.append(LegendEntry(_("Forecast (dashed)"), "bar-1"))
    add(_("This period"), days, so_far, color="var(--chart-1)", width=2.5)
    if limit is not None:
        add(_("Limit"), [days[0], days[-1]], [limit, limit], color="var(--chart-bad)", width=1.5)
        legend.append(LegendEntry(_("Limit"), "bar-bad"))
    layout = {
        "height": 260,
        "hovermode": "x unified",
        "showlegend": False,
        "xaxis": day_axis(days),
        "yaxis": money_axis(currency),
    }
    reached = money(so_far[-1] if so_far else ZERO, currency)
    return Chart(
        key="spend-to-date",
        title=_("Spend to date"),
        note=_("Usage added up day by day, in {currency}").format(currency=currency),
        summary=_("Spend added up through the period: {reached} so far.").format(reached=reached),
        figure=figure_json(lines, layout),
        table=_running_table(days, so_far, earlier, before_name, currency),
        legend=legend,
    )


def _running_table(
    days: Sequence[dt.date],
    so_far: Sequence[Decimal],
    earlier: Sequence[Decimal],
    before_name: str,
    currency: str,
) -> Table:
    show = money_in(currency)
    rows = [[short_day(day), show(amount)] for day, amount in zip(days, so_far, strict=False)]
    if not earlier:
        return Table([_("Day"), _("To date")], rows)
    for turn, row in enumerate(rows):
        row.append(show(earlier[min(turn, len(earlier) - 1)]))
    return Table(
        [_("Day"), _("To date"), _("{month}, by that day").format(month=before_name)], rows
    )


def _largest(
    by_type: Mapping[str, Mapping[dt.date, Decimal]],
) -> dict[str, Mapping[dt.date, Decimal]]:
    """The series by size, largest first; those beyond `MAX_SERIES` are added up as "other"."""
    order = sorted(by_type, key=lambda name: (-sum(by_type[name].values(), ZERO), name))
    kept = {name: by_type[name] for name in order[:MAX_SERIES]}
    rest: dict[dt.date, Decimal] = {}
    for name in order[MAX_SERIES:]:
        for day, amount in by_type[name].items():
            rest[day] = rest.get(day, ZERO) + amount
    return {**kept, OTHER: rest} if rest else kept


def _running(amounts: Sequence[Decimal]) -> list[Decimal]:
    total, totals = ZERO, []
    for amount in amounts:
        total += amount
        totals.append(total)
    return totals
