"""Serializers of usage summaries and analytics."""

from rest_framework import serializers

from billing.api.fields import AmountField, AwareDateTimeField, ExactDecimalField
from billing.models import BillingPeriod


class ResourceSpendSerializer(serializers.Serializer):
    type = serializers.CharField()
    quantity = ExactDecimalField(decimals=6)
    cost = ExactDecimalField(help_text="What the workspace pays, at list price.")


class ProviderSpendSerializer(serializers.Serializer):
    provider = serializers.CharField()
    cost = ExactDecimalField(help_text="What the workspace pays, at list price.")


class AdjustmentSerializer(serializers.Serializer):
    """What one price of the whole period adds to its records' list prices; mostly negative."""

    description = serializers.CharField()
    resource_type = serializers.CharField()
    amount = ExactDecimalField()


class IncludedSerializer(serializers.Serializer):
    """Units that a price includes in each period."""

    description = serializers.CharField()
    resource_type = serializers.CharField()
    included = ExactDecimalField(decimals=6)
    used = ExactDecimalField(decimals=6, help_text="At most those included.")


class UsageSummarySerializer(serializers.Serializer):
    """A period's spend; without a period, ids and times are null and all else zero or empty."""

    billing_period_id = serializers.UUIDField(source="period.pk", default=None, allow_null=True)
    period_start = AwareDateTimeField(source="period.period_start", default=None, allow_null=True)
    period_end = AwareDateTimeField(
        source="period.period_end", default=None, allow_null=True, help_text="Exclusive."
    )
    status = serializers.ChoiceField(
        source="period.status",
        choices=BillingPeriod.Status.choices,
        default=None,
        allow_null=True,
    )
    currency = serializers.CharField()
    subtotal = ExactDecimalField(help_text="Net: list prices and adjustments.")
    subscription_fee = AmountField("subscription_fee")
    add_on_fees = ExactDecimalField()
    discounts = ExactDecimalField(help_text="Zero or negative.")
    commitment_shortfall = ExactDecimalField()
    manual_items = ExactDecimalField(help_text="Added by hand: charges less credits.")
    credit_brought_forward = ExactDecimalField()
    reversals_credited = ExactDecimalField(
        help_text="What credit notes gave back of its late reversals: not taken off this period."
    )
    total_amount = ExactDecimalField()
    by_resource_type = ResourceSpendSerializer(many=True, help_text="Largest cost first.")
    by_provider = ProviderSpendSerializer(many=True, help_text="Largest cost first.")
    adjustments = AdjustmentSerializer(
        many=True, help_text="With the costs of either list they add up to `subtotal`."
    )
    included = IncludedSerializer(many=True, help_text="How much of what is included is used.")


class ProviderShareSerializer(serializers.Serializer):
    calls = serializers.IntegerField()
    cost = ExactDecimalField()


class AgentSpendSerializer(serializers.Serializer):
    agent_id = serializers.UUIDField(allow_null=True, help_text="null: what names no agent.")
    name = serializers.CharField(allow_null=True)
    cost = ExactDecimalField(help_text="What the workspace pays.")


class ModelSpendSerializer(serializers.Serializer):
    model = serializers.CharField(allow_null=True, help_text="null: what names no model.")
    cost = ExactDecimalField(help_text="What the workspace pays.")


class HourCountSerializer(serializers.Serializer):
    hour = serializers.IntegerField()
    count = serializers.IntegerField()


class AnalyticsSerializer(serializers.Serializer):
    total_calls = serializers.IntegerField()
    total_minutes = ExactDecimalField(decimals=2, help_text="Of ended calls.")
    total_cost = ExactDecimalField(
        help_text="What the workspace pays for usage of these days, at list price."
    )
    avg_call_duration = ExactDecimalField(
        decimals=2, help_text="Seconds, of ended calls of known duration."
    )
    success_rate = ExactDecimalField(
        decimals=4, allow_null=True, help_text="Completed of all ended calls; null without any."
    )
    by_provider = serializers.DictField(child=ProviderShareSerializer())
    by_agent = AgentSpendSerializer(
        many=True, help_text="Largest cost first; empty where no usage names an agent."
    )
    by_model = ModelSpendSerializer(
        many=True, help_text="Largest cost first; empty where no usage names a model."
    )
    by_status = serializers.DictField(child=serializers.IntegerField())
    by_direction = serializers.DictField(child=serializers.IntegerField())
    peak_hours = HourCountSerializer(many=True, help_text="All 24, busiest first.")
