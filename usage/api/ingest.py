"""How the hot endpoints stand among the others: documented here, answered by `usage.api.hot`."""

from uuid import UUID

from django.http import HttpResponseBase
from drf_spectacular.utils import OpenApiRequest, extend_schema
from rest_framework.request import Request

from billing.api.views import HotView
from usage.api import hot
from usage.api.examples import ACCOUNT_EXAMPLE, BATCH_EXAMPLE
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

    plain_views = {"POST": hot.record_batch}

    @extend_schema(
        operation_id="usage_batch",
        request={
            hot.JSON: UsageBatchSerializer,
            hot.NDJSON: OpenApiRequest({"type": "string", "description": "One record a line."}),
        },
        responses=AccountSerializer,
        examples=[BATCH_EXAMPLE, ACCOUNT_EXAMPLE],
    )
    def post(self, request: Request) -> HttpResponseBase:
        return hot.record_batch(request._request)


class CallBatch(HotView):
    """Records 1 to 10,000 calls, new ones and news of known ones."""

    plain_views = {"POST": hot.record_call_batch}

    @extend_schema(
        operation_id="calls_batch",
        request={
            hot.JSON: CallBatchSerializer,
            hot.NDJSON: OpenApiRequest({"type": "string", "description": "One call a line."}),
        },
        responses=AccountSerializer,
    )
    def post(self, request: Request) -> HttpResponseBase:
        return hot.record_call_batch(request._request)


class AdmissionCheck(HotView):
    """May a new call start now? Cheap enough to be asked before every one."""

    plain_views = {"GET": hot.admission, "HEAD": hot.admission}

    @extend_schema(operation_id="workspaces_admission", responses=AdmissionSerializer)
    def get(self, request: Request, workspace_id: UUID) -> HttpResponseBase:
        return hot.admission(request._request, workspace_id)
