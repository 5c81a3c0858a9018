"""Invoices: frozen when issued; what may still be done is done through services."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateFilter
from unfold.decorators import display

from billing.admin.base import ExactTextFilter, FrozenAdmin, amount, when
from billing.compiled import CompiledQuery
from billing.errors import BillingError
from billing.formats import exact_money
from billing.money import ZERO
from invoices.admin.inlines import ItemInline
from invoices.admin.links import e_invoice_link, link, pdf_link, stripe_link
from invoices.admin.search import by_amount_or_call
from invoices.admin.tax_columns import TaxColumnsMixin
from invoices.admin.timeline import HistoryEntry, history
from invoices.models import CreditNote, EInvoice, Invoice
from invoices.pdf import invoice_filename, pdf_response, render_invoice, xml_response
from invoices.services.e_invoices import chosen_format, invoice_xml

# Rows of an invoice's page that most have nothing in: shown where they have.
_UNUSUAL = (
    ("left_for_the_next", "taken_from_earlier"),
    ("replaces", "replacement", "void_reason", "unbilled_reason"),
)
INVOICE_LABELS = {
    "Being sent": "primary",
    "Open": "info",
    "Partly paid": "info",
    "Paid": "success",
    "Overdue": "danger",
    "Written off": "warning",
}


_CREDIT_NOTES = CompiledQuery(
    lambda invoice: (
        CreditNote.objects.filter(invoice=invoice).exclude(status="void").order_by("created_at")
    )
)
_E_INVOICE = CompiledQuery(
    lambda invoice: EInvoice.objects.filter(invoice=invoice).defer("xml", "parties")[:1]
)


class UndecidedFilter(admin.SimpleListFilter):
    """Void, without a word on what becomes of the usage it billed."""

    title = "usage of void invoices"
    parameter_name = "undecided"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "To be decided")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Invoice]) -> QuerySet[Invoice]:
        return queryset.filter(Invoice.UNDECIDED) if self.value() == "yes" else queryset


@admin.register(Invoice)
class InvoiceAdmin(TaxColumnsMixin, FrozenAdmin):
    list_display: tuple[Any, ...] = (
        "number",
        "workspace",
        "month",
        "total",
        "state",
        "issued",
        "due_date",
        "paid",
        "files",
    )
    list_filter: tuple[Any, ...] = (
        "status",
        UndecidedFilter,
        "collection_method",
        ("currency", ExactTextFilter),
        ("workspace", AutocompleteSelectFilter),
        ("due_date", RangeDateFilter),
    )
    search_fields = (
        "number",
        "workspace__name",
        "bill_to_name",
        "bill_to_email",
        "=stripe_invoice_id",
        "=id",
    )
    search_help_text = "Number, customer, e-mail, amount, Stripe id, call id"
    list_sums = (("Net", "net"), ("Tax", "tax"), ("Amount", "amount"), ("Paid", "amount_paid"))
    list_select_related: tuple[str, ...] = ("workspace", "billing_period")
    list_only: tuple[str, ...] = (
        *("number", "currency", "amount", "status", "issued_at", "due_date", "paid_at", "corrects"),
        *("workspace__name", "workspace__timezone", "billing_period__period_start"),
        "billing_period__workspace",
    )
    list_is_one_for_all = True
    inlines: tuple[Any, ...] = (ItemInline,)
    fieldsets: tuple[Any, ...] = (
        (
            None,
            {
                "fields": (
                    ("number", "state", "workspace", "billing_period"),
                    ("total", "settled", "credited", "still_open"),
                    ("exact", "rounding", "refunded"),
                    *_UNUSUAL,
                    ("issued", "due_date", "paid", "files"),
                    "software",
                    ("collection_method", "payment_terms_days", "suspends_since"),
                    ("stripe", "stripe_account", "id"),
                )
            },
        ),
        (
            "Tax",
            {
                "classes": ("tab",),
                "fields": (
                    ("before_tax", "taxed", "taxed_why"),
                    "tax_lines",
                    ("tax_numbers", "number_checked"),
                    "calculated",
                ),
            },
        ),
        ("History", {"classes": ("tab",), "fields": ("history",)}),
        (
            "Billed to",
            {
                "classes": ("tab",),
                "fields": (
                    ("bill_to_name", "bill_to_email", "bill_to_tax_id"),
                    "bill_to_address",
                ),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invoice]:
        invoices: QuerySet[Invoice] = super().get_queryset(request)
        return invoices.select_related("workspace", "billing_period__workspace", "tax_decision")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Invoice], search_term: str
    ) -> tuple[QuerySet[Invoice], bool]:
        """By an amount too, of the whole, before tax or still open, and by the id of a call."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        more = by_amount_or_call(queryset, search_term.strip())
        if more is None:
            return found, may_repeat
        # By key: what the one search joins, the other does not.
        return queryset.filter(Q(pk__in=found.values("pk")) | Q(pk__in=more.values("pk"))), False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        small, replaced = _UNUSUAL
        empty: set[Any] = set()
        if obj is not None and not (obj.carried_over or obj.carried_in):
            empty.add(small)
        if obj is not None and obj.status != Invoice.Status.VOID and obj.replaces_id is None:
            empty.add(replaced)
        return [
            (name, {**options, "fields": [row for row in options["fields"] if row not in empty]})
            for name, options in fieldsets
        ]

    def get_urls(self) -> list[URLPattern]:
        pdf = self.admin_site.admin_view(self.pdf)
        return [
            path("<uuid:invoice_id>/pdf/", pdf, name="invoices_invoice_pdf"),
            path(
                "<uuid:invoice_id>/e-invoice/",
                self.admin_site.admin_view(self.e_invoice),
                name="invoices_invoice_e_invoice",
            ),
            *super().get_urls(),
        ]

    def pdf(self, request: HttpRequest, invoice_id: UUID) -> HttpResponse:
        if not self.has_view_permission(request):
            raise Http404
        invoice = self.get_queryset(request).prefetch_related("items").filter(pk=invoice_id).first()
        if invoice is None:
            raise Http404
        return pdf_response(render_invoice(invoice), invoice_filename(invoice), inline=True)

    def e_invoice(self, request: HttpRequest, invoice_id: UUID) -> HttpResponse:
        """It for software, in the form that its customer gets."""
        if not self.has_view_permission(request):
            raise Http404
        invoice = self.get_queryset(request).filter(pk=invoice_id).first()
        if invoice is None:
            raise Http404
        wanted = chosen_format(invoice.workspace)
        try:
            return xml_response(invoice_xml(invoice, wanted), f"{invoice.number}-{wanted}.xml")
        except BillingError as refusal:
            messages.error(request, refusal.detail)
            return redirect("admin:invoices_invoice_change", invoice.pk)

    @display(description="Month", ordering="billing_period__period_start")
    def month(self, invoice: Invoice) -> str:
        period = invoice.billing_period
        if period is not None:
            period.workspace = invoice.workspace  # the same, which need not be read twice
        return invoice.label

    @display(description="Amount", ordering="amount")
    def total(self, invoice: Invoice) -> str:
        return amount(invoice.amount, invoice.currency)

    @display(description="Paid")
    def settled(self, invoice: Invoice) -> str:
        return amount(invoice.amount_paid + invoice.credit_used, invoice.currency)

    @display(description="Credit notes")
    def credited(self, invoice: Invoice) -> str:
        notes = [
            (reverse("admin:invoices_creditnote_change", args=[note.pk]), note)
            for note in _CREDIT_NOTES(invoice.pk)
        ]
        return format_html_join(
            mark_safe("<br>"),
            "{} {}",
            (
                (link(url, note.number or "not issued"), amount(note.total, note.currency))
                for url, note in notes
            ),
        ) or format_html("–")

    @display(description="Still open")
    def still_open(self, invoice: Invoice) -> str:
        return amount(
            invoice.amount_open if invoice.status != Invoice.Status.VOID else ZERO,
            invoice.currency,
        )

    @display(description="Exact sum of its lines")
    def exact(self, invoice: Invoice) -> str:
        return exact_money(invoice.exact_amount, invoice.currency)

    @display(description="Rounding")
    def rounding(self, invoice: Invoice) -> str:
        return exact_money(invoice.residual, invoice.currency)

    @display(description="Refunded")
    def refunded(self, invoice: Invoice) -> str:
        return amount(invoice.amount_refunded, invoice.currency)

    @display(description="Too small to charge, left for the next invoice")
    def left_for_the_next(self, invoice: Invoice) -> str:
        return amount(invoice.carried_over, invoice.currency)

    @display(description="Charged with it for earlier ones too small")
    def taken_from_earlier(self, invoice: Invoice) -> str:
        return amount(invoice.carried_in, invoice.currency)

    @display(description="Status", ordering="status", label=INVOICE_LABELS)
    def state(self, invoice: Invoice) -> str:
        return Invoice.Status(invoice.status).label

    @display(description="Issued", ordering="issued_at")
    def issued(self, invoice: Invoice) -> str:
        return when(invoice.issued_at)

    @display(description="Paid at", ordering="paid_at")
    def paid(self, invoice: Invoice) -> str:
        return when(invoice.paid_at)

    @display(description="File")
    def files(self, invoice: Invoice) -> str:
        return pdf_link(invoice)

    @display(description="E-invoice")
    def software(self, invoice: Invoice) -> str:
        url = reverse("admin:invoices_invoice_e_invoice", args=[invoice.pk])
        return e_invoice_link(url, _E_INVOICE.first(invoice.pk))

    @display(description="Replaced by")
    def replacement(self, invoice: Invoice) -> str:
        return str(invoice.replacement or "–")

    @display(description="In Stripe")
    def stripe(self, invoice: Invoice) -> str:
        return stripe_link(invoice)

    @display(description="History")
    def history(self, invoice: Any) -> str:
        return render_to_string("admin/invoices/history.html", {"history": self.moments(invoice)})

    def moments(self, invoice: Invoice) -> list[HistoryEntry]:
        """What the history shows, newest first."""
        return history(invoice)
