"""Admin pages of workspaces' own prices."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone as clock
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from billing.admin.base import BillingAdmin, EndForm, take_over
from billing.admin.rate_forms import PRICE_ROWS, OverrideForm
from billing.models import PriceOverride
from billing.services import price_assignments
from billing.services.price_rows import in_words


@admin.register(PriceOverride)
class PriceOverrideAdmin(BillingAdmin):
    """A workspace's own price, whatever its card says. It is added and ended, never changed."""

    form = OverrideForm
    list_display = ("workspace", "match_label", "price_shown", "starts_on", "ends_on", "reason")
    list_filter = (("workspace", AutocompleteSelectFilter),)
    search_fields = ("workspace__name", "reason")
    list_select_related = ("workspace",)
    autocomplete_fields = ("workspace",)
    readonly_fields = ("workspace", "match_label", "price_shown", "starts_on", "reason")
    fieldsets = (
        (None, {"fields": ("workspace", ("match_label", "price_shown"))}),
        (None, {"fields": (("starts_on", "ends_on"), "reason")}),
    )
    add_fieldsets = (
        (None, {"fields": ("workspace", ("starts_on", "ends_on"), "reason")}),
        ("Price", {"fields": PRICE_ROWS}),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if change:
            kwargs["form"] = EndForm
        return super().get_form(request, obj, change, **kwargs)

    def save_model(self, request: HttpRequest, obj: PriceOverride, form: Any, change: bool) -> None:
        said = form.cleaned_data
        if change:
            if "ends_on" in form.changed_data:
                price_assignments.end_override(
                    override_id=obj.pk, ends_on=said["ends_on"], now=clock.now()
                )
            return
        override = price_assignments.add_override(
            workspace_id=said["workspace"].pk,
            rate=form.rate,
            starts_on=said["starts_on"],
            ends_on=said["ends_on"],
            reason=said["reason"],
            now=clock.now(),
        )
        take_over(obj, override)

    @display(description="For")
    def match_label(self, override: PriceOverride) -> str:
        return override.match_label

    @display(description="Price")
    def price_shown(self, override: PriceOverride) -> str:
        return in_words(override.price, override.workspace.currency)
