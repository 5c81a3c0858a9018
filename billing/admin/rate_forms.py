"""Forms of rates, in which a price is said as a contract says it."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from billing.models import PriceOverride, Rate
from billing.pricing import Matched
from billing.services.price_rows import COLUMNS, MODELS, rate_of, row_of
from billing.services.rate_card_rules import NewRate, whole_month_faults
from billing.services.sheets import BadRow


def _text(label: str, help_text: str = "", **kwargs: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=64,
        help_text=help_text,
        widget=UnfoldAdminTextInputWidget(),
        **kwargs,
    )


class PriceForm(forms.ModelForm):
    """What a price is for, and the price. `rate` is what was said, once it is valid."""

    rate: NewRate

    resource_type = _text("Resource type", "As call_minutes. Empty: any use.")
    provider = _text("Provider", "As twilio. Empty: any.")
    price_model = forms.ChoiceField(
        label="Price", choices=list(MODELS.items()), widget=UnfoldAdminSelectWidget()
    )
    amount = _text("Amount", "A unit's price, a package's, or the markup in percent.")
    size = _text("Package size", "Units in a package.")
    tiers = forms.CharField(
        label="Tiers",
        required=False,
        max_length=5000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "cols": 30}),
        help_text="One a line: up to 1000: 0.02, then above: 0.015. With + 5 behind it, 5 is added"
        " once when the tier is reached.",
    )
    increment_first = _text("Billed for at least", "Units. 0.5 of a minute is 30 seconds.")
    increment_step = _text("then in steps of", "Units. 0.1 of a minute is 6 seconds.")
    fixed = _text("Plus a record", "Added to each.")
    min_amount = _text("At least a record")
    max_amount = _text("At most a record")
    included = _text("Included each month", "Units that are free; taken first.")
    min_margin_percentage = _text(
        "Least margin, percent", "A record that leaves less is recorded and counted for finance."
    )

    class Meta:
        model = Rate
        fields = ("resource_type", "provider")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        instance = kwargs.get("instance")
        if instance is not None and instance.price_json:
            row = row_of(Matched(*instance.match), instance.price, instance.min_margin_percentage)
            row["tiers"] = row["tiers"].replace("; ", "\n")
            kwargs["initial"] = {**row, **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        row = {column: str(cleaned.get(column) or "") for column in COLUMNS}
        try:
            self.rate = rate_of(row)
        except BadRow as error:
            for column, detail in error.faults:
                self.add_error(column if column in self.fields else None, detail)
        return cleaned

    def _post_clean(self) -> None:
        """The rate is checked as a whole, and saved by a service."""


class OverrideForm(PriceForm):
    class Meta:
        model = PriceOverride
        fields = ("workspace", "starts_on", "ends_on", "reason")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            for fault in whole_month_faults(self.rate.match, self.rate.price):
                self.add_error("included" if self.rate.price.included else None, fault.detail)
        return cleaned


PRICE_ROWS = (
    ("resource_type", "provider"),
    ("price_model", "amount", "size"),
    ("tiers", "included"),
    ("increment_first", "increment_step", "fixed"),
    ("min_amount", "max_amount", "min_margin_percentage"),
)
