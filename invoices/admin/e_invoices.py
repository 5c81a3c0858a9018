"""E-invoices: each with its document, the rules it kept, and whether its receiver has it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from billing.admin.base import FrozenAdmin, when
from billing.models import DurableWork
from invoices.admin.links import link
from invoices.models import EInvoice, EInvoiceDelivery, Invoice
from invoices.pdf import xml_response

_STATES = {
    "": "not sent on",
    DurableWork.Status.WAITING: "on its way",
    DurableWork.Status.DONE: "delivered",
    DurableWork.Status.BLOCKED: "failed",
    DurableWork.Status.FAILED: "failed",
}


class DocumentFilter(admin.SimpleListFilter):
    title = "document"
    parameter_name = "document"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [("invoice", "Invoices"), ("credit_note", "Credit notes")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[EInvoice]) -> QuerySet[EInvoice]:
        if self.value() in ("invoice", "credit_note"):
            return queryset.filter(**{f"{self.value()}__isnull": False})
        return queryset


class DeliveryFilter(admin.SimpleListFilter):
    title = "delivery"
    parameter_name = "delivery"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [
            ("delivered", "Delivered"),
            ("failed", "Failed"),
            ("waiting", "On its way"),
            ("none", "Not sent on"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[EInvoice]) -> QuerySet[EInvoice]:
        chosen = {
            "delivered": Q(delivery__status=DurableWork.Status.DONE),
            "failed": Q(delivery__status__in=("blocked", "failed")),
            "waiting": Q(delivery__status=DurableWork.Status.WAITING),
            "none": Q(delivery__isnull=True),
        }.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(chosen)


@admin.register(EInvoice)
class EInvoiceAdmin(FrozenAdmin):
    list_display = ("name", "kind", "workspace", "written_as", "valid", "reached", "made", "file")
    list_filter = (
        "format",
        DocumentFilter,
        DeliveryFilter,
        ("workspace", AutocompleteSelectFilter),
    )
    search_fields = ("invoice__number", "credit_note__number", "workspace__name", "=id")
    search_help_text = "Number of the document, or customer"
    list_select_related = ("invoice", "credit_note", "workspace", "delivery")
    fields = (
        ("name", "kind", "workspace"),
        ("written_as", "valid", "made"),
        ("reached", "reference", "why"),
        ("document", "file"),
        "xml",
    )
    readonly_fields = (
        *("name", "kind", "written_as", "valid", "made", "reached", "reference"),
        *("why", "document", "file"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[EInvoice]:
        queryset: QuerySet[EInvoice] = super().get_queryset(request)
        return queryset.defer("xml", "parties")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.xml_file)
        return [
            path("<uuid:e_invoice_id>/xml/", view, name="invoices_einvoice_xml"),
            *super().get_urls(),
        ]

    def xml_file(self, request: HttpRequest, e_invoice_id: UUID) -> HttpResponse:
        """As it was frozen with its document."""
        kept = self.get_queryset(request).filter(pk=e_invoice_id).first()
        if kept is None or not self.has_view_permission(request):
            raise Http404
        return xml_response(kept.xml, f"{kept.number}-{kept.format}.xml")

    @display(description="Number")
    def name(self, kept: EInvoice) -> str:
        return kept.number

    @display(description="Document")
    def kind(self, kept: EInvoice) -> str:
        return "Invoice" if kept.invoice_id else "Credit note"

    @display(description="Format", ordering="format")
    def written_as(self, kept: EInvoice) -> str:
        return kept.get_format_display()

    @display(description="Valid by")
    def valid(self, kept: EInvoice) -> str:
        return kept.rules

    @display(
        description="Delivery",
        label={"delivered": "success", "failed": "danger", "on its way": "info"},
    )
    def reached(self, kept: EInvoice) -> str:
        delivery = _delivery(kept)
        return _STATES[delivery.status if delivery else ""]

    @display(description="The receiver knows it as")
    def reference(self, kept: EInvoice) -> str:
        delivery = _delivery(kept)
        return (delivery and delivery.reference) or "–"

    @display(description="Why it failed")
    def why(self, kept: EInvoice) -> str:
        delivery = _delivery(kept)
        return (delivery and delivery.last_error) or "–"

    @display(description="Issued", ordering="created_at")
    def made(self, kept: EInvoice) -> str:
        return when(kept.created_at)

    @display(description="Of")
    def document(self, kept: EInvoice) -> str:
        model = "invoice" if isinstance(kept.document, Invoice) else "creditnote"
        page = reverse(f"admin:invoices_{model}_change", args=[kept.document.pk])
        return link(page, kept.number)

    @display(description="File")
    def file(self, kept: EInvoice) -> str:
        return link(reverse("admin:invoices_einvoice_xml", args=[kept.pk]), "XML")


def _delivery(kept: EInvoice) -> EInvoiceDelivery | None:
    return getattr(kept, "delivery", None)
