"""What the tests look at in the sandbox, and what a customer or finance does there."""

from typing import Any

from billing.stripe_accounts import DEFAULT, AccountName
from invoices.payments.services import stripe_client


def give_card(
    customer_id: str, card: str = "pm_card_visa", *, account: AccountName = DEFAULT
) -> None:
    """Make a test card the customer's default one."""
    method = stripe_client.post(
        account, f"/v1/payment_methods/{card}/attach", {"customer": customer_id}
    )
    stripe_client.post(
        account,
        f"/v1/customers/{customer_id}",
        {"invoice_settings": {"default_payment_method": method["id"]}},
    )


def customers(account: AccountName = DEFAULT) -> list[dict[str, Any]]:
    return list(stripe_client.every(account, "/v1/customers"))


def invoices(account: AccountName = DEFAULT) -> list[dict[str, Any]]:
    return list(stripe_client.every(account, "/v1/invoices"))


def lines(stripe_invoice_id: str) -> list[tuple[str, int]]:
    """Description and amount in minor units of each line, in order."""
    found = stripe_client.every(DEFAULT, f"/v1/invoices/{stripe_invoice_id}/lines")
    return [(line["description"], line["amount"]) for line in found]
