"""Sharing one embedded server among processes.

`ensure_running` may be called by any number of processes: the web server, a
worker, a one-off `manage.py`, the tests. The first one starts a keeper
(`dev.embedded.keeper`), which starts the server; the rest find it running
within a millisecond. When the last of them has gone, the keeper stops the
server, also if they were killed with -9: what it watches is a lock, and the
kernel takes care of that.
"""

import fcntl
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Protocol

import psutil

from dev.embedded.errors import EmbeddedServiceError
from dev.embedded.files import (
    ServiceFiles,
    is_locked_exclusively,
    make_local_dir,
    open_lock,
)

PROJECT_ROOT = Path(__file__).resolve().parents[2]
_POLL_SECONDS = 0.02
_SAY_SO_AFTER_SECONDS = 10.0
_LOG_BYTES_KEPT = 5 * 1024 * 1024

# The shared lock of each server this process uses, and the keepers it started.
# They live as long as the process: closing one says "I no longer need it".
_held: dict[ServiceFiles, IO[bytes]] = {}
_keepers: dict[ServiceFiles, subprocess.Popen[bytes]] = {}


class Service(Protocol):
    """One kind of server, as its keeper drives it. See `postgres` and `redis`."""

    @property
    def name(self) -> str:
        """What its keeper is told, and what its files are called."""

    @property
    def title(self) -> str:
        """What people call it."""

    @property
    def local_dir(self) -> Path: ...

    @property
    def data_dir(self) -> Path:
        """What it writes to; there once it has been prepared."""

    @property
    def stop_signal(self) -> int:
        """The signal that ends it cleanly."""

    def prepare(self) -> None:
        """Make its data directory and configuration; raises EmbeddedServiceError."""

    def find_running(self) -> psutil.Process | None:
        """The server's process when one already serves this data directory."""

    def spawn(self, log: IO[bytes]) -> psutil.Popen:
        """Start the server, its early output going to `log`."""

    def is_ready(self, pid: int) -> bool:
        """Whether the server with this process id accepts connections."""

    def address(self) -> str:
        """Where clients reach it."""


def ensure_running(service: Service) -> str:
    """Return the server's address, starting it first if need be.

    The server stays up at least until this process ends or calls `release`.
    Raises EmbeddedServiceError with one line that says what is wrong.
    """
    files = ServiceFiles(service.local_dir, service.name)
    if files not in _held:
        make_local_dir(service.local_dir)
        _held[files] = _hold(files)
    started_at = time.monotonic()
    waiting_announced = False
    keeper: subprocess.Popen[bytes] | None = None
    while True:
        if is_locked_exclusively(files.keeper):
            address = _published_address(files)
            if address is not None:
                return address
        elif keeper is None:
            keeper = _keepers[files] = _start_keeper(service, files)
        elif keeper.poll() == 0:
            keeper = None  # Another process's keeper was first, and has left since.
        elif keeper.returncode is not None:
            _held.pop(files).close()
            raise EmbeddedServiceError(_why_keeper_gave_up(service, files))
        if not waiting_announced and time.monotonic() - started_at > _SAY_SO_AFTER_SECONDS:
            waiting_announced = True
            print(f"Waiting for {service.title} ({files.log}) ...", file=sys.stderr, flush=True)
        time.sleep(_POLL_SECONDS)


def release(service: Service, *, timeout_seconds: float = 0) -> bool:
    """Say that this process no longer needs the server.

    Waits up to `timeout_seconds` for it to stop, and returns whether it has;
    it goes on running while other processes use it.
    """
    files = ServiceFiles(service.local_dir, service.name)
    held = _held.pop(files, None)
    if held is not None:
        held.close()
    deadline = time.monotonic() + timeout_seconds
    while is_locked_exclusively(files.keeper):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    keeper = _keepers.pop(files, None)
    if keeper is not None:
        keeper.wait()
    return True


def _hold(files: ServiceFiles) -> IO[bytes]:
    file = open_lock(files.holders)
    # Blocks only while a keeper, having seen the last holder go, stops the server.
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def _published_address(files: ServiceFiles) -> str | None:
    try:
        published = json.loads(files.address.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    # A keeper that was killed left its file behind; the next one is about to remove it.
    return str(published["address"]) if psutil.pid_exists(published["pid"]) else None


def _start_keeper(service: Service, files: ServiceFiles) -> subprocess.Popen[bytes]:
    if files.log.exists() and files.log.stat().st_size > _LOG_BYTES_KEPT:
        files.log.replace(files.log.with_suffix(".log.1"))
    with files.log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "dev.embedded.keeper", service.name, str(service.local_dir)],
            cwd=PROJECT_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C at the terminal is for the holders; the keeper outlives them.
            start_new_session=True,
        )


def _why_keeper_gave_up(service: Service, files: ServiceFiles) -> str:
    if files.error.exists():
        return files.error.read_text(encoding="utf-8").strip()
    return f"{service.title} did not start; see {files.log}."
