"""The front door: answers the hot endpoints on the event loop, and hands on everything else.

A request with a service key needs no session, messages, CSRF token or page headers. Here it costs
a fraction of what it costs by the long way, past a thread of the web server and Django's handler,
and is answered the same: by the rules in `billing.api` and `usage.api.answers`. Whatever is out of
the ordinary (no key, another host, plain HTTP where HTTPS is asked for, another method) goes the
long way.

Nothing on the loop waits for a database, for Redis or for a disk: single records and questions of
admission are answered in micro-batches, by threads of their own (`micro_batching`), calls by a few
threads, and batches by a recorder (`usage.api.recorder`).
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.exception import response_for_exception
from django.db import connection
from django.http import HttpResponse
from django.middleware.security import SecurityMiddleware
from django.urls import resolve
from django.utils import timezone as clock

from billing.api.authentication import key_of, recalled_key_of
from billing.api.bodies import announced_length, is_packed
from billing.api.plain import AuthenticatedRequest, authorized
from billing.api.problems import error_response
from billing.api.throttles import check_rate
from usage.api import answers, hot
from usage.api.jobs import BATCHES, Job, Reply, perform, reply_of
from usage.api.recorder import Recorder
from usage.api.requests import Headers, LightRequest, Receive, Scope, Send, collect_body
from usage.queries.admission import Admission, admissions_of
from usage.services.ingest import PricedRecord, RecordError
from usage.services.ingest.micro_batching import Answer, MicroBatcher, record_micro_batch

ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
# Method, route, status and seconds of one request.
Observe = Callable[[str, str, int, float], None]
_Endpoint = Callable[[LightRequest, Receive], Awaitable[Reply]]
T = TypeVar("T")

_HEX = "[0-9a-f]"
_ADMISSION = re.compile(
    rf"/api/v1/workspaces/({_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}})/admission/"
)
_MOST_HOSTS = 1_000
# A single record larger than this, or packed, is not read on the event loop.
_SMALL_BYTES = 16_384
_JOBS_AT_ONCE = 4
# As many larger bodies are held in memory; whoever comes then is not read from for a while.
_MOST_BODIES = 64


class Door:
    """An ASGI application before another one, which gets what is not hot."""

    def __init__(self, otherwise: ASGIApp, *, observe: Observe) -> None:
        self._otherwise = otherwise
        self._observe = observe
        posts: dict[str, _Endpoint] = {
            "/api/v1/usage/": self._record_one,
            "/api/v1/usage/batch/": partial(self._work, "usage batch"),
            "/api/v1/calls/": partial(self._work, "call"),
            "/api/v1/calls/batch/": partial(self._work, "call batch"),
        }
        self._posts = {path: (resolve(path).route, posts[path]) for path in posts}
        self._admission_route = resolve(f"/api/v1/workspaces/{UUID(int=0)}/admission/").route
        self._hosts: set[str] = set()
        self._headers = _security_headers()
        # Two at a time: a micro-batch that waits for a lock does not hold up the others.
        self._records: MicroBatcher[PricedRecord, Answer] = MicroBatcher(
            record_micro_batch, name="records", threads=2
        )
        self._admissions: MicroBatcher[UUID, Admission] = MicroBatcher(
            _admissions, name="admission", threads=1
        )
        self._workers = ThreadPoolExecutor(_JOBS_AT_ONCE, thread_name_prefix="jobs")
        self._room = asyncio.Semaphore(_MOST_BODIES)
        self._recorder: Recorder | None = None
        self._keys = ThreadPoolExecutor(2, thread_name_prefix="keys")

    def hand_over_to(self, recorder: Recorder) -> None:
        """Have batches done in other processes, not by threads in this one."""
        self._recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (found := self._endpoint(scope)) is not None:
            headers = Headers(
                [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]]
            )
            # A header that stands there twice means nothing to us.
            if "authorization" in headers and len(headers) == len(scope["headers"]):
                request = LightRequest(scope, headers)
                if self._is_ordinary(request):
                    await self._serve(request, receive, send, *found)
                    return
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._otherwise(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """From the server's start to its end, when every request has been answered."""
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for batcher in (self._records, self._admissions):
            batcher.stop()
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.stop)
        await send({"type": "lifespan.shutdown.complete"})

    def _endpoint(self, scope: Scope) -> tuple[str, _Endpoint] | None:
        """The route and how to answer it, for hot endpoints."""
        path: str = scope["path"]
        if scope["method"] == "POST":
            return self._posts.get(path)
        if scope["method"] == "GET" and path.endswith("/admission/"):
            match = _ADMISSION.fullmatch(path)
            if match is not None:
                return self._admission_route, partial(self._admission, UUID(match[1]))
        return None

    def _is_ordinary(self, request: LightRequest) -> bool:
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            return False
        host = request.headers.get("host", "")
        if host in self._hosts:
            return True
        try:
            request.get_host()
        except DisallowedHost:
            return False
        if not settings.USE_X_FORWARDED_HOST:
            if len(self._hosts) >= _MOST_HOSTS:
                self._hosts.clear()
            self._hosts.add(host)
        return True

    async def _serve(
        self,
        request: LightRequest,
        receive: Receive,
        send: Send,
        route: str,
        endpoint: _Endpoint,
    ) -> None:
        begin = time.perf_counter()
        try:
            reply = await endpoint(request, receive)
        except Exception as error:  # noqa: BLE001 - answered, and logged unless it is the client's
            response = error_response(error) or response_for_exception(request, error)
            reply = reply_of(response)
        self._observe(str(request.method), route, reply.status, time.perf_counter() - begin)
        headers = [
            (b"content-type", reply.content_type.encode("latin-1")),
            (b"content-length", b"%d" % len(reply.body)),
            *self._headers,
            *((k.encode("latin-1"), v.encode("latin-1")) for k, v in reply.headers),
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _record_one(self, request: LightRequest, receive: Receive) -> Reply:
        caller = await self._admitted(request, hot.WRITE)
        hot.require_media_type(caller, hot.JSON)
        packed = is_packed(caller)
        only = hot.bound_to(caller)
        length = announced_length(caller)
        if length is not None and length <= _SMALL_BYTES and not packed:
            body = await collect_body(caller, receive)
        else:
            async with self._room:
                body = await collect_body(caller, receive)
                if packed or len(body) > _SMALL_BYTES:
                    return await self._perform(Job("usage", body, packed, False, only))
        answer = await self._records.submit(
            answers.checked(body, now=clock.now(), only_workspace=only)
        )
        if isinstance(answer, RecordError):
            raise answers.RecordRefused(answer)
        return Reply(*answers.recorded(*answer))

    async def _work(self, kind: str, request: LightRequest, receive: Receive) -> Reply:
        """Collect a body; a worker does the rest."""
        caller = await self._admitted(request, hot.WRITE)
        accepted = (hot.JSON, hot.NDJSON) if kind in BATCHES else (hot.JSON,)
        ndjson = hot.require_media_type(caller, *accepted) == hot.NDJSON
        packed = is_packed(caller)
        async with self._room:
            body = await collect_body(caller, receive)
            return await self._perform(Job(kind, body, packed, ndjson, hot.bound_to(caller)))

    async def _perform(self, job: Job) -> Reply:
        # A single call is soon done, and must not queue behind batches.
        if self._recorder is not None and job.kind in BATCHES:
            return await self._recorder.perform(job)
        return await _in_thread(self._workers, partial(perform, job))

    async def _admission(
        self, workspace_id: UUID, request: LightRequest, receive: Receive
    ) -> Reply:
        caller = await self._admitted(request, hot.ASK)
        hot.require_visible(caller, workspace_id)
        found = await self._admissions.submit(workspace_id)
        return Reply(200, answers.admission_json(found))

    async def _admitted(
        self, request: LightRequest, scope: str | Collection[str]
    ) -> AuthenticatedRequest:
        now = clock.now()
        key = recalled_key_of(request, now=now)
        if key is None:
            key = await _in_thread(self._keys, partial(key_of, request, now=now))
            assert key is not None  # there is a header, or it would not be here
        caller = authorized(request, key, scope)
        limit = getattr(settings, hot.THROTTLE)
        check_rate(caller, limit=limit, group=hot.THROTTLE, in_background=True)
        return caller


def _admissions(workspace_ids: Sequence[UUID]) -> Sequence[Admission | Exception]:
    return admissions_of(workspace_ids, clock.now())


async def _in_thread(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    def run() -> T:
        try:
            return work()
        finally:
            connection.close()  # back to the pool

    return await asyncio.get_running_loop().run_in_executor(pool, run)


def _security_headers() -> list[tuple[bytes, bytes]]:
    """What Django's middleware adds to every answer; where it depends on HTTPS, ours is HTTPS."""
    scheme = "https" if settings.SECURE_SSL_REDIRECT else "http"
    request = LightRequest({"method": "GET", "path": "/", "scheme": scheme}, Headers())
    response = HttpResponse()
    del response.headers["Content-Type"]
    SecurityMiddleware(lambda _: response).process_response(request, response)
    return [(k.lower().encode(), v.encode()) for k, v in response.headers.items()]
