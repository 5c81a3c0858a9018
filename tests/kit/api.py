"""Talking to the API in tests: a caller with a key, and the standing cast."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.test import Client
from django.utils import timezone as clock

from billing.models import SCOPES, BillingPeriod, Workspace
from billing.services.builtins import ensure_builtins
from billing.services.keys import create_key
from billing.services.periods import open_period
from billing.services.workspaces import create_workspace
from usage.models import Call, UsageRecord

NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
ALL_SCOPES = SCOPES


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


def period_of(owner: Workspace, at: dt.datetime = NOW) -> BillingPeriod:
    return open_period(workspace_id=owner.pk, at=at, now=NOW)


def make_key(*scopes: str, **facts: Any) -> str:
    """The secret of a new service key."""
    return create_key(name="Ingest", scopes=scopes, now=clock.now(), **facts)[1]


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


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


def used(
    period: BillingPeriod,
    at: str,
    cost: str = "1",
    *,
    resource_type: str = "call_minutes",
    provider: str = "twilio",
    call_id: UUID | None = None,
    late: bool = False,
) -> UsageRecord:
    """A record of quantity 1 as it lies in the table; rollups and counters do not know of it."""
    key = uuid4()
    return UsageRecord.objects.create(
        id=key,
        workspace_id=period.workspace_id,
        billing_period=period,
        call_id=call_id,
        occurred_at=dt.datetime.fromisoformat(at),
        created_at=NOW,
        usage_date=dt.datetime.fromisoformat(at).date(),
        late=late,
        idempotency_key=str(key),
        resource_type=resource_type,
        provider=provider,
        quantity=Decimal(1),
        unit_cost=Decimal(cost),
        total_cost=Decimal(cost),
        markup_percentage=Decimal(0),
        final_cost=Decimal(cost),
    )


def called(owner: Workspace, at: str, **facts: Any) -> Call:
    """A completed inbound call of a minute."""
    started = dt.datetime.fromisoformat(at)
    facts = {
        "direction": "inbound",
        "status": "completed",
        "provider": "twilio",
        "ended_at": started + dt.timedelta(minutes=1),
        "duration_seconds": Decimal(60),
        **facts,
    }
    return Call.objects.create(
        id=uuid4(),
        workspace=owner,
        started_at=started,
        local_date=started.date(),
        local_hour=started.hour,
        created_at=NOW,
        updated_at=NOW,
        **facts,
    )


def pages_of(caller: Caller, path: str, **query: Any) -> list[list[dict[str, Any]]]:
    """Every page of a list, first to last, having walked back to the first and come out there."""
    pages = [caller.get(path, **query).json()]
    while pages[-1]["next"]:
        pages.append(caller.client.get(pages[-1]["next"]).json())
    page = pages[-1]
    for expected in reversed(pages[:-1]):
        page = caller.client.get(page["previous"]).json()
        assert page["results"] == expected["results"]
    assert page["previous"] is None
    return [page["results"] for page in pages]
