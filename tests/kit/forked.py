"""Processes that find ready what each would take seconds for: one is made ready, and forks them.

Each is a process of its own, which may be killed like any other.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
DJANGO = "import django\ndjango.setup()"


class Forked:
    """One of them. Its end is told by the process that forked it."""

    def __init__(self, of: "Ready", pid: int) -> None:
        self._of, self.pid = of, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._ended("poll")

    def wait(self) -> int:
        ended = self._ended("wait")
        assert ended is not None
        return ended

    def kill(self) -> None:
        # Until its end has been told nobody else gets its number.
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)

    def _ended(self, how: str) -> int | None:
        if self.returncode is None:
            self.returncode = self._of.ask(how, pid=self.pid)
        return self.returncode


class Ready:
    """Runs `made_ready` once, where nothing but `environment` is set."""

    def __init__(self, made_ready: str, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.kit.forked", made_ready],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def start(self, code: str) -> Forked:
        return Forked(self, self.ask("start", code=code))

    def run(self, code: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """To its end, in another environment, with what it said."""
        with tempfile.TemporaryDirectory() as directory:
            files = [str(Path(directory) / name) for name in ("stdout", "stderr")]
            pid = self.ask("start", code=code, environment=dict(environment), files=files)
            status = Forked(self, pid).wait()
            return subprocess.CompletedProcess(code, status, *(Path(f).read_text() for f in files))

    def ask(self, what: str, **facts: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"what": what, **facts}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def _fork(
    code: str, environment: dict[str, str] | None = None, files: list[str] | None = None
) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        sys.argv = ["-c"]
        os.close(0)
        os.dup2(2, 1)  # where answers go is its parent's
        for number, name in enumerate(files or (), 1):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)
        if environment is not None:
            os.environ.clear()
            os.environ.update(environment)
        exec(compile(code, "<forked>", "exec"), {"__name__": "__main__"})
        status = 0
    except BaseException:  # noqa: BLE001 - said, and told by the status
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _ended(pid: int, options: int) -> int | None:
    found, status = os.waitpid(pid, options)
    return os.waitstatus_to_exitcode(status) if found else None


def main() -> None:
    exec(compile(sys.argv[1], "<made ready>", "exec"), {})
    for line in sys.stdin:
        asked = json.loads(line)
        what = asked.pop("what")
        if what == "start":
            answer: int | None = _fork(**asked)
        else:
            answer = _ended(asked["pid"], os.WNOHANG if what == "poll" else 0)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
