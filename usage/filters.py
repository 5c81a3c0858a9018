"""Filters of the usage and calls pages, and the same choice on the rollups."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import django_filters as filters
from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from billing import months
from billing.formats import readable
from billing.id_ranges import IdRange, ids_beginning
from billing.models import BillingPeriod, Workspace
from usage.models import (
    Call,
    CallPrice,
    DimensionRollup,
    UsageRecord,
    UsageRollup,
    VoiceAgent,
)
from usage.queries.calls import providers_of_calls
from usage.queries.used import Used, used_by
from usage.resources import provider_name, resource

_NOT_NEGATIVE = MinValueValidator(0, _("Not below zero."))
_DATE = forms.DateInput(attrs={"type": "date"})
# The first and last days of the calendar have no midnight in some timezones.
SENSIBLE_DAYS = [
    MinValueValidator(dt.date(2000, 1, 1), _("Choose a day after 1999.")),
    MaxValueValidator(dt.date(2999, 12, 31), _("Choose a day before 3000.")),
]


class IdBeginningField(forms.CharField):
    """An id, or at least its first eight characters: those that begin so."""

    def to_python(self, value: Any) -> IdRange | None:  # type: ignore[override]
        text = super().to_python(value)
        if not text:
            return None
        if (ids := ids_beginning(text)) is None:
            raise forms.ValidationError(_("Enter an id, or its first eight characters."))
        return ids


class IdBeginningFilter(filters.Filter):
    field_class = IdBeginningField

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"spellcheck": "false", "maxlength": 36})
        super().__init__(widget=widget, **options)

    def filter(self, rows: QuerySet[Any], ids: IdRange | None) -> QuerySet[Any]:
        return rows if ids is None else rows.filter(ids.of(self.field_name))


class WorkspaceFilter(filters.FilterSet):
    """Days are days of the workspace's clock, both ends included."""

    day_from = filters.DateFilter(
        label=_("From"), method="from_day", widget=_DATE, validators=SENSIBLE_DAYS
    )
    day_to = filters.DateFilter(
        label=_("To"), method="to_day", widget=_DATE, validators=SENSIBLE_DAYS
    )
    time_field = ""

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.workspace = workspace
        for name in ("day_from", "day_to"):  # behind the filters of the page itself
            self.filters.move_to_end(name)

    def from_day(self, rows: QuerySet[Any], name: str, day: dt.date) -> QuerySet[Any]:
        start = months.midnight(day, self.workspace.zone)
        return rows.filter(**{f"{self.time_field}__gte": start})

    def to_day(self, rows: QuerySet[Any], name: str, day: dt.date) -> QuerySet[Any]:
        end = months.midnight(day + dt.timedelta(days=1), self.workspace.zone)
        return rows.filter(**{f"{self.time_field}__lt": end})

    @property
    def is_active(self) -> bool:
        return any(self.data.get(name) for name in self.filters if name not in ("sort", "exact"))

    def offer(self, name: str, choices: Sequence[tuple[Any, str]], every: Any) -> None:
        self.filters[name].extra["choices"] = choices
        self.filters[name].extra["empty_label"] = every


