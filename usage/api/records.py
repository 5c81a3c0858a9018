"""API views of usage records: list, detail, void."""

import datetime as dt
from functools import cached_property
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import django_filters
from django.db.models import Max, Min, QuerySet
from django.http import HttpResponseBase
from django.utils import timezone as clock
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing import months
from billing.api.access import visible, visible_workspaces
from billing.api.fields import exact_uuid
from billing.api.filters import AwareTimeFilter, FlagFilter, IdFilter, ProviderFilter
from billing.api.problems import InvalidParameters
from billing.api.views import ApiView, ByWorkspace, HotView
from billing.decimals import NotExact
from billing.errors import NotFound
from billing.id_ranges import IdRange
from billing.models import BillingPeriod
from billing.text import provider_key
from usage.api.examples import RECORD_EXAMPLE, STORED_EXAMPLE
from usage.api.hot import HOT_ENDPOINTS
from usage.api.serializers import (
    NewUsageRecordSerializer,
    StoredUsageSerializer,
    TrueUpSerializer,
    UsageRecordSerializer,
    VoidSerializer,
)
from usage.models import DimensionRollup, UsageRecord, UsageRollup
from usage.queries.records import find_record, workspaces_with_calls
from usage.services.true_ups import true_up_record
from usage.services.voiding import void_record

_DAY = dt.timedelta(days=1)
READ = ("usage:read", "usage:write")


class UsageFilter(django_filters.FilterSet):
    workspace_id = IdFilter()
    billing_period_id = IdFilter(help_text="The period that bills it, late usage included.")
    resource_type = django_filters.CharFilter(max_length=64)
    provider = ProviderFilter()
    call_id = IdFilter()
    agent_id = IdFilter()
    model = ProviderFilter()
    late = FlagFilter()
    occurred_after = AwareTimeFilter(
        field_name="occurred_at", lookup_expr="gte", help_text="Inclusive."
    )
    occurred_before = AwareTimeFilter(
        field_name="occurred_at", lookup_expr="lt", help_text="Exclusive."
    )


class UsageList(HotView, ByWorkspace, ListAPIView):
    """Usage records, workspace by workspace, newest first."""

    # Plan: the index (workspace, occurred_at, id), read from the cursor on. None leads with the
    # period, so a period is turned into its workspace and times, and its late usage, which lies
    # outside of them, comes from a small index of its own. What a filter by kind looks for may be
    # rare: rollups tell between which days it is at all.

    required_scopes = {"GET": READ}
    hot = HOT_ENDPOINTS
    queryset = UsageRecord.objects.all()
    serializer_class = UsageRecordSerializer
    filterset_class = UsageFilter
    ordering = ("-occurred_at", "-id")

    @cached_property
    def period(self) -> BillingPeriod | None:
        """The period asked for, if it exists for the caller."""
        try:
            period_id = exact_uuid(self.request.query_params.get("billing_period_id", ""))
        except NotExact:
            return None
        return visible(BillingPeriod.objects.all(), self.request).filter(pk=period_id).first()

    @property
    def ordering_group(self) -> str | None:
        return None if self.period else super().ordering_group

    def get_queryset(self) -> "QuerySet[UsageRecord]":
        if not self.request.query_params.get("billing_period_id"):
            return visible(super().get_queryset(), self.request)
        # A period that does not exist bills nothing, and must not be looked for in all records.
        if self.period is None:
            return UsageRecord.objects.none()
        return super().get_queryset().filter(workspace=self.period.workspace_id)

    def filter_queryset(self, queryset: Any) -> Any:
        records = super().filter_queryset(queryset)
        given = self.request.query_params
        if given.get("call_id") and self.ordering_group:
            call_id = UUID(given["call_id"])
            found = workspaces_with_calls(
                IdRange(call_id, call_id), workspace_ids=visible_workspaces(self.request)
            )
            return records.filter(workspace__in=found)
        kind = {name: given[name] for name in ("resource_type", "provider") if given.get(name)}
        dimensions = {name: given[name] for name in ("agent_id", "model") if given.get(name)}
        if "model" in dimensions:
            dimensions["model"] = provider_key(dimensions["model"])
        if not (kind or dimensions) or self.ordering_group:
            return records
        rollups: QuerySet[Any]
        if dimensions:
            rollups = DimensionRollup.objects.filter(**kind, **dimensions)
        else:
            rollups = UsageRollup.objects.filter(**kind)
        rollups = visible(rollups, self.request)
        if self.period:
            rollups = rollups.filter(billing_period=self.period)
        if given.get("workspace_id"):
            rollups = rollups.filter(workspace_id=given["workspace_id"])
        days = rollups.aggregate(first=Min("usage_date"), last=Max("usage_date"))
        if days["first"] is None:
            return records.none()
        # The days are the workspace's: a day more on either side covers every timezone.
        utc = ZoneInfo("UTC")
        return records.filter(
            occurred_at__gte=months.midnight(days["first"] - _DAY, utc),
            occurred_at__lt=months.midnight(days["last"] + 2 * _DAY, utc),
        )

    def parts(self, records: "QuerySet[UsageRecord]") -> "list[QuerySet[UsageRecord]]":
        if self.period is None:
            return [records]
        in_time = records.filter(
            late=False,
            occurred_at__gte=self.period.period_start,
            occurred_at__lt=self.period.period_end,
        )
        return [in_time, records.filter(late=True)]

    @extend_schema(
        operation_id="usage_create",
        description="Records one use. The same key and facts again answer 200 and what is stored;"
        " the same key with other facts is refused (409 `idempotency_key_reused`).",
        request=NewUsageRecordSerializer,
        responses={200: StoredUsageSerializer, 201: StoredUsageSerializer},
        examples=[RECORD_EXAMPLE, STORED_EXAMPLE],
    )
    def post(self, request: Request) -> HttpResponseBase:
        return self.http_method_not_allowed(request)


