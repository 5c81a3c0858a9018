"""Static files from the event loop: Django's answers, without its threads."""

import asyncio
import gzip
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.security import SecurityMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

from billing.api.bodies import body_file
from config.serving.application import Application

SMALL, LARGE = b"p { color: navy }\n" * 100, b"0123456789abcdef" * 20_000


@pytest.fixture(autouse=True)
def collected(tmp_path: Path, settings: Any) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.WHITENOISE_AUTOREFRESH = False
    (tmp_path / "small.css").write_bytes(SMALL)
    (tmp_path / "small.css.gz").write_bytes(gzip.compress(SMALL))
    (tmp_path / "large.js").write_bytes(LARGE)


@pytest.fixture
def application(collected: None) -> Iterator[Application]:
    made = Application((), threads=1)
    yield made
    made.stop()


def scope(path: str, method: str = "GET", **headers: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "scheme": "http",
        "http_version": "1.1",
        "path": path,
        "query_string": b"",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.9", 1234),
        "headers": [(b"host", b"localhost")]
        + [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
    }


def receiving() -> Callable[[], Awaitable[dict[str, Any]]]:
    """A client that has asked without a body, and stays."""
    incoming = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not incoming:
            await asyncio.Event().wait()
        return incoming.pop()

    return receive


def from_loop(application: Application, asked: dict[str, Any]) -> tuple[int, dict, bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(application(asked, receiving(), send))
    assert not sent[-1].get("more_body")
    headers = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(each.get("body", b"") for each in sent[1:])


def from_django(asked: dict[str, Any]) -> tuple[int, dict, bytes]:
    def nothing(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=404)

    handler = SecurityMiddleware(WhiteNoiseMiddleware(nothing))
    response: HttpResponseBase = handler(ASGIRequest(asked, body_file()))
    headers = {k.lower(): v for k, v in response.items()}
    return response.status_code, headers, b"".join(response)


def test_a_file_is_answered_as_django_answers_it(application: Application, monkeypatch) -> None:
    monkeypatch.setattr(application._django, "answer", None)  # no thread takes part
    ways: list[dict[str, str]] = [
        {},
        {"accept_encoding": "br, gzip"},
        {"if_modified_since": "Fri, 01 Jan 2100 00:00:00 GMT"},
        {"if_none_match": '"other"'},
        {"range": "bytes=10-99", "accept_encoding": "gzip"},
    ]
    ranges = ("0-0", "0-9", "70000-", "-50", "9-5", "999999999-", "0-999999999", "a-b", "0-1,5-6")
    ways += [{"range": f"bytes={each}"} for each in ranges]
    seen = set()
    for path in ("/static/small.css", "/static/large.js"):
        for method in ("GET", "HEAD"):
            for headers in ways:
                asked = scope(path, method, **headers)
                answer = from_loop(application, asked)
                assert answer == from_django(asked), (path, method, headers)
                seen.add(answer[0])
    assert seen == {200, 206, 304, 416}


def test_what_is_no_file_or_has_to_go_to_https_is_left_to_django(
    application: Application, settings: Any
) -> None:
    for method, path, status in (
        ("GET", "/static/none.css", 404),
        ("GET", "/static/../small.css", 404),
        ("POST", "/static/small.css", 405),
    ):
        assert from_loop(application, scope(path, method))[0] == status
    settings.SECURE_SSL_REDIRECT = True
    # The middleware reads that setting when it is made.
    assert application._files.find(ASGIRequest(scope("/static/small.css"), body_file())) is None


def test_a_large_file_is_read_piece_by_piece_as_its_client_takes_it(
    application: Application, monkeypatch
) -> None:
    read = taken = 0
    pread = os.pread

    def counted(file: int, size: int, at: int) -> bytes:
        nonlocal read
        read += size
        return pread(file, size, at)

    async def send(message: dict[str, Any]) -> None:
        nonlocal taken
        assert read - taken <= 32 * 1024
        taken += len(message.get("body", b""))

    monkeypatch.setattr(os, "pread", counted)
    asyncio.run(application(scope("/static/large.js"), receiving(), send))

    assert taken == read == len(LARGE)
