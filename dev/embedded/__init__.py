"""The parts that a machine need not have: PostgreSQL, Redis and Stripe.

`provide` starts what no environment variable names, below `LOCAL_DIR`, and sets the variables, so
that settings, and every process started from here, read the one as they would read the other.
What it starts is stopped after its last user has gone.
"""

import fcntl
import json
import os
import secrets
from pathlib import Path

from config import env
from config.settings.paths import LOCAL_DIR
from dev.embedded import postgres, redis
from dev.embedded.errors import EmbeddedServiceError
from dev.embedded.files import make_local_dir, open_lock, write_atomically

__all__ = ["SANDBOX_KEY", "EmbeddedServiceError", "provide", "sandbox_file"]

# The sandbox takes any test key; a constant one survives `demo-reset`. dj-stripe wants 24
# letters and digits after the prefix.
SANDBOX_KEY = "sk_test_sandbox0000000000000000000001"
# Nothing listens there: without a key and a sandbox nothing may leave the machine.
_NOWHERE = "http://127.0.0.1:9"


def provide(local_dir: Path = LOCAL_DIR) -> None:
    """Start and name whatever is missing; raises EmbeddedServiceError.

    PostgreSQL and Valkey run at least as long as this process. The sandbox does not: it is the
    launcher's, and its address is taken over where one is running.
    """
    if not env.is_set("DATABASE_URL"):
        os.environ["DATABASE_URL"] = postgres.ensure_running(local_dir)
    if not env.is_set("REDIS_URL"):
        found = redis.ensure_running(local_dir)
        os.environ["REDIS_URL"] = found.celery_url
        os.environ.setdefault("CACHE_URL", found.cache_url)
    if not env.is_set("SECRET_KEY"):
        os.environ["SECRET_KEY"] = _secret_key(local_dir)
    if not env.is_set("STRIPE_SECRET_KEY"):
        os.environ["STRIPE_SECRET_KEY"] = SANDBOX_KEY
        if not env.is_set("STRIPE_API_BASE"):
            os.environ["STRIPE_API_BASE"] = _sandbox_address(local_dir)


def sandbox_file(local_dir: Path) -> Path:
    """Where the launcher says which address the running sandbox has."""
    return local_dir / "run" / "sandbox.json"


def _sandbox_address(local_dir: Path) -> str:
    try:
        state = json.loads(sandbox_file(local_dir).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _NOWHERE
    return str(state["api_base"])


def _secret_key(local_dir: Path) -> str:
    """The random key kept in `LOCAL_DIR/secret_key` for want of `SECRET_KEY`, made on first use."""
    path = local_dir / "secret_key"
    make_local_dir(local_dir)
    with open_lock(local_dir / "run" / "secret_key.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            write_atomically(path, secrets.token_urlsafe(48))
    return path.read_text(encoding="utf-8")
