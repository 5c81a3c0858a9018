"""Usage records and calls: recorded as the API records them, or inserted as bare rows."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec

from billing.models import BillingPeriod, Workspace
from tests.kit.personas import NOW
from usage.models import Call, UsageRecord, VoiceAgent
from usage.services.call_entries import CallEntry
from usage.services.calls import record_calls
from usage.services.ingest import Entry, check_entries, record_usage


def make_usage(
    workspace: Workspace,
    at: dt.datetime,
    quantity: str,
    unit_cost: str,
    *,
    resource_type: str = "call_minutes",
    provider: str = "twilio",
    call_id: UUID | None = None,
    key: str = "",
    now: dt.datetime | None = None,
    **facts: str | None,
) -> None:
    """One use at `at`, recorded then unless `now` says later, with the platform's 20 % markup;
    `facts` are what else is sent with it."""
    entry = {
        "idempotency_key": key or str(uuid4()),
        "workspace_id": str(workspace.pk),
        "resource_type": resource_type,
        "provider": provider,
        "quantity": quantity,
        "unit_cost": unit_cost,
        "occurred_at": at.isoformat(),
        "call_id": str(call_id) if call_id else None,
        **facts,
    }
    parsed = msgspec.json.decode(msgspec.json.encode(entry), type=Entry)
    records, errors = check_entries([parsed], now=now or at)
    assert not errors, errors
    assert record_usage(records, now=now or at).accepted == 1


def make_call(
    workspace: Workspace,
    at: dt.datetime,
    *,
    status: str = "completed",
    direction: str = "inbound",
    seconds: str = "90",
    provider: str = "twilio",
    agent: VoiceAgent | None = None,
    id: UUID | None = None,
) -> UUID:
    """A call that has ended."""
    ended_at = at + dt.timedelta(seconds=int(seconds))
    entry = CallEntry(
        id=id or uuid4(),
        workspace_id=workspace.pk,
        agent_id=agent.pk if agent else None,
        direction=direction,
        status=status,
        provider=provider,
        started_at=at.isoformat(),
        ended_at=ended_at.isoformat(),
        duration_seconds=msgspec.Raw(seconds.encode()),
    )
    recorded = record_calls([entry], now=ended_at)
    assert recorded.accepted == 1, recorded.errors
    return entry.id


def insert_record(
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


def insert_call(workspace: Workspace, at: str, **fields: Any) -> Call:
    """A completed inbound call of a minute as it lies in the table; rollups do not know of it."""
    started = dt.datetime.fromisoformat(at)
    fields = {
        "direction": "inbound",
        "status": "completed",
        "provider": "twilio",
        "ended_at": started + dt.timedelta(minutes=1),
        "duration_seconds": Decimal(60),
        **fields,
    }
    return Call.objects.create(
        id=uuid4(),
        workspace=workspace,
        started_at=started,
        local_date=started.date(),
        local_hour=started.hour,
        created_at=NOW,
        updated_at=NOW,
        **fields,
    )
