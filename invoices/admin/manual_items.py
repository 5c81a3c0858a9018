"""Charges, credits and discounts by hand: added on a customer's page, approved on their own."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone as clock
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from billing.admin.base import (
    BillingAdmin,
    FrozenAdmin,
    FrozenInlineMixin,
    amount,
    asking,
    when,
)
from billing.admin.bulk import Outlook, bulk
from billing.errors import Conflict
from billing.formats import money
from billing.models import ManualItem, Workspace
from invoices.admin.manual_item_forms import CancelForm, LineForm, OneOffForm, tax_class_name
from invoices.services import manual_items

_STATES = {
    "Waits for approval": "warning",
    "Approved": "info",
    "Billed": "success",
}


class LinesByHandMixin(BillingAdmin):
    """Buttons of a customer's page."""

    actions_detail = ("add_by_hand", "bill_at_once")

    @asking(
        "Charge or credit",
        icon="edit_note",
        permission="act",
        title="Add a line to the next invoice",
        text="A charge is added to the invoice of the month it names; a credit or a discount is"
        " taken off. Nothing is charged today. A credit that is larger than its invoice goes on to"
        " the next one.",
        submit="Add",
        form_class=LineForm,
    )
    def add_by_hand(self, request: HttpRequest, workspace: Workspace, form: LineForm) -> str:
        item, _ = manual_items.add_manual_item(
            workspace_id=workspace.pk,
            line=form.line(),
            month=form.cleaned_data["month"],
            reason=form.cleaned_data["reason"],
            asked_by=str(request.user),
            idempotency_key=form.cleaned_data["key"],
            now=clock.now(),
        )
        said = f"{item.get_kind_display()} of {money(item.net, workspace.currency)}"
        if item.status == ManualItem.Status.WAITING:
            return f"{said} waits for a second person, under Lines by hand."
        return f"{said} is added to the next invoice."

    @asking(
        "Invoice now",
        icon="receipt_long",
        permission="act",
        title="Issue an invoice of its own",
        text="For a set-up fee or a top-up: it gets its number, is mailed to the customer and is"
        " charged at once.",
        submit="Issue",
        form_class=OneOffForm,
        variant=ActionVariant.PRIMARY,
    )
    def bill_at_once(self, request: HttpRequest, workspace: Workspace, form: OneOffForm) -> str:
        made = manual_items.request_one_off(
            workspace_id=workspace.pk,
            lines=[form.line()],
            reason=form.cleaned_data["reason"],
            asked_by=str(request.user),
            idempotency_key=form.cleaned_data["key"],
            now=clock.now(),
        )
        if made.invoice is None:
            return "It waits for a second person, under Lines by hand."
        total = money(made.invoice.amount, made.invoice.currency)
        return f"{made.invoice.number} over {total} is issued."


class ManualItemInline(FrozenInlineMixin, TabularInline):
    model = ManualItem
    tab = True
    per_page = 24
    show_change_link = True
    verbose_name_plural = "lines by hand"
    fields = ("description", "kind", "amount", "status", "month", "asked_by", "created_at")
    readonly_fields = fields
    ordering_field = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[ManualItem]:
        return super().get_queryset(request).select_related("workspace")

    @display(description="Amount")
    def amount(self, item: ManualItem) -> str:
        return amount(item.signed, item.workspace.currency)


