"""Static files, answered on the event loop: heads by WhiteNoise, pieces as the client takes them.

In threads, some hundred requests for files would have every page wait behind them.
"""

import os
import time
from functools import lru_cache
from io import FileIO

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

from config.metrics import REQUESTS
from config.middleware import common_headers
from config.serving.django_bridge import Send

_PIECE_BYTES = 32 * 1024
# Files up to this size stay in memory once they were asked for, larger ones open.
_SMALL_BYTES = 64 * 1024
_MAX_KEPT = 256


class StaticFiles:
    """Files that do not change while this runs (in development they do: Django answers).

    The answers are those of Django's middleware, of which only two have anything to say here.
    """

    def __init__(self) -> None:
        self._files: dict[str, StaticFile] = WhiteNoiseMiddleware(lambda _: HttpResponse()).files
        self._headers = [each for each in common_headers().items() if each[0] != "Cache-Control"]

    def find(self, request: ASGIRequest) -> StaticFile | None:
        """The file asked for; None: there is none, or Django's answer leads to HTTPS."""
        if request.method not in ("GET", "HEAD"):
            return None
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            return None
        return self._files.get(request.path_info)

    async def send(self, file: StaticFile, request: ASGIRequest, send: Send) -> None:
        begin = time.perf_counter()
        # Of HEAD, since for GET the file would be opened.
        head = file.get_response("HEAD", request.META)
        facts = dict(head.headers)
        at = int(facts["Content-Range"].split()[1].split("-")[0]) if head.status == 206 else 0
        end = at + int(facts.get("Content-Length", 0)) if request.method == "GET" else 0
        content = _content(file.get_path_and_headers(request.META)[0]) if at < end else b""
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in [*head.headers, *self._headers]
        ]
        counted = REQUESTS.labels(request.method, "static", int(head.status))
        counted.observe(time.perf_counter() - begin)
        await send({"type": "http.response.start", "status": head.status, "headers": headers})
        while piece := _piece(content, at, min(at + _PIECE_BYTES, end)):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            at += len(piece)
        await send({"type": "http.response.body"})


@lru_cache(_MAX_KEPT)
def _content(path: str) -> bytes | FileIO:
    file = FileIO(path)
    if os.fstat(file.fileno()).st_size > _SMALL_BYTES:
        return file  # closed when neither this cache nor an answer has it
    with file:
        return file.readall()


def _piece(content: bytes | FileIO, at: int, end: int) -> bytes:
    if isinstance(content, bytes):
        return content[at:end]
    return os.pread(content.fileno(), end - at, at)
