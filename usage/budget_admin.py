"""Admin pages of budgets and of the levels that were reached: workspaces' own, to look at."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.decorators import display

from billing.admin.base import FrozenAdmin, amount
from billing.formats import percent_sign, quantity
from usage.models import Budget, BudgetEvent
from usage.queries.budgets import host_of
from usage.services.budget_notifications import subject_of


@admin.register(Budget)
class BudgetAdmin(FrozenAdmin):
    list_display = ("name", "workspace", "counts", "each", "of", "at", "paused")
    list_filter = ("scope", "period", ("workspace", AutocompleteSelectFilter))
    search_fields = ("name", "workspace__name", "=id")
    list_select_related = ("workspace", "agent", "state")
    fields = (
        ("name", "workspace"),
        ("counts", "each", "of"),
        ("at", "paused"),
        ("told", "webhook"),
        ("id", "created_at", "changed_at"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Budget]:
        budgets: QuerySet[Budget] = super().get_queryset(request)
        return budgets.prefetch_related("levels")

    @display(description="Counts")
    def counts(self, budget: Budget) -> str:
        return subject_of(budget)

    @display(description="Per", ordering="period")
    def each(self, budget: Budget) -> str:
        return budget.get_period_display()

    @display(description="Amount", ordering="amount")
    def of(self, budget: Budget) -> str:
        return amount(budget.amount, budget.workspace.currency)

    @display(description="Levels")
    def at(self, budget: Budget) -> str:
        return ", ".join(
            f"{quantity(level.percentage)}{percent_sign()}{' (pauses)' if level.pauses else ''}"
            for level in budget.levels.all()
        )

    @display(description="Pauses agents until")
    def paused(self, budget: Budget) -> str:
        state = getattr(budget, "state", None)
        if state is None or state.paused_until is None:
            return "–"
        return f"{state.paused_until:%Y-%m-%d %H:%M} UTC"

    @display(description="Tells")
    def told(self, budget: Budget) -> str:
        recipients = budget.recipients.select_related("member__user")
        return (
            ", ".join(each.member.user.email if each.member else each.email for each in recipients)
            or "–"
        )

    @display(description="Webhook")
    def webhook(self, budget: Budget) -> str:
        if not budget.webhook_kind:
            return "–"
        return f"{budget.get_webhook_kind_display()}, at {host_of(budget)}"


@admin.register(BudgetEvent)
class BudgetEventAdmin(FrozenAdmin):
    list_display = ("created_at", "workspace", "budget", "level", "spent", "of", "does")
    list_filter = (
        "notifies",
        "pauses",
        ("workspace", AutocompleteSelectFilter),
        ("created_at", RangeDateTimeFilter),
    )
    search_fields = ("budget__name", "workspace__name")
    list_select_related = ("workspace", "budget")
    fields = (
        ("workspace", "budget"),
        ("level", "spent", "of"),
        ("period_start", "does", "created_at"),
    )

    @display(description="Level", ordering="percentage")
    def level(self, event: BudgetEvent) -> str:
        return f"{quantity(event.percentage)}{percent_sign()}"

    @display(description="Spend then", ordering="spend")
    def spent(self, event: BudgetEvent) -> str:
        return amount(event.spend, event.workspace.currency)

    @display(description="Amount then", ordering="amount")
    def of(self, event: BudgetEvent) -> str:
        return amount(event.amount, event.workspace.currency)

    @display(description="Did")
    def does(self, event: BudgetEvent) -> str:
        did = [("tell", event.notifies), ("pause", event.pauses)]
        return " and ".join(name for name, it_did in did if it_did)
