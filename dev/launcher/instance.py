"""One launcher at a time in a `LOCAL_DIR`, and the end of what a killed one left behind."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil

from dev.embedded.files import make_local_dir, open_lock, try_lock, write_atomically
from dev.launcher.children import Child
from dev.launcher.errors import LauncherError

_STOP_SECONDS = 5


@contextlib.contextmanager
def only_instance(local_dir: Path) -> Iterator[None]:
    """Hold `LOCAL_DIR` for this launcher; raises LauncherError while another has it."""
    make_local_dir(local_dir)
    with open_lock(local_dir / "run" / "launcher.lock") as lock:
        if not try_lock(lock, exclusive=True):
            raise LauncherError(
                f"already running with the data in {local_dir}{_as_whom(local_dir)}."
            )
        _end_leftovers(local_dir)
        try:
            yield
        finally:
            _state_file(local_dir).unlink(missing_ok=True)


def remember(local_dir: Path, *, url: str, children: list[Child]) -> None:
    """Note what runs, for the next launcher in case this one is killed."""
    state = {
        "pid": os.getpid(),
        "url": url,
        "children": [
            [child.process.pid, psutil.Process(child.process.pid).create_time()]
            for child in children
            if child.is_running
        ],
    }
    write_atomically(_state_file(local_dir), json.dumps(state))


def _state_file(local_dir: Path) -> Path:
    return local_dir / "run" / "launcher.json"


def _as_whom(local_dir: Path) -> str:
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
        state = json.loads(_state_file(local_dir).read_text(encoding="utf-8"))
        return f": {state['url']} (process {state['pid']})"
    return ""


def _end_leftovers(local_dir: Path) -> None:
    """End the children of a launcher that was killed; each leads a process group."""
    try:
        state = json.loads(_state_file(local_dir).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    leftovers = []
    for pid, created_at in state["children"]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            # The number may be another's by now; the time of birth is not.
            if process.create_time() == created_at:
                process.terminate()
                leftovers.append(process)
    psutil.wait_procs(leftovers, timeout=_STOP_SECONDS)
    for process in leftovers:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    psutil.wait_procs(leftovers, timeout=_STOP_SECONDS)
