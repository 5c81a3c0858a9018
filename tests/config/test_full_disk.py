"""A disk that is full: named once, and the servers come back when there is room."""

import threading
from collections import namedtuple
from pathlib import Path

import pytest

from dev.embedded import keeper, room
from dev.embedded.files import ServiceFiles, open_lock, try_lock
from dev.embedded.keeper import Keeper
from dev.embedded.redis import RedisService
from dev.embedded.room import Room
from tests.kit.waiting import wait_until

Usage = namedtuple("Usage", "free")


class Disk:
    free = 10 * 1024 * 1024

    def usage(self, directory: Path) -> Usage:
        return Usage(self.free)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(room.shutil, "disk_usage", disk.usage)
    return disk


def test_a_full_disk_is_named_once_and_so_is_its_end(full_disk: Disk) -> None:
    watched = Room("PostgreSQL", Path("/data"))

    assert watched.news() == (
        "The disk is full (/data): PostgreSQL cannot write. Make room, and it goes on by itself."
    )
    assert watched.news() is None
    full_disk.free = 10**10
    assert watched.news() == "There is room on the disk again (/data): PostgreSQL goes on."
    assert watched.news() is None


def test_a_server_that_ended_on_a_full_disk_is_started_when_there_is_room(
    local_dir: Path,
    full_disk: Disk,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # No time is long enough: only room is waited for.
    monkeypatch.setattr(keeper, "_RESTART_WINDOW_SECONDS", 0.0)
    kept = Keeper(RedisService(local_dir))
    files = ServiceFiles(local_dir, "redis")
    with open_lock(files.holders) as held:
        assert try_lock(held, exclusive=False)
        restarting = threading.Thread(target=kept.restart)
        restarting.start()
        try:
            said: list[str] = []

            def says(text: str) -> bool:
                said.append(capsys.readouterr().err)
                return text in "".join(said)

            wait_until(lambda: says("The disk is full"), seconds=10)
            assert kept.server is None
            full_disk.free = 10**10
            restarting.join(30)
            assert kept.service.is_ready(kept.server.pid)
            assert says("There is room on the disk again")
        finally:
            full_disk.free = 10**10
            restarting.join(30)
            kept.stop()
