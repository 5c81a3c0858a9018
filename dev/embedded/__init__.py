"""The parts that a machine need not have: PostgreSQL, Redis and Stripe.

Each function honours its environment variable first and otherwise gives the
embedded part below `LOCAL_DIR`, started on the spot and stopped after its last
user has gone. Settings call these; nothing else needs to.
"""

import fcntl
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dev.embedded import postgres, redis
from dev.embedded.errors import EmbeddedServiceError
from dev.embedded.files import make_local_dir, open_lock, write_atomically
from dev.embedded.redis import RedisAddress
from dev.embedded.service import PROJECT_ROOT

__all__ = [
    "EmbeddedServiceError",
    "RedisAddress",
    "StripeAccess",
    "database_url",
    "local_dir",
    "redis_urls",
    "sandbox_file",
    "secret_key",
    "stripe",
]

# The sandbox takes any test key; a constant one survives `demo-reset`. dj-stripe wants 24
# letters and digits after the prefix.
SANDBOX_KEY = "sk_test_sandbox0000000000000000000001"


@dataclass(frozen=True)
class StripeAccess:
    """A Stripe API to talk to; `is_sandbox` when it is the project's own."""

    api_base: str
    secret_key: str
    is_sandbox: bool


def local_dir() -> Path:
    """The directory of all local data: `LOCAL_DIR`, from the project's root when relative."""
    return (PROJECT_ROOT / (os.environ.get("LOCAL_DIR", "").strip() or ".local")).resolve()


def database_url() -> str:
    """`DATABASE_URL`, else the embedded PostgreSQL's URL, as libpq reads it."""
    return os.environ.get("DATABASE_URL", "").strip() or postgres.ensure_running(local_dir())


def redis_urls() -> RedisAddress:
    """The broker's and the cache's URLs: from `REDIS_URL`, else the embedded Valkey's.

    Out of one `REDIS_URL` the cache gets the database with the next number, since
    clearing a cache flushes its whole database. Servers that have only one
    database need `CACHE_URL`.
    """
    url = os.environ.get("REDIS_URL", "").strip()
    if not url:
        return redis.ensure_running(local_dir())
    cache_url = os.environ.get("CACHE_URL", "").strip() or _next_database(url)
    return RedisAddress(celery_url=url, cache_url=cache_url)


def stripe() -> StripeAccess:
    """Stripe as `STRIPE_SECRET_KEY` and `STRIPE_API_BASE` say, else the sandbox, running or not.

    Without these nothing ever leaves the machine: a sandbox that is down has an
    address that refuses connections.
    """
    secret_key = os.environ.get("STRIPE_SECRET_KEY", "").strip()
    api_base = os.environ.get("STRIPE_API_BASE", "").strip().rstrip("/")
    if secret_key or api_base:
        return StripeAccess(
            api_base=api_base or "https://api.stripe.com",
            secret_key=secret_key or SANDBOX_KEY,
            is_sandbox=False,
        )
    try:
        state = json.loads(sandbox_file(local_dir()).read_text(encoding="utf-8"))
    except FileNotFoundError:
        state = {"api_base": "http://127.0.0.1:9"}
    return StripeAccess(api_base=state["api_base"], secret_key=SANDBOX_KEY, is_sandbox=True)


def sandbox_file(local_dir: Path) -> Path:
    """Where the launcher says which address the running sandbox has."""
    return local_dir / "run" / "sandbox.json"


def secret_key() -> str:
    """The random key kept in `LOCAL_DIR/secret_key` for want of `SECRET_KEY`, made on first use."""
    path = local_dir() / "secret_key"
    make_local_dir(local_dir())
    with open_lock(local_dir() / "run" / "secret_key.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            write_atomically(path, secrets.token_urlsafe(48))
    return path.read_text(encoding="utf-8")


def _next_database(url: str) -> str:
    parts = urlsplit(url)
    number = parts.path.strip("/") or "0"
    if not number.isdecimal():
        raise EmbeddedServiceError(
            f"REDIS_URL ends in {parts.path!r}, not in a database's number: set CACHE_URL too."
        )
    return parts._replace(path=f"/{int(number) + 1}").geturl()
