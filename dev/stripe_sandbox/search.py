"""Search: Stripe's query language as far as equality goes, over data that lags behind."""

import re
from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import invalid
from dev.stripe_sandbox.store import Object

# Stripe: "Do not use search in read-after-write flows ... under a minute" behind.
LAG_SECONDS = 60

_CLAUSE = re.compile(
    r"""\s*(?P<negated>-)?(?P<field>\w+)(?:\[["'](?P<key>[^"']+)["']\])?\s*
    (?P<sign>:|>=|<=|>|<)\s*(?:"(?P<text>[^"]*)"|'(?P<single>[^']*)'|(?P<number>-?\d+|null))\s*""",
    re.VERBOSE,
)
_COMPARE = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def search_result(ctx: Context, type: str, params: dict[str, Any], *, url: str) -> Object:
    """Objects created at least `LAG_SECONDS` ago that match ``query``."""
    clauses = _parsed(params["query"])
    limit = params.get("limit", 10)
    start = int(params.get("page", "0"))
    visible = [
        obj
        for obj in ctx.store.newest_first(type, created={"lte": ctx.now - LAG_SECONDS})
        if all(_matches(obj, clause) for clause in clauses)
    ]
    more = len(visible) > start + limit
    return {
        "object": "search_result",
        "data": visible[start : start + limit],
        "has_more": more,
        "next_page": str(start + limit) if more else None,
        "url": url,
    }


def _parsed(query: str) -> list[dict[str, str | None]]:
    if re.search(r"\bOR\b", query):
        raise invalid("The sandbox's search joins with AND only.", param="query")
    clauses = []
    for part in re.split(r"\s+AND\s+|\s+(?=-?\w+[:\[])", query.strip()):
        found = _CLAUSE.fullmatch(part)
        if found is None:
            raise invalid(
                "We were unable to parse your search query. Try using the format "
                '`metadata["key"]:"value"` to query for metadata or key:"value" to query '
                "for other fields.",
                param="query",
            )
        clauses.append(found.groupdict())
    return clauses


def _matches(obj: Object, clause: dict[str, str | None]) -> bool:
    value: Any = obj.get(clause["field"] or "")
    if clause["key"] is not None:
        value = (value or {}).get(clause["key"])
    wanted = clause["text"] if clause["text"] is not None else clause["single"]
    if wanted is None:
        wanted = clause["number"]
    if clause["sign"] != ":":
        result = isinstance(value, int) and _COMPARE[clause["sign"] or ""](value, int(wanted or 0))
    elif wanted == "null":
        result = value is None
    else:
        result = str(value) == wanted
    return result is not bool(clause["negated"])
