"""Clients that stop half-way, read nothing, or send what is no body: real sockets, hundreds."""

import json
import select
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from django.db import connection, transaction

from billing.models import PeriodCounter
from tests.kit.api import make_key
from tests.kit.http_server import ROOT, HttpClient, WebServer, head, raw, usage_body
from tests.kit.personas import make_workspace
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db(transaction=True)

STALLED = 500
SMALL_FILE = "/static/css/app.css"
LARGE_FILE = "/static/vendor/plotly/plotly-basic.min.js"


@pytest.fixture(scope="module")
def server(tmp_path_factory, django_db_setup) -> Iterator[WebServer]:
    with pytest.MonkeyPatch.context() as patch:
        # As if they had been collected.
        patch.setenv("STATIC_ROOT", str(ROOT / "static"))
        made = WebServer(tmp_path_factory.mktemp("stalled") / "web.log")
    yield made
    made.stop()


def seconds_to(ask: Callable[[], int], *, times: int = 20) -> float:
    """What a quarter of some took at most, each answered 200: others may use the machine."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        assert ask() == 200
        taken.append(time.perf_counter() - begin)
    return statistics.quantiles(taken, n=4)[0]


def health(service: HttpClient) -> int:
    service.http.request("GET", "/healthz")
    response = service.http.getresponse()
    response.read()
    return response.status


def resident_bytes(server: WebServer) -> int:
    family = psutil.Process(server.process.pid).children(recursive=True)
    return sum(each.memory_info().rss for each in family)


FORM = (
    b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\nusername="
)


def half_a_form(server: WebServer, key: str) -> bytes:
    return FORM


def half_a_batch(server: WebServer, key: str) -> bytes:
    return head("usage/batch/", key, "Content-Length: 90000") + b" " * 1000


def half_a_head(server: WebServer, key: str) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "


def files_never_read(server: WebServer, key: str) -> bytes:
    """Several, in one go: the next is answered when the one before has been taken."""
    files = [SMALL_FILE] * 4 + [LARGE_FILE]
    return "".join(f"GET {each} HTTP/1.1\r\nHost: localhost\r\n\r\n" for each in files).encode()


@pytest.mark.parametrize("stalled", [half_a_form, half_a_batch, half_a_head, files_never_read])
def test_hundreds_of_clients_that_stall_hold_up_nobody(
    server: WebServer, stalled: Callable[[WebServer, str], bytes]
) -> None:
    acme = make_workspace("Acme")
    key, other = make_key("usage:write"), make_key("usage:write", "usage:read")
    sent = stalled(server, key)
    service = HttpClient(server, other)
    # Everything is imported and connected by then.
    assert service.send("POST", "usage/batch/", {"records": [usage_body(acme, "0")]}).status == 200
    assert service.send("GET", "usage/").status == 200
    service.http.request("GET", LARGE_FILE, headers={"Host": "localhost"})
    answer = service.http.getresponse()
    assert (answer.status, len(answer.read()) > 1_000_000) == (200, True)
    asks = {
        "health": lambda: health(service),
        "admission": lambda: service.send("GET", f"workspaces/{acme.pk}/admission/").status,
        "list": lambda: service.send("GET", "usage/?limit=1").status,
        "connection": lambda: health(HttpClient(server, other)),
    }
    alone = {name: seconds_to(ask) for name, ask in asks.items()}
    before = resident_bytes(server)
    clients = []
    for _ in range(STALLED):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        client.sendall(sent)
        clients.append(client)

    service = HttpClient(server, other)
    batch = {"records": [usage_body(acme, "a")]}
    assert service.send("POST", "usage/batch/", batch).json["accepted"] == 1
    assert service.send("POST", "usage/", usage_body(acme, "b")).status == 201
    beside = {name: seconds_to(ask) for name, ask in asks.items()}
    assert resident_bytes(server) - before < 100 * 2**20
    for client in clients:
        client.close()
    for name, ask in asks.items():
        # 50 ms, on a machine that has nothing else to do; what it has may change meanwhile.
        again = max(alone[name], seconds_to(ask))
        assert beside[name] < max(0.05, 4 * again), name


def test_one_keys_blocked_and_stalled_batches_leave_room_for_others(server: WebServer) -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    key, other = make_key("usage:write"), make_key("usage:write", "usage:read")
    service = HttpClient(server, other)
    for owner in (acme, globex):
        batch = {"records": [usage_body(owner, "first")]}
        assert service.send("POST", "usage/batch/", batch).status == 200
    stalled = []
    for _ in range(132):
        stalled.append(socket.create_connection(("127.0.0.1", server.port)))
        stalled[-1].sendall(half_a_batch(server, key))

    def send(number: int) -> int:
        batch = {"records": [usage_body(acme, str(number))]}
        return HttpClient(server, key).send("POST", "usage/batch/", batch).status

    with ThreadPoolExecutor(10) as senders:
        with transaction.atomic():
            # Whoever counts something of Acme's waits from here on.
            assert len(PeriodCounter.objects.select_for_update().filter(period__workspace=acme))
            blocked = [senders.submit(send, number) for number in range(10)]
            deadline = time.monotonic() + 60
            while waiting_for_locks() < 2:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            for number in range(5):
                batch = {"records": [usage_body(globex, str(number))]}
                assert service.send("POST", "usage/batch/", batch).json["accepted"] == 1
            assert service.send("POST", "usage/", usage_body(globex, "single")).status == 201
            # No more than the key may have under way, whatever it sends.
            assert waiting_for_locks() == 2
        assert [each.result() for each in blocked] == [200] * 10
    for each in stalled:
        each.close()


def waiting_for_locks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return cursor.fetchone()[0]


def send_without_end(client: socket.socket, line: bytes) -> None:
    for _ in range(1000):
        client.sendall(line)
        time.sleep(0.001)


def test_a_head_or_a_body_that_does_not_come_is_given_up(server: WebServer) -> None:
    begin = time.monotonic()
    key = make_key("usage:write")
    sockets = {}
    for kind in (half_a_head, half_a_batch, half_a_form):
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(kind(server, key))
        sockets[client] = kind
    silent = socket.create_connection(("127.0.0.1", server.port))

    while sockets:
        ready, _, _ = select.select(sockets, [], [], 60)
        assert ready, "it is still waited for"
        for client in ready:
            assert client.recv(65_536).startswith(b"HTTP/1.1 408 ")
            del sockets[client]
    silent.settimeout(60)
    assert silent.recv(100) == b""
    assert time.monotonic() - begin > 10


def test_what_comes_after_a_chunked_body_is_bounded_and_says_nothing(server: WebServer) -> None:
    acme = make_workspace("Acme")
    key = make_key("usage:write")
    body = json.dumps(usage_body(acme, "a")).encode()
    chunked = b"Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n"
    start = b"POST /api/v1/usage/ HTTP/1.1\r\nHost: localhost\r\n" + chunked + b"\r\n"
    chunks = b"%x\r\n%b\r\n0\r\n" % (len(body), body)
    trailer = b"Authorization: Bearer " + key.encode() + b"\r\nConnection: close\r\n\r\n"

    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall(start + chunks)
        client.sendall(trailer)
        assert client.recv(65_536).startswith(b"HTTP/1.1 401 ")
    assert not UsageRecord.objects.exists()

    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall(head("usage/", key, "Transfer-Encoding: chunked") + chunks)
        with pytest.raises(OSError):  # noqa: PT011 - the connection is closed, one way or another
            send_without_end(client, b"X-Trailer: " + b"x" * 10_000 + b"\r\n")


@pytest.mark.parametrize("host", ["", "Host:", "Host: elsewhere.test"])
def test_a_request_without_a_host_of_ours_is_refused(server: WebServer, host: str) -> None:
    acme = make_workspace("Acme")
    key = make_key("usage:read")
    # First one without any, which is served by the server's own name.
    for line in ("", host):
        lines = [f"GET /api/v1/workspaces/{acme.pk}/admission/ HTTP/1.1", line]
        lines += [f"Authorization: Bearer {key}", "Connection: close"]
        answer = raw(server, "\r\n".join([*filter(None, lines), "", ""]).encode())
    assert answer.startswith(b"HTTP/1.1 200 " if not host else b"HTTP/1.1 400 ")


def test_headers_with_an_underscore_are_not_read(server: WebServer) -> None:
    acme = make_workspace("Acme")
    key = make_key("usage:read")
    path = f"/api/v1/workspaces/{acme.pk}/admission/"
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"

    forged = raw(server, f"{request}authorization_: Bearer {key}\r\n\r\n".encode())
    beside = f"{request}Authorization: Bearer {key}\r\nX_Forwarded_Host: evil.test\r\n\r\n"

    assert forged.startswith(b"HTTP/1.1 401 ")
    assert raw(server, beside.encode()).startswith(b"HTTP/1.1 200 ")
