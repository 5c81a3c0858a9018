"""Connections are shared out among the web workers."""

import http.client
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.kit.http_server import WebServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    made = WebServer(tmp_path / "web.log", workers=2)
    yield made
    made.stop()


def workers(server: WebServer) -> list[psutil.Process]:
    """Both, once they accept: each has its processes by then, and has let go of our probe."""
    deadline = time.monotonic() + 60
    while True:
        found = psutil.Process(server.process.pid).children()
        ready = len(found) == 2 and all(len(each.children()) == 3 for each in found)
        if ready and not any(shares(server, found)):
            return found
        assert time.monotonic() < deadline, "the workers did not start"
        time.sleep(0.05)


def shares(server: WebServer, of: list[psutil.Process]) -> list[int]:
    return [
        sum(
            each.status == psutil.CONN_ESTABLISHED and each.laddr.port == server.port
            for each in process.net_connections()
        )
        for process in of
    ]


def client(server: WebServer) -> http.client.HTTPConnection:
    """Stays connected."""
    made = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    made.request("GET", "/healthz")
    made.getresponse().read()
    return made


def test_clients_that_stay_are_shared_out(server):
    both = workers(server)

    clients = [client(server) for _ in range(20)]

    assert min(shares(server, both)) >= 7
    # Whoever has lost some gets the next ones.
    leaver = both[0]
    ports = {each.raddr.port for each in leaver.net_connections() if each.raddr}
    gone = [each for each in clients if each.sock.getsockname()[1] in ports]
    for each in gone:
        each.close()
    time.sleep(0.2)
    clients += [client(server) for _ in gone]
    assert min(shares(server, both)) >= 7
    for each in clients:
        each.close()


def test_a_worker_that_hangs_or_dies_holds_up_nobody(server):
    first, second = workers(server)
    clients = [client(server) for _ in range(4)]
    before = shares(server, [second])

    first.send_signal(signal.SIGSTOP)
    clients += [client(server) for _ in range(10)]
    hung = shares(server, [second])
    first.kill()
    clients += [client(server) for _ in range(10)]

    assert hung == [before[0] + 10]
    assert sum(shares(server, workers_now(server))) >= 20
    for each in clients:
        each.close()


def workers_now(server: WebServer) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children()