@admin.register(ManualItem)
class ManualItemAdmin(FrozenAdmin):
    """What was added to bills by hand: who asked for it, who approved it, where it was billed."""

    list_display = (
        "description",
        "workspace",
        "amount",
        "state",
        "billed_with",
        "asked_by",
        "asked",
    )
    list_filter = ("status", "kind", ("workspace", AutocompleteSelectFilter))
    search_fields = (
        *("description", "reason", "workspace__name", "workspace__billing_email"),
        *("asked_by", "=id", "net__exact"),
    )
    search_help_text = "Text, customer, e-mail, amount, who asked"
    list_select_related = ("workspace",)
    actions = ("approve_selected", "cancel_selected")
    actions_detail = ("approve", "cancel")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("workspace", "state", "kind"),
                    ("description", "amount", "tax_rate"),
                    ("billed_with", "period", "billed_on"),
                    "reason",
                    ("asked_by", "asked"),
                    ("approved_by", "approved"),
                    ("cancelled_by", "cancel_reason"),
                    "id",
                )
            },
        ),
    )

    @display(description="Amount", ordering="net")
    def amount(self, item: ManualItem) -> str:
        return amount(item.signed, item.workspace.currency)

    @display(description="Month", ordering="month")
    def billed_with(self, item: ManualItem) -> str:
        return f"{item.month:%B %Y}" if item.month else "the next that closes"

    @display(description="Rate of tax")
    def tax_rate(self, item: ManualItem) -> str:
        return tax_class_name(item.tax_class)

    @display(description="Status", ordering="status", label=_STATES)
    def state(self, item: ManualItem) -> str:
        return item.get_status_display()

    @display(description="Asked for", ordering="created_at")
    def asked(self, item: ManualItem) -> str:
        return when(item.created_at)

    @display(description="Approved")
    def approved(self, item: ManualItem) -> str:
        return when(item.approved_at)

    @display(description="Invoice")
    def billed_on(self, item: ManualItem) -> str:
        line = item.invoice_items.select_related("invoice").order_by("-invoice__issued_at").first()
        return str(line.invoice) if line else "–"

    @asking(
        "Approve",
        icon="check_circle",
        variant=ActionVariant.PRIMARY,
        permission="decide",
        title="Approve it?",
        text="The next close bills it, or takes it off. An invoice of its own is issued at once.",
        submit="Approve",
    )
    def approve(self, request: HttpRequest, item: ManualItem, form: Any) -> str:
        item = manual_items.approve(item_id=item.pk, by=str(request.user), now=clock.now())
        return f"{item.description}: {item.get_status_display().lower()}."

    @asking(
        "Cancel",
        icon="block",
        variant=ActionVariant.DANGER,
        permission="take_back",
        title="Take it back?",
        text="It is not billed. All lines of an invoice of its own go together.",
        submit="Take it back",
        form_class=CancelForm,
    )
    def cancel(self, request: HttpRequest, item: ManualItem, form: CancelForm) -> str:
        manual_items.cancel(
            item_id=item.pk,
            reason=form.cleaned_data["reason"],
            by=str(request.user),
            now=clock.now(),
        )
        return f"{item.description} is taken back."

    @bulk(
        "Approve",
        title="Approve these lines?",
        text="The next close bills them, or takes them off. An invoice of its own is issued at"
        " once, with all its lines.",
        submit="Approve",
        money_of=lambda item: amount(item.signed, item.workspace.currency),
    )
    def approve_selected(self, request: HttpRequest, item: ManualItem, asked: Any) -> str:
        is_waiting = ManualItem.objects.filter(pk=item.pk, status=ManualItem.Status.WAITING)
        if item.status == ManualItem.Status.WAITING and not is_waiting.exists():
            return f"{item.description} goes with the other lines of its invoice."
        approved = manual_items.approve(item_id=item.pk, by=str(request.user), now=clock.now())
        return f"{approved.description}: {approved.get_status_display().lower()}."

    def will_be_cancelled(self, request: HttpRequest, item: ManualItem) -> Outlook:
        if item.status not in (ManualItem.Status.WAITING, ManualItem.Status.APPROVED):
            raise Conflict(f"It is {item.get_status_display().lower()}.")
        taken = amount(item.signed, item.workspace.currency)
        said = (
            "It is not billed" if item.one_off_invoice_id is None else "Its invoice is not issued"
        )
        return Outlook(f"{said}. {item.asked_by} had asked for it.", taken)

    @bulk(
        "Take back",
        title="Take these lines back?",
        text="They are not billed. All lines of an invoice of its own go together.",
        submit="Take back",
        will=will_be_cancelled,
        form_class=CancelForm,
    )
    def cancel_selected(self, request: HttpRequest, item: ManualItem, asked: dict[str, Any]) -> str:
        reason, by = asked["reason"], str(request.user)
        manual_items.cancel(item_id=item.pk, reason=reason, by=by, now=clock.now())
        return f"{item.description} is taken back."

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self._is(request, object_id, ManualItem.Status.WAITING)

    def has_take_back_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self._is(request, object_id, ManualItem.Status.WAITING, ManualItem.Status.APPROVED)

    def _is(self, request: HttpRequest, object_id: Any, *statuses: str) -> bool:
        if not self.has_act_permission(request):
            return False
        return ManualItem.objects.filter(pk=object_id, status__in=statuses).exists()
