import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any, cast

import pytest
import stripe
from stripe import RequestOptions

from dev.stripe_sandbox.testing import SandboxProcess
from tests.kit.sandbox_drafts import opened

HOUR = 3600


@pytest.fixture
def key() -> RequestOptions:
    return {"idempotency_key": str(uuid.uuid4())}


def test_the_same_request_under_the_same_key_is_done_once(
    client: stripe.StripeClient, key: RequestOptions
) -> None:
    first = client.v1.customers.create({"name": "Acme"}, key)
    again = client.v1.customers.create({"name": "Acme"}, key)
    assert again.id == first.id
    assert _headers(again)["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in _headers(first)
    assert len(client.v1.customers.list().data) == 1


def test_other_parameters_under_the_same_key_are_refused(
    client: stripe.StripeClient, key: RequestOptions
) -> None:
    client.v1.customers.create({"name": "Acme"}, key)
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        client.v1.customers.create({"name": "Globex"}, key)
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        client.v1.products.create({"name": "Acme"}, key)


def test_a_key_is_forgotten_after_24_hours(
    client: stripe.StripeClient, sandbox: SandboxProcess, key: RequestOptions
) -> None:
    first = client.v1.customers.create({"name": "Acme"}, key)
    sandbox.advance(23 * HOUR)
    assert client.v1.customers.create({"name": "Acme"}, key).id == first.id
    sandbox.advance(2 * HOUR)
    assert client.v1.customers.create({"name": "Acme"}, key).id != first.id


def test_a_declined_card_is_replayed_even_when_another_would_pay(
    client: stripe.StripeClient, globex: stripe.Customer, key: RequestOptions
) -> None:
    invoice = opened(client, globex.id)
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            client.v1.invoices.pay(invoice.id, {}, key)
    assert client.v1.invoices.retrieve(invoice.id).attempt_count == 1


def test_refused_parameters_leave_the_key_unused(
    client: stripe.StripeClient, key: RequestOptions
) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create(cast(Any, {"colour": "red"}), key)
    assert client.v1.customers.create({"name": "Acme"}, key).name == "Acme"


def test_a_second_request_while_the_first_is_under_way_is_409(
    client: stripe.StripeClient, sandbox: SandboxProcess, key: RequestOptions
) -> None:
    sandbox.inject("delay", path="/v1/customers", seconds=60)
    answers: list[Any] = []

    def create() -> None:
        answers.append(client.v1.customers.create({"name": "Acme"}, key))

    first = threading.Thread(target=create)
    first.start()
    try:
        while sandbox.faults()[0]["count"]:
            time.sleep(0.01)  # until the first request has arrived
        with pytest.raises(stripe.StripeError, match="another in-progress request") as refused:
            client.v1.customers.create({"name": "Acme"}, key)
    finally:
        sandbox.clear_faults()
        first.join()
    assert refused.value.http_status == 409
    assert answers[0].name == "Acme"


def _headers(answered: stripe.Customer) -> Mapping[str, str]:
    assert answered.last_response
    return answered.last_response.headers
