"""Connections are shared out among the web workers."""

import http.client
import signal
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.kit.http_server import WebServer
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory, django_db_setup) -> Iterator[WebServer]:
    made = WebServer(tmp_path_factory.mktemp("accepting") / "web.log", workers=2)
    yield made
    made.stop()


def workers(server: WebServer) -> list[psutil.Process]:
    """Both, once they accept: each has its processes by then, and has let go of our probe."""
    found: list[psutil.Process] = []

    def both_accept() -> bool:
        found[:] = workers_now(server)
        ready = len(found) == 2 and all(len(each.children()) == 3 for each in found)
        return ready and not any(shares(server, found))

    wait_until(both_accept, what="the workers did not start")
    return found


def connections(
    server: WebServer, process: psutil.Process, status: str = psutil.CONN_ESTABLISHED
) -> list[Any]:
    try:
        found = process.net_connections()
    except psutil.Error:  # it has ended since it was listed
        return []
    return [each for each in found if each.status == status and each.laddr.port == server.port]


def shares(server: WebServer, of: list[psutil.Process]) -> list[int]:
    return [len(connections(server, process)) for process in of]


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
    ports = {each.raddr.port for each in connections(server, leaver)}
    gone = [each for each in clients if each.sock.getsockname()[1] in ports]
    for each in gone:
        each.close()
    wait_until(lambda: not connections(server, leaver, psutil.CONN_CLOSE_WAIT))
    time.sleep(0.3)  # each tells the others ten times a second how many it has
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
