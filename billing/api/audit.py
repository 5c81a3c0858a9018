"""The audit log over HTTP: who changed what, from what to what, when, where and why."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView

from billing.api.access import Authenticated, visible_workspaces
from billing.api.fields import AwareDateTimeField
from billing.api.filters import AwareTimeFilter, IdFilter
from billing.api.views import ApiView
from billing.audit import CHANNELS
from billing.changes import entries_of, shown_actor, shown_columns, with_shown_actor
from billing.models import AuditEntry, ServiceKey


def sees_all(request: Authenticated) -> bool:
    return isinstance(request.auth, ServiceKey) and request.auth.workspace_id is None


class AuditFilter(django_filters.FilterSet):
    workspace_id = IdFilter()
    table = django_filters.CharFilter(max_length=63)
    object_id = django_filters.CharFilter(max_length=64)
    operation = django_filters.ChoiceFilter(choices=AuditEntry.Operation.choices)
    channel = django_filters.ChoiceFilter(choices=[(channel, channel) for channel in CHANNELS])
    actor = django_filters.CharFilter(max_length=254, method="by_actor")
    after = AwareTimeFilter(field_name="at", lookup_expr="gte", help_text="Inclusive.")
    before = AwareTimeFilter(field_name="at", lookup_expr="lt", help_text="Exclusive.")

    def by_actor(
        self, entries: "QuerySet[AuditEntry]", name: str, actor: str
    ) -> "QuerySet[AuditEntry]":
        """Who is not told who it was does not find out by asking for somebody either."""
        return (entries if sees_all(self.request) else with_shown_actor(entries)).filter(
            actor=actor
        )


class AuditEntrySerializer(serializers.Serializer):
    id = serializers.UUIDField()
    at = AwareDateTimeField()
    workspace_id = serializers.UUIDField(allow_null=True)
    table = serializers.CharField(help_text="What it is a row of.")
    object_id = serializers.CharField()
    subject = serializers.CharField(help_text="What it is called; empty where it has no name.")
    operation = serializers.ChoiceField(choices=AuditEntry.Operation.choices)
    changes = serializers.SerializerMethodField(
        help_text="Column -> [before, after], as texts; null for what was not there. Secrets are"
        " `(hidden)`."
    )
    channel = serializers.CharField(help_text=f"{', '.join(CHANNELS)}.")
    actor = serializers.SerializerMethodField()
    reason = serializers.SerializerMethodField()
    request_id = serializers.SerializerMethodField()

    @extend_schema_field(
        {
            "type": "object",
            "additionalProperties": {
                "type": "array",
                "items": {"type": "string", "nullable": True},
                "minItems": 2,
                "maxItems": 2,
            },
        }
    )
    def get_changes(self, entry: AuditEntry) -> dict[str, Any]:
        return entry.changes if self._sees_all else shown_columns(entry)

    def get_actor(self, entry: AuditEntry) -> str:
        return entry.actor if self._sees_all else shown_actor(entry)

    def get_reason(self, entry: AuditEntry) -> str:
        return entry.reason if self._sees_all else ""

    def get_request_id(self, entry: AuditEntry) -> str:
        return entry.request_id if self._sees_all else ""

    @property
    def _sees_all(self) -> bool:
        return sees_all(self.context["request"])


class AuditLog(ApiView, ListAPIView):
    """Every change of what bills depend on, latest first.

    A key for every workspace sees all of it. A bound key and a member see what owners see of their
    workspace: no markups, and the platform's people only as the platform.
    """

    required_scopes = {"GET": "audit:read"}
    lists = True
    queryset = AuditEntry.objects.all()
    serializer_class = AuditEntrySerializer
    filterset_class = AuditFilter
    ordering = ("-at", "-id")

    def get_queryset(self) -> "QuerySet[AuditEntry]":
        workspaces = visible_workspaces(self.request)
        return super().get_queryset() if workspaces is None else entries_of(workspaces)
