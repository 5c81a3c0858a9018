"""Admin page of billing periods: live totals while they run, frozen ones after their close."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone as clock
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.decorators import display

from billing.admin.base import (
    PERIOD_LABELS,
    FrozenAdmin,
    FrozenInlineMixin,
    amount,
    labels,
    unbroken,
    when,
)
from billing.admin.kept import kept
from billing.formats import quantity
from billing.models import BillingPeriod, LimitAlert
from billing.queries import with_totals


class StageFilter(admin.SimpleListFilter):
    """Where a period stands on its way to being closed."""

    title = "stage"
    parameter_name = "stage"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("running", "Running"),
            ("ended", "Ended, not closed"),
            ("blocked", "Close failed"),
            ("closed", "Closed"),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[BillingPeriod]
    ) -> QuerySet[BillingPeriod]:
        current = Q(status=BillingPeriod.Status.CURRENT)
        match self.value():
            case "running":
                return queryset.filter(current, period_end__gt=clock.now())
            case "ended":
                return queryset.filter(current, period_end__lte=clock.now())
            case "blocked":
                return queryset.filter(current, close_failed_at__isnull=False)
            case "closed":
                return queryset.exclude(current)
        return queryset


class AlertInline(FrozenInlineMixin, TabularInline):
    model = LimitAlert
    fields = ("kind", "spent", "limit", "threshold", "created_at")
    readonly_fields = fields
    verbose_name_plural = "limit alerts"

    @display(description="Spend then")
    def spent(self, alert: LimitAlert) -> str:
        return amount(alert.spend, alert.period.workspace.currency)

    @display(description="Limit then")
    def limit(self, alert: LimitAlert) -> str:
        return amount(alert.usage_limit, alert.period.workspace.currency)

    @display(description="Threshold")
    def threshold(self, alert: LimitAlert) -> str:
        return f"{quantity(alert.threshold_percentage)}%"


class BillingPeriodAdmin(FrozenAdmin):
    """Registered, with the month end's actions, by the invoices' admin."""

    list_display = (
        "month",
        "workspace",
        "state",
        "usage",
        "fee",
        "total",
        "ends",
        "problem",
    )
    list_filter = (
        StageFilter,
        "status",
        ("workspace", AutocompleteSelectFilter),
        ("period_end", RangeDateTimeFilter),
    )
    # Of closed ones: what runs is counted elsewhere, and not final.
    list_sums = (
        *(("Usage, closed", "subtotal"), ("Fees, closed", "subscription_fee")),
        ("Total, closed", "total_amount"),
    )
    sums_by = "workspace__currency"
    search_fields = ("workspace__name", "workspace__billing_email", "=id", "=stripe_invoice_id")
    search_help_text = "Workspace, billing e-mail, id or Stripe invoice id"
    list_select_related = ("workspace",)
    list_is_one_for_all = True
    ordering = ("-period_start", "id")
    inlines = (AlertInline,)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("workspace", "state", "tier"),
                    ("starts", "ends"),
                    ("usage", "fee", "add_ons", "discounted"),
                    ("shortfall", "by_hand", "credit", "total"),
                    "lines",
                    ("finalized_at", "paid_at"),
                    ("stripe_invoice_id", "id"),
                )
            },
        ),
        ("Close", {"fields": (("problem", "close_failed_at"),)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[BillingPeriod]:
        rows = super().get_queryset(request)
        found: QuerySet[BillingPeriod] = kept(
            ("periods", str(rows.query.order_by)),
            lambda: with_totals(rows).select_related("workspace", "tier"),
        )
        return found.all()

    @display(description="Month", ordering="period_start")
    def month(self, period: BillingPeriod) -> str:
        return unbroken(period.label)

    @display(description="Status", ordering="status", label=labels(PERIOD_LABELS))
    def state(self, period: BillingPeriod) -> str:
        return BillingPeriod.Status(period.status).label

    @display(description="Usage", ordering="live_subtotal")
    def usage(self, period: Any) -> str:
        return amount(period.live_subtotal, period.workspace.currency)

    @display(description="Subscription")
    def fee(self, period: Any) -> str:
        return amount(period.live_fee, period.workspace.currency)

    @display(description="Add-ons")
    def add_ons(self, period: Any) -> str:
        return amount(period.live_add_ons, period.workspace.currency)

    @display(description="Discounts")
    def discounted(self, period: Any) -> str:
        return amount(period.live_discounts, period.workspace.currency)

    @display(description="Minimum commitment, not used")
    def shortfall(self, period: Any) -> str:
        return amount(period.live_shortfall, period.workspace.currency)

    @display(description="Added by hand")
    def by_hand(self, period: Any) -> str:
        return amount(period.live_manual, period.workspace.currency)

    @display(description="Fees and discounts, line by line")
    def lines(self, period: Any) -> str:
        currency = period.workspace.currency
        lines = [
            (charge.description, amount(charge.amount, currency)) for charge in period.live_charges
        ]
        return format_html_join(mark_safe("<br>"), "{}: {}", lines) or "–"

    @display(description="Credit brought forward")
    def credit(self, period: BillingPeriod) -> str:
        return amount(period.credit_brought_forward, period.workspace.currency)

    @display(description="Total", ordering="total_amount")
    def total(self, period: Any) -> str:
        return amount(period.live_total, period.workspace.currency)

    @display(description="Starts (UTC)")
    def starts(self, period: BillingPeriod) -> str:
        return when(period.period_start)

    @display(description="Ends (UTC)", ordering="period_end")
    def ends(self, period: BillingPeriod) -> str:
        return when(period.period_end)

    @display(description="Problem")
    def problem(self, period: BillingPeriod) -> str:
        return period.close_error or "–"
