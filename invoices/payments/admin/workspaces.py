"""A workspace's page with what it has paid, its credit, and the buttons for both."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IS_POPUP_VAR
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone as clock
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.views import ChangeList
from unfold.widgets import UnfoldBooleanSwitchWidget

from billing.admin.base import FrozenInlineMixin, amount, asking
from billing.compiled import CompiledQuery
from billing.formats import money
from billing.issuers import account_of
from billing.models import Workspace
from billing.queries import account_of_workspace
from billing.row_addresses import row_address
from billing.services.staff import SEES_FIGURES
from billing.stripe_accounts import configured_accounts
from invoices.admin.links import link
from invoices.admin.workspaces import BilledWorkspaceAdmin
from invoices.payments.admin.forms import (
    PayOutForm,
    TakeBackForm,
    WorkspacePaymentForm,
    payments_by_hand,
)
from invoices.payments.admin.outcomes import received, take_back, what_it_paid
from invoices.payments.models import CreditEntry, Payment
from invoices.payments.services.credit import pay_out_credit
from invoices.payments.services.moving import card_left_behind
from invoices.payments.services.receiving import PaymentShare, record_payment
from invoices.payments.statement_pages import asked_statement, csv_of, pdf_of
from invoices.queries import card_of

# What each page of a workspace asks, for its buttons.
_by_hand = CompiledQuery[Any](lambda pk: payments_by_hand(pk).order_by().values_list("pk")[:1])
_credit = CompiledQuery[Decimal](
    lambda pk: (
        CreditEntry.objects.filter(workspace=pk, currency=F("workspace__currency"))
        .order_by("-position")
        .values_list("balance", flat=True)[:1]
    )
)


def _asked(query: CompiledQuery[Any], object_id: Any) -> list[Any]:
    """Nothing where an address has something else than a workspace's id."""
    try:
        return query(UUID(str(object_id)))
    except ValueError:
        return []


class MovingForm(forms.ModelForm):
    """Whoever gives a workspace to an issuer with another Stripe account is told, before it is
    done, that its card stays where it is."""

    card_stays = forms.BooleanField(
        label="The card on file stays behind",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="To be ticked where the new issuing entity collects in another Stripe account.",
    )

    class Meta:
        model = Workspace
        fields = "__all__"  # noqa: DJ007 - the admin page says which

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if "issuing_entity" in self.changed_data and "issuing_entity" in self.cleaned_data:
            before = account_of_workspace(self.instance.pk)
            after = account_of(self.cleaned_data["issuing_entity"])
            said = card_left_behind(self.instance.pk, before=before, after=after)
            if said and not self.cleaned_data.get("card_stays"):
                self.add_error(
                    "issuing_entity", f"{said} Tick “The card on file stays behind” to go on."
                )
        return cleaned


class PaymentInline(FrozenInlineMixin, TabularInline):
    model = Payment
    tab = True
    per_page = 24
    fields = (
        "received_on",
        "paid",
        "way",
        "reference",
        "pays",
        "to_credit",
        "recorded_by",
        "undone",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payment]:
        found = super().get_queryset(request).select_related("reversal")
        return found.prefetch_related("allocations__invoice")

    @display(description="Taken back")
    def undone(self, payment: Payment) -> str:
        reversal = getattr(payment, "reversal", None)
        if reversal is None:
            return "–"
        return f"{reversal.on:%d %B %Y} by {reversal.taken_back_by}: {reversal.reason}"

    @display(description="Amount")
    def paid(self, payment: Payment) -> str:
        return amount(payment.amount, payment.currency)

    @display(description="Pays")
    def pays(self, payment: Payment) -> str:
        return ", ".join(each.invoice.number for each in payment.allocations.all()) or "–"

    @display(description="To credit")
    def to_credit(self, payment: Payment) -> str:
        return amount(payment.amount_to_credit or None, payment.currency)


class CreditInline(FrozenInlineMixin, TabularInline):
    model = CreditEntry
    tab = True
    per_page = 24
    verbose_name_plural = "credit"
    fields = ("on", "kind", "moved", "left", "invoice", "reference", "reason", "source")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[CreditEntry]:
        return super().get_queryset(request).select_related("invoice").order_by("-position")

    @display(description="Amount")
    def moved(self, entry: CreditEntry) -> str:
        return amount(entry.amount, entry.currency)

    @display(description="Balance")
    def left(self, entry: CreditEntry) -> str:
        return amount(entry.balance, entry.currency)


class CustomerList(ChangeList):
    """Of customers: each leads to all about it, as it does from reports and from the search."""

    def url_for_result(self, result: Any) -> str:
        return row_address("finance:customer", result.pk)


(_, _general), *_others = BilledWorkspaceAdmin.fieldsets
admin.site.unregister(Workspace)


