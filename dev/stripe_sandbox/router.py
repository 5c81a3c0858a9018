"""Which handler answers which method and path."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dev.stripe_sandbox.context import Context, Params
from dev.stripe_sandbox.errors import refuse_unsupported

# What a sandbox may ignore: hints on how to charge, to e-mail or to render.
WITHOUT_EFFECT = frozenset(
    (
        "allow_redisplay automatic_payment_methods billing_address_collection confirmation_method "
        "connect consent_collection custom_text customer_update email_type "
        "error_on_requires_action forgive instructions_email invoice_now locale "
        "marketing_features off_session origin_context payment_behavior payment_method_collection "
        "payment_method_options payment_method_types payment_settings prorate proration_behavior "
        "receipt_email return_url setup_future_usage shippable statement_descriptor submit "
        "tax_behavior tax_code ui_mode usage use_stripe_sdk validate"
    ).split()
)

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


def call(route: Route, ctx: Context, given: dict[str, Any], ids: list[str]) -> dict[str, Any]:
    """Answer the request; `ApiError` 400 for a parameter that the handler took no notice of."""
    ctx.path_ids = ids
    params = Params(given)
    result = route.handler(ctx, params, *ids)
    ignored = [name for name in given if name in params.unused - WITHOUT_EFFECT]
    refuse_unsupported(given, *ignored)
    return result
