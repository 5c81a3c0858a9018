"""An owner disputes a call on its receipt, and takes a dispute back."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone as clock
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from billing.access import WorkspaceRequest, require_settings_right, workspace_page
from billing.errors import BillingError, NotFound
from billing.formats import money
from invoices.payments.models import CallDispute
from invoices.payments.services.call_disputes import open_dispute, withdraw_dispute


@require_POST
@workspace_page
def dispute_call(request: WorkspaceRequest, call_id: UUID) -> HttpResponse:
    require_settings_right(request.membership)
    workspace = request.membership.workspace
    try:
        dispute, _is_new = open_dispute(
            workspace_id=workspace.pk,
            call_id=call_id,
            reason=request.POST.get("reason", ""),
            text=request.POST.get("text", ""),
            opened_by=str(request.user),
            now=clock.now(),
        )
    except NotFound as error:
        raise Http404(error.detail) from None
    except BillingError as error:
        messages.error(request, error.detail)
    else:
        if dispute.state == CallDispute.State.APPROVED:
            given = money(dispute.amount, dispute.currency)
            messages.success(
                request, _("{amount} is given back for this call.").format(amount=given)
            )
        else:
            messages.success(request, _("We look into this call and write to you."))
    return redirect("usage:receipt", workspace.pk, call_id)


@require_POST
@workspace_page
def withdraw(request: WorkspaceRequest, dispute_id: UUID) -> HttpResponse:
    require_settings_right(request.membership)
    workspace = request.membership.workspace
    dispute = CallDispute.objects.filter(workspace=workspace, pk=dispute_id).first()
    if dispute is None:
        raise Http404("There is no such dispute.")
    try:
        withdraw_dispute(dispute_id=dispute.pk, by=str(request.user), now=clock.now())
    except BillingError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, _("The dispute is taken back."))
    return redirect("usage:receipt", workspace.pk, dispute.call_id)
