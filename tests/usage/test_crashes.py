"""kill -9 of the web server and of PostgreSQL while batches are written; then all is sent again."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from dev.embedded import postgres, redis
from tests.kit.template_database import copy_template

ROOT = Path(__file__).parents[2]
BATCHES_PER_CLIENT = 15
BATCH = 100
CLIENTS = 4


# One process for both: each start of Django costs seconds.
_PREPARE = """
import django
django.setup()
from django.core.management import call_command
call_command("ensure_builtins")
scopes = ["--scope=usage:write", "--scope=workspaces:write"]
call_command("create_service_key", "Crash", *scopes)
"""
# What was recorded, rolled up and counted; each must say the same.
_SUMS = """
SELECT (SELECT (count(*), sum(final_cost)) FROM usage_usagerecord)::text,
       (SELECT (sum(records)::bigint, sum(final_cost)) FROM usage_usagerollup)::text,
       (SELECT (sum(records)::bigint, sum(final_cost)) FROM billing_periodcounter)::text
"""


class System:
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
        self.key = self._prepare().splitlines()[-1]
        self.port = 0
        self.web: subprocess.Popen[bytes] | None = None

    def _prepare(self) -> str:
        """An empty database with the built-in tiers; the key that the clients use."""
        done = subprocess.run(
            [sys.executable, "-c", _PREPARE],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def start_web(self) -> None:
        # The same port each time, so that clients find the next server.
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
        while not self.port:
            self.port = next(
                (each.laddr.port for each in self._listening()),
                0,
            )
            time.sleep(0.05)
        while self.post("/api/v1/usage/batch/", b"{")[0] != 400:
            time.sleep(0.1)

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

    def kill_database(self) -> None:
        pid = int((self.local_dir / "pg" / "postmaster.pid").read_text().split()[0])
        postmaster = psutil.Process(pid)
        family = [postmaster, *postmaster.children(recursive=True)]
        for process in family:
            process.send_signal(signal.SIGKILL)

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body; (0, b"") when no answer came."""
        headers = {
            "Host": "localhost",
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/json",
        }
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            client.request("POST", path, body, headers)
            answer = client.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            client.close()

    def stop(self) -> None:
        if self.web is not None and self.web.poll() is None:
            self.kill_web()


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    made = System(tmp_path_factory.mktemp("crash"))
    yield made
    made.stop()


@pytest.mark.parametrize("victim", ["web", "database"])
def test_every_acknowledged_record_is_there_once_after_a_kill(system, victim):
    system.start_web()
    owner = json.loads(
        system.post(
            "/api/v1/workspaces/",
            json.dumps(
                {
                    "name": victim,
                    "owner_email": "owner@acme.test",
                    "tier": "starter",
                    "currency": "USD",
                    "timezone": "Europe/Berlin",
                }
            ).encode(),
        )[1]
    )["id"]
    batches = {
        (client, number): body_of(owner, client, number)
        for client in range(CLIENTS)
        for number in range(BATCHES_PER_CLIENT)
    }
    acknowledged: set[tuple[int, int]] = set()

    def send(client: int) -> None:
        for number in range(BATCHES_PER_CLIENT):
            status, answer = system.post("/api/v1/usage/batch/", batches[client, number])
            if status == 200:
                account = json.loads(answer)
                assert account["rejected"] == 0
                acknowledged.add((client, number))

    threads = [threading.Thread(target=send, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    while len(acknowledged) < CLIENTS * BATCHES_PER_CLIENT // 4:
        time.sleep(0.005)
    system.kill_web() if victim == "web" else system.kill_database()
    for thread in threads:
        thread.join(60)
    lost = batches.keys() - acknowledged
    assert lost, "the kill came too late to interrupt anything"

    if victim == "web":
        system.start_web()
    before = recorded(system, owner)
    assert before >= len(acknowledged) * BATCH
    for body in batches.values():
        status, answer = answer_of(system, body)
        assert (status, json.loads(answer)["rejected"]) == (200, 0)

    assert recorded(system, owner) == CLIENTS * BATCHES_PER_CLIENT * BATCH
    with psycopg.connect(system.database) as connection:
        in_records, in_rollups, in_counters = connection.execute(_SUMS).fetchone()
    assert in_records == in_rollups == in_counters
    system.kill_web()


def body_of(owner: str, client: int, number: int) -> bytes:
    return json.dumps(
        {
            "records": [
                {
                    "idempotency_key": f"{client}:{number}:{place}",
                    "workspace_id": owner,
                    "resource_type": "call_minutes",
                    "provider": "twilio",
                    "quantity": "1.5",
                    "unit_cost": "0.0125",
                }
                for place in range(BATCH)
            ]
        }
    ).encode()


def answer_of(system: System, body: bytes) -> tuple[int, bytes]:
    """Tried again until the server has its database back."""
    for _ in range(100):
        status, answer = system.post("/api/v1/usage/batch/", body)
        if status == 200:
            return status, answer
        time.sleep(0.1)
    return status, answer


def recorded(system: System, owner: str) -> int:
    for _ in range(200):
        try:
            with psycopg.connect(system.database) as connection:
                query = "SELECT count(*) FROM usage_usagerecord WHERE workspace_id = %s"
                found = connection.execute(query, [owner]).fetchone()
                return found[0] if found else 0
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise AssertionError("the database did not come back")
