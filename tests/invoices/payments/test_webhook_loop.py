"""The whole way: Stripe's sandbox posts its own events to this site, and they take effect."""

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.utils import timezone as clock
from djstripe.models import Invoice as MirroredInvoice
from djstripe.models import Refund
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from billing.models import Workspace
from billing.stripe_accounts import DEFAULT
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import Invoice
from invoices.payments.services import stripe_client
from invoices.payments.services.customers import ensure_customer
from invoices.payments.services.stripe_sync import sync_invoice
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.personas import make_workspace
from tests.kit.stripe_side import give_card

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stripe(
    live_server: LiveServer, stripe_sandbox: SandboxProcess, settings: Settings
) -> SandboxProcess:
    """Delivers its events to the live server, where tasks run at once."""
    cache.clear()
    call_command("register_stripe_webhook", "--url", live_server.url)
    settings.CELERY_TASK_ALWAYS_EAGER = True
    return stripe_sandbox


def unpaid_bill(workspace: Workspace) -> Invoice:
    """Synced to Stripe, where the card is declined."""
    customer_id = ensure_customer(workspace_id=workspace.pk, account=DEFAULT, now=clock.now())
    give_card(customer_id, "pm_card_chargeCustomerFail")
    invoice = make_invoice(workspace, status="draft", issued_at=NOVEMBER_2)
    sync_invoice(invoice_id=invoice.pk, now=clock.now())
    return Invoice.objects.get(pk=invoice.pk)


def state(invoice: Invoice) -> tuple[str, str, str]:
    stored = Invoice.objects.select_related("billing_period", "workspace").get(pk=invoice.pk)
    return stored.status, stored.billing_period.status, stored.workspace.status


def test_declined_then_paid_by_another_card_then_refunded(stripe: SandboxProcess) -> None:
    globex = make_workspace("Globex")
    invoice = unpaid_bill(globex)
    stripe.wait_for_webhooks()
    assert state(invoice) == ("overdue", "overdue", "suspended")

    give_card(ensure_customer(workspace_id=globex.pk, account=DEFAULT, now=clock.now()))
    stripe_client.post(DEFAULT, f"/v1/invoices/{invoice.stripe_invoice_id}/pay")
    stripe.wait_for_webhooks()
    assert state(invoice) == ("paid", "paid", "active")
    assert MirroredInvoice.objects.get(id=invoice.stripe_invoice_id).status == "paid"

    payment = invoice.payment_entries.get(kind="payment")
    refund = stripe_client.post(
        DEFAULT, "/v1/refunds", {"payment_intent": payment.payment_intent_id, "amount": 1000}
    )
    stripe.wait_for_webhooks()
    invoice.refresh_from_db()
    assert str(invoice.amount_refunded) == "10.000"
    assert invoice.payment_entries.get(kind="refund").stripe_id == refund["id"]
    assert Refund.objects.filter(id=refund["id"]).exists()
    assert {delivery["last_status"] for delivery in stripe.deliveries()} == {200}


def test_a_dispute_and_a_deleted_customer_are_noticed(stripe: SandboxProcess) -> None:
    acme = make_workspace("Acme")
    customer_id = ensure_customer(workspace_id=acme.pk, account=DEFAULT, now=clock.now())
    give_card(customer_id)
    invoice = make_invoice(acme, status="draft")
    sync_invoice(invoice_id=invoice.pk, now=clock.now())
    stripe.wait_for_webhooks()
    payment = invoice.payment_entries.get(kind="payment")
    intent = stripe_client.get(DEFAULT, f"/v1/payment_intents/{payment.payment_intent_id}")
    stripe.open_dispute(intent["latest_charge"])
    stripe.wait_for_webhooks()
    assert invoice.payment_entries.get(kind="dispute").amount == invoice.amount
    assert invoice.events.get(kind="dispute").detail == "$61.34, needs response, fraudulent"

    stripe_client.delete(DEFAULT, f"/v1/customers/{customer_id}")
    stripe.wait_for_webhooks()
    assert acme.stripe_customers.get().stripe_id is None


def test_a_refund_of_a_payment_that_was_never_heard_of_finds_its_invoice(
    stripe: SandboxProcess,
) -> None:
    acme = make_workspace("Acme")
    give_card(ensure_customer(workspace_id=acme.pk, account=DEFAULT, now=clock.now()))
    stripe.pause_webhooks()
    invoice = make_invoice(acme, status="draft")
    sync_invoice(invoice_id=invoice.pk, now=clock.now())
    invoice.refresh_from_db()
    (payment,) = stripe_client.get(
        DEFAULT, "/v1/invoice_payments", {"invoice": invoice.stripe_invoice_id}
    )["data"]
    stripe_client.post(
        DEFAULT,
        "/v1/refunds",
        {"payment_intent": payment["payment"]["payment_intent"], "amount": 500},
    )
    stripe.resume_webhooks()
    stripe.wait_for_webhooks()
    invoice.refresh_from_db()
    assert str(invoice.amount_refunded) == "5.000"
    assert invoice.events.filter(kind="refund").count() == 1


def test_what_dj_stripe_cannot_mirror_is_handled_all_the_same(stripe: SandboxProcess) -> None:
    acme = make_workspace("Acme")
    give_card(ensure_customer(workspace_id=acme.pk, account=DEFAULT, now=clock.now()))
    invoice = make_invoice(acme, status="draft")
    stripe.pause_webhooks()
    sync_invoice(invoice_id=invoice.pk, now=clock.now())
    MirroredInvoice.objects.all().delete()
    Invoice.objects.update(status="open", paid_at=None)
    stripe.inject("500_before", path="/v1/invoices/", method="GET", count=1000)
    stripe.resume_webhooks()
    stripe.wait_for_webhooks()
    assert not MirroredInvoice.objects.exists()
    assert state(invoice)[0] == "paid"
    assert {delivery["last_status"] for delivery in stripe.deliveries()} == {200}
