"""Revenue and margin by month, and receivables by age, for finance's first page: by currency.

The same rows as those of the reports, so that page and report cannot part.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from django.core.cache import cache
from django.template.loader import render_to_string
from django.utils.html import format_html_join

from analytics.reports import REPORTS, ReportRequest
from billing.formats import exact_money, money, short_month
from billing.money import ZERO
from billing.months import months_before
from billing.replica import lagging_reads

MONTHS = 13
_CACHE_SECONDS = 300
# Its number grows with what is kept under it.
_CACHE_KEY = "finance:trends:3"
_AGES = (
    ("not_due", "Not due"),
    ("to_30", "1–30 days"),
    ("to_60", "31–60"),
    ("to_90", "61–90"),
    ("beyond", "Over 90"),
)
_HEIGHT = 100


class Bar(NamedTuple):
    """A column of a chart: `height` of a hundred, from `top`; below zero it hangs from the line."""

    label: str
    value: Decimal
    x: int
    top: int
    height: int


@dataclass(frozen=True)
class Trend:
    """One chart with its numbers, in one currency; `url` is the report behind it.

    `html` is what the page shows of it: kept with it, since putting hundreds of numbers into words
    took a third of the page.
    """

    key: str
    title: str
    currency: str
    bars: Sequence[Bar]
    url: str
    zero: int
    html: str = ""


def bars(values: Mapping[str, Decimal]) -> tuple[list[Bar], int]:
    """Columns of `values`, and how far from the top their line of zero is."""
    most, least = max([*values.values(), ZERO]), min([*values.values(), ZERO])
    whole = most - least or Decimal(1)
    zero = round(_HEIGHT * most / whole)
    found = []
    for place, (label, value) in enumerate(values.items()):
        height = round(_HEIGHT * abs(value) / whole)
        top = zero - height if value >= 0 else zero
        found.append(Bar(label, value, place * 10, top, height))
    return found, zero


def trends(*, now: dt.datetime, currencies: Sequence[str]) -> list[Trend]:
    """At most five minutes old; currencies in the given order, then any others."""
    found: list[Trend] | None = cache.get(_CACHE_KEY)
    if found is None:
        with lagging_reads(now=now):
            found = _trends(now)
        cache.set(_CACHE_KEY, found, _CACHE_SECONDS)
    places = {currency: place for place, currency in enumerate(currencies)}
    return sorted(found, key=lambda each: places.get(each.currency, len(places)))


def _trends(now: dt.datetime) -> list[Trend]:
    today = now.date()
    first = months_before(today, MONTHS - 1)
    asked = ReportRequest(first, today, today, now)
    names = {month: short_month(month) for month in asked.months}
    made = []
    for title, key, value, part in (
        ("Revenue", "revenue", "revenue", "invoiced by month, less credit notes"),
        ("Margin on usage", "margin-by-month", "margin", "by month of usage"),
    ):
        sums: dict[str, dict[dt.date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for row in REPORTS[key].rows(asked):
            sums[row["currency"]][row["month"]] += row[value]
        url = REPORTS[key].url(first=first, last=today)
        made += [
            _trend(
                key,
                f"{title}, {part}",
                currency,
                {names[month]: of_months[month] for month in asked.months},
                url,
            )
            for currency, of_months in sorted(sums.items())
        ]
    owed: dict[str, dict[str, Decimal]] = {}
    for row in REPORTS["ageing"].rows(asked):
        ages = owed.setdefault(row["currency"], {label: ZERO for _, label in _AGES})
        for name, label in _AGES:
            ages[label] += row[name]
    made += [
        _trend("ageing", "Receivables by days overdue", currency, ages, REPORTS["ageing"].url())
        for currency, ages in sorted(owed.items())
    ]
    return made


def _trend(key: str, title: str, currency: str, values: dict[str, Decimal], url: str) -> Trend:
    made, zero = bars(values)
    columns = format_html_join(
        "",
        '<rect class="{}" x="{}" y="{}" width="8" height="{}"><title>{}: {}</title></rect>',
        (
            ("below" if bar.value < 0 else "", bar.x, bar.top, bar.height, bar.label, shown)
            for bar in made
            for shown in [money(bar.value, currency)]
        ),
    )
    rows = format_html_join(
        "",
        '<tr><th scope="row">{}</th><td class="num" title="{}">{}</td></tr>',
        ((bar.label, exact_money(bar.value, currency), money(bar.value, currency)) for bar in made),
    )
    trend = Trend(f"{key}-{currency}", title, currency, made, url, zero)
    shown = {"trend": trend, "columns": columns, "rows": rows, "width": len(made) * 10}
    return replace(trend, html=render_to_string("admin/finance/trend.html", shown))
