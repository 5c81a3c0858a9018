"""Finance's page of one customer: everything about a workspace in one place."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone as clock

from analytics.finance.views import SEES_FIGURES
from analytics.reports import REPORTS, Asked
from billing.models import (
    AuditEntry,
    BillingPeriod,
    ManualItem,
    PriceOverride,
    RateCardAssignment,
    ServiceKey,
    Workspace,
    WorkspaceMember,
)
from billing.queries import active_period, markup_in_force
from invoices.models import CreditNote, Invoice, PaymentMethod
from invoices.payments.models import Payment, StripeSync
from invoices.payments.services.settle.credit import credit_balance
from usage.models import VoiceAgent

_SHOWN = 8


class Task(NamedTuple):
    text: str
    url: str


def page(request: HttpRequest, workspace_id: UUID) -> HttpResponse:
    if not request.user.has_perms(SEES_FIGURES):
        raise PermissionDenied
    workspace = (
        Workspace.objects.select_related("tier", "billing_settings").filter(pk=workspace_id).first()
    )
    if workspace is None:
        raise Http404
    now = clock.now()
    today = now.date()
    invoices = Invoice.objects.filter(workspace=workspace).select_related(
        "workspace", "billing_period__workspace", "corrects"
    )
    asked = Asked(today, today, today, now, "", workspace.pk)
    context: dict[str, Any] = {
        "title": workspace.name,
        "workspace": workspace,
        "terms": workspace.billing_settings,
        "period": active_period(workspace_id=workspace.pk, at=now),
        "markup": markup_in_force(workspace.pk),
        "cards": RateCardAssignment.objects.filter(
            Q(ends_on=None) | Q(ends_on__gt=today), workspace=workspace, starts_on__lte=today
        ).select_related("card"),
        "overrides": PriceOverride.objects.filter(workspace=workspace).count(),
        "owed": list(REPORTS["ageing"].rows(asked)),
        "credit": credit_balance(workspace.pk, workspace.currency),
        "methods": PaymentMethod.objects.filter(workspace=workspace)[:1],
        "invoices": invoices.order_by("-issued_at", "-number")[:_SHOWN],
        "payments": Payment.objects.filter(workspace=workspace)[:_SHOWN],
        "notes": CreditNote.objects.filter(workspace=workspace).select_related("invoice")[:_SHOWN],
        "members": WorkspaceMember.objects.filter(workspace=workspace)
        .select_related("user")
        .order_by("user__email"),
        "keys": ServiceKey.objects.filter(workspace=workspace),
        "agents": VoiceAgent.objects.filter(workspace=workspace).count(),
        "changes": AuditEntry.objects.filter(workspace_id=workspace.pk)[:_SHOWN],
        "tasks": list(_tasks(workspace)),
        "reports": [
            (REPORTS[key].title, REPORTS[key].url(workspace=workspace.pk))
            for key in ("revenue", "usage", "margin-by-agent", "open-invoices", "payments")
        ],
    }
    return render(
        request, "admin/finance/customer.html", {**admin.site.each_context(request), **context}
    )


def _tasks(workspace: Workspace) -> Iterator[Task]:
    """What of this customer waits for a person."""
    blocked = BillingPeriod.objects.filter(
        workspace=workspace, status="current", close_failed_at__isnull=False
    ).select_related("workspace")
    for period in blocked:
        url = reverse("admin:billing_billingperiod_change", args=[period.pk])
        yield Task(f"The close of {period.label} failed: {period.close_error}", url)
    syncs = StripeSync.objects.filter(
        invoice__workspace=workspace, status=StripeSync.Status.BLOCKED
    ).select_related("invoice")
    for sync in syncs:
        url = reverse("admin:invoices_invoice_change", args=[sync.invoice_id])
        yield Task(f"{sync.invoice.number} is blocked on its way into Stripe", url)
    for item in ManualItem.objects.filter(workspace=workspace, status=ManualItem.Status.WAITING):
        url = reverse("admin:billing_manualitem_change", args=[item.pk])
        yield Task(f"{item.description} waits for a second person", url)
    drafts = CreditNote.objects.filter(workspace=workspace, status=CreditNote.Status.DRAFT)
    for note in drafts.select_related("invoice"):
        url = reverse("admin:invoices_creditnote_change", args=[note.pk])
        yield Task(f"A credit note for {note.invoice.number} waits to be approved", url)
    for invoice in Invoice.objects.filter(Invoice.UNDECIDED, workspace=workspace):
        url = reverse("admin:invoices_invoice_change", args=[invoice.pk])
        yield Task(f"{invoice.number} is void, to be decided on", url)
