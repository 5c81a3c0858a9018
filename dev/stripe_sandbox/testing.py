"""The sandbox as a subprocess, for pytest fixtures and scripts."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

# dj-stripe wants at least 24 letters and digits after the prefix.
TEST_KEY = "sk_test_sandbox0000000000000000000001"
# Of an account of its own in the same sandbox (`accounts`).
ANOTHER_KEY = "sk_test_anotherUs00000000000000000001"
START_SECONDS = 60.0


class SandboxProcess:
    """``with SandboxProcess(tmp_path) as sandbox:`` runs one on a free port.

    A second start with the same ``state_dir`` finds the first one's data.
    """

    def __init__(self, state_dir: Path | str, *, key: str = TEST_KEY, port: int = 0) -> None:
        self.state_dir = Path(state_dir)
        self.key = key
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the sandbox is not running"
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Return once it answers; RuntimeError with its output if it does not start."""
        self.state_dir.mkdir(parents=True, exist_ok=True)
        port_file = self.state_dir / "port"
        port_file.unlink(missing_ok=True)
        log = self.state_dir / "sandbox.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "dev.stripe_sandbox"),
                    *("--port", str(self.port), "--state-dir", str(self.state_dir)),
                    *("--key", self.key, "--port-file", str(port_file), "--until-eof"),
                ],
                stdin=subprocess.PIPE,
                cwd=Path(__file__).resolve().parents[2],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_SECONDS
        while not port_file.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"The Stripe sandbox did not start: {log.read_text()[-2000:]}")
            time.sleep(0.01)
        self.port = int(port_file.read_text())

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        return self._end("terminate")

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        self._end("kill")

    def inject(
        self,
        kind: str,
        *,
        path: str = "/v1/",
        method: str = "",
        count: int = 1,
        skip: int = 0,
        seconds: float = 0.0,
    ) -> None:
        """Order a fault (see `faults`) for the next ``count`` matching requests."""
        rule = {"kind": kind, "path": path, "method": method, "count": count, "skip": skip}
        self.control("POST", "faults", **rule, seconds=seconds)

    def faults(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "faults")["faults"]
        return found

    def clear_faults(self) -> None:
        self.control("DELETE", "faults")

    def advance(self, seconds: int) -> None:
        self.control("POST", "advance", seconds=seconds)

    def requests(self) -> list[dict[str, Any]]:
        """What came to the API, oldest first: method, path, params, idempotency_key, status."""
        found: list[dict[str, Any]] = self.control("GET", "requests")["requests"]
        return found

    def clear_requests(self) -> None:
        self.control("DELETE", "requests")

    def pause_webhooks(self) -> None:
        self.control("POST", "pause_webhooks")

    def resume_webhooks(self) -> None:
        self.control("POST", "resume_webhooks")

    def deliveries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "deliveries")["deliveries"]
        return found

    def drop_deliveries(self) -> None:
        """Lose the webhooks that have not been delivered yet."""
        self.control("DELETE", "deliveries")

    def limit_rate(self, per_second: int | None) -> None:
        """Answer 429 above so many requests a second; None lifts the limit."""
        self.control("POST", "rate_limit", per_second=per_second)

    def wait_for_webhooks(self, timeout: float = 10.0) -> None:
        """Until nothing is due or under way; TimeoutError after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while not self.control("GET", "deliveries")["idle"]:
            if time.monotonic() > deadline:
                raise TimeoutError("webhook deliveries are still under way")
            time.sleep(0.02)

    def resend(self, event: str, *, times: int = 1, endpoint: str | None = None) -> None:
        self.control("POST", "resend", event=event, times=times, endpoint=endpoint)

    def open_dispute(self, charge: str, *, reason: str = "fraudulent") -> dict[str, Any]:
        return self.control("POST", "open_dispute", charge=charge, reason=reason)

    def close_dispute(self, dispute: str, *, status: str) -> dict[str, Any]:
        return self.control("POST", "close_dispute", dispute=dispute, status=status)

    def revoke(self, key: str, *, account: str = "") -> None:
        """Take the key of an account no more, until `reset`."""
        self.control("POST", "revoke", key=key, account=account)

    def reset(self, *, keep_endpoints: bool = False) -> None:
        self.control("POST", "reset", keep_endpoints=keep_endpoints)

    def remember(self) -> None:
        """Keep what is there, for tests that begin with the same: `recall` brings it back."""
        self.control("POST", "remember")

    def recall(self) -> None:
        self.control("POST", "recall")

    def control(self, method: str, name: str, /, **body: Any) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.url}/_sandbox/{name}",
            method=method,
            data=json.dumps(body).encode() if method == "POST" else None,
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode()) from error
        return answer

    def _end(self, how: str) -> int:
        if self._process is None:
            return 0
        if self._process.poll() is None:
            getattr(self._process, how)()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        status: int = self._process.returncode
        self._process = None
        return status
