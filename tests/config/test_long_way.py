"""A WSGI application behind an event loop: what it is told, and what becomes of its answer."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from config.longway import LongWay

SCOPE = {
    "type": "http",
    "method": "POST",
    "scheme": "http",
    "http_version": "1.1",
    "path": "/caf\ufffd/",
    "raw_path": b"/caf%E9/%2Fx",
    "query_string": b"q=%20a&b=\xc3\xa9",
    "headers": [
        (b"host", b"localhost"),
        (b"content-length", b"7"),
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"x_forwarded_for", b"6.6.6.6"),
        (b"x-twice", b"1"),
        (b"x-twice", b"2"),
    ],
    "server": ("127.0.0.1", 8000),
    "client": ("127.0.0.9", 1234),
}


def ask(
    application: Callable[..., Iterable[bytes]],
    *received: dict[str, Any],
    leaves_after: int | None = None,
) -> list[dict[str, Any]]:
    """What the application sends to a client that sends a body, and may leave."""

    async def exchange() -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
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

        await LongWay(application, threads=1)(dict(SCOPE), receive, send)
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
    assert seen["PATH_INFO"] == "/caf\xe9//x"
    assert seen["QUERY_STRING"] == "q=%20a&b=%C3%A9"
    assert (seen["REMOTE_ADDR"], seen["SERVER_PORT"]) == ("127.0.0.9", "8000")
    assert (seen["CONTENT_LENGTH"], seen["HTTP_HOST"]) == ("7", "localhost")
    # What a client could pass off as the header that a proxy vouches for.
    assert seen["HTTP_X_FORWARDED_FOR"] == "10.0.0.1"
    assert seen["HTTP_X_TWICE"] == "1,2"
    assert seen["wsgi.input_terminated"] is True


def test_a_body_is_read_as_it_comes():
    def application(environ, start_response):
        start_response("200 OK", [])
        return [environ["wsgi.input"].readline(), b"|", environ["wsgi.input"].read()]

    sent = ask(application, part(b"on"), part(b""), part(b"e\ntw"), part(b"o", more=False))

    assert body_of(sent) == b"one\n|two"


def test_a_body_that_breaks_off_is_no_whole_body():
    def application(environ, start_response):
        start_response("200 OK", [])
        with pytest.raises(OSError, match="went away"):
            environ["wsgi.input"].read()
        return [b"noticed"]

    assert body_of(ask(application, part(b"half"), {"type": "http.disconnect"})) == b"noticed"


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
                yield b"x" * 70_000
        finally:
            closed.append(True)

    def application(environ, start_response):
        start_response("200 OK", [])
        environ["wsgi.input"].read()
        return lines()

    ask(application, leaves_after=3)

    assert len(made) < 20
    assert closed == [True]
