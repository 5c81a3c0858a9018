"""What the launcher is told, by environment variables."""

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from config import env
from dev import embedded


@dataclass(frozen=True)
class Options:
    """How to serve, and which parts the environment brings along."""

    port: int
    bind_host: str
    local_dir: Path
    web_workers: int
    task_processes: int
    own_database: bool
    own_redis: bool
    own_stripe: bool

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ipaddress.ip_address(self.bind_host).is_loopback
        except ValueError:
            return self.bind_host == "localhost"

    @property
    def url(self) -> str:
        """Where this machine reaches the server."""
        anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
        host = anywhere.get(self.bind_host, self.bind_host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def bind(self) -> str:
        host = f"[{self.bind_host}]" if ":" in self.bind_host else self.bind_host
        return f"{host}:{self.port}"

    @property
    def stripe_is_local(self) -> bool:
        """Whether Stripe is the sandbox or a server named by `STRIPE_API_BASE`.

        Only such a one can deliver webhooks to a loopback address.
        """
        return self.own_stripe or bool(env.text("STRIPE_API_BASE"))


def read_options() -> Options:
    """Read the environment; raises ImproperlyConfigured naming the variable that is wrong."""
    return Options(
        port=env.whole("PORT", 8000, least=1, most=65_535),
        bind_host=env.text("BIND_HOST") or "127.0.0.1",
        local_dir=embedded.local_dir(),
        web_workers=env.whole("WEB_WORKERS", 2, least=1, most=64),
        task_processes=env.whole("TASK_PROCESSES", 2, least=1, most=64),
        own_database=not os.environ.get("DATABASE_URL", "").strip(),
        own_redis=not os.environ.get("REDIS_URL", "").strip(),
        own_stripe=not (env.text("STRIPE_SECRET_KEY") or env.text("STRIPE_API_BASE")),
    )
