"""The standing cast of the pages' tests: workspaces, their people, calls, usage and invoices."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec
from django.test import Client

from billing.models import BillingPeriod, User, Workspace, WorkspaceMember
from billing.services.builtins import ensure_builtins
from billing.services.periods import open_period
from billing.services.workspaces import create_workspace, set_member
from invoices.models import Invoice
from invoices.payments.services import settle
from invoices.services.closing.finalize import finalize_period
from usage.models import VoiceAgent
from usage.services.calls import CallEntry, record_calls
from usage.services.ingest import Entry, check_entries, record_usage

SEPTEMBER_1 = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)
PASSWORD = "correct horse battery"


def workspace(name: str = "Acme", **facts: Any) -> Workspace:
    """A workspace in Berlin that pays in US dollars, unless `facts` say otherwise."""
    ensure_builtins()
    limit = facts.pop("usage_limit_monthly", None)
    known = {"currency": "USD", "timezone": "Europe/Berlin", "tier": "starter"}
    made, _ = create_workspace(
        workspace_id=None,
        name=name,
        owner_email=f"owner@{name.split(maxsplit=1)[0].lower()}.test",
        now=SEPTEMBER_1,
        **{**known, **facts},
    )
    if limit is not None:
        made.billing_settings.usage_limit_monthly = Decimal(limit)
        made.billing_settings.save()
    return made


def person(where: Workspace, *, role: str = "owner") -> User:
    """Someone of the workspace who can sign in."""
    email = f"{role}@{where.name.split()[0].lower()}.test"
    user = set_member(workspace=where, email=email, role=role)[0].user
    user.set_password(PASSWORD)
    user.save()
    return user


def signed_in(where: Workspace, *, role: str = WorkspaceMember.Role.OWNER) -> Client:
    client = Client()
    client.force_login(
        person(where, role=role), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


def period(where: Workspace, at: dt.datetime) -> BillingPeriod:
    return open_period(workspace_id=where.pk, at=at, now=at)


def used(
    where: Workspace,
    at: dt.datetime,
    quantity: str,
    unit_cost: str,
    *,
    resource_type: str = "call_minutes",
    provider: str = "twilio",
    call_id: UUID | None = None,
    key: str = "",
    now: dt.datetime | None = None,
) -> None:
    """One use at `at`, recorded then unless `now` says later, with the platform's 20 % markup."""
    entry = {
        "idempotency_key": key or str(uuid4()),
        "workspace_id": str(where.pk),
        "resource_type": resource_type,
        "provider": provider,
        "quantity": quantity,
        "unit_cost": unit_cost,
        "occurred_at": at.isoformat(),
        "call_id": str(call_id) if call_id else None,
    }
    parsed = msgspec.json.decode(msgspec.json.encode(entry), type=Entry)
    records, errors = check_entries([parsed], now=now or at)
    assert not errors, errors
    assert record_usage(records, now=now or at).accepted == 1


def called(
    where: Workspace,
    at: dt.datetime,
    *,
    status: str = "completed",
    direction: str = "inbound",
    seconds: str = "90",
    provider: str = "twilio",
) -> UUID:
    """A call that has ended."""
    ended_at = at + dt.timedelta(seconds=int(seconds))
    entry = CallEntry(
        id=uuid4(),
        workspace_id=where.pk,
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


def agent(where: Workspace, name: str, status: str = "live", why: str | None = None) -> VoiceAgent:
    return VoiceAgent.objects.create(workspace=where, name=name, status=status, paused_reason=why)


def bill(of: BillingPeriod, *, status: str = "open", hosted_invoice_url: str = "") -> Invoice:
    """The period closed a day after its end, and its invoice as Stripe's events then leave it.

    An overdue one had its card declined, which has suspended the workspace.
    """
    closed_at = of.period_end + dt.timedelta(days=1)
    finalize_period(period_id=of.pk, now=closed_at)
    invoice_id = Invoice.objects.get(billing_period=of).pk
    settle.mark_open(
        invoice_id=invoice_id,
        stripe_invoice_id=f"in_{invoice_id.hex}",
        hosted_invoice_url=hosted_invoice_url,
        now=closed_at,
    )
    if status == "paid":
        settle.mark_paid(invoice_id=invoice_id, paid_at=closed_at, now=closed_at)
    elif status == "overdue":
        settle.note_payment_failure(
            invoice_id=invoice_id,
            at=closed_at,
            now=closed_at,
            source="Stripe",
            key="charge-1",
            detail="Your card was declined.",
        )
    return Invoice.objects.get(pk=invoice_id)
