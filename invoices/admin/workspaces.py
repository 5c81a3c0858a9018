"""A workspace's page with its invoices."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display

from billing.admin.base import FrozenInlineMixin, amount
from billing.admin.workspaces import WorkspaceAdmin
from billing.models import Workspace
from billing.row_addresses import row_address
from invoices.admin.links import link, pdf_link
from invoices.admin.manual_items import LinesByHandMixin, ManualItemInline
from invoices.models import Invoice

# An invoice has sixty columns, and its line shows few.
_OF_AN_INVOICE = (
    *("number", "status", "currency", "amount", "amount_paid", "credit_used", "amount_credited"),
    "due_date",
)


class InvoiceInline(FrozenInlineMixin, TabularInline):
    model = Invoice
    tab = True
    per_page = 24
    fields = ("name", "total", "open", "status", "issued_at", "due_date", "paid_at", "file")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invoice]:
        rows = super().get_queryset(request).order_by("-issued_at", "-number")
        return rows.only("workspace_id", "paid_at", "issued_at", *_OF_AN_INVOICE)

    @display(description="Number")
    def name(self, invoice: Invoice) -> str:
        return link(row_address("admin:invoices_invoice_change", invoice.pk), invoice.number)

    @display(description="Amount")
    def total(self, invoice: Invoice) -> str:
        return amount(invoice.amount, invoice.currency)

    @display(description="Open")
    def open(self, invoice: Invoice) -> str:
        return amount(
            invoice.amount_open if invoice.status in Invoice.UNPAID else None, invoice.currency
        )

    @display(description="File")
    def file(self, invoice: Invoice) -> str:
        return pdf_link(invoice)


admin.site.unregister(Workspace)


@admin.register(Workspace)
class BilledWorkspaceAdmin(LinesByHandMixin, WorkspaceAdmin):
    inlines: tuple[Any, ...] = (*WorkspaceAdmin.inlines, ManualItemInline, InvoiceInline)
