"""Amounts that Stripe does not charge: too little, too much, or between two of its steps."""

import pytest
import stripe

from tests.kit.sandbox_drafts import draft, opened


@pytest.mark.parametrize(
    ("currency", "amount", "why"),
    [
        ("isk", 650549, "evenly divisible by 100"),
        ("ugx", 5, "evenly divisible by 100"),
        ("kwd", 20987, "0 as their last digit"),
        ("usd", 1_000_000_000_000, "no more than 9,999,999,999.99 USD"),
    ],
)
def test_an_amount_that_cannot_be_charged_is_refused(
    client: stripe.StripeClient, acme: stripe.Customer, currency: str, amount: int, why: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=why):
        draft(client, acme.id, [amount], currency=currency)
    with pytest.raises(stripe.InvalidRequestError, match=why):
        client.v1.payment_intents.create(
            {"customer": acme.id, "amount": amount, "currency": currency}
        )


def test_lines_that_are_too_much_together_are_not_finalized(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    invoice = draft(client, acme.id, [600_000_000_000, 600_000_000_000])
    with pytest.raises(stripe.InvalidRequestError, match="no more than"):
        client.v1.invoices.finalize_invoice(invoice.id)
    assert client.v1.invoices.retrieve(invoice.id).status == "draft"


@pytest.mark.parametrize(
    ("currency", "amount"), [("isk", 650500), ("kwd", 20990), ("jpy", 7001), ("huf", 17501)]
)
def test_whole_steps_are_charged(
    client: stripe.StripeClient, acme: stripe.Customer, currency: str, amount: int
) -> None:
    invoice = opened(client, acme.id, [amount], currency=currency)
    paid = client.v1.invoices.pay(invoice.id)
    assert (paid.status, paid.amount_paid) == ("paid", amount)


def test_part_of_a_step_is_not_given_back(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    invoice = opened(client, acme.id, [650500], currency="isk")
    client.v1.invoices.pay(invoice.id)
    [payment] = client.v1.invoice_payments.list({"invoice": invoice.id}).data
    with pytest.raises(stripe.InvalidRequestError, match="evenly divisible by 100"):
        client.v1.refunds.create(
            {"payment_intent": str(payment.payment.payment_intent), "amount": 50}
        )


@pytest.mark.parametrize(
    ("currency", "amount"), [("usd", 49), ("gbp", 29), ("jpy", 49), ("huf", 17499), ("czk", 1499)]
)
def test_less_than_the_least_charge_goes_onto_the_balance(
    client: stripe.StripeClient, acme: stripe.Customer, currency: str, amount: int
) -> None:
    invoice = opened(client, acme.id, [amount], currency=currency)
    assert (invoice.status, invoice.amount_due, invoice.ending_balance) == ("paid", 0, amount)
    assert client.v1.customers.retrieve(acme.id).balance == amount
