"""Add-ons, commitments and discounts on the workspace's page; coupons on a page of their own."""

from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.options import InlineModelAdmin
from django.db import transaction
from django.forms import BaseInlineFormSet
from django.forms.models import construct_instance
from django.http import HttpRequest
from django.utils import timezone as clock
from unfold.admin import StackedInline, TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from billing.admin.base import BillingAdmin, FrozenInlineMixin, take_over, when
from billing.errors import BillingError
from billing.formats import money, quantity
from billing.models import AddOn, Commitment, Coupon, Discount
from billing.services import terms
from billing.services.coupons import create_coupon, limit_coupon


class ServiceForm(forms.ModelForm):
    """A form whose row a service writes. It is tried out while the form is checked, so that what
    it refuses stands beside its field."""

    # Fields of the service that have another name in the form.
    named_here: ClassVar[dict[str, str]] = {}

    def carry_out(self) -> Any:
        raise NotImplementedError

    def _post_clean(self) -> None:
        """Fields as ever; what the model's constraints say, the service says in better words."""
        construct_instance(self, self.instance, self._meta.fields, self._meta.exclude)
        try:
            exclude = self._get_validation_exclusions()  # type: ignore[attr-defined]  # not in the stubs
            self.instance.clean_fields(exclude=exclude)
        except forms.ValidationError as error:
            self._update_errors(error)  # type: ignore[attr-defined]  # not in the stubs
        if self.errors or not self.has_changed():
            return
        try:
            with transaction.atomic():
                self.carry_out()
                transaction.set_rollback(True)
        except BillingError as error:
            field = self.named_here.get(error.field or "", error.field)
            self.add_error(field if field in self.fields else None, error.detail)


