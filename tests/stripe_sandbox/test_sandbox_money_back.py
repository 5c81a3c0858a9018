"""Refunds, disputes and credit notes."""

import pytest
import stripe

from dev.stripe_sandbox.testing import SandboxProcess
from tests.kit.sandbox_drafts import event_types, opened


@pytest.fixture
def paid(client: stripe.StripeClient, acme: stripe.Customer) -> stripe.Invoice:
    """Acme's invoice over 61.34 USD, paid by card."""
    return client.v1.invoices.pay(opened(client, acme.id).id)


@pytest.fixture
def charge(client: stripe.StripeClient, paid: stripe.Invoice) -> stripe.Charge:
    return client.v1.charges.list({"customer": str(paid.customer)}).data[0]


def test_a_partial_refund_leaves_the_rest_to_refund(
    client: stripe.StripeClient, charge: stripe.Charge
) -> None:
    part = client.v1.refunds.create({"charge": charge.id, "amount": 1134})
    after = client.v1.charges.retrieve(charge.id, {"expand": ["refunds"]})
    assert (after.amount_refunded, after.refunded) == (1134, False)
    assert after.refunds
    assert [refund.id for refund in after.refunds] == [part.id]
    with pytest.raises(stripe.InvalidRequestError, match=r"51\.00 USD\) is greater than .*50\.00"):
        client.v1.refunds.create({"charge": charge.id, "amount": 5100})
    rest = client.v1.refunds.create({"payment_intent": str(charge.payment_intent)})
    assert (rest.amount, client.v1.charges.retrieve(charge.id).refunded) == (5000, True)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"charge": charge.id})
    assert refused.value.code == "charge_already_refunded"
    assert event_types(client).count("charge.refunded") == 2
    assert event_types(client).count("refund.created") == 2


def test_a_refund_leaves_the_invoice_paid(
    client: stripe.StripeClient, paid: stripe.Invoice, charge: stripe.Charge
) -> None:
    client.v1.refunds.create({"charge": charge.id})
    after = client.v1.invoices.retrieve(paid.id)
    assert (after.status, after.amount_paid) == ("paid", 6134)


@pytest.mark.parametrize(
    ("status", "told"), [("won", "charge.dispute.funds_reinstated"), ("lost", None)]
)
def test_a_dispute_is_opened_and_closed(
    client: stripe.StripeClient,
    sandbox: SandboxProcess,
    charge: stripe.Charge,
    status: str,
    told: str | None,
) -> None:
    dispute = sandbox.open_dispute(charge.id, reason="product_not_received")
    assert client.v1.charges.retrieve(charge.id).disputed is True
    with pytest.raises(stripe.InvalidRequestError, match="charged back"):
        client.v1.refunds.create({"charge": charge.id})
    sandbox.close_dispute(dispute["id"], status=status)
    after = client.v1.disputes.retrieve(dispute["id"])
    assert (after.status, after.reason, after.amount) == (status, "product_not_received", 6134)
    assert {"charge.dispute.created", "charge.dispute.closed"} <= set(event_types(client))
    assert ("charge.dispute.funds_reinstated" in event_types(client)) is (told is not None)


def test_a_credit_note_lowers_what_an_open_invoice_asks(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    invoice = opened(client, acme.id)
    note = client.v1.credit_notes.create({"invoice": invoice.id, "amount": 1134, "memo": "Outage"})
    after = client.v1.invoices.retrieve(invoice.id)
    assert (note.type, note.number) == ("pre_payment", f"{invoice.number}-CN-01")
    assert (after.amount_due, after.amount_remaining, after.total) == (5000, 5000, 6134)
    assert after.pre_payment_credit_notes_amount == 1134
    client.v1.credit_notes.void_credit_note(note.id)
    assert client.v1.invoices.retrieve(invoice.id).amount_remaining == 6134
    client.v1.credit_notes.create({"invoice": invoice.id, "amount": 6134})
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"


def test_what_is_left_after_a_credit_note_is_what_the_card_pays(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    invoice = opened(client, acme.id)
    client.v1.credit_notes.create({"invoice": invoice.id, "amount": 1134})
    assert client.v1.invoices.pay(invoice.id).amount_paid == 5000
    assert client.v1.charges.list({"customer": acme.id}).data[0].amount == 5000


def test_a_credit_note_on_a_paid_invoice_refunds_or_credits(
    client: stripe.StripeClient, paid: stripe.Invoice, charge: stripe.Charge
) -> None:
    note = client.v1.credit_notes.create(
        {
            "invoice": paid.id,
            "lines": [
                {
                    "type": "custom_line_item",
                    "description": "Outage",
                    "quantity": 2,
                    "unit_amount": 500,
                }
            ],
            "refund_amount": 600,
            "credit_amount": 400,
        }
    )
    assert (note.type, note.amount) == ("post_payment", 1000)
    assert [line.description for line in note.lines] == ["Outage"]
    assert client.v1.charges.retrieve(charge.id).amount_refunded == 600
    assert client.v1.customers.retrieve(str(paid.customer)).balance == -400
    after = client.v1.invoices.retrieve(paid.id)
    assert after.post_payment_credit_notes_amount == 1000
    with pytest.raises(stripe.InvalidRequestError, match="must equal"):
        client.v1.credit_notes.create({"invoice": paid.id, "amount": 1000, "refund_amount": 999})
    with pytest.raises(stripe.InvalidRequestError, match="left to credit"):
        client.v1.credit_notes.create({"invoice": paid.id, "amount": 5135, "refund_amount": 5135})
