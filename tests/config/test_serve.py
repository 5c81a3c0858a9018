"""`make serve` as its user sees it: it comes up, says where, and goes down leaving nothing."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest

from dev.embedded.files import ServiceFiles, is_locked_exclusively
from dev.embedded.service import PROJECT_ROOT
from tests.config.conftest import is_alive
from tests.kit.ports import free_port
from tests.kit.template_database import migrated_template


@pytest.fixture
def database_url() -> Iterator[str]:
    """A migrated database in the tests' server, without the tiers that every installation has."""
    url = urlsplit(os.environ["DATABASE_URL"])
    name = f"serve_{os.getpid()}"
    template = migrated_template()
    with psycopg.connect(url._replace(path="/postgres").geturl(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        database = url._replace(path=f"/{name}").geturl()
        with psycopg.connect(database) as installed:
            installed.execute("DELETE FROM billing_tierprice")
            installed.execute("DELETE FROM billing_subscriptiontier")
        yield database
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def launch(command: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dev.launcher", command],
        cwd=PROJECT_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def lines_until(process: subprocess.Popen[str], last: str) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if lines[-1] == last:
            break
    return lines


def status_of(url: str) -> int:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return int(answer.status)


def test_serve_runs_every_part_and_ctrl_c_ends_them_all(local_dir: Path, database_url: str) -> None:
    port = free_port()
    outside = (
        "REDIS_URL",
        "STRIPE_SECRET_KEY",
        "STRIPE_API_BASE",
        "BIND_HOST",
        "SECRET_KEY",
        "CACHE_URL",
    )
    environment = {name: value for name, value in os.environ.items() if name not in outside}
    environment |= {"LOCAL_DIR": str(local_dir), "PORT": str(port), "DATABASE_URL": database_url}
    environment |= {"WEB_WORKERS": "1", "TASK_PROCESSES": "1"}

    serve = launch("serve", environment)
    try:
        said = lines_until(serve, "Running.")
        assert said[-1] == "Running.", said
        assert f"  Pages       http://127.0.0.1:{port}" in said
        assert status_of(f"http://127.0.0.1:{port}/healthz") == 200
        assert status_of(f"http://127.0.0.1:{port}/login/") == 200
        state = json.loads((local_dir / "run" / "launcher.json").read_text())
        started = [psutil.Process(pid) for pid, _ in state["children"]]
        started += [one for parent in started for one in parent.children(recursive=True)]
        assert len(state["children"]) == 4  # sandbox, web, worker, beat
        with psycopg.connect(database_url) as installed:
            tiers = installed.execute("SELECT name FROM billing_subscriptiontier").fetchall()
        assert {name for (name,) in tiers} == {"free", "starter", "pro"}

        second = launch("serve", environment)
        refusal, _ = second.communicate()
        assert second.returncode == 1
        assert refusal.strip() == (
            f"error: already running with the data in {local_dir}: "
            f"http://127.0.0.1:{port} (process {serve.pid})."
        )

        serve.send_signal(signal.SIGINT)
        assert lines_until(serve, "Stopped.") == ["Stopping ...", "Stopped."]
        assert serve.wait(timeout=60) == 0
    finally:
        serve.kill()
        serve.communicate()

    assert [process.pid for process in started if is_alive(process.pid)] == []
    assert not is_locked_exclusively(ServiceFiles(local_dir, "redis").keeper)
    assert not (local_dir / "pg").exists()  # DATABASE_URL was honoured
