"""What all tests share."""

import pytest
from django.conf import settings

from tests.template_database import migrated_template


def pytest_configure() -> None:
    # Pages are tested without collecting static files first, which the hashed names would need.
    settings.STORAGES["staticfiles"]["BACKEND"] = (
        "django.contrib.staticfiles.storage.StaticFilesStorage"
    )
    # Tests that commit end with emptying every table, which usage records refuse otherwise.
    settings.DATABASES["default"]["OPTIONS"]["options"] = "-c usage.allow_truncate=on"
    # Slow on purpose in production; here it would only make every sign-in cost half a second.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    settings.DATABASES["default"]["TEST"]["TEMPLATE"] = migrated_template()
