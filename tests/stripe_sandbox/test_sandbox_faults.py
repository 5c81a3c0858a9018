"""What each fault leaves behind, and what the same key does afterwards."""

from pathlib import Path
from typing import Any

import pytest
import stripe

from dev.stripe_sandbox.testing import SandboxProcess

KEY: Any = {"idempotency_key": "customer-acme-1"}


@pytest.mark.parametrize(
    ("kind", "error", "done", "after_retry"),
    [
        ("drop_before", stripe.APIConnectionError, 0, 1),
        ("drop_after", stripe.APIConnectionError, 1, 1),
        ("500_before", stripe.APIError, 0, 1),
        ("500_after", stripe.APIError, 1, 2),
        ("429", stripe.RateLimitError, 0, 1),
    ],
)
def test_a_fault_happens_once_and_the_retry_succeeds(
    client: stripe.StripeClient,
    sandbox: SandboxProcess,
    kind: str,
    error: type[Exception],
    done: int,
    after_retry: int,
) -> None:
    sandbox.inject(kind, path="/v1/customers$", method="POST")
    with pytest.raises(error):
        client.v1.customers.create({"name": "Acme"}, KEY)
    assert len(client.v1.customers.list().data) == done
    assert client.v1.customers.create({"name": "Acme"}, KEY).name == "Acme"
    assert len(client.v1.customers.list().data) == after_retry


def test_a_500_on_a_replay_does_nothing_again(
    client: stripe.StripeClient, sandbox: SandboxProcess
) -> None:
    first = client.v1.customers.create({"name": "Acme"}, KEY)
    sandbox.inject("500_after", path="/v1/customers$", method="POST")
    with pytest.raises(stripe.APIError):
        client.v1.customers.create({"name": "Acme"}, KEY)
    assert [customer.id for customer in client.v1.customers.list()] == [first.id]


@pytest.mark.parametrize(("kind", "done"), [("saved_500", 0), ("saved_500_after", 1)])
def test_a_saved_500_is_answered_again_until_another_key_is_used(
    client: stripe.StripeClient, sandbox: SandboxProcess, kind: str, done: int
) -> None:
    sandbox.inject(kind, path="/v1/customers$", method="POST")
    for _ in range(2):
        with pytest.raises(stripe.APIError) as failed:
            client.v1.customers.create({"name": "Acme"}, KEY)
        assert failed.value.http_status == 500
    assert len(client.v1.customers.list().data) == done
    assert client.v1.customers.create({"name": "Acme"}, {"idempotency_key": "v2"}).name == "Acme"


def test_a_fault_may_wait_for_the_third_request_and_be_taken_back(
    client: stripe.StripeClient, sandbox: SandboxProcess
) -> None:
    sandbox.inject("429", path="/v1/customers", skip=2)
    client.v1.customers.create({"name": "Acme"})
    client.v1.customers.list()
    with pytest.raises(stripe.RateLimitError):
        client.v1.customers.list()
    sandbox.inject("429", count=100)
    sandbox.clear_faults()
    assert len(client.v1.customers.list().data) == 1


def test_a_fault_that_could_never_work_is_refused(sandbox: SandboxProcess) -> None:
    with pytest.raises(ValueError, match="Unknown kind"):
        sandbox.inject("explode")


def test_the_log_tells_what_came_and_what_was_answered(
    client: stripe.StripeClient, sandbox: SandboxProcess
) -> None:
    sandbox.inject("drop_after", path="/v1/customers$", method="POST")
    with pytest.raises(stripe.APIConnectionError):
        client.v1.customers.create({"name": "Acme"}, KEY)
    client.v1.customers.create({"name": "Acme"}, KEY)
    seen = [
        (entry["method"], entry["path"], entry["idempotency_key"], entry["status"])
        for entry in sandbox.requests()
    ]
    assert seen == [
        ("POST", "/v1/customers", "customer-acme-1", None),
        ("POST", "/v1/customers", "customer-acme-1", 200),
    ]
    assert [entry["replayed"] for entry in sandbox.requests()] == [False, True]


def test_a_killed_sandbox_has_kept_all_it_acknowledged(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path) as sandbox:
        client = stripe.StripeClient(sandbox.key, base_addresses={"api": sandbox.url})
        acme = client.v1.customers.create({"name": "Acme"}, KEY)
        sandbox.kill()
        sandbox.start()
        assert client.v1.customers.retrieve(acme.id).name == "Acme"
        assert client.v1.customers.create({"name": "Acme"}, KEY).id == acme.id
