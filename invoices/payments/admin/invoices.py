"""Invoices with their way into Stripe, what was paid, and what may be done about them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from unfold.admin import TabularInline
from unfold.decorators import display

from billing.admin.base import FrozenInlineMixin, amount
from invoices.admin.invoices import InvoiceAdmin
from invoices.admin.timeline import Moment, newest_first
from invoices.models import Invoice
from invoices.payments.admin.actions import InvoiceActionsMixin, sync_of
from invoices.payments.models import InvoiceAction, PaymentEntry, StripeSync


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

    def get_queryset(self, request: HttpRequest) -> QuerySet[PaymentEntry]:
        return super().get_queryset(request).select_related("invoice")

    @display(description="Amount")
    def moved(self, entry: PaymentEntry) -> str:
        return amount(entry.amount, entry.invoice.currency)


admin.site.unregister(Invoice)


@admin.register(Invoice)
class CollectedInvoiceAdmin(InvoiceActionsMixin, InvoiceAdmin):
    list_display = (*InvoiceAdmin.list_display[:-1], "synced", InvoiceAdmin.list_display[-1])
    list_filter = (InvoiceAdmin.list_filter[0], SyncFilter, *InvoiceAdmin.list_filter[1:])
    list_select_related = (*InvoiceAdmin.list_select_related, "stripe_sync")
    inlines = (*InvoiceAdmin.inlines, PaymentEntryInline)
    fieldsets = (
        *InvoiceAdmin.fieldsets,
        ("Way into Stripe", {"classes": ("tab",), "fields": ("sync_steps",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invoice]:
        return super().get_queryset(request).select_related("stripe_sync")

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
        steps = sync.steps.order_by("-build", "position") if sync else ()
        return render_to_string("admin/payments/stripe_sync.html", {"sync": sync, "steps": steps})

    def moments(self, invoice: Invoice) -> list[Moment]:
        asked = [_asked(action) for action in invoice.actions.select_related("actor")]
        return newest_first([*super().moments(invoice), *asked])


def _asked(action: InvoiceAction) -> Moment:
    outcome = {
        InvoiceAction.Status.WAITING: "Waiting for Stripe",
        InvoiceAction.Status.DONE: "Done",
        InvoiceAction.Status.BLOCKED: "No answer from Stripe",
        InvoiceAction.Status.FAILED: "Refused",
    }[InvoiceAction.Status(action.status)]
    detail = f"{outcome}: {action.last_error}" if action.last_error else outcome
    return Moment(
        action.requested_at,
        action.requested_at,
        f"Asked for: {action.get_kind_display()}",
        detail,
        action.requested_by,
        "bad" if action.status == InvoiceAction.Status.FAILED else "",
    )
