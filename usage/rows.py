"""Rows of the lists of calls and of usage records, made in Python (ADR 51).

A template takes twenty times as long for their hundreds of cells. What is the same for all rows,
names of columns, addresses and words, is made once for the list.
"""

import datetime as dt
from collections.abc import Iterable
from functools import cache
from html import escape
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from billing.formats import cents, duration, exact_money, exact_time, quantity, readable, short_time
from billing.languages import habits
from billing.templatetags.formats import badge
from usage.resources import provider_name, resource

_ANY_CALL = UUID(int=0)
_DASH = "–"


class _Clock:
    """Times on the clock of the page, said on the reader's own if they have one."""

    def __init__(self) -> None:
        self._page = timezone.get_current_timezone()
        self._reader = habits().zone or self._page

    def said(self, at: dt.datetime) -> str:
        return exact_time(at.astimezone(self._reader))

    def short(self, at: dt.datetime) -> str:
        return short_time(at.astimezone(self._reader))

    def exact(self, at: dt.datetime) -> str:
        return at.astimezone(self._page).isoformat()


class _Receipts:
    """Links to receipts, which lead back to the list."""

    def __init__(self, workspace_id: UUID, back: str) -> None:
        address = reverse("usage:receipt", args=[workspace_id, _ANY_CALL])
        self._before, _call, self._after = address.rpartition(str(_ANY_CALL))
        self._after += f"?back={back}"

    def of(self, call_id: UUID) -> str:
        return f"{self._before}{call_id}{self._after}"


def call_rows(
    calls: Iterable[Any], *, workspace_id: UUID, currency: str, exact: bool, back: str
) -> SafeString:
    """Rows of `usage/calls_results.html`; each call has its `price`."""
    clock, receipts = _Clock(), _Receipts(workspace_id, back)
    show = exact_money if exact else cents
    readable_once, badge_once = cache(readable), cache(badge)
    agent, direction, provider, status, length, price, receipt = map(
        escape,
        (
            *(_("Agent"), _("Direction"), _("Provider"), _("Status")),
            *(_("Duration"), _("Price"), _("Receipt")),
        ),
    )
    receipt_of = _("Receipt of the call of %(when)s")
    rows = []
    for call in calls:
        when = clock.said(call.started_at)
        rows.append(f"""      <tr>
        <th scope="row" class="nowrap"><time datetime="{clock.exact(call.started_at)}">\
{escape(when)}</time></th>
        <td data-label="{agent}">{escape(call.agent.name if call.agent else "") or _DASH}</td>
        <td data-label="{direction}">{escape(readable_once(call.direction))}</td>
        <td data-label="{provider}">{escape(provider_name(call.provider))}</td>
        <td data-label="{status}">{badge_once(call.status)}</td>
        <td data-label="{length}" class="num">{escape(duration(call.duration_seconds))}</td>
        <td data-label="{price}" class="num">{escape(show(call.price, currency))}</td>
        <td class="num"><a href="{receipts.of(call.pk)}"\
 aria-label="{escape(receipt_of % {"when": when})}">{receipt}</a></td>
      </tr>""")
    return mark_safe("\n".join(rows))  # noqa: S308 - each text in it is escaped


def dearest_rows(
    calls: Iterable[Any], *, workspace_id: UUID, currency: str, back: str
) -> SafeString:
    """Rows of `analytics/dearest_calls.html`."""
    clock, receipts = _Clock(), _Receipts(workspace_id, back)
    agent, length, price = map(escape, (_("Agent"), _("Duration"), _("Price")))
    rows = [
        f"""      <tr>
        <th scope="row" class="nowrap"><a href="{receipts.of(call.pk)}">\
<time datetime="{clock.exact(call.started_at)}">{escape(clock.short(call.started_at))}</time>\
</a></th>
        <td data-label="{agent}">{escape(call.agent.name if call.agent else "") or _DASH}</td>
        <td data-label="{length}" class="num">{escape(duration(call.duration_seconds))}</td>
        <td data-label="{price}" class="num">{escape(cents(call.price, currency))}</td>
      </tr>"""
        for call in calls
    ]
    return mark_safe("\n".join(rows))  # noqa: S308 - each text in it is escaped


def record_rows(
    records: Iterable[Any], *, workspace_id: UUID, currency: str, shows_cost: bool, back: str
) -> SafeString:
    """Rows of `usage/records_table.html`."""
    clock, receipts = _Clock(), _Receipts(workspace_id, back)
    resource_once = cache(resource)
    names = map(
        escape,
        (
            *(_("Resource"), _("Provider"), _("Quantity"), _("Unit cost"), _("Markup")),
            *(_("Price"), _("Call")),
        ),
    )
    kind, provider, amount, unit_cost, markup, price, call = names
    receipt_of, billed_as = _("Receipt of call %(call_id)s"), _("billed as %(billed)s")
    rows = []
    for record in records:
        of = resource_once(record.resource_type)
        used = f"{escape(quantity(record.quantity))} {escape(of.unit)}"
        if record.billed != record.quantity:
            used += f"<small>{escape(billed_as % {'billed': quantity(record.billed)})}</small>"
        model = f"<small>{escape(record.model)}</small>" if record.model else ""
        cells = [
            f'<th scope="row" class="nowrap"><time datetime="{clock.exact(record.occurred_at)}">'
            f"{escape(clock.said(record.occurred_at))}</time></th>",
            f'<td data-label="{kind}">{escape(of.label)}{_marks(record)}</td>',
            f'<td data-label="{provider}">{escape(provider_name(record.provider))}{model}</td>',
            f'<td data-label="{amount}" class="num">{used}</td>',
        ]
        if shows_cost:
            bought_in = record.cost_currency or currency
            share = record.markup_percentage
            cells += [
                f'<td data-label="{unit_cost}" class="num beside">'
                f"{escape(exact_money(record.unit_cost, bought_in))}</td>",
                f'<td data-label="{markup}" class="num beside">'
                f"{_DASH if share is None else f'{escape(quantity(share))}%'}</td>",
            ]
        link = _DASH
        if record.call_id:
            label = escape(receipt_of % {"call_id": record.call_id})
            link = (
                f'<a class="mono nowrap" href="{receipts.of(record.call_id)}"'
                f' aria-label="{label}">{str(record.call_id)[:8]}</a>'
            )
        cells += [
            f'<td data-label="{price}" class="num">'
            f"{escape(exact_money(record.final_cost, currency))}</td>",
            f'<td data-label="{call}">{link}</td>',
        ]
        rows.append("\n      ".join(["    <tr>", *cells]) + "\n    </tr>")
    return mark_safe("\n".join(rows))  # noqa: S308 - each text in it is escaped


def _marks(record: Any) -> str:
    """What is special about a record, as badges beside its name."""
    marks = f' <span class="badge warn">{escape(_("Late"))}</span>' if record.late else ""
    if record.reverses_id:
        return f'{marks} <span class="badge">{escape(_("Reversal"))}</span>'
    if record.trues_up_id:
        return f'{marks} <span class="badge">{escape(_("Cost made final"))}</span>'
    return marks
