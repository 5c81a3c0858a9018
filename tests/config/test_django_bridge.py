"""Django's handler behind an event loop: what it is asked, and what becomes of its answer."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from billing.api.bodies import ClientLeft, CollectedBody, body_file
from config.serving.django_bridge import DjangoBridge, _Answer

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
    respond: Callable[[HttpRequest], HttpResponseBase],
    *received: dict[str, Any],
    headers: list[tuple[bytes, bytes]] = HEADERS,
    leaves_after: int | None = None,
    sent: list[dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """What is sent to a client that sends a body, and may leave."""

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

        bridge = DjangoBridge(respond, threads=1)
        file = body_file()
        request = ASGIRequest({**SCOPE, "headers": headers}, file)
        body = CollectedBody(request.META, receive, file)
        await body.collect()
        await bridge.answer(request, body, receive, send)
        body.close()
        bridge.stop()
        return sent

    return asyncio.run(exchange())


def part(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def body_of(sent: list[dict[str, Any]]) -> bytes:
    assert [message["more_body"] for message in sent[1:]][-1] is False
    return b"".join(message["body"] for message in sent[1:])


def test_the_request_says_what_came():
    seen: list[HttpRequest] = []

    def respond(request):
        seen.append(request)
        response = HttpResponse(status=204, headers={"X-Answer": "yes"})
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    head, last = ask(respond)

    assert head["status"] == 204
    assert (b"x-answer", b"yes") in head["headers"]
    assert [value[:4] for name, value in head["headers"] if name == b"set-cookie"] == [
        b"a=1;",
        b"b=2;",
    ]
    assert last["body"] == b""
    request = seen[0]
    assert request.path == "/café//x"
    meta = request.META
    assert meta["QUERY_STRING"] == "q=%20a"
    assert (meta["REMOTE_ADDR"], meta["SERVER_PORT"]) == ("127.0.0.9", "8000")
    # All of the body is here, however it came.
    assert (meta["CONTENT_LENGTH"], "HTTP_TRANSFER_ENCODING" in meta) == ("0", False)
    assert (meta["HTTP_HOST"], meta["HTTP_X_FORWARDED_FOR"]) == ("localhost", "10.0.0.1")
    assert "HTTP_X_FORWARDED_PROTO" not in meta


def test_a_body_is_read_once_it_has_come():
    def respond(request):
        return HttpResponse([request.readline(), b"|", request.read()])

    sent = ask(respond, part(b"on"), part(b""), part(b"e\ntw"), part(b"o", more=False))

    assert body_of(sent) == b"one\n|two"


def test_a_form_that_comes_in_chunks_is_read():
    def respond(request):
        return HttpResponse(request.POST["name"])

    form = (b"content-type", b"application/x-www-form-urlencoded")
    sent = ask(respond, part(b"name=Ac"), part(b"me", more=False), headers=[*HEADERS, form])

    assert body_of(sent) == b"Acme"


def test_nothing_is_run_for_a_body_that_breaks_off():
    def respond(request):
        raise AssertionError("it was run")

    with pytest.raises(ClientLeft):
        ask(respond, part(b"half"), {"type": "http.disconnect"})


def test_many_small_pieces_are_sent_as_a_few():
    def respond(request):
        return StreamingHttpResponse(b"%06d\n" % number for number in range(50_000))

    sent = ask(respond)

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

    def respond(request):
        return StreamingHttpResponse(lines())

    ask(respond, leaves_after=3)

    assert len(made) < 500
    assert closed == [True]


def test_an_answer_that_takes_long_is_passed_on_while_it_is_made():
    first_has_come = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"first"
        assert first_has_come.wait(30)
        yield b"second"

    def respond(request):
        return StreamingHttpResponse(pieces())

    class Sent(list):
        def append(self, message):
            if message.get("body"):
                first_has_come.set()
            super().append(message)

    assert body_of(ask(respond, sent=Sent())) == b"firstsecond"


def test_who_asks_without_a_body_is_sent_all_of_an_answer_of_many_pieces():
    def respond(request):
        return HttpResponse(b"x" * 1_000_000)

    # Nobody reads the empty body before; the server still tells it before that a client has left.
    sent = ask(respond, headers=HEADERS[:1])

    assert len(sent) > 10
    assert len(body_of(sent)) == 1_000_000


def test_a_thread_does_not_wait_for_a_client_that_reads_slowly():
    made = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield from [b"x" * 1_000_000] * 3
        made.set()

    def respond(request):
        return StreamingHttpResponse(pieces())

    class Slow(list):
        def append(self, message):
            assert made.wait(30)
            super().append(message)

    assert len(body_of(ask(respond, sent=Slow()))) == 3_000_000


def test_an_answer_goes_out_as_soon_as_it_is_made():
    def respond(request):
        return HttpResponse(b"done")

    begin = time.monotonic()
    for _ in range(10):
        assert body_of(ask(respond)) == b"done"
    # Each would take half a second if it were looked for now and then.
    assert time.monotonic() - begin < 4.5


def test_a_thread_can_write_at_any_moment_while_the_loop_reads():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        # One in five of them broke off while reading took a view of what is written.
        for _ in range(50):
            answer = _Answer()
            made = threading.Event()

            def write(answer: _Answer = answer, made: threading.Event = made) -> None:
                pieces = StreamingHttpResponse([b"x" * 20] * 3000)
                answer.make(lambda _: pieces, ASGIRequest({**SCOPE, "headers": HEADERS}, None))
                made.set()

            thread = threading.Thread(target=write)
            thread.start()
            read = 0
            while thread.is_alive():
                read += len(answer.next_piece())
            while piece := answer.next_piece():
                read += len(piece)
            answer.file.close()
            assert (made.is_set(), read) == (True, 60_000)
    finally:
        sys.setswitchinterval(interval)
