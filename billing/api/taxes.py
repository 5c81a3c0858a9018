"""Tax registrations of the issuer and tax rates, over the API."""

from django.db.models import QuerySet
from django.utils import timezone as clock
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.fields import (
    AwareDateTimeField,
    DayField,
    ExactDecimalField,
    FlagField,
    PlainTextField,
)
from billing.api.platform_views import PlatformView
from billing.api.serializers import StrictSerializer
from billing.models import TaxRate, TaxRegistration
from billing.models.taxes import TAX_CLASS
from billing.rating.taxes import ONE_STOP_SHOP
from billing.services import tax_rates
from billing.services.workspace_details import known_entity
from billing.taxnumbers import COUNTRIES


class NewRegistrationSerializer(StrictSerializer):
    country = PlainTextField(
        max_length=2,
        codes=COUNTRIES | {ONE_STOP_SHOP},
        help_text="ISO 3166, as DE; EU: the one-stop shop.",
    )
    region = PlainTextField(
        max_length=100,
        required=False,
        default="",
        allow_blank=True,
        help_text="Of the US a state, as TX or Texas.",
    )
    number = PlainTextField(max_length=40)
    consumers_only = FlagField(
        default=False, help_text="For customers who are no business, as the one-stop shop is."
    )
    is_home = FlagField(default=False, help_text="The issuer is established there.")
    starts_on = DayField()
    ends_on = DayField(required=False, allow_null=True, default=None, help_text="Exclusive.")
    issuing_entity = PlainTextField(
        max_length=12,
        required=False,
        allow_null=True,
        default=None,
        help_text="Its code; by default the issuer whom the settings name.",
    )


class RegistrationSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    country = serializers.CharField()
    region = serializers.CharField(allow_blank=True)
    number = serializers.CharField()
    consumers_only = serializers.BooleanField()
    is_home = serializers.BooleanField()
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(allow_null=True)
    issuing_entity = serializers.CharField(
        source="issuing_entity.code", default=None, allow_null=True
    )
    created_at = AwareDateTimeField()


class NewRateSerializer(StrictSerializer):
    country = PlainTextField(max_length=2, help_text="ISO 3166, as DE.")
    region = PlainTextField(max_length=100, required=False, default="", allow_blank=True)
    tax_class = PlainTextField(
        max_length=32, required=False, default="standard", validators=[TAX_CLASS]
    )
    name = PlainTextField(
        max_length=32, required=False, default="VAT", help_text="As invoices call the tax."
    )
    percent = ExactDecimalField(integer_digits=3, decimals=4, shown=0)
    starts_on = DayField()
    ends_on = DayField(required=False, allow_null=True, default=None, help_text="Exclusive.")


class TaxRateSerializer(serializers.Serializer):
    country = serializers.CharField()
    region = serializers.CharField(allow_blank=True)
    tax_class = serializers.CharField()
    name = serializers.CharField()
    percent = ExactDecimalField(decimals=4, shown=0)
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(allow_null=True)


class RegistrationList(PlatformView, ListAPIView):
    """Where the issuer is registered for tax. Without a registration nobody is charged any."""

    required_scopes = {"GET": "billing:read", "POST": "billing:write"}
    lists = True
    queryset = TaxRegistration.objects.select_related("issuing_entity")
    serializer_class = RegistrationSerializer
    ordering = ("created_at", "id")

    def get_queryset(self) -> "QuerySet[TaxRegistration]":
        return self.all_of(TaxRegistration).select_related("issuing_entity")

    @extend_schema(
        request=NewRegistrationSerializer,
        responses={201: RegistrationSerializer},
        examples=[
            OpenApiExample(
                "Established in Germany",
                value={
                    "country": "DE",
                    "number": "DE136695976",
                    "is_home": True,
                    "starts_on": "2027-01-01",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Adds one. Invoices that are issued from now on are taxed by it."""
        self.refuse_bound_keys()
        asked = self.read(NewRegistrationSerializer)
        asked["issuing_entity"] = known_entity(asked["issuing_entity"])
        row = tax_rates.add_registration(now=clock.now(), **asked)
        return Response(RegistrationSerializer(row).data, status=201)


class RateList(PlatformView, ListAPIView):
    """Tax rates by country, class and day."""

    required_scopes = {"GET": "billing:read", "POST": "billing:write"}
    lists = True
    queryset = TaxRate.objects.all()
    serializer_class = TaxRateSerializer
    ordering = ("country", "id")

    def get_queryset(self) -> "QuerySet[TaxRate]":
        return self.all_of(TaxRate)

    @extend_schema(request=NewRateSerializer, responses={201: TaxRateSerializer})
    def post(self, request: Request) -> Response:
        """Adds a rate from a day on; the one before it ends then."""
        self.refuse_bound_keys()
        row = tax_rates.add_tax_rate(**self.read(NewRateSerializer))
        return Response(TaxRateSerializer(row).data, status=201)
