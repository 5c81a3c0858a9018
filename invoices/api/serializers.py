from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from billing.api.fields import AmountField, AwareDateTimeField, ExactDecimalField, FlagField
from billing.api.serializers import PeriodSerializer, StrictSerializer
from invoices.models import Invoice, InvoiceItem, TaxCategory, TaxDecision
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
    amount = AmountField(
        "amount",
        currency="invoice.currency",
        help_text="At the workspace's prices: before tax, unless `prices_include_tax`.",
    )
    net = AmountField("net", currency="invoice.currency", help_text="Before tax.")
    tax_category = TextOrNullField(help_text="As EN 16931 has it: S, Z, E, AE or G.")
    tax_rate = ExactDecimalField(decimals=4, shown=0, allow_null=True, help_text="Percent.")
    manual_item_id = serializers.UUIDField(allow_null=True)

    def get_resource_type(self, item: InvoiceItem) -> str | None:
        return item.resource_type or None


class InvoiceTaxSerializer(serializers.Serializer):
    """The tax of one category and rate, rounded once."""

    category = serializers.ChoiceField(
        choices=TaxCategory.choices, help_text="By its code in EN 16931."
    )
    rate = ExactDecimalField(decimals=4, shown=0, help_text="Percent.")
    name = serializers.CharField()
    country = serializers.CharField()
    region = serializers.CharField(allow_blank=True)
    base = AmountField("base", help_text="Before tax.")
    tax = AmountField("tax")
    reason_code = TextOrNullField(help_text="Why there is none, as e-invoices say it (VATEX).")
    text = TextOrNullField(help_text="What the law wants the invoice to say.")


class TaxDecisionSerializer(serializers.Serializer):
    """Why an invoice charges the tax it does, as it was known when it was issued."""

    treatment = serializers.ChoiceField(choices=TaxDecision.Treatment.choices)
    why = serializers.CharField()
    supplier_country = serializers.CharField()
    supplier_tax_number = serializers.CharField()
    customer_country = serializers.CharField()
    customer_region = TextOrNullField()
    customer_status = serializers.CharField()
    customer_tax_number = TextOrNullField()
    evidence = serializers.JSONField()
    decided_at = AwareDateTimeField()


class InvoiceSerializer(serializers.Serializer):
    """Amounts have the decimals of the currency.

    Items' `net` adds up to the invoice's; `net` and `tax` are its `amount`. Items' `amount` adds up
    to `net`, or to `amount` where `prices_include_tax`; without a tax these are the same.
    """

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    kind = serializers.ChoiceField(
        choices=Invoice.Kind.choices,
        help_text="`one_off` was issued between two closes; `correction` asks for what was missing"
        " on another.",
    )
    billing_period_id = serializers.UUIDField(
        allow_null=True, help_text="null unless it is of kind `period`."
    )
    corrects_id = serializers.UUIDField(
        allow_null=True, help_text="The invoice that a correction is about."
    )
    invoice_number = serializers.CharField(source="number")
    net = AmountField("net")
    tax = AmountField("tax")
    amount = AmountField("amount")
    exact_amount = ExactDecimalField(
        help_text="The exact sum of the items: `net` was rounded from it, or `amount` where"
        " `prices_include_tax`."
    )
    prices_include_tax = serializers.BooleanField()
    amount_paid = AmountField("amount_paid")
    credit_used = AmountField("credit_used")
    amount_credited = AmountField("amount_credited")
    amount_due = AmountField("amount_due")
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
    taxes = InvoiceTaxSerializer(many=True, help_text="Empty where the issuer charges no tax.")
    tax_decision = TaxDecisionSerializer(
        allow_null=True, default=None, help_text="null where the issuer charges no tax."
    )

    def get_replaced_by_id(self, invoice: Invoice) -> UUID | None:
        return invoice.replacement.pk if invoice.replacement else None


class FinalizeSerializer(StrictSerializer):
    force = FlagField(default=False, help_text="Also before the period's end.")


class FinalizedPeriodSerializer(PeriodSerializer):
    """The period, closed, and its invoice; null when there was nothing to bill."""

    invoice = InvoiceSerializer(allow_null=True)


@extend_schema_serializer(many=False)  # a page itself, of a view that lists
class ProofSerializer(serializers.Serializer):
    """Describes a page of the records behind a line, and their exact sum."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = UsageRecordSerializer(many=True)
    item = ItemSerializer()
    record_count = serializers.IntegerField(help_text="On all pages.")
    list_amount = ExactDecimalField(help_text="Exact sum of all records, at list price.")
    adjustment = ExactDecimalField(help_text="What the item's `meters` add to them.")
    credited = ExactDecimalField(
        help_text="Late usage: what credit notes gave back of its reversals, for their own month."
    )
    exact_amount = ExactDecimalField(help_text="`list_amount`, `adjustment` and `credited`.")
    amount = AmountField("amount", currency="invoice.currency")
    residual = ExactDecimalField(help_text="What rounding to minor units added.")
