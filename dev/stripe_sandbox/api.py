"""One request to Stripe's API, from its parameters to its answer.

Order of the checks, as at Stripe: key (401), endpoint (404), idempotency key, parameters (400),
then the work itself, which is one transaction together with the answer saved under the key.
"""

import base64
import binascii
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dev.stripe_sandbox import resources
from dev.stripe_sandbox.context import API_VERSION, Context, Upload
from dev.stripe_sandbox.errors import ApiError
from dev.stripe_sandbox.faults import Faults, InjectedFault
from dev.stripe_sandbox.forms import parse_form
from dev.stripe_sandbox.idempotency import InFlight, SavedAnswer, save_answer, saved_answer
from dev.stripe_sandbox.params import check_params
from dev.stripe_sandbox.render import answer
from dev.stripe_sandbox.router import Route, call, match
from dev.stripe_sandbox.store import Store
from dev.stripe_sandbox.webhooks import Deliveries

LOGGED_REQUESTS = 20_000


@dataclass
class Request:
    method: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str]  # names in lower case
    files: Mapping[str, Upload] = field(default_factory=dict)

    @property
    def params(self) -> str:
        """The encoded parameters: of a GET or DELETE in the query, otherwise in the body too."""
        return "&".join(part for part in (self.query, self.body) if part)


