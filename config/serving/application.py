"""The ASGI application: hot endpoints on the event loop, everything else by Django in threads.

A hot request with a service key needs no session, messages, CSRF token or page headers; here it
costs a fraction of what it costs in a thread of Django, and is answered by the same rules
(`billing.api.hot`). Without a key, for another host, or by plain HTTP where HTTPS is asked for, it
goes to Django.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote_from_bytes

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.urls.resolvers import RoutePattern
from django.utils import timezone as clock

from billing.api.authentication import key_of, recalled_key_of
from billing.api.bodies import BodyTooSlow, ClientLeft, CollectedBody, body_file
from billing.api.hot import Asking, HotEndpoint, Reply, admit, problem_reply
from billing.services.sign_in import client_address
from config import health, metrics
from config.middleware import common_headers
from config.serving.django_bridge import DjangoBridge, Message, Receive, Send
from config.serving.lanes import Lanes

# Octets of a query string that stand for themselves.
_QUERY = "".join(map(chr, range(0x21, 0x7F)))


class Application:
    def __init__(self, endpoints: Sequence[HotEndpoint], *, threads: int) -> None:
        self.lanes = Lanes(endpoints)
        django = BaseHandler()
        django.load_middleware()
        self._django = DjangoBridge(django.get_response, threads=threads)
        self._headers = [(k.lower().encode(), v.encode()) for k, v in common_headers().items()]
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
        file = body_file()  # empty: the body is not here yet
        request = ASGIRequest(scope, file)
        body = CollectedBody(request.META, receive, file)
        try:
            reply = await self._reply(request, body)
            if reply is not None:
                await self._send(reply, body, send)
            else:
                await self._django.answer(request, body, receive, send)
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

    async def _reply(self, request: ASGIRequest, body: CollectedBody) -> Reply | None:
        """The answer to a probe, a hot request, or a body that is refused; None: it is Django's."""
        begin = time.perf_counter()
        endpoint = None
        try:
            if request.path == "/healthz" and request.method in ("GET", "HEAD"):
                return Reply(200, b'{"status": "ok"}')
            if request.path == "/readyz" and request.method in ("GET", "HEAD"):
                # No thread of Django's: those may all wait for the database that is asked for here.
                states = await asyncio.to_thread(health.readiness)
                return Reply(200 if states["status"] == "ok" else 503, json.dumps(states).encode())
            if not ((found := self._find(request)) and _is_ordinary(request)):
                await body.collect()
                return None
            endpoint, parameters = found
            reply = await self._answer(endpoint, parameters, request, body)
        except ClientLeft:
            raise
        except Exception as error:  # noqa: BLE001 - answered, and logged unless it is the client's
            reply = problem_reply(error)
        if endpoint is not None:
            seconds = time.perf_counter() - begin
            metrics.observe(endpoint.method, endpoint.route, reply.status, seconds)
        return reply

    async def _answer(
        self,
        endpoint: HotEndpoint,
        parameters: Mapping[str, Any],
        request: ASGIRequest,
        body: CollectedBody,
    ) -> Reply:
        now = clock.now()
        header = request.META["HTTP_AUTHORIZATION"]
        key = recalled_key_of(header, now=now)
        if key is None:
            address = client_address(request)
            key = await self.lanes.in_thread(partial(key_of, header, now=now, address=address))
        assert key is not None  # there is a header
        asking = Asking(key, AnonymousUser())
        admitted = admit(endpoint, request, asking, parameters, in_background=True)
        await body.collect(owner=str(key.pk))
        return await self.lanes.run(endpoint, admitted, body, key.pk)

    async def _send(self, reply: Reply, body: CollectedBody, send: Send) -> None:
        headers = [
            (b"content-type", reply.content_type.encode("latin-1")),
            (b"content-length", b"%d" % len(reply.body)),
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


def _is_ordinary(request: ASGIRequest) -> bool:
    """Whether Django's own checks, of the host and for HTTPS, would let it through."""
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():
        return False
    try:
        request.get_host()
    except SuspiciousOperation:
        return False
    return "HTTP_AUTHORIZATION" in request.META
