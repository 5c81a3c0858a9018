"""What-if over HTTP: past months by other prices or costs, and who would pay more or less."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils import timezone as clock
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from analytics.what_if import (
    MAX_MONTHS,
    MAX_ROWS,
    CostChange,
    Proposal,
    rates_of,
    what_if,
)
from analytics.what_if_answer import Compared, Side, WhatIf
from analytics.what_if_sums import WhatIfScope, month_count
from billing import months
from billing.api.access import visible_workspaces
from billing.api.fields import (
    DayField,
    ExactDecimalField,
    IdField,
    PlainTextField,
    WholeNumberField,
)
from billing.api.provider_costs import UnitCostSerializer
from billing.api.rates import MatchSerializer, RateSerializer
from billing.api.serializers import StrictSerializer
from billing.api.views import ApiView
from billing.api.workspaces import KeyIsBound
from billing.errors import Invalid, NotFound
from billing.models import RateCardVersion, SubscriptionTier, Workspace
from billing.money import CURRENCIES
from billing.pricing import Matched
from billing.services.faults import FaultyInput
from billing.services.provider_costs import MAX_COSTS, NewCost, cost_faults, normalized
from billing.services.rate_card_rules import MAX_RATES, affected_workspaces, match_faults
from usage.filters import SENSIBLE_DAYS

_MAX_WORKSPACES = 10_000


class CostChangeSerializer(StrictSerializer):
    """Another cost of what it matches, in per cent of what it was."""

    match = MatchSerializer(required=False, default=Matched("", "", ""))
    percentage = ExactDecimalField(
        integer_digits=3, decimals=4, minimum=Decimal(-100), help_text="-10: a tenth less."
    )

    def to_internal_value(self, data: Any) -> CostChange:
        return CostChange(**super().to_internal_value(data))


class TriedCostSerializer(UnitCostSerializer):
    """What a unit would have cost in those months, in place of what it did."""

    def to_internal_value(self, data: Any) -> NewCost:
        return NewCost(**super().to_internal_value(data), starts_on=dt.date.min)


class WhatIfSerializer(StrictSerializer):
    first_month = DayField(validators=SENSIBLE_DAYS, help_text="The first day of the first month.")
    last_month = DayField(
        validators=SENSIBLE_DAYS,
        help_text="The first day of the last month, which is counted too.",
    )
    currency = PlainTextField(
        required=False, max_length=3, help_text="Of the workspaces; that of the card by default."
    )
    card_id = IdField(required=False, help_text="With `version`: prices to try.")
    version = WholeNumberField(required=False, min_value=1, max_value=2_000_000_000)
    rates = RateSerializer(many=True, required=False, help_text="Prices to try, without a card.")
    markup_percentage = ExactDecimalField(
        required=False,
        integer_digits=3,
        decimals=4,
        minimum=Decimal(0),
        help_text="For what was priced by a markup.",
    )
    costs = CostChangeSerializer(many=True, required=False)
    cost_card = serializers.ListField(
        child=TriedCostSerializer(),
        required=False,
        max_length=MAX_COSTS,
        help_text="Costs to try, as those of `provider-costs`. The most specific holds.",
    )
    workspace_ids = serializers.ListField(
        child=IdField(), required=False, max_length=_MAX_WORKSPACES
    )
    tier = PlainTextField(required=False, max_length=40, help_text="Its workspaces only.")
    affected_only = serializers.BooleanField(
        required=False, default=False, help_text="Only who uses the card from today on."
    )


class SideSerializer(serializers.Serializer):
    revenue = ExactDecimalField()
    cost = ExactDecimalField(help_text="What providers charge.")
    margin = ExactDecimalField()
    margin_share = serializers.SerializerMethodField(help_text="Of the revenue; null without any.")

    def get_margin_share(self, side: Side) -> str | None:
        return None if side.share is None else f"{side.share:.4f}"


class ComparedSerializer(serializers.Serializer):
    name = serializers.CharField()
    workspace_id = serializers.UUIDField(allow_null=True)
    now = SideSerializer()
    then = SideSerializer()
    difference = ExactDecimalField(help_text="What is paid more; below zero, less.")


class WhatIfAnswerSerializer(serializers.Serializer):
    as_of = serializers.DateTimeField(help_text="Later usage of the months is not in it.")
    currency = serializers.CharField()
    records = serializers.IntegerField(help_text="How many the months have.")
    from_records = serializers.IntegerField(
        help_text="Of how many each was priced by itself, because no sum can tell."
    )
    paying_more = serializers.IntegerField()
    paying_less = serializers.IntegerField()
    total = ComparedSerializer()
    by_workspace = serializers.SerializerMethodField(
        help_text=f"The largest difference first; the first {MAX_ROWS:,}."
    )
    by_resource_type = ComparedSerializer(many=True)
    by_provider = ComparedSerializer(many=True)

    @staticmethod
    def _rows(rows: list[Compared]) -> Any:
        return ComparedSerializer(rows[:MAX_ROWS], many=True).data

    def get_by_workspace(self, found: WhatIf) -> Any:
        return self._rows(found.by_workspace)


_EXAMPLE = OpenApiExample(
    "Two cents a minute more, over the autumn",
    {
        "first_month": "2026-09-01",
        "last_month": "2026-11-01",
        "currency": "USD",
        "rates": [
            {
                "match": {"resource_type": "call_minutes"},
                "price": {"model": "per_unit", "unit_price": "0.14"},
            }
        ],
    },
    request_only=True,
)


class WhatIfView(ApiView):
    """What past months would have come to by a card's draft, another markup or other costs.

    Nothing is written. To let a version hold, publish it.
    """

    required_scopes = {"POST": "prices:write"}
    serializer_class = WhatIfSerializer

    @extend_schema(
        request=WhatIfSerializer,
        responses={200: WhatIfAnswerSerializer},
        examples=[_EXAMPLE],
        operation_id="prices_what_if",
    )
    def post(self, request: Request) -> Response:
        if visible_workspaces(request) is not None:
            raise KeyIsBound("A key that is bound to a workspace cannot try prices.")
        facts = self.read(WhatIfSerializer)
        version = _version(facts)
        proposal = _proposal(facts, version)
        return Response(WhatIfAnswerSerializer(what_if(_scope(facts, version), proposal)).data)


def _version(facts: dict[str, Any]) -> RateCardVersion | None:
    card_id, number = facts.get("card_id"), facts.get("version")
    if card_id is None and number is None:
        return None
    if card_id is None or number is None:
        raise Invalid("Both are needed.", field="version" if number is None else "card_id")
    if "rates" in facts:
        raise Invalid("Send either rates or a card's version.", field="rates", code="not_both")
    version = (
        RateCardVersion.objects.select_related("card").filter(card=card_id, number=number).first()
    )
    if version is None:
        raise NotFound("There is no such version.", field="version")
    return version


def _proposal(facts: dict[str, Any], version: RateCardVersion | None) -> Proposal:
    rates = rates_of(version) if version else facts.get("rates", [])
    for fault in match_faults(rates):
        raise Invalid(fault.detail, field=fault.pointer.strip("/"), code=fault.code)
    if len(rates) > MAX_RATES:
        raise Invalid(f"At most {MAX_RATES} rates.", field="rates", code="too_many_rates")
    proposal = Proposal(
        rates, facts.get("markup_percentage"), facts.get("costs", []), _cost_card(facts)
    )
    if not (proposal.rates or proposal.costs or proposal.cost_card or proposal.markup is not None):
        raise Invalid(
            "A card's version, rates, a markup or costs are needed.", field="rates", code="required"
        )
    return proposal


def _cost_card(facts: dict[str, Any]) -> list[NewCost]:
    costs = [normalized(cost) for cost in facts.get("cost_card", [])]
    if costs and (faults := list(cost_faults(costs, "/cost_card"))):
        raise FaultyInput(faults)
    return costs


def _scope(facts: dict[str, Any], version: RateCardVersion | None) -> WhatIfScope:
    currency = facts.get("currency") or (version.card.currency if version else "")
    if currency not in CURRENCIES:
        code = "unknown_currency" if currency else "required"
        raise Invalid("A currency is needed, as USD.", field="currency", code=code)
    if version and version.card.currency != currency:
        raise Invalid(
            f"The card is in {version.card.currency}.", field="currency", code="other_currency"
        )
    first, last = facts["first_month"], facts["last_month"]
    until = _until(first, last)
    return WhatIfScope(currency, first, until, _workspaces(facts, version))


def _until(first: dt.date, last: dt.date) -> dt.date:
    """The day after the last month. Raises `Invalid`."""
    for name, day in (("first_month", first), ("last_month", last)):
        if day.day != 1:
            raise Invalid(
                "The first day of a month is expected.", field=name, code="not_a_months_first"
            )
    if last < first:
        raise Invalid("Must not be before first_month.", field="last_month", code="before_first")
    if month_count(first, last) > MAX_MONTHS:
        raise Invalid(
            f"At most {MAX_MONTHS} months at once.", field="first_month", code="too_many_months"
        )
    return months.first_of_next_month(last)


def _workspaces(facts: dict[str, Any], version: RateCardVersion | None) -> list[UUID] | None:
    if facts.get("affected_only"):
        if version is None:
            raise Invalid("Only a card affects somebody.", field="affected_only", code="no_card")
        today = clock.now().date()
        return list(affected_workspaces(version.card, today).values_list("pk", flat=True))
    if "tier" in facts:
        tier = SubscriptionTier.objects.filter(name=facts["tier"]).first()
        if tier is None:
            raise Invalid("There is no such tier.", field="tier", code="unknown_tier")
        return list(Workspace.objects.filter(tier=tier).values_list("pk", flat=True))
    return facts.get("workspace_ids")