_WORKSPACE = OpenApiParameter(
    "workspace_id",
    OpenApiTypes.UUID,
    description="Whose record it is. Records are kept by workspace: a key for every workspace that"
    " names none has all of them looked through.",
)


def _visible_record(request: Request, record_id: UUID) -> UsageRecord:
    """The record, looked for in the workspace that is named or else in all that are visible."""
    workspace_ids = visible_workspaces(request)
    if (text := request.query_params.get("workspace_id")) is not None:
        try:
            named = exact_uuid(text)
        except NotExact as error:
            raise InvalidParameters({"workspace_id": error.detail}) from None
        workspace_ids = [named] if workspace_ids is None or named in workspace_ids else []
    record = find_record(record_id, workspace_ids=workspace_ids)
    if record is None:
        raise NotFound("There is no such usage record.")
    return record


class UsageDetail(ApiView):
    """One usage record, as stored."""

    required_scopes = {"GET": READ}
    parameters = frozenset({"workspace_id"})
    serializer_class = UsageRecordSerializer

    @extend_schema(operation_id="usage_retrieve", parameters=[_WORKSPACE])
    def get(self, request: Request, record_id: UUID) -> Response:
        record = _visible_record(request, record_id)
        return Response(UsageRecordSerializer(record).data)


class VoidRecord(ApiView):
    """Takes a record back by a reversing one; a second time answers the first reversal."""

    required_scopes = {"POST": "usage:write"}
    parameters = frozenset({"workspace_id"})
    serializer_class = VoidSerializer

    @extend_schema(
        operation_id="usage_void",
        parameters=[_WORKSPACE],
        responses={200: UsageRecordSerializer, 201: UsageRecordSerializer},
    )
    def post(self, request: Request, record_id: UUID) -> Response:
        record = _visible_record(request, record_id)
        reason = self.read(VoidSerializer)["reason"]
        reversal, created = void_record(
            workspace_id=record.workspace_id, record_id=record.pk, reason=reason, now=clock.now()
        )
        return Response(UsageRecordSerializer(reversal).data, status=201 if created else 200)


class TrueUp(ApiView):
    """Makes an estimated cost final, once, by a record with the difference."""

    required_scopes = {"POST": "usage:write"}
    parameters = frozenset({"workspace_id"})
    serializer_class = TrueUpSerializer

    @extend_schema(
        operation_id="usage_true_up",
        description="The price follows where it comes from the cost. The same `unit_cost` again"
        " answers the first record; another one is refused (409 `already_trued_up`).",
        parameters=[_WORKSPACE],
        responses={200: UsageRecordSerializer, 201: UsageRecordSerializer},
    )
    def post(self, request: Request, record_id: UUID) -> Response:
        record = _visible_record(request, record_id)
        true_up, created = true_up_record(
            workspace_id=record.workspace_id,
            record_id=record.pk,
            now=clock.now(),
            **self.read(TrueUpSerializer),
        )
        return Response(UsageRecordSerializer(true_up).data, status=201 if created else 200)
