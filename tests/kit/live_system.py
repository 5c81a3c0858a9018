"""The system as it runs in production, with servers of its own that a test may kill or stop."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from email.message import Message
from pathlib import Path

import psutil

from dev.embedded import postgres, redis
from tests.kit.ports import free_port
from tests.kit.template_database import copy_template
from tests.kit.waiting import wait_until

ROOT = Path(__file__).parents[2]
_MAKE_KEY = """
import django
django.setup()
from django.core.management import call_command
scopes = ["--scope=usage:write", "--scope=workspaces:write"]
call_command("create_service_key", "Crash", *scopes)
"""


class LiveSystem:
    """A server of its own, with its own database, in a directory of its own."""

    def __init__(self, local_dir: Path) -> None:
        self.local_dir = local_dir
        self.database = postgres.ensure_running(local_dir)
        queue = redis.ensure_running(local_dir)
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
            "DATABASE_URL": self.database,
            "REDIS_URL": queue.celery_url,
            "CACHE_URL": queue.cache_url,
            "LOCAL_DIR": str(local_dir),
            "LOG_LEVEL": "ERROR",
            "API_USAGE_THROTTLE_PER_MINUTE": "1000000",
        }
        copy_template(self.database)
        self.key = self._make_key().splitlines()[-1]
        # The same each time, so that clients find the next server.
        self.port = free_port()
        self.web: subprocess.Popen[bytes] | None = None

    def _make_key(self) -> str:
        """The key that the clients use."""
        done = subprocess.run(
            [sys.executable, "-c", _MAKE_KEY],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def start_web(self) -> None:
        bind = f"127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "gunicorn", "config.asgi:application", f"--bind={bind}"]
        command += ["--config=python:config.serving.gunicorn", "--workers=2"]
        command += ["--preload", "--no-control-socket", "--log-level=error"]
        self.web = subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._listening, what="it does not listen")
        wait_until(
            lambda: self.post("/api/v1/usage/batch/", b"{")[0] == 400, what="it takes no batches"
        )

    def _listening(self) -> list:
        assert self.web is not None
        assert self.web.poll() is None
        connections = psutil.Process(self.web.pid).net_connections(kind="tcp4")
        return [each for each in connections if each.status == psutil.CONN_LISTEN]

    def kill_web(self) -> None:
        assert self.web is not None
        family = [psutil.Process(self.web.pid)]
        family += family[0].children(recursive=True)
        for process in family:
            process.send_signal(signal.SIGKILL)
        self.web.wait()
        psutil.wait_procs(family, timeout=10)

    def signal_database(self, number: int) -> None:
        """To all of PostgreSQL's processes; the first, which would see others end, and start more,
        stands still until it is its turn."""
        pid = int((self.local_dir / "pg" / "postmaster.pid").read_text().split()[0])
        postmaster = psutil.Process(pid)
        postmaster.suspend()
        for process in postmaster.children(recursive=True):
            # One that ended since it was listed needs no signal.
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        postmaster.send_signal(number)

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body; (0, b"") when no answer came."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        status, _, answer = self.ask("POST", path, body, headers)
        return status, answer

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Message, bytes]:
        """Status, headers and body; 0 and nothing when no answer came."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            client.request(method, path, body, {"Host": "localhost", **(headers or {})})
            answer = client.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, Message(), b""
        finally:
            client.close()

    def stop(self) -> None:
        if self.web is not None and self.web.poll() is None:
            self.kill_web()