class TermsForm(ServiceForm):
    """A row that is added or ended, and otherwise fixed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["starts_on"].required = False
        self.is_new = self.instance._state.adding
        if not self.is_new:
            for name, field in self.fields.items():
                field.disabled = name != "ends_on"
                if isinstance(value := self.initial.get(name), Decimal):
                    self.initial[name] = f"{value.normalize():f}"

    def add(self, workspace_id: Any, said: dict[str, Any]) -> Any:
        raise NotImplementedError

    def end(self, row_id: Any, said: dict[str, Any]) -> Any:
        raise NotImplementedError

    def carry_out(self) -> Any:
        said = self.cleaned_data
        if self.is_new:
            return self.add(self.instance.workspace_id, said)
        return self.end(self.instance.pk, {"ends_on": said["ends_on"], "now": clock.now()})

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if not self.is_new and "ends_on" in self.changed_data and said.get("ends_on") is None:
            self.add_error("ends_on", "An end that was agreed is not taken back: add another.")
        return said


class AddOnForm(TermsForm):
    def add(self, workspace_id: Any, said: dict[str, Any]) -> AddOn:
        names = ("name", "quantity", "unit_price", "proration", "starts_on", "ends_on")
        facts = {name: said[name] for name in names}
        return terms.add_add_on(workspace_id=workspace_id, now=clock.now(), **facts)

    def end(self, row_id: Any, said: dict[str, Any]) -> AddOn:
        return terms.end_add_on(add_on_id=row_id, **said)


class CommitmentForm(TermsForm):
    def add(self, workspace_id: Any, said: dict[str, Any]) -> Commitment:
        facts = {name: said[name] for name in ("amount", "covers", "starts_on", "ends_on")}
        return terms.add_commitment(workspace_id=workspace_id, now=clock.now(), **facts)

    def end(self, row_id: Any, said: dict[str, Any]) -> Commitment:
        return terms.end_commitment(commitment_id=row_id, **said)


class DiscountForm(TermsForm):
    named_here: ClassVar[dict[str, str]] = {"coupon": "code"}
    periods = forms.IntegerField(
        label="Months",
        required=False,
        min_value=1,
        max_value=1200,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="For so many months; or until an end. Neither: for ever.",
    )
    code = forms.CharField(
        label="Coupon",
        required=False,
        max_length=40,
        widget=UnfoldAdminTextInputWidget(),
        help_text="The code of one to redeem; it says the rest.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = False
        coupon = None if self.is_new else self.instance.coupon
        self.initial["code"] = coupon.code if coupon else ""

    def add(self, workspace_id: Any, said: dict[str, Any]) -> Discount:
        if said["code"]:
            return terms.redeem_coupon(
                workspace_id=workspace_id, code=said["code"], now=clock.now()
            )
        names = ("name", "percentage", "amount", "applies_to", "starts_on", "ends_on", "periods")
        facts = {name: said[name] for name in names}
        return terms.add_discount(workspace_id=workspace_id, now=clock.now(), **facts)

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        if self.is_new and not said.get("code") and not said.get("name"):
            self.add_error("name", "A name is expected, as the invoice says it; or a coupon.")
        if self.is_new and said.get("code"):
            for name in set(self.changed_data) - {"code", "applies_to"}:
                self.add_error(name, "A coupon says by itself what it gives: leave this empty.")
        return said

    def end(self, row_id: Any, said: dict[str, Any]) -> Discount:
        return terms.end_discount(discount_id=row_id, **said)


class TermsInline(InlineModelAdmin):
    extra = 0
    tab = True
    can_delete = False


class AddOnInline(TermsInline, TabularInline):
    model = AddOn
    form = AddOnForm
    fields = ("name", "quantity", "unit_price", "proration", "starts_on", "ends_on")


class CommitmentInline(TermsInline, TabularInline):
    model = Commitment
    form = CommitmentForm
    fields = ("amount", "covers", "starts_on", "ends_on")


class DiscountInline(TermsInline, StackedInline):
    model = Discount
    form = DiscountForm
    fields = (
        ("code", "name"),
        ("percentage", "amount", "applies_to"),
        ("starts_on", "periods", "ends_on"),
    )


INLINES = (AddOnInline, CommitmentInline, DiscountInline)


def save_terms(formset: BaseInlineFormSet) -> None:
    """Add and end what was changed, by the services."""
    formset.save(commit=False)  # notes what changed, for the log
    for form in formset.forms:
        if isinstance(form, TermsForm) and form.has_changed():
            form.carry_out()


class CouponForm(ServiceForm):
    def clean_code(self) -> str:
        return str(self.cleaned_data["code"]).upper()

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).upper()

    def carry_out(self) -> Coupon:
        said = self.cleaned_data
        if self.instance._state.adding:
            return create_coupon(now=clock.now(), **said)
        return limit_coupon(
            coupon_id=self.instance.pk,
            max_redemptions=said["max_redemptions"],
            expires_at=said["expires_at"],
        )


class RedemptionInline(FrozenInlineMixin, TabularInline):
    model = Discount
    fields = ("workspace", "starts_on", "ends_on", "created_at")
    readonly_fields = fields
    verbose_name_plural = "redeemed by"


@admin.register(Coupon)
class CouponAdmin(BillingAdmin):
    """A code that gives a discount. Its terms never change, only its limits."""

    form = CouponForm
    list_display = ("code", "name", "gives", "applies_to", "lasts", "redeemed", "until")
    search_fields = ("code", "name")
    inlines: tuple[Any, ...] = (RedemptionInline,)
    fieldsets = (
        (None, {"fields": (("code", "name"),)}),
        (
            "Discount",
            {"fields": (("percentage", "amount", "currency"), ("applies_to", "periods"))},
        ),
        ("Limits", {"fields": (("max_redemptions", "expires_at"),)}),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return ("code", "name", "percentage", "amount", "currency", "applies_to", "periods")

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else ()

    def save_model(self, request: HttpRequest, obj: Coupon, form: Any, change: bool) -> None:
        take_over(obj, form.carry_out())

    @display(description="Gives")
    def gives(self, coupon: Coupon) -> str:
        if coupon.percentage is not None:
            return f"{quantity(coupon.percentage)}% off"
        return f"{money(coupon.amount, coupon.currency)} off"

    @display(description="For")
    def lasts(self, coupon: Coupon) -> str:
        if coupon.periods is None:
            return "ever"
        return f"{coupon.periods} month{'' if coupon.periods == 1 else 's'}"

    @display(description="Redeemed", ordering="redemptions")
    def redeemed(self, coupon: Coupon) -> str:
        limit = coupon.max_redemptions
        return f"{coupon.redemptions}" if limit is None else f"{coupon.redemptions} of {limit}"

    @display(description="Until (UTC)", ordering="expires_at")
    def until(self, coupon: Coupon) -> str:
        return when(coupon.expires_at)
