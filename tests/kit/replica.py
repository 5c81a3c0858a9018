"""A streaming replica of the tests' PostgreSQL, made with `pg_basebackup`."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection

from dev.embedded.placement import own_data, place
from tests.kit.waiting import wait_until

PORT = "5433"


def is_embedded() -> bool:
    """Whether the tests use the project's own PostgreSQL, whose programs are at hand."""
    return (_data_directory() / "embedded.conf").exists()


def _data_directory() -> Path:
    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        return Path(cursor.fetchone()[0])


class Replica:
    """Beside the data that it copies; its socket is in its own data directory."""

    def __init__(self, name: str, *, of: Path | None = None, socket_dir: str | None = None) -> None:
        """Of the server that the tests use, or of the one with its data there."""
        of = of or _data_directory()
        self._placement = place(of)
        self.data_dir = of.with_name(f"{of.name}-{name}")
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self.data_dir.mkdir(mode=0o700)
        own_data(replace(self._placement, data_dir=self.data_dir))
        self._log = self.data_dir.with_name(f"{self.data_dir.name}.log")
        host = socket_dir or connection.settings_dict["HOST"]
        self._run("pg_basebackup", "-h", host, "-U", "postgres", "-D", str(self.data_dir), "-R",
                  "--checkpoint=fast", "--wal-method=stream", "--no-sync")  # fmt: skip
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [
                    *(self._placement.binary("postgres"), "-D", str(self.data_dir)),
                    *("-c", f"unix_socket_directories={self.data_dir}"),
                    # The copy has the lock file of its original's socket.
                    *("-c", f"port={PORT}"),
                    *("-c", "shared_buffers=64MB", "-c", "logging_collector=off"),
                ],
                cwd="/",
                stdout=subprocess.DEVNULL,
                stderr=log,
                **self._placement.account.subprocess_arguments(),
            )
        try:
            self._wait(lambda: self._answers(host))
        except BaseException:
            self.remove()
            raise

    def _answers(self, primary: str) -> Any:
        """It does so from a moment on in which no transaction there has more than 64 savepoints;
        such moments are told each 15 seconds, or when asked for."""
        with psycopg.connect(host=primary, user="postgres", autocommit=True) as link:
            link.execute("SELECT pg_log_standby_snapshot()")
        return self.ask("SELECT pg_is_in_recovery()")

    def settings(self) -> dict[str, Any]:
        """For `DATABASES`: the database that the tests use, read from here."""
        own = connection.settings_dict
        # As the settings give a replica, which nobody waits long for.
        pool = {**own["OPTIONS"]["pool"], "min_size": 0, "timeout": 3}
        return {
            **own,
            "HOST": str(self.data_dir),
            "PORT": PORT,
            "OPTIONS": {**own["OPTIONS"], "pool": pool},
            "TEST": {"MIRROR": "default"},
        }

    def ask(self, statement: str) -> Any:
        with psycopg.connect(
            host=str(self.data_dir), port=PORT, user="postgres", dbname="postgres", autocommit=True
        ) as link:
            row = link.execute(statement).fetchone()  # type: ignore[call-overload]
            return row and row[0]

    def catch_up(self) -> None:
        """Wait until all that is committed on the primary has been replayed."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()::text")
            now = cursor.fetchone()[0]
            cursor.execute("SELECT pg_current_xact_id()")  # a commit after that
        self._wait(lambda: self.ask(f"SELECT pg_last_xact_replay_timestamp() >= '{now}'"))

    def promote(self) -> None:
        assert self.ask("SELECT pg_promote()")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)

    def remove(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(60)
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self._log.unlink(missing_ok=True)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._placement.binary(program), *arguments],
            cwd="/",
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            umask=0o077,
            **self._placement.account.subprocess_arguments(),
        )
        assert done.returncode == 0, done.stderr

    def _wait(self, condition: Callable[[], object]) -> None:
        def is_so() -> object:
            try:
                return condition()
            except psycopg.OperationalError:
                assert self._process.poll() is None, f"the replica ended: {self._said()}"
                return False

        # Tests of others may be such transactions.
        wait_until(is_so, seconds=240, what="the replica does not catch up")

    def _said(self) -> str:
        return self._log.read_text()[-2000:]
