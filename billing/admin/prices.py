"""Admin pages of subscription tiers with their prices, and of the platform's settings."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from billing.admin.base import BillingAdmin
from billing.formats import money, quantity
from billing.models import PlatformSetting, SubscriptionTier, TierChange, TierPrice, Workspace
from billing.money import CURRENCIES, charge_step, from_minor, to_minor


class TierPriceForm(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            fee, currency = self.instance.fee, self.instance.currency
            self.initial["fee"] = from_minor(to_minor(fee, currency), currency)

    def clean_currency(self) -> str:
        currency = str(self.cleaned_data["currency"]).upper()
        if currency not in CURRENCIES:
            raise ValidationError(f"{currency} is not a currency that can be billed.")
        return currency

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        currency, fee = cleaned.get("currency"), cleaned.get("fee")
        if currency and fee is not None and fee % charge_step(currency):
            self.add_error("fee", f"{currency} is charged in steps of {charge_step(currency)}.")
        return cleaned


class TierPriceFormSet(BaseInlineFormSet):
    def clean(self) -> None:
        super().clean()
        for form in self.deleted_forms:
            price = form.instance
            if Workspace.objects.filter(tier=price.tier_id, currency=price.currency).exists():
                raise ValidationError(
                    f"Workspaces on this tier pay in {price.currency}: its price must stay."
                )


class TierPriceInline(TabularInline):
    model = TierPrice
    form = TierPriceForm
    formset = TierPriceFormSet
    extra = 0
    hide_title = True
    verbose_name_plural = "fees"
    fields = ("currency", "fee")


@admin.register(SubscriptionTier)
class SubscriptionTierAdmin(BillingAdmin):
    """A changed price holds for every period that is not yet finalized."""

    list_display = ("name", "description", "prices_shown", "proration", "workspaces")
    search_fields = ("name", "description")
    inlines = (TierPriceInline,)
    fields = (("name", "description"), ("interval", "proration"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[SubscriptionTier]:
        tiers: QuerySet[SubscriptionTier] = super().get_queryset(request)
        return tiers.prefetch_related("prices").annotate(workspace_count=Count("workspace"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        # Internal services create workspaces by the tier's name.
        was_used = TierChange.objects.filter(tier=obj).exists()
        return ("name", "interval") if was_used else ("name",)

    @display(description="Fee")
    def prices_shown(self, tier: SubscriptionTier) -> str:
        prices = ", ".join(money(price.fee, price.currency) for price in tier.prices.all())
        return f"{prices} a {tier.interval}" if prices else "–"

    @display(description="Workspaces", ordering="workspace_count")
    def workspaces(self, tier: Any) -> int:
        return int(tier.workspace_count)


class PlatformSettingForm(forms.ModelForm):
    """A number, but for what owners see, which is a choice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.name == PlatformSetting.OWNERS_SEE_COST and "value" in self.fields:
            self.fields["value"] = forms.TypedChoiceField(
                label="Value",
                choices=list(_OWNERS_SEE.items()),
                coerce=int,
                initial=int(self.instance.value),
                widget=UnfoldAdminSelectWidget,
                help_text="Of usage: its price, or what providers charge for it and the markup"
                " too. A workspace may have another setting of its own.",
            )
            self.initial["value"] = int(self.instance.value)


_OWNERS_SEE = {0: "Price", 1: "Price and cost"}


@admin.register(PlatformSetting)
class PlatformSettingAdmin(BillingAdmin):
    """A changed markup holds for records from now on: history keeps what it was priced with."""

    form = PlatformSettingForm
    list_display = ("setting", "shown_value", "updated_at")
    fields = ("setting", "value", "updated_at")
    readonly_fields = ("setting", "updated_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="Setting")
    def setting(self, setting: PlatformSetting) -> str:
        return setting.get_name_display()

    @display(description="Value", ordering="value")
    def shown_value(self, setting: PlatformSetting) -> str:
        if setting.name == PlatformSetting.OWNERS_SEE_COST:
            return _OWNERS_SEE[int(setting.value)]
        return f"{quantity(setting.value)}%"
