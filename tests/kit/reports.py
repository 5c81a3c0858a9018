"""What finance's reports say of a day, and documents of certain days for them to tell of."""

import datetime as dt
from decimal import Decimal
from typing import Any

from analytics.reports import REPORTS, ReportRequest
from billing.models import PeriodCharge
from invoices.models import CreditNote, Invoice
from invoices.payments.models import Payment, PaymentAllocation

NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
OCTOBER = dt.datetime(2026, 10, 15, 12, tzinfo=dt.UTC)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{text}T12:00:00+00:00")


def rows_of(key: str, **asked: Any) -> list[dict[str, Any]]:
    """Of October and November 2026, as of `NOW`, unless asked for otherwise."""
    facts = {
        "first": day("2026-10-01"),
        "last": day("2026-11-30"),
        "as_of": NOW.date(),
        "now": NOW,
        **asked,
    }
    return [dict(row) for row in REPORTS[key].rows(ReportRequest(**facts))]


def pay(invoice: Invoice, amount: str, on: str, *, over: str = "0") -> Payment:
    """So much for the invoice, and `over` it."""
    payment = Payment.objects.create(
        workspace=invoice.workspace,
        way="bank_transfer",
        currency=invoice.currency,
        amount=Decimal(amount) + Decimal(over),
        received_on=day(on),
        recorded_by="fay",
    )
    PaymentAllocation.objects.create(payment=payment, invoice=invoice, amount=Decimal(amount))
    return payment


def credit(invoice: Invoice, net: str, on: str, **where: str) -> CreditNote:
    return CreditNote.objects.create(
        workspace=invoice.workspace,
        invoice=invoice,
        number=f"INV-CN-{CreditNote.objects.count() + 1}",
        status="issued",
        reason="quality",
        currency=invoice.currency,
        net=Decimal(net),
        tax=Decimal(0),
        total=Decimal(net),
        rest_to="refund",
        drafted_by="fay",
        approved_by="fay",
        issued_at=at(on),
        approved_at=at(on),
        **{name: Decimal(amount) for name, amount in (where or {"to_refund": net}).items()},
    )


def void(invoice: Invoice, on: str) -> None:
    Invoice.objects.filter(pk=invoice.pk).update(
        status="void", voided_at=at(on), void_reason="wrong", unbilled_reason=""
    )


def charge(invoice: Invoice, first: str, last: str, price: str, of_days: int) -> None:
    period = invoice.billing_period
    assert period is not None
    PeriodCharge.objects.create(
        period=period, position=2, kind="subscription", description="Fee", quantity=1,
        unit_price=Decimal(price), first_day=day(first), last_day=day(last), days=of_days,
        of_days=of_days, base=0, amount=Decimal(price), source_id="",
    )  # fmt: skip
