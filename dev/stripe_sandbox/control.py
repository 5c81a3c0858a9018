"""``/_sandbox/``: what tests and the demo ask of the sandbox itself. Not part of Stripe's API.

Bodies and answers are JSON; ``account`` names another account than the first. No key is needed,
because the sandbox listens on loopback only.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from dev.stripe_sandbox.accounts import Accounts
from dev.stripe_sandbox.api import Api, Request, Response
from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import ApiError
from dev.stripe_sandbox.events import queue_delivery
from dev.stripe_sandbox.resources.clockwork import catch_up
from dev.stripe_sandbox.resources.disputes import end_dispute, open_dispute

PREFIX = "/_sandbox/"

_Body = dict[str, Any]


def handle(accounts: Accounts, request: Request) -> Response:
    name = request.path.removeprefix(PREFIX).strip("/")
    action = _ACTIONS.get((request.method, name))
    if action is None:
        return _json({"error": f"no such control: {request.method} {request.path}"}, 404)
    try:
        body = msgspec.json.decode(request.body) if request.body else {}
        if name in _OF_ALL:
            # What was there before is gone in every account.
            answers = [action(api, body) for api in accounts.all()]
            return _json(answers[0])
        answer = action(accounts.named(body.pop("account", "")), body)
        if name == "deliveries":
            answer["idle"] = all(api.deliveries.idle() for api in accounts.all())
        return _json(answer)
    except ApiError as error:
        return _json(error.body(), error.status)
    except (ValueError, KeyError, TypeError) as error:
        return _json({"error": f"{type(error).__name__}: {error}"}, 400)


def _health(api: Api, body: _Body) -> Any:
    return {"ok": True, "now": api.store.now()}


def _list_faults(api: Api, body: _Body) -> Any:
    return {"faults": api.faults.listed()}


def _add_fault(api: Api, body: _Body) -> Any:
    api.faults.add(body)
    return _list_faults(api, {})


def _clear_faults(api: Api, body: _Body) -> Any:
    api.faults.clear()
    return {"faults": []}


def _advance(api: Api, body: _Body) -> Any:
    """Put the clock forward by ``seconds``, and do what Stripe does when the time comes."""
    store = api.store
    with store.transaction():
        offset = int(store.setting("clock_offset", "0")) + int(body["seconds"])
        store.set_setting("clock_offset", str(offset))
        catch_up(_context(api))
    api.deliveries.wake()
    return {"now": store.now()}


def _requests(api: Api, body: _Body) -> Any:
    return {"requests": list(api.log)}


def _clear_requests(api: Api, body: _Body) -> Any:
    api.log.clear()
    return {"requests": []}


def _resend(api: Api, body: _Body) -> Any:
    """Deliver ``event`` ``times`` more, to every endpoint or to ``endpoint`` only."""
    with api.store.transaction():
        if api.store.find(body["event"], "event") is None:
            raise ValueError(f"no event {body['event']}")
        endpoints = [
            endpoint["id"]
            for endpoint in api.store.newest_first("webhook_endpoint")
            if body.get("endpoint") in (None, endpoint["id"])
        ]
        for _ in range(int(body.get("times", 1))):
            for endpoint in endpoints:
                queue_delivery(api.store, body["event"], endpoint)
    api.deliveries.wake()
    return {"queued": int(body.get("times", 1)) * len(endpoints)}


def _pause(api: Api, body: _Body) -> Any:
    return _set_paused(api, "yes")


def _resume(api: Api, body: _Body) -> Any:
    return _set_paused(api, "no")


def _set_paused(api: Api, value: str) -> Any:
    with api.store.transaction():
        api.store.set_setting("deliveries_paused", value)
    api.deliveries.wake()
    return {"paused": value == "yes"}


def _deliveries(api: Api, body: _Body) -> Any:
    names = ("id", "event", "endpoint", "attempts", "state", "last_status")
    with api.store.lock:
        rows = api.store.db.execute(
            "SELECT id, event, endpoint, attempts, state, last_status FROM delivery"
            " ORDER BY id DESC LIMIT 1000"
        ).fetchall()
    found = [dict(zip(names, row, strict=True)) for row in rows]
    return {"idle": api.deliveries.idle(), "deliveries": found}


def _drop_deliveries(api: Api, body: _Body) -> Any:
    """Lose what has not been delivered yet."""
    with api.store.transaction():
        api.store.db.execute("UPDATE delivery SET state = 'dropped' WHERE state = 'pending'")
    return _deliveries(api, {})


def _rate_limit(api: Api, body: _Body) -> Any:
    """Answer 429 above ``per_second`` requests a second; null lifts the limit."""
    per_second = body["per_second"]
    api.requests_per_second = None if per_second is None else int(per_second)
    return {"per_second": api.requests_per_second}


def _dispute(api: Api, body: _Body) -> Any:
    """Open a dispute on ``charge``."""
    with api.store.transaction():
        ctx = _context(api)
        charge = ctx.get("charge", body["charge"])
        dispute = open_dispute(ctx, charge, reason=body.get("reason", "fraudulent"))
    api.deliveries.wake()
    return dispute


def _close_dispute(api: Api, body: _Body) -> Any:
    """Close ``dispute`` as ``won`` or ``lost``."""
    if body["status"] not in ("won", "lost"):
        raise ValueError("status must be won or lost")
    with api.store.transaction():
        ctx = _context(api)
        dispute = end_dispute(ctx, ctx.get("dispute", body["dispute"]), status=body["status"])
    api.deliveries.wake()
    return dispute


def _reset(api: Api, body: _Body) -> Any:
    """Forget everything, webhook endpoints too, unless ``keep_endpoints``."""
    with api.store.transaction():
        kept = list(api.store.oldest_first("webhook_endpoint"))
        api.store.clear()
        for endpoint in kept if body.get("keep_endpoints") else ():
            api.store.insert(endpoint)
    return _without_orders(api)


def _remember(api: Api, body: _Body) -> Any:
    """Keep all there is, for any number of `recall`s."""
    with api.store.transaction():
        api.store.remember()
    return {"ok": True}


def _recall(api: Api, body: _Body) -> Any:
    """As `reset`, to what was remembered instead of to nothing."""
    with api.store.transaction():
        api.store.recall()
    return _without_orders(api)


def _revoke(api: Api, body: _Body) -> Any:
    """Take ``key`` no more."""
    api.revoked.add(body["key"])
    return {"revoked": sorted(api.revoked)}


def _without_orders(api: Api) -> Any:
    api.revoked.clear()
    api.faults.clear()
    api.log.clear()
    api.requests_per_second = None
    return {"ok": True}


def _context(api: Api) -> Context:
    return Context(store=api.store, now=api.store.now(), base_url=api.base_url)


def _json(value: Any, status: int = 200) -> Response:
    return Response(status=status, body=msgspec.json.encode(value))


_OF_ALL = ("reset", "remember", "recall", "advance")
_ACTIONS: dict[tuple[str, str], Callable[[Api, _Body], Any]] = {
    ("GET", "health"): _health,
    ("GET", "faults"): _list_faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "advance"): _advance,
    ("GET", "requests"): _requests,
    ("DELETE", "requests"): _clear_requests,
    ("POST", "resend"): _resend,
    ("POST", "pause_webhooks"): _pause,
    ("POST", "resume_webhooks"): _resume,
    ("GET", "deliveries"): _deliveries,
    ("DELETE", "deliveries"): _drop_deliveries,
    ("POST", "rate_limit"): _rate_limit,
    ("POST", "open_dispute"): _dispute,
    ("POST", "close_dispute"): _close_dispute,
    ("POST", "revoke"): _revoke,
    ("POST", "reset"): _reset,
    ("POST", "remember"): _remember,
    ("POST", "recall"): _recall,
}
