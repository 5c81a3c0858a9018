"""Building blocks of charts: a chart with its numbers as a table, lines, bars and axes.

Amounts go to the browser as decimal text, so that no float touches them; colours as names of CSS
variables, so that the style sheet alone decides about light and dark (`static/js/charts.js`
resolves them).
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Any

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from billing.formats import money, number, short_day
from billing.languages import active_language
from billing.money import ZERO, exponent

# Month names of charts are English ones: other languages have numbers.
_DAYS = {"de": "%-d.%-m.", "fr": "%-d/%-m", "es": "%-d/%-m", "ja": "%-m/%-d"}


# As plotly reads it. Its own classes check each value, at ten times what making it costs; our few
# kinds of figures are checked by them in tests/analytics/test_figures.py.
Trace = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Cells are text that is formatted already; the first of a row names it, and leads to `links`,
    of which there is one a row or none at all."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    foot: Sequence[str] = ()
    links: Sequence[str] = ()

    @property
    def body(self) -> SafeString:
        """The rows as HTML: a template takes ten times as long for its hundreds of cells."""
        return mark_safe(  # noqa: S308 - each text in it is escaped
            "\n".join(
                _row(row, link)
                for row, link in zip(self.rows, self.links or [""] * len(self.rows), strict=True)
            )
        )

    @property
    def end(self) -> SafeString:
        return mark_safe(_row(self.foot))  # noqa: S308 - each text in it is escaped


def _row(cells: Sequence[str], link: str = "") -> str:
    name, *others = map(escape, cells)
    if link:
        name = f'<a href="{escape(link)}">{name}</a>'
    numbers = "".join(f'<td class="num">{each}</td>' for each in others)
    return f'<tr><th scope="row">{name}</th>{numbers}</tr>'


@dataclass(frozen=True)
class LegendEntry:
    label: str
    css: str


@dataclass(frozen=True)
class Chart:
    """What `analytics.figure_html` shows; `summary` says it in a sentence to who cannot see it."""

    key: str
    title: str
    note: str
    summary: str
    figure: dict[str, Any]
    table: Table
    legend: Sequence[LegendEntry] = ()


@dataclass(frozen=True)
class Series:
    """One colour of a stacked chart: its colour number and a value, amount or count, for days."""

    name: str
    colour: int
    values: Mapping[dt.date, Any]


def bar(**properties: Any) -> Trace:
    return {"type": "bar", **properties}


def line(
    name: str,
    days: Sequence[dt.date],
    amounts: Sequence[Decimal],
    texts: Sequence[str],
    *,
    color: str,
    dash: str = "solid",
    width: float = 2,
) -> Trace:
    """A line through `amounts`, from the first of `days` on; `texts` are shown for its points."""
    return {
        "type": "scatter",
        "name": name,
        "x": [day.isoformat() for day in days[: len(amounts)]],
        "y": [axis_value(amount) for amount in amounts],
        "mode": "lines",
        "line": {"color": color, "dash": dash, "width": width},
        "customdata": texts,
        "hovertemplate": "%{customdata}",
    }


def by_day(
    days: Sequence[dt.date],
    series: Sequence[Series],
    *,
    show: Callable[[Any], str],
    yaxis: dict[str, Any],
    link: str = "",
) -> tuple[dict[str, Any], Table, list[LegendEntry]]:
    """Stacked bars, the first series at the bottom; the table has the days that have anything.

    A bar, and its day in the table, lead to `link`, in which "{x}" stands for the day.
    """
    nothing, names = show(0), [day.isoformat() for day in days]
    texts = [
        [show(value) if (value := each.values.get(day)) else nothing for day in days]
        for each in series
    ]
    bars = [
        bar(
            name=each.name,
            x=names,
            y=[axis_value(each.values.get(day, 0)) for day in days],
            marker={"color": f"var(--chart-{each.colour})"},
            customdata=shown,
            hovertemplate="%{customdata}",
            **({"meta": {"link": link}} if link else {}),
        )
        for each, shown in zip(series, texts, strict=True)
    ]
    layout = {
        "height": 260,
        "barmode": "relative",
        "hovermode": "x unified",
        "showlegend": False,
        "xaxis": day_axis(days),
        "yaxis": yaxis,
    }
    rows, links = [], []
    for day, name, shown in zip(days, names, zip(*texts, strict=True), strict=False):
        values = [each.values.get(day, 0) for each in series]
        if any(values):
            rows.append([short_day(day), *shown, show(sum(values))])
            links.append(link.replace("{x}", name))
    sums = [sum(each.values.values()) for each in series]
    table = Table(
        [_("Day"), *(each.name for each in series), _("Total")],
        rows,
        [_("Total"), *(show(each) for each in sums), show(sum(sums))],
        links,
    )
    legend = [LegendEntry(each.name, f"bar-{each.colour}") for each in series]
    return figure_json(bars, layout), table, legend


def day_axis(days: Sequence[dt.date]) -> dict[str, Any]:
    half = dt.timedelta(hours=12)
    midnights = [dt.datetime.combine(day, dt.time()) for day in (days[0], days[-1])]
    return {
        "type": "date",
        "tickformat": _DAYS.get(active_language(), "%-d %b"),
        "hoverformat": _DAYS.get(active_language(), "%A %-d %B"),
        "range": [(midnights[0] - half).isoformat(), (midnights[1] + half).isoformat()],
        "nticks": 10,
        "showgrid": False,
    }


def money_axis(currency: str) -> dict[str, Any]:
    # What is left of an amount of nothing, on the side where the language has it.
    before, _, after = money(ZERO, currency).partition("0")
    return {
        "type": "linear",
        "tickprefix": before,
        "ticksuffix": after.lstrip("0.,"),
        "tickformat": f",.{exponent(currency)}~f",
        "rangemode": "tozero",
        "nticks": 6,
    }


def axis_value(value: Decimal | int) -> str | int:
    return format(value, "f") if isinstance(value, Decimal) else value


def figure_json(traces: Sequence[Trace], layout: dict[str, Any]) -> dict[str, Any]:
    """The figure as JSON-ready data, without plotly's own 7 KB theme."""
    separators = number("1,0.0").replace("1", "").replace("0", "")[::-1]
    return {"data": list(traces), "layout": {**layout, "separators": separators}}
