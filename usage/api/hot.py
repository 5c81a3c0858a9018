"""The endpoints that are asked for every call and every use: plain Django views, no serializers."""

from decimal import Decimal
from uuid import UUID

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils import timezone as clock

from billing.api.access import may_see
from billing.api.bodies import read_body
from billing.api.plain import AuthenticatedRequest, endpoint, json_response
from billing.api.problems import problem_response
from billing.errors import BillingError, NotFound
from usage.models import Call
from usage.queries.admission import admission_of
from usage.services.calls import CallEntry, CallsRecorded, calls_parser, record_calls
from usage.services.ingest import Outcome, Recorded, RecordError, check_entries, record
from usage.services.ingest.combining import Combiner
from usage.services.ingest.parsing import Parser, usage_parser
from usage.services.ingest.recording import Stored, unknown_workspace

JSON = "application/json"
NDJSON = "application/x-ndjson"
# A record that cannot be recorded says so with the status of what is wrong with it.
_STATUS = {"idempotency_key_reused": 409, "workspace_closed": 409}


_combiner = Combiner()


class UnsupportedMediaType(BillingError):
    status = 415
    code = "unsupported_media_type"


@endpoint(method="POST", scope="usage:write", throttle_setting="API_USAGE_THROTTLE_PER_MINUTE")
def record_one(request: AuthenticatedRequest) -> HttpResponse:
    _media_type(request, JSON)
    candidates, errors = check_entries([usage_parser.single(read_body(request))], now=clock.now())
    if errors:
        return _refusal(errors[0])
    candidate = candidates[0]
    bound_to = _bound_to(request)
    if bound_to is not None and candidate.workspace_id != bound_to:
        return _refusal(unknown_workspace(0))
    answer = _combiner.record(candidate)
    if isinstance(answer, RecordError):
        return _refusal(answer)
    outcome, stored = answer
    return json_response(as_json(stored), status=201 if outcome is Outcome.ACCEPTED else 200)


@endpoint(method="POST", scope="usage:write", throttle_setting="API_USAGE_THROTTLE_PER_MINUTE")
def record_batch(request: AuthenticatedRequest) -> HttpResponse:
    entries = _entries(request, usage_parser)
    now = clock.now()
    candidates, errors = check_entries(entries, now=now)
    result = record(candidates, now=now, only_workspace=_bound_to(request), refused=errors)
    return _account(result)


@endpoint(method="POST", scope="usage:write", throttle_setting="API_USAGE_THROTTLE_PER_MINUTE")
def record_call(request: AuthenticatedRequest) -> HttpResponse:
    _media_type(request, JSON)
    entry: CallEntry | RecordError = calls_parser.single(read_body(request))
    result = record_calls([entry], now=clock.now(), only_workspace=_bound_workspace(request))
    if result.errors:
        return _refusal(result.errors[0])
    return json_response(call_as_json(result.calls[0]), status=201 if 0 in result.created else 200)


@endpoint(method="POST", scope="usage:write", throttle_setting="API_USAGE_THROTTLE_PER_MINUTE")
def record_call_batch(request: AuthenticatedRequest) -> HttpResponse:
    entries = _entries(request, calls_parser)
    return _account(
        record_calls(entries, now=clock.now(), only_workspace=_bound_workspace(request))
    )


@endpoint(
    method="GET",
    scope=("usage:read", "usage:write"),
    throttle_setting="API_USAGE_THROTTLE_PER_MINUTE",
)
def admission(request: AuthenticatedRequest, workspace_id: UUID) -> HttpResponse:
    if not may_see(request, workspace_id):
        raise NotFound("There is no such workspace.")
    found = admission_of(workspace_id, clock.now())
    return json_response(found._asdict())


def _media_type(request: HttpRequest, *accepted: str) -> str:
    if request.content_type not in accepted:
        raise UnsupportedMediaType(
            f"Content-Type must be {' or '.join(accepted)}, not {request.content_type!r}."
        )
    return request.content_type


def _entries(request: HttpRequest, parser: Parser):  # type: ignore[no-untyped-def]
    kind = _media_type(request, JSON, NDJSON)
    body = read_body(request)
    return parser.ndjson(body) if kind == NDJSON else parser.json(body)


def _bound_workspace(request: AuthenticatedRequest) -> UUID | None:
    return request.auth.workspace_id if request.auth is not None else None


def _bound_to(request: AuthenticatedRequest) -> str | None:
    bound = _bound_workspace(request)
    return None if bound is None else bound.hex


def _refusal(error: RecordError) -> HttpResponse:
    fault = {"code": error.code, "detail": error.detail}
    if error.field is not None:
        fault["pointer"] = f"/{error.field}"
    return problem_response(
        status=_STATUS.get(error.code, 400),
        code=error.code,
        detail=error.detail,
        errors=[fault],  # type: ignore[list-item]
    )


class _Account(msgspec.Struct):
    accepted: int
    duplicates: int
    rejected: int
    errors: list[RecordError]


def _account(result: Recorded | CallsRecorded) -> HttpResponse:
    """Every record of a batch accounted for."""
    account = _Account(result.accepted, result.duplicates, len(result.errors), result.errors)
    return HttpResponse(msgspec.json.encode(account), content_type=JSON)


def as_json(stored: Stored) -> dict[str, object]:
    """A usage record as the API shows it: quantity and unit cost without trailing zeros, costs
    with all of their decimals."""
    shown = stored._asdict()
    shown["quantity"] = trimmed(stored.quantity)
    shown["unit_cost"] = trimmed(stored.unit_cost)
    return shown


def trimmed(value: Decimal) -> Decimal:
    """3.250000 as 3.25, 0E-6 as 0; the columns hold fewer digits than a context rounds at."""
    return value.normalize() if value else Decimal(0)


def call_as_json(call: Call) -> dict[str, object]:
    return {
        "id": call.pk,
        "workspace_id": call.workspace_id,
        "agent_id": call.agent_id,
        "direction": call.direction,
        "status": call.status,
        "provider": call.provider,
        "started_at": call.started_at,
        "ended_at": call.ended_at,
        "duration_seconds": call.duration_seconds,
    }
