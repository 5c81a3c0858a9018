"""Admin page of limit alerts, as they were raised."""

from django.contrib import admin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.decorators import display

from billing.admin.base import FrozenAdmin, amount
from billing.models import LimitAlert


@admin.register(LimitAlert)
class LimitAlertAdmin(FrozenAdmin):
    list_display = ("created_at", "workspace", "state", "spent", "limit", "month")
    list_filter = (
        "kind",
        ("workspace", AutocompleteSelectFilter),
        ("created_at", RangeDateTimeFilter),
    )
    search_fields = ("workspace__name", "workspace__billing_email")
    list_select_related = ("workspace", "period__workspace")
    fields = (
        ("workspace", "period"),
        ("state", "spent", "limit", "threshold_percentage"),
        "created_at",
    )

    @display(description="Kind", ordering="kind", label={"Threshold": "warning", "Limit": "danger"})
    def state(self, alert: LimitAlert) -> str:
        return alert.get_kind_display()

    @display(description="Spend then", ordering="spend")
    def spent(self, alert: LimitAlert) -> str:
        return amount(alert.spend, alert.workspace.currency)

    @display(description="Limit then")
    def limit(self, alert: LimitAlert) -> str:
        return amount(alert.usage_limit, alert.workspace.currency)

    @display(description="Period")
    def month(self, alert: LimitAlert) -> str:
        return alert.period.label
