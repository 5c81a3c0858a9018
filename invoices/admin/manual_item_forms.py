"""Forms in which lines by hand are asked for, and taken back."""

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from billing.admin.dialogs import DialogForm, MonthWidget, OnceForm
from billing.formats import money
from billing.models import ManualItem, Workspace
from billing.rating.taxes import EXEMPT
from billing.text import UnfitText, printable_line
from invoices.services import manual_lines
from invoices.services.manual_lines import ManualLine


def tax_class_name(tax_class: str) -> str:
    if tax_class == EXEMPT:
        return "Exempt from tax"
    return f"{tax_class.replace('_', ' ')} rate".capitalize()


class LineForm(OnceForm):
    kind = forms.ChoiceField(
        label="What", choices=ManualItem.Kind.choices, widget=UnfoldAdminSelectWidget
    )
    description = forms.CharField(
        label="As the invoice says it", max_length=200, widget=UnfoldAdminTextInputWidget
    )
    net = forms.DecimalField(
        label="Amount, before tax",
        max_digits=14,
        decimal_places=3,
        min_value=0,
        widget=UnfoldAdminDecimalFieldWidget,
    )
    tax_class = forms.ChoiceField(
        label="Rate of tax, where any is charged", widget=UnfoldAdminSelectWidget
    )
    month = forms.DateField(
        label="Month it is billed with",
        required=False,
        input_formats=["%Y-%m", "%Y-%m-%d"],
        widget=MonthWidget,
        help_text="Empty: the next month that closes.",
    )
    reason = forms.CharField(
        label="Why, for colleagues and auditors",
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
    )
    field_order = ("kind", "description", "net", "tax_class", "month", "reason", "key")

    def __init__(self, request: Any, object_id: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        known: Any = self.fields["tax_class"]
        known.choices = [(name, tax_class_name(name)) for name in manual_lines.known_tax_classes()]
        workspace = (
            Workspace.objects.select_related("billing_settings").filter(pk=object_id).first()
        )
        if workspace is not None:
            tax = "tax included" if workspace.billing_settings.prices_include_tax else "before tax"
            limit = money(Decimal(settings.MANUAL_ITEM_APPROVAL_ABOVE), workspace.currency)
            self.fields["net"].label = f"Amount in {workspace.currency}, {tax}"
            self.fields[
                "net"
            ].help_text = f"Above {limit} it waits until somebody else approves it."

    def clean_description(self) -> str:
        try:
            return printable_line(self.cleaned_data["description"])
        except UnfitText as error:
            raise forms.ValidationError(str(error)) from None

    def line(self) -> ManualLine:
        said = self.cleaned_data
        kind = said.get("kind", ManualItem.Kind.CHARGE)
        return ManualLine(kind, said["description"], said["net"], said["tax_class"])


class OneOffForm(LineForm):
    def __init__(self, request: Any, object_id: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        del self.fields["kind"], self.fields["month"]


class CancelForm(DialogForm):
    reason = forms.CharField(
        label="Why it is taken back", max_length=500, widget=UnfoldAdminTextInputWidget
    )
