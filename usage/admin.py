"""Admin pages of agents, calls, usage records and rollups: never counted, never edited."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    RangeDateFilter,
    RangeDateTimeFilter,
)
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from billing.admin.base import ExactTextFilter, FrozenAdmin, amount, exact_amount, labels
from billing.formats import duration, quantity, readable
from billing.id_ranges import IdRange, ids_beginning
from usage import budget_admin  # noqa: F401 - registers its pages
from usage.models import Call, CallRollup, UsageRecord, UsageRollup, VoiceAgent
from usage.queries.records import find_record, records_between, workspaces_with_calls
from usage.resources import provider_name, resource_name

_CALL_LABELS = {
    "completed": "success",
    "in progress": "info",
    "failed": "danger",
    "busy": "warning",
    "no answer": "warning",
}


class UncountedAdmin(FrozenAdmin):
    """A table too large to count, sort or search but by its indexes."""

    paginator = InfinitePaginator
    has_one_key = False
    list_is_one_for_all = True
    sortable_by = ()
    search_help_text = "An id, or its first eight characters"

    @display(description="Provider")
    def provider_named(self, row: Any) -> str:
        return provider_name(row.provider)

    @display(description="Resource type")
    def resource(self, row: Any) -> str:
        return resource_name(row.resource_type)

    def find(self, wanted: IdRange) -> Q:
        return wanted.of("pk")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        wanted = ids_beginning(search_term)
        if wanted is None:
            messages.warning(
                request,
                f"“{search_term}” is not an id, nor its first eight characters: nothing else is"
                " searched.",
            )
            return queryset.none(), False
        return queryset.filter(self.find(wanted)), False


@admin.register(VoiceAgent)
class VoiceAgentAdmin(FrozenAdmin):
    list_display = ("name", "workspace", "state", "paused_because", "updated_at")
    list_filter = ("status", "paused_reason", ("workspace", AutocompleteSelectFilter))
    search_fields = ("name", "workspace__name", "=id")
    list_select_related = ("workspace",)
    fields = (("name", "workspace"), ("state", "paused_because"), ("id", "created_at"))

    @display(
        description="Status",
        ordering="status",
        label={"Live": "success", "Paused": "warning"},
    )
    def state(self, agent: VoiceAgent) -> str:
        return agent.get_status_display()

    @display(description="Paused because of")
    def paused_because(self, agent: VoiceAgent) -> str:
        return readable(agent.paused_reason) if agent.paused_reason else "–"


@admin.register(Call)
class CallAdmin(UncountedAdmin):
    list_display = (
        "started_at",
        "workspace",
        "direction",
        "state",
        "provider_named",
        "length",
        "agent",
    )
    list_filter = (
        ("workspace", AutocompleteSelectFilter),
        "status",
        "direction",
        ("provider", ExactTextFilter),
        ("started_at", RangeDateTimeFilter),
    )
    search_fields = ("id",)
    ordering = ("workspace_id", "-started_at", "-id")
    list_select_related = ("workspace", "agent")
    list_only = (
        *("started_at", "direction", "status", "provider", "duration_seconds"),
        *("workspace__name", "agent__name"),
    )
    fields = (
        ("workspace", "agent"),
        ("direction", "state", "provider_named"),
        ("started_at", "ended_at", "length"),
        ("id", "created_at", "updated_at"),
    )

    @display(description="Status", label=labels(_CALL_LABELS))
    def state(self, call: Call) -> str:
        return readable(call.status)

    @display(description="Duration")
    def length(self, call: Call) -> str:
        return duration(call.duration_seconds)


@admin.register(UsageRecord)
class UsageRecordAdmin(UncountedAdmin):
    list_display = (
        "occurred_at",
        "workspace",
        "resource",
        "provider_named",
        "amount_used",
        "cost",
        "markup",
        "price",
        "flags",
    )
    list_filter = (
        ("workspace", AutocompleteSelectFilter),
        ("resource_type", ExactTextFilter),
        ("provider", ExactTextFilter),
        ("model", ExactTextFilter),
        ("agent", AutocompleteSelectFilter),
        ("usage_date", RangeDateFilter),
        ("occurred_at", RangeDateTimeFilter),
    )
    search_fields = ("id",)
    search_help_text = "The id of a record or of a call, or its first eight characters"
    ordering = ("workspace_id", "-occurred_at", "-id")
    list_select_related = ("workspace",)
    list_only = (
        *("occurred_at", "resource_type", "provider", "quantity", "total_cost", "final_cost"),
        *("markup_percentage", "late", "reverses_id", "trues_up_id", "workspace__name"),
        "workspace__currency",
    )
    fields = (
        ("workspace", "billing_period"),
        ("resource", "provider_named", "amount_used"),
        ("unit_price", "cost", "markup", "price"),
        ("occurred_at", "created_at", "usage_date"),
        ("id", "idempotency_key"),
        ("call_id", "flags", "reason", "reverses_id", "trues_up_id"),
    )

    def find(self, wanted: IdRange) -> Q:
        if records := records_between(wanted, workspace_ids=None):
            return Q(workspace__in=set(records.values()), pk__in=list(records))
        of_calls = workspaces_with_calls(wanted, workspace_ids=None)
        return Q(workspace__in=of_calls) & wanted.of("call")

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> UsageRecord | None:
        try:
            return find_record(UUID(object_id), workspace_ids=None)
        except ValueError:
            return None

    @display(description="Quantity")
    def amount_used(self, record: UsageRecord) -> str:
        return quantity(record.quantity)

    @display(description="Unit cost")
    def unit_price(self, record: UsageRecord) -> str:
        return exact_amount(record.unit_cost, record.cost_currency or record.workspace.currency)

    @display(description="Cost")
    def cost(self, record: UsageRecord) -> str:
        return exact_amount(record.total_cost, record.workspace.currency)

    @display(description="Markup")
    def markup(self, record: UsageRecord) -> str:
        markup = record.markup_percentage
        return "–" if markup is None else f"{quantity(markup)}%"

    @display(description="Price")
    def price(self, record: UsageRecord) -> str:
        return exact_amount(record.final_cost, record.workspace.currency)

    @display(description="Kind", label={"Late": "warning", "Reversal": "danger", "True-up": "info"})
    def flags(self, record: UsageRecord) -> str:
        if record.reverses_id is not None:
            return "Reversal"
        if record.trues_up_id is not None:
            return "True-up"
        return "Late" if record.late else ""

    @display(description="Call")
    def call_id(self, record: UsageRecord) -> str:
        # The call need not exist, so this is not a link to one.
        return str(record.call_id or "–")

    @display(description="Takes back")
    def reverses_id(self, record: UsageRecord) -> str:
        return str(record.reverses_id or "–")

    @display(description="Trues up")
    def trues_up_id(self, record: UsageRecord) -> str:
        return str(record.trues_up_id or "–")


@admin.register(UsageRollup)
class UsageRollupAdmin(UncountedAdmin):
    """Sums by day; one row for each counter slot that took part."""

    list_display = (
        "usage_date",
        "workspace",
        "resource",
        "provider_named",
        "records",
        "amount_used",
        "cost",
        "price",
    )
    list_filter = (
        ("workspace", AutocompleteSelectFilter),
        ("resource_type", ExactTextFilter),
        ("provider", ExactTextFilter),
        ("usage_date", RangeDateFilter),
    )
    # Along the index, read backwards.
    ordering = ("-workspace_id", "-usage_date")
    list_select_related = ("workspace",)
    list_display_links = None

    @display(description="Quantity")
    def amount_used(self, rollup: UsageRollup) -> str:
        return quantity(rollup.quantity)

    @display(description="Cost")
    def cost(self, rollup: UsageRollup) -> str:
        return amount(rollup.total_cost, rollup.workspace.currency)

    @display(description="Price")
    def price(self, rollup: UsageRollup) -> str:
        return amount(rollup.final_cost, rollup.workspace.currency)


@admin.register(CallRollup)
class CallRollupAdmin(UncountedAdmin):
    list_display = (
        "local_date",
        "workspace",
        "provider_named",
        "direction",
        "status",
        "calls",
        "length",
    )
    list_filter = (
        ("workspace", AutocompleteSelectFilter),
        ("status", ExactTextFilter),
        ("direction", ExactTextFilter),
        ("provider", ExactTextFilter),
        ("local_date", RangeDateFilter),
    )
    ordering = ("-workspace_id", "-local_date")
    list_select_related = ("workspace",)
    list_display_links = None

    @display(description="Duration")
    def length(self, rollup: CallRollup) -> str:
        return duration(rollup.duration_seconds)
