"""The owner's statement: a page, CSV and PDF, for days of their choice."""

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone as clock
from django.views.decorators.http import require_GET

from billing.access import WorkspaceRequest, render_page, workspace_page
from billing.errors import Invalid
from billing.exports import csv_response
from billing.models import Workspace
from invoices.payments.services.statement_paper import charged_back, render_statement
from invoices.payments.services.statements import (
    CSV_HEAD,
    Statement,
    asked_days,
    csv_rows,
    statement,
)
from invoices.pdf import pdf_response


@require_GET
@workspace_page
def page(request: WorkspaceRequest) -> HttpResponse:
    made = asked_statement(request, request.membership.workspace)
    query = f"first={made.first}&last={made.last}"
    context = {"statement": made, "charged_back": charged_back(made), "query": query}
    return render_page(request, "payments/statement.html", context, section="invoices")


@require_GET
@workspace_page
def as_csv(request: WorkspaceRequest) -> StreamingHttpResponse:
    return csv_of(asked_statement(request, request.membership.workspace))


@require_GET
@workspace_page
def as_pdf(request: WorkspaceRequest) -> HttpResponse:
    return pdf_of(asked_statement(request, request.membership.workspace))


def asked_statement(request: HttpRequest, workspace: Workspace) -> Statement:
    """For `first` to `last`; without, the last twelve months. Days that are none are not found."""
    typed = (request.GET.get("first", ""), request.GET.get("last", ""))
    today = clock.now().astimezone(workspace.zone).date()
    try:
        first, last = asked_days(*typed, today=today)
    except Invalid as error:
        raise Http404(error.detail) from None
    return statement(workspace, first=first, last=last)


def csv_of(made: Statement) -> StreamingHttpResponse:
    name = f"statement-{made.first}-{made.last}.csv"
    return csv_response(name, CSV_HEAD, csv_rows(made))


def pdf_of(made: Statement, *, inline: bool = False) -> HttpResponse:
    name = f"statement-{made.first}-{made.last}.pdf"
    return pdf_response(render_statement(made), name, inline=inline)
