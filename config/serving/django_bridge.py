"""Django's WSGI application behind an event loop: threads make answers, the loop passes them on.

No thread waits for a client. A request gets one when its whole body has arrived; the thread writes
its response as fast as it can be made, what the client has not taken yet waits on disk, and the
loop sends it. A file is not copied there: the loop reads it as the client takes it.
"""

import asyncio
import io
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryFile
from typing import IO, Any
from wsgiref.types import WSGIApplication

from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections

from billing.api.bodies import CollectedBody

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# How much of a response is handed to the connection at a time.
_PIECE_BYTES = 32 * 1024
# Of a response that waits for its client, the rest is on disk.
_MAX_IN_MEMORY_BYTES = 64 * 1024
# A response that takes longer is passed on while it is made; how often its end is looked for.
_MAX_SILENT_SECONDS = 0.5
_FOLLOW_SECONDS = 0.05


class DjangoBridge:
    """`application` in at most `threads` threads, which start when needed."""

    def __init__(self, application: WSGIApplication, *, threads: int) -> None:
        self._application = application
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="django")

    async def respond(
        self, request: ASGIRequest, body: CollectedBody, receive: Receive, send: Send
    ) -> None:
        """Answer a request whose body has been collected."""
        response = _Response()
        making = asyncio.get_running_loop().run_in_executor(
            self._threads, response.make, self._application, _environ(request, body)
        )
        left = asyncio.ensure_future(_has_left(receive))
        try:
            await _pass_on(response, making, left, send)
        finally:
            left.cancel()
            response.is_abandoned = True
            await making
            response.close()

    def stop(self) -> None:
        self._threads.shutdown()


class _Abandoned(Exception):
    """Nobody wants the rest."""


class _File:
    """What Django hands over for a response that is a file."""

    def __init__(self, file: Any, block_size: int) -> None:
        self.read = file.read
        self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(_PIECE_BYTES), b"")


class _Response:
    """Made by a thread, while the event loop may already pass it on."""

    def __init__(self) -> None:
        self.head: Message | None = None
        self.is_abandoned = False
        self._file: IO[bytes] | _File = io.BytesIO()
        self._written = self._read = 0

    def make(self, application: WSGIApplication, environ: dict[str, Any]) -> None:
        response = application(environ, self._start)
        if isinstance(response, _File):
            self._file = response
        else:
            try:
                for piece in response:
                    self._write(piece)
            except _Abandoned:
                pass
            finally:
                if hasattr(response, "close"):
                    response.close()
        close_old_connections()

    def _start(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        self.head = {
            "type": "http.response.start",
            "status": int(status[:3]),
            "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers],
        }
        return self._write

    def _write(self, piece: bytes) -> None:
        if self.is_abandoned:
            raise _Abandoned
        self._written += len(piece)
        if isinstance(self._file, io.BytesIO) and self._written > _MAX_IN_MEMORY_BYTES:
            on_disk = TemporaryFile(buffering=0)  # noqa: SIM115 - see `close`
            on_disk.write(self._file.getvalue())
            self._file = on_disk
        self._file.write(piece)  # type: ignore[union-attr] # nothing is written to a file of Django's

    def next_piece(self) -> bytes:
        file = self._file  # the thread may put it on disk now
        if isinstance(file, _File):
            return bytes(file.read(_PIECE_BYTES))
        if isinstance(file, io.BytesIO):
            # Not a view of its buffer: the thread cannot write while there is one.
            piece = file.getvalue()[self._read : self._read + _PIECE_BYTES]
        else:
            piece = os.pread(file.fileno(), _PIECE_BYTES, self._read)
        self._read += len(piece)
        return piece

    def close(self) -> None:
        self._file.close()


async def _pass_on(
    response: _Response, making: "asyncio.Future[Any]", left: "asyncio.Future[Any]", send: Send
) -> None:
    """Send all of it, each piece when the client has room; stop when it has left."""

    async def wait(seconds: float) -> None:
        await asyncio.wait({making, left}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    await wait(_MAX_SILENT_SECONDS)
    while response.head is None and not making.done() and not left.done():
        await wait(_FOLLOW_SECONDS)
    if response.head is None:
        return  # the application failed, which whoever awaits the thread is told
    await send(response.head)
    while not left.done():
        is_made = making.done()  # before looking for more
        piece = response.next_piece()
        is_last = is_made and len(piece) < _PIECE_BYTES
        if piece or is_last:
            message = {"type": "http.response.body", "body": piece, "more_body": not is_last}
            await send(message)
        if is_last:
            return
        if not piece:
            await wait(_FOLLOW_SECONDS)


async def _has_left(receive: Receive) -> None:
    """Wait for the client to leave. A request without a body has its empty one told here first."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _environ(request: ASGIRequest, body: CollectedBody) -> dict[str, Any]:
    body.file.seek(0)
    environ: dict[str, Any] = request.META | {
        "PATH_INFO": request.path.encode().decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{request.scope['http_version']}",
        "CONTENT_LENGTH": str(body.size),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scope["scheme"],
        "wsgi.input": body.file,
        "wsgi.errors": sys.stderr,
        "wsgi.file_wrapper": _File,
        "wsgi.run_once": False,
    }
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return environ
