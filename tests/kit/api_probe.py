"""Addresses that do what a test needs from an endpoint, and nothing else."""

from decimal import Decimal

from django.http import HttpRequest, HttpResponse
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api import exactjson
from billing.api.access import visible_workspaces
from billing.api.hot import HotEndpoint, HotRequest, Lane, Reply
from billing.api.views import ApiView, HotView


class Echo(ApiView):
    required_scopes = {"GET": "usage:read", "POST": ("usage:write", "billing:write")}

    def get(self, request: Request) -> Response:
        visible = visible_workspaces(request)
        return Response({"workspaces": None if visible is None else sorted(visible)})

    def post(self, request: Request) -> Response:
        return Response({name: str(value) for name, value in self.body().items()}, status=201)


def _size(request: HotRequest) -> Reply:
    return Reply(200, exactjson.dumps({"size": len(request.body), "price": Decimal("1E-7")}))


_HOT = HotEndpoint("POST", "api/hot/", ("usage:write",), ("application/json",), _size, Lane.THREAD)


class Hot(HotView):
    hot = (_HOT,)

    def post(self, request: Request) -> Response:
        raise NotImplementedError("answered past REST framework")


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken on purpose")


urlpatterns = [
    path("api/echo/", Echo.as_view()),
    path("api/hot/", Hot.as_view()),
    path("api/broken/", broken),
    path("page/broken/", broken),
]
handler404 = "billing.api.problems.handler404"
handler500 = "billing.api.problems.handler500"
