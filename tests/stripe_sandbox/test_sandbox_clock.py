"""What happens by itself when the sandbox's clock is put forward."""

import pytest
import stripe

from dev.stripe_sandbox.testing import SandboxProcess
from tests.kit.sandbox_drafts import draft, event_types, opened

HOUR, DAY = 3600, 86_400


def test_a_draft_with_auto_advance_is_finalized_and_charged_after_an_hour(
    client: stripe.StripeClient, acme: stripe.Customer, sandbox: SandboxProcess
) -> None:
    advancing, kept = draft(client, acme.id, auto_advance=True), draft(client, acme.id)
    sandbox.advance(HOUR - 60)
    assert client.v1.invoices.retrieve(advancing.id).status == "draft"
    sandbox.advance(120)
    assert client.v1.invoices.retrieve(advancing.id).status == "paid"
    assert client.v1.invoices.retrieve(kept.id).status == "draft"


def test_a_draft_whose_customer_is_gone_fails_once(
    client: stripe.StripeClient, acme: stripe.Customer, sandbox: SandboxProcess
) -> None:
    invoice = draft(client, acme.id, auto_advance=True)
    client.v1.customers.delete(acme.id)
    sandbox.advance(2 * HOUR)
    sandbox.advance(HOUR)
    assert client.v1.invoices.retrieve(invoice.id).status == "draft"
    assert event_types(client).count("invoice.finalization_failed") == 1


def test_an_open_invoice_past_its_due_date_is_told_as_overdue_once(
    client: stripe.StripeClient, acme: stripe.Customer, sandbox: SandboxProcess
) -> None:
    opened(client, acme.id, collection_method="send_invoice", days_until_due=14)
    sandbox.advance(13 * DAY)
    assert "invoice.overdue" not in event_types(client)
    sandbox.advance(DAY)
    sandbox.advance(DAY)
    assert event_types(client).count("invoice.overdue") == 1


def test_a_subscription_to_be_cancelled_ends_with_its_period(
    client: stripe.StripeClient, acme: stripe.Customer, sandbox: SandboxProcess
) -> None:
    price = client.v1.prices.create(
        {
            "product_data": {"name": "Starter"},
            "currency": "usd",
            "unit_amount": 4900,
            "recurring": {"interval": "month"},
        }
    )
    created = client.v1.subscriptions.create({"customer": acme.id, "items": [{"price": price.id}]})
    client.v1.subscriptions.update(created.id, {"cancel_at_period_end": True})
    sandbox.advance(27 * DAY)
    assert client.v1.subscriptions.retrieve(created.id).status == "active"
    sandbox.advance(5 * DAY)
    assert client.v1.subscriptions.retrieve(created.id).status == "canceled"
    assert event_types(client)[-1] == "customer.subscription.deleted"


def test_above_the_rate_limit_the_answer_is_429(
    client: stripe.StripeClient, sandbox: SandboxProcess
) -> None:
    sandbox.limit_rate(0)
    with pytest.raises(stripe.RateLimitError):
        client.v1.customers.list()
    sandbox.limit_rate(None)
    assert client.v1.customers.list().data == []
