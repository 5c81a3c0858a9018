"""Admin page of the audit log: everything that was changed, searchable and exportable."""

from contextlib import suppress
from functools import cache
from typing import Any, ClassVar
from uuid import UUID

from django.apps import apps
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action, display

from billing.admin.base import FrozenAdmin
from billing.audit import CHANNELS
from billing.exports import csv_response, csv_text
from billing.models import AuditEntry, Workspace

_COLUMNS = [
    *("at", "channel", "actor", "reason", "workspace_id"),
    *("table", "object_id", "subject", "operation", "changes", "request_id"),
]


class _Choice(admin.SimpleListFilter):
    """Of constants: a list of all that occur would read the whole log."""

    choices_by_value: ClassVar[dict[str, str]] = {}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.choices_by_value.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(**{str(self.parameter_name): value}) if value else queryset


class ChannelFilter(_Choice):
    title = "channel"
    parameter_name = "channel"
    choices_by_value = {channel: channel for channel in CHANNELS}


class TableFilter(_Choice):
    title = "what"
    parameter_name = "table"
    choices_by_value = {
        "billing_workspace": "Workspaces",
        "billing_workspacebillingsettings": "Limits and terms",
        "billing_workspacemember": "Members",
        "billing_subscriptiontier": "Tiers",
        "billing_tierprice": "Prices of tiers",
        "billing_platformsetting": "Platform settings",
        "billing_addon": "Add-ons",
        "billing_commitment": "Minimum commitments",
        "billing_discount": "Discounts",
        "billing_coupon": "Coupons",
        "billing_ratecard": "Rate cards",
        "billing_ratecardversion": "Versions of rate cards",
        "billing_rate": "Rates",
        "billing_ratecardassignment": "Who has which rate card",
        "billing_priceoverride": "Price overrides",
        "billing_providercost": "Provider costs",
        "billing_exchangerate": "Exchange rates",
        "billing_issuingentity": "Issuing entities",
        "billing_issuerbankaccount": "Bank accounts of issuing entities",
        "billing_taxregistration": "Tax registrations",
        "billing_taxrate": "Tax rates",
        "billing_taxnumbercheck": "Checks of tax numbers",
        "billing_invitation": "Invitations",
        "billing_servicekey": "Service keys",
        "billing_user": "People",
        "billing_user_groups": "Groups of people",
        "billing_user_user_permissions": "Rights of people",
        "auth_group": "Groups",
        "auth_group_permissions": "Rights of groups",
        "otp_totp_totpdevice": "Authenticator apps",
        "otp_static_staticdevice": "Recovery codes",
        "billing_passkey": "Passkeys",
        "usage_budget": "Budgets",
        "usage_budgetlevel": "Levels of budgets",
        "usage_budgetrecipient": "Who is told by budgets",
        "billing_billingperiod": "Billing periods",
        "billing_ownerview": "Looks as an owner",
        "billing_manualitem": "Lines by hand",
        "billing_periodcharge": "Charges of closed months",
        "invoices_invoice": "Invoices",
        "invoices_invoiceitem": "Items of invoices",
        "invoices_invoicetax": "Taxes of invoices",
        "invoices_taxdecision": "Decisions on tax",
        "invoices_creditnote": "Credit notes",
        "invoices_creditnoteitem": "Items of credit notes",
        "invoices_creditnotetax": "Taxes of credit notes",
        "invoices_einvoice": "E-invoices",
        "invoices_trialinvoice": "Trial closes",
        "payments_creditnotestep": "Requests of credit notes to Stripe",
        "payments_reportedpayment": "Payments told to Stripe",
        "payments_calldispute": "Disputes of calls",
        "payments_chargeback": "Chargebacks",
        "payments_monthrecord": "Records of months",
        "payments_payment": "Payments",
        "payments_paymentallocation": "What payments pay",
        "payments_paymentreversal": "Payments taken back",
        "payments_paymententry": "Payments as Stripe tells of them",
        "payments_creditentry": "Credit of workspaces",
    }


_DONE = {"insert": "added", "update": "changed", "delete": "removed"}


def thing_of(entry: AuditEntry) -> str:
    """What an entry is about in words: the kind of row, and which of them."""
    kind = _kinds().get(entry.table) or entry.table.partition("_")[2].replace("_", " ")
    return f"{kind}: {entry.subject}" if entry.subject else kind


@cache
def _kinds() -> dict[str, str]:
    """The names of all models, by their tables."""
    return {
        model._meta.db_table: str(model._meta.verbose_name)
        for model in apps.get_models(include_auto_created=True)
    }


@admin.register(AuditEntry)
class AuditEntryAdmin(FrozenAdmin):
    """Written by triggers in the database, so that nothing passes it by."""

    list_display = ("at", "actor", "what", "difference", "workspace", "channel", "reason")
    list_filter: ClassVar = [
        ChannelFilter,
        TableFilter,
        "operation",
        ("at", RangeDateTimeFilter),
    ]
    search_fields = ("actor", "subject", "object_id", "reason")
    search_help_text = "Who, what, why, or the name or id of a workspace"
    ordering = ("-at", "-id")
    actions = ("export",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        name = Workspace.objects.filter(pk=OuterRef("workspace_id")).values("name")
        return super().get_queryset(request).annotate(workspace_name=Subquery(name))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, duplicates = super().get_search_results(request, queryset, search_term)
        if term := search_term.strip():
            named = Workspace.objects.filter(name__icontains=term).values_list("pk", flat=True)
            workspaces = set(named[:100])
            with suppress(ValueError):
                workspaces.add(UUID(term))
            found |= queryset.filter(workspace_id__in=workspaces)
        return found, duplicates

    @display(description="What")
    def what(self, entry: AuditEntry) -> str:
        return f"{_DONE.get(entry.operation, entry.operation)} {thing_of(entry)}"

    @display(description="From and to")
    def difference(self, entry: AuditEntry) -> SafeString:
        if entry.operation != AuditEntry.Operation.UPDATE:
            return format_html("{} values", len(entry.changes))
        lines = format_html_join(
            format_html("<br>"),
            "{}: {} → {}",
            (
                (name, _shown(was), _shown(becomes))
                for name, (was, becomes) in entry.changes.items()
            ),
        )
        return format_html('<span class="fin-difference">{}</span>', lines)

    @display(description="Workspace")
    def workspace(self, entry: Any) -> str:
        # One that is no more has its id alone.
        return str(entry.workspace_name or entry.workspace_id or "")

    @action(description="Export as CSV", permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> StreamingHttpResponse:
        """All that is chosen, as it is stored, a row at a time."""
        return csv_response("changes.csv", _COLUMNS, map(_row, queryset.iterator(chunk_size=1000)))


def _row(entry: AuditEntry) -> list[str]:
    return [csv_text(str(getattr(entry, name) or "")) for name in _COLUMNS]


def _shown(value: str | None) -> str:
    return "–" if value is None or value == "" else value
