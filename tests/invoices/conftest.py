"""A Stripe sandbox of its own process for the tests that need one, reached by the real SDK."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.test import override_settings
from pytest_django import Settings

from dev.stripe_sandbox.testing import SandboxProcess
from invoices.payments.services.stripe_client import configure_sdk


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("stripe-sandbox")) as process:
        yield process


@contextmanager
def used_for_module(sandbox: SandboxProcess) -> Iterator[None]:
    """As `stripe_sandbox` for a fixture of a module, whose tests begin with `sandbox.recall()`."""
    sandbox.reset()
    with override_settings(
        STRIPE_API_BASE=sandbox.url,
        STRIPE_SECRET_KEY=sandbox.key,
        STRIPE_MAX_REQUESTS_PER_SECOND=0,
    ):
        configure_sdk()
        yield


@pytest.fixture
def stripe_sandbox(sandbox_process: SandboxProcess, settings: Settings) -> SandboxProcess:
    """Emptied, and the Stripe that the project is configured for."""
    sandbox_process.reset()
    settings.STRIPE_API_BASE = sandbox_process.url
    settings.STRIPE_SECRET_KEY = sandbox_process.key
    settings.STRIPE_MAX_REQUESTS_PER_SECOND = 0
    configure_sdk()
    return sandbox_process
