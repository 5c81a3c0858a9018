"""What is known of a disputed call: durations, calls at the same time, what is usual."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Avg, Count, Sum

from billing.money import ZERO, without_exponent
from invoices.models import Invoice
from invoices.payments.models import CallDispute
from usage.models import Call, DimensionRollup, UsageRecord

USUAL_DAYS = 30
_MAX_DUPLICATES = 5


def records_of(workspace_id: UUID, call_id: UUID) -> list[UsageRecord]:
    records = UsageRecord.objects.filter(workspace=workspace_id, call=call_id)
    return list(records.order_by("occurred_at", "pk"))


def price_of(records: list[UsageRecord]) -> Decimal:
    """What a call comes to now, at list price: what was taken back with it."""
    return sum((record.final_cost for record in records), ZERO)


def gather_facts(workspace_id: UUID, call_id: UUID, records: list[UsageRecord]) -> dict[str, Any]:
    """In plain texts, as they are shown and kept; what is not known is left out."""
    call = Call.objects.filter(workspace=workspace_id, pk=call_id).select_related("agent").first()
    minutes = sum((each.quantity for each in records if each.resource_type == "call_minutes"), ZERO)
    facts: dict[str, Any] = {
        "records": len([each for each in records if each.reverses_id is None]),
        "price": without_exponent(price_of(records)),
        "billed_minutes": _plain(minutes),
        "invoices": _invoices(workspace_id, records),
        "earlier": dict(
            CallDispute.objects.filter(workspace=workspace_id)
            .order_by()
            .values_list("state")
            .annotate(Count("pk"))
        ),
    }
    if call is None:
        return facts
    facts |= {
        "status": call.status,
        "direction": call.direction,
        "provider": call.provider,
        "agent": call.agent.name if call.agent else "",
        "started_at": f"{call.started_at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}",
    }
    if call.duration_seconds is not None:
        facts["duration_seconds"] = _plain(call.duration_seconds)
        if minutes:
            # The provider bills what it has measured; rounding up to whole minutes is usual.
            over = minutes * 60 - call.duration_seconds
            facts["billed_beyond_duration_seconds"] = _plain(over)
    if call.ended_at is not None:
        facts["duplicates"] = _overlapping(call)
    if call.agent_id is not None:
        facts["usual"] = _usual(call)
    return facts


def _invoices(workspace_id: UUID, records: list[UsageRecord]) -> list[str]:
    """The invoices that its records were billed on; of an open month there is none."""
    billed = Invoice.objects.filter(
        workspace=workspace_id,
        billing_period__in={each.billing_period_id for each in records},
    ).exclude(status=Invoice.Status.VOID)
    return list(billed.order_by("number").values_list("number", flat=True))


def _overlapping(call: Call) -> list[str]:
    """Calls of the same agent and direction that were under way at the same time."""
    like_it = Call.objects.filter(
        workspace=call.workspace_id,
        agent=call.agent_id,
        direction=call.direction,
        started_at__lt=call.ended_at,
        started_at__gt=call.started_at - dt.timedelta(days=1),
        ended_at__gt=call.started_at,
    )
    found = like_it.exclude(pk=call.pk).order_by("started_at").values_list("pk", flat=True)
    return [str(pk) for pk in found[:_MAX_DUPLICATES]]


def _usual(call: Call) -> dict[str, str]:
    """The agent's calls of the last days before it, on average."""
    since = call.local_date - dt.timedelta(days=USUAL_DAYS)
    calls = Call.objects.filter(
        workspace=call.workspace_id,
        agent=call.agent_id,
        local_date__gte=since,
        local_date__lte=call.local_date,
        started_at__gte=call.started_at - dt.timedelta(days=USUAL_DAYS + 1),
        duration_seconds__isnull=False,
    ).aggregate(count=Count("pk"), seconds=Avg("duration_seconds"))
    price = DimensionRollup.objects.filter(
        workspace=call.workspace_id,
        agent=call.agent_id,
        usage_date__gte=since,
        usage_date__lte=call.local_date,
    ).aggregate(total=Sum("final_cost", default=ZERO))["total"]
    if not calls["count"]:
        return {}
    return {
        "calls": str(calls["count"]),
        "seconds": f"{calls['seconds']:.0f}",
        "price": f"{price / calls['count']:.4f}",
    }


def _plain(value: Decimal) -> str:
    text = without_exponent(value)
    return text.rstrip("0").rstrip(".") if "." in text else text
