"""Admin page of issuing entities, which shows what their documents look like."""

import base64
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from billing.admin.base import BillingAdmin
from billing.e_invoices import check_electronic_address
from billing.errors import Invalid
from billing.languages import Language
from billing.logos import MAX_BYTES, NotALogo, clean_logo
from billing.models import IssuerBankAccount, IssuingEntity
from billing.services.issuers import check_series, set_logo
from billing.stripe_accounts import configured_accounts
from invoices.pdf import pdf_response
from invoices.specimen import render_specimen


class EntityForm(forms.ModelForm):
    # What the settings have, whatever the database says; a name that is gone is shown as such.
    stripe_account = forms.ChoiceField(
        label="Stripe account",
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Where its customers' cards are charged. What it has issued stays in the account"
        " it was issued for, and cards on file do not move: owners enter one anew.",
    )
    new_logo = forms.FileField(
        label="Logo",
        required=False,
        widget=UnfoldAdminFileFieldWidget,
        help_text=f"PNG, at most {MAX_BYTES // 1024} KB; 14 mm high on paper.",
    )
    no_logo = forms.BooleanField(label="Without a logo", required=False)

    class Meta:
        model = IssuingEntity
        fields = (
            "code",
            "series",
            "name",
            "address_line1",
            "address_line2",
            "address_postal_code",
            "address_city",
            "address_state",
            "address_country",
            "tax_id",
            "tax_number",
            "register",
            "directors",
            "contact_name",
            "email",
            "phone",
            "website",
            "electronic_address",
            "electronic_address_scheme",
            "colour",
            "legal_text",
            "footer",
            "custom_fields",
            "stripe_account",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("stripe_account")
        if isinstance(field, forms.ChoiceField):
            names: list[str] = list(configured_accounts())
            choices = [(name, name) for name in names]
            if (own := self.instance.stripe_account) not in names:
                choices.append((own, f"{own} (not in the settings)"))
            field.choices = choices

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        try:
            check_electronic_address(
                self.cleaned_data.get("electronic_address", ""),
                self.cleaned_data.get("electronic_address_scheme", ""),
            )
        except Invalid as error:
            self.add_error(error.field, ValidationError(error.detail, code=error.code))
        return cleaned

    def clean_stripe_account(self) -> str:
        return str(self.cleaned_data["stripe_account"] or self.instance.stripe_account)

    def clean_colour(self) -> str:
        return str(self.cleaned_data["colour"]).lower()

    def clean_new_logo(self) -> bytes:
        file = self.cleaned_data["new_logo"]
        if not file:
            return b""
        try:
            # One byte more than is taken, so that nothing large is ever read.
            return clean_logo(file.read(MAX_BYTES + 1))
        except NotALogo as error:
            raise ValidationError(str(error), code="not_a_logo") from None

    def clean_series(self) -> str:
        series = str(self.cleaned_data["series"])
        try:
            check_series(series)
        except Invalid as error:
            raise ValidationError(error.detail, code=error.code) from None
        return series


class BankAccountInline(TabularInline):
    model = IssuerBankAccount
    verbose_name = "bank account"
    verbose_name_plural = "bank accounts"
    extra = 0
    fields = ("currency", "bank", "iban", "bic", "account")


@admin.register(IssuingEntity)
class IssuingEntityAdmin(BillingAdmin):
    list_display = ("code", "name", "series", "country", "stripe_account", "shown_logo")
    search_fields = ("code", "name", "series")
    form = EntityForm
    inlines = (BankAccountInline,)
    actions_detail = tuple(f"specimen_{language}" for language in Language.values)
    fieldsets = (
        (
            None,
            {
                "fields": (("code", "series"), "name"),
                "description": "Documents that are issued from now on look like this; those"
                " already issued stay as they are. A workspace is given to it on its own page, for"
                " periods that open from then on.",
            },
        ),
        (
            "Payments",
            {
                "fields": ("stripe_account",),
                "description": "Cards are charged in this Stripe account, and paid out to the"
                " company that owns it. Accounts and their keys are in the settings.",
            },
        ),
        (
            "Address",
            {
                "fields": (
                    ("address_line1", "address_line2"),
                    ("address_postal_code", "address_city"),
                    ("address_state", "address_country"),
                )
            },
        ),
        (
            "Registered as",
            {"fields": (("tax_id", "tax_number"), ("register", "directors"))},
        ),
        ("Whom to ask", {"fields": (("contact_name", "email"), ("phone", "website"))}),
        ("E-invoices", {"fields": (("electronic_address", "electronic_address_scheme"),)}),
        (
            "Looks",
            {
                "fields": (
                    "shown_logo",
                    ("new_logo", "no_logo"),
                    "colour",
                    "legal_text",
                    "footer",
                    "custom_fields",
                )
            },
        ),
    )
    readonly_fields = ("shown_logo",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*self.readonly_fields, "code", "series") if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # documents were issued by it

    def save_model(self, request: HttpRequest, obj: IssuingEntity, form: Any, change: bool) -> None:
        if form.cleaned_data["no_logo"] or form.cleaned_data["new_logo"]:
            set_logo(obj, form.cleaned_data["new_logo"])
        super().save_model(request, obj, form, change)

    @display(description="Country", ordering="address_country")
    def country(self, entity: IssuingEntity) -> str:
        return entity.address_country

    @display(description="Logo")
    def shown_logo(self, entity: IssuingEntity) -> str:
        if not entity.logo:
            return "–"
        data = base64.b64encode(bytes(entity.logo)).decode()
        return format_html(
            '<img src="data:image/png;base64,{}" alt="" style="max-height:40px">', data
        )

    def _specimen(self, request: HttpRequest, object_id: str, language: str) -> HttpResponse:
        entity = self.get_object(request, object_id)
        if not self.has_view_permission(request, entity):
            raise PermissionDenied
        if entity is None:
            return HttpResponseRedirect(reverse("admin:billing_issuingentity_changelist"))
        pdf = render_specimen(entity, language)
        return pdf_response(pdf, f"{entity.code}-{language}.pdf", inline=True)

    @action(description="Preview: English", icon="visibility")
    def specimen_en(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._specimen(request, object_id, "en")

    @action(description="German")
    def specimen_de(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._specimen(request, object_id, "de")

    @action(description="French")
    def specimen_fr(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._specimen(request, object_id, "fr")

    @action(description="Spanish")
    def specimen_es(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._specimen(request, object_id, "es")

    @action(description="Japanese")
    def specimen_ja(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._specimen(request, object_id, "ja")
