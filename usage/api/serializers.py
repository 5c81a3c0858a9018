"""Serializers of usage records, calls and agents."""

from rest_framework import serializers

from billing.api.fields import AwareDateTimeField, ExactDecimalField, IdField, PlainTextField
from billing.api.serializers import StrictSerializer
from billing.money import ZERO
from billing.text import RESOURCE_TYPE
from usage.models import Call, VoiceAgent
from usage.services.ingest.fields import ESTIMATED, FINAL


class UsageRecordSerializer(serializers.Serializer):
    """A record as stored; costs only where the caller may see them."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    call_id = serializers.UUIDField(allow_null=True)
    resource_type = serializers.CharField()
    provider = serializers.CharField()
    quantity = ExactDecimalField(decimals=6, shown=0)
    unit_cost = ExactDecimalField(
        shown=0, required=False, help_text="What the provider charges the platform."
    )
    total_cost = ExactDecimalField(required=False, help_text="quantity x unit_cost")
    markup_percentage = ExactDecimalField(
        decimals=4,
        allow_null=True,
        required=False,
        help_text="null where its price is not cost plus.",
    )
    final_cost = ExactDecimalField(help_text="What the workspace pays, at list price.")
    billing_period_id = serializers.UUIDField()
    late = serializers.BooleanField(
        help_text="Its own period was closed already; it is billed in this later one."
    )
    idempotency_key = serializers.CharField()
    occurred_at = AwareDateTimeField()
    created_at = AwareDateTimeField()
    billed_quantity = ExactDecimalField(
        source="billed", decimals=6, shown=0, help_text="After billing increments."
    )
    rate_id = serializers.UUIDField(
        allow_null=True,
        help_text="The rate or override that it was priced by; null: the markup.",
    )
    model = serializers.CharField(allow_null=True)
    cost_currency = serializers.CharField(
        required=False, allow_null=True, help_text="Of unit_cost; null: the workspace's."
    )
    exchange_rate = ExactDecimalField(
        decimals=12,
        shown=0,
        required=False,
        allow_null=True,
        help_text="What one of cost_currency is in the workspace's currency; null: 1.",
    )
    cost_state = serializers.CharField(
        source="state_of_cost", required=False, help_text="`final` or `estimated`."
    )
    agent_id = serializers.UUIDField(
        allow_null=True, help_text="Of the call, where it is known; else as sent."
    )
    reverses_id = serializers.UUIDField(
        allow_null=True, help_text="The record that this one takes back."
    )
    trues_up_id = serializers.UUIDField(
        allow_null=True, help_text="The record whose estimated cost this one makes final."
    )
    reason = serializers.CharField(allow_null=True, help_text="Why it takes another back.")


class NewUsageRecordSerializer(serializers.Serializer):
    """Describes what `usage.services.ingest` parses without REST framework."""

    idempotency_key = serializers.CharField(
        max_length=128, help_text="Unique for ever within the workspace; makes a retry safe."
    )
    workspace_id = serializers.UUIDField()
    resource_type = serializers.RegexField(
        rf"^{RESOURCE_TYPE.pattern}$",
        help_text="`call_minutes`, `transcription`, `synthesis`, `storage`, or another.",
    )
    provider = serializers.CharField(max_length=64)
    quantity = ExactDecimalField(integer_digits=12, decimals=6, minimum=ZERO)
    unit_cost = ExactDecimalField(
        integer_digits=8,
        decimals=10,
        minimum=ZERO,
        required=False,
        allow_null=True,
        help_text="What the provider charges the platform. Left out: as the cost card says.",
    )
    cost_currency = serializers.CharField(
        required=False,
        allow_null=True,
        min_length=3,
        max_length=3,
        help_text="Of unit_cost, as USD. Default: the workspace's.",
    )
    cost_state = serializers.ChoiceField(
        choices=[FINAL, ESTIMATED],
        required=False,
        allow_null=True,
        help_text="Default: final. An estimated cost can be trued up once.",
    )
    occurred_at = AwareDateTimeField(
        required=False, help_text="Default: now. At most 5 minutes ahead."
    )
    call_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="The call need not exist yet."
    )
    agent_id = serializers.UUIDField(
        required=False,
        allow_null=True,
        help_text="An agent of the workspace; the call's own one comes before it.",
    )
    model = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=64,
        help_text="Of language, voice or speech; kept in small letters.",
    )


class UsageBatchSerializer(serializers.Serializer):
    records = serializers.ListField(
        child=NewUsageRecordSerializer(), min_length=1, max_length=10_000
    )


class RecordErrorSerializer(serializers.Serializer):
    index = serializers.IntegerField(help_text="Place in the batch, from 0.")
    code = serializers.CharField()
    field = serializers.CharField(allow_null=True)
    detail = serializers.CharField()


class AccountSerializer(serializers.Serializer):
    """Every record of a batch accounted for: accepted ones are committed."""

    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField(help_text="Known before, not counted again.")
    rejected = serializers.IntegerField()
    errors = RecordErrorSerializer(many=True)  # type: ignore[assignment]


class AdmissionSerializer(serializers.Serializer):
    allowed = serializers.BooleanField()
    reason = serializers.ChoiceField(
        choices=["suspended", "usage_limit", "closed"], allow_null=True
    )
    remaining = ExactDecimalField(
        allow_null=True, help_text="What may still be spent this period; null without a limit."
    )


class NewCallSerializer(serializers.Serializer):
    """Describes what `usage.services.call_entries` reads without REST framework."""

    id = serializers.UUIDField(help_text="Its idempotency key; a later post updates the call.")
    workspace_id = serializers.UUIDField()
    agent_id = serializers.UUIDField(required=False, allow_null=True)
    direction = serializers.ChoiceField(choices=Call.Direction.choices)
    status = serializers.ChoiceField(choices=Call.Status.choices)
    provider = serializers.CharField(max_length=64)
    started_at = AwareDateTimeField()
    ended_at = AwareDateTimeField(required=False, allow_null=True)
    duration_seconds = ExactDecimalField(
        integer_digits=9,
        decimals=3,
        minimum=ZERO,
        required=False,
        allow_null=True,
        help_text="Default: from start to end.",
    )


class CallBatchSerializer(serializers.Serializer):
    records = serializers.ListField(child=NewCallSerializer(), min_length=1, max_length=10_000)


class StoredUsageSerializer(UsageRecordSerializer):
    """The answer to a new record, which never takes another back."""

    reverses_id = None  # type: ignore[assignment]
    trues_up_id = None  # type: ignore[assignment]
    reason = None  # type: ignore[assignment]


class StoredCallSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    agent_id = serializers.UUIDField(allow_null=True)
    direction = serializers.ChoiceField(choices=Call.Direction.choices)
    status = serializers.ChoiceField(choices=Call.Status.choices)
    provider = serializers.CharField()
    started_at = AwareDateTimeField()
    ended_at = AwareDateTimeField(allow_null=True)
    duration_seconds = ExactDecimalField(decimals=3, shown=0, allow_null=True)


class VoidSerializer(StrictSerializer):
    reason = PlainTextField(max_length=200)


class TrueUpSerializer(StrictSerializer):
    unit_cost = ExactDecimalField(
        integer_digits=8,
        decimals=10,
        minimum=ZERO,
        help_text="The final one, in the record's cost_currency.",
    )


class CallSerializer(StoredCallSerializer):
    created_at = AwareDateTimeField()
    updated_at = AwareDateTimeField()


class ReceiptSerializer(serializers.Serializer):
    """`call` is null while only its usage has arrived."""

    call_id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    currency = serializers.CharField()
    call = CallSerializer(allow_null=True)
    records = UsageRecordSerializer(many=True, help_text="Oldest first.")
    total_cost = ExactDecimalField(
        required=False, help_text="Exact sum of the records' total_cost."
    )
    final_cost = ExactDecimalField(
        help_text="Exact sum of the records' final_cost, which is at list price."
    )
    whole_period_prices = serializers.ListField(
        child=serializers.CharField(),
        help_text="Tiers, packages and included units that change what the period costs beyond"
        " these list prices; they are not shared out to single calls.",
    )


class NewAgentSerializer(StrictSerializer):
    id = IdField(required=False, allow_null=True, default=None, help_text="Makes a retry safe.")
    workspace_id = IdField()
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
