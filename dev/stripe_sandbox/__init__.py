"""A stateful stand-in for Stripe's API, on loopback, for the demo, the tests and local work.

The real ``stripe`` SDK talks to it through its ``api_base``.  It never belongs next to a live
key, nor into production: importing the package there fails, so that no invoice meant for a
customer can end up in a toy, and no toy can be mistaken for the real thing.
"""

import os

LIVE_KEY_PREFIXES = ("sk_live_", "rk_live_")


class LiveKeyConfigured(RuntimeError):
    """``STRIPE_SECRET_KEY`` holds a live key, next to which the sandbox must not run."""


class ProductionConfigured(RuntimeError):
    """The settings are those of production, which never talks to a toy."""


def refuse_production() -> None:
    """Raise if the environment says that this is production, or holds a live key."""
    if os.environ.get("DJANGO_SETTINGS_MODULE", "") == "config.settings.production":
        raise ProductionConfigured("The Stripe sandbox does not run with production's settings.")
    if os.environ.get("STRIPE_SECRET_KEY", "").strip().startswith(LIVE_KEY_PREFIXES):
        raise LiveKeyConfigured(
            "STRIPE_SECRET_KEY is a live key. The Stripe sandbox is for demo, tests and local "
            "work only; unset the key or use a test key (sk_test_...)."
        )


refuse_production()
