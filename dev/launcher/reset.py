"""Forgetting all data: `make demo-reset`."""

import shutil
from pathlib import Path

from dev.embedded.files import ServiceFiles, is_locked_exclusively
from dev.embedded.placement import remove_data
from dev.embedded.postgres import PostgresService
from dev.embedded.redis import RedisService
from dev.launcher.errors import LauncherError

# What the project writes below LOCAL_DIR. Anything else there stays: LOCAL_DIR
# may name a directory that holds more.
_OURS = (
    "pg.new",
    "redis",
    "stripe",
    "mail",
    "static",
    "log",
    "run",
    "secret_key",
    "demo.json",
)


def remove_local_data(local_dir: Path) -> None:
    """Delete the data in `local_dir`; raises LauncherError while a process uses it."""
    for server in (PostgresService(local_dir), RedisService(local_dir)):
        if is_locked_exclusively(ServiceFiles(local_dir, server.name).keeper):
            raise LauncherError(
                f"{server.title} is in use; stop what runs with the data in {local_dir} first."
            )
    remove_data(local_dir / "pg")
    for name in _OURS:
        path = local_dir / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if not any(local_dir.iterdir()):
        local_dir.rmdir()
