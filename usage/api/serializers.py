from rest_framework import serializers

from billing.api.fields import AwareDateTimeField, ExactDecimalField, PlainTextField
from billing.api.serializers import StrictSerializer
from usage.models import Call, VoiceAgent


class UsageRecordSerializer(serializers.Serializer):
    """A record as stored."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    call_id = serializers.UUIDField(allow_null=True)
    resource_type = serializers.CharField()
    provider = serializers.CharField()
    quantity = ExactDecimalField(decimals=6, shown=0)
    unit_cost = ExactDecimalField(shown=0, help_text="What the provider charges the platform.")
    total_cost = ExactDecimalField(help_text="quantity x unit_cost")
    markup_percentage = ExactDecimalField(decimals=4)
    final_cost = ExactDecimalField(help_text="What the workspace pays: total_cost and the markup.")
    billing_period_id = serializers.UUIDField()
    late = serializers.BooleanField(
        help_text="Its own period was closed already; it is billed in this later one."
    )
    idempotency_key = serializers.CharField()
    occurred_at = AwareDateTimeField()
    created_at = AwareDateTimeField()
    reverses_id = serializers.UUIDField(
        allow_null=True, help_text="The record that this one takes back."
    )
    reason = serializers.CharField(allow_null=True, help_text="Why it takes another back.")


class VoidSerializer(StrictSerializer):
    reason = PlainTextField(max_length=200)


class CallSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    agent_id = serializers.UUIDField(allow_null=True)
    direction = serializers.ChoiceField(choices=Call.Direction.choices)
    status = serializers.ChoiceField(choices=Call.Status.choices)
    provider = serializers.CharField()
    started_at = AwareDateTimeField()
    ended_at = AwareDateTimeField(allow_null=True)
    duration_seconds = ExactDecimalField(decimals=3, shown=0, allow_null=True)
    created_at = AwareDateTimeField()
    updated_at = AwareDateTimeField()


class ReceiptSerializer(serializers.Serializer):
    """`call` is null while only its usage has arrived."""

    call_id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    currency = serializers.CharField()
    call = CallSerializer(allow_null=True)
    records = UsageRecordSerializer(many=True, help_text="Oldest first.")
    total_cost = ExactDecimalField(help_text="Exact sum of the records' total_cost.")
    final_cost = ExactDecimalField(help_text="Exact sum of the records' final_cost.")


class NewAgentSerializer(StrictSerializer):
    id = serializers.UUIDField(
        required=False, allow_null=True, default=None, help_text="Makes a retry safe."
    )
    workspace_id = serializers.UUIDField()
    name = PlainTextField(max_length=200)
    status = serializers.ChoiceField(
        choices=VoiceAgent.Status.choices, default=VoiceAgent.Status.DRAFT
    )


class AgentSerializer(StrictSerializer):
    id = serializers.UUIDField(read_only=True)
    workspace_id = serializers.UUIDField(read_only=True)
    name = PlainTextField(max_length=200)
    status = serializers.ChoiceField(choices=VoiceAgent.Status.choices)
    paused_reason = serializers.ChoiceField(
        choices=VoiceAgent.PausedReason.choices, read_only=True, allow_null=True
    )
    created_at = AwareDateTimeField(read_only=True)
