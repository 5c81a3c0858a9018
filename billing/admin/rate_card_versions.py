"""Admin pages of versions of rate cards: drafts, their rates, publishing, CSV."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone as clock
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import StackedInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldBooleanSwitchWidget

from billing.admin.base import BillingAdmin, asking, go_to
from billing.admin.dialogs import DayWidget, DialogForm, SheetForm, confirm
from billing.admin.rate_forms import PRICE_ROWS, PriceForm
from billing.admin.rate_tables import affected_text, price_table, table, version_page
from billing.errors import Invalid
from billing.exports import sheet_response
from billing.formats import exact_money, quantity
from billing.models import Rate, RateCardVersion
from billing.money import EXACT
from billing.pricing import Matched
from billing.services import rate_card_rules, rate_cards, rate_sheets
from billing.services.rate_card_rules import NewRate
from billing.services.rate_cards import BadRateCard

_STATES = {"Draft": "warning", "Published": "success", "Retired": "info"}


class RateFormSet(BaseInlineFormSet):
    def clean(self) -> None:
        super().clean()
        seen = set()
        for form in self.forms:
            rate = getattr(form, "rate", None)
            if rate is None or form in self.deleted_forms:
                continue
            if rate.match in seen:
                raise forms.ValidationError(f"Two rates are for {rate.match.label}.")
            seen.add(rate.match)

    def rates(self) -> list[NewRate]:
        return [
            form.rate
            for form in self.forms
            if hasattr(form, "rate") and form not in self.deleted_forms
        ]


class RateInline(StackedInline):
    model = Rate
    form = PriceForm
    formset = RateFormSet
    extra = 0
    verbose_name_plural = "rates"
    fields = PRICE_ROWS


class PublishForm(DialogForm):
    """From when, and that the examples were looked at."""

    effective_from = forms.DateField(
        label="From (each workspace's own midnight)",
        widget=DayWidget,
        help_text="Tiers, packages and included units begin on the first of a month.",
    )
    confirmed = forms.BooleanField(
        label="I have checked the worked examples and who is affected",
        widget=UnfoldBooleanSwitchWidget,
        error_messages={"required": "Check the worked examples on the page first."},
    )


@admin.register(RateCardVersion)
class RateCardVersionAdmin(BillingAdmin):
    """A draft is changed and published; a published version is only read."""

    list_display = ("card", "number", "state", "effective_from", "published_at")
    list_filter = (("card", AutocompleteSelectFilter), "status")
    search_fields = ("card__name",)
    list_select_related = ("card",)
    readonly_fields = (
        "card",
        "state",
        "effective_from",
        "published_at",
        "difference",
        "examples_shown",
        "affected",
        "obstacles",
    )
    fieldsets = (
        (None, {"fields": (("card", "state", "effective_from", "published_at"),)}),
        ("Prices, beside those before", {"fields": ("difference",)}),
        ("Worked examples", {"fields": ("examples_shown",)}),
        ("Publishing", {"fields": ("affected", "obstacles")}),
    )
    actions_detail = ("publish", "copy", "export_csv", "import_csv")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RateCardVersion]:
        versions: QuerySet[RateCardVersion] = super().get_queryset(request)
        return versions.prefetch_related("card__versions")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # from the card, as a copy of what is in force

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: RateCardVersion | None = None
    ) -> bool:
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and (obj is None or obj.is_draft)

    def has_draft_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return (
            self.has_act_permission(request)
            and RateCardVersion.objects.filter(pk=object_id, status="draft").exists()
        )

    def get_inlines(self, request: HttpRequest, obj: RateCardVersion | None) -> Any:
        return (RateInline,) if obj and obj.is_draft else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Nothing of a version itself is in the form; its rates are."""

    def save_formset(
        self, request: HttpRequest, form: Any, formset: BaseInlineFormSet, change: bool
    ) -> None:
        assert isinstance(formset, RateFormSet)
        formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []
        rate_cards.replace_rates(version_id=form.instance.pk, rates=formset.rates())

    @asking(
        "Publish",
        icon="publish",
        variant=ActionVariant.PRIMARY,
        permission="draft",
        title="Publish this version?",
        text="From its day on, everybody who pays by the card pays these prices. A published"
        " version never changes; the next one replaces it.",
        submit="Publish",
        form_class=PublishForm,
    )
    def publish(self, request: HttpRequest, version: RateCardVersion, form: PublishForm) -> str:
        day: dt.date = form.cleaned_data["effective_from"]
        try:
            rate_cards.publish_version(version_id=version.pk, effective_from=day, now=clock.now())
        except BadRateCard as error:
            # All that stands against it, without pointers into a body that nobody sent.
            raise Invalid(" ".join(fault["detail"] for fault in error.errors)) from error
        return f"{version} is published, from {day} on."

    @action(
        description="Copy into a new draft",
        icon="content_copy",
        permissions=["act"],
        dialog=confirm("Copy into a new draft?", "Its prices are those of this version.", "Copy"),
    )
    def copy(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        draft = rate_cards.copy_version(
            version_id=RateCardVersion.objects.get(pk=object_id).pk, now=clock.now()
        )
        self.log_change(request, draft, f"Copied into {draft}.")
        return go_to(request, version_page(draft))

    @action(description="Export CSV", icon="download", permissions=["view"])
    def export_csv(self, request: HttpRequest, object_id: str) -> HttpResponse:
        version = self.get_queryset(request).get(pk=object_id)
        name = f"rates-{version.card_id}-v{version.number}.csv"
        return sheet_response(name, rate_sheets.rates_csv(version))

    @asking(
        "Import CSV",
        icon="upload",
        permission="draft",
        title="Import rates",
        text="They take the place of all rates of this draft. Export one to see how it is laid"
        " out.",
        submit="Import",
        form_class=SheetForm,
    )
    def import_csv(self, request: HttpRequest, version: RateCardVersion, form: SheetForm) -> str:
        content = form.cleaned_data["lines"].encode()
        rates = rate_sheets.import_rates(version_id=version.pk, content=content)
        return f"{version} has {len(rates)} rates now."

    @display(description="State", label=_STATES)
    def state(self, version: RateCardVersion) -> str:
        if version.is_draft:
            return "Draft"
        in_force = rate_card_rules.version_on(version.card.versions.all(), clock.now().date())
        return rate_cards.status_of(version, in_force).capitalize()

    @display(description="")
    def difference(self, version: RateCardVersion) -> SafeString:
        """A draft beside what is in force and to come; a version beside the one it followed."""
        others = [
            each for each in version.card.versions.all() if not each.is_draft and each != version
        ]
        before = rate_card_rules.version_on(others, version.effective_from or clock.now().date())
        if version.is_draft:
            kept = [each for each in others if rate_cards.status_of(each, before) != "retired"]
        else:
            kept = [before] if before else []
        return price_table(version.card.currency, [*kept[-3:], version])

    @display(description="")
    def examples_shown(self, version: RateCardVersion) -> SafeString:
        currency = version.card.currency
        examples = rate_cards.worked_examples(version) if version.is_draft else version.examples
        return table(
            ("For", "Units", "Provider's cost", "Comes to"),
            [
                (
                    Matched(**each["match"]).label,
                    quantity(EXACT.create_decimal(each["quantity"])),
                    exact_money(EXACT.create_decimal(each["cost"]), currency)
                    if EXACT.create_decimal(each["cost"])
                    else "any",
                    exact_money(EXACT.create_decimal(each["amount"]), currency),
                )
                for each in examples
            ],
        )

    @display(description="Who is affected")
    def affected(self, version: RateCardVersion) -> str:
        return format_html(
            '{} <a class="fin-link" href="{}?version={}">Who would pay more or less?</a>',
            affected_text(version.card),
            reverse("finance:what_if"),
            version.pk,
        )

    @display(description="What is missing")
    def obstacles(self, version: RateCardVersion) -> str:
        if not version.is_draft:
            return "It is published."
        faults = rate_card_rules.publishing_faults(version)
        return " ".join(fault.detail for fault in faults) or "Nothing: it can be published."
