"""The ASGI application: hot endpoints on the event loop, everything else by Django in threads.

A hot request with a service key needs no session, messages, CSRF token or page headers; here it
costs a fraction of what it costs in a thread of Django, and is answered by the same rules
(`billing.api.hot`). Without a key, for another host, or by plain HTTP where HTTPS is asked for, it
goes to Django.

Nothing on the loop waits for a database, for Redis or for another computer.
"""

import asyncio
import io
import json
import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote_from_bytes

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.middleware.security import SecurityMiddleware
from django.urls.resolvers import RoutePattern
from django.utils import timezone as clock

from billing.api.authentication import key_of, recalled_key_of
from billing.api.bodies import BodyTooSlow, ClientLeft, CollectedBody
from billing.api.hot import Asking, HotEndpoint, Reply, admit, problem_reply
from billing.api.problems import problem_response
from billing.services.sign_in import client_address
from config import health, metrics
from config.serving.django_bridge import DjangoBridge, Message, Receive, Send
from config.serving.lanes import Lanes

log = logging.getLogger(__name__)
_ALIVE = Reply(200, b'{"status": "ok"}', headers=[("Cache-Control", "no-store")])
# What a workspace spends is nobody's to find in a cache.
_NO_STORE = ((b"cache-control", b"no-store"),)
# Octets of a query string that stand for themselves.
_QUERY = "".join(map(chr, range(0x21, 0x7F)))


def _readiness() -> Reply:
    """Needs no thread of Django's: those may all wait for the database that is asked for here."""
    states = health.readiness()
    status = 200 if states["status"] == "ok" else 503
    return Reply(status, json.dumps(states).encode(), headers=[("Cache-Control", "no-store")])


class Application:
    def __init__(self, endpoints: Sequence[HotEndpoint], *, threads: int) -> None:
        self.lanes = Lanes(endpoints)
        self._django = DjangoBridge(get_wsgi_application(), threads=threads)
        self._headers = _security_headers()
        self._routes = [
            (endpoint, RoutePattern("/" + endpoint.route, is_endpoint=True))
            for endpoint in endpoints
        ]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        # Octets that stand for no text there are for Django's forms to judge, as escapes.
        scope["query_string"] = quote_from_bytes(scope["query_string"], safe=_QUERY)
        request = ASGIRequest(scope, io.BytesIO())  # the body is not here yet
        body = CollectedBody(request.META, receive)
        try:
            if request.path == "/healthz" and request.method in ("GET", "HEAD"):
                reply: Reply | None = _ALIVE
            elif request.path == "/readyz" and request.method in ("GET", "HEAD"):
                reply = await asyncio.to_thread(_readiness)
            elif (found := self._find(request)) and _is_ordinary(request):
                reply = await self._answer(*found, request, body)
            else:
                reply = await _collect(request, body)
            if reply is not None:
                await self._send(reply, body, send)
            else:
                await self._django.respond(request, body, receive, send)
        except ClientLeft:
            pass
        finally:
            body.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        """From the server's start to its end, when every request has been answered."""
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.lanes.stop()
        self._django.stop()
        await send({"type": "lifespan.shutdown.complete"})

    def _find(self, request: ASGIRequest) -> tuple[HotEndpoint, Mapping[str, Any]] | None:
        """The hot endpoint that is asked for, and the parameters in its path."""
        for endpoint, pattern in self._routes:
            if endpoint.method == request.method and (match := pattern.match(request.path)):
                return endpoint, match[2]
        return None

    async def _answer(
        self,
        endpoint: HotEndpoint,
        parameters: Mapping[str, Any],
        request: ASGIRequest,
        body: CollectedBody,
    ) -> Reply:
        begin = time.perf_counter()
        now = clock.now()
        try:
            header = request.META["HTTP_AUTHORIZATION"]
            key = recalled_key_of(header, now=now)
            if key is None:
                address = client_address(request)
                look_up = partial(key_of, header, now=now, address=address)
                key = await self.lanes.in_thread(look_up)
            assert key is not None  # there is a header
            asking = Asking(key, AnonymousUser())
            admitted = admit(endpoint, request, asking, parameters, in_background=True)
            await body.collect(owner=str(key.pk))
            reply = await self.lanes.run(endpoint, admitted, body, key.pk)
        except ClientLeft:
            raise
        except Exception as error:  # noqa: BLE001 - answered, and logged unless it is the client's
            reply = _problem_of(error, request)
        seconds = time.perf_counter() - begin
        metrics.observe(endpoint.method, endpoint.route, reply.status, seconds)
        return reply

    async def _send(self, reply: Reply, body: CollectedBody, send: Send) -> None:
        headers = [
            (b"content-type", reply.content_type.encode("latin-1")),
            (b"content-length", b"%d" % len(reply.body)),
            *(() if "Cache-Control" in dict(reply.headers) else _NO_STORE),
            *self._headers,
            *((k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in reply.headers),
        ]
        is_late = reply.status == BodyTooSlow.status
        if is_late or body.is_on_its_way:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if body.is_on_its_way and not is_late:
            # Who is still sending may read the answer already, or when all has been sent.
            await send({"type": "http.response.body", "body": reply.body, "more_body": True})
            await body.drop_rest()
            reply = reply._replace(body=b"")
        await send({"type": "http.response.body", "body": reply.body})


async def _collect(request: ASGIRequest, body: CollectedBody) -> Reply | None:
    """Have a body arrive for Django, or say why it is not read."""
    try:
        await body.collect()
    except ClientLeft:
        raise
    except Exception as error:  # noqa: BLE001 - as in `_answer`
        refusal = _problem_of(error, request)
        if request.path.startswith("/api/"):
            return refusal
        return Reply(refusal.status, f"{error}\n".encode(), "text/plain; charset=utf-8")
    return None


def _problem_of(error: Exception, request: ASGIRequest) -> Reply:
    try:
        return problem_reply(error)
    except Exception:
        log.exception("%s %s could not be answered", request.method, request.path)
        response = problem_response(
            status=500, code="internal_error", detail="Something went wrong here; it is logged."
        )
        return Reply(500, response.content, response.headers["Content-Type"])


def _is_ordinary(request: ASGIRequest) -> bool:
    """Whether Django's own checks, of the host and for HTTPS, would let it through."""
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():
        return False
    try:
        request.get_host()
    except SuspiciousOperation:
        return False
    return "HTTP_AUTHORIZATION" in request.META


def _security_headers() -> list[tuple[bytes, bytes]]:
    """What Django's middleware adds to every answer; where it depends on HTTPS, ours is HTTPS."""
    request = HttpRequest()
    scheme = "https" if settings.SECURE_SSL_REDIRECT else "http"
    request._get_scheme = lambda: scheme  # type: ignore[attr-defined]
    response = HttpResponse()
    del response.headers["Content-Type"]
    SecurityMiddleware(lambda _: response).process_response(request, response)
    return [(k.lower().encode(), v.encode()) for k, v in response.headers.items()]
