"""A load generator that is not the bottleneck: prepared bytes over raw sockets.

Runs in a process of its own, which reports the CPU it took. `run` returns when its time is over or
its requests are used up; it only ever talks to 127.0.0.1.
"""

import multiprocessing
import selectors
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Result:
    """Of one run: `latencies` in seconds, one a request."""

    requests: int = 0
    failures: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    first_failure: str = ""

    def percentile(self, percent: float) -> float:
        """In milliseconds."""
        ordered = sorted(self.latencies)
        if not ordered:
            return 0.0
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1000


def request_bytes(
    *, method: str, path: str, key: str, body: bytes = b"", content_type: str = "application/json"
) -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Client:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self.out = memoryview(b"")
        self.received = b""

    def start(self, request: bytes) -> None:
        self.sent_at = time.perf_counter()
        self.received = b""
        self.out = memoryview(request)
        self.push()

    def push(self) -> None:
        self.socket.setblocking(False)
        try:
            while self.out:
                self.out = self.out[self.socket.send(self.out) :]
        except BlockingIOError:
            return

    def answer(self) -> tuple[int, bytes] | None:
        """Status and body once the whole answer is there."""
        data = self.socket.recv(65_536)
        if not data:
            raise ConnectionError("the server hung up")
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return None
        lowered = head.lower()
        start = lowered.index(b"content-length:") + 15
        length = int(lowered[start:].split(b"\r\n", 1)[0])
        return (int(head[9:12]), body) if len(body) >= length else None


def run(
    *, port: int, requests: Iterable[bytes], concurrency: int, seconds: float, expect: set[int]
) -> Result:
    """Send the requests, each once, `concurrency` at a time, for at most `seconds`."""
    result = Result()
    queue = iter(requests)
    selector = selectors.DefaultSelector()
    began = time.perf_counter()
    cpu = time.process_time()
    open_clients = 0
    for _ in range(concurrency):
        request = next(queue, None)
        if request is None:
            break
        client = _Client(port)
        client.start(request)
        selector.register(client.socket, _events(client), client)
        open_clients += 1
    while open_clients:
        for key, events in selector.select(timeout=30):
            client = key.data
            if events & selectors.EVENT_WRITE:
                client.push()
                selector.modify(client.socket, _events(client), client)
            if not events & selectors.EVENT_READ:
                continue
            found = client.answer()
            if found is None:
                continue
            now = time.perf_counter()
            result.requests += 1
            result.latencies.append(now - client.sent_at)
            if found[0] not in expect or (
                b'"rejected":0' not in found[1] and b'"rejected"' in found[1]
            ):
                result.failures += 1
                result.first_failure = result.first_failure or f"{found[0]} {found[1][:300]!r}"
            request = next(queue, None) if now - began < seconds else None
            if request is None:
                selector.unregister(client.socket)
                client.socket.close()
                open_clients -= 1
                continue
            client.start(request)
            selector.modify(client.socket, _events(client), client)
    result.seconds = time.perf_counter() - began
    result.cpu_seconds = time.process_time() - cpu
    return result


def _events(client: _Client) -> int:
    return selectors.EVENT_READ | (selectors.EVENT_WRITE if client.out else 0)


def _in_child(pipe, arguments):  # type: ignore[no-untyped-def]
    pipe.send(run(**arguments))
    pipe.close()


class Running:
    """A run in a process of its own."""

    def __init__(self, **arguments: object) -> None:
        # Forked: the prepared requests are shared, not copied.
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_in_child, args=(theirs, arguments))
        self._process.start()
        theirs.close()

    def result(self) -> Result:
        found: Result = self._pipe.recv()
        self._process.join()
        return found
