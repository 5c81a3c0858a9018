"""News about one invoice from several processes at once."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from billing.models import Email
from invoices.models import Invoice, InvoiceEvent
from invoices.payments.services import settle
from tests.kit.invoices import make_invoice
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db(transaction=True)

NOW = dt.datetime(2026, 11, 5, 12, 0, tzinfo=dt.UTC)


def test_failures_payments_and_voids_at_once_end_in_one_state_told_once() -> None:
    acme = make_workspace("Acme")
    invoices = [make_invoice(acme, month=month) for month in (7, 8, 9, 10)]
    rounds = 3
    together = Barrier(rounds * 2)

    def fail(number: int) -> None:
        together.wait(timeout=30)
        for invoice in invoices:
            settle.note_payment_failure(
                invoice_id=invoice.pk, at=NOW, now=NOW, source="Stripe", key=f"attempt {number}"
            )
        connection.close()

    def pay(number: int) -> None:
        together.wait(timeout=30)
        for invoice in reversed(invoices):
            settle.mark_paid(invoice_id=invoice.pk, paid_at=NOW, now=NOW, source="Stripe")
            settle.mark_void(invoice_id=invoice.pk, now=NOW, source="Stripe")
        connection.close()

    with ThreadPoolExecutor(rounds * 2) as pool:
        running = [pool.submit(work, number) for number in range(rounds) for work in (fail, pay)]
        for task in running:
            task.result(timeout=60)
    assert set(Invoice.objects.values_list("status", flat=True)) == {"paid"}
    acme.refresh_from_db()
    assert acme.status == "active"
    assert InvoiceEvent.objects.filter(kind="paid").count() == 4
    assert InvoiceEvent.objects.filter(kind="conflict").count() == 4
    assert Email.objects.filter(kind="invoice_paid").count() == 4
