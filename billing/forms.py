"""Forms of the owner's pages. They check what was typed; services decide what it means."""

import datetime as dt
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.utils import timezone

from billing.errors import BillingError
from billing.models import OWNER_SCOPES, Workspace, WorkspaceBillingSettings, WorkspaceMember
from billing.models.fields import EmailFormField
from billing.taxnumbers import COUNTRIES
from billing.text import validate_line


def add_refusal(form: forms.BaseForm, refusal: BillingError) -> None:
    """Show what a service refused at its field, or above all of them where it has none here."""
    form.add_error(refusal.field if refusal.field in form.fields else None, refusal.detail)


class SignInForm(AuthenticationForm):
    """Django's own, for people who know themselves by an e-mail address."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.error_messages = {
            "invalid_login": "E-mail address and password do not belong together.",
            "inactive": "This account is no longer active.",
        }
        self.fields["username"] = EmailFormField(
            label="E-mail address",
            widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "username"}),
        )
        self.order_fields(["username", "password"])


class ForgottenForm(forms.Form):
    email = EmailFormField(
        label="E-mail address",
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "username"}),
    )


class LimitsForm(forms.ModelForm):
    """How much may be spent, and what happens before and at that point."""

    class Meta:
        model = WorkspaceBillingSettings
        fields = ["usage_limit_monthly", "alert_threshold_percentage", "auto_pause_on_limit"]

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limit = self.fields["usage_limit_monthly"]
        limit.label = f"Monthly usage limit ({currency})"
        limit.help_text = "What usage may cost in one billing period, without the subscription."
        limit.help_text += " Empty: no limit."
        threshold = self.fields["alert_threshold_percentage"]
        threshold.label = "Alert at (% of the limit)"
        threshold.help_text = "The owners get an e-mail when this much of the limit is used."
        pause = self.fields["auto_pause_on_limit"]
        pause.label = "Pause live agents at the limit"
        pause.help_text = (
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
        labels: ClassVar[dict[str, str]] = {
            "billing_email": "Billing e-mail",
            "billing_name": "Name on the invoice",
            "address_line1": "Street and number",
            "address_line2": "Building, floor, c/o",
            "address_postal_code": "Postal code",
            "address_city": "City",
            "address_state": "State or region",
            "address_country": "Country (two letters)",
            "tax_id": "Tax or VAT number",
        }
        help_texts: ClassVar[dict[str, str]] = {
            "billing_email": "Invoices and reminders go here.",
            "billing_name": "Empty: the workspace's name.",
            "address_country": "ISO 3166, as US or DE.",
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
            raise forms.ValidationError("A country's two letters, as US or DE.", "invalid_country")
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
        labels: ClassVar[dict[str, str]] = {
            "e_invoice_format": "Format",
            "e_invoice_attached": "Attach the XML to invoice e-mails",
            "buyer_reference": "Buyer reference or Leitweg-ID",
            "order_number": "Your order number",
            "electronic_address": "Electronic address",
            "electronic_address_scheme": "Its scheme (EAS code)",
        }
        help_texts: ClassVar[dict[str, str]] = {
            "e_invoice_format": "For software that reads invoices. The PDF comes as always.",
            "e_invoice_attached": "Factur-X is inside the PDF and needs no file of its own.",
            "buyer_reference": "XRechnung wants one.",
            "order_number": "Of the purchase order, if invoices are to name one.",
            "electronic_address": "Where e-invoices go. Empty: the billing e-mail.",
            "electronic_address_scheme": "As 0204 (Leitweg-ID), 9930 (German VAT number).",
        }


class InviteForm(forms.Form):
    email = EmailFormField(
        label="E-mail address", widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    role = forms.ChoiceField(
        choices=WorkspaceMember.Role.choices,
        initial=WorkspaceMember.Role.VIEWER,
        help_text="Viewers look. Admins also change limits, billing details and the payment method."
        " Owners also say who gets in.",
    )


_SCOPE_LABELS = {
    "usage:read": "Usage: records, calls, summaries, admission",
    "billing:read": "Billing: periods, invoices, PDFs",
}


class KeyForm(forms.Form):
    """A key for a program of the workspace's own."""

    name = forms.CharField(
        max_length=100,
        validators=[validate_line],
        help_text="What uses it, as in: nightly report.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label="It may read",
        choices=[(scope, _SCOPE_LABELS[scope]) for scope in OWNER_SCOPES],
        initial=list(OWNER_SCOPES),
        widget=forms.CheckboxSelectMultiple,
    )
    lasts = forms.TypedChoiceField(
        label="Expires",
        coerce=int,
        choices=[(90, "After 90 days"), (365, "After a year"), (30, "After 30 days"), (0, "Never")],
        help_text="It stops by itself then. You can revoke it at any time.",
    )

    def clean_lasts(self) -> Any:
        days = self.cleaned_data["lasts"]
        return timezone.now() + dt.timedelta(days=days) if days else None


class CodeForm(forms.Form):
    token = forms.CharField(
        label="Code",
        max_length=40,
        widget=forms.TextInput(
            attrs={"autofocus": True, "autocomplete": "one-time-code", "inputmode": "text"}
        ),
    )


class PasskeyForm(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=64,
        validators=[validate_line],
        help_text="To tell it from others later: “Work laptop”, “Blue key”.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
