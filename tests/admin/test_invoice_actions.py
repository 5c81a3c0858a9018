"""Settling invoices from the admin, here or through Stripe, and their PDFs."""

import pytest
from django.urls import reverse

from invoices.models import Invoice
from invoices.payments.models import InvoiceAction
from tests.kit.invoices import make_invoice
from tests.kit.personas import make_workspace
from tests.kit.staff import finance_client, page_after, press

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("action", "status"),
    [("mark_as_paid", "paid"), ("void", "void"), ("write_off", "uncollectible")],
)
def test_an_invoice_that_stripe_does_not_have_is_settled_here(action, status):
    client, invoice = finance_client(), make_invoice(make_workspace())

    response = press(client, "invoices_invoice", action, invoice.pk)

    invoice.refresh_from_db()
    assert invoice.status == status
    assert "done." in page_after(client, response)
    asked = InvoiceAction.objects.get()
    assert asked.actor is not None
    assert asked.actor.email == "fay@finance.test"


def test_one_that_stripe_has_is_asked_of_stripe_first(django_capture_on_commit_callbacks):
    client, invoice = finance_client(), make_invoice(make_workspace())
    Invoice.objects.update(stripe_invoice_id="in_1")

    with django_capture_on_commit_callbacks() as callbacks:
        press(client, "invoices_invoice", "void", invoice.pk)

    invoice.refresh_from_db()
    assert invoice.status == "open"
    assert InvoiceAction.objects.get().status == "pending"
    assert len(callbacks) == 1


@pytest.mark.parametrize("action", ["retry_the_payment", "mark_as_paid", "write_off", "void"])
def test_a_paid_invoice_offers_nothing(action):
    client, invoice = finance_client(), make_invoice(make_workspace(), status="paid")

    assert press(client, "invoices_invoice", action, invoice.pk).status_code == 403
    invoice.refresh_from_db()
    assert invoice.status == "paid"


def test_the_pdf_is_served_and_shows_the_number():
    client, invoice = finance_client(), make_invoice(make_workspace())

    response = client.get(reverse("admin:invoices_invoice_pdf", args=[invoice.pk]))

    assert response["Content-Type"] == "application/pdf"
    assert 'filename="INV-2026-000001.pdf"' in response["Content-Disposition"]
    assert response.content.startswith(b"%PDF-")
