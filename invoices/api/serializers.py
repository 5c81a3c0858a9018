from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.api.fields import AmountField, AwareDateTimeField, ExactDecimalField, FlagField
from billing.api.serializers import PeriodSerializer, StrictSerializer
from invoices.models import Invoice, InvoiceItem
from usage.api.serializers import UsageRecordSerializer


@extend_schema_field({"type": "string", "nullable": True})
class TextOrNullField(serializers.Field):
    """Goes out as null where there is none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: str) -> str | None:
        return value or None


class MeterLineSerializer(serializers.Serializer):
    """`quantity` x `unit_price` + `flat`, or an amount by itself."""

    description = serializers.CharField()
    quantity = serializers.CharField(allow_null=True)
    unit_price = serializers.CharField(allow_null=True)
    flat = serializers.CharField()
    amount = serializers.CharField()


class MeterSerializer(serializers.Serializer):
    """What one price of the whole period came to; its lines add up to `amount`."""

    description = serializers.CharField()
    resource_type = serializers.CharField()
    quantity = serializers.CharField(help_text="Billed units.")
    list_amount = serializers.CharField(help_text="Sum of its records' list prices.")
    adjustment = serializers.CharField()
    amount = serializers.CharField()
    lines = MeterLineSerializer(many=True)


class ItemSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=InvoiceItem.Kind.choices)
    description = serializers.CharField()
    resource_type = serializers.SerializerMethodField()
    usage_month = serializers.DateField(
        allow_null=True, help_text="Late usage: first day of the month in which it occurred."
    )
    quantity = ExactDecimalField(decimals=6)
    unit_price = ExactDecimalField(help_text="Exact amount / quantity: an average over all prices.")
    exact_amount = ExactDecimalField(help_text="Before rounding to minor units.")
    adjustment = ExactDecimalField(
        help_text="How much of `exact_amount` tiers, packages and included units added to the"
        " records' list prices."
    )
    meters = MeterSerializer(
        many=True, help_text="How such prices came to it; empty where there are none."
    )
    amount = AmountField("amount", currency="invoice.currency")

    def get_resource_type(self, item: InvoiceItem) -> str | None:
        return item.resource_type or None


class InvoiceSerializer(serializers.Serializer):
    """Amounts have the decimals of the currency; those of the items add up to the invoice's."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    billing_period_id = serializers.UUIDField()
    invoice_number = serializers.CharField(source="number")
    amount = AmountField("amount")
    exact_amount = ExactDecimalField(help_text="What `amount` was rounded from.")
    amount_refunded = AmountField("amount_refunded")
    currency = serializers.CharField()
    status = serializers.ChoiceField(
        choices=Invoice.Status.choices,
        help_text="`draft` is issued and still being sent to Stripe; `uncollectible` is written"
        " off: no longer asked for, still owed, and it can be paid.",
    )
    collection_method = serializers.CharField()
    issued_at = AwareDateTimeField()
    due_date = serializers.DateField(help_text="On the workspace's calendar.")
    paid_at = AwareDateTimeField(allow_null=True)
    voided_at = AwareDateTimeField(allow_null=True)
    void_reason = TextOrNullField(help_text="Why it is void.")
    replaces_id = serializers.UUIDField(
        allow_null=True, help_text="The void invoice that this one was issued in place of."
    )
    replaced_by_id = serializers.SerializerMethodField()
    unbilled_reason = TextOrNullField(help_text="Why what it billed is not billed again.")
    stripe_invoice_id = serializers.CharField(allow_null=True)
    hosted_invoice_url = TextOrNullField()
    items = ItemSerializer(many=True)

    def get_replaced_by_id(self, invoice: Invoice) -> UUID | None:
        return invoice.replacement.pk if invoice.replacement else None


class FinalizeSerializer(StrictSerializer):
    force = FlagField(default=False, help_text="Also before the period's end.")


class FinalizedPeriodSerializer(PeriodSerializer):
    """The period, closed, and its invoice; null when there was nothing to bill."""

    invoice = InvoiceSerializer(allow_null=True)


class ProofSerializer(serializers.Serializer):
    """Describes a page of the records behind a line, and their exact sum."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = UsageRecordSerializer(many=True)
    item = ItemSerializer()
    record_count = serializers.IntegerField(help_text="On all pages.")
    list_amount = ExactDecimalField(help_text="Exact sum of all records, at list price.")
    adjustment = ExactDecimalField(help_text="What the item's `meters` add to them.")
    exact_amount = ExactDecimalField(help_text="`list_amount` and `adjustment`.")
    amount = AmountField("amount", currency="invoice.currency")
    residual = ExactDecimalField(help_text="What rounding to minor units added.")
