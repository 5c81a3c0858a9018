"""Hot endpoints: what is asked for every call and every use, too often for REST framework.

Each is a `HotEndpoint`: who may ask, what is read, and the function that answers. `config.serving`
answers them on its event loop; `respond` answers them as a Django view, by the same rules, for
signed-in members, other WSGI servers and whatever is out of the ordinary.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, TypeAlias, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.utils import timezone as clock

from billing.api.access import may_see
from billing.api.bodies import is_packed, read_body, unpack
from billing.api.callers import check_rate, key_of, require_reading_member, require_scope
from billing.api.problems import error_response, problem_response
from billing.errors import BillingError, NotFound
from billing.models import ServiceKey, User
from billing.services.sign_in import client_address

log = logging.getLogger(__name__)
JSON = "application/json"
NDJSON = "application/x-ndjson"
_THROTTLE = "API_USAGE_THROTTLE_PER_MINUTE"


class UnsupportedMediaType(BillingError):
    status = 415
    code = "unsupported_media_type"


class HotRequest(NamedTuple):
    """What a hot function is given; it travels to another process too."""

    body: bytes = b""
    packed: bool = False
    media_type: str = ""
    # The one workspace that the key may name; None when it may name all.
    only_workspace: UUID | None = None
    parameters: Mapping[str, Any] = {}


class Reply(NamedTuple):
    status: int
    body: bytes
    content_type: str = JSON
    headers: Sequence[tuple[str, str]] = ()


Function: TypeAlias = Callable[[HotRequest], Reply]
ManyFunction: TypeAlias = Callable[[Sequence[HotRequest]], Sequence[Reply | Exception]]


class Lane(Enum):
    """Where the event loop has a function run."""

    TOGETHER = "as a micro-batch with others like it; the function takes and answers many"
    THREAD = "in a thread"
    PROCESS = "in a process beside the web worker, for what keeps Python busy for long"


class HotEndpoint(NamedTuple):
    """`route` as in the URL configuration; any one of `scopes` is enough."""

    method: str
    route: str
    scopes: Collection[str]
    media_types: Collection[str]
    function: Function | ManyFunction
    lane: Lane


@dataclass(slots=True)
class Asking:
    """Who asks: a service by its key, or a signed-in member."""

    auth: ServiceKey | None
    user: User | AnonymousUser


def admit(
    endpoint: HotEndpoint,
    request: HttpRequest,
    asking: Asking,
    parameters: Mapping[str, Any],
    *,
    in_background: bool = False,
) -> HotRequest:
    """What the function is given, but for the body, once everything else is found right.

    `in_background` as for `check_rate`.
    """
    only = None
    if asking.auth is not None:
        require_scope(asking.auth, endpoint.scopes)
        only = asking.auth.workspace_id
    limit = getattr(settings, _THROTTLE)
    check_rate(asking, limit=limit, group=_THROTTLE, in_background=in_background)
    if "workspace_id" in parameters and not may_see(asking, parameters["workspace_id"]):
        raise NotFound("There is no such workspace.")
    if not endpoint.media_types:
        return HotRequest(only_workspace=only, parameters=parameters)
    media_type = request.content_type or ""
    if media_type not in endpoint.media_types:
        raise UnsupportedMediaType(
            f"Content-Type must be {' or '.join(endpoint.media_types)}, not {media_type!r}."
        )
    return HotRequest(b"", is_packed(request.META), media_type, only, parameters)


def answer(endpoint: HotEndpoint, request: HotRequest) -> Reply:
    """Have one request answered; an error as a problem."""
    try:
        if request.packed:
            request = request._replace(body=unpack(request.body), packed=False)
        if endpoint.lane is not Lane.TOGETHER:
            return cast(Function, endpoint.function)(request)
        reply = cast(ManyFunction, endpoint.function)([request])[0]
    except Exception as error:  # noqa: BLE001 - answered, and logged unless it is the client's
        return problem_reply(error)
    return problem_reply(reply) if isinstance(reply, Exception) else reply


def problem_reply(error: Exception) -> Reply:
    """The problem that an error is; what no request should be able to cause is logged."""
    response = error_response(error)
    if response is None:
        log.error("a request could not be answered", exc_info=error)
        response = problem_response(
            status=500, code="internal_error", detail="Something went wrong here; it is logged."
        )
    headers = dict(response.headers)
    content_type = headers.pop("Content-Type", "")
    return Reply(response.status_code, response.content, content_type, list(headers.items()))


def respond(
    endpoint: HotEndpoint, request: HttpRequest, parameters: Mapping[str, Any]
) -> HttpResponse:
    """The endpoint as a Django view."""
    try:
        admitted = admit(endpoint, request, _asking(request), parameters)
        if endpoint.media_types:
            admitted = admitted._replace(body=read_body(request), packed=False)
        reply = answer(endpoint, admitted)
    except Exception as error:  # noqa: BLE001 - as in `answer`
        reply = problem_reply(error)
    headers = dict(reply.headers)
    return HttpResponse(reply.body, reply.content_type, reply.status, headers=headers)


def _asking(request: HttpRequest) -> Asking:
    header = request.headers.get("authorization")
    key = key_of(header, now=clock.now(), address=client_address(request))
    if key is not None:
        return Asking(key, AnonymousUser())
    return Asking(None, require_reading_member(request.user, request.method))
