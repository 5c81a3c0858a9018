"""Django's handler behind an event loop: threads make answers, the loop passes them on.

No thread waits for a client. A request gets one when its whole body has arrived; the thread writes
its response as fast as it can be made, what the client has not taken yet waits on disk, and the
loop sends it.
"""

import asyncio
import io
import os
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryFile
from typing import IO, Any

from django.core.handlers.asgi import ASGIRequest
from django.core.signals import request_started
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from billing.api.bodies import CollectedBody

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Respond = Callable[[HttpRequest], HttpResponseBase]

# How much of a response is handed to the connection at a time.
_PIECE_BYTES = 32 * 1024
# Of a response that waits for its client, the rest is on disk.
_MAX_IN_MEMORY_BYTES = 64 * 1024
# How often a response is looked for, to be passed on while it is made.
_FOLLOW_SECONDS = 0.05


def encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


class DjangoBridge:
    """`respond` in at most `threads` threads, which start when needed."""

    def __init__(self, respond: Respond, *, threads: int) -> None:
        self._respond = respond
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="django")

    async def answer(
        self, request: ASGIRequest, body: CollectedBody, receive: Receive, send: Send
    ) -> None:
        """Answer a request whose body has been collected, and is its stream: each piece when the
        client has room, until it leaves."""
        body.file.seek(0)
        # However it came, all of it is here.
        request.META["CONTENT_LENGTH"] = str(body.size)
        request.META.pop("HTTP_TRANSFER_ENCODING", None)
        answer = _Answer()
        loop = asyncio.get_running_loop()
        making = loop.run_in_executor(self._threads, answer.make, self._respond, request)
        left = asyncio.ensure_future(_has_left(receive))
        is_begun = is_last = False
        try:
            while not (left.done() or is_last):
                is_made = making.done()  # before looking for more
                piece = answer.next_piece()
                if not piece and not is_made:
                    first = asyncio.FIRST_COMPLETED
                    await asyncio.wait({making, left}, timeout=_FOLLOW_SECONDS, return_when=first)
                    continue
                if answer.head is None:
                    break  # it failed, which the thread's own future says below
                if not is_begun:
                    await send(answer.head)
                    is_begun = True
                is_last = is_made and len(piece) < _PIECE_BYTES
                await send({"type": "http.response.body", "body": piece, "more_body": not is_last})
        finally:
            left.cancel()
            answer.is_abandoned = True
            await making
            answer.file.close()

    def stop(self) -> None:
        self._threads.shutdown()


class _Answer:
    """Made by a thread, while the event loop may already pass it on."""

    def __init__(self) -> None:
        self.head: Message | None = None
        self.is_abandoned = False
        self.file: IO[bytes] = io.BytesIO()
        self._written = self._read = 0

    def make(self, respond: Respond, request: ASGIRequest) -> None:
        request_started.send(sender=DjangoBridge, scope=request.scope)
        response = respond(request)
        cookies = [("set-cookie", each.OutputString()) for each in response.cookies.values()]
        self.head = {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": encoded([*response.items(), *cookies]),
        }
        try:
            for piece in response:
                if self.is_abandoned:
                    break
                self._write(piece)
        finally:
            response.close()

    def _write(self, piece: bytes) -> None:
        self._written += len(piece)
        if isinstance(self.file, io.BytesIO) and self._written > _MAX_IN_MEMORY_BYTES:
            on_disk = TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the answer
            on_disk.write(self.file.getvalue())
            self.file = on_disk
        self.file.write(piece)

    def next_piece(self) -> bytes:
        file = self.file  # the thread may put it on disk now
        if isinstance(file, io.BytesIO):
            # Not a view of its buffer: the thread cannot write while there is one.
            piece = file.getvalue()[self._read : self._read + _PIECE_BYTES]
        else:
            piece = os.pread(file.fileno(), _PIECE_BYTES, self._read)
        self._read += len(piece)
        return piece


async def _has_left(receive: Receive) -> None:
    """Wait for the client to leave. A request without a body has its empty one told here first."""
    while (await receive())["type"] != "http.disconnect":
        pass
