"""Brings database, static files and Stripe's webhook up to date before anything serves.

Run as `python -m dev.launcher.prepare [--register-webhook]`: one process for
all of it, since starting Django takes longer than any of these steps when
nothing has changed.
"""

import hashlib
import sys
from pathlib import Path
from typing import Any

import django
import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from kombu import Connection
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError
from stripe import StripeError

from dev.launcher.errors import LauncherError
from dev.launcher.terminal import complain, say, step
from dev.migrate import migrate

_OLDEST_POSTGRES = 150_000
_CONNECT_SECONDS = 5


def main() -> int:
    try:
        django.setup()
        _require_servers()
        _migrate()
        call_command("ensure_builtins", verbosity=0)
        _collect_static_files()
        if "--register-webhook" in sys.argv[1:]:
            _register_webhook()
    except (CommandError, ImproperlyConfigured, LauncherError) as error:
        complain(f"error: {error}")
        return 1
    return 0


def _require_servers() -> None:
    """Each is asked once, past pools and caches, which would try for long or do without."""
    try:
        parameters: Any = connection.get_connection_params()
        with psycopg.connect(**parameters | {"connect_timeout": _CONNECT_SECONDS}) as server:
            version = server.info.server_version
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        raise LauncherError(f"cannot connect to DATABASE_URL: {reason}") from None
    if version < _OLDEST_POSTGRES:
        raise LauncherError(
            f"PostgreSQL 15 or newer is needed, DATABASE_URL has {version // 10_000}."
        )
    broker = Connection(settings.CELERY_BROKER_URL, connect_timeout=_CONNECT_SECONDS)
    try:
        with broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=_CONNECT_SECONDS)
    except (OperationalError, OSError) as error:
        raise LauncherError(f"cannot connect to REDIS_URL: {error}") from None
    cache = settings.CACHES["default"]["LOCATION"]
    try:
        with Redis.from_url(cache, socket_connect_timeout=_CONNECT_SECONDS) as redis:
            redis.ping()
    except RedisError as error:
        raise LauncherError(f"cannot connect to CACHE_URL: {error}") from None


def _migrate() -> None:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        say(f"Migrating the database: {len(plan)} migrations")
        migrate(verbosity=1)


def _collect_static_files() -> None:
    """Copy, compress and name the static files by content; only when one of them has changed."""
    root = Path(settings.STATIC_ROOT)
    stamp = root / ".collected-from"
    fingerprint = _static_fingerprint()
    if stamp.exists() and stamp.read_text(encoding="ascii") == fingerprint:
        return
    with step("Collecting static files"):
        call_command("collectstatic", interactive=False, verbosity=0, clear=root.exists())
    stamp.write_text(fingerprint, encoding="ascii")


def _register_webhook() -> None:
    """Tell Stripe where to send events; without them payments are noticed later, not never."""
    try:
        call_command("register_stripe_webhook", verbosity=0)
    except (CommandError, StripeError) as error:
        complain(f"warning: the webhook could not be registered with Stripe: {error}")


def _static_fingerprint() -> str:
    """The installed packages, and the path, size and time of each of the project's own files."""
    digest = hashlib.sha256((settings.BASE_DIR / "requirements.lock").read_bytes())
    for directory in settings.STATICFILES_DIRS:
        for path in sorted(Path(directory).rglob("*")):
            status = path.stat()
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
