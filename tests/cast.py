"""The standing cast of the pages' tests: workspaces, their people, calls, usage and invoices."""

import datetime as dt
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from uuid import UUID, uuid4, uuid5

from django.db.models import F, Sum
from django.test import Client

from billing.models import BillingPeriod, PeriodCounter, User, Workspace, WorkspaceMember
from billing.money import allocate, from_minor
from billing.services.builtins import ensure_builtins
from billing.services.periods import open_period
from billing.services.workspaces import add_member, create_workspace
from invoices.models import Invoice, InvoiceItem
from usage.models import Call, CallRollup, UsageRecord, UsageRollup, VoiceAgent
from usage.resources import resource

SEPTEMBER_1 = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)
PASSWORD = "correct horse battery"
_TEN_PLACES = Decimal("1e-10")


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
    user = add_member(workspace=where, email=email, role=role).user
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
    billed_in: BillingPeriod | None = None,
    key: str = "",
) -> UsageRecord:
    """One use, priced with a markup of 20 %, in its period's rollup and counter."""
    into = billed_in or period(where, at)
    cost = (Decimal(quantity) * Decimal(unit_cost)).quantize(_TEN_PLACES, ROUND_HALF_EVEN)
    price = (cost * Decimal("1.2")).quantize(_TEN_PLACES, ROUND_HALF_EVEN)
    key = key or str(uuid4())
    record = UsageRecord.objects.create(
        id=uuid5(where.pk, key),
        workspace=where,
        billing_period=into,
        call_id=call_id,
        occurred_at=at,
        usage_date=at.astimezone(where.zone).date(),
        late=billed_in is not None,
        idempotency_key=key,
        resource_type=resource_type,
        provider=provider,
        quantity=Decimal(quantity),
        unit_cost=Decimal(unit_cost),
        total_cost=cost,
        markup_percentage=Decimal(20),
        final_cost=price,
    )
    rollup, _ = UsageRollup.objects.get_or_create(
        workspace=where,
        billing_period=into,
        slot=0,
        usage_date=record.usage_date,
        resource_type=resource_type,
        provider=provider,
        defaults={"records": 0, "quantity": 0, "total_cost": 0, "final_cost": 0},
    )
    more = {
        "records": F("records") + 1,
        "total_cost": F("total_cost") + cost,
        "final_cost": F("final_cost") + price,
    }
    UsageRollup.objects.filter(pk=rollup.pk).update(
        quantity=F("quantity") + record.quantity, **more
    )
    PeriodCounter.objects.filter(period=into, slot=0).update(**more)
    return record


def called(
    where: Workspace,
    at: dt.datetime,
    *,
    status: str = "completed",
    direction: str = "inbound",
    seconds: str = "90",
    provider: str = "twilio",
) -> Call:
    """A call that has ended, in its rollup."""
    local = at.astimezone(where.zone)
    kind = {"provider": provider, "status": status, "direction": direction}
    hour = {"local_date": local.date(), "local_hour": local.hour}
    call = Call.objects.create(
        id=uuid4(),
        workspace=where,
        started_at=at,
        ended_at=at + dt.timedelta(seconds=int(seconds)),
        duration_seconds=Decimal(seconds),
        **kind,
        **hour,
    )
    rollup, _ = CallRollup.objects.get_or_create(
        workspace=where, **kind, **hour, defaults={"calls": 0}
    )
    CallRollup.objects.filter(pk=rollup.pk).update(
        calls=F("calls") + 1, duration_seconds=F("duration_seconds") + call.duration_seconds
    )
    return call


def agent(where: Workspace, name: str, status: str = "live", why: str | None = None) -> VoiceAgent:
    return VoiceAgent.objects.create(workspace=where, name=name, status=status, paused_reason=why)


def bill(
    of: BillingPeriod, *, number: str = "INV-2026-000042", status: str = "open", **facts: Any
) -> Invoice:
    """The period closed at its end plus a day, invoiced: its fee, and its usage by type."""
    where = of.workspace
    closed_at = of.period_end + dt.timedelta(days=1)
    fee = of.tier.prices.get(currency=where.currency).monthly_fee
    spent = (
        UsageRollup.objects.filter(billing_period=of)
        .values_list("resource_type")
        .annotate(Sum("quantity"), Sum("final_cost"))
        .order_by("resource_type")
    )
    lines = [("subscription", "Monthly Subscription", "", Decimal(1), fee)]
    lines += [("usage", resource(t).label, t, quantity, cost) for t, quantity, cost in spent]
    exact = [line[-1] for line in lines]
    minor = allocate(exact, where.currency)
    paid_at = closed_at if status == "paid" else None
    of.status = {"paid": "paid", "overdue": "overdue"}.get(status, "finalized")
    of.subtotal, of.subscription_fee = sum(exact[1:], Decimal(0)), fee
    of.total_amount = of.subtotal + fee
    of.finalized_at, of.paid_at = closed_at, paid_at
    of.save()
    invoice = Invoice.objects.create(
        workspace=where,
        billing_period=of,
        number=number,
        currency=where.currency,
        amount=from_minor(sum(minor), where.currency),
        exact_amount=sum(exact, Decimal(0)),
        status=status,
        collection_method="charge_automatically",
        payment_terms_days=14,
        issued_at=closed_at,
        due_date=(closed_at + dt.timedelta(days=14)).date(),
        paid_at=paid_at,
        bill_to_name=where.name,
        bill_to_email=where.billing_email,
        **facts,
    )
    for position, ((kind, text, type_, quantity, cost), share) in enumerate(
        zip(lines, minor, strict=True)
    ):
        InvoiceItem.objects.create(
            invoice=invoice,
            position=position,
            kind=kind,
            description=text,
            resource_type=type_,
            quantity=quantity,
            unit_price=(cost / quantity).quantize(_TEN_PLACES),
            exact_amount=cost,
            amount=from_minor(share, where.currency),
        )
    return invoice
