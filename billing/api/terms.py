"""A workspace's add-ons, minimum commitments and discounts, over the API."""

from typing import Any
from uuid import UUID

from django.db.models import Model
from django.utils import timezone as clock
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import visible_or_404
from billing.api.fields import (
    AwareDateTimeField,
    DayField,
    ExactDecimalField,
    PlainTextField,
    WholeNumberField,
)
from billing.api.rates import EndSerializer
from billing.api.serializers import StrictSerializer
from billing.api.views import ApiView
from billing.errors import Invalid, NotFound
from billing.models import AddOn, AppliesTo, Commitment, Discount, Proration, Workspace
from billing.money import ZERO
from billing.services import terms

_SCOPES: dict[str, str | tuple[str, ...]] = {
    "GET": ("billing:read", "terms:write"),
    "POST": "terms:write",
    "PATCH": "terms:write",
}
_MONTH = "The first day of a month. Default: this month's."
_END = "Exclusive. Default: no end."


def agreed_amount(**options: Any) -> ExactDecimalField:
    return ExactDecimalField(integer_digits=11, decimals=3, shown=2, minimum=ZERO, **options)


def percentage(**options: Any) -> ExactDecimalField:
    return ExactDecimalField(integer_digits=3, decimals=4, shown=0, **options)


class DaysSerializer(StrictSerializer):
    starts_on = DayField(required=False, allow_null=True, default=None, help_text=_MONTH)
    ends_on = DayField(required=False, allow_null=True, default=None, help_text=_END)


class NewAddOnSerializer(DaysSerializer):
    name = PlainTextField(max_length=100, help_text="As the invoice calls it.")
    quantity = ExactDecimalField(integer_digits=12, decimals=6)
    unit_price = agreed_amount(help_text="Of one, a month, in the workspace's currency.")
    proration = serializers.ChoiceField(
        choices=Proration.choices,
        default=Proration.NONE,
        help_text="none: each month in which it holds is charged whole; daily: by its days.",
    )
    starts_on = DayField(required=False, allow_null=True, default=None, help_text="Default: today.")


class AddOnSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    quantity = ExactDecimalField(decimals=6, shown=0)
    unit_price = agreed_amount()
    proration = serializers.ChoiceField(choices=Proration.choices)
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(allow_null=True)
    created_at = AwareDateTimeField()


class NewCommitmentSerializer(DaysSerializer):
    amount = agreed_amount(help_text="What is charged at least in each month.")
    covers = serializers.ChoiceField(
        choices=Commitment.Covers.choices, default=Commitment.Covers.USAGE
    )


class CommitmentSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    amount = agreed_amount()
    covers = serializers.ChoiceField(choices=Commitment.Covers.choices)
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(allow_null=True)
    created_at = AwareDateTimeField()


class ReductionSerializer(StrictSerializer):
    """Either `percentage` or `amount`."""

    percentage = percentage(
        required=False, allow_null=True, default=None, help_text="More than 0, at most 100."
    )
    amount = agreed_amount(
        required=False, allow_null=True, default=None, help_text="Off each month."
    )
    applies_to = serializers.ChoiceField(
        choices=AppliesTo.choices, default=AppliesTo.USAGE_AND_FEES
    )
    periods = WholeNumberField(
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        max_value=1200,
        help_text="For so many months. Default: for ever.",
    )


class NewDiscountSerializer(ReductionSerializer, DaysSerializer):
    """A discount in its own words, or a `coupon` and nothing else."""

    name = PlainTextField(required=False, max_length=100, help_text="As the invoice calls it.")
    coupon = PlainTextField(required=False, max_length=40, help_text="The code of one to redeem.")


class DiscountSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    percentage = percentage(allow_null=True)
    amount = agreed_amount(allow_null=True)
    applies_to = serializers.ChoiceField(choices=AppliesTo.choices)
    coupon = serializers.CharField(source="coupon.code", allow_null=True, default=None)
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(allow_null=True)
    created_at = AwareDateTimeField()


class AddOnsSerializer(serializers.Serializer):
    results = AddOnSerializer(many=True)


class CommitmentsSerializer(serializers.Serializer):
    results = CommitmentSerializer(many=True)


class DiscountsSerializer(serializers.Serializer):
    results = DiscountSerializer(many=True)


class TermsView(ApiView):
    required_scopes = _SCOPES

    def workspace(self, workspace_id: UUID) -> Workspace:
        return visible_or_404(
            Workspace.objects.all(), self.request, workspace="pk", pk=workspace_id
        )

    def require(self, model: type[Model], workspace_id: UUID, row_id: UUID) -> None:
        self.workspace(workspace_id)
        rows = model._default_manager.filter(pk=row_id, workspace=workspace_id)
        if not rows.exists():
            raise NotFound(f"There is no such {model._meta.verbose_name}.")


