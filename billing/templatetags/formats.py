"""The formats of `billing.formats` as template filters, and the small parts of every page."""

import datetime as dt
from collections.abc import Callable
from functools import cache
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing import formats
from billing.languages import habits
from billing.phrases import phrase

register = template.Library()

for _format in (
    formats.money,
    formats.cents,
    formats.exact_money,
    formats.quantity,
    formats.percent,
    formats.duration,
    formats.readable,
    formats.word,
    phrase,
):
    register.filter(_format.__name__, _format)


def _register_time(name: str, show: Callable[[Any], str]) -> None:
    """A filter of days and times, on the clock of the page; nothing of what is not there.

    Times of day are on the reader's own clock, if they have set one. Days stay the workspace's: by
    them months and invoices are counted.
    """
    is_time = name.endswith("_time")

    def shown(value: Any) -> str:
        if is_time and isinstance(value, dt.datetime) and (zone := habits().zone):
            value = value.astimezone(zone)
        return show(value) if value else ""

    register.filter(name, shown, expects_localtime=True)


for _name, _show in (
    ("long_day", formats.long_date),
    ("short_day", formats.short_day),
    ("day_month", formats.day_month),
    ("weekday_date", formats.weekday_date),
    ("long_time", formats.long_time),
    ("short_time", formats.short_time),
    ("exact_time", formats.exact_time),
):
    _register_time(_name, _show)


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """A decorative icon of `static/img/icons.svg`; the text beside it says what it means."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>',
        static("img/icons.svg"),
        name,
    )


_TONES = {
    "active": "good", "paid": "good", "completed": "good", "live": "good",
    "current": "info", "draft": "info", "open": "info", "finalized": "info", "in_progress": "info",
    "overdue": "bad", "suspended": "bad", "uncollectible": "bad", "failed": "bad",
    "paused": "warn", "busy": "warn", "no_answer": "warn",
}  # fmt: skip


@register.simple_tag
def badge(status: str, label: str = "") -> SafeString:
    """A status in its colour, with its word or another `label` for it.

    The word stays, so that no meaning hangs on the colour alone.
    """
    return format_html(
        '<span class="badge {}">{}</span>',
        _TONES.get(status, ""),
        formats.word(label) or formats.readable(status),
    )


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: object) -> str:
    """This page's query string with some parameters changed; None or "" drops one."""
    parameters = context["request"].GET.copy()
    for name, value in changes.items():
        if value in (None, ""):
            parameters.pop(name, None)
        else:
            parameters[name] = str(value)
    encoded = parameters.urlencode()
    return f"?{encoded}" if encoded else "?"


@register.simple_tag(takes_context=True)
def sort_heading(context: template.Context, name: str, label: str, css: str = "") -> SafeString:
    """The head of a column that its list can be sorted by: largest first, then smallest first.

    What the list is sorted by now is the page's `sort`.
    """
    sort = context["sort"]
    state = {f"-{name}": "descending", name: "ascending"}.get(sort, "")
    arrow = {"descending": "↓", "ascending": "↑"}.get(state, "")
    return format_html(
        '<th scope="col" class="{}"{}><a href="{}">{}{}</a></th>',
        css,
        format_html(' aria-sort="{}"', state) if state else "",
        query(context, sort=name if state == "descending" else f"-{name}", cursor=None),
        label,
        format_html(' <span aria-hidden="true">{}</span>', arrow) if arrow else "",
    )
