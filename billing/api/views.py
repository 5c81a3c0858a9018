"""Base classes of the API's views."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone as clock
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from billing.api import exactjson
from billing.api.access import visible_workspaces
from billing.api.bodies import has_body, read_body
from billing.api.callers import Asking, admit, key_of, require_reading_member
from billing.api.costs import sees_all_costs, without_hidden_costs
from billing.api.filters import check_parameters
from billing.api.hot import HotEndpoint, answer, problem_reply
from billing.services.sign_in import client_address


class ApiRequest(Request):
    """Also reads a body of unannounced length (chunked), which REST framework takes for none."""

    def _load_stream(self) -> None:
        self._stream: Any = self._request if has_body(self._request) else None


class ApiView(GenericAPIView):
    """Parses bodies exactly, and refuses query parameters that it would otherwise ignore.

    `required_scopes` maps methods to scopes (see `HasScope`). A view that reads query parameters
    names them in `parameters`; one whose GET `lists` leaves them to its filter backend.
    """

    required_scopes: Mapping[str, str | tuple[str, ...]] = {}
    parameters: frozenset[str] = frozenset()
    lists = False
    body_optional = False
    # REST framework would answer OPTIONS with the names of classes.
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        return ApiRequest(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not (self.lists and request.method in SAFE_METHODS):
            check_parameters(request, self.parameters)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        data = getattr(response, "data", None)
        if data is not None and not response.exception and not sees_all_costs(request):
            response.data = without_hidden_costs(data, workspace_id=kwargs.get("workspace_id"))
        return response

    def body(self) -> dict[str, Any]:
        """The JSON object in the request's body; `{}` for none where the view allows that."""
        if not has_body(self.request._request) and not self.body_optional:
            raise exactjson.MalformedJson("The body is empty; a JSON object is expected.")
        data = self.request.data
        if not isinstance(data, dict):
            raise exactjson.MalformedJson("The body must be a JSON object.")
        return data

    def read(
        self, serializer: type[Serializer], *, partial: bool = False, stored: Any = None
    ) -> dict[str, Any]:
        """The body's facts, checked by `serializer`; with `partial`, only those that are there.

        What the serializer only shows may come along as it is `stored`.
        """
        facts = serializer(stored, data=self.body(), partial=partial)
        facts.is_valid(raise_exception=True)
        return dict(facts.validated_data)


class HotView(ApiView):
    """A view some of whose methods are hot endpoints, which go past REST framework.

    That would cost more than what they do. Methods of the same name are there for the
    documentation. `hot` is the table of all hot endpoints; the view's own are found by their route.
    """

    hot: Sequence[HotEndpoint] = ()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        method = "GET" if request.method == "HEAD" else request.method
        route = request.resolver_match.route if request.resolver_match else None
        for endpoint in self.hot:
            if (endpoint.method, endpoint.route) == (method, route):
                return _respond(endpoint, request, kwargs)
        return super().dispatch(request, *args, **kwargs)


def _respond(
    endpoint: HotEndpoint, request: HttpRequest, parameters: Mapping[str, Any]
) -> HttpResponse:
    try:
        admitted = admit(endpoint, request, _asking(request), parameters)
        if endpoint.media_types:
            admitted = admitted._replace(body=read_body(request), packed=False)
        reply = answer(endpoint, admitted)
    except Exception as error:  # noqa: BLE001 - as in `billing.api.hot.answer`
        reply = problem_reply(error)
    headers = dict(reply.headers)
    return HttpResponse(reply.body, reply.content_type, reply.status, headers=headers)


def _asking(request: HttpRequest) -> Asking:
    header = request.headers.get("authorization")
    key = key_of(header, now=clock.now(), address=client_address(request))
    if key is not None:
        return Asking(key, AnonymousUser())
    return Asking(None, require_reading_member(request.user, request.method))


class ByWorkspace(ApiView):
    """A list along an index that leads with the workspace: grouped by it unless there is one."""

    lists = True

    @property
    def ordering_group(self) -> str | None:
        visible = visible_workspaces(self.request)
        one = self.request.query_params.get("workspace_id") or (visible and len(visible) == 1)
        return None if one else "workspace_id"
