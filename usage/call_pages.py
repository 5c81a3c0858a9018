"""Pages of calls: the list in any order, its exports, and each call's receipt."""

import datetime as dt
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.http import FileResponse, Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_GET

from billing.access import WorkspaceRequest, page_before, render_page, workspace_page
from billing.compiled import CompiledQuery
from billing.keyset import Keyset, page_in_order
from billing.months import local_date
from billing.queries import shows_cost
from billing.replica import PRIMARY, lagging_source
from usage.exports import calls_csv, calls_xlsx
from usage.filters import NEWEST_FIRST, CallFilter
from usage.models import Call, CallPrice, UsageRecord, VoiceAgent
from usage.pages import PAGE_SIZE, RESULTS
from usage.queries.calls import prices_as_of, prices_of_calls, use_of_call
from usage.queries.records import whole_period_prices_of
from usage.queries.usual_calls import compare, usual_call

# A receipt is one page; no call has this many records unless something is wrong with its sender.
MAX_RECEIPT_LINES = 1_000
# Where a receipt leads back to, by the page that led to it.
_BACK = {
    "usage:calls": _lazy("Calls"),
    "usage:records": _lazy("Usage"),
    "invoices:item": _lazy("Invoice line"),
    "analytics:dashboard": _lazy("Overview"),
}


_agents = CompiledQuery[VoiceAgent](
    lambda workspace_id: VoiceAgent.objects.filter(workspace_id=workspace_id).order_by("name", "pk")
)
_call = CompiledQuery[Call](
    lambda workspace_id, call_id: Call.objects.filter(
        workspace_id=workspace_id, pk=call_id
    ).select_related("agent")
)
_lines = CompiledQuery[UsageRecord](
    lambda workspace_id, call_id: UsageRecord.objects.filter(
        workspace_id=workspace_id, call_id=call_id
    ).order_by("occurred_at", "pk")[:MAX_RECEIPT_LINES]
)


class Shortcut(NamedTuple):
    label: str
    query: str


def _choice(request: WorkspaceRequest, using: str = PRIMARY) -> CallFilter:
    workspace = request.membership.workspace
    return CallFilter(
        request.GET,
        queryset=CallPrice.objects.using(using).filter(workspace=workspace),
        workspace=workspace,
        agents=_agents(workspace.pk),
    )


@require_GET
@workspace_page
def calls(request: WorkspaceRequest) -> HttpResponse:
    choice = _choice(request)
    valid = choice.form.is_valid()
    context: dict[str, Any] = {
        "filter": choice,
        "valid": valid,
        "sort": NEWEST_FIRST,
        "shortcuts": _shortcuts(request),
    }
    if valid:
        context["sort"] = choice.order
        context |= _priced(request, choice) if choice.needs_prices else _newest(request, choice)
    template = "usage/calls.html"
    if request.headers.get("HX-Target") == RESULTS:
        template = "usage/calls_results.html"
    return render_page(request, template, context, section="calls", status=200 if valid else 422)


def _shortcuts(request: WorkspaceRequest) -> list[Shortcut]:
    """What is asked most often, a click each; weeks begin on Monday."""
    today = local_date(timezone.now(), request.membership.workspace.zone)
    monday = today - dt.timedelta(days=today.weekday())
    last_week = {"day_from": monday - dt.timedelta(days=7), "day_to": monday - dt.timedelta(days=1)}
    this_month = {"day_from": today.replace(day=1)}
    return [
        Shortcut(_("All calls"), ""),
        Shortcut(_("Dearest of last week"), urlencode({**last_week, "sort": "-price"})),
        Shortcut(_("Dearest of this month"), urlencode({**this_month, "sort": "-price"})),
        Shortcut(_("Longest of last week"), urlencode({**last_week, "sort": "-duration_seconds"})),
    ]


def _newest(request: WorkspaceRequest, choice: CallFilter) -> dict[str, Any]:
    """Calls as of now, newest first; what the few of a page have cost is summed up."""
    workspace = request.membership.workspace
    rows = Call.objects.filter(workspace=workspace).select_related("agent")
    page = page_in_order(
        request, choice.filter_queryset(rows), Keyset(("-started_at", "-id")), limit=PAGE_SIZE
    )
    prices, rate_ids = prices_of_calls(workspace.pk, [call.pk for call in page.rows])
    for call in page.rows:
        call.price = prices.get(call.pk)
    return {"page": page, "whole_period": whole_period_prices_of(rate_ids)}


def _priced(request: WorkspaceRequest, choice: CallFilter) -> dict[str, Any]:
    """Calls in the order asked for, by prices a minute old."""
    page = page_in_order(
        request,
        choice.qs.select_related("agent"),
        _keyset(choice),
        limit=PAGE_SIZE,
    )
    _prices, rate_ids = prices_of_calls(
        request.membership.workspace_id, [row.pk for row in page.rows]
    )
    return {
        "page": page,
        "as_of": prices_as_of(),
        "whole_period": whole_period_prices_of(rate_ids),
    }


def _keyset(choice: CallFilter) -> Keyset:
    sign = "-" if choice.order.startswith("-") else ""
    return Keyset((choice.order, f"{sign}call_id"))


@require_GET
@workspace_page
def export(
    request: WorkspaceRequest, form: str
) -> HttpResponse | StreamingHttpResponse | FileResponse:
    """The chosen calls in their order, however many they are; as of when, the name says."""
    workspace = request.membership.workspace
    source = lagging_source(now=timezone.now())
    choice = _choice(request, source.alias)
    if not choice.form.is_valid():
        back = reverse("usage:calls", args=[workspace.pk])
        return redirect(f"{back}?{request.GET.urlencode()}")
    write = calls_xlsx if form == "xlsx" else calls_csv
    return write(
        f"calls-{source.as_of:%Y-%m-%dT%H%MZ}.{form}",
        choice.qs.select_related("agent"),
        _keyset(choice),
        currency=workspace.currency,
        timezone=workspace.zone,
        with_cost=shows_cost(workspace.billing_settings),
    )


@require_GET
@workspace_page
def receipt(request: WorkspaceRequest, call_id: UUID) -> HttpResponse:
    """Every record of one call and their exact sum; the call itself may not be known yet."""
    workspace = request.membership.workspace
    call = _call.first(workspace.pk, call_id)
    used = use_of_call(workspace.pk, call_id)
    if call is None and not used.records:
        raise Http404("This workspace has no such call.")
    usual = usual_call(call) if call is not None and used.records else None
    before = page_before(request)
    context = {
        "call": call,
        "call_id": call_id,
        "lines": _lines(workspace.pk, call_id),
        "sums": {"records": used.records, "cost": used.cost, "price": used.price},
        "max_lines": MAX_RECEIPT_LINES,
        "whole_period": whole_period_prices_of(used.rate_ids),
        "shows_cost": shows_cost(workspace.billing_settings),
        "comparison": usual
        and call
        and compare(usual, used.parts, call.duration_seconds or Decimal(0)),
        "back": before.link if before and before.view_name in _BACK else "",
        "back_label": _BACK.get(before.view_name, "") if before else "",
    }
    return render_page(request, "usage/receipt.html", context, section="calls")
