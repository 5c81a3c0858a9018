"""The parts of the system, in the order of their start, and back."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from dev import embedded
from dev.demo.personas import FINANCE_EMAIL
from dev.embedded import service
from dev.embedded.files import write_atomically
from dev.embedded.postgres import PostgresService
from dev.embedded.redis import RedisService
from dev.embedded.room import Room
from dev.embedded.service import Service
from dev.launcher import children
from dev.launcher.children import Child
from dev.launcher.errors import LauncherError
from dev.launcher.instance import remember
from dev.launcher.options import Options
from dev.launcher.ports import require_free, sandbox_port
from dev.launcher.terminal import complain, say, step, tail

LOCAL_SETTINGS = "config.settings.local"
_READY_SECONDS = 90
_POLL_SECONDS = 0.1
# Requests and tasks get this long to finish; a task that is cut short runs again.
_STOP_SECONDS = 4
_SANDBOX_STOP_SECONDS = 2
_SERVERS_STOP_SECONDS = 20


class Stack:
    """Everything that one launcher started."""

    def __init__(self, options: Options, *, is_demo: bool = False) -> None:
        self.options = options
        self.is_demo = is_demo
        self.servers: list[Service] = []
        self.has_started = False
        self.children: list[Child] = []

    @property
    def environment(self) -> dict[str, str]:
        """What the parts are told; complete once the servers and the sandbox run."""
        return {
            # The EU's register is asked from a machine of one's own only where somebody names it.
            "VIES_URL": "off",
            # What finance is told of, the demo shows among its e-mails.
            **({"FINANCE_EMAILS": FINANCE_EMAIL} if self.is_demo else {}),
            **os.environ,
            "DJANGO_SETTINGS_MODULE": LOCAL_SETTINGS,
            "LOCAL_DIR": str(self.options.local_dir),
            "PORT": str(self.options.port),
            "PYTHONUNBUFFERED": "1",
        }

    def start(self) -> None:
        """Start every part; returns when the web server says it is ready."""
        require_free(self.options.bind_host, self.options.port)
        self.has_started = True
        self._start_servers()
        if self.options.own_stripe:
            self._start_sandbox()
        embedded.provide(self.options.local_dir)
        prepare = ["dev.launcher.prepare"]
        if self.options.is_loopback and self.options.stripe_is_local:
            prepare.append("--register-webhook")
        if self._command(*prepare):
            raise LauncherError  # it has said why
        with step("Starting web, worker and beat"):
            self._start_web()
            self._start_tasks()
            self._wait_until_ready()

    def load_demo(self) -> None:
        """Load the demo's data; the command shows its progress and says how to log in."""
        if self._command("manage", "load_demo", f"--url={self.options.url}"):
            raise LauncherError("loading the demo's data failed.")

    def watch(self) -> None:
        """Return only by an exception: LauncherError as soon as a part ends."""
        rooms = [Room(server.title, server.data_dir) for server in self.servers]
        while True:
            for news in filter(None, (room.news() for room in rooms)):
                complain(news)
            children.require_running(self.children)
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Stop every part, those that use others first."""
        if not self.has_started:
            return
        say("Stopping ...")
        sandbox = [child for child in self.children if child.name == "sandbox"]
        users = [child for child in self.children if child.name != "sandbox"]
        children.stop(users, within_seconds=_STOP_SECONDS)
        children.stop(sandbox, within_seconds=_SANDBOX_STOP_SECONDS)
        embedded.sandbox_file(self.options.local_dir).unlink(missing_ok=True)
        for server in self.servers:
            service.release(server)
        deadline = time.monotonic() + _SERVERS_STOP_SECONDS
        for server in self.servers:
            if not service.release(server, timeout_seconds=deadline - time.monotonic()):
                complain(
                    f"{server.title} goes on: it is in use by another process, or busy stopping."
                )
        say("Stopped.")

    def _start_servers(self) -> None:
        if self.options.own_database:
            self.servers.append(PostgresService(self.options.local_dir))
        if self.options.own_redis:
            self.servers.append(RedisService(self.options.local_dir))
        for server in self.servers:
            with step(f"Starting {server.title}"):
                service.ensure_running(server)

    def _start_sandbox(self) -> None:
        state_dir = self.options.local_dir / "stripe"
        state_dir.mkdir(mode=0o700, exist_ok=True)
        port = sandbox_port(state_dir / "port", web_port=self.options.port)
        port_file = self.options.local_dir / "run" / "sandbox.port"
        port_file.unlink(missing_ok=True)
        command = ["dev.stripe_sandbox", f"--port={port}", f"--state-dir={state_dir}"]
        command += [f"--port-file={port_file}", f"--key={embedded.SANDBOX_KEY}"]
        self._start_child("sandbox", command)
        with step("Starting the Stripe sandbox"):
            while not port_file.exists():
                children.require_running(self.children)
                time.sleep(_POLL_SECONDS)
        write_atomically(
            embedded.sandbox_file(self.options.local_dir),
            json.dumps({"api_base": f"http://127.0.0.1:{port}"}),
        )

    def _start_web(self) -> None:
        command = ["gunicorn", "config.asgi:application", f"--bind={self.options.bind}"]
        command += [
            "--config=python:config.serving.gunicorn",
            f"--workers={self.options.web_workers}",
            "--preload",
        ]
        command += [f"--graceful-timeout={_STOP_SECONDS - 1}", "--no-control-socket"]
        if Path("/dev/shm").is_dir():  # noqa: S108 - for heartbeats, which must not wait for a disk
            command.append("--worker-tmp-dir=/dev/shm")
        self._start_child("web", command)

    def _start_tasks(self) -> None:
        worker = ["celery", "--app=config", "worker", "--loglevel=INFO", "--hostname=billing@%h"]
        worker += [f"--concurrency={self.options.task_processes}", "--max-tasks-per-child=200"]
        worker += ["--without-gossip", "--without-mingle"]
        beat = ["celery", "--app=config", "beat", "--loglevel=INFO", "--pidfile="]
        beat.append(f"--schedule={self.options.local_dir / 'run' / 'celerybeat-schedule'}")
        self._start_child("worker", worker)
        self._start_child("beat", beat)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            children.require_running(self.children)
            problem = self._why_not_ready()
            if problem is None:
                return
            if time.monotonic() > deadline:
                log = self._log("web")
                raise LauncherError(f"the web server is not ready: {problem}; {log}:\n{tail(log)}")
            time.sleep(_POLL_SECONDS)

    def _why_not_ready(self) -> str | None:
        request = urllib.request.Request(  # noqa: S310 - our own http address
            f"{self.options.url}/readyz", headers={"Host": f"localhost:{self.options.port}"}
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=5):
                return None
        except urllib.error.HTTPError as error:
            return f"/readyz answers {error.code}"
        except OSError as error:
            return str(error)

    def _start_child(self, name: str, command: list[str]) -> None:
        log = self._log(name)
        self.children.append(children.start(name, command, log=log, environment=self.environment))
        remember(self.options.local_dir, url=self.options.url, children=self.children)

    def _log(self, name: str) -> Path:
        return self.options.local_dir / "log" / f"{name}.log"

    def _command(self, *command: str) -> int:
        # Its terminal is the user's: no log lines among the progress.
        return children.run(command, environment={"LOG_LEVEL": "WARNING", **self.environment})


def print_summary(options: Options) -> None:
    """Where everything is, once it runs."""
    stripe = os.environ.get("STRIPE_API_BASE", "").strip() or "https://api.stripe.com"
    parts = [
        ("Pages", options.url),
        ("Admin", f"{options.url}/admin/"),
        ("API", f"{options.url}/api/docs/"),
        ("Stripe", f"{stripe}{' (sandbox)' if options.own_stripe else ''}"),
        ("Data, logs", f"{options.local_dir}, {options.local_dir / 'log'}"),
    ]
    say()
    for label, text in parts:
        say(f"  {label:<11} {text}")
    say()
    say("Running. Ctrl-C stops everything." if sys.stdout.isatty() else "Running.")
