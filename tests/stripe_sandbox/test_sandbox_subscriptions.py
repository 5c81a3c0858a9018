import pytest
import stripe

from tests.kit.sandbox_drafts import event_types


@pytest.fixture
def subscription(client: stripe.StripeClient, acme: stripe.Customer) -> stripe.Subscription:
    """Acme pays 49.00 USD a month."""
    product = client.v1.products.create({"name": "Starter"})
    price = client.v1.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 4900,
            "recurring": {"interval": "month"},
        }
    )
    return client.v1.subscriptions.create(
        {"customer": acme.id, "items": [{"price": price.id}], "expand": ["latest_invoice"]}
    )


def test_a_subscription_begins_with_a_paid_invoice(subscription: stripe.Subscription) -> None:
    invoice = subscription.latest_invoice
    assert isinstance(invoice, stripe.Invoice)
    assert subscription.status == "active"
    assert (invoice.status, invoice.total, invoice.billing_reason) == (
        "paid",
        4900,
        "subscription_create",
    )
    assert invoice.parent
    assert invoice.parent.subscription_details
    assert invoice.parent.subscription_details.subscription == subscription.id


def test_cancelling_ends_it_and_is_told(
    client: stripe.StripeClient, subscription: stripe.Subscription, acme: stripe.Customer
) -> None:
    assert client.v1.subscriptions.cancel(subscription.id).status == "canceled"
    assert event_types(client)[-1] == "customer.subscription.deleted"
    assert client.v1.subscriptions.list({"customer": acme.id}).data == []
    everything = client.v1.subscriptions.list({"customer": acme.id, "status": "all"})
    assert [found.id for found in everything] == [subscription.id]
    with pytest.raises(stripe.InvalidRequestError, match="is canceled"):
        client.v1.subscriptions.cancel(subscription.id)


def test_deleting_the_customer_ends_it_too(
    client: stripe.StripeClient, subscription: stripe.Subscription, acme: stripe.Customer
) -> None:
    client.v1.customers.delete(acme.id)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"
    assert event_types(client)[-2:] == ["customer.subscription.deleted", "customer.deleted"]
