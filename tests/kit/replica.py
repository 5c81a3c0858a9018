"""A streaming replica of the tests' PostgreSQL, made with `pg_basebackup`."""

import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection

from dev.embedded.placement import own_data, place

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
        host = socket_dir or connection.settings_dict["HOST"]
        self._run("pg_basebackup", "-h", host, "-U", "postgres", "-D", str(self.data_dir), "-R",
                  "--checkpoint=fast", "--wal-method=stream", "--no-sync")  # fmt: skip
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
            stderr=subprocess.DEVNULL,
            **self._placement.account.subprocess_arguments(),
        )
        self._wait(lambda: self.ask("SELECT pg_is_in_recovery()"))

    def settings(self) -> dict[str, Any]:
        """For `DATABASES`: the database that the tests use, read from here."""
        own = connection.settings_dict
        return {**own, "HOST": str(self.data_dir), "PORT": PORT, "TEST": {"MIRROR": "default"}}

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

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._placement.binary(program), *arguments],
            cwd="/",
            check=True,
            capture_output=True,
            umask=0o077,
            **self._placement.account.subprocess_arguments(),
        )

    def _wait(self, condition: Any) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                if condition():
                    return
            except psycopg.OperationalError:
                assert self._process.poll() is None, "the replica ended"
            assert time.monotonic() < deadline, "the replica does not catch up"
            time.sleep(0.05)
