"""What the owner's overview says of an unpaid invoice: only what has happened."""

import pytest

from invoices.models import Invoice, InvoiceEvent, PaymentMethod
from tests.analytics.test_pages_overview import NOW, member_client, page_of
from tests.kit.invoices import make_invoice
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("declined", "has_method", "words"),
    [
        (False, False, "There is no payment method to charge"),
        (True, False, "There is no payment method to charge"),
        (True, True, "A payment failed"),
        (False, True, "An invoice is overdue"),
    ],
)
@pytest.mark.parametrize("suspended", [False, True])
def test_a_payment_failed_only_where_one_did(
    declined: bool, has_method: bool, words: str, suspended: bool
) -> None:
    acme = make_workspace("Acme")
    invoice = make_invoice(acme, status="overdue")
    if declined:
        InvoiceEvent.objects.create(
            invoice=invoice, kind="payment_failed", at=NOW, source="Stripe", key="1"
        )
    if has_method:
        PaymentMethod.objects.create(workspace=acme, stripe_id="pm_1", label="Visa", noted_at=NOW)
    if suspended:
        acme.status, acme.suspension_reason = "suspended", "payment"
        acme.save()
    end = ", and this workspace is suspended." if suspended else "."
    assert f"{words}{end}" in page_of(member_client(acme), acme)


def test_what_is_paid_of_an_invoice_is_not_asked_for_again() -> None:
    acme = make_workspace("Acme")
    invoice = make_invoice(acme, status="overdue")
    Invoice.objects.filter(pk=invoice.pk).update(amount_paid=20)

    assert f"invoice {invoice.number} over $41.34." in page_of(member_client(acme), acme)
