"""What all tests share."""

from django.conf import settings


def pytest_configure() -> None:
    # Pages are tested without collecting static files first, which the hashed names would need.
    settings.STORAGES["staticfiles"]["BACKEND"] = (
        "django.contrib.staticfiles.storage.StaticFilesStorage"
    )
    # Slow on purpose in production; here it would only make every sign-in cost half a second.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
