"""The estimate: what records would cost, by which rate, at what margin. Nothing is written."""

from typing import Any

import msgspec
from django.http import HttpRequest
from django.utils import timezone as clock
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import visible_workspaces
from billing.api.bodies import read_body
from billing.api.fields import ExactDecimalField
from billing.api.hot import JSON, UnsupportedMediaType
from billing.api.views import ApiView
from billing.money import without_exponent
from usage.api.examples import RECORD_EXAMPLE
from usage.api.hot import RecordRefused, shown_record
from usage.api.serializers import (
    NewUsageRecordSerializer,
    StoredUsageSerializer,
)
from usage.services.estimates import Estimate, estimate_usage
from usage.services.ingest import Entry, RecordError, check_entries
from usage.services.ingest.parsing import TooManyRecords, usage_parser

MAX_RECORDS = 1_000
_envelope = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _MatchSerializer(serializers.Serializer):
    resource_type = serializers.CharField(allow_null=True)
    provider = serializers.CharField(allow_null=True)
    model = serializers.CharField(allow_null=True)


class _RateSerializer(serializers.Serializer):
    card = serializers.CharField(allow_null=True, help_text="null: an override.")
    version = serializers.IntegerField(allow_null=True)
    match = _MatchSerializer()
    model = serializers.CharField(help_text="Of the price, as per_unit.")


class EstimateSerializer(StoredUsageSerializer):
    """A record as it would be stored; `billing_period_id` is null where it would open one."""

    billing_period_id = serializers.UUIDField(allow_null=True)
    recorded = serializers.BooleanField(help_text="Its key is known: this is what is stored.")
    rate = _RateSerializer(allow_null=True, help_text="null: the markup.")
    list_price = ExactDecimalField(help_text="What it is written with: final_cost.")
    adjustment = ExactDecimalField(
        allow_null=True,
        help_text="What the period's total would change by beyond it; null where the price does"
        " not depend on the period.",
    )
    margin = ExactDecimalField(required=False, help_text="list_price less total_cost.")
    margin_percentage = ExactDecimalField(
        decimals=4, allow_null=True, required=False, help_text="Of the price; null without one."
    )
    min_margin_percentage = ExactDecimalField(
        decimals=4, shown=0, allow_null=True, required=False, help_text="Of the rate."
    )
    is_below_least_margin = serializers.BooleanField(required=False)


class UsageEstimate(ApiView):
    """What one record, or `{"records": [...]}`, would cost. Nothing is written."""

    required_scopes = {"POST": ("usage:write", "usage:read", "billing:read")}
    serializer_class = EstimateSerializer

    @extend_schema(
        operation_id="usage_estimate",
        description="Takes what `POST /api/v1/usage/` takes and answers what that would, or"
        f' `{{"records": [...]}}`, {MAX_RECORDS:,} at most, answered as `results` and `errors`.',
        request=NewUsageRecordSerializer,
        responses={200: EstimateSerializer},
        examples=[
            RECORD_EXAMPLE,
            OpenApiExample("Several", {"records": [RECORD_EXAMPLE.value]}, request_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        body = _json_body(request._request)
        entries = _many(body)
        now, only = clock.now(), _only_workspace(request)
        records, errors = check_entries(
            [usage_parser.single(body)] if entries is None else entries, now=now
        )
        answers = estimate_usage(records, now=now, only_workspace=only)
        errors += [each for each in answers if isinstance(each, RecordError)]
        found = {
            record.index: _shown(answer)
            for record, answer in zip(records, answers, strict=True)
            if isinstance(answer, Estimate)
        }
        if entries is None:
            if errors:
                raise RecordRefused(errors[0])
            return Response(found[0])
        return Response(
            {
                "results": [found.get(index) for index in range(len(entries))],
                "errors": [
                    msgspec.to_builtins(error)
                    for error in sorted(errors, key=lambda error: error.index)
                ],
            }
        )


def _json_body(request: HttpRequest) -> bytes:
    if (request.content_type or "") != JSON:
        raise UnsupportedMediaType(f"Content-Type must be {JSON}, not {request.content_type!r}.")
    return read_body(request)


def _many(body: bytes) -> Any:
    """The records of an envelope; None for a record by itself, or what is no JSON."""
    try:
        if "records" not in _envelope.decode(body):
            return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    entries: list[Entry | RecordError] = list(usage_parser.json(body))
    if len(entries) > MAX_RECORDS:
        raise TooManyRecords(f"At most {MAX_RECORDS} records are estimated.", field="records")
    return entries


def _only_workspace(request: Request) -> str | None:
    visible = visible_workspaces(request)
    return None if visible is None else visible[0].hex


def _shown(estimate: Estimate) -> dict[str, Any]:
    stored, rate = estimate.record, estimate.rate
    share = estimate.margin_percentage
    least = rate and rate.min_margin_percentage
    return shown_record(stored) | {
        "billing_period_id": None if estimate.opens_period else stored.billing_period_id,
        "recorded": estimate.is_known,
        "rate": None
        if rate is None
        else {
            "card": rate.card,
            "version": rate.version,
            "match": {name: value or None for name, value in rate.match._asdict().items()},
            "model": rate.price.model,
        },
        "list_price": without_exponent(stored.final_cost),
        "adjustment": None
        if estimate.adjustment is None
        else without_exponent(estimate.adjustment),
        "margin": without_exponent(estimate.margin),
        "margin_percentage": None if share is None else without_exponent(share),
        "min_margin_percentage": None if least is None else f"{least.normalize():f}",
        "is_below_least_margin": estimate.is_below_least_margin,
    }
