"""Forms of a workspace's pages. They check what was typed; services decide what it means."""

import datetime as dt
from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from billing.e_invoices import check_electronic_address
from billing.errors import BillingError, Invalid
from billing.formats import word
from billing.models import OWNER_SCOPES, Workspace, WorkspaceBillingSettings, WorkspaceMember
from billing.models.fields import EmailFormField
from billing.taxnumbers import COUNTRIES
from billing.text import validate_line


def add_refusal(form: forms.BaseForm, refusal: BillingError) -> None:
    """Show what a service refused at its field, or above all of them where it has none here."""
    form.add_error(refusal.field if refusal.field in form.fields else None, refusal.detail)


class LimitsForm(forms.ModelForm):
    """How much may be spent, and what happens before and at that point."""

    class Meta:
        model = WorkspaceBillingSettings
        fields = ["usage_limit_monthly", "alert_threshold_percentage", "auto_pause_on_limit"]

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limit = self.fields["usage_limit_monthly"]
        limit.label = _("Monthly usage limit ({currency})").format(currency=currency)
        limit.help_text = _("What usage may cost in one billing period, without the subscription.")
        limit.help_text += " " + _("Empty: no limit.")
        threshold = self.fields["alert_threshold_percentage"]
        threshold.label = _("Alert at (% of the limit)")
        threshold.help_text = _("The owners get an e-mail when this much of the limit is used.")
        pause = self.fields["auto_pause_on_limit"]
        pause.label = _("Pause live agents at the limit")
        pause.help_text = _(
            "They come back by themselves when the next period begins or the limit is raised."
        )
        for name in ("usage_limit_monthly", "alert_threshold_percentage"):
            value = self.initial.get(name)
            if value is not None:
                self.initial[name] = f"{value.normalize():f}"
            self.fields[name].widget = forms.TextInput(attrs={"inputmode": "decimal"})


class BillingDetailsForm(forms.ModelForm):
    """Who invoices are addressed and sent to."""

    class Meta:
        model = Workspace
        fields = [
            "billing_email",
            "billing_name",
            "address_line1",
            "address_line2",
            "address_postal_code",
            "address_city",
            "address_state",
            "address_country",
            "tax_id",
        ]
        labels: ClassVar[dict[str, Any]] = {
            "billing_email": _lazy("Billing e-mail"),
            "billing_name": _lazy("Name on the invoice"),
            "address_line1": _lazy("Street and number"),
            "address_line2": _lazy("Building, floor, c/o"),
            "address_postal_code": _lazy("Postal code"),
            "address_city": _lazy("City"),
            "address_state": _lazy("State or region"),
            "address_country": _lazy("Country (two letters)"),
            "tax_id": _lazy("Tax or VAT number"),
        }
        help_texts: ClassVar[dict[str, Any]] = {
            "billing_email": _lazy("Invoices and reminders go here."),
            "billing_name": _lazy("Empty: the workspace's name."),
            "address_country": _lazy("ISO 3166, as US or DE."),
        }
        widgets: ClassVar[dict[str, forms.Widget]] = {
            "billing_email": forms.TextInput(attrs={"autocomplete": "email"}),
            "billing_name": forms.TextInput(attrs={"autocomplete": "organization"}),
            "address_line1": forms.TextInput(attrs={"autocomplete": "address-line1"}),
            "address_line2": forms.TextInput(attrs={"autocomplete": "address-line2"}),
            "address_postal_code": forms.TextInput(attrs={"autocomplete": "postal-code"}),
            "address_city": forms.TextInput(attrs={"autocomplete": "address-level2"}),
            "address_state": forms.TextInput(attrs={"autocomplete": "address-level1"}),
            "address_country": forms.TextInput(attrs={"autocomplete": "country"}),
        }

    def clean_address_country(self) -> str:
        country: str = self.cleaned_data["address_country"].strip().upper()
        if country and country not in COUNTRIES:
            raise forms.ValidationError(
                _("A country's two letters, as US or DE."), "invalid_country"
            )
        return country


class EInvoiceForm(forms.ModelForm):
    """In which form invoices come, and what they name."""

    class Meta:
        model = Workspace
        fields = [
            "e_invoice_format",
            "e_invoice_attached",
            "buyer_reference",
            "order_number",
            "electronic_address",
            "electronic_address_scheme",
        ]
        labels: ClassVar[dict[str, Any]] = {
            "e_invoice_format": _lazy("Format"),
            "e_invoice_attached": _lazy("Attach the XML to invoice e-mails"),
            "buyer_reference": _lazy("Buyer reference or Leitweg-ID"),
            "order_number": _lazy("Your order number"),
            "electronic_address": _lazy("Electronic address"),
            "electronic_address_scheme": _lazy("Its scheme (EAS code)"),
        }
        help_texts: ClassVar[dict[str, Any]] = {
            "e_invoice_format": _lazy("For software that reads invoices. The PDF comes as always."),
            "e_invoice_attached": _lazy("Factur-X is inside the PDF and needs no file of its own."),
            "buyer_reference": _lazy("XRechnung wants one."),
            "order_number": _lazy("Of the purchase order, if invoices are to name one."),
            "electronic_address": _lazy("Where e-invoices go. Empty: the billing e-mail."),
            "electronic_address_scheme": _lazy("As 0204 (Leitweg-ID), 9930 (German VAT number)."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        formats: Any = self.fields["e_invoice_format"]
        formats.choices = [(value, word(label)) for value, label in formats.choices]

    def clean(self) -> dict[str, Any]:
        """Asked here too: else the name of the database's constraint would be the answer."""
        given = self.cleaned_data
        try:
            check_electronic_address(
                given.get("electronic_address", ""), given.get("electronic_address_scheme", "")
            )
        except Invalid as refusal:
            add_refusal(self, refusal)
        return given


def _roles() -> list[tuple[str, str]]:
    return [(value, word(label)) for value, label in WorkspaceMember.Role.choices]


class InviteForm(forms.Form):
    email = EmailFormField(
        label=_lazy("E-mail address"), widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    role = forms.ChoiceField(
        choices=_roles,
        initial=WorkspaceMember.Role.VIEWER,
        help_text=_lazy(
            "Viewers look. Admins also change limits, billing details and the payment method."
            " Owners also say who gets in."
        ),
    )


_SCOPE_LABELS = {
    "usage:read": _lazy("Usage: records, calls, summaries, admission"),
    "billing:read": _lazy("Billing: periods, invoices, PDFs"),
}


class KeyForm(forms.Form):
    """A key for a program of the workspace's own."""

    name = forms.CharField(
        max_length=100,
        validators=[validate_line],
        help_text=_lazy("What uses it, as in: nightly report."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=_lazy("It may read"),
        choices=[(scope, _SCOPE_LABELS[scope]) for scope in OWNER_SCOPES],
        initial=list(OWNER_SCOPES),
        widget=forms.CheckboxSelectMultiple,
    )
    lasts = forms.TypedChoiceField(
        label=_lazy("Expires"),
        coerce=int,
        choices=[
            (90, _lazy("After 90 days")),
            (365, _lazy("After a year")),
            (30, _lazy("After 30 days")),
            (0, _lazy("Never")),
        ],
        help_text=_lazy("It stops by itself then. You can revoke it at any time."),
    )

    def clean_lasts(self) -> Any:
        days = self.cleaned_data["lasts"]
        return timezone.now() + dt.timedelta(days=days) if days else None
