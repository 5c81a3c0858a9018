"""A client of the API with a service key, and readers of its answers."""

import json
from typing import Any
from uuid import UUID

from django.test import Client
from django.utils import timezone as clock

from billing.models import SCOPES
from billing.services.keys import create_key
from tests.kit.personas import NOW


def make_key(*scopes: str, **facts: Any) -> str:
    """The secret of a new service key."""
    return create_key(name="Ingest", scopes=scopes, now=clock.now(), **facts)[1]


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


class ApiClient:
    """A client with a service key; every scope and workspace unless told."""

    def __init__(self, *scopes: str, workspace_id: UUID | None = None) -> None:
        _, self.secret = create_key(
            name="Test", scopes=scopes or SCOPES, workspace_id=workspace_id, now=NOW
        )
        self.client = Client(headers={"Authorization": f"Bearer {self.secret}"})

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"/api/v1/{path}", query)

    def send(self, method: str, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        """`body` as JSON text, or as it is when it is bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.generic(
            method, f"/api/v1/{path}", data, "application/json", headers=headers
        )

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        return self.send("POST", path, body, headers)

    def put(self, path: str, body: Any) -> Any:
        return self.send("PUT", path, body)

    def patch(self, path: str, body: Any) -> Any:
        return self.send("PATCH", path, body)


def problem_of(response: Any) -> dict[str, Any]:
    """The problem document of an error, whose form is checked."""
    assert response["Content-Type"] == "application/problem+json", response.content
    body: dict[str, Any] = json.loads(response.content)
    assert set(body) == {"type", "title", "status", "detail", "code", "errors"}
    assert body["status"] == response.status_code
    return body


def refusal(response: Any) -> tuple[int, str]:
    """Status and code of an error."""
    return response.status_code, problem_of(response)["code"]


def pages_of(api: ApiClient, path: str, **query: Any) -> list[list[dict[str, Any]]]:
    """Every page of a list, first to last, having walked back to the first and come out there."""
    pages = [api.get(path, **query).json()]
    while pages[-1]["next"]:
        pages.append(api.client.get(pages[-1]["next"]).json())
    page = pages[-1]
    for expected in reversed(pages[:-1]):
        page = api.client.get(page["previous"]).json()
        assert page["results"] == expected["results"]
    assert page["previous"] is None
    return [page["results"] for page in pages]
