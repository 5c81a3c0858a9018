"""How the hot endpoints stand among the others: documented here, answered by `usage.api.hot`."""

from uuid import UUID

from django.http import HttpResponseBase
from drf_spectacular.utils import OpenApiRequest, extend_schema
from rest_framework.request import Request

from billing.api.hot import JSON, NDJSON
from billing.api.views import HotView
from usage.api.examples import ACCOUNT_EXAMPLE, BATCH_EXAMPLE
from usage.api.hot import HOT_ENDPOINTS
from usage.api.serializers import (
    AccountSerializer,
    AdmissionSerializer,
    CallBatchSerializer,
    UsageBatchSerializer,
)


class UsageBatch(HotView):
    """Records 1 to 10,000 uses. A bad one never spoils its neighbours; sending all again is safe.

    When the answer arrives, what it calls accepted is committed.
    """

    hot = HOT_ENDPOINTS

    @extend_schema(
        operation_id="usage_batch",
        request={
            JSON: UsageBatchSerializer,
            NDJSON: OpenApiRequest({"type": "string", "description": "One record a line."}),
        },
        responses=AccountSerializer,
        examples=[BATCH_EXAMPLE, ACCOUNT_EXAMPLE],
    )
    def post(self, request: Request) -> HttpResponseBase:
        return self.http_method_not_allowed(request)


class CallBatch(HotView):
    """Records 1 to 10,000 calls, new ones and news of known ones."""

    hot = HOT_ENDPOINTS

    @extend_schema(
        operation_id="calls_batch",
        request={
            JSON: CallBatchSerializer,
            NDJSON: OpenApiRequest({"type": "string", "description": "One call a line."}),
        },
        responses=AccountSerializer,
    )
    def post(self, request: Request) -> HttpResponseBase:
        return self.http_method_not_allowed(request)


class AdmissionCheck(HotView):
    """May a new call start now? Cheap enough to be asked before every one."""

    hot = HOT_ENDPOINTS

    @extend_schema(operation_id="workspaces_admission", responses=AdmissionSerializer)
    def get(self, request: Request, workspace_id: UUID) -> HttpResponseBase:
        return self.http_method_not_allowed(request)
