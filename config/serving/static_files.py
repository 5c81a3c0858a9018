"""Static files, answered on the event loop: heads by WhiteNoise, pieces as the client takes them.

In threads, some hundred requests for files would have every page wait behind them.
"""

import asyncio
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
from config.serving.django_bridge import Send, encoded

_PIECE_BYTES = 32 * 1024
# Opening a file for each request took most of the loop's time.
_MAX_OPEN = 64


class StaticFiles:
    """As Django's middleware answers, of which only two have anything to say here. In development,
    where files change, Django does."""

    def __init__(self) -> None:
        self._files: dict[str, StaticFile] = WhiteNoiseMiddleware(lambda _: HttpResponse()).files
        # One head or piece each turn of the loop: whoever asks for anything else goes first.
        self._turn = asyncio.Semaphore()
        self._headers = [each for each in common_headers().items() if each[0] != "Cache-Control"]

    def find(self, request: ASGIRequest) -> StaticFile | None:
        """The file asked for; None: there is none, or Django's answer leads to HTTPS."""
        is_redirected = settings.SECURE_SSL_REDIRECT and not request.is_secure()
        if is_redirected or request.method not in ("GET", "HEAD"):
            return None
        return self._files.get(request.path_info)

    async def send(self, file: StaticFile, request: ASGIRequest, send: Send) -> None:
        async with self._turn:
            await asyncio.sleep(0)
            begin = time.perf_counter()
            # Of HEAD, since for GET the file would be opened.
            head = file.get_response("HEAD", request.META)
            facts = dict(head.headers)
            at = int(facts["Content-Range"].split()[1].split("-")[0]) if head.status == 206 else 0
            end = at + int(facts.get("Content-Length", 0)) if request.method == "GET" else 0
            content = _opened(file.get_path_and_headers(request.META)[0]) if at < end else None
            headers = encoded([*head.headers, *self._headers])
            counted = REQUESTS.labels(request.method, "static", int(head.status))
            counted.observe(time.perf_counter() - begin)
        await send({"type": "http.response.start", "status": head.status, "headers": headers})
        piece, more = b"", True
        while more:
            async with self._turn:
                await asyncio.sleep(0)
                if content is not None:
                    piece = os.pread(content.fileno(), min(_PIECE_BYTES, end - at), at)
            at += len(piece)
            more = at < end and bool(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": more})


@lru_cache(_MAX_OPEN)
def _opened(path: str) -> FileIO:
    return FileIO(path)  # closed when neither this cache nor an answer has it
