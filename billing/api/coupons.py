"""Coupons, over the API."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone as clock
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.fields import AwareDateTimeField, PlainTextField, WholeNumberField
from billing.api.platform_views import PlatformView
from billing.api.serializers import StrictSerializer
from billing.api.terms import ReductionSerializer, agreed_amount, percentage
from billing.errors import NotFound
from billing.models import AppliesTo, Coupon
from billing.services import coupons


class LimitsSerializer(StrictSerializer):
    max_redemptions = WholeNumberField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=2_000_000_000,
        help_text="By so many workspaces, once each. null: by any number.",
    )
    expires_at = AwareDateTimeField(
        required=False, allow_null=True, help_text="It can be redeemed until then. null: always."
    )


class CodeField(PlainTextField):
    """A code of letters, digits, _ and -, kept in capitals."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=40, **options)
        self.validators.append(_is_plain)


def _is_plain(code: str) -> None:
    if not code.isascii() or not code.replace("_", "").replace("-", "").isalnum():
        raise serializers.ValidationError("Letters, digits, _ and - are expected.", "invalid_code")
    if not code[0].isalnum():
        raise serializers.ValidationError("It begins with a letter or digit.", "invalid_code")


class NewCouponSerializer(ReductionSerializer, LimitsSerializer):
    code = CodeField()
    name = PlainTextField(max_length=100, help_text="As the invoice calls the discount.")
    currency = PlainTextField(
        required=False, max_length=3, default="", help_text="Of an amount, as USD."
    )


class CouponSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    code = serializers.CharField()
    name = serializers.CharField()
    percentage = percentage(allow_null=True)
    amount = agreed_amount(allow_null=True)
    currency = serializers.CharField(allow_blank=True)
    applies_to = serializers.ChoiceField(choices=AppliesTo.choices)
    periods = serializers.IntegerField(allow_null=True)
    max_redemptions = serializers.IntegerField(allow_null=True)
    redemptions = serializers.IntegerField()
    expires_at = AwareDateTimeField(allow_null=True)
    created_at = AwareDateTimeField()


class CouponList(PlatformView, ListAPIView):
    """Coupons by code."""

    lists = True
    queryset = Coupon.objects.all()
    serializer_class = CouponSerializer
    ordering = ("code", "id")

    def get_queryset(self) -> "QuerySet[Coupon]":
        return self.all_of(Coupon)

    @extend_schema(
        description="Makes a coupon. Its terms never change: let it expire and make another.",
        request=NewCouponSerializer,
        responses={201: CouponSerializer},
        examples=[
            OpenApiExample(
                "Ten off the first month",
                value={
                    "code": "WELCOME",
                    "name": "Welcome",
                    "amount": "10.00",
                    "currency": "USD",
                    "applies_to": "usage_and_fees",
                    "periods": 1,
                    "max_redemptions": 500,
                    "expires_at": "2027-06-30T22:00:00Z",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        self.refuse_bound_keys()
        coupon = coupons.create_coupon(now=clock.now(), **self.read(NewCouponSerializer))
        return Response(CouponSerializer(coupon).data, status=201)


class CouponDetail(PlatformView):
    """One coupon."""

    serializer_class = CouponSerializer

    def _require(self, coupon_id: UUID) -> Coupon:
        coupon: Coupon | None = self.all_of(Coupon).filter(pk=coupon_id).first()
        if coupon is None:
            raise NotFound("There is no such coupon.")
        return coupon

    def get(self, request: Request, coupon_id: UUID) -> Response:
        return Response(CouponSerializer(self._require(coupon_id)).data)

    @extend_schema(request=LimitsSerializer, responses=CouponSerializer)
    def patch(self, request: Request, coupon_id: UUID) -> Response:
        """Changes how often, or until when, it can be redeemed."""
        self._require(coupon_id)
        coupon = coupons.limit_coupon(
            coupon_id=coupon_id, **self.read(LimitsSerializer, partial=True)
        )
        return Response(CouponSerializer(coupon).data)
