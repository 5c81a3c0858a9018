"""One sandbox for all of these tests, emptied before each, driven by the real SDK."""

from collections.abc import Iterator

import pytest
import stripe

from dev.stripe_sandbox.testing import SandboxProcess


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("stripe-sandbox")) as process:
        yield process


@pytest.fixture
def sandbox(sandbox_process: SandboxProcess) -> SandboxProcess:
    sandbox_process.reset()
    return sandbox_process


@pytest.fixture
def client(sandbox: SandboxProcess) -> stripe.StripeClient:
    """The SDK without its own retries, so that each call is one request."""
    return stripe.StripeClient(
        sandbox.key, base_addresses={"api": sandbox.url}, max_network_retries=0
    )


@pytest.fixture
def acme(client: stripe.StripeClient) -> stripe.Customer:
    """A customer whose default card pays."""
    return client.v1.customers.create(
        {
            "email": "billing@acme.example",
            "name": "Acme",
            "metadata": {"workspace": "acme"},
            "payment_method": "pm_card_visa",
            "invoice_settings": {"default_payment_method": "pm_card_visa"},
        }
    )


@pytest.fixture
def globex(client: stripe.StripeClient) -> stripe.Customer:
    """A customer whose default card is declined."""
    return client.v1.customers.create(
        {
            "email": "billing@globex.example",
            "name": "Globex",
            "payment_method": "pm_card_chargeCustomerFail",
            "invoice_settings": {"default_payment_method": "pm_card_chargeCustomerFail"},
        }
    )
