"""What all tests share."""

import gc
import os
import threading
from pathlib import Path

import django
import hypothesis
import pytest
from pytest_django import DjangoDbBlocker

# Before anything reads the settings: they name no server by themselves.
os.environ |= {"DJANGO_SETTINGS_MODULE": "config.settings.test", "ENV_FILE": ""}
if "PYTEST_XDIST_WORKER" not in os.environ:
    # Servers of their own, which need not survive a crash of the machine.
    os.environ["LOCAL_DIR"] = str(Path(os.environ.get("LOCAL_DIR") or ".local") / "test")

from django.conf import settings
from django.contrib.contenttypes.management import create_contenttypes
from django.db.models.signals import post_migrate
from django.template import Context, RequestContext, Template
from django.test.signals import template_rendered

from dev import embedded
from tests.kit.forgetful_database import forget_on_crash

_WITH_LONG_TESTS = (
    "tests/access/",
    "tests/browser/",
    "tests/config/",
    "tests/flows/",
    "tests/invoices/payments/test_webhook_overlap.py",
    "tests/test_fuzzing.py",
    "tests/test_replica.py",
    "tests/usage/api/",
    "tests/usage/test_concurrency.py",
    "tests/usage/test_crashes.py",
    "tests/usage/test_failover.py",
)

if citus := os.environ.get("CITUS_DATABASE_URL"):
    if "/test_" not in citus:
        pytest.exit("CITUS_DATABASE_URL must name a database of the tests: .../test_something", 1)
    os.environ["DATABASE_URL"] = citus

# How fast examples are made says how busy the machine is.
hypothesis.settings.register_profile(
    "suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("suite")

# Until all is imported and collected; see `pytest_collection_finish`.
gc.disable()
_is_own = not os.environ.get("DATABASE_URL")
embedded.provide()
if _is_own:
    forget_on_crash(os.environ["DATABASE_URL"])
# Conftests of the rooms import models, before pytest-django gets to this.
django.setup()

from config import celery_app, health  # noqa: E402 - reads the settings
from tests.kit.citus import (  # noqa: E402 - has models
    distribute_test_database,
    leave_out_tests_of_one_server,
)
from tests.kit.template_database import migrated_template  # noqa: E402 - reads the settings


def pytest_configure() -> None:
    if settings.SETTINGS_MODULE != "config.settings.test":
        pytest.exit("Tests have settings of their own: unset DJANGO_SETTINGS_MODULE.", 1)


def pytest_sessionstart(session: pytest.Session) -> None:
    # Made while the processes of a parallel run collect, instead of while they wait for it.
    if session.config.getoption("numprocesses", None) and not citus:
        threading.Thread(target=migrated_template).start()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Rooms with tests of half a minute come first: one that begins last leaves all other
    # processes idle for as long. pytest-django then puts those that commit behind the others.
    items.sort(key=lambda item: not item.nodeid.startswith(_WITH_LONG_TESTS))
    if citus:
        leave_out_tests_of_one_server(items)


def pytest_collection_finish() -> None:
    # What is there by now stays: going through it again and again took a tenth of all time.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    gc.enable()


def pytest_sessionfinish() -> None:
    # pytest would look five times through all there is, for errors in what nobody refers to.
    gc.freeze()


def _rendered(self: Template, context: Context) -> str:
    """As Django renders in tests, where each template, and there are hundreds in a page, has its
    context copied for `response.context`: here only a page's own."""
    if isinstance(context, RequestContext) and context.template is self:
        template_rendered.send(sender=self, template=self, context=context)
    return self.nodelist.render(context)


@pytest.fixture(scope="session", autouse=True)
def _contexts_of_pages(django_test_environment: None) -> None:
    Template._render = _rendered


@pytest.fixture(scope="session", autouse=True)
def _tasks_are_known() -> None:
    # As a worker does when it starts: tasks are started by name.
    celery_app.autodiscover_tasks(force=True)


@pytest.fixture
def patient_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """`/readyz` waits for its parts: whoever asks first reads all migrations, on a busy machine."""
    monkeypatch.setattr(health, "_LIMIT_SECONDS", 60)


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb: bool) -> bool:
    return django_db_keepdb or bool(citus)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    database = settings.DATABASES["default"]
    if citus:
        database["TEST"]["NAME"] = database["NAME"]
    else:
        database["TEST"]["TEMPLATE"] = migrated_template()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    if citus:
        with django_db_blocker.unblock():
            distribute_test_database()
    # Permissions and content types stay (`tests.kit.database`). After every test that commits
    # Django asked sixty times whether they are there, which took most of its end.
    post_migrate.disconnect(create_contenttypes)
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
