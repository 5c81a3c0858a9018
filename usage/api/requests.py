"""A request as the hot endpoints need it: made from an ASGI scope, without Django's handler."""

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cached_property
from typing import Any

from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.http import parse_header_parameters

from billing.api.bodies import BodyBounds, broken_off

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_BARE = ("CONTENT_TYPE", "CONTENT_LENGTH")


class Headers(dict[str, str]):
    """Found by their name in any case; kept in small letters, as ASGI has them."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())


class LightRequest(HttpRequest):
    """Makes what costs time, `META` above all, only when it is asked for.

    Has no body: `collect_body` reads it from the ASGI server.
    """

    GET = QueryDict("")
    POST = QueryDict("")
    COOKIES: dict[str, str] = {}
    FILES: MultiValueDict[str, Any] = MultiValueDict()

    def __init__(self, scope: Scope, headers: Headers) -> None:
        # Not Django's own __init__, which makes everything that pages need.
        self.scope = scope
        self.method = str(scope["method"])
        self.path = self.path_info = scope["path"]
        self.headers = headers  # type: ignore[assignment]
        self.resolver_match = None
        kind = headers.get("content-type", "")
        if kind == "application/json":
            self.content_type, self.content_params = kind, {}
        else:
            self.content_type, self.content_params = parse_header_parameters(kind)

    @cached_property
    def META(self) -> dict[str, Any]:  # type: ignore[override]  # noqa: N802 - Django's name
        meta: dict[str, Any] = {}
        for header, value in self.headers.items():
            name = header.upper().replace("-", "_")
            meta[name if name in _BARE else f"HTTP_{name}"] = value
        host, port = self.scope.get("server") or ("localhost", 80)
        meta["SERVER_NAME"], meta["SERVER_PORT"] = host, str(port or 0)
        meta["REMOTE_ADDR"] = (self.scope.get("client") or ("", 0))[0]
        meta["REQUEST_METHOD"], meta["PATH_INFO"] = self.method, self.path
        return meta

    def _get_scheme(self) -> str:
        return str(self.scope.get("scheme", "http"))


async def collect_body(request: HttpRequest, receive: Receive) -> bytes:
    """The body as sent; raises as `billing.api.bodies.read_body` does, as soon as it is known."""
    bounds = BodyBounds(request)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise broken_off()
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if not message.get("more_body", False):
            break
        bounds.check_size(size)
    bounds.check_end(size)
    return parts[0] if len(parts) == 1 else b"".join(parts)
