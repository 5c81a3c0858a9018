"""Serializers of workspaces, their members and terms, and billing periods."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.api.fields import (
    AmountField,
    AwareDateTimeField,
    EmailTextField,
    ExactDecimalField,
    FlagField,
    IdField,
    PlainTextField,
    WholeNumberField,
)
from billing.e_invoices import missing_details
from billing.languages import Language
from billing.models import (
    BillingPeriod,
    PeriodCharge,
    Workspace,
    WorkspaceBillingSettings,
    WorkspaceMember,
)
from billing.taxnumbers import COUNTRIES


class StrictSerializer(serializers.Serializer):
    """Refuses names it does not know: a misspelt setting would otherwise be lost in silence.

    Names it only shows may come along as they are stored, so that what was read can be sent back
    changed; with another value they are refused, not ignored.
    """

    def to_internal_value(self, data: Any) -> Any:
        faults = {}
        for name in data:
            field = self.fields.get(name)
            if field is None:
                faults[name] = serializers.ErrorDetail("There is no such field.", "unknown_field")
            elif field.read_only and not self._is_stored(name, data[name]):
                faults[name] = serializers.ErrorDetail("This is not changed here.", "read_only")
        if faults:
            raise serializers.ValidationError(faults)
        return super().to_internal_value(data)

    def _is_stored(self, name: str, value: Any) -> bool:
        return self.instance is not None and self.to_representation(self.instance)[name] == value


@extend_schema_field({"type": "string", "pattern": "^[A-Z]{2}$"})
class CountryField(PlainTextField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=2, **kwargs)
        self.validators.append(_check_country)


def _check_country(code: str) -> None:
    if code not in COUNTRIES:
        raise serializers.ValidationError(
            "A country's two capital letters are expected, as US or DE (ISO 3166).",
            code="invalid_country",
        )


class NewWorkspaceSerializer(StrictSerializer):
    id = IdField(required=False, allow_null=True, default=None, help_text="Makes a retry safe.")
    name = PlainTextField(max_length=200)
    owner_email = EmailTextField()
    tier = PlainTextField(max_length=40, help_text="As `free`, `starter` or `pro`.")
    currency = PlainTextField(max_length=3, help_text="ISO 4217, as USD.")
    timezone = PlainTextField(max_length=64, help_text="IANA, as Europe/Berlin.")
    billing_email = EmailTextField(
        required=False, help_text="Where bills go. Default: the owner's."
    )


class WorkspaceSerializer(StrictSerializer):
    id = serializers.UUIDField(read_only=True)
    name = PlainTextField(max_length=200)
    owner_email = EmailTextField(read_only=True, allow_null=True)
    status = serializers.ChoiceField(choices=Workspace.Status.choices)
    suspension_reason = serializers.SerializerMethodField()
    tier = PlainTextField(source="tier.name", max_length=40)
    currency = PlainTextField(max_length=3)
    timezone = PlainTextField(max_length=64)
    billing_email = EmailTextField()
    billing_name = PlainTextField(max_length=200, allow_blank=True)
    address_line1 = PlainTextField(max_length=200, allow_blank=True)
    address_line2 = PlainTextField(max_length=200, allow_blank=True)
    address_city = PlainTextField(max_length=100, allow_blank=True)
    address_state = PlainTextField(max_length=100, allow_blank=True)
    address_postal_code = PlainTextField(max_length=20, allow_blank=True)
    address_country = CountryField(allow_blank=True, help_text="ISO 3166, as DE.")
    tax_id = PlainTextField(max_length=40, allow_blank=True)
    tax_status = serializers.ChoiceField(choices=Workspace.TaxStatus.choices)
    tax_exemption = PlainTextField(
        max_length=200, allow_blank=True, help_text="Why it is exempt from tax."
    )
    e_invoice_format = serializers.ChoiceField(choices=Workspace.EInvoiceFormat.choices)
    e_invoice_attached = FlagField(
        help_text="Whether the XML goes with the e-mail of an invoice; Factur-X is in the PDF."
    )
    buyer_reference = PlainTextField(
        max_length=100, allow_blank=True, help_text="As a Leitweg-ID or a cost centre."
    )
    order_number = PlainTextField(max_length=100, allow_blank=True)
    electronic_address = PlainTextField(
        max_length=200,
        allow_blank=True,
        help_text="Where e-invoices go. Empty: the billing e-mail.",
    )
    electronic_address_scheme = PlainTextField(
        max_length=4, allow_blank=True, help_text="EAS code of it, as 0204, 9930 or EM."
    )
    e_invoice_lacks = serializers.SerializerMethodField(
        help_text="What its format still lacks of these details."
    )
    language = serializers.ChoiceField(
        choices=Language.choices, help_text="Of its invoices and mails."
    )
    issuing_entity = PlainTextField(
        source="issuing_entity.code",
        max_length=12,
        allow_null=True,
        help_text="Code of who invoices it, for periods opened from now on. null: the issuer whom"
        " the settings name.",
    )
    card_stays = serializers.BooleanField(
        write_only=True,
        required=False,
        help_text="To be true where the issuing entity collects in another Stripe account, which"
        " cannot charge the card on file.",
    )
    custom_fields = serializers.DictField(
        child=PlainTextField(max_length=100, allow_blank=True),
        help_text="Texts of its issuing entity's custom fields, as invoices print them.",
    )
    created_at = AwareDateTimeField(read_only=True)

    def get_suspension_reason(self, workspace: Workspace) -> str | None:
        return workspace.suspension_reason or None

    def get_e_invoice_lacks(self, workspace: Workspace) -> list[str]:
        return [field for field, _ in missing_details(workspace)]


class OwnersSeeField(serializers.ChoiceField):
    """`null` where the platform decides, which the column has as an empty text."""

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(value) or None

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        return (True, "") if data is None else super().validate_empty_values(data)


class BillingSettingsSerializer(StrictSerializer):
    workspace_id = serializers.UUIDField(read_only=True)
    usage_limit_monthly = ExactDecimalField(
        integer_digits=14,
        decimals=4,
        shown=2,
        minimum=Decimal(0),
        allow_null=True,
        help_text="Spend on usage in one period, in the workspace's currency. null: no limit.",
    )
    alert_threshold_percentage = ExactDecimalField(
        integer_digits=3, decimals=4, shown=0, minimum=Decimal("0.0001"), maximum=Decimal(100)
    )
    auto_pause_on_limit = FlagField()
    markup_percentage = ExactDecimalField(
        integer_digits=3,
        decimals=4,
        shown=0,
        minimum=Decimal(0),
        allow_null=True,
        help_text="null: the platform's markup.",
    )
    collection_method = serializers.ChoiceField(
        choices=WorkspaceBillingSettings.CollectionMethod.choices
    )
    payment_terms_days = WholeNumberField(min_value=0, max_value=365)
    prices_include_tax = FlagField(
        help_text="Whether its prices have the tax in them, where one is charged."
    )
    owners_see = OwnersSeeField(
        choices=WorkspaceBillingSettings.OwnersSee.choices,
        allow_null=True,
        help_text="What members see of usage. null: as the platform says.",
    )


class NewMemberSerializer(StrictSerializer):
    email = EmailTextField()
    role = serializers.ChoiceField(
        choices=WorkspaceMember.Role.choices,
        required=False,
        help_text="Default: `viewer`, or the role that the person has.",
    )


class RoleSerializer(StrictSerializer):
    role = serializers.ChoiceField(choices=WorkspaceMember.Role.choices)


class MemberSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    email = EmailTextField(source="user.email")
    name = serializers.CharField(source="user.name")
    role = serializers.ChoiceField(choices=WorkspaceMember.Role.choices)
    created_at = AwareDateTimeField()


class ChargeSerializer(serializers.Serializer):
    """A line of a period besides its usage; the days it is of, where it is a fee."""

    kind = serializers.ChoiceField(choices=PeriodCharge.Kind.choices)
    description = serializers.CharField()
    quantity = ExactDecimalField(decimals=6, shown=0)
    unit_price = ExactDecimalField(decimals=3, shown=2)
    first_day = serializers.DateField(allow_null=True)
    last_day = serializers.DateField(allow_null=True)
    days = serializers.IntegerField()
    of_days = serializers.IntegerField()
    amount = ExactDecimalField()


class PeriodSerializer(serializers.Serializer):
    """A period read with `billing.queries.with_totals` and its workspace."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    period_start = AwareDateTimeField()
    period_end = AwareDateTimeField(help_text="Exclusive.")
    currency = serializers.CharField(source="workspace.currency")
    subtotal = ExactDecimalField(source="live_subtotal", help_text="Usage, net and unrounded.")
    adjustment = ExactDecimalField(
        source="live_adjustment",
        help_text="How much of it tiers, packages and included units added to list prices.",
    )
    subscription_fee = AmountField("live_fee", currency="workspace.currency")
    add_on_fees = ExactDecimalField(source="live_add_ons")
    discounts = ExactDecimalField(source="live_discounts", help_text="Zero or negative.")
    commitment_shortfall = ExactDecimalField(
        source="live_shortfall", help_text="What is missing of the minimum commitment."
    )
    manual_items = ExactDecimalField(
        source="live_manual", help_text="Added by hand: charges less credits and discounts."
    )
    credit_brought_forward = ExactDecimalField(
        help_text="Zero or negative: what the last period owed back."
    )
    reversals_credited = ExactDecimalField(
        help_text="What credit notes gave back of its late reversals, for the months these are of."
    )
    total_amount = ExactDecimalField(source="live_total")
    charges = ChargeSerializer(
        source="live_charges", many=True, help_text="Everything but usage and credit, line by line."
    )
    status = serializers.ChoiceField(choices=BillingPeriod.Status.choices)
    stripe_invoice_id = serializers.CharField(allow_null=True)
    finalized_at = AwareDateTimeField(allow_null=True)
    paid_at = AwareDateTimeField(allow_null=True)
