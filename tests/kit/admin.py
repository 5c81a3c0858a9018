"""A small world with a row of every kind, and people who look at it or act on it."""

import datetime as dt
from decimal import Decimal
from uuid import uuid4

from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from billing.models import BillingPeriod, Email, LimitAlert, User, Workspace
from billing.services.builtins import ensure_builtins
from billing.services.keys import create_key
from billing.services.periods import open_period
from billing.services.staff import ensure_finance_group
from billing.services.workspaces import create_workspace
from invoices.models import Invoice, InvoiceEvent, InvoiceItem
from invoices.payments.models import Difference, InvoiceAction, PaymentEntry, ReconciliationRun
from usage.models import Call, CallRollup, UsageRecord, UsageRollup, VoiceAgent

NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
OCTOBER = dt.datetime(2026, 10, 15, tzinfo=dt.UTC)


def finance() -> Client:
    """Signed in as a member of the group `finance`."""
    user = User.objects.create_user("fay@finance.test", is_staff=True)
    user.groups.add(ensure_finance_group())
    return _signed_in(user)


def viewer() -> Client:
    """Signed in as staff who may see everything and change nothing."""
    user = User.objects.create_user("vera@finance.test", is_staff=True)
    user.user_permissions.add(
        *Permission.objects.filter(
            codename__startswith="view_",
            content_type__app_label__in=["billing", "usage", "invoices", "auth", "admin"],
        )
    )
    return _signed_in(user)


def superuser() -> Client:
    return _signed_in(User.objects.create_superuser("root@finance.test"))


def _signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def customer(name: str = "Acme", *, currency: str = "USD", tier: str = "starter") -> Workspace:
    ensure_builtins()
    workspace, _ = create_workspace(
        workspace_id=uuid4(),
        name=name,
        owner_email=f"owner@{name.lower()}.test",
        tier=tier,
        currency=currency,
        timezone="UTC",
        now=OCTOBER,
    )
    return workspace


def invoice_of(workspace: Workspace, *, status: str = "open", number: int = 1) -> Invoice:
    """Its October: 49.00 of fee and 9.10 of call minutes, finalized on 2 November."""
    issued_at = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
    period = open_period(workspace_id=workspace.pk, at=OCTOBER, now=OCTOBER)
    BillingPeriod.objects.filter(pk=period.pk).update(
        status="overdue" if status == "overdue" else "finalized",
        finalized_at=issued_at,
        subtotal=Decimal("9.10"),
        subscription_fee=Decimal("49.00"),
        total_amount=Decimal("58.10"),
    )
    invoice = Invoice.objects.create(
        workspace=workspace,
        billing_period=period,
        number=f"INV-2026-{number:06d}",
        currency=workspace.currency,
        amount=Decimal("58.10"),
        exact_amount=Decimal("58.10"),
        status=status,
        paid_at=issued_at if status == "paid" else None,
        collection_method="charge_automatically",
        payment_terms_days=14,
        issued_at=issued_at,
        due_date=dt.date(2026, 11, 16),
        bill_to_name=workspace.name,
        bill_to_email=workspace.billing_email,
    )
    for position, (kind, description, resource_type, cost) in enumerate(
        [
            ("subscription", "Monthly Subscription", "", "49.00"),
            ("usage", "Call Minutes", "call_minutes", "9.10"),
        ]
    ):
        InvoiceItem.objects.create(
            invoice=invoice,
            position=position,
            kind=kind,
            description=description,
            resource_type=resource_type,
            quantity=1,
            unit_price=Decimal(cost),
            exact_amount=Decimal(cost),
            amount=Decimal(cost),
        )
    return invoice


