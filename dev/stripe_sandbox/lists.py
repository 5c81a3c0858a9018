"""Stripe's list objects: newest first, ``limit``, ``starting_after``, ``ending_before``."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import invalid, missing
from dev.stripe_sandbox.store import Object

DEFAULT_LIMIT = 10
MAX_LIMIT = 100

Keep = Callable[[Object], bool]


def list_object(data: list[Object], *, url: str, has_more: bool = False) -> Object:
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def page(
    ctx: Context,
    type: str,
    params: dict[str, Any],
    *,
    url: str,
    keep: Keep | None = None,
    oldest_first: bool = False,
    **narrow: Any,
) -> Object:
    """One page of live objects; ``keep`` filters on what the columns cannot."""
    limit = params.get("limit", DEFAULT_LIMIT)
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid(
            f"Invalid integer: {limit}; must be between 1 and {MAX_LIMIT}",
            param="limit",
            code="parameter_invalid_integer",
        )
    customer = narrow.get("customer")
    if customer is not None and ctx.store.find(customer, "customer") is None:
        raise missing("customer", customer, param="customer")
    narrow = {"created": params.get("created"), **narrow}
    after = _seq(ctx, type, params, "starting_after")
    before = _seq(ctx, type, params, "ending_before")
    scan = ctx.store.oldest_first if oldest_first else ctx.store.newest_first
    if before is not None:
        # Backwards: the page that ends just before the cursor, still in the list's own order.
        scan = ctx.store.newest_first if oldest_first else ctx.store.oldest_first
        narrow["before" if oldest_first else "after"] = before
    elif after is not None:
        narrow["after" if oldest_first else "before"] = after
    found = _take(scan(type, **narrow), limit + 1, keep)
    data = found[:limit]
    if before is not None:
        data.reverse()
    return list_object(data, url=url, has_more=len(found) > limit)


def equals(params: dict[str, Any], *names: str) -> Keep:
    """Keep objects whose fields equal the parameters of the same names, where given."""
    wanted = {name: params[name] for name in names if name in params}
    return lambda obj: all(obj.get(name) == value for name, value in wanted.items())


def _take(objects: Iterable[Object], count: int, keep: Keep | None) -> list[Object]:
    kept = (obj for obj in objects if keep is None or keep(obj))
    return list(itertools.islice(kept, count))


def _seq(ctx: Context, type: str, params: dict[str, Any], name: str) -> int | None:
    if name not in params:
        return None
    seq = ctx.store.seq_of(params[name], type)
    if seq is None:
        raise missing(type.replace("_", " "), params[name], param=name)
    return seq
