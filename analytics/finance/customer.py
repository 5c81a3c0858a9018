"""Finance's page of one customer: everything about a workspace in one place."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone as clock

from analytics.finance import attention_rows
from analytics.finance.counting import Counts, Rows
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
from billing.queries import active_period, markup_by
from billing.services.owner_views import MAY_OPEN
from billing.services.staff import SEES_FIGURES
from invoices.models import CreditNote, Invoice, PaymentMethod
from invoices.payments.models import CallDispute, Chargeback, CreditEntry, Payment, StripeSync
from invoices.payments.services.settle.credit import credit_balance
from usage.models import VoiceAgent

_SHOWN = 8


class Task(NamedTuple):
    text: str
    url: str


def _in_force(today: dt.date) -> Q:
    return Q(starts_on__lte=today) & (Q(ends_on=None) | Q(ends_on__gt=today))


_workspace = CompiledQuery[Workspace](
    lambda pk: Workspace.objects.select_related(
        "tier", "billing_settings", "issuing_entity"
    ).filter(pk=pk)
)
_cards = CompiledQuery[RateCardAssignment](
    lambda pk, tier, currency, today: (
        _cards_in_force(pk, tier, currency, today)
        .select_related("card")
        .order_by(F("tier").asc(nulls_first=True))  # its own count first
    )
)
# Without what is shown nowhere: half of the columns. Their periods' workspace is the page's.
_invoices = CompiledQuery[Invoice](
    lambda pk: (
        Invoice.objects.filter(workspace_id=pk)
        .select_related("billing_period", "corrects")
        .only(
            *("number", "kind", "status", "due_date", "currency", "amount", "carried_in"),
            *("amount_paid", "credit_used", "amount_credited", "corrects__number"),
            *("billing_period__period_start", "billing_period__workspace_id"),
        )
        .order_by("-issued_at", "-number")[:_SHOWN]
    )
)
_payments = CompiledQuery[Payment](lambda pk: Payment.objects.filter(workspace_id=pk)[:_SHOWN])
_methods = CompiledQuery[PaymentMethod](
    lambda pk, account: PaymentMethod.objects.filter(workspace_id=pk, stripe_account=account)[:1]
)
_notes = CompiledQuery[CreditNote](
    lambda pk: CreditNote.objects.filter(workspace_id=pk).select_related("invoice")[:_SHOWN]
)
_members = CompiledQuery[WorkspaceMember](
    lambda pk: (
        WorkspaceMember.objects.filter(workspace_id=pk)
        .select_related("user")
        .only("role", "user__email")
        .order_by("user__email")
    )
)
_changes = CompiledQuery[AuditEntry](lambda pk: AuditEntry.objects.filter(workspace_id=pk)[:_SHOWN])


def _cards_in_force(pk: UUID, tier: Any, currency: str, today: dt.date) -> Rows:
    return RateCardAssignment.objects.filter(
        Q(workspace_id=pk) | Q(tier_id=tier, currency=currency), _in_force(today)
    )


def _charged_back(pk: UUID) -> list[Any]:
    """What banks have taken back and not decided on, by currency: owed, and in no open invoice."""
    held = Chargeback.objects.filter(Chargeback.UNDECIDED, workspace_id=pk)
    return list(held.order_by("currency").values("currency").annotate(amount=Sum("amount")))


def _chargeback(chargeback: Chargeback) -> Task:
    until = f"{chargeback.due_by:%Y-%m-%d %H:%M} UTC" if chargeback.due_by else "soon"
    over = money(chargeback.amount, chargeback.currency)
    return Task(f"A chargeback over {over} is to be answered by {until}", admin_page(chargeback))


def _dispute(dispute: CallDispute) -> Task:
    since = f"A call is disputed since {dispute.opened_at:%Y-%m-%d}"
    return Task(f"{since}: {dispute.get_reason_display().lower()}", admin_page(dispute))


def _close(period: BillingPeriod) -> Task:
    return Task(f"The close of {period.label} failed: {period.close_error}", admin_page(period))


def _sync(sync: StripeSync) -> Task:
    return Task(
        f"{sync.invoice.number} is blocked on its way into Stripe", admin_page(sync.invoice)
    )


def _line(item: ManualItem) -> Task:
    return Task(f"{item.description} waits for a second person", admin_page(item))


def _draft(note: CreditNote) -> Task:
    return Task(f"A credit note for {note.invoice.number} waits to be approved", admin_page(note))


def _void(invoice: Invoice) -> Task:
    return Task(f"{invoice.number} is void, to be decided on", admin_page(invoice))


# What of a customer waits for a person, of what the first page counts, and how it is named.
_WAITING: dict[str, tuple[Callable[[UUID], Rows], Callable[[Any], Task]]] = {
    "chargebacks": (
        lambda pk: attention_rows.chargebacks_to_answer().filter(workspace_id=pk),
        _chargeback,
    ),
    "disputes": (lambda pk: attention_rows.open_disputes().filter(workspace_id=pk), _dispute),
    "closes": (lambda pk: attention_rows.blocked_periods().filter(workspace_id=pk), _close),
    "syncs": (lambda pk: attention_rows.blocked_syncs().filter(invoice__workspace_id=pk), _sync),
    "lines": (lambda pk: attention_rows.lines_to_approve().filter(workspace_id=pk), _line),
    "drafts": (
        lambda pk: (
            attention_rows.notes_to_approve().filter(workspace_id=pk).select_related("invoice")
        ),
        _draft,
    ),
    "voids": (lambda pk: attention_rows.undecided_voids().filter(workspace_id=pk), _void),
}
# One statement says what there is none of, and need not be asked for.
_counts = Counts(
    lambda pk, tier, currency, today: {
        **{kind: rows(pk) for kind, (rows, _) in _WAITING.items()},
        "cards": _cards_in_force(pk, tier, currency, today),
        "overrides": PriceOverride.objects.filter(_in_force(today), workspace_id=pk),
        "notes": CreditNote.objects.filter(workspace_id=pk),
        "credit": CreditEntry.objects.filter(workspace_id=pk),
        "charged_back": Chargeback.objects.filter(Chargeback.UNDECIDED, workspace_id=pk),
        "keys": ServiceKey.objects.filter(workspace_id=pk),
        "agents": VoiceAgent.objects.filter(workspace_id=pk),
    }
)


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
    in_force = (workspace.pk, workspace.tier_id, workspace.currency, today)
    counts = _counts(*in_force)
    terms = workspace.billing_settings
    account = account_of(workspace.issuing_entity)
    context: dict[str, Any] = {
        "title": workspace.name,
        "workspace": workspace,
        "terms": terms,
        "counts": counts,
        "period": period,
        "so_far": [] if period is None else _so_far(period, workspace.currency),
        "markup": markup_by(terms),
        "cards": _cards(*in_force) if counts["cards"] else [],
        "owed": list(REPORTS["ageing"].rows(asked)),
        "credit": counts["credit"] and credit_balance(workspace.pk, workspace.currency),
        "charged_back": _charged_back(workspace.pk) if counts["charged_back"] else [],
        "methods": _methods(workspace.pk, account),
        "invoices": _invoices_of(workspace),
        "payments": _payments(workspace.pk),
        "notes": _notes(workspace.pk) if counts["notes"] else [],
        "members": _members(workspace.pk),
        "changes": [(thing_of(entry), entry) for entry in _changes(workspace.pk)],
        "tasks": list(_tasks(workspace.pk, counts)),
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


def _invoices_of(workspace: Workspace) -> list[Invoice]:
    found = _invoices(workspace.pk)
    for invoice in found:
        if invoice.billing_period is not None:
            invoice.billing_period.workspace = workspace
    return found


def _tasks(workspace_id: UUID, counts: Mapping[str, int]) -> Iterator[Task]:
    for kind, (rows, task) in _WAITING.items():
        if counts[kind]:
            yield from map(task, rows(workspace_id))
