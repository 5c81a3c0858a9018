"""Admin page of workspaces with their terms and members."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.forms import BaseInlineFormSet
from django.http import HttpRequest
from django.utils import timezone as clock
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from unfold.admin import StackedInline, TabularInline
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminTextInputWidget

from billing.admin.base import amount
from billing.admin.bulk import Outlook, bulk
from billing.admin.dialogs import DialogForm
from billing.admin.parts import PartsAdmin
from billing.admin.terms import INLINES, save_terms
from billing.compiled import CompiledQuery
from billing.e_invoices import missing_details, missing_of_issuer
from billing.errors import Conflict
from billing.models import Workspace, WorkspaceBillingSettings, WorkspaceMember
from billing.models.fields import EmailFormField
from billing.queries import active_period, issuer_of
from billing.services.workspace_details import BILLING_DETAILS
from billing.services.workspaces import (
    create_workspace,
    update_billing_settings,
    update_workspace,
)


class NewWorkspaceForm(forms.ModelForm):
    owner_email = EmailFormField(
        widget=UnfoldAdminEmailInputWidget,
        help_text="The first owner, who also gets the bills; made a user if there is none yet.",
    )

    class Meta:
        model = Workspace
        fields = ("name", "tier", "currency", "timezone")


class WhyForm(DialogForm):
    reason = forms.CharField(
        label="Why, for the log of changes",
        max_length=500,
        required=False,
        widget=UnfoldAdminTextInputWidget,
    )


class BillingSettingsInline(StackedInline):
    model = WorkspaceBillingSettings
    # The tab of a single row takes its name from this one.
    verbose_name = verbose_name_plural = "terms"
    hide_title = True
    can_delete = False
    extra = 0
    tab = True
    fields = (
        ("usage_limit_monthly", "alert_threshold_percentage", "auto_pause_on_limit"),
        ("markup_percentage", "collection_method", "payment_terms_days"),
        "prices_include_tax",
        "owners_see",
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # every workspace has its row


class MemberInline(TabularInline):
    model = WorkspaceMember
    verbose_name = "member"
    verbose_name_plural = "members"
    extra = 0
    tab = True
    fields = ("user", "role")
    autocomplete_fields = ("user",)


_by_id = CompiledQuery[Workspace](
    lambda pk: Workspace.objects.select_related("tier", "issuing_entity").filter(pk=pk)
)


def _active_of(workspace: Any) -> Any:
    """Its active period, asked once for a page."""
    if "active_period" not in workspace.__dict__:
        workspace.active_period = active_period(workspace_id=workspace.pk, at=clock.now())
    return workspace.active_period


@admin.register(Workspace)
class WorkspaceAdmin(PartsAdmin):
    """Every change goes through the services that internal callers use, with the same rules."""

    list_display: tuple[Any, ...] = (
        "name",
        "state",
        "tier",
        "currency",
        "timezone",
        "billing_email",
        "limit",
    )
    list_filter = (
        "status",
        "suspension_reason",
        ("tier", RelatedDropdownFilter),
        "currency",
    )
    search_fields: tuple[str, ...] = ("name", "billing_email", "billing_name", "=id")
    search_help_text = "Name, billing e-mail or id"
    list_select_related = ("tier", "billing_settings")
    inlines: tuple[Any, ...] = (BillingSettingsInline, *INLINES, MemberInline)
    actions = ("suspend_selected", "activate_selected")
    autocomplete_fields = ("tier",)
    readonly_fields = ("id", "suspension_reason", "created_at", "running", "e_invoice_lacks")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name", "status", "suspension_reason"),
                    ("tier", "currency", "timezone"),
                    "running",
                    ("id", "created_at"),
                )
            },
        ),
        (
            "Billing details",
            {
                "fields": (
                    ("billing_email", "billing_name", "tax_id"),
                    ("address_line1", "address_line2"),
                    ("address_postal_code", "address_city"),
                    ("address_state", "address_country"),
                    ("tax_status", "tax_exemption"),
                    ("issuing_entity", "language"),
                    "custom_fields",
                ),
            },
        ),
        (
            "E-invoices",
            {
                "fields": (
                    ("e_invoice_format", "e_invoice_attached"),
                    ("buyer_reference", "order_number"),
                    ("electronic_address", "electronic_address_scheme"),
                    "e_invoice_lacks",
                ),
            },
        ),
    )
    add_fieldsets = ((None, {"fields": ("name", "owner_email", "tier", "currency", "timezone")}),)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a workspace that was billed is closed, never deleted

    def get_object(
        self, request: HttpRequest, object_id: Any, from_field: str | None = None
    ) -> Workspace | None:
        """With all that its page shows of other rows."""
        if from_field:
            return super().get_object(request, object_id, from_field)
        try:
            return _by_id.first(UUID(str(object_id)))
        except ValueError:
            return None

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if not change:
            kwargs["form"] = NewWorkspaceForm
        return super().get_form(request, obj, change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def save_model(self, request: HttpRequest, obj: Workspace, form: Any, change: bool) -> None:
        now = clock.now()
        if not change:
            create_workspace(
                workspace_id=obj.pk,
                name=obj.name,
                owner_email=form.cleaned_data["owner_email"],
                tier=obj.tier.name,
                currency=obj.currency.upper(),
                timezone=obj.timezone,
                now=now,
            )
            return
        names = {"status", "tier", "currency", "timezone", "issuing_entity", *BILLING_DETAILS}
        changes = {name: form.cleaned_data[name] for name in form.changed_data if name in names}
        if "tier" in changes:
            changes["tier"] = changes["tier"].name
        if "issuing_entity" in changes:
            entity = changes["issuing_entity"]
            changes["issuing_entity"] = entity.code if entity else None
        if changes:
            update_workspace(workspace_id=obj.pk, changes=changes, now=now)

    def save_formset(
        self, request: HttpRequest, form: Any, formset: BaseInlineFormSet, change: bool
    ) -> None:
        if formset.model in {inline.model for inline in INLINES}:
            save_terms(formset)
            return
        if formset.model is not WorkspaceBillingSettings:
            super().save_formset(request, form, formset, change)
            return
        formset.save(commit=False)  # notes what changed, for the log
        for row in formset.forms:
            if row.changed_data:
                update_billing_settings(
                    workspace_id=row.instance.workspace_id,
                    changes={name: row.cleaned_data[name] for name in row.changed_data},
                    now=clock.now(),
                )

    def will_be_suspended(self, request: HttpRequest, workspace: Workspace) -> Outlook:
        if workspace.status != Workspace.Status.ACTIVE:
            raise Conflict(f"It is {workspace.get_status_display().lower()}.")
        period: Any = active_period(workspace_id=workspace.pk, at=clock.now())
        spent = None if period is None else amount(period.live_total, workspace.currency)
        return Outlook("Its agents pause, and no new call begins.", spent)

    @bulk(
        "Suspend",
        title="Suspend these workspaces?",
        text="Their agents pause and they start no call until somebody activates them. What they"
        " have used is billed as ever. The amounts are this month so far.",
        submit="Suspend",
        will=will_be_suspended,
        form_class=WhyForm,
    )
    def suspend_selected(self, request: HttpRequest, workspace: Workspace, asked: Any) -> str:
        return self._set_status(workspace, Workspace.Status.SUSPENDED)

    def will_be_activated(self, request: HttpRequest, workspace: Workspace) -> Outlook:
        if workspace.status != Workspace.Status.SUSPENDED:
            raise Conflict(f"It is {workspace.get_status_display().lower()}.")
        of_payment = workspace.suspension_reason == Workspace.SuspensionReason.PAYMENT
        because = " It was suspended until it had paid." if of_payment else ""
        return Outlook(f"It may take calls, and its agents come back.{because}")

    @bulk(
        "Activate",
        title="Activate these workspaces?",
        text="They may take calls again, within their limits.",
        submit="Activate",
        will=will_be_activated,
        form_class=WhyForm,
    )
    def activate_selected(self, request: HttpRequest, workspace: Workspace, asked: Any) -> str:
        return self._set_status(workspace, Workspace.Status.ACTIVE)

    def _set_status(self, workspace: Workspace, status: Workspace.Status) -> str:
        changed = update_workspace(
            workspace_id=workspace.pk, changes={"status": status}, now=clock.now()
        )
        return f"{changed} is {changed.get_status_display().lower()}."

    @display(
        description="Status",
        ordering="status",
        label={"Active": "success", "Suspended": "danger", "Suspended: payment": "danger"},
    )
    def state(self, workspace: Workspace) -> str:
        if workspace.suspension_reason == Workspace.SuspensionReason.PAYMENT:
            return "Suspended: payment"
        return workspace.get_status_display()

    @display(description="Limit", ordering="billing_settings__usage_limit_monthly")
    def limit(self, workspace: Workspace) -> str:
        limit = workspace.billing_settings.usage_limit_monthly
        return amount(limit, workspace.currency) if limit is not None else "none"

    @display(description="Still lacking")
    def e_invoice_lacks(self, workspace: Workspace) -> str:
        missing = [what for _, what in missing_details(workspace)]
        missing += missing_of_issuer(workspace, issuer_of(workspace, _active_of(workspace)))
        if not missing:
            return "Nothing."
        return format_html_join(mark_safe("<br>"), "{}", ((what,) for what in missing))

    @display(description="Active period")
    def running(self, workspace: Workspace) -> str:
        period = _active_of(workspace)
        if period is None:
            return "None is open yet."
        return format_html(
            "{}: {} ({} usage, {} fees and discounts)",
            period.label,
            amount(period.live_total, workspace.currency),
            amount(period.live_subtotal, workspace.currency),
            amount(
                period.live_total - period.live_subtotal - period.credit_brought_forward,
                workspace.currency,
            ),
        )
