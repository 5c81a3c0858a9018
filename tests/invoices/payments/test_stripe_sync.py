"""An invoice's way into Stripe when nothing goes wrong."""

import datetime as dt

import pytest
from django.db import connection
from djstripe.models import Customer
from djstripe.models import Invoice as MirroredInvoice

from billing.errors import NotFound
from billing.models import Workspace
from billing.stripe_accounts import DEFAULT, AccountName
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import Invoice
from invoices.payments.models import StripeSyncStep
from invoices.payments.services import stripe_client
from invoices.payments.services.customers import ensure_customer
from invoices.payments.services.stripe_sync import sync_invoice
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.personas import make_workspace
from tests.kit.stripe_side import customers, give_card, invoices, lines

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme(db: None, stripe_sandbox: SandboxProcess) -> Workspace:
    """With a card that pays."""
    workspace = make_workspace("Acme")
    give_card(ensure_customer(workspace_id=workspace.pk, account=DEFAULT, now=NOVEMBER_2))
    return workspace


def synced(invoice: Invoice) -> Invoice:
    result = sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2)
    assert result.done, result.detail
    return Invoice.objects.select_related("billing_period").get(pk=invoice.pk)


def test_an_invoice_arrives_line_by_line_and_is_charged(acme: Workspace) -> None:
    invoice = synced(make_invoice(acme, status="draft"))
    (found,) = invoices()
    assert lines(found["id"]) == [
        ("Monthly Subscription", 4900),
        ("Call Minutes (812.5 × 0.0151876923 USD)", 1234),
    ]
    assert (found["total"], found["currency"], found["status"]) == (6134, "usd", "paid")
    assert found["metadata"]["invoice_id"] == str(invoice.pk)
    assert found["metadata"]["invoice_number"] == "INV-2026-000001"
    assert found["description"] == "INV-2026-000001 · October 2026"
    # One number for one invoice, on our paper and on Stripe's page.
    assert found["number"] == invoice.number == "INV-2026-000001"
    assert (invoice.status, invoice.stripe_invoice_id) == ("paid", found["id"])
    assert invoice.hosted_invoice_url == found["hosted_invoice_url"]
    assert invoice.billing_period.stripe_invoice_id == found["id"]


def test_dj_stripe_has_copies_of_customer_and_invoice(acme: Workspace) -> None:
    invoice = synced(make_invoice(acme, status="draft"))
    assert Customer.objects.get().subscriber == acme
    assert MirroredInvoice.objects.get().id == invoice.stripe_invoice_id


def test_syncing_again_asks_stripe_for_nothing(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    invoice = synced(make_invoice(acme, status="draft"))
    stripe_sandbox.clear_requests()
    synced(invoice)
    assert stripe_sandbox.requests() == []


def test_an_invoice_to_be_sent_is_sent_with_its_days_to_pay(acme: Workspace) -> None:
    invoice = synced(make_invoice(acme, status="draft", collection_method="send_invoice"))
    (found,) = invoices()
    assert (found["status"], found["collection_method"]) == ("open", "send_invoice")
    assert found["due_date"] - found["created"] == 14 * 24 * 3600
    assert invoice.status == "open"
    assert [step.kind for step in invoice.stripe_sync.steps.all()][-1] == StripeSyncStep.Kind.SEND


def test_one_that_is_synced_late_is_not_due_before_it_was_sent(acme: Workspace) -> None:
    invoice = make_invoice(
        acme, status="draft", collection_method="send_invoice", due_date=dt.date(2026, 11, 1)
    )
    synced(invoice)
    (found,) = invoices()
    assert found["due_date"] == found["created"]


def test_a_declined_card_does_not_fail_the_sync(stripe_sandbox: SandboxProcess) -> None:
    globex = make_workspace("Globex")
    customer_id = ensure_customer(workspace_id=globex.pk, account=DEFAULT, now=NOVEMBER_2)
    give_card(customer_id, "pm_card_chargeCustomerFail")
    invoice = synced(make_invoice(globex, status="draft"))
    assert invoice.status == "open"
    payment = invoice.stripe_sync.steps.get(kind=StripeSyncStep.Kind.PAY)
    assert payment.status == StripeSyncStep.Status.FAILED
    assert "Your card was declined" in payment.last_error


def test_a_customer_without_a_card_has_an_open_invoice(stripe_sandbox: SandboxProcess) -> None:
    invoice = synced(make_invoice(make_workspace("Initech"), status="draft"))
    assert invoice.status == "open"
    assert (
        invoice.stripe_sync.steps.get(kind=StripeSyncStep.Kind.PAY).status
        == StripeSyncStep.Status.FAILED
    )


def test_nothing_to_pay_is_paid_at_once(acme: Workspace) -> None:
    invoice = synced(make_invoice(acme, status="draft", amount="0"))
    (found,) = invoices()
    assert (found["total"], found["status"]) == (0, "paid")
    assert invoice.status == "paid"


def test_two_months_of_a_workspace_go_to_one_customer(acme: Workspace) -> None:
    synced(make_invoice(acme, status="draft", month=9))
    synced(make_invoice(acme, status="draft", month=10))
    assert len(customers()) == 1
    assert len(invoices()) == 2


def test_nothing_but_our_lines_gets_on_the_invoice(acme: Workspace) -> None:
    customer_id = ensure_customer(workspace_id=acme.pk, account=DEFAULT, now=NOVEMBER_2)
    stripe_client.post(
        DEFAULT, "/v1/invoiceitems", {"customer": customer_id, "amount": 999, "currency": "usd"}
    )
    synced(make_invoice(acme, status="draft"))
    assert invoices()[0]["total"] == 6134


def test_what_was_voided_before_it_was_synced_stays_out_of_stripe(acme: Workspace) -> None:
    synced(make_invoice(acme, status="void"))
    assert invoices() == []


def test_an_unknown_invoice_is_not_found(db: None) -> None:
    with pytest.raises(NotFound):
        sync_invoice(invoice_id=make_workspace("Acme").pk, now=NOVEMBER_2)


def test_no_transaction_is_open_while_stripe_is_asked(
    acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = make_invoice(acme, status="draft")
    outside = len(connection.savepoint_ids)  # the test's own transaction
    depths = []
    wait_for_turn = stripe_client.wait_for_turn

    def note_and_wait(account: AccountName) -> None:
        depths.append(len(connection.savepoint_ids) - outside)
        wait_for_turn(account)

    monkeypatch.setattr(stripe_client, "wait_for_turn", note_and_wait)
    synced(invoice)
    assert depths == [0] * 7