def a_row_of_everything(name: str = "Acme", number: int = 1) -> Workspace:
    """One workspace with at least one row of each model the admin shows."""
    workspace = customer(name)
    invoice = invoice_of(workspace, number=number)
    period = open_period(workspace_id=workspace.pk, at=NOW, now=NOW)
    period.counters.filter(slot=0).update(
        records=1, total_cost=Decimal("10"), final_cost=Decimal("12.3456789")
    )
    LimitAlert.objects.create(
        workspace=workspace,
        period=period,
        kind="threshold",
        spend=Decimal("400"),
        usage_limit=Decimal("500"),
        threshold_percentage=Decimal("80"),
    )
    Email.objects.create(
        key=f"key {name}",
        kind="limit",
        workspace=workspace,
        recipients=[f"owner@{name.lower()}.test"],
        subject=f"About {name}",
        text="Text of it",
        html="<p>HTML of it</p>",
    ).attachments.create(filename="x.pdf", media_type="application/pdf", content=b"%PDF-")
    create_key(name=f"{name} ingest", scopes=["usage:write"], now=NOW, workspace_id=workspace.pk)
    agent = VoiceAgent.objects.create(workspace=workspace, name=f"{name} desk", status="live")
    call = Call.objects.create(
        id=uuid4(),
        workspace=workspace,
        agent=agent,
        direction="inbound",
        status="completed",
        provider="twilio",
        started_at=NOW,
        ended_at=NOW + dt.timedelta(minutes=3),
        duration_seconds=Decimal("180"),
        local_date=NOW.date(),
        local_hour=9,
    )
    record_usage(workspace, period, call)
    CallRollup.objects.create(
        workspace=workspace,
        local_date=NOW.date(),
        local_hour=9,
        provider="twilio",
        status="completed",
        direction="inbound",
        calls=1,
        duration_seconds=Decimal("180"),
    )
    InvoiceEvent.objects.create(
        invoice=invoice, kind="payment_failed", at=NOW, source="Stripe", detail="Card declined."
    )
    InvoiceAction.objects.create(invoice=invoice, kind="retry_payment")
    PaymentEntry.objects.create(
        invoice=invoice,
        kind="payment",
        stripe_id=f"ch_{name}",
        amount=Decimal("58.10"),
        status="succeeded",
        occurred_at=NOW,
    )
    run = ReconciliationRun.objects.create(days=35, checked=1)
    Difference.objects.create(
        run=run, invoice=invoice, kind="status", ours="open", theirs="paid", remedy="settle"
    )
    return workspace


def record_usage(
    workspace: Workspace, period: BillingPeriod, call: Call | None = None
) -> UsageRecord:
    """10 minutes at a cost of 1.00 each, sold at 1.20."""
    UsageRollup.objects.create(
        workspace=workspace,
        billing_period=period,
        slot=0,
        usage_date=NOW.date(),
        resource_type="call_minutes",
        provider="twilio",
        records=1,
        quantity=Decimal(10),
        total_cost=Decimal(10),
        final_cost=Decimal(12),
    )
    return UsageRecord.objects.create(
        id=uuid4(),
        workspace=workspace,
        billing_period=period,
        call=call,
        occurred_at=NOW,
        usage_date=NOW.date(),
        idempotency_key="k1",
        resource_type="call_minutes",
        provider="twilio",
        quantity=Decimal(10),
        unit_cost=Decimal(1),
        total_cost=Decimal(10),
        markup_percentage=Decimal(20),
        final_cost=Decimal(12),
    )


def press(client: Client, model: str, action: str, pk: object, **fields: object):
    """Confirm the dialog of an action on a detail page."""
    address = reverse(f"admin:{model}_{action}", args=[pk])
    return client.post(address, {"_form_submitted": "on", **fields})


def page(client: Client, model: str, pk: object) -> str:
    return client.get(reverse(f"admin:{model}_change", args=[pk])).content.decode()


def said(client: Client, response) -> str:
    return client.get(response["Location"]).content.decode()


def october_of(workspace: Workspace) -> BillingPeriod:
    return open_period(workspace_id=workspace.pk, at=OCTOBER, now=OCTOBER)
