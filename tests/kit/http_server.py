"""A web server on the tests' database, and services that talk to it over real HTTP."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from django.db import connection
from django.test import Client, override_settings

from billing.models import Workspace
from tests.kit.api import make_key
from tests.kit.ports import free_port

ROOT = Path(__file__).parents[2]
MAX_BODY_BYTES = 100_000
BOUNDS = {"API_MAX_BODY_BYTES": MAX_BODY_BYTES, "API_MAX_UNPACKED_BYTES": 2 * MAX_BODY_BYTES}


class WebServer:
    """One web worker, or some, on the tests' database."""

    def __init__(self, log: Path, *, workers: int = 1) -> None:
        database = connection.settings_dict
        host = database["HOST"]
        environment = {
            **os.environ,
            "DATABASE_URL": f"postgresql:///{database['NAME']}?host={host}&user={database['USER']}"
            f"&port={database['PORT'] or 5432}&password={database['PASSWORD']}",
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
            "PGAPPNAME": "web",
            **{name: str(value) for name, value in BOUNDS.items()},
        }
        self.port = free_port()
        command = [sys.executable, "-m", "gunicorn", "config.asgi:application"]
        command += [f"--bind=127.0.0.1:{self.port}", "--config=python:config.serving.gunicorn"]
        command += [f"--workers={workers}", "--no-control-socket"]
        if workers > 1:
            command.append("--preload")
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
        while True:
            assert self.process.poll() is None, log.read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                time.sleep(0.05)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


class Answer:
    def __init__(self, status: int, body: bytes, headers: Iterable[tuple[str, str]]) -> None:
        self.status = status
        self.body = body
        self.headers = {name.lower(): value for name, value in headers}
        self.headers.pop("date", None)

    @property
    def json(self) -> dict:
        return json.loads(self.body)


class HttpClient:
    """A service that keeps its connection; `through_django` has requests answered by views."""

    def __init__(self, server: WebServer, key: str | None = None) -> None:
        self.http = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        self.key = key or make_key("usage:write", "usage:read")

    def send(
        self,
        method: str,
        path: str,
        body: object = b"",
        *,
        through_django: bool = False,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        if through_django:
            return self._through_django(method, path, data, content_type, headers or {})
        self.http.putrequest(method, f"/api/v1/{path}", skip_host=True)
        sent = {
            "Host": "localhost",
            "Authorization": f"Bearer {self.key}",
            "Content-Type": content_type,
            "Content-Length": str(len(data)),
            **(headers or {}),
        }
        for name, value in sent.items():
            if value:
                self.http.putheader(name, value)
        self.http.endheaders(data)
        response = self.http.getresponse()
        return Answer(response.status, response.read(), response.getheaders())

    def _through_django(
        self, method: str, path: str, data: bytes, content_type: str, headers: dict[str, str]
    ) -> Answer:
        sent = {"Host": "localhost", "Authorization": f"Bearer {self.key}", **headers}
        with override_settings(**BOUNDS):
            response = Client(raise_request_exception=False).generic(
                method,
                f"/api/v1/{path}",
                data,
                CONTENT_TYPE=content_type,  # without a body too
                headers={name: value for name, value in sent.items() if value},
            )
        return Answer(response.status_code, response.content, response.items())

    def both(self, *args, **kwargs) -> Answer:
        """The event loop's answer, which is Django's too, but for the headers of pages."""
        fast = self.send(*args, **kwargs)
        slow = self.send(*args, through_django=True, **kwargs)
        # The policy for pages is put on what went through Django: the two ways were not the same.
        assert "content-security-policy" in slow.headers
        assert "content-security-policy" not in fast.headers
        assert (fast.status, fast.body) == (slow.status, slow.body)
        assert fast.headers.items() <= slow.headers.items()
        for name in ("content-type", "content-length", "x-content-type-options", "retry-after"):
            assert fast.headers.get(name) == slow.headers.get(name)
        return fast


def usage_body(workspace: Workspace, key: str, **facts: object) -> dict[str, object]:
    return {
        "idempotency_key": key,
        "workspace_id": str(workspace.pk),
        "resource_type": "call_minutes",
        "provider": "twilio",
        "quantity": "3.250",
        "unit_cost": "0.0085",
        "occurred_at": "2026-11-22T08:30:00.250+01:00",
        **facts,
    }


def raw(server: WebServer, *parts: bytes, hang_up: bool = False) -> bytes:
    """What is answered to these bytes, sent apart, until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        for part in parts:
            client.sendall(part)
            time.sleep(0.01)
        if hang_up:
            return b""
        answer = b""
        while piece := client.recv(65_536):
            answer += piece
        return answer


def head(path: str, key: str, *more: str) -> bytes:
    lines = [f"POST /api/v1/{path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {key}"]
    return "\r\n".join([*lines, "Content-Type: application/json", *more, "", ""]).encode()
