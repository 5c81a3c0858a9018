"""A walk through the calendar against a Stripe sandbox whose clock goes along."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from dev.stripe_sandbox.testing import SandboxProcess
from invoices.payments.services.stripe_client import configure_sdk
from tests.kit.walk import START, Walk


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("stripe-sandbox")) as process:
        yield process


@pytest.fixture
def walk(
    db: None,
    sandbox_process: SandboxProcess,
    settings: Settings,
) -> Iterator[Walk]:
    """Begins on 31 December 2027, at midnight UTC."""
    sandbox_process.reset()
    settings.STRIPE_API_BASE = sandbox_process.url
    settings.STRIPE_SECRET_KEY = sandbox_process.key
    settings.STRIPE_MAX_REQUESTS_PER_SECOND = 0
    configure_sdk()
    # Tasks run where they are started, as one worker would that is never behind.
    settings.CELERY_TASK_ALWAYS_EAGER = True
    settings.CELERY_TASK_EAGER_PROPAGATES = True
    with Walk(sandbox_process, START) as walk:
        yield walk
        walk.prove()
