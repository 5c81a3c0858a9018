"""The launcher's parts: options, ports, one instance at a time, forgetting."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from django.core.exceptions import ImproperlyConfigured

from dev.embedded.files import make_local_dir
from dev.embedded.service import PROJECT_ROOT
from dev.launcher import children
from dev.launcher.errors import LauncherError
from dev.launcher.instance import only_instance
from dev.launcher.options import read_options
from dev.launcher.ports import require_free, sandbox_port
from dev.launcher.reset import remove_local_data
from dev.launcher.stack import Stack


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_taken_port_is_named_with_the_way_out(taken: int) -> None:
    with pytest.raises(LauncherError) as refusal:
        require_free("127.0.0.1", taken)
    assert str(refusal.value) == (
        f"port {taken} is taken by another program. Stop it or choose another: PORT={taken + 1}."
    )


def test_an_address_of_another_machine_is_not_called_a_taken_port() -> None:
    with pytest.raises(LauncherError) as refusal:
        require_free("192.0.2.1", 8000)
    assert str(refusal.value) == "BIND_HOST=192.0.2.1 is no address of this machine."


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DATABASE_URL", "postgresql://a:b@127.0.0.1:1/x", "Connection refused"),
        ("REDIS_URL", "redis://127.0.0.1:1/0", "Connection refused"),
        ("CACHE_URL", "redis://127.0.0.1:1/0", "Connection refused"),
    ],
)
def test_a_server_that_does_not_answer_is_named_in_one_line(
    name: str, value: str, said: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dev.launcher.prepare"],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.local", name: value},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert line.startswith(f"error: cannot connect to {name}: ")
    assert said in line


def test_a_wrong_setting_is_said_before_anything_starts(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dev.launcher", "serve"],
        env={**os.environ, "LOCAL_DIR": str(tmp_path / "local"), "HTTPS": "maybe"},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: HTTPS must be true or false, not 'maybe'.\n"


@pytest.mark.parametrize("port", ["0", "65536", "web"])
def test_a_port_that_cannot_be_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(ImproperlyConfigured, match="PORT must"):
        read_options()


@pytest.mark.parametrize(
    ("host", "url", "is_loopback"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000", True),
        ("localhost", "http://localhost:8000", True),
        ("::1", "http://[::1]:8000", True),
        ("0.0.0.0", "http://127.0.0.1:8000", False),
        ("192.0.2.7", "http://192.0.2.7:8000", False),
    ],
)
def test_only_a_loopback_address_counts_as_local(
    monkeypatch: pytest.MonkeyPatch, host: str, url: str, is_loopback: bool
) -> None:
    monkeypatch.setenv("PORT", "8000")
    monkeypatch.setenv("BIND_HOST", host)
    options = read_options()
    assert (options.url, options.is_loopback) == (url, is_loopback)


def test_the_sandbox_keeps_its_port_until_that_is_taken(tmp_path: Path, taken: int) -> None:
    remembered = tmp_path / "stripe" / "port"
    first = sandbox_port(remembered, web_port=taken)
    assert first > taken
    assert sandbox_port(remembered, web_port=first + 200) == first
    remembered.write_text(f"{taken}\n")
    moved = sandbox_port(remembered, web_port=first + 200)
    assert first + 200 < moved
    assert remembered.read_text() == f"{moved}\n"


def test_a_second_launcher_says_where_the_first_one_is(tmp_path: Path) -> None:
    with only_instance(tmp_path):
        state = {"pid": 4242, "url": "http://127.0.0.1:8000", "children": []}
        (tmp_path / "run" / "launcher.json").write_text(json.dumps(state))
        with pytest.raises(LauncherError) as refusal, only_instance(tmp_path):
            pass
    assert str(refusal.value) == (
        f"already running with the data in {tmp_path}: http://127.0.0.1:8000 (process 4242)."
    )
    with only_instance(tmp_path):
        pass


def test_what_a_killed_launcher_left_running_is_ended_and_nothing_else(tmp_path: Path) -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    leftover = subprocess.Popen(sleep, start_new_session=True)
    stranger = subprocess.Popen(sleep, start_new_session=True)
    try:
        make_local_dir(tmp_path)
        born = psutil.Process(leftover.pid).create_time()
        # The stranger has got the number of a child that was born at another time.
        pids = [[leftover.pid, born], [stranger.pid, born - 3600]]
        state = {"pid": 4242, "url": "http://127.0.0.1:8000", "children": pids}
        (tmp_path / "run" / "launcher.json").write_text(json.dumps(state))
        with only_instance(tmp_path):
            assert leftover.wait(timeout=60) is not None
            assert stranger.poll() is None
    finally:
        leftover.kill()
        stranger.kill()
        stranger.wait()


def test_finance_has_mails_in_the_demo_and_elsewhere_only_where_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FINANCE_EMAILS", raising=False)
    demo, served = Stack(read_options(), is_demo=True), Stack(read_options())
    assert demo.environment["FINANCE_EMAILS"] == "finance@voice-platform.example"
    assert "FINANCE_EMAILS" not in served.environment

    monkeypatch.setenv("FINANCE_EMAILS", "books@acme.test")
    assert demo.environment["FINANCE_EMAILS"] == "books@acme.test"


def test_a_child_that_ends_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "beat.log"
    child = children.start("beat", ["no_such_module"], log=log, environment=os.environ)
    child.process.wait()
    with pytest.raises(LauncherError) as report:
        children.require_running([child])
    assert str(report.value).startswith(f"beat ended (exit code 1); the end of {log}:\n")
    assert "No module named no_such_module" in str(report.value)


def test_forgetting_leaves_alone_what_is_not_ours(tmp_path: Path) -> None:
    make_local_dir(tmp_path)
    for name in ("stripe", "mail", "photos"):
        (tmp_path / name).mkdir()
    for name in ("secret_key", "demo.json"):
        (tmp_path / name).write_text("x")
    remove_local_data(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
