"""The ASGI application: hot endpoints on the event loop, everything else by Django in threads.

A hot request with a service key is answered by the rules of `billing.api.hot`, for a fraction of
what it costs in a thread of Django; without a key, for another host, or by plain HTTP where HTTPS
is asked for, it goes to Django. One key may only have a few batches, calls or large records under
way in each worker, less than there is room for: when they wait for a lock, others still find room.
"""

import asyncio
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from typing import Any, TypeVar, cast
from urllib.parse import quote_from_bytes
from uuid import UUID
from weakref import WeakValueDictionary

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.db import connection
from django.urls.resolvers import RoutePattern
from django.utils import timezone as clock

from billing.api.bodies import BodyTooSlow, ClientLeft, CollectedBody, body_file
from billing.api.callers import Asking, admit, key_of, recalled_key_of
from billing.api.hot import (
    HotEndpoint,
    HotRequest,
    Lane,
    ManyFunction,
    Reply,
    answer,
    problem_reply,
)
from billing.models import ServiceKey
from billing.services.sign_in import client_address
from config import health
from config.metrics import REQUESTS
from config.middleware import common_headers
from config.serving.django_bridge import DjangoBridge, Message, Receive, Send, encoded
from config.serving.processes import PROCESSES, Processes
from config.serving.static_files import StaticFiles

# Octets of a query string that stand for themselves.
_QUERY = "".join(map(chr, range(0x21, 0x7F)))
# What is larger, or packed, is not read among others.
_SMALL_BYTES = 16_384
_THREADS = 8
_AT_ONCE_PER_KEY = 2
_MAX_MICRO_BATCH = 256
# A micro-batch that takes longer (it waits for a lock) does not hold up everyone else: the next
# begins beside it. Sooner would only make for more and smaller ones.
_MAX_WAIT_SECONDS = 0.02
T = TypeVar("T")


class Application:
    """Threads start when needed, so that a process may be forked before; without
    `start_processes`, threads do what processes would."""

    def __init__(self, endpoints: Sequence[HotEndpoint], *, threads: int) -> None:
        self._micro_batchers = {
            endpoint: MicroBatcher(cast(ManyFunction, endpoint.function))
            for endpoint in endpoints
            if endpoint.lane is Lane.TOGETHER
        }
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="hot")
        self._processes: Processes | None = None
        self._slots = asyncio.Semaphore(PROCESSES + 1)
        self._rooms = WeakValueDictionary[tuple[UUID, Lane], asyncio.Semaphore]()
        django = BaseHandler()
        django.load_middleware()
        self._django = DjangoBridge(django.get_response, threads=threads)
        self._files = StaticFiles()
        self._headers = encoded(common_headers().items())
        pattern = partial(RoutePattern, is_endpoint=True)
        self._routes = [(endpoint, pattern("/" + endpoint.route)) for endpoint in endpoints]

    def start_processes(self) -> None:
        self._processes = Processes()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        # Octets that stand for no text there are for Django's forms to judge, as escapes.
        scope["query_string"] = quote_from_bytes(scope["query_string"], safe=_QUERY)
        file = body_file()  # empty: the body is not here yet
        request = ASGIRequest(scope, file)
        body = CollectedBody(request.META, receive, file)
        try:
            if body.ended and (found := self._files.find(request)):
                return await self._files.send(found, request, send)
            if reply := await self._reply(request, body):
                await self._send(reply, body, send)
            else:
                await self._django.answer(request, body, receive, send)
        except ClientLeft:
            pass
        finally:
            body.close()

    def stop(self) -> None:
        """When every request has been answered."""
        for part in (*self._micro_batchers.values(), self._processes, self._django):
            if part is not None:
                part.stop()
        self._threads.shutdown()

    def _find(self, request: ASGIRequest) -> tuple[HotEndpoint, Mapping[str, Any]] | None:
        """The hot endpoint that is asked for, and the parameters in its path."""
        for endpoint, pattern in self._routes:
            if endpoint.method == request.method and (match := pattern.match(request.path)):
                return (endpoint, match[2]) if _is_ordinary(request) else None
        return None

    async def _reply(self, request: ASGIRequest, body: CollectedBody) -> Reply | None:
        """The answer to a probe, a hot request, or a body that is refused; None: it is Django's."""
        begin = time.perf_counter()
        endpoint = None
        try:
            if request.path in ("/healthz", "/readyz") and request.method in ("GET", "HEAD"):
                # No thread of Django's: those may all wait for the database that is asked for here.
                asks = request.path == "/readyz"
                states = await asyncio.to_thread(health.readiness) if asks else {"status": "ok"}
                return Reply(200 if states["status"] == "ok" else 503, json.dumps(states).encode())
            if (found := self._find(request)) is None:
                await body.collect()
                return None
            endpoint, parameters = found
            key = await self._key_of(request)
            asking = Asking(key, AnonymousUser())
            admitted = admit(endpoint, request, asking, parameters, in_background=True)
            await body.collect(owner=str(key.pk))
            reply = await self._run(endpoint, admitted, body, key.pk)
        except ClientLeft:
            raise
        except Exception as error:  # noqa: BLE001 - answered, and logged unless it is the client's
            reply = problem_reply(error)
        if endpoint is not None:
            counted = REQUESTS.labels(endpoint.method, endpoint.route, reply.status)
            counted.observe(time.perf_counter() - begin)
        return reply

    async def _key_of(self, request: ASGIRequest) -> ServiceKey:
        now, header = clock.now(), request.META["HTTP_AUTHORIZATION"]
        if (key := recalled_key_of(header, now=now)) is None:
            find = partial(key_of, header, now=now, address=client_address(request))
            key = await self._in_thread(find)
        return cast(ServiceKey, key)  # there is a header

    async def _run(
        self, endpoint: HotEndpoint, request: HotRequest, body: CollectedBody, key_id: UUID
    ) -> Reply:
        """The answer to a request whose body has been collected."""
        if endpoint in self._micro_batchers and not request.packed and body.size <= _SMALL_BYTES:
            request = request._replace(body=body.read())
            return await self._micro_batchers[endpoint].submit(request)
        processes = self._processes if endpoint.lane is Lane.PROCESS else None
        room = self._rooms.setdefault((key_id, endpoint.lane), asyncio.Semaphore(_AT_ONCE_PER_KEY))
        async with room, self._slots if processes else nullcontext():
            # Until it was its turn the body stayed where it is, which may be the disk.
            work = partial(answer, endpoint, request._replace(body=body.read()))
            if processes:
                return await processes.run(partial(_with_connection, work))
            return await self._in_thread(work)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _with_connection, work)

    async def _send(self, reply: Reply, body: CollectedBody, send: Send) -> None:
        headers = [
            (b"content-type", reply.content_type.encode()),
            (b"content-length", b"%d" % len(reply.body)),
            *self._headers,
        ]
        if reply.headers:
            headers += encoded(reply.headers)
        is_late = reply.status == BodyTooSlow.status
        if is_late or body.is_on_its_way:
            headers.append((b"connection", b"close"))
        # Who is still sending may read the answer already, or when all has been sent.
        drops = body.is_on_its_way and not is_late
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body, "more_body": drops})
        if drops:
            await body.drop_rest()
            await send({"type": "http.response.body"})


