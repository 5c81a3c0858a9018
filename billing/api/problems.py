"""RFC 9457 problem documents: the one shape of every error below /api/.

`code` is stable; docs/api.md lists every one. `errors` names what is wrong with the request, by
JSON pointer into its body or by query parameter.
"""

import http
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.views import defaults
from rest_framework import exceptions
from rest_framework.settings import api_settings

from billing.api import exactjson
from billing.errors import BillingError

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
_SOON = {"Retry-After": "2"}


class ProblemError(TypedDict, total=False):
    """One fault: `pointer` into the body, or `parameter` of the query string."""

    pointer: str
    parameter: str
    code: str
    detail: str


class InvalidParameters(BillingError):
    """Query parameters that are unknown or unreadable: what is wrong with each."""

    status = 400
    code = "invalid_parameter"

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {detail}" for name, detail in faults.items()))
        self.errors = [
            ProblemError(parameter=name, code=self.code, detail=detail)
            for name, detail in faults.items()
        ]


def problem_response(
    *,
    status: int,
    code: str,
    detail: str,
    errors: Sequence[ProblemError] = (),
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """An error as `application/problem+json`."""
    body = {
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": list(errors),
    }
    return HttpResponse(
        exactjson.dumps(body), status=status, content_type=MEDIA_TYPE, headers=headers
    )


def error_response(error: Exception) -> HttpResponse | None:
    """The problem that `error` is; None for what no request should be able to cause."""
    if isinstance(error, BillingError):
        return problem_response(
            status=error.status,
            code=error.code,
            detail=error.detail,
            errors=_faults(error),
            headers=getattr(error, "headers", None),
        )
    if isinstance(error, exceptions.APIException):
        return _framework_error(error)
    if isinstance(error, Http404):
        return _not_found()
    if isinstance(error, PermissionDenied):
        return problem_response(status=403, code="forbidden", detail="This is not allowed.")
    if isinstance(error, OperationalError):
        # The database is away, hangs, or is out of time or locks: nothing was changed, or all of
        # it, and trying again is worth it.
        log.exception("the database could not answer")
        return _unavailable()
    return None


def _unavailable() -> HttpResponse:
    return problem_response(
        status=503,
        code="unavailable",
        detail="The database cannot answer right now. Send it again: nothing is counted twice.",
        headers=_SOON,
    )


def exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """For REST framework's `EXCEPTION_HANDLER`."""
    return error_response(error)


def is_api_path(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def handler400(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if is_api_path(request):
        return problem_response(
            status=400, code="bad_request", detail="The request cannot be understood."
        )
    return defaults.bad_request(request, exception)


def handler403(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if is_api_path(request):
        return problem_response(status=403, code="forbidden", detail="This is not allowed.")
    return defaults.permission_denied(request, exception)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if is_api_path(request):
        return _not_found() if request.path.endswith("/") else _not_found(_SLASH)
    return defaults.page_not_found(request, exception)


def handler500(request: HttpRequest) -> HttpResponseBase:
    """503 while the database cannot answer: Django calls this while it handles the exception."""
    if isinstance(sys.exception(), OperationalError):
        if is_api_path(request):
            return _unavailable()
        return HttpResponse(render_to_string("503.html"), status=503, headers=_SOON)
    if is_api_path(request):
        return problem_response(
            status=500, code="internal_error", detail="Something went wrong here; it is logged."
        )
    return defaults.server_error(request)


_SLASH = "There is nothing here: addresses of the API end in a slash."


def _not_found(detail: str = "There is nothing here.") -> HttpResponse:
    return problem_response(status=404, code="not_found", detail=detail)


def _faults(error: BillingError) -> list[ProblemError]:
    faults: list[ProblemError] = getattr(error, "errors", [])
    if faults or error.field is None:
        return faults
    return [ProblemError(pointer=f"/{error.field}", code=error.code, detail=error.detail)]


# REST framework's codes, where ours differ.
_CODES = {
    "parse_error": "malformed_json",
    "authentication_failed": "not_authenticated",
    "permission_denied": "forbidden",
    "error": "internal_error",
}


def _framework_error(error: exceptions.APIException) -> HttpResponse:
    if isinstance(error, exceptions.ValidationError):
        faults = list(_flat(error.detail, ""))
        return problem_response(
            status=400,
            code="invalid",
            detail=_summary(faults),
            errors=faults,
        )
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, int(wait)))
    code = error.get_codes()
    code = code if isinstance(code, str) else error.default_code
    return problem_response(
        status=error.status_code,
        code=_CODES.get(code, code),
        detail=str(error.detail),
        headers=headers,
    )


def _flat(detail: Any, pointer: str) -> Iterator[ProblemError]:
    """Every leaf of a validation error with the JSON pointer to what it is about."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            whole = name == api_settings.NON_FIELD_ERRORS_KEY
            escaped = str(name).replace("~", "~0").replace("/", "~1")
            yield from _flat(inner, pointer if whole else f"{pointer}/{escaped}")
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list)
            yield from _flat(inner, f"{pointer}/{index}" if nested else pointer)
    else:
        yield ProblemError(
            pointer=pointer, code=getattr(detail, "code", "invalid"), detail=str(detail)
        )


def _summary(faults: Sequence[ProblemError]) -> str:
    if not faults:
        return "The request is not valid."
    first = faults[0]
    more = f" ({len(faults) - 1} more in errors)" if len(faults) > 1 else ""
    return f"{first['pointer'] or 'The body'}: {first['detail']}{more}"
