"""Invoices the tests begin with."""

from collections.abc import Sequence
from typing import Any

import stripe


def draft(
    client: stripe.StripeClient,
    customer: str,
    amounts: Sequence[int] = (4900, 1234),
    *,
    currency: str = "usd",
    **fields: Any,
) -> stripe.Invoice:
    """A draft with one item for each amount, in minor units."""
    params: Any = {
        "customer": customer,
        "currency": currency,
        "auto_advance": False,
        "pending_invoice_items_behavior": "exclude",
        **fields,
    }
    invoice = client.v1.invoices.create(params)
    for position, amount in enumerate(amounts, start=1):
        client.v1.invoice_items.create(
            {
                "customer": customer,
                "invoice": invoice.id,
                "amount": amount,
                "currency": currency,
                "description": f"Line {position}",
                "metadata": {"line": str(position)},
            }
        )
    return client.v1.invoices.retrieve(invoice.id)


def opened(
    client: stripe.StripeClient, customer: str, amounts: Sequence[int] = (4900, 1234), **fields: Any
) -> stripe.Invoice:
    return client.v1.invoices.finalize_invoice(draft(client, customer, amounts, **fields).id)


def event_types(client: stripe.StripeClient) -> list[str]:
    """What happened, oldest first."""
    return [str(event.type) for event in client.v1.events.list({"limit": 100})][::-1]


def default_method(customer: stripe.Customer) -> str | stripe.PaymentMethod | None:
    assert customer.invoice_settings
    return customer.invoice_settings.default_payment_method


def metadata_of(customer: stripe.Customer) -> dict[str, str]:
    assert customer.metadata is not None
    return customer.metadata.to_dict()