class RecordFilter(WorkspaceFilter):
    """Usage records by billing period, resource type, provider, agent, model, days and call."""

    billing_period = filters.ChoiceFilter(label=_("Billing period"))
    resource_type = filters.ChoiceFilter(label=_("Resource"))
    provider = filters.ChoiceFilter(label=_("Provider"))
    agent = filters.ChoiceFilter(label=_("Agent"))
    model = filters.ChoiceFilter(label=_("Model"))
    call = IdBeginningFilter(label=_("Call id"), field_name="call_id")
    time_field = "occurred_at"

    class Meta:
        model = UsageRecord
        fields: list[str] = []

    def __init__(self, *args: Any, periods: Sequence[BillingPeriod], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        used = self._used()
        agents, models = used.agents, used.models
        self.offer("agent", [(pk, name) for name, pk in agents], _("All agents"))
        self.offer("model", [(model, model) for model in models], _("All models"))
        for name, found in (("agent", agents), ("model", models)):
            if not found:
                del self.filters[name]
        self.offer("billing_period", [(str(p.pk), p.label) for p in periods], _("All periods"))
        self.offer(
            "resource_type", [(t, resource(t).label) for t in used.types], _("All resources")
        )
        self.offer("provider", [(p, provider_name(p)) for p in used.providers], _("All providers"))

    def _used(self) -> Used:
        """What there is to choose; of now, if something is asked for that was not there before."""
        known = used_by(self.workspace.pk)
        asked = [
            (self.data.get("resource_type"), known.types),
            (self.data.get("provider"), known.providers),
            (self.data.get("agent"), {pk for _, pk in known.agents}),
            (self.data.get("model"), known.models),
        ]
        if all(not value or value in values for value, values in asked):
            return known
        return used_by(self.workspace.pk, again=True)

    def rollups(self) -> QuerySet[UsageRollup] | QuerySet[DimensionRollup] | None:
        """The rollups of exactly the records chosen; None where no rollup can tell (by call)."""
        chosen = self.form.cleaned_data
        if chosen["call"]:
            return None
        dimensions = {name: chosen[name] for name in ("agent", "model") if chosen.get(name)}
        rows: QuerySet[UsageRollup] | QuerySet[DimensionRollup]
        if dimensions:
            rows = DimensionRollup.objects.filter(workspace=self.workspace, **dimensions)
        else:
            rows = UsageRollup.objects.filter(workspace=self.workspace)
        for name in ("billing_period", "resource_type", "provider"):
            if chosen[name]:
                rows = rows.filter(**{name: chosen[name]})
        if chosen["day_from"]:
            rows = rows.filter(usage_date__gte=chosen["day_from"])
        if chosen["day_to"]:
            rows = rows.filter(usage_date__lte=chosen["day_to"])
        return rows

    def within(self, first: dt.date | None, last: dt.date | None) -> QuerySet[UsageRecord]:
        """The chosen records, looked for only between two days on which the rollups know some.

        Without that, what is rare (one provider of long ago) would be searched for through all
        records of the workspace: the index knows their time, and not what they are about.
        """
        rows: QuerySet[UsageRecord] = self.qs
        if first is None or last is None:
            return rows
        return self.to_day(self.from_day(rows, "", first), "", last)


NEWEST_FIRST = "-started_at"
_SORTS = [
    (NEWEST_FIRST, _("Newest first")),
    ("started_at", _("Oldest first")),
    ("-price", _("Dearest first")),
    ("price", _("Cheapest first")),
    ("-duration_seconds", _("Longest first")),
    ("duration_seconds", _("Shortest first")),
]
_SECONDS_A_MINUTE = 60


class CallFilter(WorkspaceFilter):
    """Calls by status, direction, agent, provider, price, length and days, in any order.

    Works on calls as well as on their prices (`usage.models.CallPrice`), which have the same
    columns; `needs_prices` says that only the latter can answer fast.
    """

    status = filters.ChoiceFilter(
        label=_("Status"),
        choices=lambda: [(value, readable(value)) for value in Call.Status.values],
        empty_label=_("All statuses"),
    )
    direction = filters.ChoiceFilter(
        label=_("Direction"),
        choices=lambda: [(value, readable(value)) for value in Call.Direction.values],
        empty_label=_("Both directions"),
    )
    agent = filters.ChoiceFilter(label=_("Agent"), empty_label=_("All agents"))
    provider = filters.ChoiceFilter(label=_("Provider"), empty_label=_("All providers"))
    call = IdBeginningFilter(label=_("Call id"), field_name="pk")
    price_from = filters.NumberFilter(
        label=_("Price from"), field_name="price", lookup_expr="gte", validators=[_NOT_NEGATIVE]
    )
    price_to = filters.NumberFilter(
        label=_("Price to"), field_name="price", lookup_expr="lte", validators=[_NOT_NEGATIVE]
    )
    minutes_from = filters.NumberFilter(
        label=_("Minutes from"), method="from_minutes", validators=[_NOT_NEGATIVE]
    )
    minutes_to = filters.NumberFilter(
        label=_("Minutes to"), method="to_minutes", validators=[_NOT_NEGATIVE]
    )
    sort = filters.ChoiceFilter(
        label=_("Order"), choices=_SORTS[1:], empty_label=_SORTS[0][1], method="as_it_is"
    )
    exact = filters.CharFilter(label="", widget=forms.HiddenInput(), method="as_it_is")
    time_field = "started_at"

    class Meta:
        model = CallPrice
        fields: list[str] = []

    def __init__(self, *args: Any, agents: Sequence[VoiceAgent], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("call", "sort"):
            self.filters.move_to_end(name)
        providers = sorted(providers_of_calls(self.workspace.pk))
        self.offer("agent", [(str(each.pk), each.name) for each in agents], _("All agents"))
        self.offer("provider", [(p, provider_name(p)) for p in providers], _("All providers"))

    @property
    def order(self) -> str:
        """Of the list: a column, from the largest down with a "-"."""
        return self.form.cleaned_data["sort"] or NEWEST_FIRST

    @property
    def needs_prices(self) -> bool:
        """Whether the index of calls, which knows their time, cannot lead to those chosen."""
        by = ("agent", "provider", "price_from", "price_to", "minutes_from", "minutes_to", "sort")
        return any(self.form.cleaned_data[name] not in (None, "") for name in by)

    def as_it_is(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows

    def from_minutes(self, rows: QuerySet[Any], name: str, minutes: Decimal) -> QuerySet[Any]:
        return rows.filter(duration_seconds__gte=minutes * _SECONDS_A_MINUTE)

    def to_minutes(self, rows: QuerySet[Any], name: str, minutes: Decimal) -> QuerySet[Any]:
        return rows.filter(duration_seconds__lte=minutes * _SECONDS_A_MINUTE)
