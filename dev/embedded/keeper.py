"""The process that starts an embedded server, watches it, and stops it after its last user.

Run as `python -m dev.embedded.keeper <service> <local_dir>`; only
`dev.embedded.service` does.
"""

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

import psutil

from dev.embedded.errors import EmbeddedServiceError
from dev.embedded.files import ServiceFiles, open_lock, try_lock, write_atomically
from dev.embedded.postgres import PostgresService
from dev.embedded.redis import RedisService
from dev.embedded.room import Room
from dev.embedded.service import Service

_WATCH_SECONDS = 0.2
_READY_POLL_SECONDS = 0.02
# A clean stop writes everything to disk. It may take this long before the
# server is made to stop at once, which costs no data but a recovery.
_STOP_SECONDS = 60.0
_RESTARTS_ALLOWED = 20
_RESTART_WINDOW_SECONDS = 60.0


class Keeper:
    """Owns one server process from its start to its stop."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.files = ServiceFiles(service.local_dir, service.name)
        self.server: psutil.Process | None = None
        self.restarts: list[float] = []
        self.room = Room(service.title, service.data_dir)

    def run(self) -> None:
        """Serve until nobody holds the server's lock; no-op when another keeper does."""
        with (
            open_lock(self.files.keeper) as keeper_lock,
            open_lock(self.files.holders) as holders_lock,
        ):
            if not _lock_soon(keeper_lock):
                return
            self.files.address.unlink(missing_ok=True)
            self.files.error.unlink(missing_ok=True)
            try:
                self.start()
                while not try_lock(holders_lock, exclusive=True):
                    _say(self.room.news())
                    if not _is_alive(self.server):
                        self.restart()
                    time.sleep(_WATCH_SECONDS)
            finally:
                self.files.address.unlink(missing_ok=True)
                self.stop()

    def start(self) -> None:
        """Start the server, or adopt the one whose keeper was killed, and publish its address."""
        self.server = self.service.find_running()
        if self.server is None:
            self.service.prepare()
            with self.files.log.open("ab") as log:
                self.server = self.service.spawn(log)
        while not self.service.is_ready(self.server.pid):
            if not _is_alive(self.server):
                raise EmbeddedServiceError(
                    f"{self.service.title} did not start: {_last_line(self.files.log)} "
                    f"(see {self.files.log})"
                )
            time.sleep(_READY_POLL_SECONDS)
        write_atomically(
            self.files.address,
            json.dumps({"address": self.service.address(), "pid": self.server.pid}),
        )

    def restart(self) -> None:
        """Bring back a server that crashed or was killed; its users connect to it anew."""
        self.files.address.unlink(missing_ok=True)
        now = time.monotonic()
        self.restarts = [at for at in self.restarts if at > now - _RESTART_WINDOW_SECONDS] + [now]
        if len(self.restarts) > _RESTARTS_ALLOWED:
            raise EmbeddedServiceError(
                f"{self.service.title} ends again and again; see {self.files.log}."
            )
        _say(f"{self.service.title} ended unexpectedly; starting it again.")
        deadline = now + _RESTART_WINDOW_SECONDS
        while True:
            self.wait_for_room()
            try:
                return self.start()
            except (EmbeddedServiceError, OSError):
                # After kill -9 PostgreSQL's other processes need a moment to
                # notice, and until then a new server refuses the shared memory.
                if time.monotonic() > deadline and not self.room.is_full():
                    raise
                time.sleep(_WATCH_SECONDS)

    def wait_for_room(self) -> None:
        """However long it takes: a server cannot start on a full disk, and can afterwards."""
        while self.room.is_full() and self.is_needed():
            _say(self.room.news())
            time.sleep(_WATCH_SECONDS)
        _say(self.room.news())

    def is_needed(self) -> bool:
        """Whether anybody holds the server's lock."""
        with open_lock(self.files.holders) as holders_lock:
            return not try_lock(holders_lock, exclusive=True)

    def stop(self) -> None:
        """Stop the server and wait until it has gone."""
        if self.server is None or not _is_alive(self.server):
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            self.server.send_signal(self.service.stop_signal)
            try:
                self.server.wait(timeout=_STOP_SECONDS)
            except psutil.TimeoutExpired:
                self.server.send_signal(signal.SIGQUIT)
                self.server.wait(timeout=_STOP_SECONDS)


def _say(text: str | None) -> None:
    """A line in the server's log, unless that is on a full disk too."""
    if text:
        with contextlib.suppress(OSError):
            print(text, file=sys.stderr, flush=True)


def _lock_soon(lock: IO[bytes]) -> bool:
    # Whoever asks "is there a keeper?" holds a shared lock for an instant.
    for _ in range(100):
        if try_lock(lock, exclusive=True):
            return True
        time.sleep(0.01)
    return False


def _is_alive(process: psutil.Process | None) -> bool:
    if process is None:
        return False
    if isinstance(process, psutil.Popen):
        return process.poll() is None
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "no reason given"


def _leave(signum: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def main() -> None:
    name, local_dir = sys.argv[1], Path(sys.argv[2])
    services: dict[str, Service] = {
        "postgres": PostgresService(local_dir),
        "redis": RedisService(local_dir),
    }
    service = services[name]
    signal.signal(signal.SIGTERM, _leave)
    os.umask(0o077)
    try:
        Keeper(service).run()
    except EmbeddedServiceError as error:
        write_atomically(ServiceFiles(local_dir, name).error, f"{error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
