"""Admin pages of rate cards: a card as a table, drafts, publishing, who pays by it, overrides."""

import datetime as dt
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone as clock
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import StackedInline, TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminSingleDateWidget,
    UnfoldBooleanSwitchWidget,
)

from billing.admin.base import BillingAdmin, SheetForm, asking, confirm, go_to, when
from billing.admin.rate_forms import PRICE_ROWS, OverrideForm, PriceForm
from billing.errors import Invalid
from billing.formats import exact_money, quantity
from billing.models import (
    PlatformSetting,
    PriceOverride,
    Rate,
    RateCard,
    RateCardAssignment,
    RateCardVersion,
)
from billing.money import CURRENCIES, EXACT
from billing.pricing import Matched
from billing.rating import CostPlus
from billing.services import price_assignments, rate_cards, rate_sheets
from billing.services.price_rows import in_words
from billing.services.rate_cards import BadRateCard, NewRate

_STATES = {"Draft": "warning", "Published": "success", "Retired": "info"}


def table(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> SafeString:
    """Rows with their heads, for a page that shows and does not ask."""
    heads = format_html_join("", '<th class="font-semibold pb-2 pr-6 text-left">{}</th>', (
        (column,) for column in columns
    ))  # fmt: skip
    body = format_html_join(
        "",
        '<tr class="border-t border-base-200 dark:border-base-800">{}</tr>',
        (
            (format_html_join("", '<td class="py-2 pr-6 align-top">{}</td>', ((c,) for c in row)),)
            for row in rows
        ),
    )
    return format_html(
        '<div class="overflow-x-auto"><table class="w-full"><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>",
        heads,
        body,
    )


class NewCardForm(forms.ModelForm):
    class Meta:
        model = RateCard
        fields = ("name", "currency", "description")

    def clean_currency(self) -> str:
        currency = str(self.cleaned_data["currency"]).upper()
        if currency not in CURRENCIES:
            raise forms.ValidationError(f"{currency} is not a currency that can be billed.")
        return currency


class AssignmentForm(forms.ModelForm):
    """A row that is there only changes its end."""

    class Meta:
        model = RateCardAssignment
        fields = ("workspace", "tier", "starts_on", "ends_on")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and not self.instance._state.adding:
            for name in ("workspace", "tier", "starts_on"):
                self.fields[name].disabled = True

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.has_changed() and bool(cleaned.get("workspace")) == bool(cleaned.get("tier")):
            raise forms.ValidationError("Choose either a workspace or a tier.")
        return cleaned

    def _post_clean(self) -> None:
        """The service checks the row, and the database that none overlaps."""


class AssignmentInline(TabularInline):
    model = RateCardAssignment
    form = AssignmentForm
    verbose_name = "use"
    verbose_name_plural = "who pays by it"
    extra = 0
    can_delete = False
    autocomplete_fields = ("workspace", "tier")
    fields = ("workspace", "tier", "starts_on", "ends_on")


@admin.register(RateCard)
class RateCardAdmin(BillingAdmin):
    """What the card says, version beside version; drafts are made, changed and published here."""

    list_display = ("name", "currency", "in_force", "drafts", "uses", "description")
    list_filter = ("currency",)
    search_fields = ("name", "description")
    inlines: tuple[Any, ...] = (AssignmentInline,)
    readonly_fields = ("currency", "card_table", "versions_shown", "affected")
    fieldsets = (
        (None, {"fields": (("name", "currency"), "description")}),
        ("Prices", {"fields": ("card_table",)}),
        ("Versions", {"fields": ("versions_shown", "affected")}),
    )
    add_fieldsets = ((None, {"fields": ("name", "currency", "description")}),)
    actions_detail = ("new_draft",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RateCard]:
        cards: QuerySet[RateCard] = super().get_queryset(request)
        return cards.prefetch_related("versions").annotate(
            assignment_count=Count("assignments", distinct=True)
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if not change:
            kwargs["form"] = NewCardForm
        return super().get_form(request, obj, change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else ()

    def save_model(self, request: HttpRequest, obj: RateCard, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        markup = PlatformSetting.objects.filter(pk=PlatformSetting.MARKUP).first()
        price = CostPlus(markup_percentage=markup.value if markup else EXACT.create_decimal(20))
        card = rate_cards.create_card(
            name=obj.name,
            currency=obj.currency,
            description=obj.description,
            rates=[NewRate(Matched("", "", ""), price)],
            now=clock.now(),
        )
        obj.pk = card.pk

    def response_add(
        self, request: HttpRequest, obj: RateCard, post_url_continue: str | None = None
    ) -> HttpResponse:
        """On to its first draft, which is where prices are entered."""
        draft = RateCardVersion.objects.get(card=obj.pk, number=1)
        return HttpResponseRedirect(_page_of(draft))

    def save_formset(
        self, request: HttpRequest, form: Any, formset: BaseInlineFormSet, change: bool
    ) -> None:
        formset.save(commit=False)  # notes what changed, for the log
        now = clock.now()
        for row in formset.forms:
            if not row.has_changed():
                continue
            said = row.cleaned_data
            if row.instance._state.adding:
                price_assignments.assign_card(
                    card_id=form.instance.pk,
                    workspace_id=said["workspace"].pk if said["workspace"] else None,
                    tier=said["tier"].name if said["tier"] else None,
                    starts_on=said["starts_on"],
                    ends_on=said["ends_on"],
                    now=now,
                )
            elif said["ends_on"] is not None:
                price_assignments.end_assignment(
                    assignment_id=row.instance.pk, ends_on=said["ends_on"], now=now
                )

    @action(
        description="New draft",
        icon="edit_note",
        variant=ActionVariant.PRIMARY,
        permissions=["act"],
        dialog=confirm("Make a new draft?", "Its prices are those in force.", "Make it"),
    )
    def new_draft(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """A copy of what is in force, or of the last version, to be changed."""
        versions = list(RateCardVersion.objects.filter(card=UUID(object_id)))
        today = clock.now().date()
        source = rate_cards.version_on(versions, today) or versions[-1]
        draft = rate_cards.copy_version(version_id=source.pk, now=clock.now())
        self.log_change(request, draft.card, f"Made version {draft.number}, a draft.")
        return go_to(request, _page_of(draft))

    @display(description="In force")
    def in_force(self, card: RateCard) -> str:
        version = rate_cards.version_on(card.versions.all(), clock.now().date())
        return f"v{version.number}, from {version.effective_from}" if version else "nothing yet"

    @display(description="Drafts")
    def drafts(self, card: RateCard) -> str:
        return ", ".join(f"v{each.number}" for each in card.versions.all() if each.is_draft) or "–"

    @display(description="Uses", ordering="assignment_count")
    def uses(self, card: Any) -> int:
        return int(card.assignment_count)

    @display(description="")
    def card_table(self, card: RateCard) -> SafeString:
        versions = _shown_versions(card)
        return price_table(card.currency, versions)

    @display(description="")
    def versions_shown(self, card: RateCard) -> SafeString:
        versions = list(card.versions.all())
        in_force = rate_cards.version_on(versions, clock.now().date())
        return table(
            ("Version", "State", "From", "Published", ""),
            [
                (
                    f"v{version.number}",
                    rate_cards.status_of(version, in_force).capitalize(),
                    version.effective_from or "–",
                    when(version.published_at),
                    format_html(
                        '<a class="text-primary-600" href="{}">{}</a>',
                        _page_of(version),
                        "Edit and publish" if version.is_draft else "Open",
                    ),
                )
                for version in reversed(versions)
            ],
        )

    @display(description="Who is affected")
    def affected(self, card: RateCard) -> str:
        return _affected(card)


def _shown_versions(card: RateCard) -> list[RateCardVersion]:
    """What is in force, what comes next and what is being drafted: four at most."""
    versions = list(card.versions.prefetch_related("rates"))
    in_force = rate_cards.version_on(versions, clock.now().date())
    kept = [v for v in versions if rate_cards.status_of(v, in_force) != "retired"]
    return kept[-4:]


def _page_of(version: RateCardVersion) -> str:
    return reverse("admin:billing_ratecardversion_change", args=[version.pk])


def _affected(card: RateCard) -> str:
    users = rate_cards.affected_workspaces(card, clock.now().date())
    names = list(users.order_by("name").values_list("name", flat=True)[:21])
    if not names:
        return "Nobody pays by this card yet."
    listed = ", ".join(names[:20])
    count = users.count()
    noun = "workspace" if count == 1 else "workspaces"
    return f"{count:,} {noun}: {listed}{', …' if len(names) > 20 else ''}"


def price_table(currency: str, versions: list[RateCardVersion]) -> SafeString:
    """Prices by match, version beside version; what differs from the one before stands out."""
    said: list[dict[tuple[str, str, str], str]] = []
    for version in versions:
        said.append({rate.match: in_words(rate.price, currency) for rate in version.rates.all()})
    matches = sorted({match for each in said for match in each}, reverse=True)
    heads = ["For"]
    for version in versions:
        state = "draft" if version.is_draft else f"from {version.effective_from}"
        heads.append(f"v{version.number}, {state}")
    rows = []
    for match in matches:
        cells: list[Any] = [" · ".join(part for part in match if part) or "any use"]
        for place, each in enumerate(said):
            text = each.get(match, "–")
            changed = place > 0 and text != said[place - 1].get(match, "–")
            cells.append(format_html("<strong>{}</strong>", text) if changed else text)
        rows.append(tuple(cells))
    return table(tuple(heads), rows)


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


class PublishForm(BaseDialogForm):
    """From when, and that the examples were looked at."""

    effective_from = forms.DateField(
        label="From (each workspace's own midnight)", widget=UnfoldAdminSingleDateWidget
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
        ("Prices, beside those in force", {"fields": ("difference",)}),
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
        return go_to(request, _page_of(draft))

    @action(description="Export CSV", icon="download", permissions=["view"])
    def export_csv(self, request: HttpRequest, object_id: str) -> HttpResponse:
        version = self.get_queryset(request).get(pk=object_id)
        name = f"rates-{version.card_id}-v{version.number}.csv"
        return HttpResponse(
            rate_sheets.rates_csv(version),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

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
        in_force = rate_cards.version_on(version.card.versions.all(), clock.now().date())
        return rate_cards.status_of(version, in_force).capitalize()

    @display(description="")
    def difference(self, version: RateCardVersion) -> SafeString:
        """The version beside the one in whose place it comes."""
        day = version.effective_from or clock.now().date()
        others = [
            each for each in version.card.versions.all() if not each.is_draft and each != version
        ]
        before = rate_cards.version_on(others, day)
        versions = [before, version] if before else [version]
        return price_table(version.card.currency, versions)

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
            _affected(version.card),
            reverse("finance:what_if"),
            version.pk,
        )

    @display(description="What is missing")
    def obstacles(self, version: RateCardVersion) -> str:
        if not version.is_draft:
            return "It is published."
        faults = rate_cards.publishing_faults(version)
        return " ".join(fault.detail for fault in faults) or "Nothing: it can be published."


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
            kwargs["form"] = forms.ModelForm
        return super().get_form(request, obj, change, **kwargs)

    def save_model(self, request: HttpRequest, obj: PriceOverride, form: Any, change: bool) -> None:
        said = form.cleaned_data
        if change:
            if "ends_on" in form.changed_data and said["ends_on"] is not None:
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
        for field in PriceOverride._meta.concrete_fields:
            setattr(obj, field.attname, getattr(override, field.attname))

    @display(description="For")
    def match_label(self, override: PriceOverride) -> str:
        return override.match_label

    @display(description="Price")
    def price_shown(self, override: PriceOverride) -> str:
        return in_words(override.price, override.workspace.currency)
