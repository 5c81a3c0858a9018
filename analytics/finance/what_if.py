"""The finance page "Who would pay more or less": past months by other prices."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone as clock

from analytics.what_if import MAX_MONTHS, Proposal, rates_of, what_if
from analytics.what_if_answer import WhatIf
from analytics.what_if_sums import WhatIfScope, month_count
from billing import months
from billing.errors import BillingError
from billing.models import RateCardVersion
from billing.money import CURRENCIES
from billing.services.provider_costs import NewCost, cost_faults, costs_from_csv
from billing.services.rate_card_rules import affected_workspaces
from usage.filters import SENSIBLE_DAYS

_SEES = ("billing.view_ratecard", "billing.view_billingperiod", "usage.view_usagerollup")
# Rows of the page; the totals are of all.
_SHOWN = 100


class MonthField(forms.DateField):
    """A month by its first day."""

    def __init__(self) -> None:
        super().__init__(
            input_formats=["%Y-%m"],
            widget=forms.DateInput({"type": "month"}, format="%Y-%m"),
            validators=SENSIBLE_DAYS,
        )


class WhatIfForm(forms.Form):
    version = forms.ModelChoiceField(
        RateCardVersion.objects.select_related("card").order_by("card__name", "-number"),
        required=False,
        empty_label="As they were",
        label="Prices",
    )
    markup = forms.DecimalField(
        required=False, min_value=0, max_digits=7, decimal_places=4, label="Or another markup, in %"
    )
    currency = forms.ChoiceField(
        choices=[("", "Of the card")] + [(each, each) for each in sorted(CURRENCIES)],
        required=False,
    )
    first = MonthField()
    last = MonthField()
    affected = forms.BooleanField(required=False, label="Only who uses the card")
    costs = forms.CharField(
        required=False,
        label="Other costs",
        widget=forms.Textarea({"rows": 3, "cols": 80}),
        help_text="Lines as the cost card exports them, with a first line that names the columns:"
        " provider, resource_type, currency, unit_cost. Their days do not matter.",
    )

    def clean_costs(self) -> list[NewCost]:
        text = self.cleaned_data["costs"]
        if not text.strip():
            return []
        try:
            costs = costs_from_csv(text.encode(), needs_days=False)
        except BillingError as error:
            raise forms.ValidationError(error.detail) from None
        if faults := list(cost_faults(costs)):
            raise forms.ValidationError([fault.detail for fault in faults[:5]])
        return costs

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        version, markup = said.get("version"), said.get("markup")
        if version is None and markup is None and not said.get("costs") and not self.errors:
            self.add_error("version", "Choose prices, say a markup or try costs.")
        if version is not None and markup is not None:
            self.add_error("markup", "Either a card's prices or a markup.")
        if version is None and not said.get("currency"):
            self.add_error("currency", "Without a card, choose a currency.")
        if version and said.get("currency") not in ("", version.card.currency):
            self.add_error("currency", f"The card is in {version.card.currency}.")
        first, last = said.get("first"), said.get("last")
        if first and last and not 1 <= month_count(first, last) <= MAX_MONTHS:
            self.add_error("last", f"One to {MAX_MONTHS} months are compared.")
        return said


def page(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perms(_SEES):
        raise PermissionDenied
    last = months.months_before(clock.now().date(), 1)
    asked = {"first": f"{last:%Y-%m}", "last": f"{last:%Y-%m}", **request.GET.dict()}
    is_sent = request.method == "POST"
    data = request.POST if is_sent else asked if len(request.GET) else None
    form = WhatIfForm(data, initial=asked)
    context: dict[str, Any] = {"title": "Who would pay more or less", "form": form}
    if form.is_bound and form.is_valid():
        said = form.cleaned_data
        try:
            context |= _shown(_asked(said), said["version"])
        except BillingError as error:
            context["refused"] = error.detail
    return render(
        request,
        "admin/finance/what_if.html",
        {**admin.site.each_context(request), **context},
    )


def _asked(said: dict[str, Any]) -> WhatIf:
    version: RateCardVersion | None = said["version"]
    workspaces = None
    if version and said["affected"]:
        users = affected_workspaces(version.card, clock.now().date())
        workspaces = list(users.values_list("pk", flat=True))
    scope = WhatIfScope(
        version.card.currency if version else said["currency"],
        said["first"],
        months.first_of_next_month(said["last"]),
        workspaces,
    )
    rates = rates_of(version) if version else ()
    return what_if(scope, Proposal(rates, said["markup"], cost_card=said["costs"]))


def _shown(found: WhatIf, version: RateCardVersion | None) -> dict[str, Any]:
    return {
        "found": found,
        "currency": found.currency,
        "workspaces": found.by_workspace[:_SHOWN],
        "more": max(0, len(found.by_workspace) - _SHOWN),
        "version": version,
        "publish_url": reverse("admin:billing_ratecardversion_change", args=[version.pk])
        if version and version.is_draft
        else "",
    }
