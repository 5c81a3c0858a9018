"""Invoices, the records behind their lines, and their PDFs."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_GET

from billing.access import WorkspaceRequest, page_before, render_page, workspace_page
from billing.errors import BillingError
from billing.issuers import issuer_then
from billing.keyset import requested_page
from billing.queries import shows_cost
from invoices.document import tax_note, tax_rows
from invoices.document_parts import legal_texts
from invoices.explained import explained
from invoices.models import CreditNote, EInvoice, Invoice, InvoiceEvent, InvoiceItem
from invoices.pdf import (
    invoice_filename,
    pdf_response,
    render_credit_note,
    render_invoice,
    render_preview,
    xml_response,
)
from invoices.queries import (
    current_card_of,
    expiring_card_of,
    lacks_payment_method,
    proof_of,
    records_behind,
    with_standing,
)
from invoices.services.e_invoices import chosen_format, credit_note_xml, invoice_xml
from invoices.services.preview import upcoming_invoice
from invoices.services.year_archive import asked_year, year_archive
from invoices.timeline import banner_of, timeline

PAGE_SIZE = 24
_FILTERS = ("open", "partly_paid", "overdue", "paid", "uncollectible", "void")
RECORDS_PAGE_SIZE = 25
_UNPAID = Invoice.UNPAID
# What was written off is no longer asked for, and may still be paid.
_PAYABLE = [*_UNPAID, Invoice.Status.UNCOLLECTIBLE]


@require_GET
@workspace_page
def invoice_list(request: WorkspaceRequest) -> HttpResponse:
    workspace = request.membership.workspace
    status = request.GET.get("status", "")
    card = current_card_of(workspace.pk)
    invoices = Invoice.objects.filter(workspace=workspace).select_related(
        "billing_period__workspace"
    )
    if status in Invoice.Status.values:
        invoices = invoices.filter(status=status)
    context: dict[str, Any] = {
        "page": requested_page(request, invoices, by="issued_at", limit=PAGE_SIZE),
        "today": timezone.localdate(),
        "payment_method": card.label if card else "",
        "card": card,
        "is_expiring": expiring_card_of(workspace.pk, now=timezone.now()) is not None,
        "status": status,
        "statuses": [(value, Invoice.Status(value).label) for value in _FILTERS],
        "unpaid": list(
            with_standing(Invoice.objects.filter(workspace=workspace, status__in=_UNPAID)).order_by(
                "issued_at"
            )[:PAGE_SIZE]
        ),
    }
    return render_page(request, "invoices/list.html", context, section="invoices")


@require_GET
@workspace_page
def year_zip(request: WorkspaceRequest) -> HttpResponseBase:
    """All documents of a year; one without any is said so."""
    workspace = request.membership.workspace
    try:
        return year_archive(workspace, asked_year(request.GET.get("year", ""), workspace))
    except BillingError as refusal:
        messages.error(request, refusal.detail)
        return redirect("payments:history", workspace.pk)


def _invoice(request: WorkspaceRequest, invoice_id: UUID) -> Invoice:
    """The workspace's own invoice; another's does not exist here."""
    return get_object_or_404(
        Invoice.objects.select_related("workspace", "billing_period__workspace"),
        workspace=request.membership.workspace,
        pk=invoice_id,
    )


def _shown(item: InvoiceItem, invoice: Invoice) -> Any:
    """The item with its `details`: how tiers and included units came to it."""
    shown: Any = item
    shown.details = explained(item, invoice.currency)
    return shown


@require_GET
@workspace_page
def detail(request: WorkspaceRequest, invoice_id: UUID) -> HttpResponse:
    invoice = _invoice(request, invoice_id)
    lacks = lacks_payment_method(invoice)
    events = list(invoice.events.all())
    declined = any(event.kind == InvoiceEvent.Kind.PAYMENT_FAILED for event in events)
    taxes = list(invoice.taxes.all())
    context = {
        "invoice": invoice,
        "taxes": tax_rows(invoice, taxes),
        "has_e_invoice": EInvoice.objects.filter(invoice=invoice).exists(),
        "legal_texts": legal_texts(taxes, issuer_then(invoice.letterhead).legal_text),
        "items": [_shown(item, invoice) for item in invoice.items.all()],
        "credit_notes": invoice.credit_notes.filter(CreditNote.NUMBERED),
        "steps": timeline(invoice, events, lacks_payment_method=lacks),
        "lacks_payment_method": lacks,
        "banner": banner_of(invoice, declined=declined, today=timezone.localdate()),
        "payable": invoice.status in _PAYABLE
        and bool(invoice.hosted_invoice_url)
        and not invoice.carried_over,
    }
    return render_page(request, "invoices/detail.html", context, section="invoices")


@require_GET
@workspace_page
def item_records(request: WorkspaceRequest, invoice_id: UUID, item_id: UUID) -> HttpResponse:
    """The records behind one line, their exact sum and what rounding made of it."""
    invoice = _invoice(request, invoice_id)
    item = get_object_or_404(InvoiceItem, invoice=invoice, pk=item_id)
    item.invoice = invoice
    before = page_before(request)
    context = {
        "invoice": invoice,
        "item": item,
        "proof": proof_of(item),
        "details": explained(item, invoice.currency),
        "shows_cost": shows_cost(request.membership.workspace.billing_settings),
        "back": before.link if before and before.view_name == "usage:receipt" else "",
        "page": requested_page(
            request, records_behind(item), by="occurred_at", limit=RECORDS_PAGE_SIZE
        ),
    }
    return render_page(request, "invoices/item.html", context, section="invoices")


@require_GET
@workspace_page
def pdf(request: WorkspaceRequest, invoice_id: UUID) -> HttpResponse:
    invoice = _invoice(request, invoice_id)
    return pdf_response(render_invoice(invoice), invoice_filename(invoice))


@require_GET
@workspace_page
def e_invoice(request: WorkspaceRequest, invoice_id: UUID) -> HttpResponse:
    """The invoice for software, in the form that the workspace gets."""
    invoice = _invoice(request, invoice_id)
    wanted = chosen_format(invoice.workspace)
    try:
        return xml_response(invoice_xml(invoice, wanted), f"{invoice.number}-{wanted}.xml")
    except BillingError as refusal:
        messages.error(request, refusal.detail)
        return redirect("invoices:detail", request.membership.workspace_id, invoice.pk)


@require_GET
@workspace_page
def upcoming(request: WorkspaceRequest) -> HttpResponse:
    try:
        preview = upcoming_invoice(workspace_id=request.membership.workspace.pk, now=timezone.now())
    except BillingError:
        # Without an open month, or one that cannot be closed as things are: finance is told why.
        return render_page(request, "invoices/upcoming.html", {}, section="invoices")
    currency = preview.invoice.currency
    context = {
        "preview": preview,
        "invoice": preview.invoice,
        "items": [(item, explained(item, currency)) for item in preview.items],
        "taxes": tax_rows(preview.invoice, preview.taxes),
        "tax_note": tax_note(preview.tax_status),
    }
    return render_page(request, "invoices/upcoming.html", context, section="invoices")


@require_GET
@workspace_page
def upcoming_pdf(request: WorkspaceRequest) -> HttpResponse:
    workspace = request.membership.workspace
    try:
        preview = upcoming_invoice(workspace_id=workspace.pk, now=timezone.now())
    except BillingError:
        return redirect("invoices:upcoming", workspace.pk)  # it says that there is none
    return pdf_response(
        render_preview(
            preview.invoice, preview.items, preview.taxes, tax_status=preview.tax_status
        ),
        "preview.pdf",
    )


@require_GET
@workspace_page
def credit_note_pdf(request: WorkspaceRequest, credit_note_id: UUID) -> HttpResponse:
    note = _credit_note(request, credit_note_id)
    return pdf_response(render_credit_note(note), f"{note.number}.pdf")


@require_GET
@workspace_page
def credit_note_e_invoice(request: WorkspaceRequest, credit_note_id: UUID) -> HttpResponse:
    """The credit note for software, in the form that the workspace gets."""
    note = _credit_note(request, credit_note_id)
    wanted = chosen_format(note.workspace)
    try:
        return xml_response(credit_note_xml(note, wanted), f"{note.number}-{wanted}.xml")
    except BillingError as refusal:
        messages.error(request, refusal.detail)
        return redirect("invoices:detail", request.membership.workspace_id, note.invoice_id)


def _credit_note(request: WorkspaceRequest, credit_note_id: UUID) -> CreditNote:
    return get_object_or_404(
        CreditNote.objects.select_related("invoice__billing_period", "workspace"),
        CreditNote.NUMBERED,
        workspace=request.membership.workspace,
        pk=credit_note_id,
    )
