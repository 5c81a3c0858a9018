"""Admin pages of the cost card and of exchange rates."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone as clock
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateFilter
from unfold.decorators import action, display

from billing.admin.base import BillingAdmin, EndForm, ExactTextFilter, go_to, take_over
from billing.admin.dialogs import SheetForm
from billing.costs import costs_in_use
from billing.errors import BillingError
from billing.exports import sheet_response
from billing.formats import exact_money, quantity
from billing.models import ExchangeRate, ProviderCost
from billing.services import exchange_rates, provider_costs
from billing.services.exchange_rates import NewExchangeRate
from billing.services.provider_costs import NewCost

_EXPORT = "Export CSV"
_IMPORT = "Import CSV"


class SheetAdmin(BillingAdmin):
    """Rows that come and go as CSV too. What is there is not deleted."""

    actions_list: tuple[str, ...] = ("export_csv", "import_csv")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def take_in(self, request: HttpRequest, service: Callable[[], str]) -> HttpResponse:
        """Run the import, say how it went and go back to the list."""
        try:
            messages.success(request, service())
        except BillingError as error:
            messages.error(request, f"Nothing was imported. {error.detail}")
        page = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        return go_to(request, page)


class CostForm(forms.ModelForm):
    """The service checks the row, and that it does not overlap."""

    cost: NewCost

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if self.errors:
            return said
        owner = said.pop("workspace")
        self.cost = provider_costs.normalized(
            NewCost(workspace_id=owner.pk if owner else None, **said)
        )
        for field, _, detail in provider_costs.faults_of(self.cost, {owner.pk} if owner else set()):
            self.add_error(field, detail)
        return said

    def _post_clean(self) -> None:
        """Nothing of the model: a cost takes the place of another."""


class HoldsFilter(admin.SimpleListFilter):
    title = "holds"
    parameter_name = "holds"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("now", "Now"), ("later", "Later"), ("ended", "Ended")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        today = clock.now().date()
        match self.value():
            case "now":
                return queryset.filter(starts_on__lte=today).exclude(ends_on__lte=today)
            case "later":
                return queryset.filter(starts_on__gt=today)
            case "ended":
                return queryset.filter(ends_on__lte=today)
        return queryset


@admin.register(ProviderCost)
class ProviderCostAdmin(SheetAdmin):
    """A new cost ends the one before it; of what is there only the end changes."""

    list_display = ("use_label", "cost", "starts_on", "ends_on", "whose")
    list_filter = (
        HoldsFilter,
        ("provider", ExactTextFilter),
        ("resource_type", ExactTextFilter),
        ("workspace", AutocompleteSelectFilter),
    )
    search_fields = ("provider", "resource_type", "model", "workspace__name")
    list_select_related = ("workspace",)
    autocomplete_fields = ("workspace",)
    fieldsets = (
        (
            None,
            {
                "fields": (("use_label", "cost"), ("starts_on", "ends_on"), "whose"),
                "description": "A cost that ends on its own first day holds never: so it is taken"
                " back.",
            },
        ),
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": (
                    ("provider", "resource_type", "model"),
                    ("unit_cost", "currency"),
                    ("starts_on", "ends_on"),
                    "workspace",
                ),
                "description": "It holds from its day on, in place of what the card says from"
                " then. What was recorded before keeps its cost.",
            },
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("use_label", "cost", "starts_on", "whose") if obj else ()

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kwargs["form"] = EndForm if change else CostForm
        return super().get_form(request, obj, change, **kwargs)

    def save_model(self, request: HttpRequest, obj: ProviderCost, form: Any, change: bool) -> None:
        if change:
            if "ends_on" in form.changed_data:
                provider_costs.end_cost(cost_id=obj.pk, ends_on=form.cleaned_data["ends_on"])
            return
        take_over(obj, provider_costs.set_costs(costs=[form.cost], now=clock.now()).costs[0])

    @display(description="For", ordering="provider")
    def use_label(self, cost: ProviderCost) -> str:
        return cost.use_label

    @display(description="A unit costs")
    def cost(self, cost: ProviderCost) -> str:
        return exact_money(cost.unit_cost, cost.currency)

    @display(description="Workspace")
    def whose(self, cost: ProviderCost) -> str:
        return str(cost.workspace or "all")

    @action(description=_EXPORT, icon="download", permissions=["view"])
    def export_csv(self, request: HttpRequest) -> HttpResponse:
        return sheet_response("provider-costs.csv", provider_costs.costs_csv(costs_in_use()))

    @action(
        description=_IMPORT,
        icon="upload",
        permissions=["add"],
        dialog={
            "title": "Import costs",
            "description": "Each holds from its day on, in place of what the card says from then;"
            " what is there already changes nothing. Export to see how it is laid out.",
            "form_class": SheetForm,
            "form_submit_text": "Import",
        },
    )
    def import_csv(self, request: HttpRequest, form: SheetForm) -> HttpResponse:
        def service() -> str:
            costs = provider_costs.costs_from_csv(form.cleaned_data["lines"].encode())
            result = provider_costs.set_costs(costs=costs, now=clock.now())
            known = len(result.costs) - result.added
            return f"{result.added} costs were added; {known} were there before."

        return self.take_in(request, service)


class ExchangeRateForm(forms.ModelForm):
    exchange_rate: NewExchangeRate

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if self.errors:
            return said
        facts = {name: getattr(self.instance, name) for name in NewExchangeRate._fields} | said
        self.exchange_rate = exchange_rates.normalized(NewExchangeRate(**facts))
        for field, _, detail in exchange_rates.faults_of(self.exchange_rate):
            self.add_error(field, detail)
        return said

    def _post_clean(self) -> None:
        """The service checks the row; one for the same day is replaced."""


@admin.register(ExchangeRate)
class ExchangeRateAdmin(SheetAdmin):
    """What was recorded keeps the rate that it was recorded with."""

    form = ExchangeRateForm
    list_display = ("day", "from_currency", "to_currency", "rate_shown")
    list_filter = (
        ("from_currency", ExactTextFilter),
        ("to_currency", ExactTextFilter),
        ("day", RangeDateFilter),
    )
    fields = (("from_currency", "to_currency"), ("day", "rate"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("from_currency", "to_currency", "day") if obj else ()

    def save_model(self, request: HttpRequest, obj: ExchangeRate, form: Any, change: bool) -> None:
        rates = [form.exchange_rate]
        take_over(obj, exchange_rates.set_exchange_rates(rates=rates, now=clock.now())[0])

    @display(description="One unit is worth", ordering="rate")
    def rate_shown(self, rate: ExchangeRate) -> str:
        return quantity(rate.rate)

    @action(description=_EXPORT, icon="download", permissions=["view"])
    def export_csv(self, request: HttpRequest) -> HttpResponse:
        rows = ExchangeRate.objects.order_by("day", "from_currency", "to_currency")
        return sheet_response("exchange-rates.csv", exchange_rates.exchange_rates_csv(rows))

    @action(
        description=_IMPORT,
        icon="upload",
        permissions=["add"],
        dialog={
            "title": "Import exchange rates",
            "description": "A rate for a day that has one takes its place. Columns:"
            " from_currency, to_currency, day, rate.",
            "form_class": SheetForm,
            "form_submit_text": "Import",
        },
    )
    def import_csv(self, request: HttpRequest, form: SheetForm) -> HttpResponse:
        def service() -> str:
            rates = exchange_rates.exchange_rates_from_csv(form.cleaned_data["lines"].encode())
            exchange_rates.set_exchange_rates(rates=rates, now=clock.now())
            return f"{len(rates)} exchange rates were imported."

        return self.take_in(request, service)
