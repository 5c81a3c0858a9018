"""What is provided where the environment names no server, and how it is set up."""

import os
import stat
from pathlib import Path

import pytest

from dev import embedded
from dev.embedded import postgres_conf
from dev.embedded.files import MAX_SOCKET_PATH, make_private, socket_directory

GIB = 1024**3
PROVIDED = (
    "DATABASE_URL",
    "REDIS_URL",
    "CACHE_URL",
    "SECRET_KEY",
    "STRIPE_SECRET_KEY",
    "STRIPE_API_BASE",
)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in PROVIDED:
        monkeypatch.delenv(name, raising=False)
    # Set again after the test, whatever it put there.
    monkeypatch.setattr(os, "environ", os.environ.copy())
    return monkeypatch


def test_what_is_named_is_used_and_nothing_is_started(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named = {
        "DATABASE_URL": "postgresql://acme@db.acme.test/billing",
        "REDIS_URL": "redis://cache.acme.test:6379/0",
        "SECRET_KEY": "acme" * 12,
        "STRIPE_SECRET_KEY": "sk_test_acme",
    }
    os.environ |= named

    embedded.provide(tmp_path)

    assert {name: os.environ.get(name) for name in PROVIDED} == {
        **named,
        "CACHE_URL": None,
        "STRIPE_API_BASE": None,
    }
    assert list(tmp_path.iterdir()) == []


def test_without_a_key_nothing_reaches_stripe(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    os.environ |= {"DATABASE_URL": "postgresql:///acme", "REDIS_URL": "redis://acme.test/0"}

    embedded.provide(tmp_path)
    assert os.environ["STRIPE_API_BASE"] == "http://127.0.0.1:9"
    assert os.environ["STRIPE_SECRET_KEY"] == embedded.SANDBOX_KEY


def test_a_running_sandbox_is_found(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    os.environ |= {"DATABASE_URL": "postgresql:///acme", "REDIS_URL": "redis://acme.test/0"}
    (tmp_path / "run").mkdir()
    embedded.sandbox_file(tmp_path).write_text('{"api_base": "http://127.0.0.1:8001"}')

    embedded.provide(tmp_path)
    assert os.environ["STRIPE_API_BASE"] == "http://127.0.0.1:8001"
    assert os.environ["STRIPE_SECRET_KEY"] == embedded.SANDBOX_KEY


def test_the_secret_key_is_made_once_and_only_the_owner_may_read_it(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    os.environ |= {"DATABASE_URL": "postgresql:///acme", "REDIS_URL": "redis://acme.test/0"}

    embedded.provide(tmp_path)
    first = os.environ.pop("SECRET_KEY")
    embedded.provide(tmp_path)

    assert len(first) == 64
    assert os.environ["SECRET_KEY"] == first
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("memory", "free_disk", "shared_buffers", "max_wal_size"),
    [
        (256 * 1024**2, 2 * GIB, "128MB", "512MB"),
        (8 * GIB, 40 * GIB, "2048MB", "4096MB"),
        (64 * GIB, 500 * GIB, "4096MB", "8192MB"),
    ],
)
def test_postgres_takes_its_share_of_the_machine(
    memory: int, free_disk: int, shared_buffers: str, max_wal_size: str
) -> None:
    values = postgres_conf.settings(
        memory=memory, free_disk=free_disk, shared_memory=None, socket_dir=Path("/srv/billing/pg")
    )
    assert values["shared_buffers"] == shared_buffers
    assert values["max_wal_size"] == max_wal_size
    assert values["fsync"] == values["full_page_writes"] == values["synchronous_commit"] == "on"


def test_a_containers_small_shared_memory_is_left_alone() -> None:
    values = postgres_conf.settings(
        memory=8 * GIB, free_disk=40 * GIB, shared_memory=64 * 1024**2, socket_dir=Path("/srv/pg")
    )
    assert values["dynamic_shared_memory_type"] == "mmap"


def test_a_directory_with_quotes_survives_the_configuration_file() -> None:
    text = postgres_conf.render({"log_directory": "/srv/o'neill \\ co"})
    assert "log_directory = '/srv/o''neill \\\\ co'" in text


def test_a_socket_with_too_long_a_path_moves_to_a_short_private_directory() -> None:
    near = Path("/srv/billing/.local/pg")
    assert socket_directory(near, ".s.PGSQL.5432") == near
    far = Path("/srv") / ("a" * 100) / "pg"
    short = socket_directory(far, ".s.PGSQL.5432")
    assert len(str(short / ".s.PGSQL.5432")) <= MAX_SOCKET_PATH
    assert socket_directory(far, ".s.PGSQL.5432") == short
    assert socket_directory(far.with_name("redis"), ".s.PGSQL.5432") != short


def test_a_link_that_somebody_left_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "sockets").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(embedded.EmbeddedServiceError, match="in the way and not ours"):
        make_private(tmp_path / "sockets", owner_uid=os.geteuid())
    make_private(tmp_path / "own", owner_uid=os.geteuid())
    assert stat.S_IMODE((tmp_path / "own").stat().st_mode) == 0o700
