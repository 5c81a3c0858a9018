"""Finance's page of one customer: everything about a workspace in one place."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone as clock

from analytics.finance import attention_rows
from analytics.reports import REPORTS, ReportRequest
from billing.admin.audit import thing_of
from billing.compiled import CompiledQuery
from billing.formats import money
from billing.issuers import account_of
from billing.links import admin_page
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
from billing.money import allocate, from_minor
from billing.queries import active_period, markup_in_force
from billing.services.owner_views import MAY_OPEN
from billing.services.staff import SEES_FIGURES
from invoices.models import CreditNote, Invoice, PaymentMethod
from invoices.payments.models import CallDispute, Chargeback, Payment, StripeSync
from invoices.payments.services.settle.credit import credit_balance
from usage.models import VoiceAgent

_SHOWN = 8


class Task(NamedTuple):
    text: str
    url: str


def _in_force(today: dt.date) -> Q:
    return Q(starts_on__lte=today) & (Q(ends_on=None) | Q(ends_on__gt=today))


_workspace = CompiledQuery[Workspace](
    lambda pk: Workspace.objects.select_related("tier", "billing_settings").filter(pk=pk)
)
_cards = CompiledQuery[RateCardAssignment](
    lambda pk, tier, currency, today: (
        RateCardAssignment.objects.filter(
            Q(workspace_id=pk) | Q(tier_id=tier, currency=currency), _in_force(today)
        )
        .select_related("card")
        .order_by(F("tier").asc(nulls_first=True))  # its own count first
    )
)
_overrides = CompiledQuery[Any](
    lambda pk, today: PriceOverride.objects.filter(_in_force(today), workspace_id=pk).values_list(
        "pk"
    )
)
_invoices = CompiledQuery[Invoice](
    lambda pk: (
        Invoice.objects.filter(workspace_id=pk)
        .select_related("workspace", "billing_period__workspace", "corrects")
        .order_by("-issued_at", "-number")[:_SHOWN]
    )
)
_payments = CompiledQuery[Payment](lambda pk: Payment.objects.filter(workspace_id=pk)[:_SHOWN])
_notes = CompiledQuery[CreditNote](
    lambda pk: CreditNote.objects.filter(workspace_id=pk).select_related("invoice")[:_SHOWN]
)
_members = CompiledQuery[WorkspaceMember](
    lambda pk: (
        WorkspaceMember.objects.filter(workspace_id=pk)
        .select_related("user")
        .order_by("user__email")
    )
)
_keys = CompiledQuery[ServiceKey](lambda pk: ServiceKey.objects.filter(workspace_id=pk))
_changes = CompiledQuery[AuditEntry](lambda pk: AuditEntry.objects.filter(workspace_id=pk)[:_SHOWN])
_chargebacks = CompiledQuery[Chargeback](
    lambda pk: attention_rows.chargebacks_to_answer().filter(workspace_id=pk)
)
_disputes = CompiledQuery[CallDispute](
    lambda pk: attention_rows.open_disputes().filter(workspace_id=pk)
)
_closes = CompiledQuery[BillingPeriod](
    lambda pk: attention_rows.blocked_periods().filter(workspace_id=pk)
)
_syncs = CompiledQuery[StripeSync](
    lambda pk: attention_rows.blocked_syncs().filter(invoice__workspace_id=pk)
)
_lines = CompiledQuery[ManualItem](
    lambda pk: attention_rows.lines_to_approve().filter(workspace_id=pk)
)
_drafts = CompiledQuery[CreditNote](
    lambda pk: attention_rows.notes_to_approve().filter(workspace_id=pk).select_related("invoice")
)
_voids = CompiledQuery[Invoice](lambda pk: attention_rows.undecided_voids().filter(workspace_id=pk))


def page(request: HttpRequest, workspace_id: UUID) -> HttpResponse:
    if not request.user.has_perms(SEES_FIGURES):
        raise PermissionDenied
    workspace = _workspace.first(workspace_id)
    if workspace is None:
        raise Http404
    now = clock.now()
    today = now.date()
    asked = ReportRequest(today, today, today, now, "", workspace.pk)
    period: Any = active_period(workspace_id=workspace.pk, at=now)
    context: dict[str, Any] = {
        "title": workspace.name,
        "workspace": workspace,
        "terms": workspace.billing_settings,
        "period": period,
        "so_far": [] if period is None else _so_far(period, workspace.currency),
        "markup": markup_in_force(workspace.pk),
        "cards": _cards(workspace.pk, workspace.tier_id, workspace.currency, today),
        "overrides": len(_overrides(workspace.pk, today)),
        "owed": list(REPORTS["ageing"].rows(asked)),
        "credit": credit_balance(workspace.pk, workspace.currency),
        "methods": PaymentMethod.objects.filter(
            workspace=workspace, stripe_account=account_of(workspace.issuing_entity)
        )[:1],
        "invoices": _invoices(workspace.pk),
        "payments": _payments(workspace.pk),
        "notes": _notes(workspace.pk),
        "members": _members(workspace.pk),
        "keys": _keys(workspace.pk),
        "agents": VoiceAgent.objects.filter(workspace=workspace).count(),
        "changes": [(thing_of(entry), entry) for entry in _changes(workspace.pk)],
        "tasks": list(_tasks(workspace)),
        "may_see_as_owner": request.user.has_perm(MAY_OPEN),
        "reports": [
            (REPORTS[key].title, REPORTS[key].url(workspace=workspace.pk))
            for key in ("revenue", "usage", "margin-by-agent", "open-invoices", "payments")
        ],
    }
    return render(
        request, "admin/finance/customer.html", {**admin.site.each_context(request), **context}
    )


def _so_far(period: Any, currency: str) -> list[tuple[str, Decimal, Decimal]]:
    """What a running month consists of, exactly and as shown: that adds up to the shown total."""
    parts = [
        ("Usage", period.live_subtotal),
        *((charge.description, charge.amount) for charge in period.live_charges),
        ("Given back by credit notes already", period.reversals_credited),
        ("Credit brought forward", period.credit_brought_forward),
    ]
    minor = allocate([exact for _, exact in parts], currency)
    return [
        (label, exact, from_minor(each, currency))
        for (label, exact), each in zip(parts, minor, strict=True)
        if exact or label == "Usage"
    ]


def _tasks(workspace: Workspace) -> Iterator[Task]:
    """What of this customer waits for a person, of what the first page counts."""
    for chargeback in _chargebacks(workspace.pk):
        until = f"{chargeback.due_by:%Y-%m-%d %H:%M} UTC" if chargeback.due_by else "soon"
        said = (
            f"A chargeback over {money(chargeback.amount, chargeback.currency)} is to be answered"
        )
        yield Task(f"{said} by {until}", admin_page(chargeback))
    for dispute in _disputes(workspace.pk):
        said = f"A call is disputed since {dispute.opened_at:%Y-%m-%d}"
        yield Task(f"{said}: {dispute.get_reason_display().lower()}", admin_page(dispute))
    for period in _closes(workspace.pk):
        yield Task(f"The close of {period.label} failed: {period.close_error}", admin_page(period))
    for sync in _syncs(workspace.pk):
        said = f"{sync.invoice.number} is blocked on its way into Stripe"
        yield Task(said, admin_page(sync.invoice))
    for item in _lines(workspace.pk):
        yield Task(f"{item.description} waits for a second person", admin_page(item))
    for note in _drafts(workspace.pk):
        said = f"A credit note for {note.invoice.number} waits to be approved"
        yield Task(said, admin_page(note))
    for invoice in _voids(workspace.pk):
        yield Task(f"{invoice.number} is void, to be decided on", admin_page(invoice))
