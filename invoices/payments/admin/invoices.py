"""Invoices with their way into Stripe, what was paid, and what may be done about them."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone as clock
from django.utils.html import format_html
from unfold.admin import TabularInline
from unfold.decorators import display

from billing.admin.base import FrozenInlineMixin, amount
from billing.compiled import CompiledQuery
from billing.errors import NotFound
from billing.formats import money
from invoices.admin.invoices import InvoiceAdmin
from invoices.admin.links import link
from invoices.admin.timeline import HistoryEntry, newest_first
from invoices.models import Invoice
from invoices.payments.admin.actions import InvoiceActionsMixin
from invoices.payments.admin.finding import also, invoices_of_stripe_id, is_stripe_id
from invoices.payments.admin.permissions import sync_of
from invoices.payments.admin.several import SeveralInvoicesMixin
from invoices.payments.models import (
    Chargeback,
    InvoiceAction,
    PaymentEntry,
    StripeSync,
    StripeSyncStep,
)
from invoices.payments.services import proof
from invoices.pdf import pdf_response

_ACTIONS = CompiledQuery(
    lambda invoice: InvoiceAction.objects.filter(invoice=invoice).select_related("actor")
)
_STEPS = CompiledQuery(
    lambda sync: StripeSyncStep.objects.filter(sync=sync).order_by("-build", "position")
)


class SyncFilter(admin.SimpleListFilter):
    """How far its way into Stripe has come."""

    title = "Stripe sync"
    parameter_name = "sync"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(StripeSync.Status.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Invoice]) -> QuerySet[Invoice]:
        return queryset.filter(stripe_sync__status=self.value()) if self.value() else queryset


class PaymentEntryInline(FrozenInlineMixin, TabularInline):
    model = PaymentEntry
    verbose_name_plural = "payments, refunds and disputes"
    fields = ("kind", "moved", "status", "reason", "occurred_at", "stripe_id")
    readonly_fields = fields

    @display(description="Amount")
    def moved(self, entry: PaymentEntry) -> str:
        return amount(entry.amount, entry.invoice.currency)


class ChargebackInline(FrozenInlineMixin, TabularInline):
    model = Chargeback
    hides_empty = True
    fields = ("taken", "reason", "status", "due_by", "closed_at")
    readonly_fields = fields

    @display(description="Amount")
    def taken(self, chargeback: Chargeback) -> str:
        page = reverse("admin:payments_chargeback_change", args=[chargeback.pk])
        return link(page, money(chargeback.amount, chargeback.currency))


admin.site.unregister(Invoice)


@admin.register(Invoice)
class CollectedInvoiceAdmin(InvoiceActionsMixin, SeveralInvoicesMixin, InvoiceAdmin):
    list_display = (*InvoiceAdmin.list_display[:-1], "synced", InvoiceAdmin.list_display[-1])
    list_filter = (InvoiceAdmin.list_filter[0], SyncFilter, *InvoiceAdmin.list_filter[1:])
    list_select_related = (*InvoiceAdmin.list_select_related, "stripe_sync")
    list_only = (*InvoiceAdmin.list_only, "stripe_sync__status")
    inlines = (*InvoiceAdmin.inlines, PaymentEntryInline, ChargebackInline)
    fieldsets = (
        *InvoiceAdmin.fieldsets,
        ("Way into Stripe", {"classes": ("tab",), "fields": ("sync_steps",)}),
        ("Proof", {"classes": ("tab",), "fields": ("certificates",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invoice]:
        return super().get_queryset(request).select_related("stripe_sync")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Invoice], search_term: str
    ) -> tuple[QuerySet[Invoice], bool]:
        """By Stripe's id of what was paid, refunded or disputed too, and of its customer."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        wanted = search_term.strip()
        if not is_stripe_id(wanted):
            return found, may_repeat
        return also(found, queryset, invoices_of_stripe_id(wanted)), False

    def get_urls(self) -> list[URLPattern]:
        certificate = path(
            "<uuid:invoice_id>/certificate/",
            self.admin_site.admin_view(self.certificate),
            name="invoices_invoice_certificate",
        )
        return [certificate, *super().get_urls()]

    def certificate(self, request: HttpRequest, invoice_id: UUID) -> HttpResponseBase:
        """Proved as it is asked for: a PDF, or JSON with `?json`."""
        invoice = self.get_queryset(request).filter(pk=invoice_id).first()
        if invoice is None or not self.has_view_permission(request, invoice):
            raise Http404
        try:
            made = proof.certify(invoice, now=clock.now())
        except NotFound as error:
            raise Http404(error.detail) from None
        if "json" in request.GET:
            return JsonResponse(made.as_json(), json_dumps_params={"indent": 2})
        name = proof.certificate_filename(made)
        return pdf_response(proof.render_certificate(made), name, inline=True)

    @display(description="Exactness certificate")
    def certificates(self, invoice: Invoice) -> str:
        if invoice.billing_period_id is None:
            return "–"
        url = reverse("admin:invoices_invoice_certificate", args=[invoice.pk])
        pdf, as_json = link(url, "PDF", new_tab=True), link(f"{url}?json", "JSON", new_tab=True)
        return format_html("{} · {}", pdf, as_json)

    @display(
        description="Stripe sync",
        ordering="stripe_sync__status",
        label={"Done": "success", "Blocked": "danger", "Waiting": "warning", "Failed": "danger"},
    )
    def synced(self, invoice: Invoice) -> str:
        sync = sync_of(invoice)
        return sync.status.capitalize() if sync else ""

    @display(description="Steps")
    def sync_steps(self, invoice: Invoice) -> str:
        sync = sync_of(invoice)
        steps = _STEPS(sync.pk) if sync else ()
        return render_to_string("admin/payments/stripe_sync.html", {"sync": sync, "steps": steps})

    def moments(self, invoice: Invoice) -> list[HistoryEntry]:
        asked = [_asked(action) for action in _ACTIONS(invoice.pk)]
        return newest_first([*super().moments(invoice), *asked])


def _asked(action: InvoiceAction) -> HistoryEntry:
    outcome = {
        InvoiceAction.Status.WAITING: "Waiting for Stripe",
        InvoiceAction.Status.DONE: "Done",
        InvoiceAction.Status.BLOCKED: "No answer from Stripe",
        InvoiceAction.Status.FAILED: "Refused",
    }[InvoiceAction.Status(action.status)]
    detail = f"{outcome}: {action.last_error}" if action.last_error else outcome
    return HistoryEntry(
        action.requested_at,
        action.requested_at,
        f"Asked for: {action.get_kind_display()}",
        detail,
        action.requested_by,
        "bad" if action.status == InvoiceAction.Status.FAILED else "",
    )
