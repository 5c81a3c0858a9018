"""A WSGI application behind an event loop: what it is told, and what becomes of its answer."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest

from billing.api.bodies import ClientLeft, CollectedBody
from config.serving.django_bridge import DjangoBridge, _Response

SCOPE = {
    "type": "http",
    "method": "POST",
    "scheme": "http",
    "http_version": "1.1",
    "path": "/café//x",
    "query_string": b"q=%20a",
    "server": ("127.0.0.1", 8000),
    "client": ("127.0.0.9", 1234),
}

HEADERS = [
    (b"host", b"localhost"),
    (b"transfer-encoding", b"chunked"),
    (b"x-forwarded-for", b"10.0.0.1"),
    (b"x_forwarded_proto", b"https"),
]


def ask(
    application: Callable[..., Iterable[bytes]],
    *received: dict[str, Any],
    headers: list[tuple[bytes, bytes]] = HEADERS,
    leaves_after: int | None = None,
    sent: list[dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """What the application sends to a client that sends a body, and may leave."""

    sent = [] if sent is None else sent

    async def exchange() -> list[dict[str, Any]]:
        left = asyncio.Event()
        incoming = list(received) or [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            if incoming:
                return incoming.pop(0)
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)
            if leaves_after is not None and len(sent) > leaves_after:
                left.set()
            await asyncio.sleep(0)

        bridge = DjangoBridge(application, threads=1)
        request = ASGIRequest({**SCOPE, "headers": headers}, None)
        body = CollectedBody(request.META, receive)
        await body.collect()
        await bridge.respond(request, body, receive, send)
        body.close()
        bridge.stop()
        return sent

    return asyncio.run(exchange())


def part(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def body_of(sent: list[dict[str, Any]]) -> bytes:
    assert [message["more_body"] for message in sent[1:]][-1] is False
    return b"".join(message["body"] for message in sent[1:])


def test_the_application_is_told_what_a_wsgi_server_tells():
    seen: dict[str, Any] = {}

    def application(environ, start_response):
        seen.update(environ)
        start_response("204 No Content", [("X-Answer", "yes")])
        return []

    head, last = ask(application)

    assert head["status"] == 204
    assert head["headers"] == [(b"x-answer", b"yes")]
    assert last["body"] == b""
    assert seen["PATH_INFO"].encode("latin-1").decode() == "/café//x"
    assert seen["QUERY_STRING"] == "q=%20a"
    assert (seen["REMOTE_ADDR"], seen["SERVER_PORT"]) == ("127.0.0.9", "8000")
    # All of the body is here, however it came.
    assert (seen["CONTENT_LENGTH"], "HTTP_TRANSFER_ENCODING" in seen) == ("0", False)
    assert (seen["HTTP_HOST"], seen["HTTP_X_FORWARDED_FOR"]) == ("localhost", "10.0.0.1")
    assert "HTTP_X_FORWARDED_PROTO" not in seen


def test_a_body_is_read_once_it_has_come():
    def application(environ, start_response):
        start_response("200 OK", [])
        return [environ["wsgi.input"].readline(), b"|", environ["wsgi.input"].read()]

    sent = ask(application, part(b"on"), part(b""), part(b"e\ntw"), part(b"o", more=False))

    assert body_of(sent) == b"one\n|two"


def test_nothing_is_run_for_a_body_that_breaks_off():
    def application(environ, start_response):
        raise AssertionError("it was run")

    with pytest.raises(ClientLeft):
        ask(application, part(b"half"), {"type": "http.disconnect"})


def test_many_small_pieces_are_sent_as_a_few():
    def application(environ, start_response):
        start_response("200 OK", [])
        environ["wsgi.input"].read()
        return (b"%06d\n" % number for number in range(50_000))

    sent = ask(application)

    assert body_of(sent) == b"".join(b"%06d\n" % number for number in range(50_000))
    assert 5 < len(sent) < 50


def test_nothing_more_is_made_for_a_client_that_has_left():
    made: list[int] = []
    closed: list[bool] = []

    def lines() -> Iterator[bytes]:
        try:
            for number in range(1_000):
                made.append(number)
                time.sleep(0.01)
                yield b"x" * 70_000
        finally:
            closed.append(True)

    def application(environ, start_response):
        start_response("200 OK", [])
        environ["wsgi.input"].read()
        return lines()

    ask(application, leaves_after=3)

    assert len(made) < 500
    assert closed == [True]


def test_an_answer_that_takes_long_is_passed_on_while_it_is_made():
    first_has_come = threading.Event()

    def application(environ, start_response):
        start_response("200 OK", [])
        yield b"first"
        assert first_has_come.wait(30)
        yield b"second"

    class Sent(list):
        def append(self, message):
            if message.get("body"):
                first_has_come.set()
            super().append(message)

    assert body_of(ask(application, sent=Sent())) == b"firstsecond"


def test_who_asks_without_a_body_is_sent_all_of_an_answer_of_many_pieces():
    def application(environ, start_response):
        start_response("200 OK", [])
        return [b"x" * 1_000_000]

    # Nobody reads the empty body before; the server still tells it before that a client has left.
    sent = ask(application, headers=HEADERS[:1])

    assert len(sent) > 10
    assert len(body_of(sent)) == 1_000_000


def test_a_thread_does_not_wait_for_a_client_that_reads_slowly():
    made = threading.Event()

    def application(environ, start_response):
        start_response("200 OK", [])
        yield from [b"x" * 1_000_000] * 3
        made.set()

    class Slow(list):
        def append(self, message):
            assert made.wait(30)
            super().append(message)

    assert len(body_of(ask(application, sent=Slow()))) == 3_000_000


def test_an_answer_goes_out_as_soon_as_it_is_made():
    def application(environ, start_response):
        start_response("200 OK", [])
        return [b"done"]

    begin = time.monotonic()
    for _ in range(10):
        assert body_of(ask(application)) == b"done"
    # Each would take half a second if it were looked for now and then.
    assert time.monotonic() - begin < 3


def test_a_thread_can_write_at_any_moment_while_the_loop_reads():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        # One in five of them broke off while reading took a view of what is written.
        for _ in range(50):
            response = _Response()
            made = threading.Event()

            def write(response: _Response = response, made: threading.Event = made) -> None:
                response.make(lambda environ, start: [b"x" * 20] * 3000, {})
                made.set()

            thread = threading.Thread(target=write)
            thread.start()
            read = 0
            while thread.is_alive():
                read += len(response.next_piece())
            while piece := response.next_piece():
                read += len(piece)
            response.close()
            assert (made.is_set(), read) == (True, 60_000)
    finally:
        sys.setswitchinterval(interval)
