"""Admin pages of tax: registrations, rates, and what is known of customers' numbers."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone as clock
from unfold.decorators import display
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextInputWidget

from billing.admin.base import BillingAdmin, EndForm, FrozenAdmin, asking, take_over, when
from billing.admin.costs import HoldsFilter
from billing.admin.dialogs import DialogForm
from billing.admin.terms import ServiceForm
from billing.formats import quantity
from billing.models import TaxNumberCheck, TaxRate, TaxRegistration
from billing.rating.taxes import CALCULATED
from billing.services import tax_numbers, tax_rates


class RegistrationForm(ServiceForm):
    def carry_out(self) -> TaxRegistration:
        names = (
            *("issuing_entity", "country", "region", "number"),
            *("consumers_only", "is_home", "starts_on", "ends_on"),
        )
        facts = {name: self.cleaned_data[name] for name in names}
        return tax_rates.add_registration(now=clock.now(), **facts)


class RateForm(ServiceForm):
    def carry_out(self) -> TaxRate:
        names = ("country", "region", "tax_class", "name", "percent", "starts_on", "ends_on")
        return tax_rates.add_tax_rate(**{name: self.cleaned_data[name] for name in names})


class DatedAdmin(BillingAdmin):
    """Of what is there only the end changes; nothing is deleted."""

    list_filter: tuple[Any, ...] = (HoldsFilter,)
    add_form: type[forms.ModelForm]
    fixed: tuple[str, ...] = ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fixed if obj else ()

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kwargs["form"] = EndForm if change else self.add_form
        return super().get_form(request, obj, change, **kwargs)


@admin.register(TaxRegistration)
class TaxRegistrationAdmin(DatedAdmin):
    list_display = (
        *("country", "region", "number", "issuing_entity", "what"),
        *("starts_on", "ends_on"),
    )
    list_select_related = ("issuing_entity",)
    search_fields = ("country", "number")
    add_form = RegistrationForm
    fixed = (
        *("issuing_entity", "country", "region", "number"),
        *("consumers_only", "is_home", "starts_on"),
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("country", "region", "number"),
                    "issuing_entity",
                    ("is_home", "consumers_only"),
                    ("starts_on", "ends_on"),
                ),
                "description": "Customers there are charged tax on invoices that are issued from"
                " now on. Each then needs a billing country: an invoice without one waits. The"
                " first registration turns tax on; nobody is charged any without one. In the US a"
                " registration is of a state (TX): Stripe Tax, where the state has to be registered"
                " too, is asked for the amounts.",
            },
        ),
    )

    @display(description="For")
    def what(self, registration: TaxRegistration) -> str:
        if registration.country in CALCULATED:
            return "Customers in that state; Stripe Tax works the amounts out"
        if registration.consumers_only:
            return "Consumers only: the one-stop shop"
        return "Customers there" + ("; our home" if registration.is_home else "")

    def save_model(
        self, request: HttpRequest, obj: TaxRegistration, form: Any, change: bool
    ) -> None:
        if not change:
            take_over(obj, form.carry_out())
        elif "ends_on" in form.changed_data:
            tax_rates.end_registration(registration_id=obj.pk, ends_on=form.cleaned_data["ends_on"])


@admin.register(TaxRate)
class TaxRateAdmin(DatedAdmin):
    list_display = ("place", "tax_class", "name", "rate", "starts_on", "ends_on")
    list_filter = (HoldsFilter, "country", "tax_class")
    search_fields = ("country", "region", "tax_class")
    add_form = RateForm
    fixed = ("country", "region", "tax_class", "name", "percent", "starts_on")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("country", "region"),
                    ("tax_class", "name", "percent"),
                    ("starts_on", "ends_on"),
                ),
                "description": "Invoices take the rate of the last day of what they bill. A new"
                " rate ends the one before it.",
            },
        ),
    )

    def save_model(self, request: HttpRequest, obj: TaxRate, form: Any, change: bool) -> None:
        if not change:
            take_over(obj, form.carry_out())
        elif "ends_on" in form.changed_data:
            tax_rates.end_tax_rate(rate_id=obj.pk, ends_on=form.cleaned_data["ends_on"])

    @display(description="Where", ordering="country")
    def place(self, rate: TaxRate) -> str:
        return f"{rate.country} {rate.region}".strip()

    @display(description="Percent", ordering="percent")
    def rate(self, rate: TaxRate) -> str:
        return quantity(rate.percent)


class HandForm(DialogForm):
    valid = forms.ChoiceField(
        label="The number",
        choices=[("yes", "is valid"), ("no", "is not valid")],
        widget=UnfoldAdminRadioSelectWidget,
    )
    reason = forms.CharField(
        label="How it was checked: by whom, where, under which reference",
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
    )


@admin.register(TaxNumberCheck)
class TaxNumberCheckAdmin(FrozenAdmin):
    """Customers' VAT numbers and what VIES, or somebody, says of them."""

    list_display = ("number", "workspace", "answer", "checked", "source", "status")
    list_filter = ("valid", "status", "source")
    search_fields = ("number", "workspace__name")
    list_select_related = ("workspace",)
    actions_detail = ("check_again", "by_hand")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("workspace", "number", "answer"),
                    ("checked", "source", "reference"),
                    ("registered_name", "registered_address"),
                    ("status", "attempts", "next_attempt_at"),
                    "last_error",
                )
            },
        ),
    )

    @display(description="Answer", label={"Valid": "success", "Not valid": "danger"})
    def answer(self, check: TaxNumberCheck) -> str:
        if check.valid is None:
            return "No answer yet"
        return "Valid" if check.valid else "Not valid"

    @display(description="Checked", ordering="checked_at")
    def checked(self, check: TaxNumberCheck) -> str:
        return when(check.checked_at)

    @asking(
        "Check again",
        icon="refresh",
        permission="act",
        title="Ask the EU's register (VIES) again?",
        text="What is known stays until there is another answer. Months that wait for one close by"
        " themselves then.",
        submit="Ask",
    )
    def check_again(self, request: HttpRequest, check: TaxNumberCheck, form: Any) -> str:
        tax_numbers.ask_again(workspace_id=check.pk, now=clock.now())
        return "VIES is asked; the answer appears here."

    @asking(
        "Checked by hand",
        icon="verified",
        permission="act",
        title="Has the number been checked another way?",
        text="Invoices go by this until VIES is asked again. A month that waited for an answer is"
        " closed.",
        submit="Record it",
        form_class=HandForm,
    )
    def by_hand(self, request: HttpRequest, check: TaxNumberCheck, form: HandForm) -> str:
        tax_numbers.record_check_by_hand(
            workspace_id=check.pk,
            valid=form.cleaned_data["valid"] == "yes",
            reference=form.cleaned_data["reason"],
            now=clock.now(),
        )
        return "Recorded."
