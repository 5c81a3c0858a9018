"""What the sandbox answers is mirrored by dj-stripe as Stripe's own objects are."""

import json
from typing import Any

import pytest
import stripe
from djstripe import models
from djstripe.settings import djstripe_settings

from dev.stripe_sandbox.testing import SandboxProcess
from tests.kit.sandbox_drafts import opened

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def mirrored(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> SandboxProcess:
    """dj-stripe fetches what an object refers to through the SDK's module-wide settings."""
    monkeypatch.setattr(stripe, "api_base", sandbox.url)
    monkeypatch.setattr(stripe, "api_key", sandbox.key)
    settings.STRIPE_TEST_SECRET_KEY = sandbox.key
    assert djstripe_settings.get_default_api_key(livemode=False)
    return sandbox


def sync(model: Any, found: stripe.StripeObject, key: str) -> Any:
    return model.sync_from_stripe_data(found, api_key=key)


def test_a_paid_invoice_and_all_it_refers_to_are_mirrored(
    client: stripe.StripeClient, acme: stripe.Customer, sandbox: SandboxProcess
) -> None:
    paid = client.v1.invoices.pay(opened(client, acme.id).id)
    charge = client.v1.charges.list({"customer": acme.id}).data[0]
    client.v1.refunds.create({"charge": charge.id, "amount": 100})

    invoice = sync(models.Invoice, stripe.Invoice.retrieve(paid.id), sandbox.key)
    assert (invoice.customer.id, invoice.status, invoice.total) == (acme.id, "paid", 6134)
    assert invoice.djstripe_owner_account.id == stripe.Account.retrieve().id
    for found in stripe.InvoiceItem.list(invoice=paid.id):
        item = sync(models.InvoiceItem, found, sandbox.key)
        assert item.invoice == invoice
    mirrored = sync(models.Charge, stripe.Charge.retrieve(charge.id), sandbox.key)
    assert mirrored.customer.default_payment_method == mirrored.payment_method
    assert mirrored.balance_transaction.amount == 6134
    refund = sync(models.Refund, stripe.Refund.list().data[0], sandbox.key)
    assert refund.charge == mirrored


def test_disputes_subscriptions_and_sessions_are_mirrored(
    client: stripe.StripeClient, acme: stripe.Customer, sandbox: SandboxProcess
) -> None:
    client.v1.invoices.pay(opened(client, acme.id).id)
    charge = client.v1.charges.list({"customer": acme.id}).data[0]
    dispute = stripe.Dispute.retrieve(sandbox.open_dispute(charge.id)["id"])
    assert sync(models.Dispute, dispute, sandbox.key).charge.id == charge.id

    price = client.v1.prices.create(
        {
            "product_data": {"name": "Starter"},
            "currency": "usd",
            "unit_amount": 4900,
            "recurring": {"interval": "month"},
        }
    )
    created = client.v1.subscriptions.create({"customer": acme.id, "items": [{"price": price.id}]})
    found = stripe.Subscription.retrieve(created.id)
    subscription = sync(models.Subscription, found, sandbox.key)
    assert subscription.items.get().price.product.name == "Starter"

    session = client.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "customer": acme.id,
            "currency": "usd",
            "success_url": "https://a.example",
        }
    )
    mirrored = sync(models.Session, stripe.checkout.Session.retrieve(session.id), sandbox.key)
    assert mirrored.setup_intent.customer.id == acme.id


def test_events_are_processed_and_a_deleted_customer_is_marked(
    client: stripe.StripeClient, acme: stripe.Customer, sandbox: SandboxProcess
) -> None:
    sync(models.Customer, stripe.Customer.retrieve(acme.id), sandbox.key)
    client.v1.customers.update(acme.id, {"name": "Acme GmbH"})
    client.v1.invoices.void_invoice(opened(client, acme.id).id)
    for event in [*client.v1.events.list({"limit": 100})][::-1]:
        processed = models.Event.process(json.loads(str(event)), api_key=sandbox.key)
        processed.invoke_webhook_handlers()
    assert models.Customer.objects.get(id=acme.id).name == "Acme GmbH"
    assert models.Invoice.objects.get().status == "void"

    client.v1.customers.delete(acme.id)
    deleted = sync(models.Customer, stripe.Customer.retrieve(acme.id), sandbox.key)
    assert deleted.deleted is True


def test_a_webhook_endpoint_is_mirrored_with_its_secret(
    client: stripe.StripeClient, sandbox: SandboxProcess
) -> None:
    created = client.v1.webhook_endpoints.create(
        {"url": "http://127.0.0.1:9/stripe/", "enabled_events": ["invoice.paid"]}
    )
    endpoint = sync(models.WebhookEndpoint, created, sandbox.key)
    assert endpoint.secret == created.secret
    again = stripe.WebhookEndpoint.retrieve(created.id)
    assert sync(models.WebhookEndpoint, again, sandbox.key).secret == created.secret
