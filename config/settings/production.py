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

from config.settings.base import *  # noqa: E402 - what is missing is named first

if DEBUG:
    raise ImproperlyConfigured("DEBUG must be false in production: error pages show data.")

env.refuse_unknown()
