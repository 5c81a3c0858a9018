"""Billing periods with what the month end may do about them."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone as clock
from django.utils.html import format_html
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldBooleanSwitchWidget

from billing.admin.base import amount, asking
from billing.admin.bulk import Outlook, bulk
from billing.admin.dialogs import DialogForm
from billing.admin.once import OnceAdmin
from billing.admin.periods import BillingPeriodAdmin
from billing.compiled import CompiledQuery
from billing.errors import Conflict
from billing.formats import money
from billing.models import BillingPeriod
from billing.queries import with_totals
from invoices.admin.links import link
from invoices.models import Invoice
from invoices.services.closing import finalize_due_periods, finalize_period, require_closable
from invoices.services.preview import upcoming_invoice

_INVOICE = CompiledQuery(
    lambda period: Invoice.objects.filter(billing_period=period).only(
        "number", "amount", "currency", "status"
    )[:1]
)


class CloseFailedAgain(Conflict):
    code = "close_failed"


class FinalizeForm(DialogForm):
    """Closing a period before its end has to be meant."""

    force = forms.BooleanField(
        label="It has not ended yet: close it now, with what is recorded so far",
        widget=UnfoldBooleanSwitchWidget,
        error_messages={"required": "The period has not ended. Switch this on to close it now."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        period = BillingPeriod.objects.filter(pk=self.object_id).first()
        if period is None or period.period_end <= clock.now():
            del self.fields["force"]


@admin.register(BillingPeriod)
class ClosablePeriodAdmin(OnceAdmin, BillingPeriodAdmin):
    """A period can be closed by hand, and a failed close tried again."""

    read_row = CompiledQuery(
        lambda key: with_totals(BillingPeriod.objects.filter(pk=key)).select_related("tier")
    )
    actions = ("finalize_selected", "retry_selected")
    actions_detail = ("finalize", "retry_close")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*super().get_fieldsets(request, obj), ("Invoice", {"fields": ("invoice_shown",)}))

    @display(description="Invoice")
    def invoice_shown(self, period: BillingPeriod) -> str:
        invoice = _INVOICE.first(period.pk)
        if invoice is None:
            return "Not yet." if period.is_current else "Nothing was to be billed."
        return format_html(
            "{} ({}, {})",
            link(reverse("admin:invoices_invoice_change", args=[invoice.pk]), invoice.number),
            money(invoice.amount, invoice.currency),
            invoice.get_status_display().lower(),
        )

    @asking(
        "Finalize now",
        icon="event_available",
        variant=ActionVariant.PRIMARY,
        permission="finalize",
        title="Finalize this period?",
        text="No usage can enter it any more, its totals are frozen, and its invoice is issued and"
        " sent. This cannot be undone.",
        submit="Finalize",
        form_class=FinalizeForm,
    )
    def finalize(self, request: HttpRequest, period: BillingPeriod, form: FinalizeForm) -> str:
        return self._finalize(period, force=bool(form.cleaned_data.get("force")))

    @asking(
        "Retry the close",
        icon="replay",
        variant=ActionVariant.WARNING,
        permission="retry_close",
        title="Close this period again?",
        text="With everything else of its workspace that is due.",
        submit="Retry",
    )
    def retry_close(self, request: HttpRequest, period: BillingPeriod, form: Any) -> str:
        return retry_workspace(period.workspace_id)

    def will_be_closed(self, request: HttpRequest, period: BillingPeriod) -> Outlook:
        """Those of one workspace in their order: each closes with what the ones before left."""
        require_closable(period, now=clock.now())
        found = upcoming_invoice(
            workspace_id=period.workspace_id, now=clock.now(), period_id=period.pk
        )
        if not found.is_billed:
            return Outlook("It is closed, and nothing is billed.")
        said = f"It is closed, and {money(found.invoice.amount, found.invoice.currency)} is billed."
        return Outlook(said, amount(found.invoice.amount, found.invoice.currency))

    @bulk(
        "Finalize those that have ended",
        title="Finalize these periods?",
        text="No usage can enter them any more, their totals are frozen, and their invoices are"
        " issued and sent. This cannot be undone.",
        submit="Finalize",
        will=will_be_closed,
    )
    def finalize_selected(self, request: HttpRequest, period: BillingPeriod, asked: Any) -> str:
        return self._finalize(period, force=False)

    def will_be_retried(self, request: HttpRequest, period: BillingPeriod) -> Outlook:
        if not period.is_current or period.close_failed_at is None:
            raise Conflict("Its close has not failed.")
        return Outlook(f"Everything due of {period.workspace} is closed. {period.close_error}")

    @bulk(
        "Retry failed closes",
        title="Close these periods again?",
        text="With everything else of their workspaces that is due. What has not been mended fails"
        " again, and says why.",
        submit="Retry",
        will=will_be_retried,
    )
    def retry_selected(self, request: HttpRequest, period: BillingPeriod, asked: Any) -> str:
        return retry_workspace(period.workspace_id)

    def has_finalize_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        period = self._actionable(request, object_id)
        if period is None or period.period_start > clock.now():
            return False
        return period.close_failed_at is None

    def has_retry_close_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        period = self._actionable(request, object_id)
        return period is not None and period.close_failed_at is not None

    def _actionable(self, request: HttpRequest, object_id: Any) -> BillingPeriod | None:
        if not self.has_act_permission(request):
            return None
        period = self.row_once(request, object_id)
        return period if period is not None and period.is_current else None

    def _finalize(self, period: BillingPeriod, *, force: bool) -> str:
        closed = finalize_period(period_id=period.pk, now=clock.now(), force=force)
        amount = money(closed.total_amount, period.workspace.currency)
        return f"{period.label} of {period.workspace} is finalized: {amount}."


def retry_workspace(workspace_id: UUID) -> str:
    """Close everything of a workspace that is due; raises the reason if that fails again."""
    summary = finalize_due_periods(now=clock.now(), workspace_id=workspace_id)
    if summary.failed:
        raise CloseFailedAgain(summary.failed[0].reason)
    return f"{summary.finalized} periods finalized, {summary.invoiced} invoices issued."