@admin.register(Workspace)
class PayingWorkspaceAdmin(BilledWorkspaceAdmin):
    list_display = (*BilledWorkspaceAdmin.list_display, "terms")
    readonly_fields: tuple[Any, ...] = (*BilledWorkspaceAdmin.readonly_fields, "everything")
    fieldsets: tuple[Any, ...] = (
        (None, {"fields": ("everything", *_general["fields"])}),
        *_others,
    )
    search_fields = (*BilledWorkspaceAdmin.search_fields, "=stripe_customers__stripe_id")
    search_help_text = "Name, billing e-mail, id or Stripe customer id"
    inlines: tuple[Any, ...] = (*BilledWorkspaceAdmin.inlines, PaymentInline, CreditInline)
    actions_detail: tuple[Any, ...] = (
        *(BilledWorkspaceAdmin.actions_detail or ()),
        "record_a_payment",
        {
            "title": "More",
            "icon": "more_vert",
            "items": ["take_back_a_payment", "pay_out_credit", "statement", "statement_csv"],
        },
    )

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if change and len(configured_accounts()) > 1:
            kwargs["form"] = MovingForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        found = super().get_fieldsets(request, obj)
        if obj is None or len(configured_accounts()) == 1:
            return found
        moving = {
            "fields": (("collected_in", "card_stays"),),
            "description": "Its issuing entity says by which account it is collected.",
        }
        return (*found, ("Stripe account", moving))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        found = super().get_readonly_fields(request, obj)
        return (*found, "collected_in") if obj else found

    @display(description="Collected in")
    def collected_in(self, workspace: Workspace) -> str:
        account = account_of(workspace.issuing_entity)
        card = card_of(workspace.pk, account)
        return f"{account}, from {card}" if card else f"{account}, where it has no card"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        picks = IS_POPUP_VAR in request.GET  # and a field waits for what is picked
        if picks or not request.user.has_perms(SEES_FIGURES):
            return super().get_changelist(request, **kwargs)
        return CustomerList

    @display(description="Terms")
    def terms(self, workspace: Workspace) -> str:
        return link(row_address("admin:billing_workspace_change", workspace.pk), "Open")

    @display(description="Everything about it")
    def everything(self, workspace: Workspace) -> str:
        return link(row_address("finance:customer", workspace.pk), "Open")

    @action(description="Statement", icon="description", permissions=["see_statement"])
    def statement(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The last twelve months as PDF."""
        workspace = self.get_object(request, object_id)
        if workspace is None:
            raise Http404
        return pdf_of(asked_statement(request, workspace))

    @action(description="Statement as CSV", icon="table", permissions=["see_statement"])
    def statement_csv(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        workspace = self.get_object(request, object_id)
        if workspace is None:
            raise Http404
        return csv_of(asked_statement(request, workspace))

    def has_see_statement_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("payments.view_payment")

    @asking(
        "Record payment",
        icon="account_balance",
        permission="record_payment",
        title="Which payment has come?",
        text="It pays the invoice you choose, or what is due first. What is over becomes the"
        " customer's credit, which pays the next invoice. Stripe charges only the rest.",
        submit="Record it",
        form_class=WorkspacePaymentForm,
    )
    def record_a_payment(
        self, request: HttpRequest, workspace: Workspace, form: WorkspacePaymentForm
    ) -> str:
        asked = form.cleaned_data
        payment = record_payment(
            workspace_id=workspace.pk,
            amount=asked["amount"],
            shares=[PaymentShare(UUID(asked["invoice"]))] if asked["invoice"] else None,
            **received(request, asked),
        )
        return what_it_paid(payment)

    @asking(
        "Take a payment back",
        icon="settings_backup_restore",
        permission="take_back",
        title="Take back a payment that was recorded wrongly?",
        text="For the wrong invoice, amount or customer. All of it is taken back: what it paid is"
        " open again, and what was over is taken off the credit. No money is sent.",
        submit="Take it back",
        form_class=TakeBackForm,
    )
    def take_back_a_payment(
        self, request: HttpRequest, workspace: Workspace, form: TakeBackForm
    ) -> str:
        return take_back(request, form)

    @asking(
        "Pay out credit",
        icon="undo",
        permission="pay_out_credit",
        title="Pay out the customer's credit?",
        text="For money that you have sent back by bank transfer or another way: nothing is sent by"
        " this. It is taken off the credit.",
        submit="Take it off the credit",
        form_class=PayOutForm,
    )
    def pay_out_credit(self, request: HttpRequest, workspace: Workspace, form: PayOutForm) -> str:
        asked = form.cleaned_data
        entry = pay_out_credit(
            workspace_id=workspace.pk,
            amount=asked["amount"],
            on=asked["on"],
            reference=asked["reference"],
            reason=asked["reason"],
            key=asked["key"],
            source=str(request.user),
            now=clock.now(),
        )
        return f"Taken off the credit; {money(entry.balance, entry.currency)} is left."

    def has_record_payment_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("payments.add_payment")

    def has_take_back_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("payments.add_payment") and bool(_asked(_by_hand, object_id))

    def has_pay_out_credit_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        if not request.user.has_perm("payments.add_creditentry"):
            return False
        return any(balance > 0 for balance in _asked(_credit, object_id))
