"""Invoices: written straight into the database, or issued by closing a period."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from billing.charges import freeze_charges
from billing.models import BillingPeriod, Workspace
from billing.rating.charges import Charge, ChargeKind
from billing.stripe_accounts import DEFAULT, AccountName
from invoices.models import Invoice, InvoiceItem, PaymentMethod
from invoices.payments.services import settle
from invoices.services.closing.finalize import finalize_period
from invoices.services.closing.numbering import take_numbers
from tests.kit.personas import make_workspace

NOVEMBER_2 = dt.datetime(2026, 11, 2, 0, 30, tzinfo=dt.UTC)
NOVEMBER_16 = dt.date(2026, 11, 16)
# Kind, description, resource type, quantity, unit price, amount.
ItemFacts = tuple[str, str, str, str, str, str]
SUBSCRIPTION: ItemFacts = ("subscription", "Monthly Subscription", "", "1", "49.00", "49.00")
MINUTES: ItemFacts = ("usage", "Call Minutes", "call_minutes", "812.5", "0.0112", "9.10")


def known_card(workspace: Workspace) -> PaymentMethod:
    """What payments note once Stripe has told of a card."""
    return PaymentMethod.objects.create(
        workspace=workspace, stripe_id="pm_1", label="Visa ending in 4242", noted_at=NOVEMBER_2
    )


def make_invoice(
    workspace: Workspace,
    *,
    month: int = 10,
    amount: str = "61.34",
    status: str = "open",
    collection_method: str = "charge_automatically",
    due_date: dt.date = NOVEMBER_16,
    stripe_invoice_id: str | None = None,
    issued_at: dt.datetime = NOVEMBER_2,
    stripe_account: AccountName = DEFAULT,
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
        status="overdue" if status == "overdue" else "finalized",
        finalized_at=issued_at,
        stripe_invoice_id=stripe_invoice_id,
    )
    if fee:
        line = Charge(ChargeKind.SUBSCRIPTION, "Monthly Subscription", fee, unit_price=fee)
        freeze_charges([(period, [line])])
    invoice = Invoice.objects.create(
        workspace=workspace,
        billing_period=period,
        number=take_numbers(issuer="INV", years=[2026])[0],
        currency=workspace.currency,
        net=total,
        amount=total,
        exact_amount=total,
        status=status,
        paid_at=issued_at if status == "paid" else None,
        amount_paid=total if status == "paid" else 0,
        collection_method=collection_method,
        payment_terms_days=14,
        issued_at=issued_at,
        due_date=due_date,
        bill_to_name=workspace.name,
        bill_to_email=workspace.billing_email,
        stripe_account=stripe_account,
        stripe_invoice_id=stripe_invoice_id,
    )
    items = [
        ("subscription", "Monthly Subscription", "", Decimal(1), fee),
        ("usage", "Call Minutes", "call_minutes", Decimal("812.5"), usage),
    ]
    for position, (kind, description, resource_type, quantity, exact) in enumerate(items, 1):
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
            net=exact,
        )
    return invoice


def make_addressed_invoice(
    items: Sequence[ItemFacts] = (SUBSCRIPTION, MINUTES),
    *,
    currency: str = "USD",
    amount: str = "58.10",
    exact: str = "58.1000000000",
    **fields: object,
) -> Invoice:
    """An invoice of a new Acme, with an address and the items given, as a document is made of."""
    workspace = make_workspace(currency="JPY" if currency == "JPY" else "USD")
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
        "due_date": NOVEMBER_16,
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
        net=Decimal(amount),
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
            net=Decimal(amount),
        )
        for position, (kind, description, resource_type, quantity, unit_price, amount) in (
            enumerate(items)
        )
    )
    return invoice


def issue_invoice(
    period: BillingPeriod, *, status: str = "open", hosted_invoice_url: str = ""
) -> Invoice:
    """The period closed a day after its end, and its invoice as Stripe's events then leave it.

    An overdue one had its card declined, which has suspended the workspace.
    """
    closed_at = period.period_end + dt.timedelta(days=1)
    finalize_period(period_id=period.pk, now=closed_at)
    invoice_id = Invoice.objects.get(billing_period=period).pk
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
