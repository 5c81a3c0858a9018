"""HTML of charts, tables, breakdowns and figures in a row, as the owners' pages show them.

In Python and not in templates: a page has ten of these with a thousand texts, and a template takes
ten times as long to find each of them by its name (ADR 51, 59). Each text is escaped here.
"""

from collections.abc import Iterable, Sequence
from html import escape

import msgspec
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from analytics.breakdowns import Breakdown
from analytics.charts import Chart, LegendEntry, Table
from analytics.period_view import Stat

# What may end a script, or begin a comment in it; as Django's `json_script` has it.
_IN_SCRIPTS = (("&", "\\u0026"), ("<", "\\u003C"), (">", "\\u003E"))


def _safe(html: str) -> SafeString:
    return mark_safe(html)  # noqa: S308 - each text in it is escaped


def chart_html(chart: Chart) -> SafeString:
    """A chart, its legend, and its numbers as a table."""
    key, title, summary = escape(chart.key), escape(chart.title), escape(chart.summary)
    return _safe(
        f'<figure aria-labelledby="{key}-title"><figcaption class="card-head">'
        f'<h2 id="{key}-title">{title}</h2><p>{escape(chart.note)}</p></figcaption>\n'
        f'<div class="chart-plot" data-figure="{key}" role="img" aria-label="{summary}"></div>\n'
        f'<script id="{key}" type="application/json">{_in_script(chart.figure)}</script>\n'
        f"{_legend_html(chart.legend)}"
        f'<details class="numbers"><summary>{escape(_("Show the numbers"))}</summary>\n'
        f'<div class="scroll chart-numbers" tabindex="0" role="region"'
        f' aria-labelledby="{key}-title">\n{table_html(chart.table)}\n</div></details></figure>'
    )


def _in_script(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    for character, written in _IN_SCRIPTS:
        text = text.replace(character, written)
    return text


def _legend_html(entries: Sequence[LegendEntry]) -> str:
    if not entries:
        return ""
    items = "".join(
        f'<li><svg viewBox="0 0 10 10" aria-hidden="true"><rect class="{escape(each.css)}"'
        f' width="10" height="10" rx="3"/></svg>{escape(each.label)}</li>'
        for each in entries
    )
    return f'<ul class="legend">{items}</ul>\n'


def table_html(table: Table) -> SafeString:
    """Texts that are formatted already; the first column names the row."""
    foot = f"<tfoot>{table.end}</tfoot>" if table.foot else ""
    return _safe(
        f"<table><thead><tr>{_head(table.head[0])}{_heads_of_numbers(table.head[1:])}"
        f"</tr></thead>\n<tbody>\n{table.body}\n</tbody>\n{foot}</table>"
    )


def _head(name: str) -> str:
    return f'<th scope="col">{escape(name)}</th>'


def _heads_of_numbers(names: Iterable[str]) -> str:
    return "".join(f'<th scope="col" class="num">{escape(name)}</th>' for name in names)


def breakdown_html(breakdown: Breakdown) -> SafeString:
    """Parts of a whole, largest first, each with its bar: the table is the chart."""
    key, title = escape(breakdown.key), escape(breakdown.title)
    head = (
        f'<section class="card" aria-labelledby="{key}"><div class="card-head">'
        f'<h2 id="{key}">{title}</h2><p>{escape(breakdown.note)}</p></div>\n'
    )
    if not breakdown.rows:
        return _safe(f'{head}<p class="muted">{escape(_("Nothing in this period."))}</p></section>')
    rows = "\n".join(row.html for row in breakdown.rows)
    share = f'<span class="visually-hidden">{escape(_("Share"))}</span>'
    return _safe(
        f'{head}<div class="scroll"><table><thead><tr>{_head(breakdown.first)}'
        f'<th scope="col" class="share">{share}</th>{_heads_of_numbers(breakdown.columns)}'
        f"</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div></section>"
    )


def stats_html(stats: Iterable[Stat]) -> SafeString:
    """Figures in a row, each with what it is and how to read it."""
    parts = "".join(
        f'<div><dt>{escape(each.label)}</dt><dd class="value">{escape(each.value)}</dd>'
        f'<dd class="hint">{escape(each.hint)}</dd></div>'
        for each in stats
    )
    return _safe(f'<dl class="card stats">{parts}</dl>')
