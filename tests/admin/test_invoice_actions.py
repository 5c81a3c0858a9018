"""Settling invoices from the admin, here or through Stripe, and their PDFs."""

import pytest
from django.urls import reverse
from django.utils import timezone

from invoices.models import CreditNote, Invoice
from invoices.payments.models import InvoiceAction
from invoices.payments.services import settle
from tests.kit.invoices import make_invoice
from tests.kit.personas import make_workspace
from tests.kit.staff import change_page, finance_client, page_after, press, workspace_address

pytestmark = pytest.mark.django_db


VOID = {"reason": "Billed to the wrong company", "then": "unbilled", "on": "2026-11-05"}


@pytest.mark.parametrize(("action", "status"), [("void", "void"), ("write_off", "uncollectible")])
def test_an_invoice_that_stripe_does_not_have_is_settled_here(action, status):
    client, invoice = finance_client(), make_invoice(make_workspace())

    response = press(client, "invoices_invoice", action, invoice.pk, **VOID)

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
        press(client, "invoices_invoice", "void", invoice.pk, **VOID)

    invoice.refresh_from_db()
    assert invoice.status == "open"
    assert InvoiceAction.objects.get().status == "waiting"
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


def test_a_void_asks_for_a_reason_and_what_becomes_of_the_usage():
    client, invoice = finance_client(), make_invoice(make_workspace())

    answer = press(client, "invoices_invoice", "void", invoice.pk, reason=" ", then="")

    assert answer.content.decode().count("This field is required.") == 3
    invoice.refresh_from_db()
    assert invoice.status == "open"


def test_a_void_invoice_is_issued_anew_from_its_dialog():
    client, invoice = finance_client(), make_invoice(make_workspace())

    press(client, "invoices_invoice", "void", invoice.pk, **{**VOID, "then": "reissue"})

    invoice.refresh_from_db()
    assert (invoice.status, invoice.void_reason) == ("void", VOID["reason"])
    assert invoice.replacement.billing_period == invoice.billing_period
    shown = change_page(client, "invoices_invoice", invoice.pk)
    assert f"As {invoice.replacement.number}." in shown
    assert "Issue anew" not in shown


def test_one_voided_in_stripe_waits_for_a_decision():
    client, invoice = finance_client(), make_invoice(make_workspace())
    settle.mark_void(invoice_id=invoice.pk, now=timezone.now(), source="Stripe")
    assert "Issue anew" in change_page(client, "invoices_invoice", invoice.pk)
    assert "void invoice to decide on" in client.get(reverse("admin:index")).content.decode()

    press(client, "invoices_invoice", "leave_unbilled", invoice.pk, reason="Our own test calls")

    invoice.refresh_from_db()
    assert invoice.unbilled_reason == "Our own test calls"
    assert "to decide on" not in client.get(reverse("admin:index")).content.decode()


PAYMENT = {"way": "bank_transfer", "on": "2026-11-05", "reference": "SEPA 4711", "key": "once"}


def test_a_part_payment_is_recorded_from_the_invoices_page_once():
    client, invoice = finance_client(), make_invoice(make_workspace())

    for _ in range(2):
        response = press(
            client, "invoices_invoice", "record_a_payment", invoice.pk, amount="20.00", **PAYMENT
        )

    invoice.refresh_from_db()
    assert (invoice.status, str(invoice.amount_paid)) == ("partly_paid", "20.000")
    assert "$20.00 for INV-2026-000001" in page_after(client, response)


def test_a_payment_for_the_wrong_customer_is_taken_back_from_the_invoices_page():
    client, invoice = finance_client(), make_invoice(make_workspace())
    fields = {**PAYMENT, "amount": "70.00"}
    press(client, "invoices_invoice", "record_a_payment", invoice.pk, **fields)
    payment = invoice.allocations.get().payment
    assert "Take a payment back" in change_page(client, "invoices_invoice", invoice.pk)

    response = press(
        client,
        "invoices_invoice",
        "take_back_a_payment",
        invoice.pk,
        payment=str(payment.pk),
        reason="Globex's",
    )

    invoice.refresh_from_db()
    assert str(invoice.amount_open) == "61.340"
    said = page_after(client, response)
    assert "$70.00 taken back: $61.34 of INV-2026-000001 is open; $8.66 is off the credit" in said
    assert "Take a payment back" not in said
    payments = client.get(workspace_address(invoice.workspace, "payments")).content.decode()
    assert "Globex&#x27;s" in payments


def test_it_is_marked_as_paid_with_its_way_reference_and_reason():
    client, invoice = finance_client(), make_invoice(make_workspace())

    answer = press(client, "invoices_invoice", "mark_as_paid", invoice.pk, **PAYMENT)
    assert "This field is required." in answer.content.decode()
    press(client, "invoices_invoice", "mark_as_paid", invoice.pk, reason="Statement", **PAYMENT)

    invoice.refresh_from_db()
    assert invoice.status == "paid"
    payment = invoice.workspace.payments.get()
    assert (payment.reference, payment.recorded_by) == ("SEPA 4711", "fay@finance.test")


def test_a_payment_is_recorded_from_the_workspaces_page_and_credit_is_paid_out():
    client, invoice = finance_client(), make_invoice(make_workspace())
    workspace = invoice.workspace

    fields = {**PAYMENT, "amount": "70.00", "invoice": ""}
    press(client, "billing_workspace", "record_a_payment", workspace.pk, **fields)
    fields = {"amount": "5.00", "on": "2026-11-06", "reference": "SEPA back", "reason": "Asked"}
    response = press(client, "billing_workspace", "pay_out_credit", workspace.pk, **fields)

    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert "$3.66 is left" in page_after(client, response)


def test_from_the_customers_page_to_the_invoice_and_its_credit_note():
    client, invoice = finance_client(), make_invoice(make_workspace())
    workspace = workspace_address(invoice.workspace, "invoices")
    page = reverse("admin:invoices_invoice_change", args=[invoice.pk])
    assert f'href="{page}">{invoice.number}</a>' in client.get(workspace).content.decode()

    fields = {
        "amount": "20.00",
        "reason": "dropped",
        "explanation": "A call broke off",
        "rest_to": "credit",
        "line": "",
        "key": "once",
    }
    press(client, "invoices_invoice", "give_back", invoice.pk, **fields)

    note = CreditNote.objects.get()
    shown = client.get(page).content.decode()
    at_note = reverse("admin:invoices_creditnote_change", args=[note.pk])
    assert f'href="{at_note}">{note.number}</a>' in shown
    assert "$41.34" in shown  # still open
    assert f"$20.00 taken off {invoice.number}" in client.get(at_note).content.decode()


def test_rows_of_an_invoice_that_say_nothing_are_left_out():
    client, invoice = finance_client(), make_invoice(make_workspace())
    page = reverse("admin:invoices_invoice_change", args=[invoice.pk])
    assert "Unbilled reason" not in client.get(page).content.decode()

    Invoice.objects.filter(pk=invoice.pk).update(status="void", voided_at=invoice.issued_at)
    assert "Unbilled reason" in client.get(page).content.decode()
