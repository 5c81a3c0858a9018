"""What the launcher is told, by environment variables."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from config import env
from config.settings.paths import LOCAL_DIR


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
    # The sandbox, or a server named by `STRIPE_API_BASE`: only such a one can deliver webhooks
    # to a loopback address.
    stripe_is_local: bool

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


def read_options() -> Options:
    """Read the environment; raises ImproperlyConfigured naming the variable that is wrong."""
    own_stripe = not (env.is_set("STRIPE_SECRET_KEY") or env.is_set("STRIPE_API_BASE"))
    return Options(
        port=env.integer("PORT", 8000, min=1, max=65_535),
        bind_host=env.text("BIND_HOST") or "127.0.0.1",
        local_dir=LOCAL_DIR,
        web_workers=env.integer("WEB_WORKERS", 2, min=1, max=64),
        task_processes=env.integer("TASK_PROCESSES", 2, min=1, max=64),
        own_database=not env.is_set("DATABASE_URL"),
        own_redis=not env.is_set("REDIS_URL"),
        own_stripe=own_stripe,
        stripe_is_local=own_stripe or env.is_set("STRIPE_API_BASE"),
    )
