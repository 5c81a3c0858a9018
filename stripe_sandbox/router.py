"""Which handler answers which method and path."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stripe_sandbox.context import Context

Handler = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class Route:
    method: str
    pattern: re.Pattern[str]
    params: str | None
    handler: Handler


_routes: dict[str, list[Route]] = {"GET": [], "POST": [], "DELETE": []}


def route(method: str, path: str, params: str | None = None) -> Callable[[Handler], Handler]:
    """Register ``handler(ctx, params, *path_ids)``.

    ``params`` names the class of ``stripe.params`` that says what the endpoint takes; None means
    ``expand`` only.
    """

    def register(handler: Handler) -> Handler:
        pattern = re.compile(re.sub(r"\{\w+\}", r"([^/]+)", path) + r"\Z")
        _routes[method].append(Route(method, pattern, params, handler))
        return handler

    return register


def match(method: str, path: str) -> tuple[Route, list[str]] | None:
    for candidate in _routes.get(method, ()):
        found = candidate.pattern.match(path)
        if found:
            return candidate, list(found.groups())
    return None


def call(route: Route, ctx: Context, params: dict[str, Any], ids: list[str]) -> dict[str, Any]:
    ctx.path_ids = ids
    return route.handler(ctx, params, *ids)
