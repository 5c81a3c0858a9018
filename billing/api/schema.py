"""The OpenAPI document and the page that shows it."""

import http
from collections.abc import Mapping
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.views import SpectacularSwaggerSplitView

from billing.api import exactjson
from billing.api.fields import ExactDecimalField
from billing.api.problems import MEDIA_TYPE

_KEY, _SESSION = "serviceKey", "session"
_READING = {"get", "head"}


class _ServiceKeyScheme(OpenApiAuthenticationExtension):
    target_class = "billing.api.authentication.ServiceKeyAuthentication"
    name = _KEY

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A service key, as `manage.py create_service_key` makes it.",
        }


class _MemberSessionScheme(OpenApiAuthenticationExtension):
    target_class = "billing.api.authentication.MemberSessionAuthentication"
    name = _SESSION

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "A signed-in member may read their own workspaces.",
        }


class _ExactDecimal(OpenApiSerializerFieldExtension):
    target_class = "billing.api.fields.ExactDecimalField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        field: ExactDecimalField = self.target
        if direction == "response":
            return {"type": "string", "format": "decimal", "pattern": r"^-?\d+(\.\d+)?$"}
        sign = "" if field.minimum is not None and field.minimum >= 0 else "-?"
        pattern = rf"^{sign}\d{{1,{field.integer_digits}}}(\.\d{{1,{field.decimals}}})?$"
        return {
            "oneOf": [
                {"type": "string", "format": "decimal", "pattern": pattern},
                {"type": "number"},
            ]
        }


def complete(
    result: dict[str, Any], generator: SchemaGenerator, request: object, public: bool
) -> dict[str, Any]:
    """What holds for every operation: the problems it may answer, and that people only read."""
    result["components"]["schemas"]["Problem"] = _PROBLEM
    for path in result["paths"].values():
        for method, operation in path.items():
            if method not in _READING:
                operation["security"] = [{_KEY: []}]
            for status in _problems_of(method, operation):
                operation["responses"].setdefault(str(status), _problem(status))
            for media in operation.get("requestBody", {}).get("content", {}).values():
                _close(media["schema"], result["components"]["schemas"])
    return result


def _close(schema: dict[str, Any], components: dict[str, Any]) -> None:
    """Say of what is sent that names which are not in the schema are refused."""
    if "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    if schema.get("type") == "array":
        _close(schema["items"], components)
    elif "properties" in schema and "additionalProperties" not in schema:
        schema["additionalProperties"] = False
        for inner in schema["properties"].values():
            _close(inner, components)


def _problems_of(method: str, operation: Mapping[str, Any]) -> set[int]:
    statuses = {400, 401, 403, 429, 503}
    if any(parameter["in"] == "path" for parameter in operation.get("parameters", ())):
        statuses.add(404)
    if "requestBody" in operation:
        # An id in the body may be another workspace's, which does not exist for the caller.
        statuses |= {404, 409, 413, 415}
    elif method == "delete":
        statuses.add(409)
    return statuses


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    answer: dict[str, Any] = {
        "description": http.HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
    if status in (429, 503):
        answer["headers"] = {
            "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        }
    return answer


_PROBLEM = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; `errors` names what is wrong with the request.",
    "required": ["type", "title", "status", "detail", "code", "errors"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the body."},
                    "parameter": {"type": "string", "description": "Query parameter."},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
    "example": {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "There is no tier 'gold'.",
        "code": "unknown_tier",
        "errors": [
            {"pointer": "/tier", "code": "unknown_tier", "detail": "There is no tier 'gold'."}
        ],
    },
}


@cache
def _document() -> bytes:
    return exactjson.dumps(SchemaGenerator().get_schema(request=None, public=True))


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    """OpenAPI 3 as JSON, open to anyone; made once a process, since only code changes it."""
    return HttpResponse(_document(), content_type="application/json")


class Docs(SpectacularSwaggerSplitView):
    """Swagger UI from our own static files, within the strict content security policy."""

    template_name = "billing/api_docs.html"
    url_name = "api-schema"
    # Others would be answered by the template of the page.
    http_method_names = ["get", "head"]
    throttle_classes = ()
