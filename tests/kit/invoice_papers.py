"""An issued invoice of Acme, Berlin, for October 2026, written straight into the database.

For tests of what is made out of an invoice; the close has its own.
"""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from uuid import uuid4

from billing.models import BillingPeriod
from billing.services.builtins import ensure_builtins
from billing.services.workspaces import create_workspace
from invoices.models import Invoice, InvoiceItem

Line = tuple[str, str, str, str, str, str]
SUBSCRIPTION: Line = ("subscription", "Monthly Subscription", "", "1", "49.00", "49.00")
MINUTES: Line = ("usage", "Call Minutes", "call_minutes", "812.5", "0.0112", "9.10")
NOVEMBER_2 = dt.datetime(2026, 11, 2, 0, 30, tzinfo=dt.UTC)


def acme_invoice(
    lines: Sequence[Line] = (SUBSCRIPTION, MINUTES),
    *,
    currency: str = "USD",
    amount: str = "58.10",
    exact: str = "58.1000000000",
    **fields: object,
) -> Invoice:
    """Each call is another Acme; `lines` are (kind, description, type, quantity, price, amount)."""
    ensure_builtins()
    workspace, _ = create_workspace(
        workspace_id=uuid4(),
        name="Acme",
        owner_email="owner@acme.test",
        tier="starter",
        currency="JPY" if currency == "JPY" else "USD",
        timezone="Europe/Berlin",
        now=NOVEMBER_2,
    )
    period = BillingPeriod.objects.create(
        workspace=workspace,
        tier=workspace.tier,
        period_start=dt.datetime(2026, 9, 30, 22, tzinfo=dt.UTC),
        period_end=dt.datetime(2026, 10, 31, 23, tzinfo=dt.UTC),
        status="finalized",
        finalized_at=NOVEMBER_2,
    )
    facts: dict[str, object] = {
        "number": "INV-2026-000042",
        "status": "open",
        "collection_method": "send_invoice",
        "payment_terms_days": 14,
        "issued_at": NOVEMBER_2,
        "due_date": dt.date(2026, 11, 16),
        "bill_to_name": "Acme GmbH",
        "bill_to_email": "billing@acme.test",
        "bill_to_address": "Hauptstraße 12\n10827 Berlin\nDE",
        "bill_to_tax_id": "DE123456789",
        **fields,
    }
    invoice = Invoice.objects.create(
        workspace=workspace,
        billing_period=period,
        currency=currency,
        amount=Decimal(amount),
        exact_amount=Decimal(exact),
        **facts,
    )
    InvoiceItem.objects.bulk_create(
        InvoiceItem(
            invoice=invoice,
            position=position,
            kind=kind,
            description=description,
            resource_type=resource_type,
            quantity=Decimal(quantity),
            unit_price=Decimal(unit_price),
            exact_amount=Decimal(amount),
            amount=Decimal(amount),
        )
        for position, (kind, description, resource_type, quantity, unit_price, amount) in (
            enumerate(lines)
        )
    )
    return invoice
