"""Admin pages of rate cards: a card as a table, its versions, who pays by it."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone as clock
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from billing.admin.base import BillingAdmin, go_to, when
from billing.admin.dialogs import confirm
from billing.admin.rate_tables import affected_text, price_table, table, version_page
from billing.models import PlatformSetting, RateCard, RateCardAssignment, RateCardVersion
from billing.money import CURRENCIES, EXACT
from billing.pricing import Matched
from billing.rating import CostPlus
from billing.services import price_assignments, rate_card_rules, rate_cards
from billing.services.rate_card_rules import NewRate


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
    verbose_name = "workspace or tier"
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
        return HttpResponseRedirect(version_page(draft))

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
        source = rate_card_rules.version_on(versions, today) or versions[-1]
        draft = rate_cards.copy_version(version_id=source.pk, now=clock.now())
        self.log_change(request, draft.card, f"Made version {draft.number}, a draft.")
        return go_to(request, version_page(draft))

    @display(description="In force")
    def in_force(self, card: RateCard) -> str:
        version = rate_card_rules.version_on(card.versions.all(), clock.now().date())
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
        in_force = rate_card_rules.version_on(versions, clock.now().date())
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
                        version_page(version),
                        "Edit and publish" if version.is_draft else "Open",
                    ),
                )
                for version in reversed(versions)
            ],
        )

    @display(description="Who is affected")
    def affected(self, card: RateCard) -> str:
        return affected_text(card)


def _shown_versions(card: RateCard) -> list[RateCardVersion]:
    """What is in force, what comes next and what is being drafted: four at most."""
    versions = list(card.versions.prefetch_related("rates"))
    in_force = rate_card_rules.version_on(versions, clock.now().date())
    kept = [v for v in versions if rate_cards.status_of(v, in_force) != "retired"]
    return kept[-4:]
