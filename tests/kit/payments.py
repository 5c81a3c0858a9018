"""Payments by hand: recorded, looked at here and in Stripe, and reported there."""

import datetime as dt
from decimal import Decimal

from billing.models import Workspace
from billing.stripe_accounts import DEFAULT
from invoices.models import Invoice
from invoices.payments.models import Payment, ReportedPayment
from invoices.payments.services import stripe_client
from invoices.payments.services.receiving import PaymentShare, record_payment
from invoices.payments.services.reporting import report_payment
from invoices.payments.services.stripe_sync import sync_invoice
from tests.kit.invoices import NOVEMBER_2, make_invoice

NOVEMBER_5 = dt.datetime(2026, 11, 5, 12, tzinfo=dt.UTC)


def pay(workspace: Workspace, amount: str, *invoices: Invoice, key: str = "") -> Payment:
    return record_payment(
        workspace_id=workspace.pk,
        amount=Decimal(amount),
        way="bank_transfer",
        received_on=dt.date(2026, 11, 4),
        reference="SEPA 4711",
        shares=[PaymentShare(invoice.pk) for invoice in invoices] or None,
        recorded_by="fiona@platform.test",
        key=key,
        now=NOVEMBER_5,
    )


def state(invoice: Invoice) -> tuple[str, Decimal]:
    stored = Invoice.objects.get(pk=invoice.pk)
    return stored.status, stored.amount_open


def in_stripe(invoice: Invoice) -> tuple[str, int, int]:
    invoice.refresh_from_db()
    found = stripe_client.get(DEFAULT, f"/v1/invoices/{invoice.stripe_invoice_id}")
    return found["status"], found["amount_paid"], found["amount_remaining"]


def sent(workspace: Workspace) -> Invoice:
    invoice = make_invoice(workspace, status="draft", collection_method="send_invoice")
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2).done
    invoice.refresh_from_db()
    return invoice


def report_all(now: dt.datetime = NOVEMBER_5) -> list[str]:
    """Tell Stripe of what it has not heard; how each report stands then."""
    for report in ReportedPayment.objects.filter(status="waiting"):
        report_payment(report_id=report.pk, now=now)
    return list(ReportedPayment.objects.values_list("status", flat=True))
