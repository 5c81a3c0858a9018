"""Settings for production: whatever matters there has to be set, and is named when it is not."""

from django.core.exceptions import ImproperlyConfigured

from config import env

REQUIRED = (
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "ALLOWED_HOSTS",
    "HTTPS",
    "SITE_URL",
    "ISSUER_NAME",
    "ISSUER_ADDRESS",
    "FINANCE_EMAILS",
    "STRIPE_SECRET_KEY",
    "EMAIL_HOST",
    "DEFAULT_FROM_EMAIL",
)
env.require(REQUIRED)

from config import safety  # noqa: E402 - what is missing is named first
from config.settings import base  # noqa: E402
from config.settings.base import *  # noqa: E402

if wrong := safety.unfit(base):
    raise ImproperlyConfigured(f"not safe in production: {wrong}.")

env.refuse_unknown()
