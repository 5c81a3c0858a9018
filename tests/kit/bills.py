"""Invoices as the month end leaves them, without walking through a month first."""

import datetime as dt
from decimal import Decimal
from uuid import uuid4

from billing.models import BillingPeriod, Workspace
from billing.services.builtins import ensure_builtins
from billing.services.workspaces import create_workspace
from invoices.models import Invoice, InvoiceItem

NOVEMBER_2 = dt.datetime(2026, 11, 2, 0, 30, tzinfo=dt.UTC)
NOVEMBER_16 = dt.date(2026, 11, 16)


def customer(name: str = "Acme", *, timezone: str = "UTC", tier: str = "starter") -> Workspace:
    """An active workspace with one owner, `owner@<name>.test`."""
    ensure_builtins()
    workspace, _ = create_workspace(
        workspace_id=uuid4(),
        name=name,
        owner_email=f"owner@{name.lower()}.test",
        tier=tier,
        currency="USD",
        timezone=timezone,
        now=NOVEMBER_2,
        billing_email=f"billing@{name.lower()}.test",
    )
    return workspace


def bill(
    workspace: Workspace,
    *,
    month: int = 10,
    amount: str = "61.34",
    status: str = "open",
    collection_method: str = "charge_automatically",
    due_date: dt.date = NOVEMBER_16,
    stripe_invoice_id: str | None = None,
    issued_at: dt.datetime = NOVEMBER_2,
) -> Invoice:
    """An invoice for one month of 2026 with a fee of 49.00 and the rest in call minutes."""
    total = Decimal(amount)
    fee = min(Decimal(49), total)
    usage = total - fee
    period = BillingPeriod.objects.create(
        workspace=workspace,
        tier=workspace.tier,
        period_start=dt.datetime(2026, month, 1, tzinfo=dt.UTC),
        period_end=dt.datetime(2026, month + 1, 1, tzinfo=dt.UTC),
        subtotal=usage,
        subscription_fee=fee,
        total_amount=total,
        status="finalized",
        finalized_at=issued_at,
        stripe_invoice_id=stripe_invoice_id,
    )
    invoice = Invoice.objects.create(
        workspace=workspace,
        billing_period=period,
        number=f"INV-2026-{Invoice.objects.count() + 1:06d}",
        currency="USD",
        amount=total,
        exact_amount=total,
        status=status,
        collection_method=collection_method,
        payment_terms_days=14,
        issued_at=issued_at,
        due_date=due_date,
        bill_to_name=workspace.name,
        bill_to_email=workspace.billing_email,
        stripe_invoice_id=stripe_invoice_id,
    )
    lines = [
        ("subscription", "Monthly Subscription", "", Decimal(1), fee),
        ("usage", "Call Minutes", "call_minutes", Decimal("812.5"), usage),
    ]
    for position, (kind, description, resource_type, quantity, exact) in enumerate(lines, 1):
        InvoiceItem.objects.create(
            invoice=invoice,
            position=position,
            kind=kind,
            description=description,
            resource_type=resource_type,
            quantity=quantity,
            unit_price=exact / quantity,
            exact_amount=exact,
            amount=exact,
        )
    return invoice
