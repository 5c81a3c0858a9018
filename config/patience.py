"""Hearing out who is still sending when the answer is there."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from config.longway import Message, Receive, Send

ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]

# What is smaller has arrived with the headers.
_SMALL_BYTES = 65_536
_MOST_BYTES = 256 * 2**20
_SECONDS = 30.0


class Patience:
    """An ASGI application around another one that may answer before it has read a body.

    A connection that is closed with bytes unread is reset, and a client that writes all before it
    reads, as most libraries do, would see that and not the answer. So the rest of a large body is
    read and dropped, up to a size and a time, after the answer and before the close.
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _may_be_large(scope["headers"]):
            await self._application(scope, receive, send)
            return
        ended = False

        async def listen() -> Message:
            nonlocal ended
            message = await receive()
            ended = not message.get("more_body", False)
            return message

        async def answer(message: Message) -> None:
            is_last = message["type"] == "http.response.body" and not message.get("more_body")
            if is_last and not ended:
                await send({**message, "more_body": True})
                await hear_out()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        async def hear_out() -> None:
            heard = 0
            # Who takes longer is cut off.
            with suppress(TimeoutError):
                async with asyncio.timeout(_SECONDS):
                    while not ended and heard < _MOST_BYTES:
                        heard += len((await listen()).get("body", b""))

        await self._application(scope, listen, answer)


def _may_be_large(headers: list[tuple[bytes, bytes]]) -> bool:
    for name, value in headers:
        if name == b"transfer-encoding":
            return True
        if name == b"content-length":
            return len(value) > 5 or int(value) > _SMALL_BYTES
    return False
