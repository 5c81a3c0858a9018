"""A month whose every step is there, from records to payments, for tests of the ledger check."""

import datetime as dt
from decimal import Decimal

from djstripe.models import Customer
from djstripe.models import Invoice as StripeCopy

from billing.models import Workspace
from invoices.models import Invoice
from invoices.payments.services import settle
from invoices.services.closing import finalize_due_periods
from tests.kit.personas import make_workspace
from tests.kit.prices import published, rate, use
from tests.kit.usage import make_call, make_usage
from usage.services import sealing

DECEMBER = dt.date(2026, 12, 1)
DECEMBER_5 = dt.datetime(2026, 12, 5, 12, tzinfo=dt.UTC)
JANUARY_3 = dt.datetime(2027, 1, 3, 12, tzinfo=dt.UTC)
GRADUATED = {
    "model": "graduated",
    "tiers": [{"up_to": "1000", "unit_price": "0.02"}, {"up_to": None, "unit_price": "0.015"}],
}
MINUTES = "WHERE resource_type = 'call_minutes' AND rate_id IS NOT NULL"


def make_proved_month() -> Workspace:
    """December billed, sealed and paid, and 5.00 given back: 49.00, 1,200 minutes by tiers for
    23.00, and 10 GB for 1.15; two workspaces beside it."""
    acme = make_workspace("Acme", timezone="UTC")
    use(published(rate(GRADUATED, "call_minutes"), day=DECEMBER), acme.pk, day=DECEMBER)
    make_usage(acme, DECEMBER_5, "1000", "0.0125", key="first")
    make_usage(acme, DECEMBER_5, "200", "0.0125", key="second")
    make_usage(acme, DECEMBER_5, "10", "0.1", key="disk", resource_type="storage", model="ssd")
    make_call(acme, DECEMBER_5)
    globex = make_workspace("Globex")
    make_usage(globex, DECEMBER_5, "7", "0.1", key="plain")
    finalize_due_periods(now=JANUARY_3)
    sealing.seal_closed_periods(now=JANUARY_3)
    make_usage(globex, JANUARY_3, "1", "0.1")
    invoice = Invoice.objects.get(workspace=acme)
    assert invoice.amount == Decimal("73.15")
    StripeCopy.objects.create(
        id="in_acme",
        customer=Customer.objects.create(id="cus_acme", livemode=False, stripe_data={}),
        livemode=False,
        stripe_data={"total": 7315, "currency": "usd", "amount_paid": 7315},
    )
    settle.mark_open(
        invoice_id=invoice.pk, stripe_invoice_id="in_acme", hosted_invoice_url="", now=JANUARY_3
    )
    settle.note_payment(
        invoice_id=invoice.pk,
        charge_id="ch_1",
        amount=invoice.amount,
        status="paid",
        at=JANUARY_3,
    )
    settle.mark_paid(invoice_id=invoice.pk, paid_at=JANUARY_3, now=JANUARY_3)
    about = {"invoice_id": invoice.pk, "charge_id": "ch_1", "at": JANUARY_3, "now": JANUARY_3}
    settle.note_refunded_charge(
        amount=invoice.amount, amount_refunded=Decimal(5), source="test", **about
    )
    settle.note_refund(
        refund_id="re_1", amount=Decimal(5), status="succeeded", source="test", **about
    )
    Invoice.objects.update(updated_at=JANUARY_3 - dt.timedelta(days=90))
    return acme
