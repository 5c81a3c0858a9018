"""The owner's payment history, as a page and CSV."""

from django.http import HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET

from billing.access import WorkspaceRequest, render_page, workspace_page
from billing.exports import csv_response
from invoices.payments.services.payment_history import CSV_HEAD, csv_rows, history_page
from invoices.services.year_archive import years_of_documents


@require_GET
@workspace_page
def page(request: WorkspaceRequest) -> HttpResponse:
    workspace = request.membership.workspace
    context = {
        "page": history_page(request, workspace),
        "years": years_of_documents(workspace),
    }
    return render_page(request, "payments/history.html", context, section="invoices")


@require_GET
@workspace_page
def as_csv(request: WorkspaceRequest) -> StreamingHttpResponse:
    workspace = request.membership.workspace
    return csv_response(f"payments-{workspace.pk}.csv", CSV_HEAD, csv_rows(workspace))
