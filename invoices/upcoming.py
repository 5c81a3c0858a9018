"""The owner's page of the next invoice as it would be now, and its PDF."""

from django.http import HttpResponse
from django.utils import timezone as clock
from django.views.decorators.http import require_GET

from billing.access import WorkspaceRequest, render_page, workspace_page
from billing.errors import BillingError
from invoices.explained import explained
from invoices.pdf import render_preview
from invoices.services.preview import upcoming_invoice


@require_GET
@workspace_page
def page(request: WorkspaceRequest) -> HttpResponse:
    try:
        preview = upcoming_invoice(workspace_id=request.membership.workspace.pk, now=clock.now())
    except BillingError:
        # Without an open month, or one that cannot be closed as things are: finance is told why.
        return render_page(request, "invoices/upcoming.html", {}, section="invoices")
    currency = preview.invoice.currency
    context = {
        "preview": preview,
        "invoice": preview.invoice,
        "items": [(item, explained(item, currency)) for item in preview.items],
    }
    return render_page(request, "invoices/upcoming.html", context, section="invoices")


@require_GET
@workspace_page
def pdf(request: WorkspaceRequest) -> HttpResponse:
    preview = upcoming_invoice(workspace_id=request.membership.workspace.pk, now=clock.now())
    return HttpResponse(
        render_preview(preview.invoice, preview.items),
        content_type="application/pdf",
        headers={"Content-Disposition": 'attachment; filename="preview.pdf"'},
    )
