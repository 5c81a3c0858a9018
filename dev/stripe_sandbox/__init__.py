"""A stateful stand-in for Stripe's API, on loopback, for the demo, the tests and local work.

The real ``stripe`` SDK talks to it through its ``api_base``.  It never belongs next to a live
key: importing the package while one is configured fails, so that no invoice meant for a
customer can end up in a toy, and no toy can be mistaken for the real thing.
"""

import os

LIVE_KEY_PREFIXES = ("sk_live_", "rk_live_")


class LiveKeyConfigured(RuntimeError):
    """``STRIPE_SECRET_KEY`` holds a live key, next to which the sandbox must not run."""


def refuse_live_key() -> None:
    """Raise `LiveKeyConfigured` if the environment's secret key is a live one."""
    if os.environ.get("STRIPE_SECRET_KEY", "").strip().startswith(LIVE_KEY_PREFIXES):
        raise LiveKeyConfigured(
            "STRIPE_SECRET_KEY is a live key. The Stripe sandbox is for demo, tests and local "
            "work only; unset the key or use a test key (sk_test_...)."
        )


refuse_live_key()
