"""The owner's page of a credit note: its lines, and the records that it gives back."""

from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from billing.access import WorkspaceRequest, render_page, workspace_page
from billing.exports import csv_response
from invoices.models import CreditNote, EInvoice
from invoices.payments.services.credit_notes.records import CSV_HEAD, credited_records, csv_rows

# More are in the file.
SHOWN = 200


@require_GET
@workspace_page
def page(request: WorkspaceRequest, credit_note_id: UUID) -> HttpResponse:
    note = _issued(request, credit_note_id)
    records = credited_records(note)
    context = {
        "note": note,
        "has_e_invoice": EInvoice.objects.filter(credit_note=note).exists(),
        "items": note.items.select_related("item"),
        "taxes": note.taxes.exclude(category=""),
        "records": records[:SHOWN],
        "record_count": records.count(),
        "shown": SHOWN,
    }
    return render_page(request, "payments/credit_note.html", context, section="invoices")


@require_GET
@workspace_page
def records(request: WorkspaceRequest, credit_note_id: UUID) -> StreamingHttpResponse:
    note = _issued(request, credit_note_id)
    return csv_response(f"{note.number}-records.csv", CSV_HEAD, csv_rows(note))


def _issued(request: WorkspaceRequest, credit_note_id: UUID) -> CreditNote:
    return get_object_or_404(
        CreditNote.objects.select_related("invoice", "workspace"),
        CreditNote.NUMBERED,
        workspace=request.membership.workspace,
        pk=credit_note_id,
    )