class AddOnList(TermsView):
    """A workspace's add-ons: fees of their own by the month, as of phone numbers."""

    serializer_class = AddOnSerializer

    @extend_schema(responses=AddOnsSerializer)
    def get(self, request: Request, workspace_id: UUID) -> Response:
        rows = AddOn.objects.filter(workspace=self.workspace(workspace_id))
        return Response({"results": AddOnSerializer(rows, many=True).data})

    @extend_schema(
        request=NewAddOnSerializer,
        responses={201: AddOnSerializer},
        examples=[
            OpenApiExample(
                "Five phone numbers",
                value={
                    "name": "Phone numbers",
                    "quantity": "5",
                    "unit_price": "1.50",
                    "proration": "daily",
                    "starts_on": "2027-01-16",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        """Begins one. Of the same name one follows another: end the one that holds first."""
        workspace = self.workspace(workspace_id)
        row = terms.add_add_on(
            workspace_id=workspace.pk, now=clock.now(), **self.read(NewAddOnSerializer)
        )
        return Response(AddOnSerializer(row).data, status=201)


class AddOnDetail(TermsView):
    @extend_schema(request=EndSerializer, responses=AddOnSerializer)
    def patch(self, request: Request, workspace_id: UUID, add_on_id: UUID) -> Response:
        """Ends an add-on."""
        self.require(AddOn, workspace_id, add_on_id)
        row = terms.end_add_on(add_on_id=add_on_id, now=clock.now(), **self.read(EndSerializer))
        return Response(AddOnSerializer(row).data)


class CommitmentList(TermsView):
    """A workspace's minimum commitments: what it is charged at least in each month."""

    serializer_class = CommitmentSerializer

    @extend_schema(responses=CommitmentsSerializer)
    def get(self, request: Request, workspace_id: UUID) -> Response:
        rows = Commitment.objects.filter(workspace=self.workspace(workspace_id))
        return Response({"results": CommitmentSerializer(rows, many=True).data})

    @extend_schema(
        request=NewCommitmentSerializer,
        responses={201: CommitmentSerializer},
        examples=[
            OpenApiExample(
                "At least 200 a month",
                value={"amount": "200.00", "covers": "usage", "starts_on": "2027-01-01"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        """Agrees on a minimum. One holds at a time."""
        workspace = self.workspace(workspace_id)
        row = terms.add_commitment(
            workspace_id=workspace.pk, now=clock.now(), **self.read(NewCommitmentSerializer)
        )
        return Response(CommitmentSerializer(row).data, status=201)


class CommitmentDetail(TermsView):
    @extend_schema(request=EndSerializer, responses=CommitmentSerializer)
    def patch(self, request: Request, workspace_id: UUID, commitment_id: UUID) -> Response:
        """Ends a commitment, with a month."""
        self.require(Commitment, workspace_id, commitment_id)
        row = terms.end_commitment(
            commitment_id=commitment_id, now=clock.now(), **self.read(EndSerializer)
        )
        return Response(CommitmentSerializer(row).data)


class DiscountList(TermsView):
    """A workspace's discounts, in the order in which they are taken off."""

    serializer_class = DiscountSerializer

    @extend_schema(responses=DiscountsSerializer)
    def get(self, request: Request, workspace_id: UUID) -> Response:
        rows = Discount.objects.filter(workspace=self.workspace(workspace_id))
        shown = DiscountSerializer(rows.select_related("coupon"), many=True).data
        return Response({"results": shown})

    @extend_schema(
        request=NewDiscountSerializer,
        responses={201: DiscountSerializer},
        examples=[
            OpenApiExample(
                "A quarter off usage for three months",
                value={
                    "name": "Launch offer",
                    "percentage": "25",
                    "applies_to": "usage",
                    "periods": 3,
                },
                request_only=True,
            ),
            OpenApiExample("A coupon", value={"coupon": "WELCOME"}, request_only=True),
        ],
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        """Gives a discount, or redeems a coupon."""
        workspace = self.workspace(workspace_id)
        facts = self.read(NewDiscountSerializer)
        if "coupon" in facts:
            if others := self.body().keys() - {"coupon"}:
                raise Invalid(
                    "A coupon says by itself what it gives: nothing else is expected.",
                    field=min(others),
                    code="given_by_the_coupon",
                )
            row = terms.redeem_coupon(
                workspace_id=workspace.pk, code=facts["coupon"], now=clock.now()
            )
        elif "name" not in facts:
            raise Invalid("A name is expected.", field="name", code="required")
        else:
            row = terms.add_discount(workspace_id=workspace.pk, now=clock.now(), **facts)
        return Response(DiscountSerializer(row).data, status=201)


class DiscountDetail(TermsView):
    @extend_schema(request=EndSerializer, responses=DiscountSerializer)
    def patch(self, request: Request, workspace_id: UUID, discount_id: UUID) -> Response:
        """Ends a discount, with a month."""
        self.require(Discount, workspace_id, discount_id)
        row = terms.end_discount(
            discount_id=discount_id, now=clock.now(), **self.read(EndSerializer)
        )
        return Response(DiscountSerializer(row).data)
