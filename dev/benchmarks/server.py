"""The system under load: the embedded parts and gunicorn, as `make serve` has them."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from django.db import connection

WORKERS = int(os.environ.get("WEB_WORKERS", "2"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Web:
    """gunicorn on a free loopback port, and what it and PostgreSQL cost."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "config.asgi:application",
            f"--bind=127.0.0.1:{self.port}",
            "--config=python:config.serving.gunicorn",
            f"--workers={WORKERS}",
            "--preload",
            "--no-control-socket",
            "--log-level=warning",
        ]
        environment = {**os.environ, "LOG_LEVEL": "WARNING"}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
        self._wait(log)

    def _wait(self, log: Path) -> None:
        url = f"http://127.0.0.1:{self.port}/healthz"
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for _ in range(300):
            if self.process.poll() is not None:
                raise RuntimeError(f"the web server ended:\n{log.read_text()[-2000:]}")
            try:
                with direct.open(url, timeout=2):
                    return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the web server does not answer")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_seconds(self) -> float:
        return _cpu(psutil.Process(self.process.pid))

    def memory_bytes(self) -> int:
        """Of all its processes; what some of them share counts once."""
        gunicorn = psutil.Process(self.process.pid)
        family = [gunicorn, *gunicorn.children(recursive=True)]
        return sum(each.memory_full_info().pss for each in family)


def postmaster_pid() -> int:
    """The process whose children serve connections, of a server on this machine."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    return int(Path(f"/proc/{backend}/stat").read_text().rsplit(")", 1)[1].split()[1])


def postgres_cpu_seconds(postmaster: int) -> float:
    """CPU of all of the server's processes, those that have ended included."""
    return _cpu(psutil.Process(postmaster))


def _cpu(root: psutil.Process) -> float:
    times = root.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in root.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue  # it ended just now, and counts as a child that has
        total += times.user + times.system
    return float(total)


@contextmanager
def running_web(log: Path) -> Iterator[Web]:
    web = Web(log)
    try:
        yield web
    finally:
        web.stop()
