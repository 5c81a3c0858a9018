"""What a benchmark runs in: a folder and servers of its own, whatever the environment names.

A benchmark fills its database. `LOCAL_DIR` may be the demo's (`make` exports it), `DATABASE_URL`
what somebody works with, and a settings file may name yet another: none of them is read. In their
place are `BENCH_DIR` and, for another server, `BENCH_DATABASE_URL`.
"""

import os
import sys
from pathlib import Path

import django

_ROOT = Path(__file__).resolve().parents[2]
# Where data lies, and whom a process reaches.
_PLACES = "DATABASE_URL DATABASE_REPLICA_URL REDIS_URL CACHE_URL STATIC_ROOT SECRET_KEY EMAIL_HOST"
_KINDS = ("STRIPE_", "SENTRY_")


def begin(folder: str, **settings: str) -> None:
    """Start the servers and set up Django in `BENCH_DIR`, or in this folder of the project's.

    `settings` count where the environment says nothing.
    """
    local_dir = (_ROOT / (os.environ.get("BENCH_DIR") or folder)).resolve()
    if (local_dir / "demo.json").exists():
        sys.exit(f"error: {local_dir} is a demo's. Set BENCH_DIR to another folder.")
    local_dir.mkdir(parents=True, exist_ok=True)
    no_settings = local_dir / "no-settings.env"
    no_settings.touch()
    for name in list(os.environ):
        if name.removesuffix("_FILE") in _PLACES.split() or name.startswith(_KINDS):
            del os.environ[name]
    os.environ |= {
        "LOCAL_DIR": str(local_dir),
        "BENCH_DIR": str(local_dir),  # for the processes it starts
        "ENV_FILE": str(no_settings),
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "STRIPE_SECRET_KEY": "sk_test_bench",
    }
    if url := os.environ.get("BENCH_DATABASE_URL"):
        os.environ["DATABASE_URL"] = url
    for name, value in settings.items():
        os.environ.setdefault(name, value)

    from dev import embedded  # noqa: PLC0415 - reads the environment

    embedded.provide()
    django.setup()
