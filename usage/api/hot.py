"""The endpoints that are asked for every call and every use: plain Django views, no serializers.

`usage.api.door` answers most of these requests before Django's handler sees them, by the same
rules; what comes the long way comes here.
"""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone as clock

from billing.api.access import may_see
from billing.api.bodies import read_body
from billing.api.plain import AuthenticatedRequest, endpoint
from billing.errors import BillingError, NotFound
from usage.api import answers
from usage.queries.admission import admission_of

JSON = "application/json"
NDJSON = "application/x-ndjson"
WRITE = "usage:write"
ASK = ("usage:read", "usage:write")
THROTTLE = "API_USAGE_THROTTLE_PER_MINUTE"


class UnsupportedMediaType(BillingError):
    status = 415
    code = "unsupported_media_type"


@endpoint(method="POST", scope=WRITE, throttle_setting=THROTTLE)
def record_one(request: AuthenticatedRequest) -> HttpResponse:
    require_media_type(request, JSON)
    body = read_body(request)
    return _json(*answers.usage_single(body, now=clock.now(), only_workspace=bound_to(request)))


@endpoint(method="POST", scope=WRITE, throttle_setting=THROTTLE)
def record_batch(request: AuthenticatedRequest) -> HttpResponse:
    ndjson = require_media_type(request, JSON, NDJSON) == NDJSON
    body = read_body(request)
    only = bound_to(request)
    account = answers.usage_batch(body, ndjson=ndjson, now=clock.now(), only_workspace=only)
    return _json(200, account)


@endpoint(method="POST", scope=WRITE, throttle_setting=THROTTLE)
def record_call(request: AuthenticatedRequest) -> HttpResponse:
    require_media_type(request, JSON)
    body = read_body(request)
    return _json(*answers.call_single(body, now=clock.now(), only_workspace=bound_to(request)))


@endpoint(method="POST", scope=WRITE, throttle_setting=THROTTLE)
def record_call_batch(request: AuthenticatedRequest) -> HttpResponse:
    ndjson = require_media_type(request, JSON, NDJSON) == NDJSON
    body = read_body(request)
    only = bound_to(request)
    account = answers.call_batch(body, ndjson=ndjson, now=clock.now(), only_workspace=only)
    return _json(200, account)


@endpoint(method="GET", scope=ASK, throttle_setting=THROTTLE)
def admission(request: AuthenticatedRequest, workspace_id: UUID) -> HttpResponse:
    require_visible(request, workspace_id)
    return _json(200, answers.admission_json(admission_of(workspace_id, clock.now())))


def require_media_type(request: HttpRequest, *accepted: str) -> str:
    """The request's media type; raises `UnsupportedMediaType` for any that is not accepted."""
    if request.content_type not in accepted:
        raise UnsupportedMediaType(
            f"Content-Type must be {' or '.join(accepted)}, not {request.content_type!r}."
        )
    return request.content_type


def require_visible(request: AuthenticatedRequest, workspace_id: UUID) -> None:
    if not may_see(request, workspace_id):
        raise NotFound("There is no such workspace.")


def bound_to(request: AuthenticatedRequest) -> UUID | None:
    """The one workspace that the key may write to; None when it may write to all."""
    return request.auth.workspace_id if request.auth is not None else None


def _json(status: int, body: bytes) -> HttpResponse:
    return HttpResponse(body, status=status, content_type=JSON)
