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
from billing.api.fields import ExactDecimalField, PlainTextField
from billing.api.problems import MEDIA_TYPE
from billing.money import CURRENCIES
from billing.taxnumbers import COUNTRIES
from billing.text import RESOURCE_TYPE

_KEY, _SESSION = "serviceKey", "session"
_READING = {"get", "head"}
# What is written as it is asked for may not be possible to write.
_MAY_CONFLICT = {"invoices_e_invoice", "credit_notes_e_invoice"}
# Codes that a text of such a name is one of, where its field does not say so itself.
_CODES: dict[str, frozenset[str]] = {"currency": CURRENCIES, "country": COUNTRIES}
# One line that is not only spaces, without control characters. Others that do not show are refused
# too: which ones cannot be said in the patterns that all readers of the document have.
_SHOWS = (
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
)
_BLANK_TOO = r"^[^\u0000-\u001f\u007f-\u009f]*$"


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
        number: dict[str, Any] = {"type": "number"}
        if not sign:
            number["minimum"] = float(field.minimum or 0)
        if field.maximum is not None:
            number["maximum"] = float(field.maximum)
        else:
            number |= {"maximum": 10**field.integer_digits, "exclusiveMaximum": True}
        return {
            "oneOf": [{"type": "string", "format": "decimal", "pattern": pattern}, number],
            **({"description": str(field.help_text)} if field.help_text else {}),
        }


class _PlainText(OpenApiSerializerFieldExtension):
    target_class = "billing.api.fields.PlainTextField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        field: PlainTextField = self.target
        schema: dict[str, Any] = auto_schema._map_serializer_field(
            field, direction, bypass_extensions=True
        )
        if direction == "response":
            return schema
        name = field.field_name or ""
        known = field.codes or next(
            (all_ for end, all_ in _CODES.items() if name.endswith(end)), None
        )
        if name == "resource_type":
            end = "|" if field.allow_blank else ""
            return schema | {"pattern": f"^({RESOURCE_TYPE.pattern}{end})$"}
        if known:
            end = "|" if field.allow_blank else ""
            return schema | {"pattern": f"^({'|'.join(sorted(known))}{end})$"}
        return schema | {"pattern": _BLANK_TOO if field.allow_blank else _SHOWS}


def complete(
    result: dict[str, Any], generator: SchemaGenerator, request: object, public: bool
) -> dict[str, Any]:
    """What holds for every operation: the problems it may answer, and that people only read."""
    result["components"]["schemas"]["Problem"] = _PROBLEM
    for path in result["paths"].values():
        for method, operation in path.items():
            if method not in _READING:
                operation["security"] = [{_KEY: []}]
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
            for status in _problems_of(method, operation):
                operation["responses"].setdefault(str(status), _problem(status))
            for media in operation.get("requestBody", {}).get("content", {}).values():
                _close(media["schema"], result["components"]["schemas"])
                if method == "patch":
                    _require_the_only_one(media["schema"], result["components"]["schemas"])
    return result


def _require_the_only_one(schema: dict[str, Any], components: dict[str, Any]) -> None:
    """A change of one thing has to say to what."""
    body = components[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if len(body.get("properties", ())) == 1:
        body["required"] = list(body["properties"])


def _close(schema: dict[str, Any], components: dict[str, Any]) -> None:
    """Say of what is sent that names which are not in the schema are refused."""
    if "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    for part in schema.get("allOf", ()):  # a reference with a default beside it
        _close(part, components)
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
    elif method not in _READING:
        statuses.add(409)
    if operation["operationId"] in _MAY_CONFLICT:
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