def _is_ordinary(request: ASGIRequest) -> bool:
    """Whether Django's own checks, of the host and for HTTPS, would let it through."""
    try:
        request.get_host()
    except SuspiciousOperation:
        return False
    is_redirected = settings.SECURE_SSL_REDIRECT and not request.is_secure()
    return not is_redirected and "HTTP_AUTHORIZATION" in request.META


def _with_connection(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        connection.close()  # back to the pool


class MicroBatcher:
    """Answers requests that arrive at the same time by one transaction or query. Alone, a request
    goes straight through; under load, twenty records share one transaction, one flush to disk and
    one way back to the loop. A record is still answered only after its own commit.

    `work` gives, in order, an answer or an error to each request; what it raises is raised to
    everyone in the micro-batch."""

    def __init__(self, work: ManyFunction, *, at_once: int = 2) -> None:
        self._work = work
        self._waiting: list[tuple[HotRequest, asyncio.Future[Reply]]] = []
        # Its own: others may wait for locks in theirs.
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="micro-batch")
        self._room = asyncio.Semaphore(at_once)
        self._under_way = set[asyncio.Task[None]]()

    async def submit(self, request: HotRequest) -> Reply:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if len(self._waiting) == 1:
            self._begin()
        return await future

    def stop(self) -> None:
        self._threads.shutdown()

    def _begin(self) -> None:
        task = asyncio.create_task(self._answer(frozenset(self._under_way)))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _answer(self, before: Collection[asyncio.Task[None]]) -> None:
        """Those who wait by the time that a micro-batch `before` has ended, or takes too long."""
        if before:
            first = asyncio.FIRST_COMPLETED
            await asyncio.wait(before, timeout=_MAX_WAIT_SECONDS, return_when=first)
        async with self._room:
            batch = self._waiting[:_MAX_MICRO_BATCH]
            del self._waiting[:_MAX_MICRO_BATCH]
            if self._waiting:
                self._begin()
            work = partial(self._work, [request for request, _ in batch])
            loop = asyncio.get_running_loop()
            try:
                replies = await loop.run_in_executor(self._threads, _with_connection, work)
            except Exception as error:  # noqa: BLE001 - raised to everyone who waits for it
                replies = [error] * len(batch)
        for (_, future), reply in zip(batch, replies, strict=True):
            if future.done():
                continue  # its client is gone
            if isinstance(reply, Exception):
                future.set_exception(reply)
            else:
                future.set_result(reply)
