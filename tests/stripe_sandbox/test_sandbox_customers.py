import pytest
import stripe

from dev.stripe_sandbox.testing import SandboxProcess
from tests.kit.sandbox_drafts import default_method, metadata_of


def test_a_customer_is_found_by_its_exact_email(
    client: stripe.StripeClient, acme: stripe.Customer, globex: stripe.Customer
) -> None:
    found = client.v1.customers.list({"email": "billing@acme.example"})
    assert [customer.id for customer in found] == [acme.id]
    assert client.v1.customers.list({"email": "Billing@acme.example"}).data == []


def test_an_update_merges_metadata_and_an_empty_value_unsets_a_key(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    client.v1.customers.update(acme.id, {"metadata": {"tier": "pro"}})
    changed = client.v1.customers.update(
        acme.id, {"name": "Acme GmbH", "metadata": {"workspace": ""}}
    )
    assert changed.name == "Acme GmbH"
    assert metadata_of(changed) == {"tier": "pro"}


def test_a_deleted_customer_still_answers_but_is_no_longer_listed(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    assert client.v1.customers.delete(acme.id).deleted is True
    assert client.v1.customers.retrieve(acme.id).to_dict() == {
        "id": acme.id,
        "object": "customer",
        "deleted": True,
    }
    assert client.v1.customers.list({"email": "billing@acme.example"}).data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such customer") as refused:
        client.v1.invoices.create({"customer": acme.id})
    assert (refused.value.http_status, refused.value.code) == (400, "resource_missing")


def test_a_customer_nobody_made_is_404(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.retrieve("cus_nobody")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    assert str(refused.value.request_id).startswith("req_")


def test_an_email_without_a_domain_is_refused(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.create({"email": "billing"})
    assert refused.value.code == "email_invalid"


def test_a_wrong_key_is_401(sandbox: SandboxProcess) -> None:
    stranger = stripe.StripeClient("sk_test_wrong", base_addresses={"api": sandbox.url})
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key"):
        stranger.v1.customers.list()


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({f"k{number}": "v" for number in range(51)}, "up to 50 keys"),
        ({"k" * 41: "v"}, "up to 40 characters"),
        ({"k": "v" * 501}, "up to 500 characters"),
    ],
)
def test_metadata_over_its_limits_is_refused(
    client: stripe.StripeClient, metadata: dict[str, str], message: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=message):
        client.v1.customers.create({"metadata": metadata})


def test_metadata_at_its_limits_is_taken(client: stripe.StripeClient) -> None:
    metadata = {f"{number:02}" + "k" * 38: "v" * 500 for number in range(50)}
    assert metadata_of(client.v1.customers.create({"metadata": metadata})) == metadata


def test_a_customers_default_card_is_its_own_method(
    client: stripe.StripeClient, acme: stripe.Customer, globex: stripe.Customer
) -> None:
    methods = client.v1.customers.payment_methods.list(acme.id)
    assert [(m.card.brand, m.card.last4) for m in methods if m.card] == [("visa", "4242")]
    assert default_method(acme) == methods.data[0].id
    with pytest.raises(stripe.InvalidRequestError, match="does not have a payment method"):
        client.v1.customers.update(
            globex.id, {"invoice_settings": {"default_payment_method": methods.data[0].id}}
        )


def test_detaching_the_default_card_leaves_no_default(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    method = default_method(acme)
    client.v1.payment_methods.detach(str(method))
    left = client.v1.customers.retrieve(acme.id)
    assert default_method(left) is None


def test_a_card_that_is_declined_already_when_saved_is_402(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    with pytest.raises(stripe.CardError) as declined:
        client.v1.payment_methods.attach("pm_card_visa_chargeDeclined", {"customer": acme.id})
    assert (declined.value.http_status, declined.value.code) == (402, "card_declined")
    assert len(client.v1.customers.payment_methods.list(acme.id).data) == 1
