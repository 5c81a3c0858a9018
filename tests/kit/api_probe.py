"""Addresses that do what a test needs from an endpoint, and nothing else."""

from decimal import Decimal

from django.http import HttpRequest, HttpResponse
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api import exactjson
from billing.api.access import visible_workspaces
from billing.api.bodies import read_body
from billing.api.plain import endpoint
from billing.api.views import ApiView


class Echo(ApiView):
    required_scopes = {"GET": "usage:read", "POST": ("usage:write", "billing:write")}

    def get(self, request: Request) -> Response:
        visible = visible_workspaces(request)
        return Response({"workspaces": None if visible is None else sorted(visible)})

    def post(self, request: Request) -> Response:
        return Response({name: str(value) for name, value in self.body().items()}, status=201)


@endpoint(method="POST", scope="usage:write", throttle_setting="API_USAGE_THROTTLE_PER_MINUTE")
def plain(request: HttpRequest) -> HttpResponse:
    answer = {"size": len(read_body(request)), "price": Decimal("1E-7")}
    return HttpResponse(exactjson.dumps(answer), content_type="application/json")


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken on purpose")


urlpatterns = [
    path("api/echo/", Echo.as_view()),
    path("api/plain/", plain),
    path("api/broken/", broken),
    path("page/broken/", broken),
]
handler404 = "billing.api.problems.handler404"
handler500 = "billing.api.problems.handler500"
