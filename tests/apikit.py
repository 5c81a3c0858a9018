"""Talking to the API in tests: a caller with a key, and the standing cast."""

import datetime as dt
import json
from typing import Any
from uuid import UUID

from django.test import Client

from billing.models import Workspace
from billing.services.builtins import ensure_builtins
from billing.services.keys import create_key
from billing.services.workspaces import create_workspace

NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
ALL_SCOPES = ("usage:write", "usage:read", "billing:read", "billing:write", "workspaces:write")


def workspace(name: str = "acme", **facts: Any) -> Workspace:
    """Acme by default: on the starter tier, in dollars, in Berlin."""
    ensure_builtins()
    facts = {
        "workspace_id": None,
        "owner_email": f"owner@{name}.test",
        "tier": "starter",
        "currency": "USD",
        "timezone": "Europe/Berlin",
        "now": NOW,
        **facts,
    }
    return create_workspace(name=name.title(), **facts)[0]


class Caller:
    """A client with a service key; every scope and workspace unless told."""

    def __init__(self, *scopes: str, workspace_id: UUID | None = None) -> None:
        _, self.secret = create_key(
            name="Test", scopes=scopes or ALL_SCOPES, workspace_id=workspace_id, now=NOW
        )
        self.client = Client(headers={"Authorization": f"Bearer {self.secret}"})

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"/api/v1/{path}", query)

    def send(self, method: str, path: str, body: Any) -> Any:
        """`body` as JSON text, or as it is when it is bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.generic(method, f"/api/v1/{path}", data, "application/json")

    def post(self, path: str, body: Any) -> Any:
        return self.send("POST", path, body)

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
