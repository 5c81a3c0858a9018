"""Hot endpoints: what is asked for every call and every use, too often for REST framework.

Each is a `HotEndpoint`: who may ask, what is read, and the function that answers. `config.serving`
answers them on its event loop; `billing.api.views.HotView` answers them as a Django view, by the
same rules (`billing.api.callers.admit`), for signed-in members, other WSGI servers and whatever is
out of the ordinary.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, TypeAlias, cast
from uuid import UUID

from billing.api.bodies import unpack
from billing.api.problems import error_response, problem_response
from billing.errors import BillingError

log = logging.getLogger(__name__)
JSON = "application/json"
NDJSON = "application/x-ndjson"


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
