"""A walk through the calendar against a Stripe sandbox whose clock goes along."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from dev.stripe_sandbox.testing import SandboxProcess
from invoices.payments.services.stripe_client import configure_sdk
from tests.kit.kept import kept_for_module
from tests.kit.walk import START, Walk


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("stripe-sandbox")) as process:
        yield process


@contextmanager
def _settings_of(sandbox: SandboxProcess) -> Iterator[None]:
    sandbox.reset()
    with override_settings(
        STRIPE_API_BASE=sandbox.url,
        STRIPE_SECRET_KEY=sandbox.key,
        STRIPE_MAX_REQUESTS_PER_SECOND=0,
        # Tasks run where they are started, as one worker would that is never behind.
        CELERY_TASK_ALWAYS_EAGER=True,
        CELERY_TASK_EAGER_PROPAGATES=True,
    ):
        configure_sdk()
        yield


@pytest.fixture
def walk(db: None, sandbox_process: SandboxProcess) -> Iterator[Walk]:
    """Begins on 31 December 2027, at midnight UTC."""
    with _settings_of(sandbox_process), Walk(sandbox_process, START) as walk:
        yield walk
        walk.prove()


class Begun(NamedTuple):
    walk: Walk
    workspace: UUID
    outbox: list[EmailMessage]


@pytest.fixture(scope="module")
def begun(
    request: pytest.FixtureRequest,
    sandbox_process: SandboxProcess,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Begun]:
    """The steps that a module's `begin` takes, once for all of its tests."""
    with kept_for_module(django_db_blocker), _settings_of(sandbox_process):
        with Walk(sandbox_process, START) as walk:
            workspace = request.module.begin(walk)
            sandbox_process.remember()
        yield Begun(walk, workspace, [*mail.outbox])


@pytest.fixture
def begun_walk(begun: Begun, db: None) -> Iterator[Walk]:
    """The walk as `begin` left it."""
    mail.outbox.extend(begun.outbox)
    with begun.walk.resumed() as walk:
        yield walk
        walk.prove()


@pytest.fixture
def acme(begun: Begun) -> UUID:
    """The workspace that `begin` made."""
    return begun.workspace
