"""What all tests share."""

import os

import pytest
from django.conf import settings

from config import celery_app
from tests.kit.template_database import migrated_template


def pytest_configure() -> None:
    # Pages are tested without collecting static files first, which the hashed names would need.
    settings.STORAGES["staticfiles"]["BACKEND"] = (
        "django.contrib.staticfiles.storage.StaticFilesStorage"
    )
    # Each test client would look at every static file there is, which costs more than most tests.
    settings.WHITENOISE_AUTOREFRESH = True
    # Tests that commit end with emptying every table, which usage records refuse otherwise.
    settings.DATABASES["default"]["OPTIONS"]["options"] = "-c usage.allow_truncate=on"
    # Slow on purpose in production; here it would only make every sign-in cost half a second.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Tests clear the cache: each process of a parallel run has its own, and none is the demo's.
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    server, _, _ = settings.CACHES["default"]["LOCATION"].partition("?")
    settings.CACHES["default"]["LOCATION"] = f"{server}?db={2 + process % 14}"
    # What a test queues must not wait for the demo's worker.
    celery_app.conf.broker_url = "memory://"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    settings.DATABASES["default"]["TEST"]["TEMPLATE"] = migrated_template()
