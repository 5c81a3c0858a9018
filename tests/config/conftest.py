"""A `LOCAL_DIR` of a test's own, and processes that use the embedded servers in it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev.embedded.files import ServiceFiles, is_locked_exclusively, make_local_dir
from dev.embedded.placement import remove_data
from dev.embedded.service import PROJECT_ROOT
from tests.kit.waiting import wait_until

HOLD = """
import sys
from pathlib import Path
from dev.embedded import postgres, redis
local_dir = Path(sys.argv[2])
server = {"postgres": postgres, "redis": redis}[sys.argv[1]]
print(server.ensure_running(local_dir), flush=True)
sys.stdin.read()
"""


class Holder:
    """A process that uses one embedded server until it is told to leave, or killed."""

    def __init__(self, server: str, local_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, server, str(local_dir)],
            cwd=PROJECT_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.address = (self.process.stdout.readline() if self.process.stdout else "").strip()

    def leave(self) -> None:
        self.process.communicate()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def local_dir() -> Iterator[Path]:
    # Not pytest's tmp_path: PostgreSQL, run by root, could not enter that.
    parent = Path(tempfile.mkdtemp(prefix="local-"))
    parent.chmod(0o711)
    make_local_dir(parent / "local")
    yield parent / "local"
    for server in ("postgres", "redis"):
        keeper = ServiceFiles(parent / "local", server).keeper
        wait_until(lambda keeper=keeper: not is_locked_exclusively(keeper))
    remove_data(parent / "local" / "pg")
    shutil.rmtree(parent)


@pytest.fixture
def hold(local_dir: Path) -> Iterator[Callable[[str], Holder]]:
    holders: list[Holder] = []

    def start(server: str) -> Holder:
        holders.append(Holder(server, local_dir))
        return holders[-1]

    yield start
    for holder in holders:
        if holder.process.poll() is None:
            holder.kill()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
