"""The OpenAPI document as it is served."""

import json
from typing import Any

from django.test import RequestFactory

from billing.api.schema import schema as schema_view


def _document() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(schema_view(RequestFactory().get("/")).content)
    return body


DOCUMENT = _document()
OPERATIONS = [(path, method) for path, item in DOCUMENT["paths"].items() for method in item]
