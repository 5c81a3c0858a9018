"""From the owner's pages to Stripe's, where cards are kept, and back."""

import re
from collections.abc import Sequence
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone as clock
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop
from django.views.decorators.http import require_GET, require_POST

from billing.access import WorkspaceRequest, require_settings_right, workspace_page
from billing.errors import NotFound
from billing.formats import money
from billing.queries import account_of_workspace
from billing.services.work import Busy
from invoices.models import Invoice
from invoices.payments.models import InvoiceAction
from invoices.payments.services import proof
from invoices.payments.services.checkout import (
    SESSION_ID,
    payment_method_page,
    save_card_from_checkout,
)
from invoices.payments.services.collection import carry_out
from invoices.payments.services.stripe_errors import StripeFailure
from invoices.pdf import pdf_response

# Each is a request or two to Stripe.
_CHARGED_AT_ONCE = 3
_UNREACHABLE = _noop("The payment provider cannot be reached now. Please try again in a minute.")


@require_POST
@workspace_page
def payment_method(request: WorkspaceRequest) -> HttpResponse:
    require_settings_right(request.membership)
    workspace = request.membership.workspace
    invoices = reverse("invoices:list", args=[workspace.pk])
    saved = reverse("payments:payment-method-saved", args=[workspace.pk])
    try:
        page = payment_method_page(
            workspace_id=workspace.pk,
            return_url=request.build_absolute_uri(invoices),
            saved_url=f"{request.build_absolute_uri(saved)}?session_id={SESSION_ID}",
            now=clock.now(),
        )
    except (StripeFailure, Busy):
        messages.error(request, _UNREACHABLE)
        return redirect(invoices)
    return redirect(page)


@require_GET
@workspace_page
def payment_method_saved(request: WorkspaceRequest) -> HttpResponse:
    """Where Stripe's checkout sends the owner back to; reloading it changes nothing."""
    require_settings_right(request.membership)
    workspace = request.membership.workspace
    session_id = request.GET.get("session_id", "")
    if not re.fullmatch(r"cs_\w{1,200}", session_id, re.ASCII):
        raise Http404("There is no such checkout session.")
    try:
        charges = save_card_from_checkout(
            workspace_id=workspace.pk,
            account=account_of_workspace(workspace.pk),
            session_id=session_id,
            now=clock.now(),
        )
        if charges is not None:
            messages.success(
                request, _("Your card is saved. It will be charged for your invoices.")
            )
            _charge_now(request, charges)
    except NotFound as error:
        raise Http404(error.detail) from None
    except StripeFailure:
        messages.error(request, _UNREACHABLE)
    return redirect("invoices:list", workspace.pk)


def _charge_now(request: WorkspaceRequest, charges: Sequence[InvoiceAction]) -> None:
    """Charge what is owed while its owner waits; the rest is charged in the background."""
    for asked in charges[:_CHARGED_AT_ONCE]:
        done = carry_out(action_id=asked.pk, now=clock.now())
        invoice = Invoice.objects.get(pk=asked.invoice_id)
        amount = money(invoice.amount_charged, invoice.currency)
        if invoice.status == Invoice.Status.PAID:
            messages.success(
                request,
                _("{number} over {amount} is paid.").format(number=invoice.number, amount=amount),
            )
        elif done is not None and done.status == InvoiceAction.Status.FAILED:
            messages.error(
                request,
                _("{number} over {amount}: {last_error}").format(
                    number=invoice.number, amount=amount, last_error=done.last_error
                ),
            )
        else:
            messages.info(
                request,
                _("{number} over {amount} is being charged now.").format(
                    number=invoice.number, amount=amount
                ),
            )
    left = len(charges) - _CHARGED_AT_ONCE
    if left > 0:
        messages.info(request, _("{left} more invoices are being charged now.").format(left=left))


def _certificate(request: WorkspaceRequest, invoice_id: UUID) -> proof.Certificate:
    invoice = get_object_or_404(
        Invoice.objects.select_related("workspace", "billing_period__workspace"),
        workspace=request.membership.workspace,
        pk=invoice_id,
    )
    try:
        return proof.certify(invoice, now=clock.now())
    except NotFound as error:
        raise Http404(error.detail) from None


@require_GET
@workspace_page
def certificate(request: WorkspaceRequest, invoice_id: UUID) -> HttpResponse:
    """The exactness certificate of an invoice, proved as it is asked for."""
    made = _certificate(request, invoice_id)
    name = proof.certificate_filename(made)
    return pdf_response(proof.render_certificate(made), name)


@require_GET
@workspace_page
def certificate_json(request: WorkspaceRequest, invoice_id: UUID) -> JsonResponse:
    made = _certificate(request, invoice_id)
    name = f"{made.invoice.number}-certificate.json"
    return JsonResponse(
        made.as_json(), headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
