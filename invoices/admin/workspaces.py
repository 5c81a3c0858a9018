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
from invoices.admin.links import pdf_link
from invoices.admin.manual_items import LinesByHandMixin, ManualItemInline
from invoices.models import Invoice


class InvoiceInline(FrozenInlineMixin, TabularInline):
    model = Invoice
    tab = True
    per_page = 24
    show_change_link = True
    fields = ("number", "total", "status", "issued_at", "due_date", "paid_at", "file")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invoice]:
        return super().get_queryset(request).order_by("-issued_at", "-number")

    @display(description="Amount")
    def total(self, invoice: Invoice) -> str:
        return amount(invoice.amount, invoice.currency)

    @display(description="File")
    def file(self, invoice: Invoice) -> str:
        return pdf_link(invoice)


admin.site.unregister(Workspace)


@admin.register(Workspace)
class BilledWorkspaceAdmin(LinesByHandMixin, WorkspaceAdmin):
    inlines: tuple[Any, ...] = (*WorkspaceAdmin.inlines, ManualItemInline, InvoiceInline)