@dataclass
class Response:
    """``dropped`` closes the connection instead of answering."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    dropped: bool = False


class Api:
    """Stripe's API on a store. ``key`` None accepts every test key.

    ``requests_per_second`` None sets no limit; above it the answer is 429, as at Stripe.
    """

    def __init__(self, store: Store, deliveries: Deliveries, *, key: str | None) -> None:
        resources.register()
        self.store = store
        self.deliveries = deliveries
        self.key = key
        self.faults = Faults()
        self.in_flight = InFlight()
        self.log: deque[dict[str, Any]] = deque(maxlen=LOGGED_REQUESTS)
        self.base_url = ""
        self.requests_per_second: int | None = None
        self.revoked: set[str] = set()
        self._this_second = (0, 0)

    def handle(self, request: Request) -> Response:
        started = time.perf_counter()
        response = self._handle(request)
        self.log.append(
            {
                "method": request.method,
                "path": request.path,
                "params": request.params,
                "idempotency_key": request.headers.get("idempotency-key"),
                "status": None if response.dropped else response.status,
                "replayed": "Idempotent-Replayed" in response.headers,
                "request_id": response.headers.get("Request-Id"),
                "seconds": round(time.perf_counter() - started, 6),
            }
        )
        return response

    def _handle(self, request: Request) -> Response:
        request_id = self.store.new_id("req", 14)
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        try:
            self._authenticate(request.headers.get("authorization", ""))
            with self.in_flight.hold(key):
                fault = self.faults.take(request.method, request.path)
                response = self._with_fault(request, fault, key, request_id)
        except ApiError as error:
            response = _error_response(error)
        response.headers.setdefault("Request-Id", request_id)
        response.headers["Stripe-Version"] = request.headers.get("stripe-version", API_VERSION)
        if key is not None:
            response.headers["Idempotency-Key"] = key
        return response

    def _with_fault(
        self, request: Request, fault: InjectedFault | None, key: str | None, request_id: str
    ) -> Response:
        kind = fault.kind if fault else ""
        if fault and fault.kind == "delay":
            self.faults.wait(fault.seconds)
        if kind == "drop_before":
            return Response(dropped=True)
        if kind == "429" or self._over_the_limit():
            raise ApiError(
                429,
                "Request rate limit exceeded. Learn more about rate limits here "
                "https://stripe.com/docs/rate-limits.",
                code="rate_limit",
                saved=False,
            )
        if kind == "500_before":
            return _error_response(_server_error())
        if kind == "500_after":
            self._answer(request, key, request_id, save=False)
            return _error_response(_server_error())
        response = self._answer(request, key, request_id, saved_500=kind)
        return Response(dropped=True) if kind == "drop_after" else response

    def _answer(
        self,
        request: Request,
        key: str | None,
        request_id: str,
        *,
        save: bool = True,
        saved_500: str = "",
    ) -> Response:
        found = match(request.method, request.path)
        if found is None:
            raise ApiError(
                404,
                f"Unrecognized request URL ({request.method}: {request.path}). "
                "Please see https://stripe.com/docs or we can help at https://support.stripe.com/.",
                saved=False,
            )
        ctx = Context(
            store=self.store,
            now=self.store.now(),
            base_url=self.base_url,
            request_id=request_id,
            idempotency_key=key,
            files=request.files,
        )
        with self.store.lock:
            if key is not None:
                with self.store.transaction():
                    saved = saved_answer(
                        self.store,
                        key=key,
                        method=request.method,
                        path=request.path,
                        params=request.params,
                        now=ctx.now,
                    )
                if saved is not None:
                    return _replayed(saved)
            result = self._work(request, ctx, found, saved_500, save=save)
        if ctx.deliveries_queued:
            self.deliveries.wake()
        return result

    def _work(
        self,
        request: Request,
        ctx: Context,
        found: tuple[Route, list[str]],
        saved_500: str,
        *,
        save: bool,
    ) -> Response:
        """Do the request and save its answer, in one transaction."""
        route, ids = found
        params = check_params(route.params, parse_form(request.params))
        expand = params.pop("expand", [])
        try:
            with self.store.transaction():
                try:
                    if saved_500 == "saved_500":
                        raise _server_error()
                    body = answer(ctx, call(route, ctx, params, ids), expand)
                    if saved_500 == "saved_500_after":
                        raise _server_error(keep_effects=True)
                    response = Response(body=msgspec.json.encode(body))
                except ApiError as error:
                    if not error.keep_effects:
                        raise
                    response = _error_response(error)
                if save:
                    self._save(request, ctx, response)
        except ApiError as error:
            ctx.deliveries_queued = 0
            response = _error_response(error)
            if error.saved and save:
                with self.store.transaction():
                    self._save(request, ctx, response)
        return response

    def _save(self, request: Request, ctx: Context, response: Response) -> None:
        if ctx.idempotency_key is None:
            return
        save_answer(
            self.store,
            SavedAnswer(response.status, response.body, ctx.request_id or ""),
            key=ctx.idempotency_key,
            method=request.method,
            path=request.path,
            params=request.params,
            now=ctx.now,
        )

    def _over_the_limit(self) -> bool:
        if self.requests_per_second is None:
            return False
        second, count = self._this_second
        now = int(time.monotonic())
        self._this_second = (now, count + 1 if now == second else 1)
        return self._this_second[1] > self.requests_per_second

    def _authenticate(self, authorization: str) -> None:
        given = key_in(authorization)
        if not given:
            raise ApiError(
                401,
                "You did not provide an API key. You need to provide your API key in the "
                "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
                "YOUR_SECRET_KEY').",
                saved=False,
            )
        wrong = given != self.key if self.key else not given.startswith(("sk_test_", "rk_test_"))
        if wrong or given in self.revoked:
            shown = f"{given[:8]}{'*' * 12}{given[-4:]}"
            raise ApiError(401, f"Invalid API Key provided: {shown}", saved=False)


def key_in(authorization: str) -> str:
    """The key of a Bearer or Basic header; empty for anything else."""
    scheme, _, value = authorization.partition(" ")
    if scheme != "Basic":
        return value if scheme == "Bearer" else ""
    try:
        return base64.b64decode(value).decode("latin-1").partition(":")[0]
    except binascii.Error:
        return ""


def _server_error(*, keep_effects: bool = False) -> ApiError:
    return ApiError(
        500,
        "An unknown error occurred (a fault that was injected into the sandbox).",
        type="api_error",
        keep_effects=keep_effects,
    )


def _error_response(error: ApiError) -> Response:
    return Response(status=error.status, body=msgspec.json.encode(error.body()))


def _replayed(saved: SavedAnswer) -> Response:
    return Response(
        status=saved.status,
        body=saved.body,
        headers={"Idempotent-Replayed": "true", "Original-Request": saved.request_id},
    )
