"""The processes that the launcher runs: their start, their logs, their end."""

import contextlib
import ctypes
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.embedded.service import PROJECT_ROOT
from dev.launcher.errors import LauncherError
from dev.launcher.terminal import tail

_LOG_BYTES_KEPT = 10 * 1024 * 1024
_POLL_SECONDS = 0.05
_QUIT_SECONDS = 1
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Child:
    """One running process, the leader of a group of its own."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def why_ended(self) -> str:
        """That it ended, how, and the end of its log."""
        how = _in_words(self.process.returncode)
        return f"{self.name} ended ({how}); the end of {self.log}:\n{tail(self.log)}"


def start(name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> Child:
    """Run `python -m <command>`, its output appended to `log`.

    In a session of its own, so that Ctrl-C reaches the launcher alone, which
    then stops its children in order.
    """
    if log.exists() and log.stat().st_size > _LOG_BYTES_KEPT:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=PROJECT_ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=functools.partial(_end_with_parent, os.getpid()),  # noqa: PLW1509
        )
    return Child(name, process, log)


def run(command: Sequence[str], *, environment: Mapping[str, str]) -> int:
    """Run `python -m <command>` on this terminal to its end and return its exit code.

    When the launcher is interrupted the command is ended too.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=PROJECT_ROOT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=functools.partial(_end_with_parent, os.getpid()),  # noqa: PLW1509
    )
    try:
        return process.wait()
    except BaseException:
        stop([Child(command[0], process, Path(os.devnull))], within_seconds=2)
        raise


def stop(children: Sequence[Child], *, within_seconds: float) -> None:
    """Ask all of them to end, then end what has not, with everything they started."""
    for child in children:
        if child.is_running:
            child.process.terminate()
    deadline = time.monotonic() + within_seconds
    while any(child.is_running for child in children) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    late = [child for child in children if child.is_running]
    for child in late:
        # Celery's worker puts unfinished tasks back into their queue before it goes.
        child.process.send_signal(signal.SIGQUIT)
    deadline = time.monotonic() + _QUIT_SECONDS
    while any(child.is_running for child in late) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    for child in children:
        # The group outlives its leader when a grandchild hangs.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()


def require_running(children: Sequence[Child]) -> None:
    """Raise LauncherError with the end of its log when one of them has ended."""
    for child in children:
        if not child.is_running:
            raise LauncherError(child.why_ended())


def _end_with_parent(parent: int) -> None:
    """Let Linux end this process when the launcher is killed without a chance to do so."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)


def _in_words(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
