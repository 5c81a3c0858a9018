"""PostgreSQL and Valkey from the virtual environment: shared, stopped, brought back."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis

from dev.embedded import EmbeddedServiceError, postgres
from dev.embedded.files import ServiceFiles, is_locked_exclusively
from dev.embedded.postgres import PostgresService
from dev.embedded.service import release
from tests.config.conftest import Holder, is_alive
from tests.kit.waiting import wait_until


def server_pid(local_dir: Path, name: str) -> int:
    state = json.loads((local_dir / "run" / f"{name}.json").read_text())
    return int(state["pid"])


def keeper_has_gone(local_dir: Path, name: str) -> bool:
    return not is_locked_exclusively(ServiceFiles(local_dir, name).keeper)


def test_postgres_lives_as_long_as_its_last_user_and_survives_what_kills_it(
    local_dir: Path, hold: Callable[[str], Holder]
) -> None:
    acme, globex = hold("postgres"), hold("postgres")
    assert acme.address == globex.address
    first = server_pid(local_dir, "postgres")

    with psycopg.connect(acme.address) as connection:
        connection.execute("CREATE TABLE paid (number text PRIMARY KEY)")
        connection.execute("INSERT INTO paid VALUES ('INV-2026-000042')")
        shown = connection.execute(
            "SELECT current_setting('fsync'), current_setting('synchronous_commit'), "
            "current_setting('listen_addresses'), current_setting('timezone'), "
            "(SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"
        ).fetchone()
    assert shown == ("on", "on", "", "UTC", False)

    # The server itself is killed: it comes back at the same address.
    os.kill(first, signal.SIGKILL)
    wait_until(
        lambda: (
            (local_dir / "run" / "postgres.json").exists()
            and server_pid(local_dir, "postgres") != first
        )
    )
    second = server_pid(local_dir, "postgres")

    # One user leaves, the other is killed: it stops.
    acme.leave()
    assert is_alive(second)
    globex.kill()
    wait_until(lambda: keeper_has_gone(local_dir, "postgres"))
    assert not is_alive(second)

    # The next user finds what was committed.
    initech = hold("postgres")
    with psycopg.connect(initech.address) as connection:
        assert connection.execute("SELECT number FROM paid").fetchall() == [("INV-2026-000042",)]


def test_the_log_tells_what_was_refused_and_not_what_was_sent(
    local_dir: Path, hold: Callable[[str], Holder]
) -> None:
    acme = hold("postgres")
    with psycopg.connect(acme.address, autocommit=True) as connection:
        connection.execute("CREATE TABLE caller (number text PRIMARY KEY)")
        connection.execute("INSERT INTO caller VALUES ('+49 30 901820')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO caller SELECT '+49 30 901820' /* a whole batch */")

    def log() -> str:
        return "".join(path.read_text() for path in (local_dir / "pg" / "log").glob("*.log"))

    # The line about it comes before what it was sent in, which has no line of its own.
    wait_until(lambda: 'violates unique constraint "caller_pkey"' in log())
    acme.leave()
    wait_until(lambda: keeper_has_gone(local_dir, "postgres"))
    assert "a whole batch" not in log()


def test_a_queued_task_survives_a_restart_of_valkey(
    local_dir: Path, hold: Callable[[str], Holder]
) -> None:
    acme = hold("redis")
    path = json.loads((local_dir / "run" / "redis.json").read_text())["address"]
    with redis.Redis(unix_socket_path=path) as queue:
        queue.lpush("celery", "invoices.finalize_due_periods")
    pid = server_pid(local_dir, "redis")
    assert f"celery_url='redis+socket://{path}?virtual_host=0'" in acme.address
    assert f"cache_url='unix://{path}?db=1'" in acme.address
    acme.kill()
    wait_until(lambda: keeper_has_gone(local_dir, "redis"))
    assert not is_alive(pid)

    hold("redis")
    with redis.Redis(unix_socket_path=path) as queue:
        assert queue.lrange("celery", 0, -1) == [b"invoices.finalize_due_periods"]


def test_data_of_another_postgres_is_refused_in_one_line(local_dir: Path) -> None:
    data_dir = local_dir / "pg"
    data_dir.mkdir(mode=0o700)
    (data_dir / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedServiceError) as refusal:
        postgres.ensure_running(local_dir)
    assert str(refusal.value) == (
        f"{data_dir} was made by PostgreSQL 16, but this is 18: "
        "move it away (or dump and restore it), or set DATABASE_URL."
    )
    assert release(PostgresService(local_dir))


def test_a_pid_file_that_names_another_program_is_not_taken_for_a_server(local_dir: Path) -> None:
    data_dir = local_dir / "pg"
    data_dir.mkdir(mode=0o700)
    (data_dir / "postmaster.pid").write_text(f"{os.getpid()}\n{data_dir}\n")
    assert PostgresService(local_dir).find_running() is None
