"""How the hot endpoints stand among the others: documented here, answered by `usage.api.hot`."""

from uuid import UUID

from django.http import HttpResponseBase
from rest_framework.request import Request

from billing.api.views import HotView
from usage.api import hot


class UsageBatch(HotView):
    hot = {"POST": hot.record_batch}

    def post(self, request: Request) -> HttpResponseBase:
        return hot.record_batch(request._request)


class CallBatch(HotView):
    hot = {"POST": hot.record_call_batch}

    def post(self, request: Request) -> HttpResponseBase:
        return hot.record_call_batch(request._request)


class Admission(HotView):
    hot = {"GET": hot.admission, "HEAD": hot.admission}

    def get(self, request: Request, workspace_id: UUID) -> HttpResponseBase:
        return hot.admission(request._request, workspace_id)
